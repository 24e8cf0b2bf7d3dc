//! JSON as text, walked by paths: what stands there, and what is changed; all else is kept as it was written.

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::sql::errors::{SqlError, error};

pub(crate) enum Step {
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

pub(crate) fn quoted(text: &str) -> String {
    serde_json::Value::String(text.to_owned()).to_string()
}

/// `$.a.b[0]."c d"`, after `lax` or `strict`.
pub(crate) fn path(written: &str) -> Result<(bool, Vec<Step>), SqlError> {
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

pub(crate) fn raw(json: &str) -> Result<Box<RawValue>, SqlError> {
    serde_json::from_str(json).map_err(|failure| malformed(&failure))
}

pub(crate) fn members(raw: &str) -> Vec<(String, Box<RawValue>)> {
    serde_json::from_str::<Members>(raw).map(|members| members.0).unwrap_or_default()
}

pub(crate) fn elements(raw: &str) -> Vec<Box<RawValue>> {
    serde_json::from_str(raw).unwrap_or_default()
}

/// The text of what stands at a path.
pub(crate) fn found(json: &str, steps: &[Step]) -> Result<Option<String>, SqlError> {
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
pub(crate) fn scalar(raw: &str) -> Option<String> {
    match raw.as_bytes().first()? {
        b'"' => serde_json::from_str(raw).ok(),
        b'{' | b'[' | b'n' => None,
        _ => Some(raw.to_owned()),
    }
}

pub(crate) fn modified(
    json: &str,
    steps: &[Step],
    new: Option<&str>,
    append: bool,
) -> Result<String, SqlError> {
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
