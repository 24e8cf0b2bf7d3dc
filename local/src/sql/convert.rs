//! A value of one type made into another, with SQL Server's rules and its errors.

use rusqlite::types::Value;

use super::{
    errors::{SqlError, error},
    moment::Moment,
    types::SqlType,
};

/// What ends a decimal that is neither an integer nor a float to SQLite: it is kept as the text of its digits, and
/// with this behind them no column's affinity makes a float of them.
const EXACT: char = '\u{1F}';

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
        SqlType::TinyInt => ranged(integer(&value, to)?, 0, 255, to)?,
        SqlType::SmallInt => ranged(integer(&value, to)?, i16::MIN.into(), i16::MAX.into(), to)?,
        SqlType::Int => ranged(integer(&value, to)?, i32::MIN.into(), i32::MAX.into(), to)?,
        SqlType::BigInt => Value::Integer(integer(&value, to)?),
        SqlType::Real | SqlType::Float => {
            Value::Real(float(&value).ok_or_else(|| unconvertible(&value, to))?)
        }
        SqlType::Decimal(precision, scale) => to_decimal(&value, to, precision, scale)?,
        SqlType::Money => to_decimal(&value, to, 19, 4)?,
        SqlType::SmallMoney => to_decimal(&value, to, 10, 4)?,
        SqlType::NVarChar(length) | SqlType::VarChar(length) => Value::Text(cut(text(value), length)),
        SqlType::NChar(length) | SqlType::Char(length) => {
            Value::Text(pad(cut(text(value), Some(length)), length))
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

fn ranged(number: i64, low: i64, high: i64, to: SqlType) -> Result<Value, SqlError> {
    if (low..=high).contains(&number) {
        return Ok(Value::Integer(number));
    }
    Err(match to {
        SqlType::Int => error(8115, "Arithmetic overflow error converting expression to data type int."),
        _ => error(220, format!("Arithmetic overflow error for data type {}, value = {number}.", to.name())),
    })
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
        Value::Text(text) => text.trim().parse().map_err(|_| unconvertible(value, to)),
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

/// The value times ten to the scale, rounded.
pub(crate) fn scaled(value: &Value, scale: u8) -> Option<i128> {
    let digits = usize::from(scale);
    let written = match value {
        Value::Integer(number) => {
            return i128::from(*number).checked_mul(10_i128.checked_pow(scale.into())?);
        }
        Value::Text(text) if whole_and_fraction(text).is_some() => text.clone(),
        // The shortest digits that stand for the number: 1.005 is rounded to 1.01, not to 1.00.
        _ => float(value)?.to_string(),
    };
    let (whole, fraction) = whole_and_fraction(&written)?;
    // Half away from zero.
    let round_up = fraction.as_bytes().get(digits).is_some_and(|digit| *digit >= b'5');
    let kept: String = fraction.chars().chain(std::iter::repeat('0')).take(digits).collect();
    let magnitude: i128 = format!("0{}{kept}", whole.trim_start_matches(['-', '+'])).parse().ok()?;
    let magnitude = magnitude.checked_add(round_up.into())?;
    Some(if whole.starts_with('-') { -magnitude } else { magnitude })
}

/// A decimal as SQLite keeps it: an integer or a float where that is exactly it, else the text of its digits.
pub(crate) fn decimal(scaled: i128, scale: u8) -> Value {
    let unit = 10_i128.pow(scale.into());
    match i64::try_from(scaled / unit) {
        Ok(whole) if scaled % unit == 0 => Value::Integer(whole),
        _ => {
            let (whole, fraction) = ((scaled / unit).unsigned_abs(), (scaled % unit).unsigned_abs());
            let sign = if scaled < 0 { "-" } else { "" };
            let written = format!("{sign}{whole}.{fraction:0>width$}", width = usize::from(scale));
            // Without the zeros at the end equal decimals are equal texts, whatever their scales.
            let written = written.trim_end_matches('0').trim_end_matches('.');
            let near = written.parse().map(Value::Real).unwrap_or(Value::Null);
            match self::scaled(&near, scale) {
                Some(same) if same == scaled => near,
                _ => Value::Text(format!("{written}{EXACT}")),
            }
        }
    }
}

/// Whether it is a decimal that is kept as text.
pub(crate) fn is_exact(value: &Value) -> bool {
    matches!(value, Value::Text(text) if text.ends_with(EXACT) && whole_and_fraction(text).is_some())
}

/// The digits behind the point of a number, of a text too where it is a decimal that is kept so.
pub(crate) fn exact_scale(value: &Value) -> Option<u8> {
    let written = match value {
        Value::Integer(_) => return Some(0),
        Value::Real(number) => number.to_string(),
        Value::Text(text) if is_exact(value) => text.clone(),
        _ => return None,
    };
    u8::try_from(whole_and_fraction(&written)?.1.len()).ok().filter(|scale| *scale <= 38)
}

fn bare(text: &str) -> &str {
    text.trim_end_matches(EXACT).trim()
}

/// The two sides of the point in text that is a decimal and nothing else; the sign is before the first.
fn whole_and_fraction(text: &str) -> Option<(&str, &str)> {
    let (whole, fraction) = bare(text).split_once('.').unwrap_or((bare(text), ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = whole.strip_prefix(['-', '+']).unwrap_or(whole);
    let good = digits(unsigned) && digits(fraction) && !(unsigned.is_empty() && fraction.is_empty());
    good.then_some((whole, fraction))
}

fn to_decimal(value: &Value, to: SqlType, precision: u8, scale: u8) -> Result<Value, SqlError> {
    if float(value).is_none() {
        return Err(unconvertible(value, to));
    }
    match (scaled(value, scale), 10_i128.checked_pow(precision.into())) {
        (Some(scaled), Some(limit)) if scaled.abs() < limit => Ok(decimal(scaled, scale)),
        _ => {
            let source = source_name(value);
            Err(error(
                8115,
                format!("Arithmetic overflow error converting {source} to data type {}.", to.name()),
            ))
        }
    }
}

fn to_moment(value: &Value, to: SqlType) -> Result<Value, SqlError> {
    let failed = || error(241, "Conversion failed when converting date and/or time from character string.");
    let moment = match value {
        Value::Text(text) if text.trim().is_empty() => {
            Moment { days: Some(crate::sql::moment::DAYS_TO_1900), ..Moment::default() }
        }
        Value::Text(text) => Moment::parse(text).ok_or_else(failed)?,
        other => {
            let source = source_name(other);
            let name = to.name();
            let message = format!("Explicit conversion from data type {source} to {name} is not allowed.");
            return Err(error(529, message));
        }
    };
    let ticks = moment.ticks.unwrap_or(0);
    let clock = moment.local();
    let both =
        Moment { days: Some(clock.days_or_1900()), ticks: Some(clock.ticks.unwrap_or(0)), offset: None };
    let made = match to {
        SqlType::Date => Moment { days: both.days, ..Moment::default() },
        SqlType::Time(scale) => Moment { ticks: both.ticks, ..Moment::default() }.rounded(scale),
        SqlType::SmallDateTime => {
            let minute = 60 * super::moment::TICKS_PER_SECOND;
            let spare = both.ticks.unwrap_or(0) % minute;
            both.plus(if spare * 2 >= minute { minute - spare } else { -spare }).ok_or_else(failed)?
        }
        SqlType::DateTime => {
            // Three-hundredths of a second.
            let ticks = both.ticks.unwrap_or(0);
            let units = (ticks * 300 + 5_000_000) / 10_000_000;
            both.plus((units * 10_000_000 + 150) / 300 - ticks).ok_or_else(failed)?
        }
        SqlType::DateTime2(scale) => both.rounded(scale),
        _ => {
            let SqlType::DateTimeOffset(scale) = to else { return Err(unconvertible(value, to)) };
            Moment {
                days: Some(moment.days_or_1900()),
                ticks: Some(ticks),
                offset: Some(moment.offset.unwrap_or(0)),
            }
            .rounded(scale)
        }
    };
    Ok(Value::Text(made.kept()))
}

/// The text of a value, as an implicit conversion to nvarchar makes it.
pub(crate) fn text(value: Value) -> String {
    match value {
        Value::Null => String::new(),
        Value::Integer(number) => number.to_string(),
        Value::Real(number) => number.to_string(),
        Value::Text(text) => match kept_offset(&text) {
            Some(moment) => moment.shown(7),
            None if is_exact(&Value::Text(text.clone())) => bare(&text).to_owned(),
            None => text,
        },
        Value::Blob(bytes) => match std::str::from_utf8(&bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().map(|&byte| char::from(byte)).collect(),
        },
    }
}

/// The moment, when the text is a `datetimeoffset` as SQLite keeps it.
fn kept_offset(text: &str) -> Option<Moment> {
    if text.len() == 34 && text.as_bytes().get(27) == Some(&b'Z') { Moment::parse(text) } else { None }
}

fn bytes(value: Value) -> Vec<u8> {
    match value {
        Value::Blob(bytes) => bytes,
        Value::Integer(number) => match i32::try_from(number) {
            Ok(number) => number.to_be_bytes().to_vec(),
            Err(_) => number.to_be_bytes().to_vec(),
        },
        other => text(other).into_bytes(),
    }
}

fn cut(text: String, length: Option<u16>) -> String {
    match length.map(usize::from) {
        Some(length) if text.len() > length && text.encode_utf16().count() > length => {
            let units: Vec<u16> = text.encode_utf16().take(length).collect();
            String::from_utf16_lossy(&units)
        }
        _ => text,
    }
}

fn pad(mut text: String, length: u16) -> String {
    let missing = usize::from(length).saturating_sub(text.encode_utf16().count());
    text.extend(std::iter::repeat_n(' ', missing));
    text
}

fn source_name(value: &Value) -> &'static str {
    match value {
        Value::Null | Value::Integer(_) => "int",
        Value::Real(_) => "float",
        Value::Text(_) => "nvarchar",
        Value::Blob(_) => "varbinary",
    }
}

fn unconvertible(value: &Value, to: SqlType) -> SqlError {
    let name = to.name();
    match (value, to) {
        (Value::Text(text), SqlType::Bit | SqlType::TinyInt | SqlType::SmallInt | SqlType::Int) => error(
            245,
            format!("Conversion failed when converting the nvarchar value '{text}' to data type {name}."),
        ),
        (other, _) => error(8114, format!("Error converting data type {} to {name}.", source_name(other))),
    }
}

/// A GUID's text from its bytes on the wire, whose first three groups are little end first.
pub(crate) fn guid_text(wire: [u8; 16]) -> String {
    uuid::Uuid::from_bytes_le(wire).hyphenated().to_string().to_uppercase()
}

pub(crate) fn guid_bytes(text: &str) -> Option<[u8; 16]> {
    let text = text.trim();
    let bare = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
    if bare.len() != 36 {
        return None;
    }
    uuid::Uuid::try_parse(bare).ok().map(|guid| guid.to_bytes_le())
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

    #[test]
    fn decimals_round_half_away_from_zero() {
        assert_eq!(scaled(&Value::Real(1.005), 2), Some(101));
        assert_eq!(scaled(&Value::Real(-0.5), 0), Some(-1));
        assert_eq!(scaled(&Value::Integer(7), 3), Some(7000));
        assert_eq!(scaled(&text_of(" -.125 "), 2), Some(-13));
        assert_eq!(scaled(&text_of("1e3"), 0), Some(1000));
        assert_eq!(scaled(&text_of("."), 0), None);
    }

    #[test]
    fn a_decimal_keeps_all_of_its_digits() {
        let most = 10_i128.pow(38) - 1;
        for (number, scale) in [
            (most, 0),
            (-most, 10),
            (most, 38),
            (1, 38),
            (-9_223_372_036_854_775_808, 4),
            (i128::from(i64::MAX) + 1, 0),
            (12_345, 2),
        ] {
            let kept = decimal(number, scale);
            assert_eq!(scaled(&kept, scale), Some(number), "{kept:?}");
            assert_eq!(convert(kept.clone(), SqlType::Decimal(38, scale)), Ok(kept.clone()), "{kept:?}");
            assert!(text(kept).bytes().all(|byte| byte.is_ascii_digit() || b"-.".contains(&byte)));
        }
        assert_eq!(decimal(12_345, 2), Value::Real(123.45));
        let large = convert(text_of("12345678901234567890.50"), SqlType::Decimal(22, 2)).expect("a decimal");
        assert_eq!(large, decimal(1_234_567_890_123_456_789_050, 2));
        assert_eq!(float(&large), Some(12_345_678_901_234_567_890.5));
        assert_eq!(convert(large, SqlType::BigInt).expect_err("too large").number, 8115);
    }
}
