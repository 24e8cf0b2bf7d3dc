//! Names that SQLite would resolve, or not miss, and SQL Server does not: an alias outside of ORDER BY, a row's number,
//! columns of a derived table without a name or with the same.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, GroupByExpr, Ident, OrderBy, OrderByKind, Query, SelectItem, SetExpr, TableAlias, Value as Literal,
    visit_expressions,
};

use super::scope::Tables;
use crate::sql::{
    engine::query::described::{names, projection},
    errors::{SqlError, error, invalid_column},
};

/// Refuses an alias of the select list where only columns can stand: in WHERE, GROUP BY and HAVING, and in ORDER BY
/// where it is a part of an expression.
pub(crate) fn aliases(query: &Query, tables: &Tables) -> Result<(), SqlError> {
    let SetExpr::Select(select) = query.body.as_ref() else { return Ok(()) };
    let alias = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.to_lowercase()),
        _ => None,
    };
    let aliases: Vec<String> = select.projection.iter().filter_map(alias).collect();
    // Of a source whose columns are not known, any name may be one.
    if aliases.is_empty() || tables.found.iter().any(|(_, columns)| columns.is_empty()) {
        return Ok(());
    }
    let groups = match &select.group_by {
        GroupByExpr::Expressions(groups, _) => groups.as_slice(),
        GroupByExpr::All(_) => &[],
    };
    let terms = match query.order_by.as_ref().map(|order| &order.kind) {
        Some(OrderByKind::Expressions(terms)) => terms.as_slice(),
        _ => &[],
    };
    let sorted = terms.iter().map(|term| &term.expr).filter(|term| !matches!(term, Expr::Identifier(_)));
    for expr in select.selection.iter().chain(groups).chain(&select.having).chain(sorted) {
        let found = visit_expressions(expr, |expr| match expr {
            Expr::Identifier(name)
                if aliases.contains(&name.value.to_lowercase()) && !tables.has_column(&name.value) =>
            {
                ControlFlow::Break(invalid_column(&name.value))
            }
            _ => ControlFlow::Continue(()),
        });
        if let ControlFlow::Break(found) = found {
            return Err(found);
        }
    }
    Ok(())
}

fn last(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(name) => Some(name.value.to_lowercase()),
        Expr::CompoundIdentifier(parts) => parts.last().map(|name| name.value.to_lowercase()),
        _ => None,
    }
}

/// With DISTINCT, the rows are sorted by what is selected only.
pub(crate) fn distinct_order(query: &Query) -> Result<(), SqlError> {
    let SetExpr::Select(select) = query.body.as_ref() else { return Ok(()) };
    let Some(OrderBy { kind: OrderByKind::Expressions(terms), .. }) = &query.order_by else { return Ok(()) };
    if select.distinct.is_none() {
        return Ok(());
    }
    let is = |term: &Expr, expr: &Expr| {
        let column = last(term);
        column.is_some() && column == last(expr) || expr.to_string().eq_ignore_ascii_case(&term.to_string())
    };
    let selected = |term: &Expr| {
        select.projection.iter().any(|item| match item {
            SelectItem::UnnamedExpr(expr) => is(term, expr),
            SelectItem::ExprWithAlias { expr, alias } => {
                is(term, expr) || last(term).is_some_and(|name| name == alias.value.to_lowercase())
            }
            _ => true,
        })
    };
    let place =
        |term: &Expr| matches!(term, Expr::Value(found) if matches!(found.value, Literal::Number(..)));
    if terms.iter().all(|term| place(&term.expr) || selected(&term.expr)) {
        return Ok(());
    }
    Err(error(145, "ORDER BY items must appear in the select list if SELECT DISTINCT is specified."))
}

/// A derived table's or a common table expression's columns each have a name of their own.
pub(crate) fn derived_columns(query: &Query, alias: &TableAlias) -> Result<(), SqlError> {
    let given: Vec<String> = alias.columns.iter().map(|column| column.name.value.clone()).collect();
    let names = match given.as_slice() {
        [] => projection(&query.body).and_then(|select| names(&select.projection)),
        _ => Some(given),
    };
    // FOR JSON makes one column of them all.
    let Some(names) = names.filter(|_| query.for_clause.is_none()) else { return Ok(()) };
    let shown = &alias.name.value;
    // What is put into a statement here has such a name, and T-SQL's have not.
    if shown.starts_with('!') {
        return Ok(());
    }
    for (at, name) in names.iter().enumerate() {
        if name.is_empty() {
            let message = format!("No column name was specified for column {} of '{shown}'.", at + 1);
            return Err(error(8155, message));
        }
        if names[..at].iter().any(|before| before.eq_ignore_ascii_case(name)) {
            let message = format!("The column '{name}' was specified multiple times for '{shown}'.");
            return Err(error(8156, message));
        }
    }
    Ok(())
}

/// Refuses the names by which SQLite has the number of a row, where no table has such a column. Those that are put into
/// a statement here stand in double quotes.
pub(crate) fn row_number(name: &Ident, tables: &Tables) -> Result<(), SqlError> {
    let known = ["rowid", "oid", "_rowid_"].iter().any(|known| name.value.eq_ignore_ascii_case(known));
    if known && name.quote_style != Some('"') && !tables.has_column(&name.value) {
        return Err(invalid_column(&name.value));
    }
    Ok(())
}

/// Whether a table is SQLite's own.
pub(crate) fn is_engines(name: &str) -> bool {
    let name = name.to_lowercase();
    name.starts_with("sqlite_") || name.starts_with("pragma_")
}
