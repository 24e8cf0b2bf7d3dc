//! MERGE: its decisions are made and kept, then carried out clause by clause.

pub(crate) mod clauses;
mod decisions;
mod output;

use rusqlite::types::Value;
use sqlparser::ast::Ident;

use super::insert::{is_default, mismatch};
use crate::sql::{
    engine::{failures::Doing, query::Translated, session::Session, translate::scope::last_part},
    errors::{SqlError, error, not_supported},
};
use clauses::{Deed, Merge};
use decisions::Decisions;

/// The table that keeps the decisions while they are carried out; none of T-SQL's has such a name.
pub(crate) const DECIDED: &str = "!merge";

impl Session {
    pub(crate) fn merge_rows(&mut self, merge: &Merge) -> Result<(), SqlError> {
        let named = last_part(&merge.target);
        let mut ctes = merge.with.iter().flat_map(|with| &with.cte_tables);
        if ctes.any(|cte| cte.alias.name.value.eq_ignore_ascii_case(&named)) {
            return Err(not_supported("MERGE into a common table expression"));
        }
        let target = self.target(&merge.target)?;
        if self.is_view(&target.name)? == Some(true) {
            return Err(not_supported("changing the rows of a view"));
        }
        let mut decisions = Decisions::new(merge, &target);
        let changes = self.carried_out(&mut decisions)?;
        let output = match &merge.output {
            Some(output) => Some(self.merge_output(&mut decisions, &output.items)?),
            None => None,
        };
        let mut decided = self.translate_query(&decisions.query()?)?;
        decided.sql = format!("CREATE TEMP TABLE \"{DECIDED}\" AS {}", decided.sql);
        decided.columns = None;
        let into = merge.output.as_ref().and_then(|output| output.into.clone());
        self.change(&target, output.is_some(), into.as_ref(), |session| {
            session.query(&decided)?;
            session.once_each(merge)?;
            for (at, change) in &changes {
                let (_, rows) = match merge.clauses[*at].deed {
                    Deed::Update(_) => session.update(change)?,
                    _ => session.query(change)?,
                };
                if output.is_some() && matches!(merge.clauses[*at].deed, Deed::Insert(..)) {
                    session.place_inserted(*at, &rows)?;
                }
            }
            let made = match &output {
                Some(output) => session.query(output)?,
                None => {
                    let count = session.plainly(|connection| {
                        let sql = format!("SELECT count(*) FROM temp.\"{DECIDED}\"");
                        connection.query_row(&sql, [], |row| row.get::<_, i64>(0))
                    })?;
                    (Vec::new(), vec![Vec::new(); usize::try_from(count).unwrap_or(0)])
                }
            };
            session.execute_plain(&format!("DROP TABLE temp.\"{DECIDED}\""))?;
            Ok(made)
        })
    }

    /// Each clause's statement, with its place among the clauses. What is deleted or updated makes room for what is
    /// inserted.
    fn carried_out(&self, decisions: &mut Decisions<'_>) -> Result<Vec<(usize, Translated)>, SqlError> {
        let target = decisions.target;
        let table = Ident::with_quote('"', &target.name);
        let mut changes = Vec::new();
        for (at, clause) in decisions.clauses().iter().enumerate() {
            let chosen = format!("\"{DECIDED}\".\"clause\" = {at}");
            let sql = match &clause.deed {
                Deed::Delete => {
                    let rows = format!("SELECT \"rid\" FROM temp.\"{DECIDED}\" WHERE {chosen}");
                    format!("DELETE FROM {table} WHERE rowid IN ({rows})")
                }
                Deed::Update(sets) => {
                    let mut list = Vec::new();
                    for set in sets {
                        let Some(name) = &set.column else { continue };
                        let column = target.settable(name)?;
                        let stored = match &set.value {
                            None => column.default.clone().unwrap_or_else(|| "NULL".to_owned()),
                            Some(value) => {
                                let name = decisions.value(clause, value);
                                self.stored(target, column, &format!("\"{DECIDED}\".\"{name}\""))
                            }
                        };
                        list.push(format!("{} = {stored}", Ident::with_quote('"', &column.name)));
                    }
                    format!(
                        "UPDATE {table} SET {} FROM temp.\"{DECIDED}\" WHERE {table}.rowid = \"{DECIDED}\".\"rid\" AND {chosen} \
                         RETURNING rowid",
                        list.join(", ")
                    )
                }
                Deed::Insert(names, values) => {
                    let named: Vec<String> = names.iter().map(|name| name.value.clone()).collect();
                    let columns = match values {
                        Some(_) => self.insert_columns(target, &named)?,
                        None => target.columns.iter().filter(|column| !column.computed).collect(),
                    };
                    if values.as_ref().is_some_and(|values| values.len() != columns.len()) {
                        return Err(mismatch());
                    }
                    let mut list = Vec::new();
                    for (place, column) in columns.iter().enumerate() {
                        let value = values.as_ref().and_then(|values| values.get(place));
                        list.push(match value.filter(|value| !is_default(value)) {
                            Some(value) => {
                                let name = decisions.value(clause, value);
                                self.stored(target, column, &format!("\"{DECIDED}\".\"{name}\""))
                            }
                            None => column.default.clone().unwrap_or_else(|| "NULL".to_owned()),
                        });
                    }
                    let columns: Vec<String> = columns
                        .iter()
                        .map(|column| Ident::with_quote('"', &column.name).to_string())
                        .collect();
                    format!(
                        "INSERT INTO {table} ({}) SELECT {} FROM temp.\"{DECIDED}\" WHERE {chosen} \
                         ORDER BY \"{DECIDED}\".rowid RETURNING rowid",
                        columns.join(", "),
                        list.join(", ")
                    )
                }
            };
            changes.push((at, self.translated("MERGE", target, sql, None)));
        }
        changes.sort_by_key(|(at, _)| match decisions.clauses()[*at].deed {
            Deed::Delete => 0,
            Deed::Update(_) => 1,
            Deed::Insert(..) => 2,
        });
        Ok(changes)
    }

