//! Functions of text: those that SQLite has not, or has for ASCII only.

use rusqlite::types::Value;

use super::{
    format::format_value,
    library::{Answer, Entry, Given, Gives, entry, has_null},
    like::place_of,
    text, whole,
};
use crate::sql::{
    errors::{SqlError, error},
    types::{SqlType, codepage, convert, moment::Moment},
};

const TEXT: Gives = Gives::Type(SqlType::NVarChar(Some(4000)));
const INT: Gives = Gives::Type(SqlType::Int);
const LIKE: Gives = Gives::Text;

pub(crate) const ENTRIES: &[Entry] = &[
    entry("ascii", (1, 1), INT, |v| on_text(&v[0], |t| t.chars().next().map(byte_of).into())),
    entry("char", (1, 1), Gives::Type(SqlType::Char(1)), |v| {
        Ok(match u8::try_from(whole(&v[0])) {
            Ok(byte) if v[0] != Value::Null => Value::Text(codepage::from_1252(byte).to_string()),
            _ => Value::Null,
        })
    }),
    entry("choose", (2, 127), Gives::Strongest(1), |v| {
        let place = usize::try_from(whole(&v[0])).unwrap_or(0);
        Ok(if place == 0 { Value::Null } else { v.get(place).cloned().unwrap_or(Value::Null) })
    }),
    entry("concat", (2, 254), TEXT, |v| Ok(Value::Text(v.iter().map(text).collect()))),
    entry("concat_ws", (3, 254), TEXT, |v| {
        let parts: Vec<String> = v[1..].iter().filter(|part| **part != Value::Null).map(text).collect();
        Ok(Value::Text(parts.join(&text(&v[0]))))
    }),
    entry("difference", (2, 2), INT, |v| {
        let (a, b) = (soundex(&text(&v[0])), soundex(&text(&v[1])));
        Ok(Value::Integer(a.chars().zip(b.chars()).filter(|(a, b)| a == b).count() as i64))
    }),
    entry("float_text", (1, 1), TEXT, |v| {
        Ok(convert::float(&v[0]).map_or(Value::Null, |n| Value::Text(six_digits(n))))
    }),
    entry("format", (2, 3), TEXT, |v| format_value(&v[0], &v[1])),
    entry("isdate", (1, 1), INT, |v| {
        let found = matches!(&v[0], Value::Text(text) if Moment::read(text).is_some());
        Ok(Value::Integer(found.into()))
    }),
    entry("isnumeric", (1, 1), INT, |v| {
        let blank = matches!(&v[0], Value::Text(text) if text.trim().is_empty());
        Ok(Value::Integer((!blank && convert::float(&v[0]).is_some()).into()))
    }),
    entry("lower", (1, 1), LIKE, |v| on_text(&v[0], |t| Value::Text(t.to_lowercase()))),
    entry("ltrim", (1, 2), LIKE, |v| trimmed(v, true, false)),
    entry("nchar", (1, 1), Gives::Type(SqlType::NChar(1)), |v| {
        let found = u32::try_from(whole(&v[0])).ok().and_then(char::from_u32);
        Ok(found.filter(|_| v[0] != Value::Null).map_or(Value::Null, |found| Value::Text(found.to_string())))
    }),
    entry("patindex", (2, 2), INT, |v| {
        if has_null(v) {
            return Ok(Value::Null);
        }
        Ok(Value::Integer(place_of(&text(&v[0]), &text(&v[1]))))
    }),
    entry("quotename", (1, 2), Gives::Type(SqlType::NVarChar(Some(258))), |v| {
        let quote = v.get(1).map_or_else(|| "[".to_owned(), text);
        let (open, close) = match quote.as_str() {
            "[" | "]" => ('[', ']'),
            "'" => ('\'', '\''),
            "\"" => ('"', '"'),
            "(" | ")" => ('(', ')'),
            "<" | ">" => ('<', '>'),
            "{" | "}" => ('{', '}'),
            _ => return Ok(Value::Null),
        };
        on_text(&v[0], |t| {
            Value::Text(format!("{open}{}{close}", t.replace(close, &format!("{close}{close}"))))
        })
    }),
    entry("replace", (3, 3), TEXT, |v| {
        if has_null(v) {
            return Ok(Value::Null);
        }
        Ok(Value::Text(replaced(&text(&v[0]), &text(&v[1]), &text(&v[2]))))
    }),
    entry("reverse", (1, 1), LIKE, |v| on_text(&v[0], |t| Value::Text(t.chars().rev().collect()))),
    entry("rtrim", (1, 2), LIKE, |v| trimmed(v, false, true)),
    entry("soundex", (1, 1), Gives::Type(SqlType::VarChar(Some(5))), |v| {
        on_text(&v[0], |t| Value::Text(soundex(t)))
    }),
    entry("space", (1, 1), Gives::Type(SqlType::VarChar(Some(8000))), |v| {
        Ok(match whole(&v[0]) {
            _ if v[0] == Value::Null => Value::Null,
            count @ 0.. => Value::Text(" ".repeat(count.min(8000) as usize)),
            _ => Value::Null,
        })
    }),
    entry("str", (1, 3), Gives::Type(SqlType::VarChar(Some(8000))), |v| {
        let Some(number) = convert::float(&v[0]) else { return Ok(Value::Null) };
        let length = v.get(1).map_or(10, whole).clamp(0, 8000) as usize;
        let digits = v.get(2).map_or(0, whole).clamp(0, 16) as usize;
        let shown = format!("{number:length$.digits$}");
        Ok(Value::Text(if shown.len() > length { "*".repeat(length) } else { shown }))
    }),
    entry("string_escape", (2, 2), TEXT, |v| {
        on_text(&v[0], |t| {
            let quoted = serde_json::Value::String(t.to_owned()).to_string().replace('/', "\\/");
            Value::Text(quoted.get(1..quoted.len() - 1).unwrap_or_default().to_owned())
        })
    }),
    entry("stuff", (4, 4), TEXT, |v| {
        let (start, length) = (whole(&v[1]), whole(&v[2]));
        let units: Vec<u16> = text(&v[0]).encode_utf16().collect();
        let begin = usize::try_from(start).ok().filter(|start| (1..=units.len()).contains(start));
        let (Some(begin), Ok(length), false) = (begin, usize::try_from(length), has_null(&v[..3])) else {
            return Ok(Value::Null);
        };
        let end = (begin - 1).saturating_add(length).min(units.len());
        let (before, after) = (&units[..begin - 1], &units[end..]);
        let middle: Vec<u16> = text(&v[3]).encode_utf16().collect();
        Ok(Value::Text(String::from_utf16_lossy(&[before, &middle, after].concat())))
    }),
    entry("translate", (3, 3), TEXT, |v| {
        let (from, to): (Vec<char>, Vec<char>) =
            (text(&v[1]).chars().collect(), text(&v[2]).chars().collect());
        if from.len() != to.len() {
            let message = "The second and third arguments of the TRANSLATE built-in function must contain an equal \
                           number of characters.";
            return Err(error(9828, message));
        }
        let turned = |c: char| from.iter().position(|f| *f == c).map_or(c, |at| to[at]);
        on_text(&v[0], |t| Value::Text(t.chars().map(turned).collect()))
    }),
    entry("trim", (1, 2), LIKE, |v| trimmed(v, true, true)),
    entry("unicode", (1, 1), INT, |v| on_text(&v[0], |t| t.encode_utf16().next().map(i64::from).into())),
    entry("upper", (1, 1), LIKE, |v| on_text(&v[0], |t| Value::Text(t.to_uppercase()))),
];

