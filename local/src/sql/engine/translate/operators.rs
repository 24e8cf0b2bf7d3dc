//! Operators and comparisons rewritten into SQLite's: arithmetic by type, and both sides in one form.

use sqlparser::ast::{BinaryOperator, Expr};

use super::{
    Translator,
    expressions::{collated, is_column},
    infer,
    nodes::{call, cast, number, text},
    precision::{arithmetic, is_exact, operator_of},
};
use crate::sql::{
    errors::{SqlError, error, not_supported},
    types::SqlType,
};

/// The type with all digits of a second: a comparison loses none.
pub(crate) fn widest(sql_type: SqlType) -> SqlType {
    match sql_type {
        SqlType::Time(_) => SqlType::Time(7),
        SqlType::DateTimeOffset(_) => SqlType::DateTimeOffset(7),
        SqlType::DateTime2(_) | SqlType::DateTime | SqlType::SmallDateTime => SqlType::DateTime2(7),
        other => other,
    }
}

/// Which values are kept in one form, so that SQLite compares them rightly as they are.
fn form(sql_type: SqlType) -> u8 {
    match sql_type {
        SqlType::Date => 1,
        SqlType::Time(_) => 2,
        SqlType::DateTime2(_) | SqlType::DateTime | SqlType::SmallDateTime => 3,
        SqlType::DateTimeOffset(_) => 4,
        SqlType::Guid => 5,
        _ => 0,
    }
}

fn int_at_least(found: SqlType) -> SqlType {
    if found == SqlType::Bit { SqlType::Int } else { found }
}

/// Arithmetic of which one side is a decimal, and the other a number without an exponent or a text that becomes one.
fn decimals(operator: char, left: (&Expr, SqlType), right: (&Expr, SqlType)) -> Option<Expr> {
    let (a, b) = match (is_exact(left.1), is_exact(right.1)) {
        (true, false) if right.1.is_text() => (left.1, left.1),
        (false, true) if left.1.is_text() => (right.1, right.1),
        (false, false) => return None,
        _ => (left.1, right.1),
    };
    let made = arithmetic(operator, (left.0, a), (right.0, b));
    let operands = vec![text(&made.declared()), left.0.clone(), text(&operator.to_string()), right.0.clone()];
    is_exact(made).then(|| call("__exact", operands))
}

/// Days added to a datetime, or a datetime to another: both are days since 1900 then. No other moment takes an operator.
fn moments(operator: char, left: (&Expr, SqlType), right: (&Expr, SqlType)) -> Result<Expr, SqlError> {
    let in_days = |found| matches!(found, SqlType::DateTime | SqlType::SmallDateTime);
    let word = match operator {
        '+' => "add",
        '-' => "subtract",
        '*' => "multiply",
        '/' => "divide",
        _ => "modulo",
    };
    for ((_, found), (_, other)) in [(left, right), (right, left)] {
        if found.is_moment() && !in_days(found) {
            return Err(if other.is_number() {
                let message =
                    format!("Operand type clash: {} is incompatible with {}", other.name(), found.name());
                error(206, message)
            } else {
                error(8117, format!("Operand data type {} is invalid for {word} operator.", found.name()))
            });
        }
    }
    let name = match operator {
        '+' => "__add",
        '-' => "__sub",
        _ => {
            let found = left.1.stronger(right.1).name();
            return Err(error(8117, format!("Operand data type {found} is invalid for {word} operator.")));
        }
    };
    let days = |(expr, found): (&Expr, SqlType)| match found {
        _ if in_days(found) => call("__days", vec![expr.clone()]),
        _ if found.is_number() => expr.clone(),
        _ => call("__days", vec![cast("__as", SqlType::DateTime, expr.clone())]),
    };
    Ok(cast("__as", left.1.stronger(right.1), call(name, vec![days(left), days(right)])))
}

