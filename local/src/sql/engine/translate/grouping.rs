//! GROUP BY's rule: what is selected is grouped by, or is an aggregate. SQLite would take any row's value.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, GroupByExpr, OrderByKind, Query, Select, SelectItem, SetExpr, Visit, Visitor};

use super::{infer::arguments, scope::last_part};
use crate::sql::errors::{SqlError, error, not_supported};

const AGGREGATES: [&str; 13] = [
    "approx_count_distinct",
    "avg",
    "count",
    "count_big",
    "grouping",
    "max",
    "min",
    "stdev",
    "stdevp",
    "string_agg",
    "sum",
    "var",
    "varp",
];

pub(crate) fn is_aggregate(expr: &Expr) -> bool {
    matches!(expr, Expr::Function(function) if function.over.is_none()
        && AGGREGATES.contains(&last_part(&function.name).to_lowercase().as_str()))
}

/// `day` in `DATEADD(day, …)`.
fn date_part(expr: &Expr) -> Option<&Expr> {
    const FUNCTIONS: [&str; 6] = ["dateadd", "datediff", "datediff_big", "datename", "datepart", "datetrunc"];
    match expr {
        Expr::Function(function)
            if FUNCTIONS.contains(&last_part(&function.name).to_lowercase().as_str()) =>
        {
            arguments(&function.args).into_iter().next()
        }
        _ => None,
    }
}

/// The first column outside of aggregates, groups and subqueries; and whether there is an aggregate.
struct Loose<'a> {
    groups: &'a [Expr],
    inside: usize,
    aggregates: bool,
    column: Option<String>,
    /// The names of date parts, which look like columns.
    parts: Vec<*const Expr>,
}

impl Loose<'_> {
    fn look_at(&mut self, expr: &Expr) {
        self.inside = 0;
        let _ = expr.visit(self);
    }
}

impl Visitor for Loose<'_> {
    type Break = ();

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
        self.parts.extend(date_part(expr).map(std::ptr::from_ref));
        let aggregate = is_aggregate(expr);
        self.aggregates |= aggregate && self.inside == 0;
        let closed = aggregate
            || self.inside > 0
            || self.parts.iter().any(|part| std::ptr::eq(*part, expr))
            || matches!(expr, Expr::Subquery(_) | Expr::Exists { .. })
            || self.groups.iter().any(|group| same(group, expr));
        if closed {
            self.inside += 1;
        } else if let Some(name) = column(expr)
            && self.column.is_none()
        {
            self.column = Some(name);
        }
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, _: &Expr) -> ControlFlow<()> {
        self.inside = self.inside.saturating_sub(1);
        ControlFlow::Continue(())
    }

    // The columns of a subquery, behind IN as elsewhere, are its own.
    fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.inside += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<()> {
        self.inside = self.inside.saturating_sub(1);
        ControlFlow::Continue(())
    }
}

fn column(expr: &Expr) -> Option<String> {
    match expr {
        Expr::Identifier(ident) if !ident.value.starts_with('@') || ident.quote_style.is_some() => {
            Some(ident.value.clone())
        }
        Expr::CompoundIdentifier(parts) => {
            Some(parts.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join("."))
        }
        _ => None,
    }
}

fn same(group: &Expr, expr: &Expr) -> bool {
    let last = |name: &str| name.rsplit('.').next().unwrap_or(name).to_lowercase();
    match (column(group), column(expr)) {
        // One of them may say the table and the other not.
        (Some(a), Some(b)) => {
            last(&a) == last(&b) && (a.eq_ignore_ascii_case(&b) || a.contains('.') != b.contains('.'))
        }
        _ => group == expr || group.to_string().eq_ignore_ascii_case(&expr.to_string()),
    }
}

/// Refuses a column that is neither grouped by nor in an aggregate (8120).
pub(crate) fn check(select: &Select) -> Result<(), SqlError> {
    let groups: &[Expr] = match &select.group_by {
        GroupByExpr::Expressions(groups, _) => groups,
        GroupByExpr::All(_) => return Ok(()),
    };
    let sets = |group: &Expr| match group {
        Expr::Rollup(_) | Expr::Cube(_) | Expr::GroupingSets(_) => true,
        Expr::Function(function) => {
            ["rollup", "cube"].contains(&last_part(&function.name).to_lowercase().as_str())
        }
        _ => false,
    };
    if groups.iter().any(sets) {
        return Err(not_supported("GROUP BY with ROLLUP, CUBE or GROUPING SETS"));
    }
    let mut loose = Loose { groups, inside: 0, aggregates: false, column: None, parts: Vec::new() };
    for item in &select.projection {
        if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
            loose.look_at(expr);
        }
    }
    let grouped = loose.aggregates || !groups.is_empty();
    if let Some(column) = loose.column.take().filter(|_| grouped) {
        return Err(ungrouped(8120, &column, "select list"));
    }
    if let Some(having) = &select.having {
        loose.look_at(having);
    }
    match loose.column {
        Some(column) => Err(ungrouped(8121, &column, "HAVING clause")),
        None => Ok(()),
    }
}

fn ungrouped(number: u32, column: &str, place: &str) -> SqlError {
    let message = format!(
        "Column '{column}' is invalid in the {place} because it is not contained in either an aggregate function or \
         the GROUP BY clause."
    );
    error(number, message)
}

/// The same of what the rows of a query with groups are sorted by (8127); a column of the select list can be named.
pub(crate) fn check_order(query: &Query) -> Result<(), SqlError> {
    let (SetExpr::Select(select), Some(order)) = (query.body.as_ref(), &query.order_by) else {
        return Ok(());
    };
    let (GroupByExpr::Expressions(groups, _), OrderByKind::Expressions(terms)) =
        (&select.group_by, &order.kind)
    else {
        return Ok(());
    };
    if groups.is_empty() {
        return Ok(());
    }
    let alias = |term: &Expr| {
        let is = |item: &SelectItem| match (item, term) {
            (SelectItem::ExprWithAlias { alias, .. }, Expr::Identifier(name)) => {
                alias.value.eq_ignore_ascii_case(&name.value)
            }
            _ => false,
        };
        select.projection.iter().any(is)
    };
    let mut loose = Loose { groups, inside: 0, aggregates: false, column: None, parts: Vec::new() };
    terms.iter().filter(|term| !alias(&term.expr)).for_each(|term| loose.look_at(&term.expr));
    match loose.column {
        Some(column) => Err(ungrouped(8127, &column, "ORDER BY clause")),
        None => Ok(()),
    }
}
