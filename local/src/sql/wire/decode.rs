//! TYPE_INFO and values read from the wire (MS-TDS 2.2.5.4 to 2.2.5.6).

use rusqlite::types::Value;

use super::{Bytes, Read, encode::MAX, malformed, utf16};
use crate::sql::types::{
    SqlType,
    codepage::from_1252,
    convert::{self, guid_text},
    moment::{DAYS_TO_1900, Moment, TICKS_PER_DAY, TICKS_PER_SECOND},
};

/// How a value of a type lies on the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Layout {
    /// No length: the type tells it.
    Fixed(usize),
    /// A length in one byte, 0 for NULL.
    Byte,
    /// A length in two bytes, 0xFFFF for NULL.
    Short,
    /// A length in four bytes, 0xFFFFFFFF for NULL (the old text types).
    Long,
    /// In chunks (2.2.5.2.3).
    Chunks,
}

/// Reads one typed value of a request: a TYPE_INFO and what it describes.
pub(crate) fn read_typed(bytes: &mut Bytes<'_>) -> Read<(SqlType, Value)> {
    let code = bytes.u8()?;
    let (sql_type, layout) = read_type(code, bytes)?;
    read_data(bytes, sql_type, layout).map(|value| (sql_type, value))
}

pub(crate) fn read_data(bytes: &mut Bytes<'_>, sql_type: SqlType, layout: Layout) -> Read<Value> {
    let data = match layout {
        Layout::Fixed(0) => None,
        Layout::Fixed(length) => Some(bytes.take(length)?.to_vec()),
        Layout::Byte => match bytes.u8()? {
            0 => None,
            length => Some(bytes.take(length.into())?.to_vec()),
        },
        Layout::Short => match bytes.u16()? {
            MAX => None,
            length => Some(bytes.take(length.into())?.to_vec()),
        },
        Layout::Long => match bytes.u32()? {
            u32::MAX => None,
            length => Some(bytes.take(length as usize)?.to_vec()),
        },
        Layout::Chunks => read_chunks(bytes)?,
    };
    data.map_or(Ok(Value::Null), |data| read_value(sql_type, &data))
}

