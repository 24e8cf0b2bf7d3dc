//! sp_rename: tables, views, columns, indexes and constraints under new names.

use super::{
    properties, quote,
    schemas::{place, place_of_text},
    unique::OF_NULLS,
};
use crate::sql::{
    engine::{
        failures::Doing,
        script::procedures::{argument, missing},
        session::Session,
        translate::{nodes::text as literal, scope::Variable},
    },
    errors::{SqlError, error, not_supported},
    types::convert,
};

/// The parts of a name; dots between brackets or quotes are a part's own.
fn parts(name: &str) -> Vec<String> {
    let (mut parts, mut closes) = (vec![String::new()], None);
    for character in name.chars() {
        match (closes, character) {
            (None, '[') => closes = Some(']'),
            (None, '"') => closes = Some('"'),
            (None, '.') => parts.push(String::new()),
            (Some(end), _) if end == character => closes = None,
            _ => parts.last_mut().into_iter().for_each(|part| part.push(character)),
        }
    }
    parts
}

/// A key or an index of SQLite's under another table's or its own new name.
struct Index {
    name: String,
    sql: String,
}

impl Session {
    /// sp_rename @objname, @newname, @objtype.
    pub(crate) fn rename(&mut self, given: &[(String, Variable)]) -> Result<i32, SqlError> {
        let text = |name: &str, at: usize| {
            let found = argument(given, name, at).filter(|found| found.value != rusqlite::types::Value::Null);
            found.map(|found| convert::text(found.value))
        };
        let written = text("@objname", 0).ok_or_else(|| missing("sp_rename"))?;
        let new = text("@newname", 1).ok_or_else(|| missing("sp_rename"))?;
        let kind = text("@objtype", 2).map(|kind| kind.to_uppercase());
        if new.is_empty() || new.contains(['.', '!']) {
            return Err(not_supported(format!("a name with a dot or an exclamation mark: {new}")));
        }
        let parts = parts(&written);
        let database = self.who.database.clone();
        let nothing = || {
            let kind = kind.as_deref().unwrap_or("(null)");
            let message = format!(
                "No item by the name of '{written}' could be found in the current database '{database}', given that \
                 @itemtype was input as '{kind}'."
            );
            error(15_225, message)
        };
        let wrong = || {
            let message =
                "Either the parameter @objname is ambiguous or the claimed @objtype (COLUMN) is wrong.";
            error(15_248, message)
        };
        match kind.as_deref() {
            None | Some("OBJECT") => {
                let old = self.whole_place(&parts);
                match self.is_view(&old)? {
                    Some(is_view) => self.rename_table(&old, &new, is_view)?,
                    None => {
                        let name = parts.last().cloned().unwrap_or_default();
                        let table = self.table_of_constraint(&name)?.ok_or_else(nothing)?;
                        self.rename_constraint(&table, &name, &new)?;
                    }
                }
            }
            Some(kind @ ("COLUMN" | "INDEX")) => {
                let [table @ .., name] = parts.as_slice() else { return Err(wrong()) };
                let table = self.whole_place(table);
                if self.columns_of(&table)?.is_empty() {
                    return Err(wrong());
                }
                if kind == "COLUMN" {
                    self.rename_column(&table, name, &new, wrong)?;
                } else if !self.rename_index(&table, &['I', 'P', 'U'], name, &new)? {
                    return Err(nothing());
                }
            }
            Some(other) => return Err(not_supported(format!("sp_rename of {other}"))),
        }
        let caution =
            "Caution: Changing any part of an object name could break scripts and stored procedures.";
        self.tokens.report(&SqlError { class: 0, ..error(15_477, caution) }, "");
        Ok(0)
    }

    fn whole_place(&self, parts: &[String]) -> String {
        match parts {
            [.., schema, name] => place(schema, name),
            [name] => name.clone(),
            [] => String::new(),
        }
    }

    fn taken(&self, name: &str, kind: &str) -> SqlError {
        let message = format!(
            "Error: The new name '{name}' is already in use as a {kind} name and would cause a duplicate that is not \
             permitted."
        );
        error(15_335, message)
    }

    fn rename_table(&mut self, old: &str, new: &str, is_view: bool) -> Result<(), SqlError> {
        let new = match old.rsplit_once('.') {
            Some((schema, _)) => place(schema, new),
            None => place_of_text(&quote(new)),
        };
        if !old.eq_ignore_ascii_case(&new) && self.is_view(&new)?.is_some() {
            return Err(self.taken(&new, "OBJECT"));
        }
        let keys = (self.identity_key(old), self.identity_key(&new));
        self.writing(|session| {
            session.transaction.changed_tables = true;
            if is_view {
                let sql = session.connection.query_row(
                    "SELECT sql FROM sqlite_schema WHERE type = 'view' AND name = ?1 COLLATE NOCASE",
                    [old],
                    |row| row.get::<_, String>(0),
                );
                let sql = sql.map_err(|failure| session.told(&failure, &Doing::default()))?;
                let rest = sql.trim_start_matches("CREATE VIEW ");
                let rest = rest.get(quote(old).len()..).unwrap_or_default().to_owned();
                session.run_definition(&format!("DROP VIEW {}", quote(old)))?;
                session.run_definition(&format!("CREATE VIEW {}{rest}", quote(&new)))?;
            } else {
                session.run_definition(&format!("ALTER TABLE {} RENAME TO {}", quote(old), quote(&new)))?;
                let mut definition = session.definition(&new)?;
                // An identity column asks for its next value by its table's name.
                let (before, after) =
                    (format!("__identity({})", literal(old)), format!("__identity({})", literal(&new)));
                definition.parts.iter_mut().for_each(|part| *part = part.replace(&before, &after));
                session.redefine(&new, &definition)?;
                for index in session.indexes_of(&new)? {
                    if let Some(kept) = index.name.get(old.len()..).filter(|kept| kept.starts_with('!')) {
                        session.remake(&index, &format!("{new}{kept}"))?;
                    }
                }
            }
            properties::moved(session, (old, &new), None)
        })?;
        let mut identities = self.store.identities();
        if let Some(next) = identities.remove(&keys.0) {
            identities.insert(keys.1, next);
        }
        Ok(())
    }

