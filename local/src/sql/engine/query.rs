//! Queries: translated, run, and their rows with the types of their columns.

use std::collections::HashMap;

use rusqlite::types::Value;
use sqlparser::ast::{Expr, Query, Select, SelectInto, SelectItem, SetExpr};

use super::{
    ddl::{already_there, column_part, quote},
    dml::into_table,
    failures::Doing,
    scope::{TableColumn, Tables, infer, is_temporary, table_columns, table_name},
    session::Session,
    translate::{Translator, plain},
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

/// `SELECT @a = …, @b = …`: the variables and their expressions.
pub(super) fn assignments(query: &Query) -> Result<Option<Vec<(String, Expr)>>, SqlError> {
    let Some(select) = query.body.as_select() else { return Ok(None) };
    let one = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { expr, alias }
            if alias.quote_style.is_none() && alias.value.starts_with('@') =>
        {
            Some((alias.value.to_lowercase(), expr.clone()))
        }
        SelectItem::UnnamedExpr(Expr::BinaryOp { left, op: sqlparser::ast::BinaryOperator::Eq, right }) => {
            match left.as_ref() {
                Expr::Identifier(ident) if ident.value.starts_with('@') => {
                    Some((ident.value.to_lowercase(), (**right).clone()))
                }
                _ => None,
            }
        }
        _ => None,
    };
    let found: Vec<_> = select.projection.iter().filter_map(one).collect();
    match found.len() {
        0 => Ok(None),
        count if count == select.projection.len() => Ok(Some(found)),
        _ => {
            let message = "A SELECT statement that assigns a value to a variable must not be combined with \
                           data-retrieval operations.";
            Err(error(141, message))
        }
    }
}

impl Session {
    pub(crate) fn tables(&self, node: &impl sqlparser::ast::Visit) -> Result<Tables, SqlError> {
        let found = Tables::of(&self.connection, node);
        let mut tables = found.map_err(|failure| self.told(&failure, &Doing::default()))?;
        tables.derive(node, &self.variables);
        Ok(tables)
    }

    pub(super) fn select(&mut self, query: &Query) -> Result<(), SqlError> {
        if let Some(assigned) = assignments(query)? {
            return self.select_into_variables(query, &assigned);
        }
        if let SetExpr::Select(select) = query.body.as_ref()
            && let Some(into) = &select.into
        {
            return self.select_into(query, into);
        }
        let translated = self.translate_query(query)?;
        let (columns, mut rows) = self.fetch(&translated)?;
        if self.options.format_only {
            rows.clear();
        }
        let count = rows.len();
        self.write_rows(&columns, &rows)?;
        self.row_count = count as i64;
        self.statement_done(Some(count as u64));
        Ok(())
    }

    /// SELECT … INTO: a table with the result's columns, and its rows.
    fn select_into(&mut self, query: &Query, into: &SelectInto) -> Result<(), SqlError> {
        let (name, _) = into_table(into)?;
        let mut query = query.clone();
        if let SetExpr::Select(select) = query.body.as_mut() {
            select.into = None;
        }
        let translated = self.translate_query(&query)?;
        let (table, plain) = (table_name(&name), plain(&name));
        self.check_schema(&name)?;
        if !self.columns_of(&table)?.is_empty() {
            return Err(already_there(&plain));
        }
        let (columns, rows) = self.fetch(&translated)?;
        let mut parts: Vec<String> = Vec::new();
        for (at, column) in columns.iter().enumerate() {
            if column.name.is_empty() {
                let message = "An object or column name is missing or empty. For SELECT INTO statements, verify each \
                               column has a name.";
                return Err(error(1038, message));
            }
            if columns[..at].iter().any(|before| before.name.eq_ignore_ascii_case(&column.name)) {
                let message = format!(
                    "Column names in each table must be unique. Column name '{}' in table '{plain}' is specified more \
                     than once.",
                    column.name
                );
                return Err(error(2705, message));
            }
            let declared = column.sql_type.declared().to_uppercase();
            parts.push(column_part(&column.name, &declared, column.sql_type, None, false));
        }
        let kind = if is_temporary(&table) { "TEMP TABLE" } else { "TABLE" };
        let sql = format!("CREATE {kind} {} ({})", quote(&table), parts.join(", "));
        self.make_table(&table, &sql, |session| session.store_rows(&name, &[], &rows))?;
        self.row_count = rows.len() as i64;
        self.statement_done(Some(rows.len() as u64));
        Ok(())
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

    pub(super) fn select_into_variables(
        &mut self,
        query: &Query,
        assigned: &[(String, Expr)],
    ) -> Result<(), SqlError> {
        let mut query = query.clone();
        if let SetExpr::Select(select) = query.body.as_mut() {
            select.projection =
                assigned.iter().map(|(_, expr)| SelectItem::UnnamedExpr(expr.clone())).collect();
        }
        let translated = self.translate_query(&query)?;
        let (_, rows) = self.fetch(&translated)?;
        self.row_count = rows.len() as i64;
        // The last row's values stay.
        if let Some(row) = rows.into_iter().last() {
            for ((name, _), value) in assigned.iter().zip(row) {
                let sql_type = self.variable(name)?.sql_type;
                let value = convert::convert(value, sql_type)?;
                self.set_variable(name, value);
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
        let mut translator = Translator {
            tables: &tables,
            variables: &self.variables,
            standing: &standing,
            changed: false,
            locks: false,
            applied: Vec::new(),
        };
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
        outcome.map_err(|failure| {
            self.broken_reference(&failure, translated)
                .unwrap_or_else(|| self.told(&failure, &translated.doing))
        })
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
