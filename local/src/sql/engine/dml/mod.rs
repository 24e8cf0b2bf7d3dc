//! INSERT, UPDATE, DELETE and MERGE; here what all changes of rows have in common: their table, stored values, counting.

pub(crate) mod bulk;
pub(crate) mod changes;
pub(crate) mod identity;
pub(crate) mod insert;
pub(crate) mod merge;
mod moved_keys;
pub(crate) mod output;
pub(crate) mod update;

use sqlparser::ast::{Expr, Ident, ObjectName, ObjectNamePart};

use crate::sql::{
    engine::{
        ddl::schemas::{is_catalog, with_schema},
        failures::Doing,
        query::{Rows, Translated},
        session::Session,
        translate::{
            Translator,
            nodes::{plain, text},
            scope::{TableColumn, Tables, table_columns, table_name},
            sources::known_place,
        },
    },
    errors::{SqlError, error, invalid_column, invalid_object, undeclared_table},
    types::SqlType,
};

/// The table that a statement changes.
pub(crate) struct Target {
    /// As SQLite has it, unquoted.
    pub(crate) name: String,
    pub(crate) written: String,
    pub(crate) columns: Vec<TableColumn>,
}

impl Target {
    pub(crate) fn column(&self, name: &str) -> Result<&TableColumn, SqlError> {
        self.columns
            .iter()
            .find(|column| column.name.eq_ignore_ascii_case(name))
            .ok_or_else(|| invalid_column(name))
    }
}

impl Session {
    pub(crate) fn target(&self, name: &ObjectName) -> Result<Target, SqlError> {
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
    pub(crate) fn stored(&self, target: &Target, column: &TableColumn, value: &str) -> String {
        let table = format!("{}.{}", self.who.database, with_schema(&target.name));
        let constants = [column.sql_type.declared(), table, column.name.clone()]
            .map(|constant| text(&constant).to_string());
        format!("__assign({}, {value})", constants.join(", "))
    }

    /// Rewrites a part of a statement about `target`.
    pub(crate) fn rewritten<T: sqlparser::ast::VisitMut + sqlparser::ast::Visit + Clone>(
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

    pub(crate) fn filter(&self, target: &Target, selection: Option<&Expr>) -> Result<String, SqlError> {
        selection.map_or(Ok(String::new()), |selection| {
            self.rewritten(target, selection).map(|(selection, _)| format!(" WHERE {selection}"))
        })
    }

    pub(crate) fn translated(
        &self,
        verb: &'static str,
        target: &Target,
        sql: String,
        columns: Option<Vec<(String, Option<SqlType>)>>,
    ) -> Translated {
        let doing = Doing { verb, written: vec![target.written.clone()], ..Doing::default() };
        Translated { sql, columns, doing, locks: true }
    }

    /// Runs a change, with the identity counter at hand, and answers it: to the client, or into OUTPUT's table.
    pub(crate) fn change(
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
}

pub(crate) fn named_twice(column: &str) -> SqlError {
    let message = format!(
        "The column name '{column}' is specified more than once in the SET clause or column list of an INSERT. A column \
         cannot be assigned more than one value in the same clause. Modify the clause to make sure that a column is \
         updated only once."
    );
    error(264, message)
}

pub(crate) fn computed(column: &str) -> SqlError {
    let message = format!(
        "The column \"{column}\" cannot be modified because it is either a computed column or is the result of a UNION \
         operator."
    );
    error(271, message)
}
