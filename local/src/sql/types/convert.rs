//! A value of one type made into another, with SQL Server's rules and its errors.

use rusqlite::types::Value;

use super::{
    SqlType,
    convert_moment::to_moment,
    convert_text::{bytes, pad, written_as},
    exact::{EXACT, bare, whole_and_fraction},
};
pub(crate) use super::{
    convert_text::{guid_bytes, guid_text, text},
    exact::{decimal, exact_scale, is_exact, scaled, written},
};
use crate::sql::errors::{SqlError, error};

/// CAST: text that is too long is cut.
pub(crate) fn convert(value: Value, to: SqlType) -> Result<Value, SqlError> {
    Ok(match to {
        _ if value == Value::Null => Value::Null,
        SqlType::Bit => match &value {
            Value::Text(text) if text.eq_ignore_ascii_case("true") => Value::Integer(1),
            Value::Text(text) if text.eq_ignore_ascii_case("false") => Value::Integer(0),
            Value::Real(number) => Value::Integer((*number != 0.0).into()),
            other => Value::Integer((integer(other, to)? != 0).into()),
        },
        SqlType::TinyInt => ranged(&value, 0, 255, to)?,
        SqlType::SmallInt => ranged(&value, i16::MIN.into(), i16::MAX.into(), to)?,
        SqlType::Int => ranged(&value, i32::MIN.into(), i32::MAX.into(), to)?,
        SqlType::BigInt => Value::Integer(integer(&value, to)?),
        SqlType::Real | SqlType::Float => {
            Value::Real(float(&value).ok_or_else(|| unconvertible(&value, to))?)
        }
        SqlType::Decimal(precision, scale) => {
            let most = 10_i128.pow(precision.into()) - 1;
            to_decimal(&value, to, scale, -most..=most)?
        }
        SqlType::Money => to_decimal(&amount(value), to, 4, i64::MIN.into()..=i64::MAX.into())?,
        SqlType::SmallMoney => to_decimal(&amount(value), to, 4, i32::MIN.into()..=i32::MAX.into())?,
        SqlType::NVarChar(length) | SqlType::VarChar(length) => Value::Text(written_as(value, to, length)?),
        SqlType::NChar(length) | SqlType::Char(length) => {
            Value::Text(pad(written_as(value, to, Some(length))?, length))
        }
        SqlType::VarBinary(length) => {
            let mut bytes = bytes(value);
            bytes.truncate(length.map_or(usize::MAX, usize::from));
            Value::Blob(bytes)
        }
        SqlType::Binary(length) => {
            let mut bytes = bytes(value);
            bytes.resize(length.into(), 0);
            Value::Blob(bytes)
        }
        SqlType::Guid => match &value {
            Value::Text(text) => match guid_bytes(text) {
                Some(bytes) => Value::Text(guid_text(bytes)),
                None => {
                    let message =
                        "Conversion failed when converting from a character string to uniqueidentifier.";
                    return Err(error(8169, message));
                }
            },
            Value::Blob(bytes) if bytes.len() == 16 => {
                let mut array = [0; 16];
                array.copy_from_slice(bytes);
                Value::Text(guid_text(array))
            }
            other => return Err(unconvertible(other, to)),
        },
        _ => to_moment(&value, to)?,
    })
}

/// What storing into a column does: as CAST, but text or bytes that are too long are an error.
pub(crate) fn assign(value: Value, to: SqlType, table: &str, column: &str) -> Result<Value, SqlError> {
    let limit = to.length().map(usize::from);
    let too_long = match (&value, limit) {
        (Value::Text(text), Some(limit)) if to.is_text() => {
            // Trailing blanks may be cut (ANSI padding).
            text.trim_end_matches(' ').encode_utf16().count() > limit
        }
        (Value::Blob(bytes), Some(limit)) if to.is_binary() => bytes.len() > limit,
        _ => false,
    };
    if too_long {
        let kept = match convert(value, to)? {
            Value::Text(text) => text,
            _ => String::new(),
        };
        return Err(error(
            2628,
            format!(
                "String or binary data would be truncated in table '{table}', column '{column}'. Truncated value: \
                 '{kept}'."
            ),
        ));
    }
    convert(value, to)
}

fn ranged(value: &Value, low: i64, high: i64, to: SqlType) -> Result<Value, SqlError> {
    let number = integer(value, to)?;
    if (low..=high).contains(&number) {
        return Ok(Value::Integer(number));
    }
    Err(match to {
        _ if matches!(value, Value::Text(text) if !text.ends_with(EXACT)) => too_large(value, to),
        SqlType::Int => error(8115, "Arithmetic overflow error converting expression to data type int."),
        _ => error(220, format!("Arithmetic overflow error for data type {}, value = {number}.", to.name())),
    })
}

