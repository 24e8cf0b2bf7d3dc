//! Splits a connection string into keys and values by the quoting rules of its form: ADO.NET, ODBC or JDBC.

use super::{keywords, settings::Secret};

/// Whose rules a connection string follows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    AdoNet,
    Odbc,
    Jdbc,
}

/// A key as it was written, and its value. Any value may be a password until its key is known.
#[derive(Debug)]
pub(super) struct Pair {
    pub(super) key: String,
    pub(super) value: Secret,
}

impl Pair {
    /// Whether the key behind this pair may be a piece of a password that is not quoted, or quoted wrongly: this is a
    /// password, or a value that has swallowed the key of one.
    pub(super) fn may_be_cut(&self) -> bool {
        keywords::is_secret(&self.key) || [';', '='].iter().all(|c| self.value.expose().contains(*c))
    }
}

const JDBC: &str = "jdbc:sqlserver:";

/// Splits a connection string. An error says what is wrong, and quotes no value.
pub(super) fn split(text: &str) -> Result<(Form, Vec<Pair>), String> {
    let text = text.trim();
    if text.get(..JDBC.len()).is_some_and(|start| start.eq_ignore_ascii_case(JDBC)) {
        return Ok((Form::Jdbc, jdbc(&text[JDBC.len()..])?));
    }
    if text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("jdbc:")) {
        return Err("is a JDBC URL of another database; expected `jdbc:sqlserver://...`".into());
    }
    if text.split(['=', ';']).next().is_some_and(|start| start.contains("://")) {
        return Err("is a URL that is not of JDBC; expected `Server=tcp:HOST,1433;Database=NAME;...`".into());
    }
    // Only an ODBC string names its driver, and only there do braces quote.
    let names_driver = |found: &[Pair]| found.iter().any(|pair| pair.key.eq_ignore_ascii_case("driver"));
    let begins_so = text.split('=').next().is_some_and(|key| key.trim().eq_ignore_ascii_case("driver"));
    // In ADO.NET's quotes it is no driver, but a piece of a password: `Password="a;driver=b"`.
    let in_quotes = |other: &Result<Vec<Pair>, String>| {
        matches!(first_quote(text), Some('"' | '\''))
            && other.as_ref().is_ok_and(|found| !names_driver(found))
    };
    match (pairs(text, Form::Odbc), pairs(text, Form::AdoNet)) {
        (Err(problem), _) if begins_so => Err(problem),
        (Ok(found), other) if names_driver(&found) && !in_quotes(&other) => Ok((Form::Odbc, found)),
        (_, other) => Ok((Form::AdoNet, other?)),
    }
}

/// What the first value that is quoted by any form's rules begins with: up to there all of them read the same.
fn first_quote(text: &str) -> Option<char> {
    let mut values = text.split(';').filter_map(|pair| Some(pair.split_once('=')?.1.trim_start()));
    values.find_map(|value| value.chars().next().filter(|c| matches!(c, '"' | '\'' | '{')))
}

/// `//server\instance:port;key=value;...`, each part optional.
fn jdbc(text: &str) -> Result<Vec<Pair>, String> {
    let body = text
        .strip_prefix("//")
        .ok_or("has no `//` after `jdbc:sqlserver:`; write `jdbc:sqlserver://host`")?;
    let (place, properties) = body.split_once(';').unwrap_or((body, ""));
    if place.contains('=') {
        return Err("has a key where the host belongs; write `jdbc:sqlserver://host:1433;key=value`".into());
    }
    let mut found = pairs(properties, Form::Jdbc)?;
    if !place.trim().is_empty() {
        found.insert(0, Pair { key: "serverName".into(), value: Secret::new(place.trim()) });
    }
    Ok(found)
}

fn pairs(text: &str, form: Form) -> Result<Vec<Pair>, String> {
    let mut found: Vec<Pair> = Vec::new();
    let mut rest = text.trim_start_matches([';', ' ', '\t', '\r', '\n']);
    while !rest.is_empty() {
        // What has no `=` may be the second half of a password with a `;` in it: it is not quoted.
        let before = || {
            found.split_last().map_or("at its start".into(), |(last, earlier)| {
                format!("after {}", shown(&last.key, earlier))
            })
        };
        let end = rest.find(['=', ';']).filter(|&end| rest.as_bytes()[end] == b'=').ok_or_else(|| {
            format!("has text without `=` {}; put a value with a `;` in it in {}", before(), quotes(form))
        })?;
        let key = rest[..end].trim();
        if key.is_empty() {
            return Err(format!("has a `=` without a key {}; write `key=value`", before()));
        }
        let (value, after) = value(rest[end + 1..].trim_start(), form)
            .map_err(|problem| format!("{problem} in the value of {}", shown(key, &found)))?;
        found.push(Pair { key: key.to_owned(), value: Secret::new(value) });
        rest = after.trim_start_matches([';', ' ', '\t', '\r', '\n']);
    }
    Ok(found)
}

/// A key in an error: behind a password that is not quoted it may be a piece of that.
fn shown(key: &str, earlier: &[Pair]) -> String {
    let is_known = |key: &str| keywords::find(key).is_some();
    match earlier.last() {
        _ if is_known(key) => keywords::shown(key),
        Some(last) if last.may_be_cut() && is_known(&last.key) => {
            format!("the key after `{}`", last.key)
        }
        // So may every one that comes after the first such piece.
        _ if !earlier.iter().all(|pair| is_known(&pair.key)) => "a key".to_owned(),
        _ => keywords::shown(key),
    }
}