pub(crate) fn read_type(code: u8, bytes: &mut Bytes<'_>) -> Read<(SqlType, Layout)> {
    let mut variable = |sql_type: fn(Option<u16>) -> SqlType, unit: u16, collated: bool| -> Read<_> {
        let length = bytes.u16()?;
        if collated {
            bytes.take(5)?;
        }
        Ok(match length {
            MAX => (sql_type(None), Layout::Chunks),
            length => (sql_type(Some((length / unit).max(1))), Layout::Short),
        })
    };
    Ok(match code {
        // NULL without a type: the weakest type that meets every other.
        0x1F => (SqlType::NVarChar(Some(1)), Layout::Fixed(0)),
        0x30 => (SqlType::TinyInt, Layout::Fixed(1)),
        0x32 => (SqlType::Bit, Layout::Fixed(1)),
        0x34 => (SqlType::SmallInt, Layout::Fixed(2)),
        0x38 => (SqlType::Int, Layout::Fixed(4)),
        0x3A => (SqlType::SmallDateTime, Layout::Fixed(4)),
        0x3B => (SqlType::Real, Layout::Fixed(4)),
        0x3C => (SqlType::Money, Layout::Fixed(8)),
        0x3D => (SqlType::DateTime, Layout::Fixed(8)),
        0x3E => (SqlType::Float, Layout::Fixed(8)),
        0x7A => (SqlType::SmallMoney, Layout::Fixed(4)),
        0x7F => (SqlType::BigInt, Layout::Fixed(8)),
        0x26 => match bytes.u8()? {
            1 => (SqlType::TinyInt, Layout::Byte),
            2 => (SqlType::SmallInt, Layout::Byte),
            4 => (SqlType::Int, Layout::Byte),
            8 => (SqlType::BigInt, Layout::Byte),
            other => return malformed(format!("INTN of {other} bytes")),
        },
        0x68 => (bytes.u8().map(|_| SqlType::Bit)?, Layout::Byte),
        0x6D => (if bytes.u8()? == 4 { SqlType::Real } else { SqlType::Float }, Layout::Byte),
        0x6E => (if bytes.u8()? == 4 { SqlType::SmallMoney } else { SqlType::Money }, Layout::Byte),
        0x6F => (if bytes.u8()? == 4 { SqlType::SmallDateTime } else { SqlType::DateTime }, Layout::Byte),
        0x24 => (bytes.u8().map(|_| SqlType::Guid)?, Layout::Byte),
        0x28 => (SqlType::Date, Layout::Byte),
        0x29 => (SqlType::Time(read_scale(bytes)?), Layout::Byte),
        0x2A => (SqlType::DateTime2(read_scale(bytes)?), Layout::Byte),
        0x2B => (SqlType::DateTimeOffset(read_scale(bytes)?), Layout::Byte),
        0x6A | 0x6C => {
            bytes.u8()?;
            let (precision, scale) = (bytes.u8()?, bytes.u8()?);
            if !(1..=38).contains(&precision) || scale > precision {
                return malformed(format!("DECIMAL({precision}, {scale})"));
            }
            (SqlType::Decimal(precision, scale), Layout::Byte)
        }
        0xE7 | 0xEF => variable(SqlType::NVarChar, 2, true)?,
        0xA7 | 0xAF => variable(SqlType::VarChar, 1, true)?,
        0xA5 | 0xAD => variable(SqlType::VarBinary, 1, false)?,
        0x63 | 0x23 => {
            bytes.take(4 + 5)?;
            (if code == 0x63 { SqlType::NVarChar(None) } else { SqlType::VarChar(None) }, Layout::Long)
        }
        0x22 => {
            bytes.take(4)?;
            (SqlType::VarBinary(None), Layout::Long)
        }
        other => {
            let name = match other {
                0x62 => "sql_variant",
                0xF0 => "a CLR type",
                0xF1 => "xml",
                0xF3 => "a table-valued parameter",
                _ => "an unknown type",
            };
            return malformed(format!(
                "a value of type 0x{other:02X} ({name}) is not supported by the local Azure SQL endpoint"
            ));
        }
    })
}

pub(crate) fn read_scale(bytes: &mut Bytes<'_>) -> Read<u8> {
    match bytes.u8()? {
        scale @ 0..=7 => Ok(scale),
        other => malformed(format!("a time with {other} digits of a second")),
    }
}

pub(crate) fn read_chunks(bytes: &mut Bytes<'_>) -> Read<Option<Vec<u8>>> {
    if bytes.u64()? == u64::MAX {
        return Ok(None);
    }
    let mut data = Vec::new();
    loop {
        match bytes.length()? {
            0 => return Ok(Some(data)),
            length => data.extend_from_slice(bytes.take(length)?),
        }
    }
}

