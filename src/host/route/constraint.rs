//! The inline constraints of ASP.NET Core routes: `int`, `min(1)`, `length(2,5)` and the others.

use std::str::FromStr;

use crate::spelling;

/// A condition on the text of a route parameter.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Constraint {
    Int,
    Long,
    Bool,
    DateTime,
    Decimal,
    Double,
    Guid,
    Alpha,
    Required,
    File,
    NonFile,
    Length(usize, usize),
    Min(i64),
    Max(i64),
    Range(i64, i64),
}

const NAMES: [&str; 20] = [
    "alpha",
    "bool",
    "datetime",
    "decimal",
    "double",
    "file",
    "float",
    "guid",
    "int",
    "length",
    "long",
    "max",
    "maxlength",
    "min",
    "minlength",
    "nonfile",
    "range",
    "regex",
    "required",
    "string",
];

impl Constraint {
    /// Reads `name` or `name(arguments)`; an error is the end of a sentence that begins with "route `...`".
    pub(super) fn parse(text: &str) -> Result<Constraint, String> {
        let (name, arguments) = match text.split_once('(') {
            None => (text, None),
            Some((name, rest)) => match rest.strip_suffix(')') {
                Some(arguments) => (name, Some(arguments)),
                None => return Err(format!("has a constraint that is not closed: `{text}`; add `)`")),
            },
        };
        let plain = |constraint| match arguments {
            None => Ok(constraint),
            Some(_) => Err(format!("gives `{name}` arguments, which it does not take; write `{name}`")),
        };
        match name.to_ascii_lowercase().as_str() {
            "int" => plain(Constraint::Int),
            "long" => plain(Constraint::Long),
            "bool" => plain(Constraint::Bool),
            "datetime" => plain(Constraint::DateTime),
            "decimal" => plain(Constraint::Decimal),
            // A float that is too large is infinite, not refused, since .NET Core 3.0: the same test.
            "double" | "float" => plain(Constraint::Double),
            "guid" => plain(Constraint::Guid),
            "alpha" => plain(Constraint::Alpha),
            "required" => plain(Constraint::Required),
            "file" => plain(Constraint::File),
            "nonfile" => plain(Constraint::NonFile),
            "minlength" => Ok(Constraint::Length(one(name, arguments)?, usize::MAX)),
            "maxlength" => Ok(Constraint::Length(0, one(name, arguments)?)),
            "length" if !arguments.is_some_and(|arguments| arguments.contains(',')) => {
                let length = one(name, arguments)?;
                Ok(Constraint::Length(length, length))
            }
            "length" => two(name, arguments).map(|(least, most)| Constraint::Length(least, most)),
            "min" => one(name, arguments).map(Constraint::Min),
            "max" => one(name, arguments).map(Constraint::Max),
            "range" => two(name, arguments).map(|(least, most)| Constraint::Range(least, most)),
            "regex" => Err(format!(
                "has the constraint `{text}`, and regex is not supported; check the value in the handler"
            )),
            "string" => {
                Err("has the constraint `string`, which ASP.NET does not know; leave it out".to_owned())
            }
            _ => Err(match spelling::nearest(name, NAMES) {
                Some(nearest) => format!("has an unknown constraint `{name}`; did you mean `{nearest}`?"),
                None => format!("has an unknown constraint `{name}`; there are {}", NAMES[..19].join(", ")),
            }),
        }
    }

    /// Whether a value satisfies the constraint, by the rules of .NET's `TryParse` in the invariant culture.
    pub(super) fn holds(&self, value: &str) -> bool {
        let trimmed = value.trim_matches([' ', '\t', '\n', '\r', '\x0b', '\x0c']);
        match *self {
            Constraint::Int => trimmed.parse::<i32>().is_ok(),
            Constraint::Long => trimmed.parse::<i64>().is_ok(),
            Constraint::Bool => ["true", "false"].iter().any(|word| word.eq_ignore_ascii_case(trimmed)),
            Constraint::DateTime => date_time(trimmed),
            Constraint::Decimal => number(trimmed, false)
                .is_some_and(|number| number.abs() < 79_228_162_514_264_337_593_543_950_336.0),
            Constraint::Double => {
                let word = trimmed.trim_start_matches(['+', '-']);
                number(trimmed, true).is_some()
                    || ["nan", "infinity"].iter().any(|known| known.eq_ignore_ascii_case(word))
            }
            Constraint::Guid => guid(trimmed),
            Constraint::Alpha => value.bytes().all(|byte| byte.is_ascii_alphabetic()),
            Constraint::Required => !value.is_empty(),
            Constraint::File => names_a_file(value),
            Constraint::NonFile => !names_a_file(value),
            // .NET counts UTF-16 units.
            Constraint::Length(least, most) => (least..=most).contains(&value.encode_utf16().count()),
            Constraint::Min(least) => trimmed.parse::<i64>().is_ok_and(|number| number >= least),
            Constraint::Max(most) => trimmed.parse::<i64>().is_ok_and(|number| number <= most),
            Constraint::Range(least, most) => {
                trimmed.parse::<i64>().is_ok_and(|number| (least..=most).contains(&number))
            }
        }
    }
}

