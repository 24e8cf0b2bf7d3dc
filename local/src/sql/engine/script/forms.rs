//! Forms that the parser takes, of other databases' SQL, and T-SQL has not.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, CastKind, Expr, Insert, JoinConstraint, JoinOperator, OrderByKind, Query, Select,
    SelectItem, SetExpr, Statement, TableWithJoins, UnaryOperator, Visit, Visitor,
};

use crate::sql::{
    engine::{
        dml::changes::Change,
        translate::{infer::arguments, scope::last_part},
    },
    errors::{SqlError, error, not_supported, syntax},
};

/// Refuses what T-SQL has not in a statement or a part of one.
pub(crate) fn check(node: &impl Visit) -> Result<(), SqlError> {
    match node.visit(&mut Forms) {
        ControlFlow::Continue(()) => Ok(()),
        ControlFlow::Break(found) => Err(found),
    }
}

/// The same for a statement, whose kind tells more.
pub(crate) fn check_statement(statement: &Statement) -> Result<(), SqlError> {
    match statement {
        Statement::Query(query) if matches!(query.body.as_ref(), SetExpr::Values(_)) => {
            return Err(syntax("VALUES"));
        }
        Statement::Insert(insert) => check_insert(insert)?,
        Statement::Drop { cascade: true, .. } => return Err(syntax("CASCADE")),
        Statement::Drop { restrict: true, .. } => return Err(syntax("RESTRICT")),
        _ => {}
    }
    check(statement)
}

fn check_insert(insert: &Insert) -> Result<(), SqlError> {
    let word = match insert {
        Insert { or: Some(_), .. } => "OR",
        Insert { ignore: true, .. } => "IGNORE",
        Insert { on: Some(_), .. } => "ON",
        Insert { returning: Some(_), .. } => "RETURNING",
        Insert { replace_into: true, .. } => "REPLACE",
        _ => return Ok(()),
    };
    Err(syntax(word))
}

pub(crate) fn check_change(change: &Change) -> Result<(), SqlError> {
    for set in change.sets.iter().flatten() {
        if let Some(value) = &set.value {
            is_value(value)?;
            check(value)?;
        }
    }
    if let Some(selection) = &change.selection {
        is_condition(selection)?;
        check(selection)?;
    }
    joins(&change.from)?;
    check(&change.from)
}

/// Refuses a value where a condition has to be.
pub(crate) fn is_condition(expr: &Expr) -> Result<(), SqlError> {
    if decides(expr) {
        return Ok(());
    }
    if let Expr::Function(function) = expr
        && ["contains", "freetext"].contains(&last_part(&function.name).to_lowercase().as_str())
    {
        return Err(not_supported(last_part(&function.name).to_uppercase()));
    }
    let message = format!(
        "An expression of non-boolean type specified in a context where a condition is expected, near '{expr}'."
    );
    Err(error(4145, message))
}

/// Refuses a condition where a value has to be.
fn is_value(expr: &Expr) -> Result<(), SqlError> {
    match expr {
        Expr::Nested(inner) => is_value(inner),
        Expr::BinaryOp { op, .. } if decides(expr) => Err(syntax(op)),
        Expr::UnaryOp { op: UnaryOperator::Not, .. } => Err(syntax("NOT")),
        Expr::IsNull(_) | Expr::IsNotNull(_) => Err(syntax("IS")),
        Expr::Exists { .. } => Err(syntax("EXISTS")),
        Expr::InList { .. } | Expr::InSubquery { .. } => Err(syntax("IN")),
        Expr::Between { .. } => Err(syntax("BETWEEN")),
        Expr::Like { .. } => Err(syntax("LIKE")),
        _ => Ok(()),
    }
}

fn decides(expr: &Expr) -> bool {
    match expr {
        Expr::Nested(inner) => decides(inner),
        Expr::BinaryOp { op, .. } => compares(op) || joins_conditions(op),
        Expr::UnaryOp { op, .. } => *op == UnaryOperator::Not,
        Expr::IsNull(_)
        | Expr::IsNotNull(_)
        | Expr::IsDistinctFrom(..)
        | Expr::IsNotDistinctFrom(..)
        | Expr::Exists { .. }
        | Expr::InList { .. }
        | Expr::InSubquery { .. }
        | Expr::Between { .. }
        | Expr::Like { .. }
        | Expr::AnyOp { .. }
        | Expr::AllOp { .. } => true,
        _ => false,
    }
}

