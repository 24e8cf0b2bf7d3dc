//! INSERT, and what all changes of rows have in common: stored values, OUTPUT, counting.

use rusqlite::types::Value;
use sqlparser::ast::{
    Expr, Ident, Insert, ObjectName, ObjectNamePart, OutputClause, Query, SelectInto, SelectItem, SetExpr,
    TableObject,
};

use super::{
    described::names,
    failures::Doing,
    infer::{arguments, infer},
    nodes::{plain, text},
    query::{Rows, Translated},
    schemas::{is_catalog, with_schema},
    scope::{TableColumn, Tables, last_part, table_columns, table_name},
    session::Session,
    translate::{Translator, known_place},
    update::output_items,
};
use crate::sql::{
    errors::{SqlError, error, invalid_column, invalid_object, not_supported, undeclared_table},
    types::SqlType,
};

/// The value that stands for DEFAULT VALUES where OUTPUT is before it; no column of T-SQL's has such a name.
pub(super) const DEFAULT_VALUES: &str = "\u{0}default values";

fn is_default_values(source: &Query) -> bool {
    let SetExpr::Values(values) = source.body.as_ref() else { return false };
    let [row] = values.rows.as_slice() else { return false };
    matches!(row.content.as_slice(), [Expr::Identifier(ident)] if ident.value == DEFAULT_VALUES)
}

/// The table that a statement changes.
pub(super) struct Target {
    /// As SQLite has it, unquoted.
    pub(super) name: String,
    pub(super) written: String,
    pub(super) columns: Vec<TableColumn>,
}

impl Target {
    pub(super) fn column(&self, name: &str) -> Result<&TableColumn, SqlError> {
        self.columns
            .iter()
            .find(|column| column.name.eq_ignore_ascii_case(name))
            .ok_or_else(|| invalid_column(name))
    }
}

impl Session {
    pub(super) fn target(&self, name: &ObjectName) -> Result<Target, SqlError> {
        let parts: Vec<&Ident> = name.0.iter().filter_map(ObjectNamePart::as_ident).collect();
        known_place(&parts, &self.who.database)?;
        let (table, written) = (table_name(name), plain(name));
        let columns = table_columns(&self.connection, &table)
            .map_err(|failure| self.told(&failure, &Doing::default()))?;
        if columns.is_empty() && table.starts_with('@') {
            return Err(undeclared_table(&table));
        }
        if columns.is_empty() || is_catalog(&table) {
            return Err(invalid_object(written));
        }
        Ok(Target { name: table, written, columns })
    }

    /// Storing into a column: its type, its length, its error messages.
    pub(super) fn stored(&self, target: &Target, column: &TableColumn, value: &str) -> String {
        let table = format!("{}.{}", self.who.database, with_schema(&target.name));
        let constants = [column.sql_type.declared(), table, column.name.clone()]
            .map(|constant| text(&constant).to_string());
        format!("__assign({}, {value})", constants.join(", "))
    }

    /// Rewrites a part of a statement about `target`.
    pub(super) fn rewritten<T: sqlparser::ast::VisitMut + sqlparser::ast::Visit + Clone>(
        &self,
        target: &Target,
        node: &T,
    ) -> Result<(T, Tables), SqlError> {
        let mut tables = self.tables(node)?;
        for shown in [target.name.as_str(), "inserted", "deleted"] {
            tables.found.push((shown.to_owned(), target.columns.clone()));
        }
        let standing = self.standing();
        let mut translator =
            Translator { changed: true, ..Translator::new(&tables, &self.variables, &standing) };
        let mut node = node.clone();
        translator.apply(&mut node)?;
        Ok((node, tables))
    }

