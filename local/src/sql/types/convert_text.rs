//! Values made text or bytes: numbers, moments and GUIDs written out, and what is too long cut.

use rusqlite::types::Value;

use super::{
    SqlType,
    codepage::narrow,
    exact::{bare, is_exact},
    moment::Moment,
};
use crate::sql::errors::{SqlError, error};

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

pub(crate) fn bytes(value: Value) -> Vec<u8> {
    match value {
        Value::Blob(bytes) => bytes,
        Value::Integer(number) => match i32::try_from(number) {
            Ok(number) => number.to_be_bytes().to_vec(),
            Err(_) => number.to_be_bytes().to_vec(),
        },
        other => text(other).into_bytes(),
    }
}

/// A value as text of at most that length: what is too long is cut, but of an integer, which is a star or an error.
pub(crate) fn written_as(value: Value, to: SqlType, length: Option<u16>) -> Result<String, SqlError> {
    let is_integer = matches!(value, Value::Integer(_));
    let mut shown = text(value);
    if matches!(to, SqlType::VarChar(_) | SqlType::Char(_)) && !shown.is_ascii() {
        shown = narrow(&shown);
    }
    if is_integer && length.is_some_and(|length| shown.len() > usize::from(length)) {
        return match to {
            SqlType::VarChar(_) | SqlType::Char(_) => Ok("*".to_owned()),
            _ => {
                let name = to.name();
                Err(error(
                    8115,
                    format!("Arithmetic overflow error converting expression to data type {name}."),
                ))
            }
        };
    }
    Ok(cut(shown, length))
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

pub(crate) fn pad(mut text: String, length: u16) -> String {
    let missing = usize::from(length).saturating_sub(text.encode_utf16().count());
    text.extend(std::iter::repeat_n(' ', missing));
    text
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