impl Translator<'_> {
    pub(crate) fn binary(
        &mut self,
        left: &mut Expr,
        operator: &BinaryOperator,
        right: &mut Expr,
    ) -> Result<Option<Expr>, SqlError> {
        let name = match operator {
            BinaryOperator::Plus => "__add",
            BinaryOperator::Minus => "__sub",
            BinaryOperator::Multiply => "__mul",
            BinaryOperator::Divide => "__div",
            BinaryOperator::Modulo => "__mod",
            BinaryOperator::Eq
            | BinaryOperator::NotEq
            | BinaryOperator::Lt
            | BinaryOperator::LtEq
            | BinaryOperator::Gt
            | BinaryOperator::GtEq => {
                self.meet(left, right);
                self.meet(right, left);
                self.as_instants(&mut [left, right]);
                if !matches!(operator, BinaryOperator::Eq | BinaryOperator::NotEq) {
                    self.in_order(&mut [left, right]);
                }
                return Ok(None);
            }
            BinaryOperator::And
            | BinaryOperator::Or
            | BinaryOperator::BitwiseAnd
            | BinaryOperator::BitwiseOr => return Ok(None),
            BinaryOperator::BitwiseXor => {
                return Ok(Some(call("__bit_xor", vec![left.clone(), right.clone()])));
            }
            other => return Err(not_supported(format!("the operator {other}"))),
        };
        let (left, right) = (left.clone(), right.clone());
        let types = self.infer(&left).zip(self.infer(&right));
        if let (Some((a, b)), Some(operator)) = (types, operator_of(name)) {
            let (left, right) = ((&left, a), (&right, b));
            if let Some(made) = decimals(operator, left, right) {
                return Ok(Some(made));
            }
            if a.is_moment() || b.is_moment() {
                return moments(operator, left, right).map(Some);
            }
        }
        if let (BinaryOperator::Divide, Some((a, b))) = (operator, types)
            && !(a.is_integer() && b.is_integer())
        {
            // A float can be an integer to SQLite, whose division would then be an integer's.
            return Ok(Some(call(name, vec![cast("__as", SqlType::Float, left), right])));
        }
        let made = call(name, vec![left, right]);
        // Two integers of at most 32 bits make another: what does not fit is an overflow.
        Ok(Some(match types.map(|(a, b)| a.stronger(b)) {
            Some(found) if found.is_integer() && found != SqlType::BigInt => {
                cast("__as", int_at_least(found), made)
            }
            _ => made,
        }))
    }

    /// Whether a value can be a decimal that is kept as text, which SQLite would put behind all numbers.
    pub(crate) fn is_long_decimal(&self, expr: &Expr) -> bool {
        match self.infer(expr) {
            Some(SqlType::Decimal(precision, _)) => precision > 15,
            found => found == Some(SqlType::Money),
        }
    }

    /// Makes values that are put in an order what sorts as they do, where one can be a decimal that is kept as text.
    pub(crate) fn in_order(&self, values: &mut [&mut Expr]) {
        if values.iter().any(|value| self.is_long_decimal(value)) {
            for value in values {
                **value = call("__order", vec![value.clone()]);
            }
        }
    }

    /// Takes the offsets off what is compared as datetimeoffset: equal moments are equal wherever their clocks stand.
    pub(crate) fn as_instants(&self, sides: &mut [&mut Expr]) {
        let offset = |side: &&mut Expr| matches!(self.infer(side), Some(SqlType::DateTimeOffset(_)));
        if !sides.iter().any(offset) {
            return;
        }
        for side in sides {
            // The date and the clock with seven digits.
            let taken = call("substr", vec![side.clone(), number("1"), number("27")]);
            **side = taken;
        }
    }

    /// Makes the other side of a comparison what the typed side is: SQLite compares by the stored form.
    pub(crate) fn meet(&self, typed: &mut Expr, other: &mut Expr) {
        let (Some(to), from) = (self.infer(typed), self.infer(other)) else { return };
        let exact = to.is_moment() || to == SqlType::Guid;
        let weaker = from.is_none_or(|from| from != to && to.stronger(from) == to);
        // A column stays as it is, for its index, where both are kept in the same form.
        let differs = !is_column(other) || from.is_some_and(|from| form(from) != form(to));
        if exact && weaker && differs && !infer::is_null(other) {
            *other = cast("__as", widest(to), other.clone());
        } else if to.is_number() && from.is_some_and(SqlType::is_text) {
            *other = cast("__as", to, other.clone());
        } else if matches!(to, SqlType::Float | SqlType::Real) && self.is_long_decimal(other) {
            *other = cast("__as", SqlType::Float, other.clone());
        } else if to.is_text()
            && from.is_some_and(SqlType::is_text)
            && !self.tables.is_own(typed)
            && !self.tables.is_own(other)
        {
            let chosen = matches!(typed, Expr::Collate { .. }) || matches!(other, Expr::Collate { .. });
            if !chosen {
                *typed = collated(typed);
            }
        }
    }
}
