//! Which foreign key a statement has broken: SQLite says only that it was one.

use rusqlite::{Connection, Error, OptionalExtension};

use super::{
    definitions::reference_name,
    schemas::{place_of_text, with_schema},
};
use crate::sql::{
    engine::{failures::Doing, query::Translated, session::Session},
    errors::{SqlError, error},
};

/// What SQLite says when a statement leaves a reference without its row.
pub(crate) fn is_broken(failure: &Error) -> bool {
    matches!(failure, Error::SqliteFailure(_, Some(text)) if text.starts_with("FOREIGN KEY constraint failed"))
}

/// A reference whose row is not there.
struct Broken {
    table: String,
    parent: String,
    /// Its number among its table's.
    id: i64,
}

impl Broken {
    fn first(connection: &Connection) -> rusqlite::Result<Option<Self>> {
        let sql = "SELECT \"table\", parent, fkid FROM pragma_foreign_key_check LIMIT 1";
        let read =
            |row: &rusqlite::Row<'_>| Ok(Broken { table: row.get(0)?, parent: row.get(1)?, id: row.get(2)? });
        connection.query_row(sql, [], read).optional()
    }

    /// The constraint's name.
    fn name(&self, connection: &Connection) -> Option<String> {
        let sql = "SELECT sql FROM sqlite_schema WHERE type = 'table' AND name = ?1 COLLATE NOCASE";
        let definition: String = connection.query_row(sql, [&self.table], |row| row.get(0)).ok()?;
        reference_name(&definition, usize::try_from(self.id).ok()?)
    }

    /// Its one column, there or here; nothing where it has several.
    fn column(&self, connection: &Connection, side: &str) -> Option<String> {
        let sql = format!(
            "SELECT max(\"{side}\") FROM pragma_foreign_key_list(?1) WHERE id = ?2 HAVING count(*) = 1"
        );
        connection.query_row(&sql, (&self.table, self.id), |row| row.get(0)).ok()
    }
}

impl Session {
    /// A foreign key that refers to a key of this table, and the table that has it.
    pub(crate) fn referring_to(&self, table: &str, key: &str) -> Result<Option<(String, String)>, SqlError> {
        let sql = "SELECT f.name, o.name FROM \"sys.foreign_keys\" AS f \
                   JOIN \"sys.!objects\" AS o ON o.object_id = f.parent_object_id \
                   JOIN \"sys.!objects\" AS r ON r.object_id = f.referenced_object_id AND r.place = ?1 \
                   JOIN \"sys.indexes\" AS i ON i.object_id = f.referenced_object_id AND i.index_id = f.key_index_id \
                   WHERE i.name = ?2 LIMIT 1";
        let found =
            self.connection.query_row(sql, [table, key], |row| Ok((row.get(0)?, row.get(1)?))).optional();
        found.map_err(|failure| self.told(&failure, &Doing::default()))
    }

    /// 547 with the constraint's name: the statement is run again with its references left to the end, where they can
    /// be looked at, and undone.
    pub(crate) fn broken_reference(&self, failure: &Error, translated: &Translated) -> Option<SqlError> {
        if !is_broken(failure) || self.connection.is_autocommit() {
            return None;
        }
        let find = || -> rusqlite::Result<Option<Broken>> {
            self.connection.execute_batch("SAVEPOINT broken; PRAGMA defer_foreign_keys = ON")?;
            let found = self.query_raw(translated).and_then(|_| Broken::first(&self.connection));
            self.connection
                .execute_batch("ROLLBACK TO broken; RELEASE broken; PRAGMA defer_foreign_keys = OFF")?;
            found
        };
        // Where it cannot be found, the error is told without it.
        let broken = find().ok().flatten()?;
        self.reference_conflict(&broken, &translated.doing)
    }

    fn reference_conflict(&self, broken: &Broken, doing: &Doing) -> Option<SqlError> {
        let name = broken.name(&self.connection)?;
        let changed = doing.written.first().map(|written| place_of_text(written))?;
        let here = broken.table.eq_ignore_ascii_case(&changed) && doing.verb != "DELETE";
        let same = if broken.table.eq_ignore_ascii_case(&broken.parent) { " SAME TABLE" } else { "" };
        let (kind, table, side) = match here {
            true => (format!("FOREIGN KEY{same}"), &broken.parent, "to"),
            false => (format!("{same} REFERENCE").trim_start().to_owned(), &broken.table, "from"),
        };
        let column = broken
            .column(&self.connection, side)
            .map_or_else(String::new, |column| format!(", column '{column}'"));
        let message = format!(
            "The {} statement conflicted with the {kind} constraint \"{name}\". The conflict occurred in database \
             \"{}\", table \"{}\"{column}.",
            doing.verb,
            self.who.database,
            with_schema(table)
        );
        Some(error(547, message))
    }
}
