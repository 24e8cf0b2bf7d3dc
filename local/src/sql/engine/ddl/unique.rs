//! Unique keys and indexes. To SQLite no NULL is like another, to SQL Server all are alike: a second index, over the
//! rows with a NULL only, keeps them so.

use rusqlite::{Connection, Error, types::Value};
use sqlparser::ast::Ident;

use super::{constraints::made_name, quote, schemas::with_schema};
use crate::sql::{
    engine::{query::Translated, session::Session, translate::scope::is_temporary},
    errors::{SqlError, error},
    types::convert,
};

/// What ends the name of the index over the rows with a NULL.
pub(crate) const OF_NULLS: &str = "!null";

/// A unique index that stands for a constraint: its kind, name and columns.
pub(crate) struct Unique {
    pub(crate) kind: char,
    pub(crate) name: Option<String>,
    pub(crate) columns: Vec<String>,
}

/// Rows that are there already and are not unique: 1505, as for every index that is made over them.
pub(crate) fn duplicates(found: SqlError, table: &str) -> SqlError {
    if !matches!(found.number, 2601 | 2627) {
        return found;
    }
    let message = format!(
        "The CREATE UNIQUE INDEX statement terminated because a duplicate key was found for the object name '{}'.",
        with_schema(table)
    );
    error(1505, message)
}

/// The index that a statement would have broken, and what SQLite says of it.
pub(crate) fn broken(failure: &Error) -> Option<&str> {
    match failure {
        Error::SqliteFailure(_, Some(text)) => text.strip_prefix("UNIQUE constraint failed: "),
        _ => None,
    }
}

/// The unique index that SQLite names, or whose columns it names.
pub(crate) fn unique_index(said: &str, connection: &Connection) -> Option<String> {
    if let Some(index) = said.strip_prefix("index '") {
        return index.strip_suffix('\'').map(str::to_owned);
    }
    let columns: Vec<(&str, &str)> = said.split(", ").filter_map(|column| column.rsplit_once('.')).collect();
    let (table, _) = columns.first()?;
    let find = || -> rusqlite::Result<Option<String>> {
        let mut indexes = connection.prepare("SELECT name FROM pragma_index_list(?1) WHERE \"unique\"")?;
        let mut fields = connection.prepare("SELECT name FROM pragma_index_info(?1) ORDER BY seqno")?;
        for name in indexes.query_map([table], |row| row.get::<_, String>(0))? {
            let name = name?;
            let found: Vec<Option<String>> =
                fields.query_map([&name], |row| row.get(0))?.collect::<Result<_, _>>()?;
            if found.iter().map(Option::as_deref).eq(columns.iter().map(|(_, column)| Some(*column))) {
                return Ok(Some(name));
            }
        }
        Ok(None)
    };
    find().ok().flatten()
}

/// 2627 for a constraint, 2601 for an index: its name tells which it is.
pub(crate) fn not_unique(said: &str, connection: &Connection) -> SqlError {
    let index = unique_index(said, connection).unwrap_or_default();
    let index = index.strip_suffix(OF_NULLS).unwrap_or(&index);
    match index.splitn(3, '!').collect::<Vec<_>>().as_slice() {
        [table, kind @ ("P" | "U"), name] => {
            let kind = if *kind == "P" { "PRIMARY KEY" } else { "UNIQUE KEY" };
            let message = format!(
                "Violation of {kind} constraint '{name}'. Cannot insert duplicate key in object '{}'.",
                with_schema(table)
            );
            error(2627, message)
        }
        [table, _, name] => {
            let message = format!(
                "Cannot insert duplicate key row in object '{}' with unique index '{name}'.",
                with_schema(table)
            );
            error(2601, message)
        }
        _ => error(2627, "Violation of UNIQUE KEY constraint. Cannot insert duplicate key."),
    }
}

impl Session {
    pub(crate) fn make_unique(&mut self, table: &str, unique: &Unique) -> Result<(), SqlError> {
        let kind = if unique.kind == 'P' { "PK" } else { "UQ" };
        let name = unique.name.clone().unwrap_or_else(|| made_name(kind, table));
        let index = format!("{table}!{}!{name}", unique.kind);
        let columns: Vec<String> = unique.columns.iter().map(|column| quote(column)).collect();
        let schema = if is_temporary(table) { "temp." } else { "" };
        self.run_definition(&format!(
            "CREATE UNIQUE INDEX {schema}{} ON {} ({})",
            quote(&index),
            quote(table),
            columns.join(", ")
        ))?;
        // A primary key has no NULL.
        if unique.kind == 'P' { Ok(()) } else { self.make_nulls_alike(table, &index, "") }
    }

