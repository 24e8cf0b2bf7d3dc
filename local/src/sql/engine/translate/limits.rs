//! TOP, OFFSET and FETCH as SQLite's LIMIT.

use std::{collections::HashSet, ops::ControlFlow};

use sqlparser::ast::{
    BinaryOperator, Expr, Ident, LimitClause, Offset, OffsetRows, OrderBy, OrderByExpr, OrderByKind,
    OrderBySort, Query, SelectItem, SetExpr, TableFactor, Top, Value as Literal, Visit, Visitor,
};

use super::{
    Translator,
    counts::{not_whole, offset_not_whole},
    expressions::{collated, is_column},
    nodes::{call, expression_of, number, query_of, top_rows},
    scope::last_part,
};
use crate::sql::{
    engine::query::described::names,
    errors::{SqlError, error, not_supported, syntax},
    types::SqlType,
};

/// Where a number that is not whole has an error of its own.
const OFFSET: &str = "__limit_offset";

/// FETCH's expression, which was read as its text; and a part of a set operation that has a TOP as a query of its own.
pub(crate) fn as_written(query: &mut Query) -> Result<(), SqlError> {
    if let Some(Expr::Value(found)) = query.fetch.as_mut().and_then(|fetch| fetch.quantity.as_mut())
        && let Literal::Placeholder(text) = &found.value
    {
        let read = expression_of(text)?;
        if let Some(fetch) = &mut query.fetch {
            fetch.quantity = Some(read);
        }
    }
    topped_parts(&mut query.body)
}

fn topped_parts(body: &mut SetExpr) -> Result<(), SqlError> {
    let SetExpr::SetOperation { left, right, .. } = body else { return Ok(()) };
    for part in [left, right] {
        if matches!(part.as_ref(), SetExpr::Select(select) if select.top.is_some()) {
            let mut query = query_of("SELECT 1")?;
            std::mem::swap(&mut query.body, part);
            **part = SetExpr::Query(Box::new(query));
        } else {
            topped_parts(part)?;
        }
    }
    Ok(())
}

impl Translator<'_> {
    /// Takes a query's TOP, or its OFFSET and FETCH, and gives its LIMIT, once these are translated.
    pub(crate) fn limit(&self, query: &mut Query) -> Result<Option<LimitClause>, SqlError> {
        let top = match query.body.as_mut() {
            SetExpr::Select(select) => select.top.take(),
            _ => None,
        };
        let offset = match query.limit_clause.take() {
            None => None,
            Some(LimitClause::LimitOffset { limit: None, offset, .. }) => offset,
            Some(_) => return Err(syntax("LIMIT")),
        };
        let fetch = query.fetch.take();
        if offset.is_some() && query.order_by.is_none() {
            return Err(syntax("OFFSET"));
        }
        if offset.is_some() && top.is_some() {
            let message = "A TOP can not be used in the same query or sub-query as a OFFSET.";
            return Err(error(10_741, message));
        }
        if fetch.is_some() && offset.is_none() {
            return Err(error(153, "Invalid usage of the option NEXT in the FETCH statement."));
        }
        let limit = match (top, fetch) {
            // SQLite's LIMIT knows no columns.
            (Some(top), _) if (top.percent || top.with_ties) && refers_outside(query) => {
                self.ranked(query, top)?;
                None
            }
            (Some(top), _) => Some(self.top(query, top)?),
            (None, Some(fetch)) if fetch.percent => return Err(syntax("PERCENT")),
            (None, Some(fetch)) if fetch.with_ties => return Err(syntax("WITH")),
            (None, Some(fetch)) => {
                let count = fetch.quantity.unwrap_or_else(|| number("1"));
                Some(self.whole(count, "__limit_fetch")?)
            }
            (None, None) => None,
        };
        let offset = offset.map(|offset| self.whole(offset.value, OFFSET)).transpose()?;
        Ok((limit.is_some() || offset.is_some()).then(|| LimitClause::LimitOffset {
            limit: Some(limit.unwrap_or_else(|| number("-1"))),
            offset: offset.map(|value| Offset { value, rows: OffsetRows::None }),
            limit_by: Vec::new(),
        }))
    }

    /// A count of rows, looked at when it is known.
    fn whole(&self, count: Expr, function: &str) -> Result<Expr, SqlError> {
        match self.infer(&count) {
            Some(found) if !found.is_integer() && function == OFFSET => Err(offset_not_whole()),
            Some(found) if !found.is_integer() => Err(not_whole()),
            _ => Ok(call(function, vec![count])),
        }
    }

    fn top(&self, query: &Query, top: Top) -> Result<Expr, SqlError> {
        let (percent, ties) = (top.percent, top.with_ties);
        let given = top_rows(top).unwrap_or_else(|| number("1"));
        if !percent && !ties {
            return self.whole(given, "__limit_top");
        }
        let mut counted = query.clone();
        counted.order_by = None;
        counted.for_clause = None;
        if !ties {
            let mut count = query_of("SELECT count(*) FROM (SELECT 1) AS \"!rows\"")?;
            fill(&mut count, counted);
            return Ok(call("__limit_percent", vec![given, Expr::Subquery(Box::new(count))]));
        }
        let order = self.sorted_by(&mut counted, tied_by(query)?, false)?;
        let most = self.most(given, percent)?;
        let mut ranks = query_of(&format!(
            "SELECT rank() OVER (ORDER BY {order}) AS \"place\", count(*) OVER () AS \"all\" FROM (SELECT 1) AS \"!rows\""
        ))?;
        fill(&mut ranks, counted);
        let mut count = query_of("SELECT count(*) FROM (SELECT 1) AS \"!ranks\"")?;
        fill(&mut count, ranks);
        up_to(&mut count, most);
        Ok(Expr::Subquery(Box::new(count)))
    }

    /// The last place that a ranked row may have, where `all` is how many there are.
    pub(crate) fn most(&self, given: Expr, percent: bool) -> Result<Expr, SqlError> {
        if percent {
            let all = Expr::Identifier(Ident::with_quote('"', "all"));
            return Ok(call("__limit_percent", vec![given, all]));
        }
        self.whole(given, "__limit_top")
    }

    /// Makes a query give what it is sorted by, and behind that what it gives, if that is kept; the terms, by the names
    /// that they have there.
    pub(crate) fn sorted_by(
        &self,
        query: &mut Query,
        terms: &[OrderByExpr],
        keeps: bool,
    ) -> Result<String, SqlError> {
        let SetExpr::Select(select) = query.body.as_mut() else {
            return Err(not_supported("TOP with TIES of this query"));
        };
        let hidden = || not_supported("TOP with TIES where * stands before what the rows are sorted by");
        let mut shown = Vec::new();
        let mut order = Vec::new();
        for term in terms {
            let place = match &term.expr {
                Expr::Value(literal) => match &literal.value {
                    Literal::Number(place, _) => place.parse().ok().filter(|place: &usize| *place > 0),
                    _ => None,
                },
                Expr::Identifier(name) => select.projection.iter().position(|item| {
                    matches!(item, SelectItem::ExprWithAlias { alias, .. } if alias.value.eq_ignore_ascii_case(&name.value))
                }).map(|at| at + 1),
                _ => None,
            };
            let expr = match place {
                Some(place) => {
                    let before = select.projection.get(..place).unwrap_or_default();
                    match (names(before), before.last()) {
                        (
                            Some(_),
                            Some(SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }),
                        ) => expr.clone(),
                        _ => return Err(hidden()),
                    }
                }
                None => term.expr.clone(),
            };
            let descends = matches!(term.options.sort, Some(OrderBySort::Desc));
            let descends = if descends { " DESC" } else { "" };
            order.push(format!("\"o{}\"{descends}", shown.len()));
            shown.push(self.sortable(&expr));
        }
        let aliased = |(at, expr): (usize, Expr)| SelectItem::ExprWithAlias {
            expr,
            alias: Ident::with_quote('"', format!("o{at}")),
        };
        let sorted: Vec<SelectItem> = shown.into_iter().enumerate().map(aliased).collect();
        // Rows that are told apart by what is selected: that stays, behind the terms, which are of it.
        let keeps = keeps || select.distinct.is_some();
        let rest = if keeps { std::mem::take(&mut select.projection) } else { Vec::new() };
        select.projection = sorted.into_iter().chain(rest).collect();
        Ok(order.join(", "))
    }

    /// What SQLite sorts as SQL Server sorts the expression.
    pub(crate) fn sortable(&self, expr: &Expr) -> Expr {
        if self.is_long_decimal(expr) {
            call("__order", vec![expr.clone()])
        } else if !is_column(expr)
            && !matches!(expr, Expr::Collate { .. })
            && self.infer(expr).is_some_and(SqlType::is_text)
        {
            collated(expr)
        } else {
            expr.clone()
        }
    }
}