/// The digits of a text that no value of the type has.
fn too_large(value: &Value, to: SqlType) -> SqlError {
    let shown = text(value.clone());
    let larger = "Use a larger integer column.";
    let overflowed = |what: &str| format!("The conversion of the varchar value '{shown}' overflowed {what}");
    match to {
        SqlType::TinyInt => error(244, overflowed(&format!("an INT1 column. {larger}"))),
        SqlType::SmallInt => error(244, overflowed(&format!("an INT2 column. {larger}"))),
        SqlType::Int => error(248, overflowed("an int column.")),
        _ => {
            let name = to.name();
            error(8115, format!("Arithmetic overflow error converting expression to data type {name}."))
        }
    }
}

fn integer(value: &Value, to: SqlType) -> Result<i64, SqlError> {
    let overflow = || {
        error(8115, format!("Arithmetic overflow error converting expression to data type {}.", to.name()))
    };
    match value {
        Value::Integer(number) => Ok(*number),
        Value::Real(number) if number.abs() < 9.2e18 => Ok(number.trunc() as i64),
        Value::Real(_) => Err(overflow()),
        Value::Text(text) if text.trim().is_empty() => Ok(0),
        Value::Text(text) if text.ends_with(EXACT) => {
            whole_and_fraction(text).and_then(|(whole, _)| whole.parse().ok()).ok_or_else(overflow)
        }
        Value::Text(text) => text.trim().parse().map_err(|_| match whole_and_fraction(text) {
            Some((_, "")) if !text.contains('.') => too_large(value, to),
            _ => unconvertible(value, to),
        }),
        Value::Blob(bytes) => {
            Ok(bytes.iter().rev().take(8).rev().fold(0, |number, &byte| number << 8 | i64::from(byte)))
        }
        Value::Null => Err(unconvertible(value, to)),
    }
}

pub(crate) fn float(value: &Value) -> Option<f64> {
    match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Real(number) => Some(*number),
        Value::Text(text) if text.trim().is_empty() => Some(0.0),
        Value::Text(text) => bare(text).parse().ok().filter(|number: &f64| number.is_finite()),
        _ => None,
    }
}

/// A decimal whose digits, without the point, make a number in that range.
fn to_decimal(
    value: &Value,
    to: SqlType,
    scale: u8,
    range: std::ops::RangeInclusive<i128>,
) -> Result<Value, SqlError> {
    if float(value).is_none() {
        return Err(unconvertible(value, to));
    }
    match scaled(value, scale) {
        Some(scaled) if range.contains(&scaled) => Ok(decimal(scaled, scale)),
        _ => {
            let source = source_name(value);
            Err(error(
                8115,
                format!("Arithmetic overflow error converting {source} to data type {}.", to.name()),
            ))
        }
    }
}

/// An amount's text without its currency and the commas between its thousands.
fn amount(value: Value) -> Value {
    match value {
        Value::Text(text) if text.contains([',', '$', '€', '£', '¥']) => {
            let (sign, rest) = text.trim().strip_prefix('-').map_or(("", text.trim()), |rest| ("-", rest));
            let rest = rest.strip_prefix(['$', '€', '£', '¥']).unwrap_or(rest);
            Value::Text(format!("{sign}{}", rest.trim().replace(',', "")))
        }
        other => other,
    }
}

pub(crate) fn source_name(value: &Value) -> &'static str {
    match value {
        Value::Null | Value::Integer(_) => "int",
        Value::Real(_) => "float",
        Value::Text(_) => "nvarchar",
        Value::Blob(_) => "varbinary",
    }
}

pub(crate) fn unconvertible(value: &Value, to: SqlType) -> SqlError {
    let name = to.name();
    match (value, to) {
        (Value::Text(text), SqlType::Bit | SqlType::TinyInt | SqlType::SmallInt | SqlType::Int) => error(
            245,
            format!("Conversion failed when converting the nvarchar value '{text}' to data type {name}."),
        ),
        (other, _) => error(8114, format!("Error converting data type {} to {name}.", source_name(other))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text_of(value: &str) -> Value {
        Value::Text(value.to_owned())
    }

    #[test]
    fn conversions_fail_with_sql_servers_numbers() {
        for (value, to, number) in [
            (text_of("abc"), SqlType::Int, 245),
            (text_of("abc"), SqlType::BigInt, 8114),
            (text_of("abc"), SqlType::Decimal(9, 2), 8114),
            (text_of("abc"), SqlType::DateTime2(7), 241),
            (text_of("abc"), SqlType::Guid, 8169),
            (Value::Integer(256), SqlType::TinyInt, 220),
            (Value::Integer(1 << 40), SqlType::Int, 8115),
            (Value::Real(123.0), SqlType::Decimal(4, 2), 8115),
        ] {
            assert_eq!(convert(value, to).expect_err("no conversion").number, number);
        }
    }

    #[test]
    fn storing_refuses_what_a_cast_would_cut() {
        let to = SqlType::NVarChar(Some(3));
        assert_eq!(convert(text_of("abcd"), to), Ok(text_of("abc")));
        let refused = assign(text_of("abcd"), to, "master.dbo.t", "c").expect_err("too long");
        assert_eq!(refused.number, 2628);
        assert!(refused.message.ends_with("column 'c'. Truncated value: 'abc'."), "{refused}");
        assert_eq!(assign(text_of("abc  "), to, "t", "c"), Ok(text_of("abc")));
    }
}
