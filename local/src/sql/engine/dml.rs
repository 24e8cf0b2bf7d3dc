//! INSERT, UPDATE and DELETE, with OUTPUT.

use sqlparser::ast::{
    Assignment, AssignmentTarget, Delete, Expr, FromTable, Ident, Insert, ObjectName, OutputClause, Query,
    SelectItem, SetExpr, TableFactor, TableObject, TableWithJoins, Update,
};

use super::{
    failures::Doing,
    query::{Rows, Translated, names},
    scope::{TableColumn, Tables, infer, table_columns, table_name},
    session::Session,
    translate::{Translator, plain, text},
};
use crate::sql::{
    errors::{SqlError, error, invalid_column, invalid_object, not_supported},
    types::SqlType,
};

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
        let (table, written) = (table_name(name), plain(name));
        let columns = table_columns(&self.connection, &table)
            .map_err(|failure| self.told(&failure, &Doing::default()))?;
        if columns.is_empty() || table.contains('.') {
            return Err(invalid_object(written));
        }
        Ok(Target { name: table, written, columns })
    }

    /// Storing into a column: its type, its length, its error messages.
    pub(super) fn stored(&self, target: &Target, column: &TableColumn, value: &str) -> String {
        let table = format!("{}.dbo.{}", self.who.database, target.name);
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
        let mut translator = Translator {
            tables: &tables,
            variables: &self.variables,
            standing: &standing,
            changed: true,
            locks: false,
        };
        let mut node = node.clone();
        translator.apply(&mut node)?;
        Ok((node, tables))
    }

    pub(crate) fn insert(&mut self, insert: &Insert) -> Result<(), SqlError> {
        let TableObject::TableName(name) = &insert.table else {
            return Err(not_supported(format!("INSERT into {}", insert.table)));
        };
        let target = self.target(name)?;
        let identity = target.columns.iter().find(|column| column.identity.is_some());
        let mut columns = Vec::new();
        for column in &insert.columns {
            columns.push(target.column(&super::scope::last_part(column))?);
        }
        let explicit = self.options.identity_insert.as_deref() == Some(&target.name.to_lowercase());
        if insert.columns.is_empty() {
            columns = target.columns.iter().filter(|column| column.identity.is_none()).collect();
        } else if let Some(identity) = identity
            && columns.iter().any(|column| column.name == identity.name)
            && !explicit
        {
            let message = format!(
                "Cannot insert explicit value for identity column in table '{}' when IDENTITY_INSERT is set to OFF.",
                target.name
            );
            return Err(error(544, message));
        }
        let (returning, types) = self.returning(&target, insert.output.as_ref())?;
        let table = Ident::with_quote('"', &target.name);
        let list: Vec<String> =
            columns.iter().map(|column| Ident::with_quote('"', &column.name).to_string()).collect();
        let sql = match &insert.source {
            None => format!("INSERT INTO {table} DEFAULT VALUES{returning}"),
            Some(source) => {
                let rows = self.source(&target, &columns, source)?;
                format!("INSERT INTO {table} ({}) {rows}{returning}", list.join(", "))
            }
        };
        let translated = self.translated("INSERT", &target, sql, types);
        let outputs = insert.output.is_some();
        self.change(&target, outputs, |session| session.query(&translated))
    }

    /// The rows to insert, each value made what its column is.
    pub(super) fn source(
        &mut self,
        target: &Target,
        columns: &[&TableColumn],
        source: &Query,
    ) -> Result<String, SqlError> {
        let mismatch =
            || error(213, "Column name or number of supplied values does not match table definition.");
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
                let is_default = matches!(value, Expr::Identifier(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("DEFAULT"));
                fields.push(if is_default {
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

    pub(crate) fn update(&mut self, update: &Update) -> Result<(), SqlError> {
        if update.from.is_some() || !update.table.joins.is_empty() || update.limit.is_some() {
            return Err(not_supported("UPDATE with FROM, joins or TOP"));
        }
        let target = self.target(single(&update.table)?)?;
        let mut sets = Vec::new();
        for Assignment { target: assigned, value } in &update.assignments {
            let AssignmentTarget::ColumnName(name) = assigned else {
                return Err(not_supported("UPDATE of several columns by one assignment"));
            };
            let column = target.column(&super::scope::last_part(name))?;
            if column.identity.is_some() {
                return Err(error(8102, format!("Cannot update identity column '{}'.", column.name)));
            }
            let (value, _) = self.rewritten(&target, value)?;
            let value = self.stored(&target, column, &value.to_string());
            sets.push(format!("{} = {value}", Ident::with_quote('"', &column.name)));
        }
        let filter = self.filter(&target, update.selection.as_ref())?;
        let table = Ident::with_quote('"', &target.name);
        let before = deleted_items(update.output.as_ref());
        let (mut returning, mut types) = self.returning(&target, update.output.as_ref())?;
        if before.iter().any(Option::is_some) {
            returning = returning.replacen(" RETURNING ", " RETURNING rowid, ", 1);
            types = types.map(|types| [("rowid".to_owned(), None)].into_iter().chain(types).collect());
        }
        let sql = format!("UPDATE {table} SET {}{filter}{returning}", sets.join(", "));
        let translated = self.translated("UPDATE", &target, sql, types);
        let old = self.translated("UPDATE", &target, format!("SELECT rowid, * FROM {table}{filter}"), None);
        let outputs = update.output.is_some();
        let places: Vec<Option<usize>> = before
            .iter()
            .map(|name| {
                name.as_ref()
                    .and_then(|name| target.columns.iter().position(|c| c.name.eq_ignore_ascii_case(name)))
            })
            .collect();
        self.change(&target, outputs, |session| {
            if places.iter().all(Option::is_none) {
                return session.query(&translated);
            }
            let (_, old) = session.query(&old)?;
            let (mut columns, mut rows) = session.query(&translated)?;
            columns.remove(0);
            for row in &mut rows {
                let rowid = row.remove(0);
                let before = old.iter().find(|old| old[0] == rowid);
                for (value, place) in row.iter_mut().zip(&places) {
                    if let (Some(before), Some(place)) = (before, place) {
                        *value = before[place + 1].clone();
                    }
                }
            }
            Ok((columns, rows))
        })
    }

    pub(crate) fn delete(&mut self, delete: &Delete) -> Result<(), SqlError> {
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        let [table] = from.as_slice() else { return Err(not_supported("DELETE from several tables")) };
        if !delete.tables.is_empty() || delete.using.is_some() || delete.limit.is_some() {
            return Err(not_supported("DELETE with joins or TOP"));
        }
        let target = self.target(single(table)?)?;
        let filter = self.filter(&target, delete.selection.as_ref())?;
        let (returning, types) = self.returning(&target, delete.output.as_ref())?;
        let sql = format!("DELETE FROM {}{filter}{returning}", Ident::with_quote('"', &target.name));
        let translated = self.translated("DELETE", &target, sql, types);
        self.change(&target, delete.output.is_some(), |session| session.query(&translated))
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

    /// OUTPUT as RETURNING. Without OUTPUT one constant comes back for each row, so that rows can be counted.
    #[allow(clippy::type_complexity)]
    pub(super) fn returning(
        &self,
        target: &Target,
        output: Option<&OutputClause>,
    ) -> Result<(String, Option<Vec<(String, Option<SqlType>)>>), SqlError> {
        let Some(output) = output else { return Ok((" RETURNING 1".to_owned(), None)) };
        let OutputClause::Output { select_items, into_table: None, .. } = output else {
            return Err(not_supported("OUTPUT … INTO"));
        };
        let mut items = Vec::new();
        for item in select_items {
            match item {
                SelectItem::QualifiedWildcard(..) => items.extend(target.columns.iter().map(|column| {
                    SelectItem::UnnamedExpr(Expr::Identifier(Ident::with_quote('"', &column.name)))
                })),
                SelectItem::UnnamedExpr(_) | SelectItem::ExprWithAlias { .. } => items.push(item.clone()),
                other => return Err(not_supported(format!("OUTPUT {other}"))),
            }
        }
        let names = names(&items).unwrap_or_default();
        let mut made = Vec::new();
        let mut types = Vec::new();
        for item in items {
            let (SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }) = item else {
                continue;
            };
            let (expr, tables) = self.rewritten(target, &expr)?;
            types.push(infer(&expr, &tables, &self.variables));
            made.push(expr.to_string());
        }
        Ok((format!(" RETURNING {}", made.join(", ")), Some(names.into_iter().zip(types).collect())))
    }

    /// Runs a change, with the identity counter at hand, and answers it.
    pub(super) fn change(
        &mut self,
        target: &Target,
        outputs: bool,
        body: impl FnOnce(&mut Self) -> Result<Rows, SqlError>,
    ) -> Result<(), SqlError> {
        let (columns, rows) = self.writing(|session| {
            session.prepare_identity(target)?;
            let made = body(session);
            session.keep_identity(target)?;
            made
        })?;
        self.row_count = rows.len() as i64;
        if outputs {
            self.write_rows(&columns, &rows)?;
        }
        self.statement_done(Some(rows.len() as u64));
        Ok(())
    }
}

/// The columns of `deleted` that OUTPUT names, at their places.
fn deleted_items(output: Option<&OutputClause>) -> Vec<Option<String>> {
    let Some(OutputClause::Output { select_items, .. }) = output else { return Vec::new() };
    select_items
        .iter()
        .map(|item| match item {
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts))
            | SelectItem::ExprWithAlias { expr: Expr::CompoundIdentifier(parts), .. } => match parts
                .as_slice()
            {
                [table, column] if table.value.eq_ignore_ascii_case("deleted") => Some(column.value.clone()),
                _ => None,
            },
            _ => None,
        })
        .collect()
}

fn single(table: &TableWithJoins) -> Result<&ObjectName, SqlError> {
    match &table.relation {
        TableFactor::Table { name, alias: None, .. } if table.joins.is_empty() => Ok(name),
        other => Err(not_supported(format!("changing rows of {other}"))),
    }
}
