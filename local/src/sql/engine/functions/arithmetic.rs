//! `+`, `-`, `*`, `/` and `%` over two values: of decimals to the last digit, of all others whatever they are.

use num_bigint::BigInt;
use rusqlite::types::Value;

use super::text;
use crate::sql::{
    errors::{SqlError, error},
    types::{SqlType, convert, exact::Digits},
};

type Answer = std::result::Result<Value, SqlError>;

fn divided_by_zero() -> SqlError {
    error(8134, "Divide by zero error encountered.")
}

/// Two decimals, or what becomes one, to a type that has a scale. A quotient is cut, as SQL Server does; all else is
/// rounded where the type has not its digits.
pub(crate) fn exactly(to: SqlType, left: &Value, operator: char, right: &Value) -> Answer {
    if *left == Value::Null || *right == Value::Null {
        return Ok(Value::Null);
    }
    let scale = u32::from(to.scale());
    let digits = |value: &Value| {
        Digits::of(value).ok_or_else(|| error(8114, "Error converting data type varchar to numeric."))
    };
    let (a, b) = (digits(left)?, digits(right)?);
    if matches!(operator, '/' | '%') && b.units == BigInt::ZERO {
        return Err(divided_by_zero());
    }
    let common = a.scale.max(b.scale);
    let made = match operator {
        '+' => Digits { units: a.at(common) + b.at(common), scale: common },
        '-' => Digits { units: a.at(common) - b.at(common), scale: common },
        '*' => Digits { units: a.units * b.units, scale: a.scale + b.scale },
        '/' => Digits { units: a.at(common + scale) / b.at(common), scale },
        _ => Digits { units: a.at(common) % b.at(common), scale: common },
    };
    let overflow = || {
        let name = if matches!(to, SqlType::Decimal(..)) { "numeric" } else { to.name() };
        error(8115, format!("Arithmetic overflow error converting expression to data type {name}."))
    };
    let value = made.rounded(scale).value().ok_or_else(overflow)?;
    convert::convert(value, to).map_err(|_| overflow())
}

/// The operators where no type is known: text is joined by `+`, and becomes a number where the other side is one.
pub(crate) fn operate(left: &Value, operator: char, right: &Value) -> Answer {
    let overflow = || error(8115, "Arithmetic overflow error converting expression to data type bigint.");
    match (left, right) {
        (Value::Null, _) | (_, Value::Null) => Ok(Value::Null),
        _ if operator != '/' && (convert::is_exact(left) || convert::is_exact(right)) => {
            let scale = |value| convert::exact_scale(value).unwrap_or(0);
            let (a, b) = (scale(left), scale(right));
            let scale = if operator == '*' { a.saturating_add(b) } else { a.max(b) };
            exactly(SqlType::Decimal(38, scale.min(38)), left, operator, right)
        }
        (Value::Text(a), Value::Text(b)) if operator == '+' => {
            Ok(Value::Text(text(&Value::Text(a.clone())) + &text(&Value::Text(b.clone()))))
        }
        (Value::Blob(a), Value::Blob(b)) if operator == '+' => Ok(Value::Blob([a.as_slice(), b].concat())),
        (Value::Text(_), Value::Integer(_)) => {
            operate(&convert::convert(left.clone(), SqlType::Int)?, operator, right)
        }
        (Value::Integer(_), Value::Text(_)) => {
            operate(left, operator, &convert::convert(right.clone(), SqlType::Int)?)
        }
        (Value::Integer(a), Value::Integer(b)) => {
            if matches!(operator, '/' | '%') && *b == 0 {
                return Err(divided_by_zero());
            }
            match operator {
                '+' => a.checked_add(*b),
                '-' => a.checked_sub(*b),
                '*' => a.checked_mul(*b),
                '/' => a.checked_div(*b),
                _ => a.checked_rem(*b),
            }
            .map(Value::Integer)
            .ok_or_else(overflow)
        }
        _ => {
            let failed = || error(8114, "Error converting data type nvarchar to float.");
            let (a, b) =
                (convert::float(left).ok_or_else(failed)?, convert::float(right).ok_or_else(failed)?);
            if matches!(operator, '/' | '%') && b == 0.0 {
                return Err(divided_by_zero());
            }
            let made = match operator {
                '+' => a + b,
                '-' => a - b,
                '*' => a * b,
                '/' => a / b,
                _ => a % b,
            };
            if made.is_finite() {
                return Ok(Value::Real(made));
            }
            Err(error(8115, "Arithmetic overflow error converting expression to data type float."))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_computed_to_the_last_digit() {
        let long = || convert::decimal(1_234_567_890_123_456_789_012, 2);
        for (to, left, operator, right, expected) in [
            (SqlType::Decimal(2, 1), Value::Real(0.1), '+', Value::Real(0.2), Value::Real(0.3)),
            (
                SqlType::Decimal(31, 2),
                long(),
                '+',
                Value::Real(0.01),
                convert::decimal(1_234_567_890_123_456_789_013, 2),
            ),
            (
                SqlType::Decimal(38, 4),
                long(),
                '*',
                Value::Integer(-2),
                convert::decimal(-2_469_135_780_246_913_578_024, 2),
            ),
            (SqlType::Decimal(7, 6), Value::Integer(2), '/', Value::Integer(3), Value::Real(0.666666)),
            (SqlType::Money, Value::Integer(-200), '/', Value::Integer(3), Value::Real(-66.6666)),
            (SqlType::Decimal(3, 1), Value::Real(1.1), '%', Value::Real(-0.3), Value::Real(0.2)),
            // A product of more digits than its type's scale is rounded.
            (SqlType::Decimal(38, 2), Value::Real(1.05), '*', Value::Real(1.1), Value::Real(1.16)),
            (SqlType::Decimal(9, 2), Value::Text("1.5".into()), '-', Value::Real(0.25), Value::Real(1.25)),
        ] {
            assert_eq!(exactly(to, &left, operator, &right), Ok(expected), "{left:?} {operator} {right:?}");
        }
        let most = convert::decimal(10_i128.pow(38) - 1, 0);
        let number = |made: Answer| made.expect_err("no value").number;
        let to = SqlType::Decimal(38, 0);
        assert_eq!(number(exactly(to, &most, '+', &Value::Integer(1))), 8115);
        assert_eq!(number(exactly(to, &most, '*', &most)), 8115);
        assert_eq!(number(exactly(to, &most, '/', &Value::Real(0.0))), 8134);
        assert_eq!(number(exactly(to, &most, '/', &Value::Text("x".into()))), 8114);
    }
}
