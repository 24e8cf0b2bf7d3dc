//! TOP with PERCENT or TIES in a query that refers to a table outside of it, as a query over its rows and their ranks.

use sqlparser::ast::{Expr, Ident, Query, SelectItem, SetExpr, Top};

use super::{
    Translator,
    limits::{fill, tied_by, up_to},
    nodes::{number, query_of, top_rows},
};
use crate::sql::{
    engine::query::described::names,
    errors::{SqlError, not_supported},
};

impl Translator<'_> {
    /// Puts the query over its ranked rows in its place. Such a query is a part of another one, for which the types of
    /// its columns are known already.
    pub(crate) fn ranked(&self, query: &mut Query, top: Top) -> Result<(), SqlError> {
        let (percent, ties) = (top.percent, top.with_ties);
        let given = top_rows(top).unwrap_or_else(|| number("1"));
        let hidden =
            || not_supported("TOP with PERCENT or TIES of * where a table outside of the query is named");
        let SetExpr::Select(select) = query.body.as_ref() else { return Err(hidden()) };
        let names = names(&select.projection).ok_or_else(hidden)?;
        let terms = if ties || query.order_by.is_some() { tied_by(query)?.to_vec() } else { Vec::new() };
        let (mut rows, for_clause) = (query.clone(), query.for_clause.take());
        (rows.order_by, rows.for_clause) = (None, None);
        let order = self.sorted_by(&mut rows, &terms, true)?;
        let cell = |at: usize| Ident::with_quote('"', format!("c{at}"));
        if let SetExpr::Select(select) = rows.body.as_mut() {
            for (at, item) in select.projection.iter_mut().skip(terms.len()).enumerate() {
                if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                    *item = SelectItem::ExprWithAlias { expr: expr.clone(), alias: cell(at) };
                }
            }
        }
        let rank = if ties { "rank()" } else { "row_number()" };
        let order = if order.is_empty() { order } else { format!("ORDER BY {order}") };
        let mut ranks = query_of(&format!(
            "SELECT *, {rank} OVER ({order}) AS \"place\", count(*) OVER () AS \"all\" FROM (SELECT 1) AS \"!rows\""
        ))?;
        fill(&mut ranks, rows);
        let mut made = query_of("SELECT 1 FROM (SELECT 1) AS \"!ranks\" ORDER BY \"place\"")?;
        fill(&mut made, ranks);
        up_to(&mut made, self.most(given, percent)?);
        if let SetExpr::Select(select) = made.body.as_mut() {
            let item = |(at, name): (usize, &String)| {
                let expr = Expr::Identifier(cell(at));
                match name.as_str() {
                    "" => SelectItem::UnnamedExpr(expr),
                    name => SelectItem::ExprWithAlias { expr, alias: Ident::with_quote('"', name) },
                }
            };
            select.projection = names.iter().enumerate().map(item).collect();
        }
        made.for_clause = for_clause;
        *query = made;
        Ok(())
    }
}
