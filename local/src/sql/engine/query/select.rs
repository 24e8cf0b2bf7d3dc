//! SELECT: to the client, into variables, or into a new table.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Query, SelectInto, SelectItem, SetExpr, visit_expressions};

use super::described::projection;
use crate::sql::{
    engine::{
        ddl::{already_there, column_twice, columns::column_part, quote},
        dml::output::into_table,
        session::Session,
        translate::{
            nodes::plain,
            scope::{is_temporary, table_name},
            single::first,
        },
    },
    errors::{SqlError, error, not_supported},
    types::convert,
};

/// `SELECT @a = …, @b = …`: the variables and their expressions.
pub(crate) fn assignments(query: &Query) -> Result<Option<Vec<(String, Expr)>>, SqlError> {
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

fn names_variable(expr: &Expr, name: &str) -> bool {
    let found = visit_expressions(expr, |expr| match expr {
        Expr::Identifier(ident) if ident.value.eq_ignore_ascii_case(name) => ControlFlow::Break(()),
        _ => ControlFlow::Continue(()),
    });
    found.is_break()
}

impl Session {
    pub(crate) fn select(&mut self, query: &Query) -> Result<(), SqlError> {
        if let Some(assigned) = assignments(query)? {
            return self.select_into_variables(query, &assigned);
        }
        // Of a set operation, the first part says it.
        if let Some(into) = projection(&query.body).and_then(|select| select.into.as_ref()) {
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
        if let Some(select) = first(&mut query.body) {
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
                return Err(column_twice(&column.name, &plain));
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

    pub(crate) fn select_into_variables(
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
        // On SQL Server, each row would see what the one before it left there.
        if rows.len() > 1 && assigned.iter().any(|(name, expr)| names_variable(expr, name)) {
            return Err(not_supported(
                "SELECT that gathers several rows in a variable, for which there are STRING_AGG and SUM",
            ));
        }
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
}
