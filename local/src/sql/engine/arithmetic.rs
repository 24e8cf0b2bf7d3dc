//! `+`, `-`, `*`, `/` and `%` over two values, whatever they are.

use rusqlite::types::Value;

use super::functions::text;
use crate::sql::{
    convert,
    errors::{SqlError, error},
    types::SqlType,
};

/// Decimals of more digits than a float has: exact sums and differences; what else there is, as floats.
fn exactly(left: &Value, operator: char, right: &Value) -> std::result::Result<Value, SqlError> {
    if let (Some(a), Some(b), '+' | '-') = (convert::exact_scale(left), convert::exact_scale(right), operator)
    {
        let scale = a.max(b);
        let (a, b) = (convert::scaled(left, scale), convert::scaled(right, scale));
        let made =
            a.zip(b).and_then(|(a, b)| if operator == '+' { a.checked_add(b) } else { a.checked_sub(b) });
        return made.map(|made| convert::decimal(made, scale)).ok_or_else(|| {
            error(8115, "Arithmetic overflow error converting expression to data type numeric.")
        });
    }
    let near = |value: &Value| convert::float(value).map_or_else(|| value.clone(), Value::Real);
    operate(&near(left), operator, &near(right))
}

/// `+`, `-`, `*`, `/` and `%`: text is joined by `+`, and becomes a number where the other side is one.
pub(super) fn operate(left: &Value, operator: char, right: &Value) -> std::result::Result<Value, SqlError> {
    let overflow = || error(8115, "Arithmetic overflow error converting expression to data type bigint.");
    match (left, right) {
        (Value::Null, _) | (_, Value::Null) => Ok(Value::Null),
        _ if convert::is_exact(left) || convert::is_exact(right) => exactly(left, operator, right),
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
                return Err(error(8134, "Divide by zero error encountered."));
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
                return Err(error(8134, "Divide by zero error encountered."));
            }
            Ok(Value::Real(match operator {
                '+' => a + b,
                '-' => a - b,
                '*' => a * b,
                '/' => a / b,
                _ => a % b,
            }))
        }
    }
}
