//! What TOP, OFFSET and FETCH take for a count of rows, and what they refuse.

use rusqlite::types::Value;

use crate::sql::{
    engine::functions::library::{Answer, Entry, Gives, entry},
    errors::{SqlError, error},
    types::{SqlType, convert},
};

const COUNT: Gives = Gives::Type(SqlType::BigInt);

pub(crate) const ENTRIES: &[Entry] = &[
    entry("limit_top", (1, 1), COUNT, |v| rows(&v[0])),
    // The percentage, and of how many rows.
    entry("limit_percent", (2, 2), COUNT, |v| {
        let share = convert::float(&v[0]).ok_or_else(invalid)?;
        if !(0.0..=100.0).contains(&share) {
            return Err(error(1031, "Percent values must be between 0 and 100."));
        }
        let all = convert::float(&v[1]).unwrap_or(0.0);
        // Multiplied first: 7 % of 100 are 7 rows, not 8.
        Ok(Value::Integer((share * all / 100.0).ceil() as i64))
    }),
    entry("limit_offset", (1, 1), COUNT, |v| match &v[0] {
        Value::Integer(..=-1) => {
            Err(error(10_742, "The offset specified in a OFFSET clause may not be negative."))
        }
        Value::Integer(count) => Ok(Value::Integer(*count)),
        _ => Err(offset_not_whole()),
    }),
    entry("limit_fetch", (1, 1), COUNT, |v| match rows(&v[0]) {
        Ok(Value::Integer(0)) | Err(SqlError { number: NEGATIVE, .. }) => {
            let message = "The number of rows provided for a FETCH clause must be greater then zero.";
            Err(error(10_744, message))
        }
        other => other,
    }),
];

const NEGATIVE: u32 = 127;

fn rows(count: &Value) -> Answer {
    match count {
        Value::Integer(..=-1) => Err(error(NEGATIVE, "A TOP N or FETCH rowcount value may not be negative.")),
        Value::Integer(count) => Ok(Value::Integer(*count)),
        Value::Null => Err(invalid()),
        _ => Err(not_whole()),
    }
}

fn invalid() -> SqlError {
    error(1014, "A TOP or FETCH clause contains an invalid value.")
}

pub(crate) fn offset_not_whole() -> SqlError {
    error(10_743, "The number of rows provided for a OFFSET clause must be an integer.")
}

pub(crate) fn not_whole() -> SqlError {
    let message =
        "The number of rows provided for a TOP or FETCH clauses row count parameter must be an integer.";
    error(1060, message)
}
