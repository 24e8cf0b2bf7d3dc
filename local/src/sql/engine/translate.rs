//! T-SQL's queries and expressions rewritten into SQLite's, in place.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, ObjectNamePart, OrderBy, OrderByKind, Query,
    Select, SelectItem, SetExpr, TableAlias, TableFactor, TableFunctionArgs, Value as Literal, VisitMut,
    VisitorMut,
};

use super::{
    apply::Applied,
    described::names,
    expressions::{as_in, collated, is_column},
    infer::infer,
    naming,
    nodes::{plain, query_of, quoted_name},
    scope::{Tables, Variables, last_part, table_name},
    standing::Standing,
};
use crate::sql::errors::{SqlError, error, invalid_object, not_supported};
use crate::sql::types::SqlType;

/// Rewrites one statement or a part of it; collects what its running has to know.
pub(crate) struct Translator<'a> {
    pub(crate) tables: &'a Tables,
    pub(crate) variables: &'a Variables,
    pub(crate) standing: &'a Standing,
    /// `inserted` or `deleted`, where the rows that a statement changes go by that name.
    pub(crate) changed: bool,
    /// A hint asks for locks that a plain read does not take.
    pub(crate) locks: bool,
    /// The sources whose columns are places in an array.
    pub(crate) applied: Vec<Applied>,
}

type Flow = ControlFlow<SqlError>;

impl<'a> Translator<'a> {
    pub(crate) fn new(tables: &'a Tables, variables: &'a Variables, standing: &'a Standing) -> Self {
        Translator { tables, variables, standing, changed: false, locks: false, applied: Vec::new() }
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

    pub(super) fn infer(&self, expr: &Expr) -> Option<SqlType> {
        infer(expr, self.tables, self.variables)
    }

    pub(super) fn query(&mut self, query: &mut Query) -> Result<(), SqlError> {
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

    pub(super) fn relation(&mut self, name: &mut ObjectName) -> Result<(), SqlError> {
        let parts: Vec<&Ident> = name.0.iter().filter_map(ObjectNamePart::as_ident).collect();
        known_place(&parts, &self.standing.database)?;
        *name = quoted_name(&table_name(name));
        Ok(())
    }

    pub(super) fn factor(&mut self, factor: &mut TableFactor) -> Result<(), SqlError> {
        if self.apply_source(factor)? {
            return Ok(());
        }
        if let TableFactor::Table { args, with_hints, .. } = factor
            && with_hints.is_empty()
            && args.as_ref().is_some_and(are_hints)
        {
            // `c (NOLOCK)`: the old way to write a hint.
            *with_hints = args.take().into_iter().flat_map(|found| found.args).filter_map(argument).collect();
        }
        match factor {
            TableFactor::Table {
                name, alias, args: None, with_hints, version: None, sample: None, ..
            } => {
                go_by_last_part(name, alias);
                for hint in with_hints.drain(..) {
                    let hint = hint.to_string().to_uppercase().replace('"', "");
                    self.locks |=
                        ["UPDLOCK", "XLOCK", "TABLOCKX", "HOLDLOCK", "SERIALIZABLE"].contains(&hint.as_str());
                }
                Ok(())
            }
            TableFactor::Derived { subquery, alias: Some(alias), .. } if !alias.columns.is_empty() => {
                named_columns(subquery, alias)
            }
            TableFactor::Derived { .. } | TableFactor::NestedJoin { .. } => Ok(()),
            TableFactor::Pivot { .. } => Err(not_supported("PIVOT")),
            TableFactor::Unpivot { .. } => Err(not_supported("UNPIVOT")),
            other => Err(not_supported(format!("the table source {other}"))),
        }
    }
}

fn are_hints(arguments: &TableFunctionArgs) -> bool {
    const HINTS: [&str; 8] = [
        "NOLOCK",
        "READUNCOMMITTED",
        "READCOMMITTED",
        "READPAST",
        "ROWLOCK",
        "UPDLOCK",
        "HOLDLOCK",
        "TABLOCK",
    ];
    let known = |argument: &FunctionArg| {
        let shown = argument.to_string().replace('"', "");
        HINTS.iter().any(|hint| hint.eq_ignore_ascii_case(&shown))
    };
    !arguments.args.is_empty() && arguments.args.iter().all(known)
}

fn argument(argument: FunctionArg) -> Option<Expr> {
    match argument {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    }
}

/// A table with a schema is one name to SQLite, and its columns have only the last part of it before them.
fn go_by_last_part(name: &ObjectName, alias: &mut Option<TableAlias>) {
    let place = last_part(name);
    if let (None, Some((_, shown))) = (&alias, place.split_once('.')) {
        let name = Ident::with_quote('"', shown);
        *alias = Some(TableAlias { explicit: true, name, columns: Vec::new(), at: None });
    }
}

/// `(…) AS v (a, b)`: SQLite names columns only in a common table expression.
fn named_columns(subquery: &mut Box<Query>, alias: &mut TableAlias) -> Result<(), SqlError> {
    let columns = std::mem::take(&mut alias.columns);
    let inner = TableAlias { explicit: false, columns, ..alias.clone() };
    let name = &alias.name;
    let mut outer = query_of(&format!("WITH {name} AS (SELECT 1) SELECT * FROM {name}"))?;
    if let Some(cte) = outer.with.as_mut().and_then(|with| with.cte_tables.first_mut()) {
        cte.alias = inner;
        std::mem::swap(&mut cte.query, subquery);
    }
    **subquery = outer;
    Ok(())
}

/// The parts of a set operation that stand in brackets, with an order or a limit of their own: SQLite takes them as
/// sources of a SELECT only.
fn parts_as_sources(body: &mut SetExpr) -> Result<(), SqlError> {
    let SetExpr::SetOperation { left, right, .. } = body else { return Ok(()) };
    for part in [left, right] {
        if let SetExpr::Query(inner) = part.as_mut() {
            let mut outer = query_of("SELECT * FROM (SELECT 1) AS \"!part\"")?;
            if let SetExpr::Select(select) = outer.body.as_mut()
                && let Some(from) = select.from.first_mut()
                && let TableFactor::Derived { subquery, .. } = &mut from.relation
            {
                std::mem::swap(subquery, inner);
            }
            **part = *outer.body;
        } else {
            parts_as_sources(part)?;
        }
    }
    Ok(())
}

/// A name may say its database where that is this one.
pub(crate) fn known_place(parts: &[&Ident], database: &str) -> Result<(), SqlError> {
    let written = || parts.iter().map(|part| part.value.as_str()).collect::<Vec<_>>().join(".");
    let (server, other) = match parts {
        [server, other, _, _] => (server.value.as_str(), other.value.as_str()),
        [other, _, _] => ("", other.value.as_str()),
        _ => ("", ""),
    };
    if !server.is_empty() || ![database, "tempdb", ""].iter().any(|known| known.eq_ignore_ascii_case(other)) {
        let message = format!(
            "Reference to database and/or server name in '{}' is not supported in this version of SQL Server.",
            written()
        );
        return Err(error(40_515, message));
    }
    Ok(())
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
        let checked = checked.and_then(|()| super::grouping::check_order(query));
        flow(
            checked
                .and_then(|()| super::limits::as_written(query))
                .and_then(|()| super::recursion::rewrite(query)),
        )
    }

    fn pre_visit_select(&mut self, select: &mut Select) -> Flow {
        let checked = naming::aliases(select, self.tables).and_then(|()| super::grouping::check(select));
        flow(checked.and_then(|()| self.find_applied(select)))
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
