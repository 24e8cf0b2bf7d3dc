//! What a statement's names mean: its tables' columns and its variables.

use std::{collections::HashMap, ops::ControlFlow};

use rusqlite::{Connection, types::Value};
use sqlparser::ast::{Expr, ObjectName, TableFactor, Visit, Visitor};

use super::infer::arguments;
use crate::sql::{
    engine::{
        catalog::column_type,
        ddl::schemas::{is_catalog, place},
    },
    types::SqlType,
};

/// A variable or a parameter.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Variable {
    pub(crate) sql_type: SqlType,
    pub(crate) value: Value,
}

/// By name, in lower case, with the `@`.
pub(crate) type Variables = HashMap<String, Variable>;

/// A column of a table, as it was declared.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TableColumn {
    pub(crate) name: String,
    pub(crate) sql_type: SqlType,
    /// Whether that is its type: of an expression it is not always known.
    pub(crate) declared: bool,
    /// NOT NULL, or of the primary key.
    pub(crate) required: bool,
    /// Seed and increment.
    pub(crate) identity: Option<(i64, i64)>,
    pub(crate) default: Option<String>,
    /// It takes no values: it is computed from other columns.
    pub(crate) computed: bool,
    /// It is a table's, with its collation, and not a derived table's.
    pub(crate) own: bool,
}

impl TableColumn {
    /// A column of which no more is known than its name and, if that, its type.
    pub(crate) fn named(name: &str, sql_type: Option<SqlType>) -> Self {
        TableColumn {
            name: name.to_owned(),
            sql_type: sql_type.unwrap_or(SqlType::NVarChar(None)),
            declared: sql_type.is_some(),
            identity: None,
            default: None,
            required: false,
            computed: false,
            own: false,
        }
    }
}

/// The columns of a table; empty when there is no such table.
pub(crate) fn table_columns(connection: &Connection, table: &str) -> rusqlite::Result<Vec<TableColumn>> {
    // Asked several times for each statement: prepared once for a session.
    let mut statement = connection.prepare_cached(
        "SELECT name, CASE type WHEN '' THEN coalesce((SELECT __view_type(sql, cid) FROM sqlite_schema \
         WHERE type = 'view' AND name = ?1 COLLATE NOCASE), '') ELSE type END, \
         dflt_value, hidden, \"notnull\" OR pk > 0 FROM pragma_table_xinfo(?1) ORDER BY cid",
    )?;
    let rows = statement.query_map([table], |row| {
        let (name, declared): (String, String) = (row.get(0)?, row.get(1)?);
        let known = || if is_catalog(table) { column_type(table, &name) } else { None };
        let sql_type = SqlType::parse(&declared).or_else(known);
        Ok(TableColumn {
            name,
            sql_type: sql_type.unwrap_or(SqlType::NVarChar(None)),
            declared: sql_type.is_some(),
            identity: identity(&declared),
            default: row.get(2)?,
            computed: row.get::<_, i64>(3)? > 1,
            required: row.get(4)?,
            own: true,
        })
    })?;
    rows.collect()
}

fn identity(declared: &str) -> Option<(i64, i64)> {
    let (_, rest) = declared.split_once("IDENTITY(")?;
    let (seed, increment) = rest.strip_suffix(')')?.split_once(',')?;
    Some((seed.trim().parse().ok()?, increment.trim().parse().ok()?))
}

/// Whether a table is its session's own: a `#temp` table, or a table variable.
pub(crate) fn is_temporary(table: &str) -> bool {
    table.starts_with(['#', '@'])
}

/// The last part of a name.
pub(crate) fn last_part(name: &ObjectName) -> String {
    name.0.last().and_then(|part| part.as_ident()).map(|ident| ident.value.clone()).unwrap_or_default()
}

/// The tables of a statement, by the names that their columns can have before them.
#[derive(Debug, Default)]
pub(crate) struct Tables {
    pub(crate) found: Vec<(String, Vec<TableColumn>)>,
    /// What IDENT_CURRENT is asked of, and what it gives for these names.
    pub(crate) counters: Vec<Expr>,
    pub(crate) identities: Vec<(String, Option<i64>)>,
}

impl Tables {
    /// Looks up every table that a statement or a part of one reads.
    pub(crate) fn of(connection: &Connection, node: &impl Visit) -> rusqlite::Result<Self> {
        struct Names(Vec<(String, String)>, Vec<Expr>);
        impl Visitor for Names {
            type Break = ();
            fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
                if let TableFactor::Table { name, alias, .. } = factor {
                    let table = table_name(name);
                    let shown =
                        alias.as_ref().map_or_else(|| last_part(name), |alias| alias.name.value.clone());
                    self.0.push((shown, table));
                }
                ControlFlow::Continue(())
            }
            fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
                if let Expr::Function(function) = expr
                    && last_part(&function.name).eq_ignore_ascii_case("IDENT_CURRENT")
                {
                    self.1.extend(arguments(&function.args).into_iter().cloned());
                }
                ControlFlow::Continue(())
            }
        }
        let mut names = Names(Vec::new(), Vec::new());
        let _ = node.visit(&mut names);
        let mut tables = Tables { counters: names.1, ..Tables::default() };
        for (shown, table) in names.0 {
            tables.add(connection, &shown, &table)?;
        }
        Ok(tables)
    }

    pub(crate) fn add(&mut self, connection: &Connection, shown: &str, table: &str) -> rusqlite::Result<()> {
        self.found.push((shown.to_owned(), table_columns(connection, table)?));
        Ok(())
    }

    /// Whether any of them has a column of that name.
    pub(crate) fn has_column(&self, name: &str) -> bool {
        let mut columns = self.found.iter().flat_map(|(_, columns)| columns);
        columns.any(|column| column.name.eq_ignore_ascii_case(name))
    }

    pub(crate) fn column(&self, table: Option<&str>, column: &str) -> Option<SqlType> {
        self.found
            .iter()
            .filter(|(shown, _)| table.is_none_or(|table| table.eq_ignore_ascii_case(shown)))
            .flat_map(|(_, columns)| columns)
            .find(|found| found.declared && found.name.eq_ignore_ascii_case(column))
            .map(|found| found.sql_type)
    }
}

/// The name under which SQLite has the table.
pub(crate) fn table_name(name: &ObjectName) -> String {
    let parts: Vec<&str> =
        name.0.iter().filter_map(|part| part.as_ident()).map(|ident| ident.value.as_str()).collect();
    match parts.as_slice() {
        [.., schema, table] => place(schema, table),
        _ => last_part(name),
    }
}
