//! Defaults, keys, checks, references and indexes. A key is a unique index whose name says which kind it is.

use rusqlite::types::Value;
use sqlparser::ast::{CreateIndex, Expr, Ident, IndexColumn, ObjectName, ReferentialAction};

use super::{
    ddl::quote,
    failures::Doing,
    scope::{Tables, table_name},
    session::Session,
    translate::{Translator, cast, plain, text},
};
use crate::sql::{
    convert,
    errors::{SqlError, error, not_supported, undeclared},
    types::SqlType,
};

/// A unique index that stands for a constraint: its kind, name and columns.
pub(super) struct Unique {
    pub(super) kind: char,
    pub(super) name: Option<String>,
    pub(super) columns: Vec<String>,
}

pub(super) fn constraint_name(name: Option<&Ident>) -> String {
    name.map_or_else(String::new, |name| format!("CONSTRAINT {} ", quote(&name.value)))
}

pub(super) fn index_columns(columns: &[IndexColumn]) -> Result<Vec<String>, SqlError> {
    columns
        .iter()
        .map(|column| match &column.column.expr {
            Expr::Identifier(ident) => Ok(ident.value.clone()),
            other => Err(not_supported(format!("a key on {other}"))),
        })
        .collect()
}

impl Session {
    /// A default: a constant where it is one, for SQLite adds only those to a table that has rows.
    pub(super) fn default(&mut self, declared: SqlType, value: &Expr) -> Result<String, SqlError> {
        let mut bare = value;
        while let Expr::Nested(inner) = bare {
            bare = inner;
        }
        if matches!(bare, Expr::Value(_) | Expr::UnaryOp { .. }) {
            let value = convert::convert(self.value(bare)?.value, declared)?;
            return Ok(match value {
                Value::Null => "NULL".to_owned(),
                Value::Integer(number) => number.to_string(),
                Value::Real(number) => format!("{number:?}"),
                Value::Text(value) => text(&value).to_string(),
                Value::Blob(bytes) => {
                    format!("X'{}'", bytes.iter().map(|byte| format!("{byte:02X}")).collect::<String>())
                }
            });
        }
        let value = self.standalone(bare)?;
        Ok(cast("__as", declared, value).to_string())
    }

    pub(super) fn check(&mut self, name: Option<&Ident>, expr: &Expr) -> Result<String, SqlError> {
        let expr = self.standalone(expr)?;
        Ok(format!("{}CHECK ({expr})", constraint_name(name)))
    }

    /// An expression that is kept in the schema: it may not name variables.
    pub(super) fn standalone(&mut self, expr: &Expr) -> Result<Expr, SqlError> {
        let (tables, standing, variables) = (Tables::default(), self.standing(), Default::default());
        let mut translator = Translator {
            tables: &tables,
            variables: &variables,
            standing: &standing,
            changed: false,
            locks: false,
        };
        let mut expr = expr.clone();
        translator.apply(&mut expr)?;
        if expr.to_string().starts_with("@") {
            return Err(undeclared(expr));
        }
        Ok(expr)
    }

    pub(super) fn references(
        &mut self,
        table: &ObjectName,
        columns: &[Ident],
        on_delete: Option<ReferentialAction>,
        on_update: Option<ReferentialAction>,
    ) -> Result<String, SqlError> {
        let name = table_name(table);
        let mut referred: Vec<String> = columns.iter().map(|column| column.value.clone()).collect();
        if referred.is_empty() {
            let sql = "SELECT i.name FROM pragma_index_list(?1) AS l JOIN pragma_index_info(l.name) AS i \
                       WHERE l.name LIKE '%!P!%' ORDER BY i.seqno";
            let read = || -> rusqlite::Result<Vec<String>> {
                self.connection.prepare(sql)?.query_map([&name], |row| row.get(0))?.collect()
            };
            referred = read().map_err(|failure| self.told(&failure, &Doing::default()))?;
        }
        if referred.is_empty() {
            let message = format!("Foreign key references invalid table '{}'.", plain(table));
            return Err(error(1767, message));
        }
        let referred: Vec<String> = referred.iter().map(|column| quote(column)).collect();
        let mut out = format!("REFERENCES {} ({})", quote(&name), referred.join(", "));
        for (when, action) in [("DELETE", on_delete), ("UPDATE", on_update)] {
            if let Some(action) = action {
                out.push_str(&format!(" ON {when} {action}"));
            }
        }
        Ok(out)
    }

