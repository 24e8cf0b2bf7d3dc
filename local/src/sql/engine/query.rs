//! Queries: translated, run, and their rows with the types of their columns.

use rusqlite::types::Value;
use sqlparser::ast::{Expr, Query, Select, SelectItem, SetExpr};

use super::{
    failures::Doing,
    nodes::plain,
    scope::{TableColumn, Tables, infer, table_columns},
    session::Session,
    translate::Translator,
};
use crate::sql::{
    convert,
    errors::{SqlError, error},
    tokens::Column,
    types::SqlType,
};

/// A translated statement: SQLite's text, and what is known of its result's columns.
pub(crate) struct Translated {
    pub(crate) sql: String,
    /// Names and types; `None` where `*` hides them.
    pub(crate) columns: Option<Vec<(String, Option<SqlType>)>>,
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

/// Whether a value is no longer than its type: a conversion would cut it.
fn is_within(value: &Value, sql_type: SqlType) -> bool {
    let length = match value {
        Value::Text(text) if sql_type.is_text() => text.encode_utf16().count(),
        Value::Blob(bytes) if sql_type.is_binary() => bytes.len(),
        _ => return true,
    };
    sql_type.length().is_none_or(|limit| length <= usize::from(limit))
}

/// The first SELECT of a query: it names the columns.
pub(super) fn projection(body: &SetExpr) -> Option<&Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::SetOperation { left, .. } => projection(left),
        SetExpr::Query(query) => projection(&query.body),
        _ => None,
    }
}

/// The names of a result's columns; `None` where a `*` hides how many there are.
pub(crate) fn names(items: &[SelectItem]) -> Option<Vec<String>> {
    items
        .iter()
        .map(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
            SelectItem::UnnamedExpr(Expr::Identifier(ident)) if !ident.value.starts_with('@') => {
                Some(ident.value.clone())
            }
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
                parts.last().map(|ident| ident.value.clone())
            }
            SelectItem::UnnamedExpr(_) => Some(String::new()),
            _ => None,
        })
        .collect()
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
        let names = projection(&query.body).map(|select| names(&select.projection));
        let json = query.for_clause.is_some();
        let tables = self.tables(query)?;
        let standing = self.standing();
        let mut written = Vec::new();
        let _ = sqlparser::ast::visit_relations(query, |name| {
            written.push(plain(name));
            std::ops::ControlFlow::<()>::Continue(())
        });
        let mut translator = Translator::new(&tables, &self.variables, &standing);
        let mut query = query.clone();
        translator.apply(&mut query)?;
        let types = projection(&query.body).map(|select| {
            select.projection.iter().map(|item| match item {
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                    infer(expr, &tables, &self.variables)
                }
                _ => None,
            })
        });
        // FOR JSON makes one column of all.
        let names = names.flatten().filter(|_| !json);
        let columns = match (names, types) {
            (Some(names), Some(types)) => Some(names.into_iter().zip(types).collect()),
            _ => None,
        };
        Ok(Translated {
            sql: query.to_string(),
            columns,
            doing: Doing { verb: "SELECT", written, ..Doing::default() },
            locks: translator.locks,
        })
    }

    /// Reads all rows, where the transaction stands.
    pub(crate) fn fetch(&mut self, translated: &Translated) -> Result<Rows, SqlError> {
        self.before_read(translated.locks)?;
        self.query(translated)
    }

    /// Runs a statement of SQLite and reads all of its rows.
    pub(crate) fn query(&mut self, translated: &Translated) -> Result<Rows, SqlError> {
        let outcome = self.query_raw(translated);
        outcome.map_err(|failure| self.failed(&failure, translated))
    }

    /// The error for a statement that failed, looked into where SQLite says little.
    pub(super) fn failed(&self, failure: &rusqlite::Error, translated: &Translated) -> SqlError {
        let broken = self.broken_reference(failure, translated);
        broken.unwrap_or_else(|| self.told(failure, &translated.doing))
    }

    pub(super) fn query_raw(&self, translated: &Translated) -> rusqlite::Result<Rows> {
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
                (Some(table), Some(origin)) => {
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
        let known = translated.columns.as_ref().filter(|known| known.len() == width);
        let columns = declared
            .into_iter()
            .enumerate()
            .map(|(at, (sqlite_name, declared))| {
                let (name, inferred) = known.map_or((sqlite_name, None), |known| known[at].clone());
                let guess = || SqlType::of_values(rows.iter().map(|row: &Vec<Value>| &row[at]));
                let known = declared.map(|(sql_type, ..)| sql_type).or(inferred);
                // A type that a value does not fit is a type wrongly guessed; a length, too.
                let known =
                    known.map(|sql_type| match rows.iter().all(|row| is_within(&row[at], sql_type)) {
                        true => sql_type,
                        false => sql_type.with_length(None),
                    });
                let fits = known.filter(|sql_type| {
                    rows.iter().all(|row| convert::convert(row[at].clone(), *sql_type).is_ok())
                });
                // An outer join makes NULL of a column that is never NULL.
                let required = declared.is_some_and(|(_, required, _)| required)
                    && rows.iter().all(|row| row[at] != Value::Null);
                let identity = declared.is_some_and(|(.., identity)| identity);
                Column { name, sql_type: fits.unwrap_or_else(guess), required, identity }
            })
            .collect();
        Ok((columns, rows))
    }
}