    pub(crate) fn insert(&mut self, insert: &Insert) -> Result<(), SqlError> {
        let TableObject::TableName(name) = &insert.table else {
            return Err(not_supported(format!("INSERT into {}", insert.table)));
        };
        let target = self.target(name)?;
        let named: Vec<String> = insert.columns.iter().map(last_part).collect();
        let columns = self.insert_columns(&target, &named)?;
        let (items, into) = match &insert.output {
            Some(OutputClause::Output { select_items, into_table: into, .. }) => {
                (output_items(&target, select_items)?, into.as_ref().map(into_table).transpose()?)
            }
            _ => (Vec::new(), None),
        };
        let (returning, types) = self.returning(&target, &items)?;
        // One column comes back for each row, so that rows can be counted; it is taken off again.
        let returning = format!(" RETURNING 1{returning}");
        let types = types.map(|types| [(String::new(), None)].into_iter().chain(types).collect());
        let table = Ident::with_quote('"', &target.name);
        let list: Vec<String> =
            columns.iter().map(|column| Ident::with_quote('"', &column.name).to_string()).collect();
        let sql = match insert.source.as_ref().filter(|source| !is_default_values(source)) {
            None => format!("INSERT INTO {table} DEFAULT VALUES{returning}"),
            Some(source) => {
                let rows = self.source(&target, &columns, source)?;
                format!("INSERT INTO {table} ({}) {rows}{returning}", list.join(", "))
            }
        };
        let translated = self.translated("INSERT", &target, sql, types);
        self.change(&target, insert.output.is_some(), into.as_ref(), |session| {
            let (mut columns, mut rows) = session.query(&translated)?;
            columns.remove(0);
            rows.iter_mut().for_each(|row| drop(row.remove(0)));
            Ok((columns, rows))
        })
    }

    /// The rows to insert, each value made what its column is.
    pub(super) fn source(
        &mut self,
        target: &Target,
        columns: &[&TableColumn],
        source: &Query,
    ) -> Result<String, SqlError> {
        let SetExpr::Values(values) = source.body.as_ref() else {
            let translated = self.translate_query(source)?;
            let names: Vec<String> = (0..columns.len()).map(|at| format!("c{at}")).collect();
            let stored: Vec<String> =
                columns.iter().zip(&names).map(|(column, name)| self.stored(target, column, name)).collect();
            return Ok(format!(
                "WITH \"source\"({}) AS ({}) SELECT {} FROM \"source\" WHERE true",
                names.join(", "),
                translated.sql,
                stored.join(", ")
            ));
        };
        let mut rows = Vec::new();
        for row in &values.rows {
            if row.content.len() != columns.len() {
                return Err(mismatch());
            }
            let mut fields = Vec::new();
            for (value, column) in row.content.iter().zip(columns) {
                fields.push(if is_default(value) {
                    column.default.clone().unwrap_or_else(|| "NULL".to_owned())
                } else {
                    let (value, _) = self.rewritten(target, value)?;
                    self.stored(target, column, &value.to_string())
                });
            }
            rows.push(format!("({})", fields.join(", ")));
        }
        Ok(format!("VALUES {}", rows.join(", ")))
    }

    pub(super) fn filter(&self, target: &Target, selection: Option<&Expr>) -> Result<String, SqlError> {
        selection.map_or(Ok(String::new()), |selection| {
            self.rewritten(target, selection).map(|(selection, _)| format!(" WHERE {selection}"))
        })
    }

    pub(super) fn translated(
        &self,
        verb: &'static str,
        target: &Target,
        sql: String,
        columns: Option<Vec<(String, Option<SqlType>)>>,
    ) -> Translated {
        let doing = Doing { verb, written: vec![target.written.clone()], ..Doing::default() };
        Translated { sql, columns, doing, locks: true }
    }

