//! Decimals as bytes that sort as they do: SQLite would put those that are kept as text behind all other numbers.

use num_bigint::BigInt;
use rusqlite::types::Value;

use super::exact::{self, Digits};

/// Where the exponent of the least float lies, and more than enough for a decimal's.
const LOWEST: i32 = 1 << 14;

/// The key of a number, or the value itself where it is none: a sign, the exponent, then the digits; those of a
/// negative number are turned round, and end with what is behind every digit.
pub(crate) fn key(value: &Value) -> Value {
    let number = matches!(value, Value::Integer(_) | Value::Real(_)) || exact::is_exact(value);
    let Some(digits) = Digits::of(value).filter(|_| number) else { return value.clone() };
    let written = digits.units.magnitude().to_string();
    let kept = written.trim_end_matches('0');
    if kept.is_empty() {
        return Value::Blob(vec![1]);
    }
    // Where the point is, counted from before the first digit.
    let point = written.len() as i32 - digits.scale as i32;
    let mut key = ((point + LOWEST) as u16).to_be_bytes().to_vec();
    key.extend_from_slice(kept.as_bytes());
    let negative = digits.units < BigInt::ZERO;
    if negative {
        key.iter_mut().for_each(|byte| *byte = !*byte);
        key.push(0xFF);
    }
    key.insert(0, if negative { 0 } else { 2 });
    Value::Blob(key)
}

/// The number of a key, or the value itself where it is none.
pub(crate) fn number(key: &Value) -> Value {
    let Value::Blob(bytes) = key else { return key.clone() };
    read(bytes).unwrap_or_else(|| key.clone())
}

fn read(key: &[u8]) -> Option<Value> {
    let (sign, rest) = key.split_first()?;
    let body = match sign {
        0 => rest.strip_suffix(&[0xFF])?.iter().map(|byte| !byte).collect(),
        1 => return Some(Value::Integer(0)),
        _ => rest.to_vec(),
    };
    let (exponent, digits) = body.split_first_chunk::<2>()?;
    let point = i32::from(u16::from_be_bytes(*exponent)) - LOWEST;
    let mut units: BigInt = std::str::from_utf8(digits).ok()?.parse().ok()?;
    let behind = digits.len() as i32 - point;
    if behind < 0 {
        units *= BigInt::from(10).pow(behind.unsigned_abs());
    }
    let units = if *sign == 0 { -units } else { units };
    Digits { units, scale: behind.max(0).unsigned_abs() }.value()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::types::exact::decimal;

    #[test]
    fn keys_sort_as_their_numbers_do_and_give_them_back() {
        let most = 10_i128.pow(38) - 1;
        let sorted = [
            decimal(-most, 0),
            decimal(-most, 10),
            decimal(-1_234_567_890_123_456_789_013, 2),
            decimal(-1_234_567_890_123_456_789_012, 2),
            Value::Integer(-120),
            Value::Real(-12.5),
            Value::Integer(-12),
            Value::Real(-0.001),
            decimal(-1, 38),
            Value::Integer(0),
            decimal(1, 38),
            Value::Real(0.1),
            Value::Real(0.12),
            Value::Integer(1),
            Value::Integer(9),
            Value::Integer(10),
            decimal(1_234_567_890_123_456_789_012, 2),
            decimal(1_234_567_890_123_456_789_013, 2),
            decimal(most, 0),
        ];
        let keys: Vec<Value> = sorted.iter().map(key).collect();
        for (pair, numbers) in keys.windows(2).zip(sorted.windows(2)) {
            let [Value::Blob(a), Value::Blob(b)] = pair else { panic!("no keys: {pair:?}") };
            assert!(a < b, "{numbers:?}");
        }
        assert_eq!(keys.iter().map(number).collect::<Vec<_>>(), sorted);
    }

    #[test]
    fn what_is_no_number_stays_as_it_is() {
        for value in [Value::Null, Value::Text("12".into()), Value::Blob(vec![])] {
            assert_eq!(key(&value), value);
            assert_eq!(number(&value), value);
        }
    }
}
