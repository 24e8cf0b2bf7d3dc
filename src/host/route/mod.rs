//! ASP.NET Core route templates as the Functions host takes them: `todos/{id:int?}`, and which paths they match.

mod constraint;
mod parse;
mod table;

use std::{fmt, str::FromStr};

use constraint::Constraint;
pub use table::{Found, RouteTable};

/// What a path gave for the parameters of its route, in the template's order and spelling.
/// A parameter that is not in the path and has no default is there as `None`.
pub type Params = Vec<(String, Option<String>)>;

/// A route template, read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct RouteTemplate {
    text: String,
    segments: Vec<Segment>,
}

/// What stands between two slashes: nearly always one part, `{name}.{ext}` is three.
type Segment = Vec<Part>;

#[derive(Debug, Clone, PartialEq)]
enum Part {
    Literal(String),
    Parameter(Parameter),
}

#[derive(Debug, Clone, PartialEq)]
struct Parameter {
    name: String,
    constraints: Vec<Constraint>,
    default: Option<String>,
    optional: bool,
    catch_all: bool,
}

/// A route template that cannot be used, and why.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("route `{template}` {problem}")]
pub struct RouteError {
    /// The template as it was written.
    pub template: String,
    /// What is wrong with it, and what to write instead.
    pub problem: String,
}

impl RouteTemplate {
    /// Reads a template. One leading `/` or `~/` is dropped, as ASP.NET does.
    ///
    /// # Errors
    /// [`RouteError`] names the template and what is wrong in it.
    pub fn parse(template: &str) -> Result<Self, RouteError> {
        match parse::segments(template) {
            Ok(segments) => Ok(RouteTemplate { text: template.to_owned(), segments }),
            Err(problem) => Err(RouteError { template: template.to_owned(), problem }),
        }
    }

    /// The template as it was written.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The names of the parameters, in order.
    pub fn parameters(&self) -> impl Iterator<Item = &str> {
        self.segments.iter().flatten().filter_map(|part| match part {
            Part::Parameter(parameter) => Some(parameter.name.as_str()),
            Part::Literal(_) => None,
        })
    }

    /// What the path (raw, without the prefix) gives for the parameters, if it matches.
    /// Literals compare without case; values are percent-decoded, save `%2F`; one trailing slash is ignored.
    pub fn matches(&self, path: &str) -> Option<Params> {
        self.matches_rest(path.strip_prefix('/').unwrap_or(path))
    }

    /// The same for what is left of a path after the slash that ends its prefix.
    fn matches_rest(&self, path: &str) -> Option<Params> {
        // Servers and clients resolve these before routing; one that is still here means no good.
        if path.split('/').any(|piece| matches!(decode(piece).as_str(), "." | "..")) {
            return None;
        }
        let mut rest = path;
        let mut params = Params::new();
        for segment in &self.segments {
            if let [Part::Parameter(parameter)] = segment.as_slice() {
                let piece =
                    if parameter.catch_all { Some(std::mem::take(&mut rest)) } else { next_piece(&mut rest) };
                params.push((parameter.name.clone(), parameter.value(piece)?));
            } else {
                matches_parts(segment, &decode(next_piece(&mut rest)?), &mut params)?;
            }
        }
        rest.is_empty().then_some(params)
    }
}

impl fmt::Display for RouteTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl FromStr for RouteTemplate {
    type Err = RouteError;

    fn from_str(template: &str) -> Result<Self, RouteError> {
        RouteTemplate::parse(template)
    }
}

impl Parameter {
    /// Whether a path may end before this parameter.
    fn may_be_absent(&self) -> bool {
        self.optional || self.catch_all || self.default.is_some()
    }

    /// The value of the raw text that stands in the parameter's place: the outer `None` is no match.
    fn value(&self, piece: Option<&str>) -> Option<Option<String>> {
        match piece.filter(|piece| !piece.is_empty()) {
            Some(piece) => self.checked(piece.split('/').map(decode).collect::<Vec<_>>().join("/")).map(Some),
            // A default was checked when the template was read. A constraint is not asked about an
            // optional value that is absent; no constraint holds for an absent catch-all.
            None if self.catch_all && self.default.is_none() && !self.constraints.is_empty() => None,
            None => self.may_be_absent().then(|| self.default.clone()),
        }
    }

    fn checked(&self, value: String) -> Option<String> {
        self.constraints.iter().all(|constraint| constraint.holds(&value)).then_some(value)
    }
}

/// Takes the next segment off a path; a slash at the end of a path begins no segment.
fn next_piece<'a>(rest: &mut &'a str) -> Option<&'a str> {
    if rest.is_empty() {
        return None;
    }
    let (piece, after) = rest.split_once('/').unwrap_or((rest, ""));
    *rest = after;
    Some(piece)
}

/// Matches a segment of literals and parameters from its end, each literal at its last place, as ASP.NET does.
fn matches_parts(parts: &[Part], text: &str, params: &mut Params) -> Option<()> {
    if let Some(found) = from_the_end(parts, text) {
        params.extend(found);
        return Some(());
    }
    // `{name}.{ext?}` matches without its last parameter, and then without the dot.
    let [shorter @ .., Part::Literal(_), Part::Parameter(last)] = parts else { return None };
    if !last.optional {
        return None;
    }
    params.extend(from_the_end(shorter, text)?);
    params.push((last.name.clone(), None));
    Some(())
}

fn from_the_end(parts: &[Part], text: &str) -> Option<Params> {
    // ASCII lower case keeps every byte where it is.
    let lower = text.to_ascii_lowercase();
    let mut end = text.len();
    let mut found = Params::new();
    let mut waiting: Option<&Parameter> = None;
    for part in parts.iter().rev() {
        match part {
            Part::Parameter(parameter) => waiting = Some(parameter),
            Part::Literal(literal) => {
                let literal = literal.to_ascii_lowercase();
                let start = match waiting.take() {
                    Some(parameter) => {
                        // A parameter takes at least one character, so its literal ends before the last.
                        let last = text[..end].char_indices().next_back()?.0;
                        let start = lower[..last].rfind(&literal)?;
                        let value = text[start + literal.len()..end].to_owned();
                        found.push((parameter.name.clone(), Some(parameter.checked(value)?)));
                        start
                    }
                    None => end - lower[..end].strip_suffix(literal.as_str()).map(|_| literal.len())?,
                };
                end = start;
            }
        }
    }
    match waiting {
        Some(_) if end == 0 => return None,
        Some(parameter) => {
            found.push((parameter.name.clone(), Some(parameter.checked(text[..end].to_owned())?)));
        }
        None if end > 0 => return None,
        None => {}
    }
    found.reverse();
    Some(found)
}

/// Percent-decodes as Kestrel decodes a path: `%2F` (and `%00`) stay, and so does what is not UTF-8.
fn decode(piece: &str) -> String {
    let hex = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    let bytes = piece.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let escaped = match bytes[at..] {
            [b'%', high, low, ..] => hex(high).zip(hex(low)).map(|(high, low)| high << 4 | low),
            _ => None,
        };
        match escaped.filter(|byte| !matches!(byte, 0 | b'/')) {
            Some(byte) => {
                decoded.push(byte);
                at += 3;
            }
            None => {
                decoded.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(decoded).unwrap_or_else(|_| piece.to_owned())
}

#[cfg(test)]
mod tests;