/// What the rows of a TOP with TIES are sorted by.
pub(crate) fn tied_by(query: &Query) -> Result<&[OrderByExpr], SqlError> {
    match &query.order_by {
        Some(OrderBy { kind: OrderByKind::Expressions(terms), .. }) => Ok(terms),
        _ => {
            let message =
                "The TOP N WITH TIES clause is not allowed without a corresponding ORDER BY clause.";
            Err(error(1062, message))
        }
    }
}

/// Takes the ranked rows up to a place.
pub(crate) fn up_to(query: &mut Query, most: Expr) {
    if let SetExpr::Select(select) = query.body.as_mut() {
        select.selection = Some(Expr::BinaryOp {
            left: Box::new(Expr::Identifier(Ident::with_quote('"', "place"))),
            op: BinaryOperator::LtEq,
            right: Box::new(most),
        });
    }
}

/// Puts a query in the place of another's source.
pub(crate) fn fill(outer: &mut Query, inner: Query) {
    if let SetExpr::Select(select) = outer.body.as_mut()
        && let Some(from) = select.from.first_mut()
        && let TableFactor::Derived { subquery, .. } = &mut from.relation
    {
        **subquery = inner;
    }
}

/// Whether a column is said to be of a table that the query does not have.
fn refers_outside(query: &Query) -> bool {
    #[derive(Default)]
    struct Names {
        sources: HashSet<String>,
        said: HashSet<String>,
    }
    impl Visitor for Names {
        type Break = ();
        fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<()> {
            let shown = match factor {
                TableFactor::Table { alias: Some(alias), .. }
                | TableFactor::Derived { alias: Some(alias), .. } => alias.name.value.clone(),
                TableFactor::Table { name, .. } => last_part(name),
                _ => return ControlFlow::Continue(()),
            };
            self.sources.insert(shown.to_lowercase());
            ControlFlow::Continue(())
        }
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            if let Expr::CompoundIdentifier(parts) = expr
                && let [table, _] = parts.as_slice()
            {
                self.said.insert(table.value.to_lowercase());
            }
            ControlFlow::Continue(())
        }
    }
    let mut names = Names::default();
    let _ = query.visit(&mut names);
    !names.said.is_subset(&names.sources)
}