fn byte_of(character: char) -> i64 {
    codepage::to_1252(character).into()
}

pub(crate) fn on_text(value: &Value, body: impl FnOnce(&str) -> Value) -> Result<Value, SqlError> {
    Ok(if *value == Value::Null { Value::Null } else { body(&text(value)) })
}

/// So many characters or bytes of a value, from a place on that counts from 1.
pub(crate) fn slice(value: &Value, start: i64, length: i64) -> Answer {
    if length < 0 {
        return Err(error(537, "Invalid length parameter passed to the LEFT or SUBSTRING function."));
    }
    let within = |count: usize| {
        let end = start.saturating_add(length).saturating_sub(1).clamp(0, count as i64) as usize;
        start.saturating_sub(1).clamp(0, end as i64) as usize..end
    };
    if let Value::Blob(bytes) = value {
        return Ok(Value::Blob(bytes[within(bytes.len())].to_vec()));
    }
    on_text(value, |t| {
        let units: Vec<u16> = t.encode_utf16().collect();
        Value::Text(String::from_utf16_lossy(&units[within(units.len())]))
    })
}

fn trimmed(given: Given<'_>, left: bool, right: bool) -> Answer {
    if has_null(given) {
        return Ok(Value::Null);
    }
    let which = given.get(1).map_or_else(|| " ".to_owned(), text);
    let goes = |c: char| which.contains(c);
    on_text(&given[0], |t| {
        let t = if left { t.trim_start_matches(goes) } else { t };
        Value::Text(if right { t.trim_end_matches(goes) } else { t }.to_owned())
    })
}

