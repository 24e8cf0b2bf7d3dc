//! Functions of names: of schemas, types and columns.

use rusqlite::types::Value;

use super::{
    functions::{text, whole},
    library::{Answer, Entry, Gives, entry},
    texts::on_text,
};
use crate::sql::{
    errors::{SqlError, error},
    types::SqlType,
};

const NAME: Gives = Gives::Type(SqlType::NVarChar(Some(128)));
const INT: Gives = Gives::Type(SqlType::Int);

pub(super) const ENTRIES: &[Entry] = &[
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

pub(super) fn byte_length(found: SqlType) -> i64 {
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
