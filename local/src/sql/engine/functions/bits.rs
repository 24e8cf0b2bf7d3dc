//! Functions and operators of the bits of a whole number, of as many as its type has.

use rusqlite::types::Value;

use super::{
    library::{Answer, Entry, Given, Gives, entry, has_null},
    names::byte_length,
    text, whole,
};
use crate::sql::{
    errors::{SqlError, not_supported},
    types::SqlType,
};

const LIKE: Gives = Gives::Like(0);

/// Those that take the name of the value's type as well, which the translation puts behind it.
pub(crate) const OF_TYPES: [&str; 5] = ["bit_count", "get_bit", "left_shift", "right_shift", "set_bit"];

pub(crate) const ENTRIES: &[Entry] = &[
    entry("bit_count", (1, 2), Gives::Type(SqlType::BigInt), |v| {
        Ok(match &v[0] {
            Value::Null => Value::Null,
            Value::Blob(bytes) => Value::Integer(bytes.iter().map(|byte| i64::from(byte.count_ones())).sum()),
            _ => Value::Integer(Bits::of(v)?.bits.count_ones().into()),
        })
    }),
    entry("bit_not", (1, 1), LIKE, |v| {
        Ok(if has_null(v) { Value::Null } else { Value::Integer(!whole(&v[0])) })
    }),
    entry("bit_xor", (2, 2), Gives::Strongest(0), |v| {
        Ok(if has_null(v) { Value::Null } else { Value::Integer(whole(&v[0]) ^ whole(&v[1])) })
    }),
    entry("get_bit", (2, 3), Gives::Type(SqlType::Bit), |v| {
        if has_null(v) {
            return Ok(Value::Null);
        }
        let found = Bits::of(v)?;
        let place = found.place(&v[1])?;
        Ok(Value::Integer((found.bits >> place & 1) as i64))
    }),
    entry("left_shift", (2, 3), LIKE, |v| shifted(v, 1)),
    entry("right_shift", (2, 3), LIKE, |v| shifted(v, -1)),
    entry("set_bit", (2, 4), LIKE, |v| {
        if has_null(v) {
            return Ok(Value::Null);
        }
        let found = Bits::of(v)?;
        let bit = 1 << found.place(&v[1])?;
        let sets = v.len() < 4 || whole(&v[2]) != 0;
        Ok(found.with(if sets { found.bits | bit } else { found.bits & !bit }))
    }),
];

/// A number's bits, and how many its type has.
struct Bits {
    bits: u64,
    width: u32,
}

impl Bits {
    fn of(given: Given<'_>) -> Result<Self, SqlError> {
        let sql_type = given.last().and_then(|name| SqlType::parse(&text(name)));
        let (Value::Integer(number), true) = (&given[0], sql_type.is_none_or(SqlType::is_integer)) else {
            return Err(not_supported("bits of a value that is no whole number"));
        };
        let width = sql_type.map_or(32, |found| 8 * byte_length(found) as u32);
        Ok(Bits { bits: *number as u64 & u64::MAX >> (64 - width), width })
    }

    fn place(&self, value: &Value) -> Result<u32, SqlError> {
        let place = u32::try_from(whole(value)).ok().filter(|place| *place < self.width);
        place.ok_or_else(|| not_supported(format!("a bit beyond the {} of the value", self.width)))
    }

    /// The number of these bits: all but tinyint have a sign.
    fn with(&self, bits: u64) -> Value {
        let spare = 64 - self.width;
        let bits = bits << spare;
        Value::Integer(if self.width == 8 { (bits >> spare) as i64 } else { bits as i64 >> spare })
    }
}

fn shifted(given: Given<'_>, sign: i64) -> Answer {
    if has_null(given) {
        return Ok(Value::Null);
    }
    let found = Bits::of(given)?;
    // By a number below 0, the other way.
    let by = whole(&given[1]).saturating_mul(sign);
    let made = match u32::try_from(by.unsigned_abs()) {
        Ok(count) if count < found.width && by >= 0 => found.bits << count,
        Ok(count) if count < found.width => found.bits >> count,
        _ => 0,
    };
    Ok(found.with(made))
}