fn quotes(form: Form) -> &'static str {
    match form {
        Form::AdoNet => "double quotes",
        Form::Odbc | Form::Jdbc => "braces",
    }
}

/// A value, unquoted, and what follows its `;`.
fn value(text: &str, form: Form) -> Result<(String, &str), String> {
    let quote = match (form, text.chars().next()) {
        (Form::AdoNet, Some(quote @ ('"' | '\''))) => quote,
        (Form::Odbc | Form::Jdbc, Some('{')) => '}',
        _ => {
            let (value, after) = text.split_once(';').unwrap_or((text, ""));
            return Ok((value.trim_end().to_owned(), after));
        }
    };
    let mut value = String::new();
    let mut chars = text.char_indices().skip(1).peekable();
    while let Some((at, c)) = chars.next() {
        if c != quote {
            value.push(c);
        } else if chars.next_if(|&(_, next)| next == quote).is_some() {
            value.push(quote);
        } else {
            let after = text[at + 1..].trim_start();
            return match after.strip_prefix(';') {
                Some(after) => Ok((value, after)),
                None if after.is_empty() => Ok((value, after)),
                None => Err(format!(
                    "there is text behind the closing `{quote}` (double a `{quote}` that belongs to it)"
                )),
            };
        }
    }
    Err(format!("there is no closing `{quote}`"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        match split(text) {
            Ok((form, pairs)) => {
                let pairs: Vec<_> =
                    pairs.iter().map(|pair| format!("[{}|{}]", pair.key, pair.value.expose())).collect();
                format!("{form:?} {}", pairs.concat())
            }
            Err(problem) => problem,
        }
    }

    #[test]
    fn each_form_is_split_by_its_own_rules() {
        for (text, expected) in [
            ("", "AdoNet "),
            (" ; ;", "AdoNet "),
            ("A=1; b c = d e ;;", "AdoNet [A|1][b c|d e]"),
            ("A=;B=x=y", "AdoNet [A|][B|x=y]"),
            (r#"A="x;""y'" ; B='p"q''r;'"#, r#"AdoNet [A|x;"y'][B|p"q'r;]"#),
            ("A={x};B=}", "AdoNet [A|{x}][B|}]"),
            (
                "Driver={ODBC Driver 18};PWD={a;}}b{c=}; X = 'y'",
                "Odbc [Driver|ODBC Driver 18][PWD|a;}b{c=][X|'y']",
            ),
            ("Server=s;driver=FreeTDS", "Odbc [Server|s][driver|FreeTDS]"),
            (r#"PWD="x;driver=y""#, "AdoNet [PWD|x;driver=y]"),
            ("PWD={x;A='};driver=y;B={'}", "Odbc [PWD|x;A='][driver|y][B|']"),
            ("PWD={x;A='};driver=y;B={';C=}", "Odbc [PWD|x;A='][driver|y][B|';C=]"),
            ("jdbc:sqlserver://", "Jdbc "),
            (r"jdbc:sqlserver://h\i:1", r"Jdbc [serverName|h\i:1]"),
            ("JDBC:sqlserver://h:1;password={a;}}};x=\"y\";", "Jdbc [serverName|h:1][password|a;}][x|\"y\"]"),
            ("jdbc:sqlserver://;serverName=h", "Jdbc [serverName|h]"),
        ] {
            assert_eq!(said(text), expected, "{text}");
        }
    }

    #[test]
    fn a_string_that_cannot_be_split_is_told_apart_without_its_values() {
        for (text, expected) in [
            (
                "Password=ab;cd",
                "has text without `=` after the key `Password`; put a value with a `;` in it in double quotes",
            ),
            ("Driver={x};PWD=ab;cd", "after the key `PWD`; put a value with a `;` in it in braces"),
            ("secret", "has text without `=` at its start"),
            ("=x", "has a `=` without a key at its start"),
            ("A=\"x", "there is no closing `\"` in the value of the key `A`"),
            ("A='x'y;B=1", "there is text behind the closing `'`"),
            ("Driver={x;PWD=a", "there is no closing `}` in the value of the key `Driver`"),
            ("PWD=ab;cd='x", "there is no closing `'` in the value of the key after `PWD`"),
            ("PWD=ab;Pooling='x", "there is no closing `'` in the value of the key `Pooling`"),
            ("PWD=ab;cd=ef;gh", "has text without `=` after the key after `PWD`"),
            ("PWD=ab;cd=;=ef", "has a `=` without a key after the key after `PWD`"),
            ("PWD=ab;my secret=ef;=", "has a `=` without a key after the key after `PWD`"),
            ("PWD=ab;my secret=ef;x=;=", "has a `=` without a key after a key"),
            ("PWD=ab;cd=ef;gh='x", "there is no closing `'` in the value of a key"),
            ("A=1;Pooling=';PWD=';b=c='x;d", "has text without `=` after the key after `Pooling`"),
            ("jdbc:sqlserver:h", "has no `//`"),
            ("jdbc:sqlserver://user=x", "has a key where the host belongs"),
            ("jdbc:mysql://h", "another database"),
            ("mssql://u:p@h/db?encrypt=true", "is a URL that is not of JDBC"),
        ] {
            let said = said(text);
            assert!(said.contains(expected), "{text}: {said}");
        }
    }
}