    /// Refuses a row that would be updated, and changed again; one that is only deleted is deleted once.
    fn once_each(&mut self, merge: &Merge) -> Result<(), SqlError> {
        let updates: Vec<String> = merge
            .clauses
            .iter()
            .enumerate()
            .filter(|(_, clause)| matches!(clause.deed, Deed::Update(_)))
            .map(|(at, _)| at.to_string())
            .collect();
        let twice = self.plainly(|connection| {
            let sql = format!(
                "SELECT EXISTS (SELECT 1 FROM temp.\"{DECIDED}\" WHERE \"rid\" IS NOT NULL GROUP BY \"rid\" \
                 HAVING count(*) > 1 AND max(\"clause\" IN ({})))",
                updates.join(", ")
            );
            let twice: bool = connection.query_row(&sql, [], |row| row.get(0))?;
            if !twice && merge.clauses.iter().any(|clause| matches!(clause.deed, Deed::Delete)) {
                connection.execute_batch(&format!(
                    "DELETE FROM temp.\"{DECIDED}\" WHERE \"rid\" IS NOT NULL AND rowid NOT IN \
                     (SELECT min(rowid) FROM temp.\"{DECIDED}\" GROUP BY \"rid\")"
                ))?;
            }
            Ok(twice)
        })?;
        if twice {
            let message = "The MERGE statement attempted to UPDATE or DELETE the same row more than once. This happens \
                           when a target row matches more than one source row. A MERGE statement cannot UPDATE/DELETE \
                           the same row of the target table multiple times. Refine the ON clause to ensure a target row \
                           matches at most one source row, or use the GROUP BY clause to group the source rows.";
            return Err(error(8672, message));
        }
        Ok(())
    }

    /// Tells the decisions where the rows are that they inserted, in their order.
    fn place_inserted(&mut self, clause: usize, rows: &[Vec<Value>]) -> Result<(), SqlError> {
        self.plainly(|connection| {
            let sql =
                format!("SELECT rowid FROM temp.\"{DECIDED}\" WHERE \"clause\" = {clause} ORDER BY rowid");
            let mut statement = connection.prepare(&sql)?;
            let decided: Vec<i64> =
                statement.query_map([], |row| row.get(0))?.collect::<rusqlite::Result<_>>()?;
            let sql = format!("UPDATE temp.\"{DECIDED}\" SET \"rid\" = ?1 WHERE rowid = ?2");
            let mut statement = connection.prepare(&sql)?;
            for (decided, row) in decided.iter().zip(rows) {
                statement.execute((row.first(), decided))?;
            }
            Ok(())
        })
    }

    /// Runs SQLite's own SQL that reads or takes values.
    pub(crate) fn plainly<T>(
        &mut self,
        body: impl FnOnce(&rusqlite::Connection) -> rusqlite::Result<T>,
    ) -> Result<T, SqlError> {
        body(&self.connection).map_err(|failure| self.told(&failure, &Doing::default()))
    }
}
