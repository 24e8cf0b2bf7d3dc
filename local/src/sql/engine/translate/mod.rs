//! T-SQL's queries and expressions rewritten into SQLite's, in place.

mod apply;
mod calls;
pub(crate) mod chains;
pub(crate) mod counts;
mod derived;
mod expressions;
pub(crate) mod for_json;
mod grouping;
pub(crate) mod infer;
pub(crate) mod limits;
mod naming;
pub(crate) mod nodes;
mod operators;
mod precision;
mod ranked;
pub(crate) mod recursion;
pub(crate) mod same_names;
pub(crate) mod scope;
pub(crate) mod single;
pub(crate) mod sources;

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, Ident, ObjectName, OrderBy, OrderByKind, Query, Select, SelectItem, SetExpr, TableFactor,
    Value as Literal, VisitMut, VisitorMut,
};

use crate::sql::{
    engine::{query::described::names, session::standing::Standing},
    errors::{SqlError, error, invalid_object, not_supported},
    types::SqlType,
};
use apply::Applied;
use expressions::{as_in, collated, is_column};
use infer::infer;
use nodes::plain;
use scope::{Tables, Variables, last_part};
use sources::parts_as_sources;

/// Rewrites one statement or a part of it; collects what its running has to know.
pub(crate) struct Translator<'a> {
    pub(crate) tables: &'a Tables,
    pub(crate) variables: &'a Variables,
    pub(crate) standing: &'a Standing,
    /// `inserted` or `deleted`, where the rows that a statement changes go by that name.
    pub(crate) changed: bool,
    /// A hint asks for locks that a plain read does not take.
    pub(crate) locks: bool,
    /// A hint asks not to wait for them.
    pub(crate) no_wait: bool,
    /// The sources whose columns are places in an array.
    pub(crate) applied: Vec<Applied>,
}

type Flow = ControlFlow<SqlError>;

impl<'a> Translator<'a> {
    pub(crate) fn new(tables: &'a Tables, variables: &'a Variables, standing: &'a Standing) -> Self {
        Translator {
            tables,
            variables,
            standing,
            changed: false,
            locks: false,
            no_wait: false,
            applied: Vec::new(),
        }
    }
}

impl Translator<'_> {
    /// Rewrites the node.
    pub(crate) fn apply(&mut self, node: &mut impl VisitMut) -> Result<(), SqlError> {
        match node.visit(self) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(found) => Err(found),
        }
    }

    pub(crate) fn infer(&self, expr: &Expr) -> Option<SqlType> {
        infer(expr, self.tables, self.variables)
    }

    pub(crate) fn query(&mut self, query: &mut Query) -> Result<(), SqlError> {
        // The first row's collations are the columns'.
        if let SetExpr::Values(values) = query.body.as_mut() {
            for expr in values.rows.first_mut().into_iter().flat_map(|row| &mut row.content) {
                if self.infer(expr).is_some_and(SqlType::is_text) {
                    *expr = collated(expr);
                }
            }
        }
        let width = match query.body.as_ref() {
            SetExpr::Select(select) => names(&select.projection).map(|names| names.len()),
            _ => None,
        };
        let selects = matches!(query.body.as_ref(), SetExpr::Select(_));
        if let Some(OrderBy { kind: OrderByKind::Expressions(sorts), .. }) = &mut query.order_by {
            for sort in sorts {
                if let Expr::Value(literal) = &sort.expr
                    && let Literal::Number(place, _) = &literal.value
                    && let (Some(width), Ok(place)) = (width, place.parse::<usize>())
                    && !(1..=width).contains(&place)
                {
                    let message = format!(
                        "The ORDER BY position number {place} is out of range of the number of items in the select list."
                    );
                    return Err(error(108, message));
                }
                // The terms of a set operation's ORDER BY can be names of its columns only.
                if selects {
                    sort.expr = self.sortable(&sort.expr);
                }
            }
        }
        Ok(())
    }

    fn finished(&mut self, query: &mut Query) -> Result<(), SqlError> {
        parts_as_sources(&mut query.body)?;
        let limit = self.limit(query)?;
        self.query(query)?;
        query.limit_clause = limit;
        self.for_json(query)
    }
}

fn flow(outcome: Result<(), SqlError>) -> Flow {
    match outcome {
        Ok(()) => ControlFlow::Continue(()),
        Err(found) => ControlFlow::Break(found),
    }
}

impl VisitorMut for Translator<'_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &mut Query) -> Flow {
        use SetExpr::{Delete, Insert, Merge, Update};
        if matches!(query.body.as_ref(), Insert(_) | Update(_) | Delete(_) | Merge(_)) {
            return ControlFlow::Break(not_supported("the rows of a change as a source"));
        }
        let ctes = query.with.iter().flat_map(|with| &with.cte_tables);
        let mut checked = ctes.map(|cte| naming::derived_columns(&cte.query, &cte.alias));
        let checked = checked.find(Result::is_err).unwrap_or(Ok(()));
        let checked = checked.and_then(|()| naming::distinct_order(query));
        let checked = checked.and_then(|()| naming::aliases(query, self.tables));
        let checked = checked.and_then(|()| grouping::check_order(query));
        flow(checked.and_then(|()| limits::as_written(query)).and_then(|()| recursion::rewrite(query)))
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> Flow {
        flow(grouping::check(select).and_then(|()| self.find_applied(select)))
    }

    fn post_visit_query(&mut self, query: &mut Query) -> Flow {
        flow(self.finished(query))
    }

    fn post_visit_select(&mut self, select: &mut Select) -> Flow {
        if let Some(into) = &select.into {
            return ControlFlow::Break(not_supported(format!("SELECT … {into}")));
        }
        // A column that takes its alias from the front (`SELECT n = 1`) prints as one that takes it from behind.
        for item in &mut select.projection {
            match item {
                SelectItem::ExprWithAliases { .. } => {
                    return ControlFlow::Break(not_supported("several aliases for one column"));
                }
                // What is sorted, grouped or compared by this column's name later is text of that collation.
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. }
                    if !is_column(expr)
                        && !matches!(expr, Expr::Collate { .. })
                        && self.infer(expr).is_some_and(SqlType::is_text) =>
                {
                    *expr = collated(expr);
                }
                _ => {}
            }
        }
        ControlFlow::Continue(())
    }

    fn post_visit_relation(&mut self, name: &mut ObjectName) -> Flow {
        flow(self.relation(name))
    }

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> Flow {
        flow(match factor {
            TableFactor::Derived { subquery, alias: Some(alias), .. } => {
                naming::derived_columns(subquery, alias)
            }
            TableFactor::Table { name, .. } if naming::is_engines(&last_part(name)) => {
                Err(invalid_object(plain(name)))
            }
            _ => Ok(()),
        })
    }

    fn post_visit_table_factor(&mut self, factor: &mut TableFactor) -> Flow {
        flow(self.factor(factor))
    }

    fn post_visit_ident(&mut self, ident: &mut Ident) -> Flow {
        if ident.quote_style.is_none() && ident.value.starts_with('@') {
            ident.value = ident.value.to_lowercase();
        } else {
            ident.quote_style = Some('"');
        }
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> Flow {
        as_in(expr);
        flow(match expr {
            Expr::Identifier(name) => naming::row_number(name, self.tables),
            Expr::CompoundIdentifier(parts) => {
                parts.last().map_or(Ok(()), |name| naming::row_number(name, self.tables))
            }
            _ => Ok(()),
        })
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> Flow {
        flow(self.expr(expr))
    }
}
