//! The functions of JSON: values and parts of it picked, changed, and made into rows.

use rusqlite::types::Value;
use serde_json::value::RawValue;

use super::{
    json_path::{elements, found, members, modified, path, quoted, raw, scalar},
    library::{Answer, Entry, Given, Gives, entry, has_null},
    text, whole,
};
use crate::sql::{
    errors::{SqlError, error},
    types::SqlType,
};

const LONG: Gives = Gives::Type(SqlType::NVarChar(None));

pub(crate) const ENTRIES: &[Entry] = &[
    entry("isjson", (1, 1), Gives::Type(SqlType::Int), |v| {
        if v[0] == Value::Null {
            return Ok(Value::Null);
        }
        let text = text(&v[0]);
        let holds =
            text.trim_start().starts_with(['{', '[']) && serde_json::from_str::<&RawValue>(&text).is_ok();
        Ok(Value::Integer(holds.into()))
    }),
    entry("json_modify", (3, 4), LONG, |v| {
        if has_null(&v[..2]) {
            return Ok(Value::Null);
        }
        let written = text(&v[1]);
        let (append, rest) = match written.trim().strip_prefix("append ") {
            Some(rest) => (true, rest),
            None => (false, written.as_str()),
        };
        let (_, steps) = path(rest)?;
        let new = match &v[2] {
            Value::Null => None,
            Value::Text(_) if v.get(3).is_some_and(|raw| whole(raw) != 0) => Some(text(&v[2])),
            Value::Integer(_) | Value::Real(_) => Some(text(&v[2])),
            other => Some(quoted(&text(other))),
        };
        modified(&text(&v[0]), &steps, new.as_deref(), append).map(Value::Text)
    }),
    entry("json_path_exists", (2, 2), Gives::Type(SqlType::Int), |v| {
        if has_null(v) {
            return Ok(Value::Null);
        }
        let (_, steps) = path(&text(&v[1]))?;
        Ok(Value::Integer(found(&text(&v[0]), &steps)?.is_some().into()))
    }),
    entry("json_query", (1, 2), LONG, |v| {
        picked(v, |raw| raw.starts_with(['{', '[']).then(|| raw.to_owned()))
    }),
    entry("json_value", (2, 2), Gives::Type(SqlType::NVarChar(Some(4000))), |v| picked(v, scalar)),
    entry("rows_of_json", (1, 2), LONG, |v| {
        rows_of(v, false, |rows| {
            let row = |(key, raw): &(String, Box<RawValue>)| {
                let raw = raw.get();
                let kind = match raw.as_bytes().first() {
                    Some(b'n') => 0,
                    Some(b'"') => 1,
                    Some(b't' | b'f') => 3,
                    Some(b'[') => 4,
                    Some(b'{') => 5,
                    _ => 2,
                };
                let value = scalar(raw).or_else(|| (kind > 3).then(|| raw.to_owned()));
                Ok(format!(
                    "[{},{},{kind}]",
                    quoted(key),
                    value.map_or("null".to_owned(), |value| quoted(&value))
                ))
            };
            rows.iter().map(row).collect()
        })
    }),
    // Behind the JSON and its path: each column's path, with a `!` before it where the value is to be JSON.
    entry("rows_of_json_with", (3, 1000), LONG, |v| {
        let columns: Vec<String> = v[2..].iter().map(text).collect();
        rows_of(&v[..2], true, |rows| {
            let one = |(_, raw): &(String, Box<RawValue>)| {
                let cells: Result<Vec<String>, SqlError> = columns
                    .iter()
                    .map(|column| {
                        let (json, written) = match column.strip_prefix('!') {
                            Some(rest) => (true, rest),
                            None => (false, column.as_str()),
                        };
                        let (_, steps) = path(written)?;
                        let cell = found(raw.get(), &steps)?;
                        let cell = cell.and_then(|cell| if json { Some(cell) } else { scalar(&cell) });
                        Ok(cell.map_or("null".to_owned(), |cell| quoted(&cell)))
                    })
                    .collect();
                Ok(format!("[{}]", cells?.join(",")))
            };
            rows.iter().map(one).collect()
        })
    }),
    entry("rows_of_series", (2, 3), LONG, |v| {
        if has_null(v) {
            return Ok(Value::Null);
        }
        let (start, stop) = (whole(&v[0]), whole(&v[1]));
        let step = v.get(2).map_or(if start <= stop { 1 } else { -1 }, whole);
        if step == 0 {
            return Err(error(
                4199,
                "Argument value 0 is invalid for argument 3 of generate_series function.",
            ));
        }
        let mut out = Vec::new();
        let mut at = start;
        while (step > 0 && at <= stop || step < 0 && at >= stop) && out.len() < 1_000_000 {
            out.push(format!("[{at}]"));
            at = at.saturating_add(step);
        }
        Ok(Value::Text(format!("[{}]", out.join(","))))
    }),
    entry("rows_of_split", (2, 3), LONG, |v| {
        if has_null(&v[..2]) {
            return Ok(Value::Null);
        }
        let (text, separator) = (text(&v[0]), text(&v[1]));
        if separator.chars().count() != 1 {
            let message = "Procedure expects parameter 'separator' of type 'nchar(1)/nvarchar(1)'.";
            return Err(error(214, message));
        }
        let parts = text.split(separator.as_str()).enumerate();
        let rows: Vec<String> = parts.map(|(at, part)| format!("[{},{}]", quoted(part), at + 1)).collect();
        Ok(Value::Text(format!("[{}]", rows.join(","))))
    }),
];

fn picked(given: Given<'_>, pick: impl Fn(&str) -> Option<String>) -> Answer {
    if has_null(given) {
        return Ok(Value::Null);
    }
    let written = given.get(1).map_or_else(|| "$".to_owned(), text);
    let (strict, steps) = path(&written)?;
    let there = found(&text(&given[0]), &steps)?;
    if strict && there.is_none() {
        return Err(error(13_608, "Property cannot be found on the specified JSON path."));
    }
    Ok(there.and_then(|raw| pick(&raw)).map_or(Value::Null, Value::Text))
}

/// The members or elements at a path, as rows: an array of arrays.
fn rows_of(
    given: Given<'_>,
    has_columns: bool,
    body: impl Fn(&[(String, Box<RawValue>)]) -> Result<Vec<String>, SqlError>,
) -> Answer {
    if has_null(given) {
        return Ok(Value::Null);
    }
    let (_, steps) = path(&given.get(1).map_or_else(|| "$".to_owned(), text))?;
    let Some(there) = found(&text(&given[0]), &steps)? else { return Ok(Value::Null) };
    let rows = match there.as_bytes().first() {
        Some(b'[') => {
            elements(&there).into_iter().enumerate().map(|(at, value)| (at.to_string(), value)).collect()
        }
        // With columns, an object is one row; without, each member is.
        Some(b'{') if has_columns => vec![("0".to_owned(), raw(&there)?)],
        Some(b'{') => members(&there),
        _ => Vec::new(),
    };
    Ok(Value::Text(format!("[{}]", body(&rows)?.join(","))))
}
