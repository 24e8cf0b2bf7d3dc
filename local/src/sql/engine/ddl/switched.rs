//! Constraints that are switched off and on: ALTER TABLE … NOCHECK and CHECK CONSTRAINT.
//!
//! One that is off stays in its table's SQL, by its name, as a check that is always true and has its text.

use sqlparser::ast::Ident;

use super::quote;
use crate::sql::{
    engine::session::Session,
    errors::{SqlError, error},
};

const OFF: &str = "CHECK (1 OR '";

/// A constraint's name and what it says, where this part of a table is one that can be switched.
fn parts(part: &str) -> Option<(&str, &str)> {
    let rest = part.strip_prefix("CONSTRAINT ")?;
    let at =
        [" CHECK ", " FOREIGN KEY "].iter().filter_map(|kind| rest.find(&format!("\"{kind}"))).min()? + 1;
    Some((&rest[..at], rest[at..].trim_start()))
}

/// What a constraint says that is off.
pub(crate) fn text_of_off(constraint: &str) -> Option<String> {
    let kept = constraint.strip_prefix(OFF)?.strip_suffix("')")?;
    Some(kept.replace("''", "'"))
}

fn switched(part: &str, on: bool) -> Option<String> {
    let (name, text) = parts(part)?;
    let made = match (text_of_off(text), on) {
        (Some(kept), true) => kept,
        (None, false) => format!("{OFF}{}')", text.replace('\'', "''")),
        _ => return Some(part.to_owned()),
    };
    Some(format!("CONSTRAINT {name} {made}"))
}

impl Session {
    /// Switches constraints by their names, or all of them; `checked`, the rows that are there have to keep to them.
    pub(crate) fn switch_constraints(
        &mut self,
        table: &str,
        names: Option<&[Ident]>,
        on: bool,
        checked: bool,
    ) -> Result<(), SqlError> {
        let before = self.definition(table)?;
        let mut definition = before.clone();
        let chosen = |name: &str| {
            names.is_none_or(|names| names.iter().any(|one| quote(&one.value).eq_ignore_ascii_case(name)))
        };
        let mut found = 0;
        for part in &mut definition.parts {
            if parts(part).is_some_and(|(name, _)| chosen(name))
                && let Some(made) = switched(part, on)
            {
                *part = made;
                found += 1;
            }
        }
        if let Some(names) = names
            && found < names.len()
        {
            let missing = names.iter().find(|one| {
                let there = |part: &String| {
                    parts(part).is_some_and(|(name, _)| quote(&one.value).eq_ignore_ascii_case(name))
                };
                !before.parts.iter().any(there)
            });
            let name = missing.map_or("", |name| &name.value);
            return Err(error(4917, format!("Constraint '{name}' does not exist.")));
        }
        if definition != before {
            self.redefine(table, &definition)?;
        }
        if on && checked {
            for part in
                definition.parts.iter().filter(|part| parts(part).is_some_and(|(name, _)| chosen(name)))
            {
                self.holds(table, part)?;
            }
            self.references_hold(table)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constraint_that_was_off_says_what_it_said_before() {
        for part in [
            "CONSTRAINT \"a \"\"b\" CHECK (\"n\" <> 'it''s')",
            "CONSTRAINT \"FK\" FOREIGN KEY (\"n\") REFERENCES \"t\" (\"id\") ON DELETE CASCADE",
        ] {
            let off = switched(part, false).expect("a constraint");
            assert_ne!(off, part);
            assert_eq!(switched(&off, false).as_deref(), Some(off.as_str()));
            assert_eq!(switched(&off, true).as_deref(), Some(part));
        }
        assert_eq!(switched("\"n\" INT", false), None);
    }
}
