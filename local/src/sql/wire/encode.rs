//! TYPE_INFO and values written to the wire (MS-TDS 2.2.5.4 to 2.2.5.6).

use rusqlite::types::Value;

use super::put_utf16;
use crate::sql::types::{
    SqlType,
    codepage::to_1252,
    convert::{self, guid_bytes},
    moment::{DAYS_TO_1900, Moment, TICKS_PER_SECOND},
};

/// SQL_Latin1_General_CP1_CI_AS: Azure SQL's default collation.
pub(crate) const COLLATION: [u8; 5] = [0x09, 0x04, 0xD0, 0x00, 0x34];
pub(crate) const MAX: u16 = 0xFFFF;

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

/// The type without a length that a column has which is never NULL (2.2.5.4.1): clients tell it by that.
pub(crate) fn fixed_type(sql_type: SqlType) -> Option<u8> {
    Some(match sql_type {
        SqlType::Bit => 0x32,
        SqlType::TinyInt => 0x30,
        SqlType::SmallInt => 0x34,
        SqlType::Int => 0x38,
        SqlType::BigInt => 0x7F,
        SqlType::Real => 0x3B,
        SqlType::Float => 0x3E,
        SqlType::Money => 0x3C,
        SqlType::SmallMoney => 0x7A,
        SqlType::DateTime => 0x3D,
        SqlType::SmallDateTime => 0x3A,
        _ => return None,
    })
}

/// Writes a value without its length, as a type that [`fixed_type`] has; `None` when it cannot be one.
pub(crate) fn write_fixed(out: &mut Vec<u8>, sql_type: SqlType, value: &Value) -> Option<()> {
    let converted = convert::convert(value.clone(), sql_type).ok()?;
    out.extend(value_bytes(sql_type, &converted)?);
    Some(())
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::wire::{Bytes, decode::read_typed};

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
    fn an_offset_that_no_place_on_earth_has_is_refused() {
        for (offset, good) in
            [(840_i16, true), (-840, true), (841, false), (-841, false), (i16::MAX, false), (i16::MIN, false)]
        {
            let wire = [&[0x2B, 0, 8, 0, 0, 0, 1, 0, 0], &offset.to_le_bytes()[..]].concat();
            assert_eq!(read_typed(&mut Bytes(&wire)).is_ok(), good, "{offset} minutes");
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
            Ok((SqlType::NVarChar(Some(1)), Value::Null)),
            "tiberius's typeless NULL"
        );
    }
}
