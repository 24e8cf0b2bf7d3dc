//! What SQLite's text of an object tells beyond SQLite: the names of a table's constraints, the types of a view's columns.

use serde::{Deserialize, Serialize};
use sqlparser::ast::{Expr, Value as Literal};

use super::{schema::Definition, switched::text_of_off};
use crate::sql::types::SqlType;

const CONSTRAINT: &str = "CONSTRAINT \"";

/// The name of a table's reference in the table's SQL, whose last reference SQLite counts as 0.
pub(crate) fn reference_name(sql: &str, id: usize) -> Option<String> {
    let parts: Vec<&str> = sql.split("REFERENCES ").collect();
    // What stands before the reference, since the one before it.
    let before = parts.get(parts.len().checked_sub(id + 2)?)?;
    let name = &before[before.rfind(CONSTRAINT)? + CONSTRAINT.len()..];
    let (name, rest) = name.split_once("\" ")?;
    let follows = rest.is_empty() || rest.starts_with("FOREIGN KEY");
    follows.then(|| name.replace("\"\"", "\""))
}

/// The name of a column's default.
pub(crate) fn default_name(sql: &str, column: &str) -> Option<String> {
    let mut definition = Definition::parse(sql)?;
    let part = definition.column(column)?;
    let (before, _) = part.split_once("\" DEFAULT ")?;
    let at = before.rfind(CONSTRAINT)? + CONSTRAINT.len();
    Some(before[at..].replace("\"\"", "\""))
}

/// SQLite's text with its names in brackets, as SQL Server keeps them.
pub(crate) fn bracketed(sql: &str) -> String {
    let mut out = String::with_capacity(sql.len());
    let (mut quote, mut characters) = (None, sql.chars().peekable());
    while let Some(character) = characters.next() {
        match (quote, character) {
            (None, '"') => {
                quote = Some('"');
                out.push('[');
            }
            (None, '\'') => {
                quote = Some('\'');
                out.push('\'');
            }
            (Some('"'), '"') if characters.next_if_eq(&'"').is_some() => out.push('"'),
            (Some('"'), '"') => {
                quote = None;
                out.push(']');
            }
            (Some('"'), ']') => out.push_str("]]"),
            (Some('\''), '\'') => {
                quote = None;
                out.push('\'');
            }
            _ => out.push(character),
        }
    }
    out
}

/// The checks of a table, by name.
pub(crate) fn checks(sql: &str) -> Vec<(String, String)> {
    let definition = Definition::parse(sql);
    let one = |part: &String| {
        let (name, check) = part.strip_prefix(CONSTRAINT)?.split_once("\" CHECK ")?;
        // One that is off says what it would check, unless it is a reference.
        let off = text_of_off(&format!("CHECK {check}"));
        let check = off.as_deref().map_or(Some(check), |kept| kept.strip_prefix("CHECK "))?;
        Some((name.replace("\"\"", "\""), check.to_owned()))
    };
    definition.iter().flat_map(|definition| &definition.parts).filter_map(one).collect()
}

/// What SQLite does not keep of a view: it is a comment behind the view's name.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Note {
    /// Its columns' types as they are declared, where they are known.
    pub(crate) types: Vec<Option<String>>,
    /// The view in T-SQL.
    pub(crate) definition: String,
}

const NOTE: &str = "/*note:";

/// What begins the comment that keeps an expression as it was written, behind what SQLite has of it.
const WRITTEN: &str = " /*tsql:";

/// An expression of the schema with its T-SQL behind it.
pub(crate) fn with_written(value: &str, written: &Expr) -> String {
    // Numbers stand in brackets in the catalog.
    let shown = match written {
        Expr::Value(found) if matches!(found.value, Literal::Number(..)) => format!("({written})"),
        Expr::Nested(inner) => return with_written(value, inner),
        _ => written.to_string(),
    };
    format!("{value}{WRITTEN}{}*/", shown.replace("*/", "* /"))
}

