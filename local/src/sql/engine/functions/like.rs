//! LIKE as T-SQL has it: `%`, `_`, `[a-z]`, `[^a-z]`, and without regard to case.

use rusqlite::types::Value;

use crate::sql::{errors::SqlError, types::convert};

#[derive(Debug, PartialEq)]
enum Piece {
    Any,
    One,
    Literal(char),
    Set { negated: bool, ranges: Vec<(char, char)> },
}

/// SQLite calls `X LIKE Y` as `like(Y, X)`.
pub(crate) fn like(pattern: &Value, value: &Value, escape: Option<char>) -> Result<Value, SqlError> {
    if *pattern == Value::Null || *value == Value::Null {
        return Ok(Value::Null);
    }
    let fold = |text: String| -> Vec<char> { text.chars().flat_map(char::to_lowercase).collect() };
    let pattern = pieces(&fold(convert::text(pattern.clone())), escape.map(|c| c.to_ascii_lowercase()));
    let value = fold(convert::text(value.clone()));
    Ok(Value::Integer(matches(&pattern, &value).into()))
}

/// PATINDEX: the first place where the pattern fits, counted from 1; 0 where it does not.
pub(crate) fn place_of(pattern: &str, value: &str) -> i64 {
    let fold = |text: &str| -> Vec<char> { text.chars().flat_map(char::to_lowercase).collect() };
    let (pattern, value) = (fold(pattern), fold(value));
    let Some(rest) = pattern.strip_prefix(&['%']) else {
        return matches(&pieces(&pattern, None), &value).into();
    };
    let pieces = pieces(rest, None);
    (0..=value.len()).find(|&at| matches(&pieces, &value[at..])).map_or(0, |at| at as i64 + 1)
}

fn pieces(pattern: &[char], escape: Option<char>) -> Vec<Piece> {
    let mut out = Vec::new();
    let mut at = 0;
    while let Some(&character) = pattern.get(at) {
        at += 1;
        out.push(match character {
            _ if Some(character) == escape => {
                let literal = pattern.get(at).copied().unwrap_or(character);
                at += 1;
                Piece::Literal(literal)
            }
            '%' => Piece::Any,
            '_' => Piece::One,
            '[' => match set(&pattern[at..]) {
                Some((piece, length)) => {
                    at += length;
                    piece
                }
                None => Piece::Literal('['),
            },
            other => Piece::Literal(other),
        });
    }
    out
}

fn set(rest: &[char]) -> Option<(Piece, usize)> {
    let negated = rest.first() == Some(&'^');
    let start = usize::from(negated);
    let end = start + rest.get(start + 1..)?.iter().position(|&c| c == ']')? + 1;
    let inside = &rest[start..end];
    let mut ranges = Vec::new();
    let mut at = 0;
    while at < inside.len() {
        if at + 2 < inside.len() && inside[at + 1] == '-' {
            ranges.push((inside[at], inside[at + 2]));
            at += 3;
        } else {
            ranges.push((inside[at], inside[at]));
            at += 1;
        }
    }
    Some((Piece::Set { negated, ranges }, end + 1))
}

/// Greedy with one point to come back to: never more than pattern times value steps.
fn matches(pattern: &[Piece], value: &[char]) -> bool {
    let (mut p, mut v) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    while v < value.len() {
        let fits = match pattern.get(p) {
            Some(Piece::Any) => {
                back = Some((p, v));
                p += 1;
                continue;
            }
            Some(Piece::One) => true,
            Some(Piece::Literal(literal)) => *literal == value[v],
            Some(Piece::Set { negated, ranges }) => {
                ranges.iter().any(|(low, high)| (*low..=*high).contains(&value[v])) != *negated
            }
            None => false,
        };
        match (fits, back) {
            (true, _) => {
                p += 1;
                v += 1;
            }
            (false, Some((any, from))) => {
                back = Some((any, from + 1));
                p = any + 1;
                v = from + 1;
            }
            (false, None) => return false,
        }
    }
    pattern[p..].iter().all(|piece| *piece == Piece::Any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_match_as_in_t_sql() {
        let check = |value: &str, pattern: &str, escape: Option<char>| {
            let text = |text: &str| Value::Text(text.to_owned());
            like(&text(pattern), &text(value), escape).expect("no error") == Value::Integer(1)
        };
        for (value, pattern) in [
            ("Milk", "m%k"),
            ("", "%"),
            ("abc", "a_c"),
            ("b7", "[a-c][^a-z]"),
            ("50%", "50[%]"),
            ("aab", "%ab"),
            ("[", "["),
        ] {
            assert!(check(value, pattern, None), "{value} LIKE {pattern}");
        }
        for (value, pattern) in [("milk", "ilk%"), ("d", "[a-c]"), ("abc", "ab"), ("", "_")] {
            assert!(!check(value, pattern, None), "{value} LIKE {pattern}");
        }
        assert!(check("a%b", "a!%b", Some('!')) && !check("axb", "a!%b", Some('!')));
        assert!(!check(&"a".repeat(2000), &"%a".repeat(500).replace('a', "ab"), None));
    }
}
