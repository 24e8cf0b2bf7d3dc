//! TYPE_INFO and values on the wire (MS-TDS 2.2.5.4 to 2.2.5.6), both ways.

use rusqlite::types::Value;

use super::{
    convert::{self, guid_bytes, guid_text},
    moment::{DAYS_TO_1900, Moment, TICKS_PER_DAY, TICKS_PER_SECOND},
    types::SqlType,
    wire::{Bytes, Read, malformed, put_utf16, utf16},
};

/// SQL_Latin1_General_CP1_CI_AS: Azure SQL's default collation.
pub(crate) const COLLATION: [u8; 5] = [0x09, 0x04, 0xD0, 0x00, 0x34];
const MAX: u16 = 0xFFFF;

/// How a value of a type lies on the wire.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Layout {
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
    let data = match layout {
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
    let value = match data {
        None => Value::Null,
        Some(data) => read_value(sql_type, &data)?,
    };
    Ok((sql_type, value))
}

fn read_type(code: u8, bytes: &mut Bytes<'_>) -> Read<(SqlType, Layout)> {
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
        0x1F => (SqlType::Int, Layout::Fixed(0)),
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

fn read_scale(bytes: &mut Bytes<'_>) -> Read<u8> {
    match bytes.u8()? {
        scale @ 0..=7 => Ok(scale),
        other => malformed(format!("a time with {other} digits of a second")),
    }
}

fn read_chunks(bytes: &mut Bytes<'_>) -> Read<Option<Vec<u8>>> {
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

fn read_value(sql_type: SqlType, data: &[u8]) -> Read<Value> {
    let mut bytes = Bytes(data);
    let value = match sql_type {
        SqlType::Int if data.is_empty() => Value::Null,
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
            if offset.abs() > 840 {
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

fn moment_value(days: i32, ticks: i64) -> Read<Value> {
    if !(0..=3_652_058).contains(&days) || ticks >= TICKS_PER_DAY {
        return malformed("a datetime outside of the years 1 to 9999");
    }
    Ok(Value::Text(Moment { days: Some(days), ticks: Some(ticks), offset: None }.kept()))
}

fn read_days(bytes: &mut Bytes<'_>) -> Read<i32> {
    match bytes.uint(3)? {
        days if days <= 3_652_058 => Ok(days as i32),
        days => malformed(format!("a date {days} days after 0001-01-01")),
    }
}

fn read_ticks(bytes: &mut Bytes<'_>, length: usize, scale: u8) -> Read<i64> {
    let ticks = bytes.uint(length)?.checked_mul(10_u64.pow(u32::from(7 - scale))).map(i64::try_from);
    match ticks {
        Some(Ok(ticks)) if ticks < TICKS_PER_DAY => Ok(ticks),
        _ => malformed("a time beyond midnight"),
    }
}

/// Writes a TYPE_INFO.
pub(crate) fn write_type(out: &mut Vec<u8>, sql_type: SqlType) {
    let variable = |out: &mut Vec<u8>, code: u8, length: Option<u16>, collated: bool| {
        out.push(code);
        out.extend_from_slice(&length.unwrap_or(MAX).to_le_bytes());
        if collated {
            out.extend_from_slice(&COLLATION);
        }
    };
    match sql_type {
        SqlType::Bit => out.extend_from_slice(&[0x68, 1]),
        SqlType::TinyInt => out.extend_from_slice(&[0x26, 1]),
        SqlType::SmallInt => out.extend_from_slice(&[0x26, 2]),
        SqlType::Int => out.extend_from_slice(&[0x26, 4]),
        SqlType::BigInt => out.extend_from_slice(&[0x26, 8]),
        SqlType::Real => out.extend_from_slice(&[0x6D, 4]),
        SqlType::Float => out.extend_from_slice(&[0x6D, 8]),
        SqlType::Decimal(precision, scale) => {
            out.extend_from_slice(&[0x6A, decimal_bytes(precision) as u8 + 1, precision, scale]);
        }
        SqlType::Money => out.extend_from_slice(&[0x6E, 8]),
        SqlType::SmallMoney => out.extend_from_slice(&[0x6E, 4]),
        SqlType::NVarChar(length) => variable(out, 0xE7, length.map(|n| n * 2), true),
        SqlType::NChar(length) => variable(out, 0xEF, Some(length * 2), true),
        SqlType::VarChar(length) => variable(out, 0xA7, length, true),
        SqlType::Char(length) => variable(out, 0xAF, Some(length), true),
        SqlType::VarBinary(length) => variable(out, 0xA5, length, false),
        SqlType::Binary(length) => variable(out, 0xAD, Some(length), false),
        SqlType::Guid => out.extend_from_slice(&[0x24, 16]),
        SqlType::Date => out.push(0x28),
        SqlType::Time(scale) => out.extend_from_slice(&[0x29, scale]),
        SqlType::DateTime2(scale) => out.extend_from_slice(&[0x2A, scale]),
        SqlType::DateTimeOffset(scale) => out.extend_from_slice(&[0x2B, scale]),
        SqlType::DateTime => out.extend_from_slice(&[0x6F, 8]),
        SqlType::SmallDateTime => out.extend_from_slice(&[0x6F, 4]),
    }
}

/// Writes a value as that type; `None` when it cannot be one.
pub(crate) fn write_value(out: &mut Vec<u8>, sql_type: SqlType, value: &Value) -> Option<()> {
    let chunked =
        matches!(sql_type, SqlType::NVarChar(None) | SqlType::VarChar(None) | SqlType::VarBinary(None));
    let short = !chunked && (sql_type.is_text() || sql_type.is_binary());
    if *value == Value::Null {
        match (chunked, short) {
            (true, _) => out.extend_from_slice(&u64::MAX.to_le_bytes()),
            (_, true) => out.extend_from_slice(&MAX.to_le_bytes()),
            _ => out.push(0),
        }
        return Some(());
    }
    let converted = convert::convert(value.clone(), sql_type).ok()?;
    let data = value_bytes(sql_type, &converted)?;
    if chunked {
        out.extend_from_slice(&(data.len() as u64).to_le_bytes());
        if !data.is_empty() {
            out.extend_from_slice(&u32::try_from(data.len()).ok()?.to_le_bytes());
            out.extend_from_slice(&data);
        }
        out.extend_from_slice(&0u32.to_le_bytes());
    } else if short {
        out.extend_from_slice(&u16::try_from(data.len()).ok()?.to_le_bytes());
        out.extend_from_slice(&data);
    } else {
        out.push(u8::try_from(data.len()).ok()?);
        out.extend_from_slice(&data);
    }
    Some(())
}

fn value_bytes(sql_type: SqlType, value: &Value) -> Option<Vec<u8>> {
    let integer = || if let Value::Integer(n) = value { Some(*n) } else { None };
    let moment = || if let Value::Text(text) = value { Moment::parse(text) } else { None };
    Some(match sql_type {
        SqlType::Bit | SqlType::TinyInt => vec![integer()? as u8],
        SqlType::SmallInt => (integer()? as i16).to_le_bytes().to_vec(),
        SqlType::Int => (integer()? as i32).to_le_bytes().to_vec(),
        SqlType::BigInt => integer()?.to_le_bytes().to_vec(),
        SqlType::Real => (convert::float(value)? as f32).to_le_bytes().to_vec(),
        SqlType::Float => convert::float(value)?.to_le_bytes().to_vec(),
        SqlType::Decimal(precision, scale) => {
            let scaled = convert::scaled(value, scale)?;
            let mut data = vec![u8::from(scaled >= 0)];
            data.extend_from_slice(&scaled.unsigned_abs().to_le_bytes()[..decimal_bytes(precision)]);
            data
        }
        SqlType::Money => {
            let scaled = i64::try_from(convert::scaled(value, 4)?).ok()?;
            [((scaled >> 32) as i32).to_le_bytes(), (scaled as u32).to_le_bytes()].concat()
        }
        SqlType::SmallMoney => i32::try_from(convert::scaled(value, 4)?).ok()?.to_le_bytes().to_vec(),
        SqlType::NVarChar(_) | SqlType::NChar(_) => {
            let Value::Text(text) = value else { return None };
            let mut data = Vec::with_capacity(text.len() * 2);
            put_utf16(&mut data, text);
            data
        }
        SqlType::VarChar(_) | SqlType::Char(_) => {
            let Value::Text(text) = value else { return None };
            text.chars().map(to_1252).collect()
        }
        SqlType::VarBinary(_) | SqlType::Binary(_) => {
            let Value::Blob(data) = value else { return None };
            data.clone()
        }
        SqlType::Guid => {
            let Value::Text(text) = value else { return None };
            guid_bytes(text)?.to_vec()
        }
        SqlType::Date => moment()?.days?.to_le_bytes()[..3].to_vec(),
        SqlType::Time(scale) => ticks_bytes(moment()?, scale)?,
        SqlType::DateTime2(scale) => {
            let mut data = ticks_bytes(moment()?, scale)?;
            data.extend_from_slice(&moment()?.days?.to_le_bytes()[..3]);
            data
        }
        SqlType::DateTimeOffset(scale) => {
            let mut data = ticks_bytes(moment()?, scale)?;
            data.extend_from_slice(&moment()?.days?.to_le_bytes()[..3]);
            data.extend_from_slice(&moment()?.offset?.to_le_bytes());
            data
        }
        SqlType::DateTime => {
            let days = moment()?.days? - DAYS_TO_1900;
            let units =
                u32::try_from((moment()?.ticks? * 300 + TICKS_PER_SECOND / 2) / TICKS_PER_SECOND).ok()?;
            [days.to_le_bytes(), units.to_le_bytes()].concat()
        }
        SqlType::SmallDateTime => {
            let days = u16::try_from(moment()?.days? - DAYS_TO_1900).ok()?;
            let minutes = u16::try_from(moment()?.ticks? / (60 * TICKS_PER_SECOND)).ok()?;
            [days.to_le_bytes(), minutes.to_le_bytes()].concat()
        }
    })
}

fn ticks_bytes(moment: Moment, scale: u8) -> Option<Vec<u8>> {
    let length = match scale {
        0..=2 => 3,
        3..=4 => 4,
        _ => 5,
    };
    let units = moment.ticks? / 10_i64.pow(u32::from(7 - scale));
    Some(units.to_le_bytes()[..length].to_vec())
}

/// The bytes of a DECIMAL's magnitude (2.2.5.5.1.6).
fn decimal_bytes(precision: u8) -> usize {
    match precision {
        ..=9 => 4,
        10..=19 => 8,
        20..=28 => 12,
        _ => 16,
    }
}

/// The 32 places where Windows-1252 differs from Latin-1.
const WINDOWS: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8D}', 'Ž', '\u{8F}', '\u{90}',
    '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9D}', 'ž', 'Ÿ',
];

fn from_1252(byte: u8) -> char {
    if (0x80..0xA0).contains(&byte) { WINDOWS[usize::from(byte - 0x80)] } else { byte.into() }
}

fn to_1252(character: char) -> u8 {
    match u8::try_from(u32::from(character)) {
        Ok(byte) if !(0x80..0xA0).contains(&byte) => byte,
        _ => WINDOWS.iter().position(|&other| other == character).map_or(b'?', |at| 0x80 + at as u8),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_type_survives_the_wire() {
        let text = |text: &str| Value::Text(text.to_owned());
        for (sql_type, value) in [
            (SqlType::Bit, Value::Integer(1)),
            (SqlType::TinyInt, Value::Integer(255)),
            (SqlType::SmallInt, Value::Integer(-32768)),
            (SqlType::Int, Value::Integer(-1)),
            (SqlType::BigInt, Value::Integer(i64::MIN)),
            (SqlType::Real, Value::Real(1.5)),
            (SqlType::Float, Value::Real(-0.1)),
            (SqlType::Decimal(10, 2), Value::Real(-12345.67)),
            (SqlType::Decimal(38, 0), Value::Integer(7)),
            (SqlType::Money, Value::Real(-922.5)),
            (SqlType::SmallMoney, Value::Real(1.25)),
            (SqlType::NVarChar(Some(5)), text("žluť€")),
            (SqlType::NVarChar(None), text("")),
            (SqlType::VarChar(Some(4)), text("é€ux")),
            (SqlType::VarChar(None), text("abc")),
            (SqlType::VarBinary(Some(3)), Value::Blob(vec![0, 1, 2])),
            (SqlType::VarBinary(None), Value::Blob(vec![])),
            (SqlType::Guid, text("6F9619FF-8B86-D011-B42D-00C04FC964FF")),
            (SqlType::Date, text("0001-01-01")),
            (SqlType::Time(7), text("23:59:59.9999999")),
            (SqlType::DateTime2(0), text("9999-12-31 23:59:59.0000000")),
            (SqlType::DateTimeOffset(3), text("2026-01-31 10:20:30.1230000Z-08:00")),
            (SqlType::DateTime, text("1753-01-01 00:00:00.0033333")),
            (SqlType::SmallDateTime, text("2026-01-31 10:20:00.0000000")),
        ] {
            for value in [value, Value::Null] {
                let mut wire = Vec::new();
                write_type(&mut wire, sql_type);
                write_value(&mut wire, sql_type, &value).unwrap_or_else(|| panic!("{sql_type:?} {value:?}"));
                let mut bytes = Bytes(&wire);
                assert_eq!(read_typed(&mut bytes), Ok((sql_type, value)));
                assert!(bytes.is_empty());
                for cut in 0..wire.len() {
                    assert!(read_typed(&mut Bytes(&wire[..cut])).is_err(), "{sql_type:?} cut at {cut}");
                }
            }
        }
    }

    #[test]
    fn garbage_is_refused_and_never_panics() {
        for code in 0..=255u8 {
            for fill in [0x00, 0x01, 0x26, 0x7F, 0xFF] {
                let mut wire = vec![code];
                wire.resize(80, fill);
                let _ = read_typed(&mut Bytes(&wire));
            }
        }
        assert_eq!(
            read_typed(&mut Bytes(&[0x1F])),
            Ok((SqlType::Int, Value::Null)),
            "tiberius's typeless NULL"
        );
    }
}