/// The T-SQL behind an expression of the schema, or that itself.
pub(crate) fn as_written(kept: &str) -> &str {
    kept.split_once(WRITTEN).map_or(kept, |(_, rest)| rest.split_once("*/").map_or(rest, |(text, _)| text))
}

/// How a computed column was written.
pub(crate) fn computed(sql: &str, column: &str) -> Option<String> {
    let mut definition = Definition::parse(sql)?;
    let part = definition.column(column)?;
    part.contains(WRITTEN).then(|| as_written(part).to_owned())
}

/// Whether a computed column was made PERSISTED.
pub(crate) fn is_persisted(sql: &str, column: &str) -> bool {
    let definition = Definition::parse(sql);
    definition
        .and_then(|mut definition| definition.column(column).map(|part| part.contains(PERSISTED)))
        .unwrap_or(false)
}

/// What marks a computed column that is PERSISTED: SQLite computes it where it is asked for all the same.
pub(crate) const PERSISTED: &str = " /*persisted*/";

impl Note {
    pub(crate) fn of(types: impl Iterator<Item = Option<SqlType>>, definition: String) -> Self {
        Note { types: types.map(|found| found.map(SqlType::declared)).collect(), definition }
    }

    pub(crate) fn comment(&self) -> String {
        let text = serde_json::json!(self).to_string();
        // A solidus may be written so in JSON: the comment ends nowhere else.
        format!("{NOTE}{}*/", text.replace("*/", "*\\/"))
    }

    /// The note in a view's SQL.
    pub(crate) fn read(sql: &str) -> Option<Self> {
        let (_, rest) = sql.split_once(NOTE)?;
        serde_json::from_str(rest.split_once("*/")?.0).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_named_by_its_own_constraint() {
        let sql = "CREATE TABLE \"t\" (\"a\" INT CONSTRAINT \"one\" REFERENCES \"x\" (\"i\"), \"b\" INT REFERENCES \"x\" \
                   (\"i\"), CONSTRAINT \"c\" CHECK (a > 0), CONSTRAINT \"two\" FOREIGN KEY (\"b\") REFERENCES \"x\" (\"i\"))";
        assert_eq!(reference_name(sql, 0).as_deref(), Some("two"));
        assert_eq!(reference_name(sql, 1), None);
        assert_eq!(reference_name(sql, 2).as_deref(), Some("one"));
        assert_eq!(reference_name(sql, 3), None);
    }

    #[test]
    fn names_are_put_in_brackets_and_texts_are_not() {
        assert_eq!(bracketed(r#""a" = 'x"y''z' AND "b""]" > 1"#), r#"[a] = 'x"y''z' AND [b"]]] > 1"#);
    }

    #[test]
    fn defaults_and_checks_are_found_by_their_names() {
        let sql = "CREATE TABLE \"t\" (\"a\" INT CONSTRAINT \"DF_a\" DEFAULT (1), \"b\" INT, CONSTRAINT \"CK\" CHECK (a > 0))";
        assert_eq!(default_name(sql, "A").as_deref(), Some("DF_a"));
        assert_eq!(default_name(sql, "b"), None);
        assert_eq!(checks(sql), [("CK".to_owned(), "(a > 0)".to_owned())]);
    }

    #[test]
    fn a_views_note_comes_back_whatever_is_in_it() {
        let definition = "CREATE VIEW v AS SELECT '*/ /*note:{' AS \"a\\b\"".to_owned();
        let note = Note::of([Some(SqlType::Decimal(9, 2)), None].into_iter(), definition.clone());
        let sql = format!("CREATE VIEW \"v\" {} AS SELECT 1 /*note:x*/", note.comment());
        let found = Note::read(&sql).expect("a note");
        assert_eq!(
            (found.types, found.definition),
            (vec![Some("decimal(9,2)".to_owned()), None], definition)
        );
        assert!(Note::read("CREATE VIEW v AS SELECT 1").is_none());
    }
}