    /// The second index beside a unique one, over the rows with a NULL in one of its columns.
    pub(crate) fn make_nulls_alike(
        &mut self,
        table: &str,
        index: &str,
        filter: &str,
    ) -> Result<(), SqlError> {
        let schema = if is_temporary(table) { "temp." } else { "" };
        let known = self.columns_of(table)?;
        let columns = self.plainly(|connection| {
            let mut fields = connection
                .prepare("SELECT name, coll FROM pragma_index_xinfo(?1) WHERE \"key\" ORDER BY seqno")?;
            let rows =
                fields.query_map([index], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?;
            rows.collect::<rusqlite::Result<Vec<_>>>()
        })?;
        let (mut keys, mut nulls) = (Vec::new(), Vec::new());
        for (name, collated) in &columns {
            let column = known.iter().find(|column| column.name == *name);
            // What stands for NULL is of a kind that the column's own values are not.
            let nothing = if column.is_some_and(|column| column.sql_type.is_binary()) { "''" } else { "x''" };
            let collated = if collated == "BINARY" { String::new() } else { format!(" COLLATE {collated}") };
            let name = quote(name);
            keys.push(format!("ifnull({name}, {nothing}){collated}"));
            nulls.push(format!("{name} IS NULL"));
        }
        let filter =
            filter.strip_prefix(" WHERE ").map_or_else(String::new, |filter| format!(" AND ({filter})"));
        self.run_definition(&format!(
            "CREATE UNIQUE INDEX {schema}{} ON {} ({}) WHERE ({}){filter}",
            quote(&format!("{index}{OF_NULLS}")),
            quote(table),
            keys.join(", "),
            nulls.join(" OR ")
        ))
    }

    /// Drops an index, and what keeps its NULLs alike.
    pub(crate) fn drop_unique(&mut self, index: &str) -> Result<(), SqlError> {
        self.run_definition(&format!("DROP INDEX IF EXISTS {}", quote(&format!("{index}{OF_NULLS}"))))?;
        self.run_definition(&format!("DROP INDEX {}", quote(index)))
    }

    /// The error of a statement that is not unique with the key that it has twice: the statement is run again without
    /// the index, where the key can be looked for, and undone.
    pub(crate) fn with_key(&self, found: SqlError, failure: &Error, translated: &Translated) -> SqlError {
        let key = broken(failure).and_then(|said| self.key_twice(said, translated).ok().flatten());
        match key {
            Some(key) => {
                let message = format!("{} The duplicate key value is ({key}).", found.message);
                SqlError { message, ..found }
            }
            None => found,
        }
    }

    fn key_twice(&self, said: &str, translated: &Translated) -> rusqlite::Result<Option<String>> {
        let Some(index) = unique_index(said, &self.connection).filter(|_| !self.connection.is_autocommit())
        else {
            return Ok(None);
        };
        let (identities, last) = {
            let shared = self.shared.lock();
            (shared.identities.clone(), shared.last_identity)
        };
        self.connection.execute_batch("SAVEPOINT twice")?;
        let key = self.look_for_key(&index, translated);
        self.connection.execute_batch("ROLLBACK TO twice; RELEASE twice")?;
        let mut shared = self.shared.lock();
        (shared.identities, shared.last_identity, shared.raised) = (identities, last, None);
        key
    }

    fn look_for_key(&self, index: &str, translated: &Translated) -> rusqlite::Result<Option<String>> {
        let plain = index.strip_suffix(OF_NULLS).unwrap_or(index);
        let sql = "SELECT tbl_name, sql FROM sqlite_schema WHERE type = 'index' AND name = ?1 \
                   UNION ALL SELECT tbl_name, sql FROM sqlite_temp_schema WHERE type = 'index' AND name = ?1";
        let (table, sql): (String, String) =
            self.connection.query_row(sql, [plain], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let mut fields = self.connection.prepare("SELECT name FROM pragma_index_info(?1) ORDER BY seqno")?;
        let names = fields.query_map([plain], |row| row.get::<_, String>(0))?;
        let names: Vec<String> =
            names.map(|name| name.map(|name| quote(&name))).collect::<rusqlite::Result<_>>()?;
        let filter =
            sql.split_once(") WHERE ").map_or_else(String::new, |(_, filter)| format!("WHERE {filter}"));
        drop(fields);
        self.connection.execute_batch(&format!("DROP INDEX {}", quote(index)))?;
        self.query_raw(translated)?;
        let columns = names.join(", ");
        let sql = format!(
            "SELECT {columns} FROM {} {filter} GROUP BY {columns} HAVING count(*) > 1 LIMIT 1",
            Ident::with_quote('"', table)
        );
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query([])?;
        let Some(row) = rows.next()? else { return Ok(None) };
        let shown = (0..names.len()).map(|at| {
            row.get::<_, Value>(at).map(|value| match value {
                Value::Null => "<NULL>".to_owned(),
                value => convert::text(value),
            })
        });
        shown.collect::<rusqlite::Result<Vec<_>>>().map(|shown| Some(shown.join(", ")))
    }
}