    fn rename_column(
        &mut self,
        table: &str,
        old: &str,
        new: &str,
        missing: impl Fn() -> SqlError,
    ) -> Result<(), SqlError> {
        let columns = self.columns_of(table)?;
        let there = |name: &str| columns.iter().any(|column| column.name.eq_ignore_ascii_case(name));
        if !there(old) {
            return Err(missing());
        }
        if !old.eq_ignore_ascii_case(new) && there(new) {
            return Err(self.taken(new, "COLUMN"));
        }
        self.writing(|session| {
            session.transaction.changed_tables = true;
            session.run_definition(&format!(
                "ALTER TABLE {} RENAME COLUMN {} TO {}",
                quote(table),
                quote(old),
                quote(new)
            ))?;
            properties::moved(session, (table, table), Some((old, new)))
        })
    }

    /// Renames a table's index of one of these kinds; whether there is one of that name.
    fn rename_index(&mut self, table: &str, kinds: &[char], old: &str, new: &str) -> Result<bool, SqlError> {
        let indexes = self.indexes_of(table)?;
        let of = |name: &str| {
            let named = |kind: &char| format!("{table}!{kind}!{name}");
            kinds.iter().find_map(|kind| {
                let wanted = named(kind);
                indexes
                    .iter()
                    .find(|index| index.name.eq_ignore_ascii_case(&wanted))
                    .map(|index| (index, *kind))
            })
        };
        let Some((index, kind)) = of(old) else { return Ok(false) };
        if !old.eq_ignore_ascii_case(new) && of(new).is_some() {
            return Err(self.taken(new, "INDEX"));
        }
        self.writing(|session| {
            session.transaction.changed_tables = true;
            let new = format!("{table}!{kind}!{new}");
            let nulls = format!("{}{OF_NULLS}", index.name);
            if let Some(nulls) = indexes.iter().find(|index| index.name == nulls) {
                session.remake(nulls, &format!("{new}{OF_NULLS}"))?;
            }
            session.remake(index, &new)
        })?;
        Ok(true)
    }

    fn rename_constraint(&mut self, table: &str, old: &str, new: &str) -> Result<(), SqlError> {
        if self.table_of_constraint(new)?.is_some() && !old.eq_ignore_ascii_case(new) {
            return Err(self.taken(new, "OBJECT"));
        }
        if self.rename_index(table, &['P', 'U'], old, new)? {
            return Ok(());
        }
        let mut definition = self.definition(table)?;
        let (before, after) = (format!("CONSTRAINT {} ", quote(old)), format!("CONSTRAINT {} ", quote(new)));
        for part in &mut definition.parts {
            // Folding may change lengths: only where it does not is the place the same.
            let folded = part.to_lowercase();
            if let Some(at) = folded.find(&before.to_lowercase()).filter(|_| folded.len() == part.len()) {
                part.replace_range(at..at + before.len(), &after);
            }
        }
        self.writing(|session| {
            session.transaction.changed_tables = true;
            session.redefine(table, &definition)
        })
    }

    /// The table that has a constraint of that name.
    fn table_of_constraint(&self, name: &str) -> Result<Option<String>, SqlError> {
        let sql = "SELECT o.place FROM \"sys.!objects\" AS o JOIN \"INFORMATION_SCHEMA.TABLE_CONSTRAINTS\" AS c \
                   ON c.TABLE_NAME = o.name AND c.TABLE_SCHEMA = o.schema_name WHERE c.CONSTRAINT_NAME = ?1 \
                   UNION SELECT o.place FROM \"sys.!objects\" AS o JOIN \"sys.default_constraints\" AS d \
                   ON d.parent_object_id = o.object_id WHERE d.name = ?1 LIMIT 1";
        let read = || -> rusqlite::Result<Option<String>> {
            let mut statement = self.connection.prepare(sql)?;
            let mut rows = statement.query([name])?;
            rows.next()?.map(|row| row.get(0)).transpose()
        };
        read().map_err(|failure| self.told(&failure, &Doing::default()))
    }

    fn indexes_of(&self, table: &str) -> Result<Vec<Index>, SqlError> {
        let sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'index' AND tbl_name = ?1 COLLATE NOCASE \
                   AND sql IS NOT NULL";
        let read = || -> rusqlite::Result<Vec<Index>> {
            let mut statement = self.connection.prepare(sql)?;
            let rows =
                statement.query_map([table], |row| Ok(Index { name: row.get(0)?, sql: row.get(1)? }))?;
            rows.collect()
        };
        read().map_err(|failure| self.told(&failure, &Doing::default()))
    }

    /// SQLite renames no index: it is made again.
    fn remake(&mut self, index: &Index, name: &str) -> Result<(), SqlError> {
        let made = index.sql.replacen(&quote(&index.name), &quote(name), 1);
        self.run_definition(&format!("DROP INDEX {}", quote(&index.name)))?;
        self.run_definition(&made)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_between_brackets_is_a_part_s_own() {
        assert_eq!(parts("dbo.[a.b].\"c.d\""), ["dbo", "a.b", "c.d"]);
        assert_eq!(parts("t"), ["t"]);
    }
}
