//! Reads a route template into its segments, and says what is wrong with one that cannot be read.

use std::{iter::Peekable, mem, str::Chars};

use super::{Constraint, Parameter, Part, Segment};

/// The segments of a template, or the end of a sentence that begins with "route `...`".
pub(super) fn segments(template: &str) -> Result<Vec<Segment>, String> {
    let body = template.strip_prefix("~/").or_else(|| template.strip_prefix('/')).unwrap_or(template);
    let mut segments = Vec::new();
    let mut parts = Vec::new();
    let mut literal = String::new();
    let mut chars = body.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' if chars.next_if_eq(&c).is_some() => literal.push(c),
            '}' => return Err("has a `}` with no `{` before it; write `}}` for the character".into()),
            '?' => return Err("has a `?` outside of a parameter; the query is no part of a route".into()),
            '{' => {
                flush(&mut literal, &mut parts);
                parts.push(Part::Parameter(parameter(&inside(&mut chars)?)?));
            }
            '/' => {
                flush(&mut literal, &mut parts);
                if parts.is_empty() {
                    return Err("has two slashes in a row; write one".into());
                }
                segments.push(mem::take(&mut parts));
            }
            _ => literal.push(c),
        }
    }
    flush(&mut literal, &mut parts);
    if !parts.is_empty() {
        segments.push(parts);
    }
    check(&segments)?;
    Ok(segments)
}

fn flush(literal: &mut String, parts: &mut Segment) {
    if !literal.is_empty() {
        parts.push(Part::Literal(mem::take(literal)));
    }
}

/// What stands between the braces of a parameter; doubled braces (of a regex) become single ones.
fn inside(chars: &mut Peekable<Chars<'_>>) -> Result<String, String> {
    let mut text = String::new();
    while let Some(c) = chars.next() {
        match c {
            '{' | '}' if chars.next_if_eq(&c).is_some() => text.push(c),
            '}' => return Ok(text),
            '{' => {
                return Err(format!(
                    "has a `{{` inside of the parameter `{{{text}`; close it with `}}` first"
                ));
            }
            _ => text.push(c),
        }
    }
    Err(format!("has a parameter that is not closed: `{{{text}`; add `}}`"))
}

fn parameter(text: &str) -> Result<Parameter, String> {
    let starless = text.trim_start_matches('*');
    let catch_all = match text.len() - starless.len() {
        0 => false,
        1 | 2 => true,
        _ => return Err(format!("has too many stars in `{{{text}}}`; write `{{*name}}`")),
    };
    let body = starless.strip_suffix('?').unwrap_or(starless);
    let optional = body.len() < starless.len();
    let (name, mut rest) = body.split_at(body.find([':', '=']).unwrap_or(body.len()));
    if name.is_empty() || name.contains(['/', '{', '}', '?', '*']) {
        return Err(format!("has a parameter without a good name: `{{{text}}}`; write `{{name}}`"));
    }

    let mut constraints = Vec::new();
    while let Some(after) = rest.strip_prefix(':') {
        let end = end_of_constraint(after);
        let problem = |problem| format!("{problem} (parameter `{name}`)");
        constraints.push(Constraint::parse(&after[..end]).map_err(problem)?);
        rest = &after[end..];
    }
    let default = rest.strip_prefix('=').map(str::to_owned);

    if optional && catch_all {
        return Err(format!("has an optional catch-all `{{{text}}}`; it may be empty anyway, drop the `?`"));
    }
    if let Some(default) = &default {
        if optional {
            return Err(format!("gives `{name}` both a default and a `?`; keep one of them"));
        }
        if !constraints.iter().all(|constraint| constraint.holds(default)) {
            return Err(format!("gives `{name}` the default `{default}`, which its own constraint refuses"));
        }
    }
    Ok(Parameter { name: name.to_owned(), constraints, default, optional, catch_all })
}

/// Where a constraint ends: at the `:` or `=` that is not inside its parentheses.
fn end_of_constraint(text: &str) -> usize {
    let mut depth = 0_usize;
    text.char_indices()
        .find(|&(_, c)| {
            match c {
                '(' => depth += 1,
                ')' => depth = depth.saturating_sub(1),
                _ => {}
            }
            depth == 0 && matches!(c, ':' | '=')
        })
        .map_or(text.len(), |(at, _)| at)
}

/// The rules that hold between the parts of a template.
fn check(segments: &[Segment]) -> Result<(), String> {
    let mut names: Vec<String> = Vec::new();
    for (at, segment) in segments.iter().enumerate() {
        for (place, part) in segment.iter().enumerate() {
            let Part::Parameter(parameter) = part else { continue };
            let name = &parameter.name;
            if names.contains(&name.to_lowercase()) {
                return Err(format!("names the parameter `{name}` twice; each needs a name of its own"));
            }
            names.push(name.to_lowercase());
            if segment.len() > 1 {
                check_complex(segment, place, parameter)?;
            }
            if parameter.catch_all && at + 1 < segments.len() {
                return Err(format!("goes on after the catch-all `{name}`; a catch-all must be last"));
            }
            if parameter.optional && !segments[at + 1..].iter().all(may_be_absent) {
                return Err(format!(
                    "goes on after the optional `{name}`; only the end of a route is optional"
                ));
            }
        }
    }
    Ok(())
}

fn may_be_absent(segment: &Segment) -> bool {
    matches!(segment.as_slice(), [Part::Parameter(parameter)] if parameter.may_be_absent())
}

fn check_complex(segment: &Segment, place: usize, parameter: &Parameter) -> Result<(), String> {
    let name = &parameter.name;
    let before = place.checked_sub(1).map(|place| &segment[place]);
    if matches!(before, Some(Part::Parameter(_))) {
        return Err(format!("has nothing between `{name}` and the parameter before it; put a literal there"));
    }
    if parameter.catch_all {
        return Err(format!("mixes the catch-all `{name}` with other text; give it a segment of its own"));
    }
    if parameter.default.is_some() {
        return Err(format!(
            "gives `{name}` a default beside other text, which is not supported; use a segment of its own"
        ));
    }
    let after_a_dot = matches!(before, Some(Part::Literal(literal)) if literal == ".");
    if parameter.optional && !(after_a_dot && place > 1 && place + 1 == segment.len()) {
        return Err(format!(
            "has the optional `{name}` beside other text; only `{{a}}.{{{name}?}}` can be so"
        ));
    }
    Ok(())
}