/// Every place of `from`, found without regard to case.
fn replaced(text: &str, from: &str, to: &str) -> String {
    let fold = |c: char| c.to_lowercase().next().unwrap_or(c);
    let (text, from): (Vec<char>, Vec<char>) = (text.chars().collect(), from.chars().map(fold).collect());
    let mut out = String::new();
    let mut at = 0;
    while let Some(&character) = text.get(at) {
        let here = text.get(at..at + from.len()).filter(|_| !from.is_empty());
        if here.is_some_and(|here| here.iter().copied().map(fold).eq(from.iter().copied())) {
            out.push_str(to);
            at += from.len();
        } else {
            out.push(character);
            at += 1;
        }
    }
    out
}

fn soundex(text: &str) -> String {
    let code = |c: char| match c.to_ascii_uppercase() {
        'B' | 'F' | 'P' | 'V' => Some('1'),
        'C' | 'G' | 'J' | 'K' | 'Q' | 'S' | 'X' | 'Z' => Some('2'),
        'D' | 'T' => Some('3'),
        'L' => Some('4'),
        'M' | 'N' => Some('5'),
        'R' => Some('6'),
        _ => None,
    };
    let mut letters = text.chars().take_while(char::is_ascii_alphabetic);
    let Some(first) = letters.next() else { return "0000".to_owned() };
    let mut out = first.to_ascii_uppercase().to_string();
    let mut last = code(first);
    for letter in letters {
        let found = code(letter);
        if found.is_some() && found != last && out.len() < 4 {
            out.extend(found);
        }
        // H and W do not part two letters of one code.
        if !matches!(letter.to_ascii_uppercase(), 'H' | 'W') {
            last = found;
        }
    }
    format!("{out:0<4}")
}

/// A float as a conversion to text shows it: six digits, and an exponent where those do not reach.
fn six_digits(number: f64) -> String {
    let written = format!("{number:.5e}");
    let (digits, exponent) = written.split_once('e').unwrap_or((&written, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let trimmed = |text: &str| match text.contains('.') {
        true => text.trim_end_matches('0').trim_end_matches('.').to_owned(),
        false => text.to_owned(),
    };
    if (-4..6).contains(&exponent) {
        return trimmed(&format!("{number:.places$}", places = (5 - exponent).unsigned_abs() as usize));
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    format!("{}e{sign}{:03}", trimmed(digits), exponent.unsigned_abs())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_float_is_shown_with_six_digits() {
        for (number, shown) in [
            (0.0, "0"),
            (1.5, "1.5"),
            (-1.0 / 3.0, "-0.333333"),
            (123_456.0, "123456"),
            (1_234_567.0, "1.23457e+006"),
            (999_999.5, "1e+006"),
            (0.0001, "0.0001"),
            (0.00001, "1e-005"),
            (1e300, "1e+300"),
        ] {
            assert_eq!(six_digits(number), shown);
        }
    }
}
