//! Functions of numbers.

use num_bigint::BigInt;
use rusqlite::types::Value;

use super::{
    collation,
    library::{Answer, Entry, Given, Gives, entry, has_null},
    whole,
};
use crate::sql::{
    errors::{SqlError, error},
    types::{SqlType, convert, exact::Digits, order},
};

const FLOAT: Gives = Gives::Type(SqlType::Float);

pub(crate) const ENTRIES: &[Entry] = &[
    entry("abs", (1, 1), Gives::Like(0), |v| {
        on_number(&v[0], |number| Digits { units: number.units.magnitude().clone().into(), ..number })
    }),
    entry("acos", (1, 1), FLOAT, |v| real(v, f64::acos)),
    entry("asin", (1, 1), FLOAT, |v| real(v, f64::asin)),
    entry("atan", (1, 1), FLOAT, |v| real(v, f64::atan)),
    entry("atn2", (2, 2), FLOAT, |v| two(v, f64::atan2)),
    entry("ceiling", (1, 1), Gives::Whole, |v| on_number(&v[0], |number| towards(number, 1))),
    entry("cos", (1, 1), FLOAT, |v| real(v, f64::cos)),
    entry("cot", (1, 1), FLOAT, |v| real(v, |number| 1.0 / number.tan())),
    entry("degrees", (1, 1), FLOAT, |v| real(v, f64::to_degrees)),
    entry("exp", (1, 1), FLOAT, |v| real(v, f64::exp)),
    entry("floor", (1, 1), Gives::Whole, |v| on_number(&v[0], |number| towards(number, -1))),
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
        let places = whole(&v[1]).clamp(-400, 400) as i32;
        on_number(&v[0], |number| rounded(number, places, cuts))
    }),
    entry("sign", (1, 1), Gives::Like(0), |v| {
        on_number(&v[0], |number| Digits { units: (number.units.cmp(&BigInt::ZERO) as i32).into(), scale: 0 })
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

/// A number made another, digit by digit; a float stays one, a decimal and an integer stay exact.
fn on_number(value: &Value, change: impl Fn(Digits) -> Digits) -> Answer {
    if *value == Value::Null {
        return Ok(Value::Null);
    }
    let failed = || error(8114, "Error converting data type nvarchar to float.");
    let made = change(Digits::of(value).ok_or_else(failed)?);
    match (value, made.value()) {
        (_, Some(made)) => Ok(made),
        (Value::Real(_), None) => Ok(made.float().map_or(Value::Null, Value::Real)),
        _ => Err(error(8115, "Arithmetic overflow error converting expression to data type numeric.")),
    }
}

/// The whole number next to it, upwards or downwards.
fn towards(number: Digits, step: i32) -> Digits {
    let unit = BigInt::from(10).pow(number.scale);
    let (whole, rest) = (&number.units / &unit, &number.units % &unit);
    let passes = if step > 0 { rest > BigInt::ZERO } else { rest < BigInt::ZERO };
    Digits { units: if passes { whole + step } else { whole }, scale: 0 }
}

/// ROUND to so many places behind the point, or before it where they are negative.
fn rounded(number: Digits, places: i32, cuts: bool) -> Digits {
    // The places before the point become some behind it, for the time of the rounding.
    let before = places.min(0).unsigned_abs();
    let moved = Digits { scale: number.scale + before, ..number };
    let kept = places.max(0).unsigned_abs();
    let made = if cuts { moved.cut(kept) } else { moved.rounded(kept) };
    match made.scale.checked_sub(before) {
        Some(scale) => Digits { scale, ..made },
        None => Digits { units: made.at(before), scale: 0 },
    }
}

/// The greatest or the least of the values that are not NULL.
fn extreme(given: Given<'_>, wanted: std::cmp::Ordering) -> Value {
    let order = |a: &Value, b: &Value| match (order::key(a), order::key(b)) {
        (Value::Text(a), Value::Text(b)) => collation::compare(&a, &b),
        (Value::Blob(a), Value::Blob(b)) => a.cmp(&b),
        _ => convert::float(a).partial_cmp(&convert::float(b)).unwrap_or(std::cmp::Ordering::Equal),
    };
    let known = given.iter().filter(|value| **value != Value::Null);
    known
        .reduce(|best, next| if order(next, best) == wanted { next } else { best })
        .cloned()
        .unwrap_or(Value::Null)
}
