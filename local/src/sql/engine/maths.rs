//! Functions of numbers.

use rusqlite::types::Value;

use super::{
    functions::whole,
    library::{Answer, Entry, Given, Gives, entry, has_null},
};
use crate::sql::{
    convert,
    errors::{SqlError, error},
    types::SqlType,
};

const FLOAT: Gives = Gives::Type(SqlType::Float);

pub(super) const ENTRIES: &[Entry] = &[
    entry("acos", (1, 1), FLOAT, |v| real(v, f64::acos)),
    entry("asin", (1, 1), FLOAT, |v| real(v, f64::asin)),
    entry("atan", (1, 1), FLOAT, |v| real(v, f64::atan)),
    entry("atn2", (2, 2), FLOAT, |v| two(v, f64::atan2)),
    entry("cos", (1, 1), FLOAT, |v| real(v, f64::cos)),
    entry("cot", (1, 1), FLOAT, |v| real(v, |number| 1.0 / number.tan())),
    entry("degrees", (1, 1), FLOAT, |v| real(v, f64::to_degrees)),
    entry("exp", (1, 1), FLOAT, |v| real(v, f64::exp)),
    entry("greatest", (1, 254), Gives::Strongest(0), |v| Ok(extreme(v, std::cmp::Ordering::Greater))),
    entry("least", (1, 254), Gives::Strongest(0), |v| Ok(extreme(v, std::cmp::Ordering::Less))),
    entry("log", (1, 2), FLOAT, |v| if v.len() == 1 { real(v, f64::ln) } else { two(v, f64::log) }),
    entry("log10", (1, 1), FLOAT, |v| real(v, f64::log10)),
    entry("pi", (0, 0), FLOAT, |_| Ok(Value::Real(std::f64::consts::PI))),
    entry("power", (2, 2), Gives::Like(0), |v| match (&v[0], &v[1]) {
        (Value::Integer(base), Value::Integer(exponent @ 0..)) => {
            let made = u32::try_from(*exponent).ok().and_then(|exponent| base.checked_pow(exponent));
            made.map(Value::Integer).ok_or_else(overflow)
        }
        _ => two(v, f64::powf),
    }),
    entry("radians", (1, 1), FLOAT, |v| real(v, f64::to_radians)),
    entry("rand", (0, 1), FLOAT, |_| {
        let (high, _) = uuid::Uuid::new_v4().as_u64_pair();
        Ok(Value::Real((high >> 12) as f64 / (1_u64 << 52) as f64))
    }),
    entry("round", (2, 3), Gives::Like(0), |v| {
        if has_null(&v[..2]) {
            return Ok(Value::Null);
        }
        let cuts = v.get(2).is_some_and(|cut| whole(cut) != 0);
        let unit = 10_f64.powi(whole(&v[1]).clamp(-300, 300) as i32);
        let Some(number) = convert::float(&v[0]) else { return Ok(Value::Null) };
        // On the shortest digits that stand for it, so that 1.005 is 1.01.
        let scaled: f64 = format!("{:.12e}", number * unit).parse().unwrap_or(number * unit);
        let made = (if cuts { scaled.trunc() } else { scaled.round() }) / unit;
        Ok(match &v[0] {
            Value::Integer(_) => Value::Integer(made as i64),
            _ => Value::Real(made),
        })
    }),
    entry("sin", (1, 1), FLOAT, |v| real(v, f64::sin)),
    entry("sqrt", (1, 1), FLOAT, |v| real(v, f64::sqrt)),
    entry("square", (1, 1), FLOAT, |v| real(v, |number| number * number)),
    entry("tan", (1, 1), FLOAT, |v| real(v, f64::tan)),
];

fn overflow() -> SqlError {
    error(8115, "Arithmetic overflow error converting expression to data type int.")
}

fn checked(made: f64) -> Answer {
    if made.is_finite() {
        Ok(Value::Real(made))
    } else {
        Err(error(3623, "An invalid floating point operation occurred."))
    }
}

fn real(given: Given<'_>, body: impl Fn(f64) -> f64) -> Answer {
    convert::float(&given[0]).map_or(Ok(Value::Null), |number| checked(body(number)))
}

fn two(given: Given<'_>, body: impl Fn(f64, f64) -> f64) -> Answer {
    match (convert::float(&given[0]), convert::float(&given[1])) {
        (Some(a), Some(b)) => checked(body(a, b)),
        _ => Ok(Value::Null),
    }
}

/// The greatest or the least of the values that are not NULL.
fn extreme(given: Given<'_>, wanted: std::cmp::Ordering) -> Value {
    let order = |a: &Value, b: &Value| match (a, b) {
        (Value::Text(a), Value::Text(b)) => super::collation::compare(a, b),
        _ => convert::float(a).partial_cmp(&convert::float(b)).unwrap_or(std::cmp::Ordering::Equal),
    };
    let known = given.iter().filter(|value| **value != Value::Null);
    known
        .reduce(|best, next| if order(next, best) == wanted { next } else { best })
        .cloned()
        .unwrap_or(Value::Null)
}
