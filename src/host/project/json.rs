//! JSON as the Functions host reads it (Newtonsoft): with comments, trailing commas and a byte order mark.

use serde_json::{Map, Value};

use super::ProjectError;

/// Reads a JSON object.
pub(super) fn object(file: &str, text: &str) -> Result<Map<String, Value>, ProjectError> {
    let value = serde_json::from_str(&strict(text)).map_err(|error| {
        let said = error.to_string();
        ProjectError::Json {
            file: file.to_owned(),
            line: error.line(),
            column: error.column(),
            // serde_json repeats the place at the end of its message.
            reason: said.split(" at line ").next().unwrap_or(&said).to_owned(),
        }
    })?;
    match value {
        Value::Object(object) => Ok(object),
        other => Err(ProjectError::Field {
            place: file.to_owned(),
            problem: format!("expected a JSON object `{{ ... }}`, found {}", kind(&other)),
        }),
    }
}

/// The same text as strict JSON: what is dropped becomes spaces, so that lines and columns stay.
fn strict(text: &str) -> String {
    let mut out: Vec<char> = text.strip_prefix('\u{feff}').unwrap_or(text).chars().collect();
    let mut comma = None;
    let mut at = 0;
    while at < out.len() {
        let next = out.get(at + 1).copied();
        let end = match (out[at], next) {
            ('"', _) => {
                comma = None;
                at = end_of_string(&out, at);
                continue;
            }
            ('/', Some('/')) => {
                out[at..].iter().position(|&c| c == '\n').map_or(out.len(), |length| at + length)
            }
            ('/', Some('*')) => match out[at + 2..].windows(2).position(|pair| pair == ['*', '/']) {
                Some(length) => at + length + 4,
                // Not closed: left for the parser to complain of.
                None => break,
            },
            (c, _) => {
                match c {
                    ',' => comma = Some(at),
                    '}' | ']' => {
                        if let Some(comma) = comma.take() {
                            out[comma] = ' ';
                        }
                    }
                    c if c.is_whitespace() => {}
                    _ => comma = None,
                }
                at += 1;
                continue;
            }
        };
        out[at..end].iter_mut().filter(|c| !c.is_whitespace()).for_each(|c| *c = ' ');
        at = end;
    }
    out.into_iter().collect()
}

fn end_of_string(text: &[char], start: usize) -> usize {
    let mut at = start + 1;
    while at < text.len() {
        match text[at] {
            '\\' => at += 2,
            '"' => return at + 1,
            _ => at += 1,
        }
    }
    text.len()
}

/// The member with this name, in any case: so the host's configuration and its binding reader look.
pub(super) fn member<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let found = object.get(name);
    found
        .or_else(|| object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value))
        .filter(|value| !value.is_null())
}

/// A key that nobody knows but that is nearly a known one, with the known one. Other unknown keys pass:
/// hosts and extensions get new ones.
pub(super) fn misspelt<'a>(object: &'a Map<String, Value>, known: &[&'a str]) -> Option<(&'a str, &'a str)> {
    object
        .keys()
        .filter(|key| !known.iter().any(|known| known.eq_ignore_ascii_case(key)))
        .find_map(|key| Some((key.as_str(), crate::spelling::nearest(key, known.iter().copied())?)))
}

/// What a value is, for messages.
pub(super) fn kind(value: &Value) -> String {
    match value {
        Value::Object(_) => "an object".to_owned(),
        Value::Array(_) => "an array".to_owned(),
        Value::Null => "null".to_owned(),
        plain => format!("`{plain}`"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_trailing_commas_are_dropped_and_strings_are_left_alone() {
        for (text, expected) in [
            ("\u{feff}{\"a\": 1}", r#"{"a":1}"#),
            ("{ // x \" }\n \"a\": 1, /* , \n } */ }", r#"{"a":1}"#),
            (
                r#"{"a": "// no /* comment */ ,}", "b": ["x\"]",], }"#,
                r#"{"a":"// no /* comment */ ,}","b":["x\"]"]}"#,
            ),
        ] {
            let object = object("x", text).unwrap_or_else(|error| panic!("{text}: {error}"));
            assert_eq!(Value::Object(object).to_string(), expected);
        }
    }

    #[test]
    fn an_error_names_the_line_and_column_of_the_file_as_it_is() {
        for (text, place) in [
            ("{ /* two\nlines */ \"a\": x }", "f.json: line 2, column 15: "),
            ("{\"a\": 1", "f.json: line 1, column 7: "),
            ("{\n/* open", "f.json: line 2, column 1: "),
            ("{\"a\": 1,, }", "f.json: line 1, column 11: "),
        ] {
            let error = object("f.json", text).expect_err(text).to_string();
            assert!(error.starts_with(place), "{error}");
        }
    }
}