    pub(super) fn make_unique(&mut self, table: &str, unique: &Unique) -> Result<(), SqlError> {
        let name = unique.name.clone().unwrap_or_else(|| {
            let kind = if unique.kind == 'P' { "PK" } else { "UQ" };
            format!("{kind}__{table}__{}", &uuid::Uuid::new_v4().simple().to_string()[..16].to_uppercase())
        });
        let index = quote(&format!("{table}!{}!{name}", unique.kind));
        let columns: Vec<String> = unique.columns.iter().map(|column| quote(column)).collect();
        let schema = if table.starts_with('#') { "temp." } else { "" };
        self.run_definition(&format!(
            "CREATE UNIQUE INDEX {schema}{index} ON {} ({})",
            quote(table),
            columns.join(", ")
        ))
    }

    pub(super) fn create_index(&mut self, create: &CreateIndex) -> Result<(), SqlError> {
        let table = self.existing(&create.table_name)?;
        let name = create.name.as_ref().map(plain).ok_or_else(|| not_supported("an index without a name"))?;
        if self.index(&table, &name)?.is_some() {
            let message = format!(
                "The operation failed because an index or statistics with name '{name}' already exists on table '{}'.",
                plain(&create.table_name)
            );
            return Err(error(1913, message));
        }
        let mut columns = Vec::new();
        for column in &create.columns {
            let Expr::Identifier(ident) = &column.column.expr else {
                return Err(not_supported(format!("an index on {}", column.column.expr)));
            };
            let order = if column.column.options.to_string().contains("DESC") { " DESC" } else { "" };
            columns.push(format!("{}{order}", quote(&ident.value)));
        }
        let filter = match &create.predicate {
            Some(predicate) => format!(" WHERE {}", self.standalone(predicate)?),
            None => String::new(),
        };
        let unique = if create.unique { "UNIQUE " } else { "" };
        let schema = if table.starts_with('#') { "temp." } else { "" };
        let index = quote(&format!("{table}!I!{name}"));
        let sql = format!(
            "CREATE {unique}INDEX {schema}{index} ON {} ({}){filter}",
            quote(&table),
            columns.join(", ")
        );
        self.writing(|session| session.run_definition(&sql))
    }

    /// `DROP INDEX name ON table`, or the old `DROP INDEX table.name`.
    pub(super) fn drop_index(
        &mut self,
        name: &ObjectName,
        table: Option<&ObjectName>,
        if_exists: bool,
    ) -> Result<(), SqlError> {
        let written = plain(name);
        let (table, index) = match (table, written.rsplit_once('.')) {
            (Some(table), _) => (table_name(table), written.clone()),
            (None, Some((table, index))) => {
                (table.rsplit('.').next().unwrap_or(table).to_owned(), index.to_owned())
            }
            _ => return Err(not_supported("DROP INDEX without a table")),
        };
        match self.index(&table, &index)? {
            Some(found) => {
                self.writing(|session| session.run_definition(&format!("DROP INDEX {}", quote(&found))))
            }
            None if if_exists => Ok(()),
            None => {
                let message = format!(
                    "Cannot drop the index '{table}.{index}', because it does not exist or you do not have permission."
                );
                Err(SqlError { state: 7, class: 11, ..error(3701, message) })
            }
        }
    }

    pub(super) fn index(&self, table: &str, name: &str) -> Result<Option<String>, SqlError> {
        let sql = "SELECT name FROM pragma_index_list(?1) WHERE name LIKE '%!I!%' AND substr(name, instr(name, '!I!') + 3) \
                   = ?2 COLLATE NOCASE";
        let read = || -> rusqlite::Result<Option<String>> {
            let mut statement = self.connection.prepare(sql)?;
            let mut rows = statement.query([table, name])?;
            rows.next()?.map(|row| row.get(0)).transpose()
        };
        read().map_err(|failure| self.told(&failure, &Doing::default()))
    }
}