fn compares(operator: &BinaryOperator) -> bool {
    matches!(
        operator,
        BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq
    )
}

fn joins_conditions(operator: &BinaryOperator) -> bool {
    matches!(operator, BinaryOperator::And | BinaryOperator::Or)
}

fn joins(from: &[TableWithJoins]) -> Result<(), SqlError> {
    for join in from.iter().flat_map(|from| &from.joins) {
        let constraint = match &join.join_operator {
            JoinOperator::Join(constraint)
            | JoinOperator::Inner(constraint)
            | JoinOperator::Left(constraint)
            | JoinOperator::LeftOuter(constraint)
            | JoinOperator::Right(constraint)
            | JoinOperator::RightOuter(constraint)
            | JoinOperator::FullOuter(constraint) => constraint,
            _ => continue,
        };
        match constraint {
            JoinConstraint::On(condition) => is_condition(condition)?,
            JoinConstraint::Using(_) => return Err(syntax("USING")),
            JoinConstraint::Natural => return Err(syntax("NATURAL")),
            JoinConstraint::None => {}
        }
    }
    Ok(())
}

struct Forms;

impl Forms {
    fn select(select: &Select) -> Result<(), SqlError> {
        joins(&select.from)?;
        select.selection.iter().chain(&select.having).try_for_each(is_condition)?;
        for item in &select.projection {
            match item {
                // `SELECT a = 1` and `SELECT @a = 1` have an equals sign of their own.
                SelectItem::UnnamedExpr(Expr::BinaryOp { left, op: BinaryOperator::Eq, right }) if matches!(left.as_ref(), Expr::Identifier(name) if name.value.starts_with('@')) =>
                {
                    is_value(right)?;
                }
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => is_value(expr)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn expr(expr: &Expr) -> Result<(), SqlError> {
        match expr {
            Expr::BinaryOp { left, op, right } if joins_conditions(op) => {
                is_condition(left)?;
                is_condition(right)
            }
            Expr::BinaryOp { left, right, .. } => {
                is_value(left)?;
                is_value(right)
            }
            Expr::UnaryOp { op: UnaryOperator::Not, expr } => is_condition(expr),
            Expr::Case { operand, conditions, else_result, .. } => {
                for when in conditions {
                    match operand {
                        Some(_) => is_value(&when.condition)?,
                        None => is_condition(&when.condition)?,
                    }
                    is_value(&when.result)?;
                }
                else_result.as_deref().map_or(Ok(()), is_value)
            }
            Expr::Function(function) => {
                let given = arguments(&function.args);
                let decided = last_part(&function.name).eq_ignore_ascii_case("iif");
                given.iter().enumerate().try_for_each(|(at, value)| match (at, decided) {
                    (0, true) => is_condition(value),
                    _ => is_value(value),
                })
            }
            Expr::Cast { kind: CastKind::DoubleColon, .. } => Err(syntax("::")),
            Expr::Cast { expr, .. } | Expr::Convert { expr, .. } => is_value(expr),
            Expr::Substring { shorthand: true, .. } => Err(unknown("SUBSTR")),
            Expr::Substring { special: false, .. } => Err(syntax("FROM")),
            Expr::Extract { .. } => Err(unknown("EXTRACT")),
            Expr::Position { .. } => Err(unknown("POSITION")),
            Expr::Interval(_) => Err(syntax("INTERVAL")),
            Expr::ILike { .. } => Err(syntax("ILIKE")),
            Expr::RLike { regexp: true, .. } => Err(syntax("REGEXP")),
            Expr::RLike { .. } => Err(syntax("RLIKE")),
            _ => Ok(()),
        }
    }
}

fn unknown(function: &str) -> SqlError {
    error(195, format!("'{function}' is not a recognized built-in function name."))
}

fn flow(outcome: Result<(), SqlError>) -> ControlFlow<SqlError> {
    outcome.map_or_else(ControlFlow::Break, ControlFlow::Continue)
}

impl Visitor for Forms {
    type Break = SqlError;

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<SqlError> {
        flow(Forms::select(select))
    }

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<SqlError> {
        let terms = match query.order_by.as_ref().map(|order| &order.kind) {
            Some(OrderByKind::Expressions(terms)) => terms.as_slice(),
            _ => &[],
        };
        flow(match terms.iter().any(|term| term.options.nulls_first.is_some()) {
            true => Err(syntax("NULLS")),
            false => Ok(()),
        })
    }

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<SqlError> {
        flow(Forms::expr(expr))
    }
}
