//! INSERT: which columns it fills, and with what.

use rusqlite::types::Value;
use sqlparser::ast::{Expr, Ident, Insert, ObjectName, OutputClause, Query, SetExpr, TableObject};

use super::{
    Target, computed, named_twice,
    output::{into_table, output_items},
};
use crate::sql::{
    engine::{
        failures::Doing,
        session::Session,
        translate::scope::{TableColumn, last_part},
    },
    errors::{SqlError, error, not_supported},
};

/// The value that stands for DEFAULT VALUES where OUTPUT is before it; no column of T-SQL's has such a name.
pub(crate) const DEFAULT_VALUES: &str = "\u{0}default values";

fn is_default_values(source: &Query) -> bool {
    let SetExpr::Values(values) = source.body.as_ref() else { return false };
    let [row] = values.rows.as_slice() else { return false };
    matches!(row.content.as_slice(), [Expr::Identifier(ident)] if ident.value == DEFAULT_VALUES)
}

impl Session {
    pub(crate) fn insert(&mut self, insert: &Insert) -> Result<(), SqlError> {
        let TableObject::TableName(name) = &insert.table else {
            return Err(not_supported(format!("INSERT into {}", insert.table)));
        };
        let target = self.target(name)?;
        let named: Vec<String> = insert.columns.iter().map(last_part).collect();
        let columns = self.insert_columns(&target, &named)?;
        let (items, into) = match &insert.output {
            Some(OutputClause::Output { select_items, into_table: into, .. }) => {
                (output_items(&target, select_items)?, into.as_ref().map(into_table).transpose()?)
            }
            _ => (Vec::new(), None),
        };
        let (returning, types) = self.returning(&target, &items)?;
        // One column comes back for each row, so that rows can be counted; it is taken off again.
        let returning = format!(" RETURNING 1{returning}");
        let types = types.map(|types| [(String::new(), None)].into_iter().chain(types).collect());
        let table = Ident::with_quote('"', &target.name);
        let list: Vec<String> =
            columns.iter().map(|column| Ident::with_quote('"', &column.name).to_string()).collect();
        let sql = match insert.source.as_ref().filter(|source| !is_default_values(source)) {
            None => format!("INSERT INTO {table} DEFAULT VALUES{returning}"),
            Some(source) => {
                let rows = self.source(&target, &columns, source)?;
                format!("INSERT INTO {table} ({}) {rows}{returning}", list.join(", "))
            }
        };
        let translated = self.translated("INSERT", &target, sql, types);
        self.change(&target, insert.output.is_some(), into.as_ref(), |session| {
            let (mut columns, mut rows) = session.query(&translated)?;
            columns.remove(0);
            rows.iter_mut().for_each(|row| drop(row.remove(0)));
            Ok((columns, rows))
        })
    }

    /// The rows to insert, each value made what its column is.
    fn source(
        &mut self,
        target: &Target,
        columns: &[&TableColumn],
        source: &Query,
    ) -> Result<String, SqlError> {
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
                fields.push(if is_default(value) {
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

    /// Puts rows that are there already into a table.
    pub(crate) fn store_rows(
        &mut self,
        name: &ObjectName,
        names: &[Ident],
        rows: &[Vec<Value>],
    ) -> Result<(), SqlError> {
        let target = self.target(name)?;
        let named: Vec<String> = names.iter().map(|name| name.value.clone()).collect();
        let columns = self.insert_columns(&target, &named)?;
        if rows.first().is_some_and(|row| row.len() != columns.len()) {
            return Err(mismatch());
        }
        let list: Vec<String> =
            columns.iter().map(|column| Ident::with_quote('"', &column.name).to_string()).collect();
        let values: Vec<String> = columns
            .iter()
            .enumerate()
            .map(|(at, column)| self.stored(&target, column, &format!("?{}", at + 1)))
            .collect();
        let table = Ident::with_quote('"', &target.name);
        let sql = format!("INSERT INTO {table} ({}) VALUES ({})", list.join(", "), values.join(", "));
        let doing = Doing { verb: "INSERT", written: vec![target.written.clone()], ..Doing::default() };
        self.prepare_identity(&target)?;
        let run = || -> rusqlite::Result<()> {
            let mut statement = self.connection.prepare(&sql)?;
            for row in rows {
                statement.execute(rusqlite::params_from_iter(row))?;
            }
            Ok(())
        };
        run().map_err(|failure| self.told(&failure, &doing))?;
        self.keep_identity(&target)
    }

    /// The columns that an INSERT fills: those named, or all that take values.
    pub(crate) fn insert_columns<'a>(
        &self,
        target: &'a Target,
        named: &[String],
    ) -> Result<Vec<&'a TableColumn>, SqlError> {
        if named.is_empty() {
            let takes = |column: &&TableColumn| column.identity.is_none() && !column.computed;
            return Ok(target.columns.iter().filter(takes).collect());
        }
        let explicit = self.options.identity_insert.as_deref() == Some(&target.name.to_lowercase());
        let mut columns = Vec::new();
        for (at, name) in named.iter().enumerate() {
            if named[..at].iter().any(|before| before.eq_ignore_ascii_case(name)) {
                return Err(named_twice(name));
            }
            let column = target.column(name)?;
            if column.computed {
                return Err(computed(&column.name));
            }
            if column.identity.is_some() && !explicit {
                let message = format!(
                    "Cannot insert explicit value for identity column in table '{}' when IDENTITY_INSERT is set to OFF.",
                    target.name
                );
                return Err(error(544, message));
            }
            columns.push(column);
        }
        Ok(columns)
    }
}

/// The word DEFAULT in the place of a value.
pub(crate) fn is_default(value: &Expr) -> bool {
    matches!(value, Expr::Identifier(word) if word.quote_style.is_none() && word.value.eq_ignore_ascii_case("DEFAULT"))
}

pub(crate) fn mismatch() -> SqlError {
    error(213, "Column name or number of supplied values does not match table definition.")
}
