//! Names the T-SQL statements that `sqlparser` cannot read, so that nobody takes them for a mistake of their own.

use super::words::Script;
use crate::sql::errors::{SqlError, no_option, no_statement};

/// Their bodies run to the end of the batch, or their options in words that look like a statement's start: a
/// part of them that can be read is not the statement.
const NEVER_READ: &[&str] = &[
    "PROCEDURE",
    "PROC",
    "FUNCTION",
    "TRIGGER",
    "TYPE",
    "USER",
    "ROLE",
    "LOGIN",
    "SYNONYM",
    "DATABASE",
    "ASSEMBLY",
    "CERTIFICATE",
    "CREDENTIAL",
    "STATISTICS",
];

/// What CREATE, ALTER and DROP take besides.
const OBJECTS: &[&str] = &[
    "AGGREGATE",
    "APPLICATION",
    "ASYMMETRIC",
    "COLUMNSTORE",
    "DEFAULT",
    "EXTERNAL",
    "FULLTEXT",
    "MASTER",
    "PARTITION",
    "QUEUE",
    "RULE",
    "SCHEMA",
    "SECURITY",
    "SEQUENCE",
    "SPATIAL",
    "SYMMETRIC",
    "VIEW",
    "XML",
];

/// What ALTER TABLE does besides adding and dropping.
const TABLE_CHANGES: &[&str] =
    &["ALTER", "CHECK", "DISABLE", "ENABLE", "NOCHECK", "REBUILD", "SET", "SWITCH", "WITH"];

/// Statements that their first word tells.
const FIRST_WORDS: &[&str] = &[
    "BACKUP",
    "BULK",
    "CHECKPOINT",
    "CLOSE",
    "DBCC",
    "DEALLOCATE",
    "DENY",
    "DISABLE",
    "ENABLE",
    "FETCH",
    "GOTO",
    "GRANT",
    "KILL",
    "OPEN",
    "READTEXT",
    "RECONFIGURE",
    "RESTORE",
    "REVERT",
    "REVOKE",
    "SHUTDOWN",
    "UPDATETEXT",
    "WRITETEXT",
];

/// Clauses that two words next to each other tell, wherever they stand in a statement, and their names.
const CLAUSES: &[(&str, &str, &str)] = &[
    ("FOR", "SYSTEM_TIME", "FOR SYSTEM_TIME"),
    ("VALUE", "FOR", "NEXT VALUE FOR"),
    ("WITH", "CUBE", "GROUP BY with CUBE"),
    ("WITH", "ROLLUP", "GROUP BY with ROLLUP"),
];

impl Script<'_> {
    fn upper(&self, ahead: usize) -> String {
        self.word_at(ahead).unwrap_or_default().to_ascii_uppercase()
    }

    /// The verb of CREATE, ALTER or DROP and the kind of its object.
    fn definition(&self) -> Option<(String, String)> {
        let verb = self.upper(0);
        if !matches!(verb.as_str(), "CREATE" | "ALTER" | "DROP") {
            return None;
        }
        let replaces = self.upper(1) == "OR" && self.upper(2) == "ALTER";
        Some((verb, self.upper(if replaces { 3 } else { 1 })))
    }

    /// What Azure SQL itself refuses of the statement that begins here, with its own words.
    pub(crate) fn refused_by_azure(&self) -> Option<SqlError> {
        // An option stands a few words behind the name of what it is an option of.
        let option = |names: &[&str]| {
            (2..24).map(|ahead| self.upper(ahead)).find(|word| names.contains(&word.as_str()))
        };
        match (self.upper(0).as_str(), self.upper(1).as_str()) {
            (verb @ ("BACKUP" | "RESTORE"), kind) => Some(no_statement(&format!("{verb} {kind}"))),
            (verb @ ("SHUTDOWN" | "RECONFIGURE"), _) => Some(no_statement(verb)),
            ("ALTER", "DATABASE") => option(&["RECOVERY", "TRUSTWORTHY"]).map(|name| no_option(&name)),
            ("CREATE" | "ALTER", "LOGIN") => option(&["DEFAULT_DATABASE", "CHECK_POLICY", "HASHED"])
                .map(|name| no_option(&name.to_ascii_lowercase())),
            _ => None,
        }
    }

    /// The statement that begins here, where it must not even be tried.
    pub(crate) fn never_read(&self) -> Option<String> {
        let (verb, kind) = self.definition()?;
        (verb != "DROP" && NEVER_READ.contains(&kind.as_str())).then(|| format!("{verb} {kind}"))
    }

    /// The statement that begins here and could not be read, where it is one of T-SQL's.
    pub(crate) fn unread(&self) -> Option<String> {
        let first = self.upper(0);
        if FIRST_WORDS.contains(&first.as_str()) {
            return Some(first);
        }
        if first == "SETS" {
            // GROUPING was read as a column's name, and the statement ended with it.
            return Some("GROUP BY with GROUPING SETS".to_owned());
        }
        if first == "UPDATE" && self.upper(1) == "STATISTICS" {
            return Some("UPDATE STATISTICS".to_owned());
        }
        if first == "INSERT" && self.feeds_on_procedure() {
            return Some("INSERT … EXECUTE".to_owned());
        }
        let Some((verb, kind)) = self.definition() else { return self.unread_clause() };
        if verb == "ALTER" && kind == "TABLE" {
            return self.table_change();
        }
        let known = NEVER_READ.contains(&kind.as_str()) || OBJECTS.contains(&kind.as_str());
        (known || verb == "ALTER" && kind == "INDEX").then(|| format!("{verb} {kind}"))
    }

    /// A clause of the statement that is T-SQL's.
    fn unread_clause(&self) -> Option<String> {
        use sqlparser::tokenizer::Token;
        let ends = |ahead: usize| {
            matches!(self.parser.peek_nth_token_ref(ahead).token, Token::EOF | Token::SemiColon)
        };
        let mut words =
            (0..).take_while(|ahead| !ends(*ahead)).map(|ahead| (self.upper(ahead), self.upper(ahead + 1)));
        words.find_map(|(first, second)| {
            let is = |(one, other, _): &&(&str, &str, &str)| first == *one && second == *other;
            CLAUSES.iter().find(is).map(|(.., name)| (*name).to_owned())
        })
    }

    /// Whether EXECUTE stands behind an INSERT's table and columns.
    fn feeds_on_procedure(&self) -> bool {
        // As many tokens as a table of SQL Server can have columns, with their commas.
        let words = (1..2048).map(|ahead| (ahead, self.upper(ahead)));
        let mut ends = words.take_while(|(ahead, word)| {
            use sqlparser::tokenizer::Token;
            !matches!(self.parser.peek_nth_token_ref(*ahead).token, Token::EOF | Token::SemiColon)
                && !matches!(word.as_str(), "VALUES" | "SELECT" | "DEFAULT" | "WITH")
        });
        ends.any(|(_, word)| matches!(word.as_str(), "EXEC" | "EXECUTE"))
    }

    /// What stands behind the name of ALTER TABLE's table: one part, or up to three with dots between.
    fn table_change(&self) -> Option<String> {
        use sqlparser::tokenizer::Token;
        let dot = |ahead| matches!(self.parser.peek_nth_token_ref(ahead).token, Token::Period);
        let behind = (3..).step_by(2).take(4).find(|ahead| !dot(*ahead))?;
        let (change, what) = (self.upper(behind), self.upper(behind + 1));
        TABLE_CHANGES
            .contains(&change.as_str())
            .then(|| format!("ALTER TABLE … {change} {what}").trim_end().to_owned())
    }
}
