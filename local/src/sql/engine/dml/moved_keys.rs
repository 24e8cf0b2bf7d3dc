//! An UPDATE in which a row takes over a key that another one gives up: SQLite looks at its unique indexes row by row,
//! SQL Server at the end of the statement.

use rusqlite::{Error, ErrorCode, OptionalExtension};

use crate::sql::{
    engine::{
        ddl::unique::{broken, unique_index},
        query::{Rows, Translated},
        session::Session,
    },
    errors::SqlError,
};

fn is_interrupted(failure: &Error) -> bool {
    failure.sqlite_error_code() == Some(ErrorCode::OperationInterrupted)
}

impl Session {
    /// Runs an UPDATE, which gives a row for each that it changes.
    pub(crate) fn update(&mut self, translated: &Translated) -> Result<Rows, SqlError> {
        let outcome = self.query_raw(translated).or_else(|failure| self.keys_last(translated, failure));
        outcome.map_err(|failure| self.failed(&failure, translated))
    }

    /// Runs it again without the indexes that stand against it, and makes them anew; or leaves all as it was, with the
    /// failure that it had.
    fn keys_last(&self, translated: &Translated, failure: Error) -> rusqlite::Result<Rows> {
        if broken(&failure).is_none() || self.connection.execute_batch("SAVEPOINT keys").is_err() {
            return Err(failure);
        }
        let outcome = self.without_indexes(translated, &failure);
        let end =
            if matches!(outcome, Ok(Some(_))) { "RELEASE keys" } else { "ROLLBACK TO keys; RELEASE keys" };
        self.connection.execute_batch(end)?;
        match outcome {
            Ok(Some(rows)) => Ok(rows),
            Err(later) if is_interrupted(&later) => Err(later),
            _ => {
                self.shared.lock().raised = None;
                Err(failure)
            }
        }
    }

    fn without_indexes(&self, translated: &Translated, failure: &Error) -> rusqlite::Result<Option<Rows>> {
        let mut columns = broken(failure).map(str::to_owned);
        let mut anew = Vec::new();
        while let Some(name) = columns.take().and_then(|columns| unique_index(&columns, &self.connection)) {
            let sql = "SELECT sql FROM sqlite_schema WHERE type = 'index' AND name = ?1 UNION ALL \
                       SELECT sql FROM sqlite_temp_schema WHERE type = 'index' AND name = ?1";
            let made: Option<String> =
                self.connection.query_row(sql, [&name], |row| row.get(0)).optional()?.flatten();
            let Some(made) = made else { return Ok(None) };
            anew.push(made);
            self.connection.execute_batch(&format!("DROP INDEX \"{}\"", name.replace('"', "\"\"")))?;
            match self.query_raw(translated) {
                // One row alone takes no key from another of them.
                Ok((_, rows)) if rows.len() < 2 => return Ok(None),
                Ok(rows) => {
                    for sql in &anew {
                        self.connection.execute_batch(sql)?;
                    }
                    return Ok(Some(rows));
                }
                Err(next) => match broken(&next) {
                    Some(found) => columns = Some(found.to_owned()),
                    None => return Err(next),
                },
            }
        }
        Ok(None)
    }
}
