//! What a value takes where it is kept: DATALENGTH, HASHBYTES over those bytes, and checksums.

use md5::Md5;
use rusqlite::types::Value;
use sha1::Sha1;
use sha2::{Digest, Sha256, Sha512};

use super::{
    library::{Answer, Entry, Given, Gives, entry},
    names::byte_length,
    text,
};
use crate::sql::{
    errors::{self, error},
    types::{
        SqlType,
        codepage::{from_1252, to_1252},
    },
};

/// DATALENGTH and HASHBYTES take the value's declared type as well, which the translation puts behind it.
pub(crate) const ENTRIES: &[Entry] = &[
    entry("binary_checksum", (1, 1024), Gives::Type(SqlType::Int), |v| Ok(checksum(v, str::to_owned))),
    // Of texts that compare as equal, the same.
    entry("checksum", (1, 1024), Gives::Type(SqlType::Int), |v| {
        Ok(checksum(v, |text| text.trim_end_matches(' ').to_lowercase()))
    }),
    entry("datalength", (1, 2), Gives::Type(SqlType::Int), |v| {
        let sql_type = v.get(1).and_then(|name| SqlType::parse(&text(name)));
        Ok(match (&v[0], sql_type) {
            (Value::Null, _) => Value::Null,
            (_, Some(fixed)) if !fixed.is_text() && !fixed.is_binary() => Value::Integer(byte_length(fixed)),
            (Value::Integer(_), None) => Value::Integer(4),
            (Value::Real(_), None) => Value::Integer(8),
            (value, sql_type) => Value::Integer(bytes_of(value, sql_type).len() as i64),
        })
    }),
    entry("hashbytes", (2, 3), Gives::Type(SqlType::VarBinary(Some(8000))), |v| {
        if v[1] == Value::Null {
            return Ok(Value::Null);
        }
        let bytes = bytes_of(&v[1], v.get(2).and_then(|name| SqlType::parse(&text(name))));
        hashed(&text(&v[0]), &bytes)
    }),
];

/// The bytes of a text of that type, or the text that bytes are in its encoding.
pub(crate) fn recoded(value: &Value, type_name: &str) -> Value {
    let wide = type_name.starts_with('n');
    match value {
        Value::Null => Value::Null,
        Value::Blob(bytes) if wide => {
            // A byte too many is half a character.
            let units: Vec<u16> =
                bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect();
            Value::Text(String::from_utf16_lossy(&units))
        }
        Value::Blob(bytes) => Value::Text(bytes.iter().map(|byte| from_1252(*byte)).collect()),
        other => {
            let sql_type = if wide { SqlType::NVarChar(None) } else { SqlType::VarChar(None) };
            Value::Blob(bytes_of(other, Some(sql_type)))
        }
    }
}

/// The 32 bits of FNV-1a, over each value's kind, bytes and end: not SQL Server's numbers, but as steady.
fn checksum(given: Given<'_>, folded: impl Fn(&str) -> String) -> Value {
    let mut sum: u32 = 0x811c_9dc5;
    let mut add = |bytes: &[u8]| {
        for byte in bytes {
            sum = (sum ^ u32::from(*byte)).wrapping_mul(0x0100_0193);
        }
    };
    for value in given {
        match value {
            Value::Null => add(&[0]),
            Value::Integer(number) => add(&[&[1], number.to_le_bytes().as_slice()].concat()),
            Value::Real(number) => add(&[&[2], number.to_le_bytes().as_slice()].concat()),
            Value::Text(text) => add(&[&[3], folded(text).as_bytes(), &[0xff]].concat()),
            Value::Blob(bytes) => {
                add(&[&[4], bytes.as_slice(), &(bytes.len() as u64).to_le_bytes()].concat())
            }
        }
    }
    Value::Integer(i64::from(sum.cast_signed()))
}

/// Text in its type's encoding.
fn bytes_of(value: &Value, sql_type: Option<SqlType>) -> Vec<u8> {
    match (value, sql_type) {
        (Value::Blob(bytes), _) => bytes.clone(),
        (value, Some(SqlType::VarChar(_) | SqlType::Char(_))) => text(value).chars().map(to_1252).collect(),
        (value, _) => text(value).encode_utf16().flat_map(u16::to_le_bytes).collect(),
    }
}

fn hashed(algorithm: &str, bytes: &[u8]) -> Answer {
    Ok(Value::Blob(match algorithm.to_ascii_uppercase().as_str() {
        "MD5" => Md5::digest(bytes).to_vec(),
        "SHA" | "SHA1" => Sha1::digest(bytes).to_vec(),
        "SHA2_256" => Sha256::digest(bytes).to_vec(),
        "SHA2_512" => Sha512::digest(bytes).to_vec(),
        other => {
            let message = format!(
                "'{other}' is not supported by the local Azure SQL endpoint's HASHBYTES, which has MD5, SHA1, SHA2_256 \
                 and SHA2_512."
            );
            return Err(error(errors::NOT_SUPPORTED, message));
        }
    }))
}
