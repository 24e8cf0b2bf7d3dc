//! Tables' definitions as SQLite keeps them, taken apart and changed: SQLite's own ALTER TABLE changes little.

use super::quote;
use crate::sql::{
    engine::{failures::Doing, session::Session, translate::scope::is_temporary},
    errors::{SqlError, not_supported},
};

/// A CREATE TABLE: what stands before its brackets, and the parts between them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Definition {
    head: String,
    pub(crate) parts: Vec<String>,
}

impl Definition {
    pub(crate) fn parse(sql: &str) -> Option<Self> {
        let mut parts = vec![String::new()];
        let (mut head, mut depth, mut quote) = (String::new(), 0_usize, None);
        for character in sql.chars() {
            match (quote, character) {
                (Some(open), _) if character == open => quote = None,
                (None, '\'' | '"') => quote = Some(character),
                (None, '(') => {
                    depth += 1;
                    if depth == 1 {
                        continue;
                    }
                }
                (None, ')') => {
                    depth = depth.checked_sub(1)?;
                    if depth == 0 {
                        break;
                    }
                }
                (None, ',') if depth == 1 => {
                    parts.push(String::new());
                    continue;
                }
                _ => {}
            }
            match depth {
                0 => head.push(character),
                _ => parts.last_mut()?.push(character),
            }
        }
        let parts = parts.iter().map(|part| part.trim().to_owned()).collect();
        (!head.is_empty()).then_some(Definition { head, parts })
    }

    pub(crate) fn sql(&self) -> String {
        format!("{}({})", self.head, self.parts.join(", "))
    }

    pub(crate) fn column(&mut self, name: &str) -> Option<&mut String> {
        let start = format!("{} ", quote(name)).to_lowercase();
        self.parts.iter_mut().find(|part| part.to_lowercase().starts_with(&start))
    }

    /// Takes the constraint of that name out, be it a part or a column's default.
    pub(crate) fn drop_constraint(&mut self, name: &str) -> bool {
        let start = format!("constraint {} ", quote(name)).to_lowercase();
        let default = format!(" {start}default ");
        let before = self.parts.len();
        self.parts.retain(|part| !part.to_lowercase().starts_with(&start));
        if self.parts.len() < before {
            return true;
        }
        for part in &mut self.parts {
            let folded = part.to_lowercase();
            // Folding may change lengths: only where it does not is the place the same.
            if let Some(at) = folded.find(&default).filter(|_| folded.len() == part.len()) {
                part.truncate(at);
                return true;
            }
        }
        false
    }
}

/// A column's text without its default, and the default.
pub(crate) fn split_default(column: &str) -> (&str, &str) {
    let end = column.find(" CONSTRAINT \"").unwrap_or(column.len());
    column.split_at(end)
}

impl Session {
    pub(crate) fn definition(&self, table: &str) -> Result<Definition, SqlError> {
        let schema = if is_temporary(table) { "sqlite_temp_schema" } else { "sqlite_schema" };
        let sql = format!("SELECT sql FROM {schema} WHERE type = 'table' AND name = ?1 COLLATE NOCASE");
        let found: String = self
            .connection
            .query_row(&sql, [table], |row| row.get(0))
            .map_err(|failure| self.told(&failure, &Doing::default()))?;
        Definition::parse(&found).ok_or_else(|| not_supported("changing this table's definition"))
    }

    /// Puts a definition in the place of the one that is there. As SQLite's documentation allows where rows stay as
    /// they are: by writing its schema, with a new version of it so that all sessions read it anew.
    pub(crate) fn redefine(&mut self, table: &str, definition: &Definition) -> Result<(), SqlError> {
        let (schema, database) =
            if is_temporary(table) { ("sqlite_temp_schema", "temp") } else { ("sqlite_schema", "main") };
        let run = || -> rusqlite::Result<()> {
            let version: i64 =
                self.connection
                    .query_row(&format!("PRAGMA {database}.schema_version"), [], |row| row.get(0))?;
            self.connection.execute_batch("PRAGMA writable_schema = ON")?;
            let sql =
                format!("UPDATE {schema} SET sql = ?1 WHERE type = 'table' AND name = ?2 COLLATE NOCASE");
            let changed = self.connection.execute(&sql, [definition.sql().as_str(), table]);
            self.connection.execute_batch(&format!("PRAGMA {database}.schema_version = {}", version + 1))?;
            self.connection.execute_batch("PRAGMA writable_schema = RESET")?;
            changed?;
            self.connection.prepare(&format!("SELECT * FROM {}", quote(table))).map(drop)
        };
        run().map_err(|failure| self.told(&failure, &Doing { verb: "ALTER TABLE", ..Doing::default() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_is_taken_apart_and_put_together_again() {
        let sql = "CREATE TABLE \"t\" (\"a,b\" INT NOT NULL CONSTRAINT \"DF\" DEFAULT (f(1, ')')), CONSTRAINT \"c\" CHECK (a > 0))";
        let mut found = Definition::parse(sql).expect("a definition");
        assert_eq!(found.sql(), sql);
        assert_eq!(found.parts.len(), 2);
        assert!(found.drop_constraint("C") && found.drop_constraint("df") && !found.drop_constraint("x"));
        assert_eq!(found.sql(), "CREATE TABLE \"t\" (\"a,b\" INT NOT NULL)");
        assert!(found.column("A,B").is_some() && found.column("a").is_none());
    }
}
