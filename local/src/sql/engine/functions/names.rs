//! Functions of types and names: how long a type is, the parts of a name, how deep a recursion is.

use rusqlite::types::Value;

use super::{
    library::{Answer, Entry, Gives, entry},
    text,
    texts::on_text,
    whole,
};
use crate::sql::{
    errors::{SqlError, error},
    types::SqlType,
};

const NAME: Gives = Gives::Type(SqlType::NVarChar(Some(128)));
const INT: Gives = Gives::Type(SqlType::Int);

pub(crate) const ENTRIES: &[Entry] = &[
    // A declared type's length in bytes.
    entry("byte_length", (1, 1), Gives::Type(SqlType::SmallInt), |v| {
        Ok(SqlType::parse(&text(&v[0])).map_or(Value::Null, |found| Value::Integer(byte_length(found))))
    }),
    // The next depth of a recursion, below its limit.
    entry("deeper", (2, 2), INT, |v| deeper(whole(&v[0]) + 1, whole(&v[1]))),
    entry("parsename", (2, 2), NAME, |v| {
        on_text(&v[0], |name| {
            let part = usize::try_from(whole(&v[1])).ok().and_then(|place| place.checked_sub(1));
            let found = part.and_then(|place| name.rsplit('.').nth(place));
            found.map_or(Value::Null, |part| Value::Text(part.trim_matches(['[', ']', '"']).to_owned()))
        })
    }),
];

fn deeper(depth: i64, limit: i64) -> Answer {
    if depth <= limit {
        return Ok(Value::Integer(depth));
    }
    let message = format!(
        "The statement terminated. The maximum recursion {limit} has been exhausted before statement completion."
    );
    Err::<Value, SqlError>(error(530, message))
}

pub(crate) fn byte_length(found: SqlType) -> i64 {
    match found {
        SqlType::Bit | SqlType::TinyInt => 1,
        SqlType::SmallInt => 2,
        SqlType::Int | SqlType::Real | SqlType::SmallMoney | SqlType::SmallDateTime => 4,
        SqlType::BigInt | SqlType::Float | SqlType::Money | SqlType::DateTime => 8,
        SqlType::Date => 3,
        SqlType::Guid => 16,
        SqlType::Decimal(precision, _) => match precision {
            ..=9 => 5,
            10..=19 => 9,
            20..=28 => 13,
            _ => 17,
        },
        SqlType::Time(scale) => time_length(scale),
        SqlType::DateTime2(scale) => time_length(scale) + 3,
        SqlType::DateTimeOffset(scale) => time_length(scale) + 5,
        SqlType::NVarChar(length) => length.map_or(-1, |length| 2 * i64::from(length)),
        SqlType::NChar(length) => 2 * i64::from(length),
        other => other.length().map_or(-1, i64::from),
    }
}

fn time_length(scale: u8) -> i64 {
    3 + i64::from(scale > 2) + i64::from(scale > 4)
}

/// A declared type's length in bytes, precision and scale, as `sys.columns` has them.
pub(crate) fn type_shape(declared: &Value) -> (i64, i64, i64) {
    let time = |scale: u8| (i64::from(scale), if scale > 0 { i64::from(scale) + 1 } else { 0 });
    let bytes = |scale: u8| 3 + i64::from(scale > 2) + i64::from(scale > 4);
    match SqlType::parse(&text(declared)).unwrap_or(SqlType::NVarChar(None)) {
        SqlType::Bit => (1, 1, 0),
        SqlType::TinyInt => (1, 3, 0),
        SqlType::SmallInt => (2, 5, 0),
        SqlType::Int => (4, 10, 0),
        SqlType::BigInt => (8, 19, 0),
        SqlType::Real => (4, 24, 0),
        SqlType::Float => (8, 53, 0),
        SqlType::Decimal(precision, scale) => {
            let size = match precision {
                ..=9 => 5,
                10..=19 => 9,
                20..=28 => 13,
                _ => 17,
            };
            (size, precision.into(), scale.into())
        }
        SqlType::Money => (8, 19, 4),
        SqlType::SmallMoney => (4, 10, 4),
        SqlType::Guid => (16, 0, 0),
        SqlType::Date => (3, 10, 0),
        SqlType::SmallDateTime => (4, 16, 0),
        SqlType::DateTime => (8, 23, 3),
        SqlType::Time(scale) => (bytes(scale), 8 + time(scale).1, time(scale).0),
        SqlType::DateTime2(scale) => (bytes(scale) + 3, 19 + time(scale).1, time(scale).0),
        SqlType::DateTimeOffset(scale) => (bytes(scale) + 5, 26 + time(scale).1, time(scale).0),
        found => {
            let unit = if matches!(found, SqlType::NVarChar(_) | SqlType::NChar(_)) { 2 } else { 1 };
            (found.length().map_or(-1, |length| i64::from(length) * unit), 0, 0)
        }
    }
}
