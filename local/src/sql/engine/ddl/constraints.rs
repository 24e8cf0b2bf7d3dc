//! Defaults, keys, checks, references and indexes. A key is a unique index whose name says which kind it is.

use rusqlite::types::Value;
use sqlparser::ast::{Expr, ForeignKeyConstraint, Ident, IndexColumn, ObjectName, ReferentialAction};

use super::{
    definitions::with_written, elements::IndexElement, quote, schemas::place_of_text, unique::duplicates,
};
use crate::sql::{
    engine::{
        failures::Doing,
        session::Session,
        translate::{
            Translator,
            infer::infer,
            nodes::{cast, plain, text},
            scope::{TableColumn, Tables, is_temporary, table_name},
        },
    },
    errors::{SqlError, error, not_supported, undeclared},
    types::{SqlType, convert},
};

/// `CONSTRAINT name`, with a name made as SQL Server makes them where none is given.
fn constraint_name(kind: &str, table: &str, name: Option<&Ident>) -> String {
    let name = name.map_or_else(|| made_name(kind, table), |name| name.value.clone());
    format!("CONSTRAINT {} ", quote(&name))
}

pub(crate) fn made_name(kind: &str, table: &str) -> String {
    format!("{kind}__{table}__{}", &uuid::Uuid::new_v4().simple().to_string()[..16].to_uppercase())
}

pub(crate) fn index_columns(columns: &[IndexColumn]) -> Result<Vec<String>, SqlError> {
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
    pub(crate) fn default(&mut self, declared: SqlType, value: &Expr) -> Result<String, SqlError> {
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
        let (value, _) = self.standalone(bare, &[])?;
        Ok(cast("__as", declared, value).to_string())
    }

    /// A default with its constraint's name, to be put behind a column.
    pub(crate) fn named_default(
        &mut self,
        table: &str,
        column: &Ident,
        name: Option<&Ident>,
        declared: SqlType,
        value: &Expr,
    ) -> Result<String, SqlError> {
        let value = with_written(&self.default(declared, value)?, value);
        let name = constraint_name("DF", &format!("{table}__{}", column.value), name);
        Ok(format!(" {name}DEFAULT ({value})"))
    }

    pub(crate) fn check(
        &mut self,
        table: &str,
        name: Option<&Ident>,
        expr: &Expr,
        columns: &[TableColumn],
    ) -> Result<String, SqlError> {
        let (expr, _) = self.standalone(expr, columns)?;
        Ok(format!("{}CHECK ({expr})", constraint_name("CK", table, name)))
    }

    pub(crate) fn foreign_key(
        &mut self,
        table: &str,
        name: Option<&Ident>,
        columns: &[Ident],
        key: &ForeignKeyConstraint,
        own_key: &[String],
    ) -> Result<String, SqlError> {
        let name = constraint_name("FK", table, name);
        let columns: Vec<String> = columns.iter().map(|column| quote(&column.value)).collect();
        let own: Vec<Ident> = own_key.iter().map(|column| Ident::new(column.as_str())).collect();
        // The table itself is not there yet.
        let referred = match key.referred_columns.as_slice() {
            [] if table_name(&key.foreign_table).eq_ignore_ascii_case(table) => own.as_slice(),
            named => named,
        };
        let references = self.references(&key.foreign_table, referred, key.on_delete, key.on_update)?;
        Ok(format!("{name}FOREIGN KEY ({}) {references}", columns.join(", ")))
    }

    /// An expression over a table's columns that is kept in the schema, and its type, if it tells it. It may not name
    /// variables.
    pub(crate) fn standalone(
        &mut self,
        expr: &Expr,
        columns: &[TableColumn],
    ) -> Result<(Expr, Option<SqlType>), SqlError> {
        let tables = Tables { found: vec![(String::new(), columns.to_vec())], ..Tables::default() };
        let (standing, variables) = (self.standing(), Default::default());
        let mut translator = Translator::new(&tables, &variables, &standing);
        let mut expr = expr.clone();
        translator.apply(&mut expr)?;
        if expr.to_string().starts_with("@") {
            return Err(undeclared(expr));
        }
        let found = infer(&expr, &tables, &variables);
        Ok((expr, found))
    }

    pub(crate) fn references(
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

    pub(crate) fn create_index(&mut self, name: &ObjectName, index: &IndexElement) -> Result<(), SqlError> {
        let target = self.target(name)?;
        for (column, _) in &index.columns {
            if target.column(column).is_err() {
                let message = format!("Column name '{column}' does not exist in the target table or view.");
                return Err(error(1911, message));
            }
        }
        if self.index(&target.name, &index.name)?.is_some() {
            let message = format!(
                "The operation failed because an index or statistics with name '{}' already exists on table '{}'.",
                index.name, target.written
            );
            return Err(error(1913, message));
        }
        let made = self.writing(|session| session.make_index(&target.name, index));
        made.map_err(|found| duplicates(found, &target.name))
    }

    pub(crate) fn make_index(&mut self, table: &str, index: &IndexElement) -> Result<(), SqlError> {
        let columns: Vec<String> = index
            .columns
            .iter()
            .map(|(name, down)| format!("{}{}", quote(name), if *down { " DESC" } else { "" }))
            .collect();
        let filter = match &index.filter {
            Some(predicate) => {
                let columns = self.columns_of(table)?;
                format!(" WHERE {}", self.standalone(predicate, &columns)?.0)
            }
            None => String::new(),
        };
        let unique = if index.unique { "UNIQUE " } else { "" };
        let schema = if is_temporary(table) { "temp." } else { "" };
        let name = format!("{table}!I!{}", index.name);
        self.run_definition(&format!(
            "CREATE {unique}INDEX {schema}{} ON {} ({}){filter}",
            quote(&name),
            quote(table),
            columns.join(", ")
        ))?;
        if index.unique { self.make_nulls_alike(table, &name, &filter) } else { Ok(()) }
    }

    /// `DROP INDEX name ON table`, or the old `DROP INDEX table.name`.
    pub(crate) fn drop_index(
        &mut self,
        name: &ObjectName,
        table: Option<&ObjectName>,
        if_exists: bool,
    ) -> Result<(), SqlError> {
        let written = plain(name);
        let (table, index) = match (table, written.rsplit_once('.')) {
            (Some(table), _) => (table_name(table), written.clone()),
            (None, Some((table, index))) => (place_of_text(table), index.to_owned()),
            _ => return Err(not_supported("DROP INDEX without a table")),
        };
        match self.index(&table, &index)? {
            Some(found) => self.writing(|session| session.drop_unique(&found)),
            None if if_exists => Ok(()),
            None => {
                let message = format!(
                    "Cannot drop the index '{table}.{index}', because it does not exist or you do not have permission."
                );
                Err(SqlError { state: 7, class: 11, ..error(3701, message) })
            }
        }
    }

    pub(crate) fn index(&self, table: &str, name: &str) -> Result<Option<String>, SqlError> {
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
