//! Queries: translated, run, and their rows with the types of their columns.

pub(crate) mod described;
mod select;

use std::time::Duration;

use rusqlite::types::Value;
use sqlparser::ast::{Query, SetExpr};

use crate::sql::{
    engine::{
        failures::Doing,
        session::Session,
        translate::{
            Translator,
            nodes::plain,
            scope::{TableColumn, Tables, table_columns},
        },
    },
    errors::{SqlError, error},
    wire::tokens::Column,
};
use described::{Described, columns, described};

/// A translated statement: SQLite's text, and what is known of its result's columns.
pub(crate) struct Translated {
    pub(crate) sql: String,
    /// Names and types; `None` where they are not all known.
    pub(crate) columns: Option<Vec<Described>>,
    pub(crate) doing: Doing,
    pub(crate) locks: bool,
}

/// A result: its columns and rows.
pub(crate) type Rows = (Vec<Column>, Vec<Vec<Value>>);

/// An answer is made whole before it is sent: no endless query may fill the memory.
pub(crate) const ANSWER_LIMIT: usize = 256 << 20;

pub(crate) fn too_large() -> SqlError {
    error(701, "The answer is larger than the 256 MiB that the local Azure SQL endpoint keeps for one.")
}

fn kept_size(value: &Value) -> usize {
    size_of::<Value>()
        + match value {
            Value::Text(text) => text.len(),
            Value::Blob(bytes) => bytes.len(),
            _ => 0,
        }
}

impl Session {
    pub(crate) fn tables(&self, node: &impl sqlparser::ast::Visit) -> Result<Tables, SqlError> {
        let found = Tables::of(&self.connection, node);
        let mut tables = found.map_err(|failure| self.told(&failure, &Doing::default()))?;
        tables.derive(node, &self.variables);
        self.look_up_identities(&mut tables)?;
        Ok(tables)
    }

    pub(crate) fn write_rows(&mut self, columns: &[Column], rows: &[Vec<Value>]) -> Result<(), SqlError> {
        self.tokens.columns(columns);
        for row in rows {
            if self.tokens.row(columns, row).is_none() {
                return Err(error(
                    50_001,
                    "The local Azure SQL endpoint could not send a value as its column's type.",
                ));
            }
        }
        Ok(())
    }

    pub(crate) fn translate_query(&mut self, query: &Query) -> Result<Translated, SqlError> {
        let json = query.for_clause.is_some();
        let tables = self.tables(query)?;
        let standing = self.standing();
        let mut written = Vec::new();
        let _ = sqlparser::ast::visit_relations(query, |name| {
            written.push(plain(name));
            std::ops::ControlFlow::<()>::Continue(())
        });
        let mut translator = Translator::new(&tables, &self.variables, &standing);
        let untranslated = query;
        let unites = matches!(query.body.as_ref(), SetExpr::SetOperation { .. });
        let mut query = query.clone();
        translator.apply(&mut query)?;
        // FOR JSON makes one column of all.
        let columns =
            if json { None } else { columns(&untranslated.body, &query.body, &tables, &self.variables) };
        Ok(Translated {
            sql: query.to_string(),
            columns,
            doing: Doing { verb: "SELECT", written, unites, no_wait: translator.no_wait, ..Doing::default() },
            locks: translator.locks,
        })
    }

    /// Reads all rows, where the transaction stands.
    pub(crate) fn fetch(&mut self, translated: &Translated) -> Result<Rows, SqlError> {
        let patience = self.options.lock_timeout;
        if translated.doing.no_wait {
            self.options.lock_timeout = Some(Duration::ZERO);
        }
        let ready = self.before_read(translated.locks);
        self.options.lock_timeout = patience;
        ready?;
        self.query(translated)
    }

    /// Runs a statement of SQLite and reads all of its rows.
    pub(crate) fn query(&mut self, translated: &Translated) -> Result<Rows, SqlError> {
        let outcome = self.query_raw(translated);
        outcome.map_err(|failure| self.failed(&failure, translated))
    }

    /// The error for a statement that failed, looked into where SQLite says little.
    pub(crate) fn failed(&self, failure: &rusqlite::Error, translated: &Translated) -> SqlError {
        let broken = self.broken_reference(failure, translated);
        broken.unwrap_or_else(|| {
            let found = self.told(failure, &translated.doing);
            if matches!(found.number, 2601 | 2627) {
                self.with_key(found, failure, translated)
            } else {
                found
            }
        })
    }

    pub(crate) fn query_raw(&self, translated: &Translated) -> rusqlite::Result<Rows> {
        let mut statement = self.connection.prepare(&translated.sql)?;
        for at in 1..=statement.parameter_count() {
            let name = statement.parameter_name(at).unwrap_or_default().to_owned();
            let value = self.variables.get(&name).map_or(&Value::Null, |variable| &variable.value);
            statement.raw_bind_parameter(at, value)?;
        }
        let mut declared = Vec::new();
        let mut tables: Vec<(String, Vec<TableColumn>)> = Vec::new();
        for column in statement.columns_with_metadata() {
            let found = match (column.table_name(), column.origin_name()) {
                (Some(table), Some(origin)) if !translated.doing.unites => {
                    let known = match tables.iter().position(|(known, _)| known == table) {
                        Some(known) => known,
                        None => {
                            tables.push((table.to_owned(), table_columns(&self.connection, table)?));
                            tables.len() - 1
                        }
                    };
                    tables[known]
                        .1
                        .iter()
                        .find(|column| column.declared && column.name == origin)
                        .map(|column| (column.sql_type, column.required, column.identity.is_some()))
                }
                _ => None,
            };
            declared.push((column.name().to_owned(), found));
        }
        let width = declared.len();
        let mut rows = Vec::new();
        let mut found = statement.raw_query();
        let mut size = 0;
        while let Some(row) = found.next()? {
            let row = (0..width).map(|at| row.get(at)).collect::<rusqlite::Result<Vec<Value>>>()?;
            size += row.iter().map(kept_size).sum::<usize>();
            if size > ANSWER_LIMIT {
                // `told` takes the raised error; what SQLite is said to have failed with does not matter.
                self.shared.lock().raised = Some(too_large());
                return Err(rusqlite::Error::ExecuteReturnedResults);
            }
            rows.push(row);
        }
        let columns = described(translated.columns.as_deref(), declared, &rows);
        Ok((columns, rows))
    }
}