fn one<T: FromStr>(name: &str, arguments: Option<&str>) -> Result<T, String> {
    arguments
        .and_then(|arguments| arguments.trim().parse().ok())
        .ok_or_else(|| format!("needs one whole number for `{name}`; write `{name}(5)`"))
}

fn two<T: FromStr + PartialOrd>(name: &str, arguments: Option<&str>) -> Result<(T, T), String> {
    arguments
        .and_then(|arguments| arguments.split_once(','))
        .and_then(|(least, most)| Some((least.trim().parse().ok()?, most.trim().parse().ok()?)))
        .filter(|(least, most): &(T, T)| least <= most)
        .ok_or_else(|| {
            format!("needs two whole numbers for `{name}`, the smaller first; write `{name}(1,5)`")
        })
}

/// A number with a point, and commas between its digits.
fn number(text: &str, exponent: bool) -> Option<f64> {
    let known = |c: char| c.is_ascii_digit() || "+-.,".contains(c) || (exponent && "eE".contains(c));
    let fraction = text.split_once('.').map_or("", |(_, fraction)| fraction);
    if !text.chars().all(known)
        || text.trim_start_matches(['+', '-']).starts_with(',')
        || fraction.contains(',')
    {
        return None;
    }
    text.replace(',', "").parse().ok()
}

/// The forms N, D, B and P of `Guid.TryParse`.
fn guid(text: &str) -> bool {
    let bare = [('{', '}'), ('(', ')')]
        .iter()
        .find_map(|&(open, close)| text.strip_prefix(open)?.strip_suffix(close))
        .unwrap_or(text);
    // Braces go with hyphens only; uuid's own braced and URN forms are not wanted here.
    (bare.len() == 36 || (bare.len() == 32 && bare == text)) && uuid::Uuid::try_parse(bare).is_ok()
}

/// `yyyy-MM-dd`, or with a time `H:mm[:ss[.f]][ am|pm][Z|+hh:mm]`. .NET reads more forms than these;
/// their order of day and month depends on a culture, so a route does well not to mean them.
fn date_time(text: &str) -> bool {
    let (date, time) = match text.find(['T', 't', ' ']) {
        Some(at) => (&text[..at], Some(text[at + 1..].trim())),
        None => (text, None),
    };
    let format = time::macros::format_description!("[year]-[month]-[day]");
    time::Date::parse(date, format).is_ok() && time.is_none_or(time_of_day)
}

fn time_of_day(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    let (clock, twelve) = match lower.strip_suffix("am").or_else(|| lower.strip_suffix("pm")) {
        Some(clock) => (clock.trim_end(), true),
        None => (lower.strip_suffix('z').unwrap_or(&lower), false),
    };
    let (clock, offset) = match clock.find(['+', '-']) {
        Some(at) => (&clock[..at], Some(&clock[at + 1..])),
        None => (clock, None),
    };
    let below = |text: Option<&str>, limit: u8| {
        text.is_some_and(|text| {
            matches!(text.len(), 1 | 2)
                && text.bytes().all(|byte| byte.is_ascii_digit())
                && text.parse::<u8>().is_ok_and(|number| number < limit)
        })
    };
    let mut parts = clock.splitn(3, ':');
    let hour = below(parts.next(), if twelve { 13 } else { 24 });
    let minute = below(parts.next(), 60);
    let second = parts.next().is_none_or(|seconds| {
        let (whole, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
        below(Some(whole), 60) && !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit())
    });
    let offset = offset.is_none_or(|offset| {
        let (hours, minutes) = offset.split_once(':').unwrap_or((offset, "0"));
        below(Some(hours), 15) && below(Some(minutes), 60)
    });
    hour && minute && second && offset
}

/// Whether the last part of a path has a dot with something after it.
fn names_a_file(value: &str) -> bool {
    let name = value.rsplit('/').next().unwrap_or(value);
    name.split_once('.').is_some_and(|(_, extension)| extension.chars().any(|c| c != '.'))
}
