//! JSON as text: values found by their paths, changed, and made into rows. What is kept is kept as it was written.

use rusqlite::types::Value;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use super::{
    functions::{text, whole},
    library::{Answer, Entry, Given, Gives, entry, has_null},
};
use crate::sql::{
    convert,
    errors::{SqlError, error},
    types::SqlType,
};

const LONG: Gives = Gives::Type(SqlType::NVarChar(None));

pub(super) const ENTRIES: &[Entry] = &[
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
        rows_of(v, |rows| {
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
        rows_of(&v[..2], |rows| {
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

enum Step {
    Key(String),
    Index(usize),
}

/// An object's members in the order in which they are written.
struct Members(Vec<(String, Box<RawValue>)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Ordered;
        impl<'de> Visitor<'de> for Ordered {
            type Value = Members;
            fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                formatter.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = map.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Ordered)
    }
}

fn malformed(failure: &serde_json::Error) -> SqlError {
    let message = format!(
        "JSON text is not properly formatted. Unexpected character is found at position {}.",
        failure.column().saturating_sub(1)
    );
    SqlError { state: 4, ..error(13_609, message) }
}

pub(super) fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

/// `$.a.b[0]."c d"`, after `lax` or `strict`.
fn path(written: &str) -> Result<(bool, Vec<Step>), SqlError> {
    let bad = || error(13_607, format!("JSON path is not properly formatted: '{written}'."));
    let text = written.trim();
    let (strict, text) = match text.strip_prefix("strict ") {
        Some(rest) => (true, rest.trim()),
        None => (false, text.strip_prefix("lax ").unwrap_or(text).trim()),
    };
    let mut rest = text.strip_prefix('$').ok_or_else(bad)?;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        if let Some(after) = rest.strip_prefix('[') {
            let (index, after) = after.split_once(']').ok_or_else(bad)?;
            steps.push(Step::Index(index.trim().parse().map_err(|_| bad())?));
            rest = after;
        } else if let Some(after) = rest.strip_prefix(".\"") {
            // A key in quotes is a string of JSON's, with its escapes.
            let mut escaped = false;
            let ends = |(_, character): &(usize, char)| {
                let ends = *character == '"' && !escaped;
                escaped = *character == '\\' && !escaped;
                ends
            };
            let (end, _) = after.char_indices().find(ends).ok_or_else(bad)?;
            let key = &after[..end];
            let read = serde_json::from_str(&format!("\"{key}\""));
            steps.push(Step::Key(read.unwrap_or_else(|_| key.to_owned())));
            rest = &after[end + 1..];
        } else if let Some(after) = rest.strip_prefix('.') {
            let end = after.find(['.', '[']).unwrap_or(after.len());
            if end == 0 {
                return Err(bad());
            }
            steps.push(Step::Key(after[..end].to_owned()));
            rest = &after[end..];
        } else {
            return Err(bad());
        }
    }
    Ok((strict, steps))
}

fn raw(json: &str) -> Result<Box<RawValue>, SqlError> {
    serde_json::from_str(json).map_err(|failure| malformed(&failure))
}

fn members(raw: &str) -> Vec<(String, Box<RawValue>)> {
    serde_json::from_str::<Members>(raw).map(|members| members.0).unwrap_or_default()
}

fn elements(raw: &str) -> Vec<Box<RawValue>> {
    serde_json::from_str(raw).unwrap_or_default()
}

/// The text of what stands at a path.
fn found(json: &str, steps: &[Step]) -> Result<Option<String>, SqlError> {
    let mut at = raw(json)?;
    for step in steps {
        let next = match step {
            Step::Key(key) => {
                members(at.get()).into_iter().find(|(known, _)| known == key).map(|(_, value)| value)
            }
            Step::Index(index) => elements(at.get()).into_iter().nth(*index),
        };
        match next {
            Some(next) => at = next,
            None => return Ok(None),
        }
    }
    Ok(Some(at.get().to_owned()))
}

/// A scalar's text; `None` for null, objects and arrays.
fn scalar(raw: &str) -> Option<String> {
    match raw.as_bytes().first()? {
        b'"' => serde_json::from_str(raw).ok(),
        b'{' | b'[' | b'n' => None,
        _ => Some(raw.to_owned()),
    }
}

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
        Some(b'{') if given.len() > 1 && given.get(2).is_some() => vec![("0".to_owned(), raw(&there)?)],
        Some(b'{') => members(&there),
        _ => Vec::new(),
    };
    Ok(Value::Text(format!("[{}]", body(&rows)?.join(","))))
}

fn modified(json: &str, steps: &[Step], new: Option<&str>, append: bool) -> Result<String, SqlError> {
    let whole = raw(json)?;
    let Some((step, rest)) = steps.split_first() else {
        return Ok(match new {
            Some(new) if append => {
                let mut all: Vec<String> =
                    elements(whole.get()).iter().map(|one| one.get().to_owned()).collect();
                all.push(new.to_owned());
                format!("[{}]", all.join(","))
            }
            other => other.unwrap_or("null").to_owned(),
        });
    };
    match step {
        Step::Key(key) => {
            let mut all: Vec<(String, String)> =
                members(whole.get()).into_iter().map(|(key, value)| (key, value.get().to_owned())).collect();
            match all.iter().position(|(known, _)| known == key) {
                // NULL takes the member away.
                Some(at) if new.is_none() && rest.is_empty() => drop(all.remove(at)),
                Some(at) => all[at].1 = modified(&all[at].1, rest, new, append)?,
                None if rest.is_empty() && new.is_some() => {
                    all.push((key.clone(), modified(if append { "[]" } else { "null" }, &[], new, append)?));
                }
                None => {}
            }
            let written: Vec<String> =
                all.iter().map(|(key, value)| format!("{}:{value}", quoted(key))).collect();
            Ok(format!("{{{}}}", written.join(",")))
        }
        Step::Index(index) => {
            let mut all: Vec<String> = elements(whole.get()).iter().map(|one| one.get().to_owned()).collect();
            if let Some(one) = all.get_mut(*index) {
                *one = modified(one, rest, new, append)?;
            }
            Ok(format!("[{}]", all.join(",")))
        }
    }
}

/// A value as FOR JSON writes it.
pub(super) fn written(value: &Value, kind: Option<&str>) -> String {
    match (value, kind) {
        (Value::Null, _) => "null".to_owned(),
        (Value::Text(json), Some("json")) => json.clone(),
        (Value::Integer(bit), Some("bit")) => (*bit != 0).to_string(),
        (Value::Integer(_) | Value::Real(_), _) => text(value),
        (Value::Text(_), Some("number")) => text(value),
        (Value::Text(moment), Some("moment")) => {
            let shown =
                crate::sql::moment::Moment::parse(moment).map(|found| found.shown(7)).unwrap_or_default();
            let shown = shown.replacen(' ', "T", 1).replace(' ', "");
            // No more digits of a second than there are.
            let (clock, offset) =
                match shown.find(['+', 'Z']).or_else(|| shown.rfind('-').filter(|at| *at > 10)) {
                    Some(at) => shown.split_at(at),
                    None => (shown.as_str(), ""),
                };
            let clock =
                if clock.contains('.') { clock.trim_end_matches('0').trim_end_matches('.') } else { clock };
            quoted(&format!("{clock}{offset}"))
        }
        (Value::Blob(bytes), _) => {
            use base64::Engine as _;
            quoted(&base64::engine::general_purpose::STANDARD.encode(bytes))
        }
        (other, _) => quoted(&convert::text(other.clone())),
    }
}