    /// OUTPUT's items as what follows RETURNING and one column there, with the columns' names and types.
    #[allow(clippy::type_complexity)]
    pub(super) fn returning(
        &self,
        target: &Target,
        items: &[SelectItem],
    ) -> Result<(String, Option<Vec<(String, Option<SqlType>)>>), SqlError> {
        let names = names(items).unwrap_or_default();
        let mut made = String::new();
        let mut types = Vec::new();
        for item in items {
            let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
                continue;
            };
            let (expr, tables) = self.rewritten(target, expr)?;
            types.push(infer(&expr, &tables, &self.variables));
            made.push_str(&format!(", {expr}"));
        }
        Ok((made, Some(names.into_iter().zip(types).collect())))
    }

    /// Runs a change, with the identity counter at hand, and answers it: to the client, or into OUTPUT's table.
    pub(super) fn change(
        &mut self,
        target: &Target,
        outputs: bool,
        into: Option<&(ObjectName, Vec<Ident>)>,
        body: impl FnOnce(&mut Self) -> Result<Rows, SqlError>,
    ) -> Result<(), SqlError> {
        let (columns, rows) = self.writing(|session| {
            session.prepare_identity(target)?;
            let made = body(session);
            session.keep_identity(target)?;
            let (columns, rows) = made?;
            if let Some((name, names)) = into {
                session.store_rows(name, names, &rows)?;
            }
            Ok((columns, rows))
        })?;
        self.row_count = rows.len() as i64;
        if outputs && into.is_none() {
            self.write_rows(&columns, &rows)?;
        }
        self.statement_done(Some(rows.len() as u64));
        Ok(())
    }

    /// Puts rows that are there already into a table.
    pub(super) fn store_rows(
        &mut self,
        name: &ObjectName,
        names: &[Ident],
        rows: &[Vec<Value>],
    ) -> Result<(), SqlError> {
        let target = self.target(name)?;
        let named: Vec<String> = names.iter().map(|name| name.value.clone()).collect();
        let columns = self.insert_columns(&target, &named)?;
        if rows.first().is_some_and(|row| row.len() != columns.len()) {
            return Err(mismatch());
        }
        let list: Vec<String> =
            columns.iter().map(|column| Ident::with_quote('"', &column.name).to_string()).collect();
        let values: Vec<String> = columns
            .iter()
            .enumerate()
            .map(|(at, column)| self.stored(&target, column, &format!("?{}", at + 1)))
            .collect();
        let table = Ident::with_quote('"', &target.name);
        let sql = format!("INSERT INTO {table} ({}) VALUES ({})", list.join(", "), values.join(", "));
        let doing = Doing { verb: "INSERT", written: vec![target.written.clone()], ..Doing::default() };
        self.prepare_identity(&target)?;
        let run = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare(&sql)?;
            for row in rows {
                statement.execute(rusqlite::params_from_iter(row))?;
            }
            Ok(())
        };
        run().map_err(|failure| self.told(&failure, &doing))?;
        self.keep_identity(&target)
    }

    /// The columns that an INSERT fills: those named, or all that take values.
    pub(super) fn insert_columns<'a>(
        &self,
        target: &'a Target,
        named: &[String],
    ) -> Result<Vec<&'a TableColumn>, SqlError> {
        if named.is_empty() {
            let takes = |column: &&TableColumn| column.identity.is_none() && !column.computed;
            return Ok(target.columns.iter().filter(takes).collect());
        }
        let explicit = self.options.identity_insert.as_deref() == Some(&target.name.to_lowercase());
        let mut columns = Vec::new();
        for (at, name) in named.iter().enumerate() {
            if named[..at].iter().any(|before| before.eq_ignore_ascii_case(name)) {
                return Err(named_twice(name));
            }
            let column = target.column(name)?;
            if column.computed {
                return Err(computed(&column.name));
            }
            if column.identity.is_some() && !explicit {
                let message = format!(
                    "Cannot insert explicit value for identity column in table '{}' when IDENTITY_INSERT is set to OFF.",
                    target.name
                );
                return Err(error(544, message));
            }
            columns.push(column);
        }
        Ok(columns)
    }
}

/// The word DEFAULT in the place of a value.
pub(super) fn is_default(value: &Expr) -> bool {
    matches!(value, Expr::Identifier(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("DEFAULT"))
}

pub(super) fn mismatch() -> SqlError {
    error(213, "Column name or number of supplied values does not match table definition.")
}

pub(super) fn named_twice(column: &str) -> SqlError {
    let message = format!(
        "The column name '{column}' is specified more than once in the SET clause or column list of an INSERT. A column \
         cannot be assigned more than one value in the same clause. Modify the clause to make sure that a column is \
         updated only once."
    );
    error(264, message)
}

pub(super) fn computed(column: &str) -> SqlError {
    let message = format!(
        "The column \"{column}\" cannot be modified because it is either a computed column or is the result of a UNION \
         operator."
    );
    error(271, message)
}

/// The table and the columns behind OUTPUT … INTO, as `sqlparser` reads them: an expression.
pub(super) fn into_table(into: &SelectInto) -> Result<(ObjectName, Vec<Ident>), SqlError> {
    match into.targets.as_slice() {
        [Expr::Identifier(name)] => Ok((ObjectName::from(vec![name.clone()]), Vec::new())),
        [Expr::CompoundIdentifier(parts)] => Ok((ObjectName::from(parts.clone()), Vec::new())),
        [Expr::Function(call)] => {
            let columns = arguments(&call.args).into_iter().filter_map(|column| match column {
                Expr::Identifier(ident) => Some(ident.clone()),
                _ => None,
            });
            Ok((call.name.clone(), columns.collect()))
        }
        _ => Err(not_supported(format!("… {into}"))),
    }
}
