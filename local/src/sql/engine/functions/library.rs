//! T-SQL's functions by name: how many arguments each takes, what it gives, and what it does.

use rusqlite::types::Value;
use sqlparser::ast::Expr;

use super::{bits, calendar, json, maths, names, storage, texts};
use crate::sql::{
    engine::translate::counts,
    errors::{SqlError, error},
    types::SqlType,
};

pub(crate) type Given<'a> = &'a [Value];
pub(crate) type Answer = Result<Value, SqlError>;

/// What type a function gives.
#[derive(Clone, Copy)]
pub(crate) enum Gives {
    Type(SqlType),
    /// That of its first argument, or of the one at this place.
    Like(usize),
    /// That of its first argument, without digits behind the point.
    Whole,
    /// The same where that is text, and text of another value.
    Text,
    /// The strongest of its arguments from this place on.
    Strongest(usize),
}

/// A function. SQLite has it with two underscores before its name.
pub(crate) struct Entry {
    pub(crate) name: &'static str,
    pub(crate) least: usize,
    pub(crate) most: usize,
    pub(crate) gives: Gives,
    pub(crate) body: fn(Given<'_>) -> Answer,
}

/// A row of a table of functions.
pub(crate) const fn entry(
    name: &'static str,
    (least, most): (usize, usize),
    gives: Gives,
    body: fn(Given<'_>) -> Answer,
) -> Entry {
    Entry { name, least, most, gives, body }
}

pub(crate) fn all() -> impl Iterator<Item = &'static Entry> {
    [
        bits::ENTRIES,
        counts::ENTRIES,
        texts::ENTRIES,
        maths::ENTRIES,
        calendar::ENTRIES,
        json::ENTRIES,
        names::ENTRIES,
        storage::ENTRIES,
    ]
    .into_iter()
    .flatten()
}

/// The function of that name in T-SQL, or of SQLite's name for it.
pub(crate) fn find(name: &str) -> Option<&'static Entry> {
    let name = name.strip_prefix("__").unwrap_or(name);
    all().find(|entry| entry.name == name)
}

/// The function of that name, where T-SQL has one.
pub(crate) fn known(name: &str) -> Option<&'static Entry> {
    const INNER: [&str; 5] = ["bit_not", "bit_xor", "byte_length", "deeper", "float_text"];
    find(name).filter(|_| {
        !name.starts_with("__")
            && !name.starts_with("rows_of_")
            && !name.starts_with("limit_")
            && !INNER.contains(&name)
    })
}

/// Refuses a call with too few or too many arguments.
pub(crate) fn counted(entry: &Entry, arguments: &[Expr]) -> Result<(), SqlError> {
    if (entry.least..=entry.most).contains(&arguments.len()) {
        return Ok(());
    }
    let count = if entry.least == entry.most {
        entry.least.to_string()
    } else {
        format!("{} to {}", entry.least, entry.most)
    };
    Err(error(174, format!("The {} function requires {count} argument(s).", entry.name)))
}

pub(crate) fn has_null(given: Given<'_>) -> bool {
    given.contains(&Value::Null)
}