pub(crate) fn read_value(sql_type: SqlType, data: &[u8]) -> Read<Value> {
    let mut bytes = Bytes(data);
    let value = match sql_type {
        SqlType::Bit => Value::Integer((bytes.u8()? != 0).into()),
        SqlType::TinyInt => Value::Integer(bytes.u8()?.into()),
        SqlType::SmallInt => Value::Integer(i16::from_le_bytes(bytes.array()?).into()),
        SqlType::Int => Value::Integer(i32::from_le_bytes(bytes.array()?).into()),
        SqlType::BigInt => Value::Integer(i64::from_le_bytes(bytes.array()?)),
        SqlType::Real => Value::Real(f32::from_le_bytes(bytes.array()?).into()),
        SqlType::Float => Value::Real(f64::from_le_bytes(bytes.array()?)),
        SqlType::SmallMoney => convert::decimal(i32::from_le_bytes(bytes.array()?).into(), 4),
        SqlType::Money => {
            // The high half comes first (2.2.5.5.1.2).
            let high = i64::from(i32::from_le_bytes(bytes.array()?));
            convert::decimal((high << 32 | i64::from(bytes.u32()?)).into(), 4)
        }
        SqlType::Decimal(_, scale) => {
            let sign = bytes.u8()?;
            let mut magnitude = [0; 16];
            let rest = bytes.take(data.len() - 1)?;
            match magnitude.get_mut(..rest.len()) {
                Some(low) => low.copy_from_slice(rest),
                None => return malformed("a DECIMAL of more than 17 bytes"),
            }
            let magnitude = i128::from_le_bytes(magnitude);
            convert::decimal(if sign == 0 { magnitude.wrapping_neg() } else { magnitude }, scale)
        }
        SqlType::NVarChar(_) | SqlType::NChar(_) => return utf16(data).map(Value::Text),
        SqlType::VarChar(_) | SqlType::Char(_) => {
            return Ok(Value::Text(data.iter().map(|&byte| from_1252(byte)).collect()));
        }
        SqlType::VarBinary(_) | SqlType::Binary(_) => return Ok(Value::Blob(data.to_vec())),
        SqlType::Guid => Value::Text(guid_text(bytes.array()?)),
        SqlType::Date => {
            Value::Text(Moment { days: Some(read_days(&mut bytes)?), ..Moment::default() }.kept())
        }
        SqlType::Time(scale) => {
            let ticks = read_ticks(&mut bytes, data.len(), scale)?;
            Value::Text(Moment { ticks: Some(ticks), ..Moment::default() }.kept())
        }
        SqlType::DateTime2(scale) => {
            let ticks = read_ticks(&mut bytes, data.len().saturating_sub(3), scale)?;
            let days = read_days(&mut bytes)?;
            Value::Text(Moment { days: Some(days), ticks: Some(ticks), offset: None }.kept())
        }
        SqlType::DateTimeOffset(scale) => {
            let ticks = read_ticks(&mut bytes, data.len().saturating_sub(5), scale)?;
            let days = read_days(&mut bytes)?;
            let offset = i16::from_le_bytes(bytes.array()?);
            if !(-840..=840).contains(&offset) {
                return malformed(format!("an offset of {offset} minutes"));
            }
            Value::Text(Moment { days: Some(days), ticks: Some(ticks), offset: Some(offset) }.kept())
        }
        SqlType::DateTime => {
            let days = i32::from_le_bytes(bytes.array()?).saturating_add(DAYS_TO_1900);
            let ticks = (i64::from(bytes.u32()?) * TICKS_PER_SECOND + 150) / 300;
            moment_value(days, ticks)?
        }
        SqlType::SmallDateTime => {
            let days = i32::from(bytes.u16()?) + DAYS_TO_1900;
            moment_value(days, i64::from(bytes.u16()?) * 60 * TICKS_PER_SECOND)?
        }
    };
    if bytes.is_empty() {
        Ok(value)
    } else {
        malformed(format!("a {} of {} bytes", sql_type.name(), data.len()))
    }
}

pub(crate) fn moment_value(days: i32, ticks: i64) -> Read<Value> {
    if !(0..=3_652_058).contains(&days) || ticks >= TICKS_PER_DAY {
        return malformed("a datetime outside of the years 1 to 9999");
    }
    Ok(Value::Text(Moment { days: Some(days), ticks: Some(ticks), offset: None }.kept()))
}

pub(crate) fn read_days(bytes: &mut Bytes<'_>) -> Read<i32> {
    match bytes.uint(3)? {
        days if days <= 3_652_058 => Ok(days as i32),
        days => malformed(format!("a date {days} days after 0001-01-01")),
    }
}

pub(crate) fn read_ticks(bytes: &mut Bytes<'_>, length: usize, scale: u8) -> Read<i64> {
    let ticks = bytes.uint(length)?.checked_mul(10_u64.pow(u32::from(7 - scale))).map(i64::try_from);
    match ticks {
        Some(Ok(ticks)) if ticks < TICKS_PER_DAY => Ok(ticks),
        _ => malformed("a time beyond midnight"),
    }
}
