//! A subquery that stands for a value gives one row at most: SQLite would take the first of several.

use sqlparser::ast::{Expr, GroupByExpr, Ident, Query, Select, SelectItem, SetExpr};

use super::{for_json::COLUMN, grouping::is_aggregate, limits::fill, nodes::query_of};
use crate::sql::errors::SqlError;

/// The aggregate that takes one row.
pub(crate) const SINGLE: &str = "__single";

/// Puts the query, once it is translated, below the aggregate that refuses a second row.
pub(crate) fn at_most_one(query: &mut Query) -> Result<(), SqlError> {
    if gives_one(query) {
        return Ok(());
    }
    let Some(name) = first(&mut query.body).and_then(column) else { return Ok(()) };
    let name = Ident::with_quote('"', name);
    let mut outer = query_of(&format!("SELECT {SINGLE}({name}) FROM (SELECT 1) AS \"!single\""))?;
    std::mem::swap(&mut outer, query);
    fill(query, outer);
    Ok(())
}

/// Whether it says that it gives one row: TOP (1), no source, or an aggregate over all rows.
fn gives_one(query: &Query) -> bool {
    let SetExpr::Select(select) = query.body.as_ref() else { return false };
    let limited =
        query.limit_clause.as_ref().is_some_and(|limit| limit.to_string().contains("__limit_top(1)"));
    let grouped = !matches!(&select.group_by, GroupByExpr::Expressions(groups, _) if groups.is_empty());
    let aggregate = |item: &SelectItem| matches!(item, SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } if is_aggregate(expr));
    limited || select.from.is_empty() || !grouped && select.projection.iter().any(aggregate)
}

/// The SELECT that names a query's columns.
pub(crate) fn first(body: &mut SetExpr) -> Option<&mut Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::SetOperation { left, .. } => first(left),
        _ => None,
    }
}

/// The name of its one column, which gets one where it has none.
fn column(select: &mut Select) -> Option<String> {
    let [item] = select.projection.as_mut_slice() else { return None };
    match item {
        SelectItem::ExprWithAlias { alias, .. } if alias.value == COLUMN => None,
        SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
        SelectItem::UnnamedExpr(Expr::Identifier(name)) if !name.value.starts_with('@') => {
            Some(name.value.clone())
        }
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
            parts.last().map(|name| name.value.clone())
        }
        SelectItem::UnnamedExpr(expr) => {
            let alias = Ident::with_quote('"', "v");
            *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias };
            Some("v".to_owned())
        }
        _ => None,
    }
}
