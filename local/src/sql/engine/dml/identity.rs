//! Identity columns: where their values come from.

use sqlparser::ast::{Expr, Ident, Value as Literal};

use super::Target;
use crate::sql::{
    engine::{
        ddl::schemas::place_of_text,
        failures::Doing,
        session::Session,
        translate::{
            Translator,
            nodes::{call, cast, number, text},
            scope::{self, Tables, Variables, table_columns},
        },
    },
    errors::{SqlError, not_supported},
    types::{SqlType, convert},
};

/// The call that gives an identity column its next value.
pub(crate) fn next_identity(table: &str) -> Expr {
    call("__identity", vec![text(table)])
}

/// The name that a literal or a variable says.
fn name_of(expr: &Expr, variables: &Variables) -> Option<String> {
    match expr {
        Expr::Value(literal) => literal.value.clone().into_string(),
        Expr::Identifier(name) => {
            let variable = variables.get(&name.value.to_lowercase())?;
            Some(convert::text(variable.value.clone()))
        }
        _ => None,
    }
}

impl Translator<'_> {
    /// IDENT_CURRENT, as it was when the statement began.
    pub(crate) fn current_identity(&self, asked: &Expr) -> Result<Expr, SqlError> {
        let name =
            name_of(asked, self.variables).ok_or_else(|| not_supported("IDENT_CURRENT of an expression"))?;
        let found = self.tables.identities.iter().find(|(known, _)| *known == name);
        let value = match found.and_then(|(_, current)| *current) {
            Some(current) => number(&current.to_string()),
            None => Expr::Value(Literal::Null.into()),
        };
        Ok(cast("__as", SqlType::Decimal(38, 0), value))
    }
}

impl Session {
    pub(crate) fn prepare_identity(&mut self, target: &Target) -> Result<(), SqlError> {
        let Some((column, (seed, increment))) =
            target.columns.iter().find_map(|column| column.identity.map(|identity| (column, identity)))
        else {
            return Ok(());
        };
        let next = self.next_value(&target.name, &column.name, (seed, increment))?;
        self.shared.lock().identities = vec![(target.name.clone(), next, increment)];
        Ok(())
    }

    /// The value that the next row gets: the counter's, or what follows the rows that are there.
    fn next_value(&self, table: &str, column: &str, (seed, increment): (i64, i64)) -> Result<i64, SqlError> {
        let known = self.store.identities().get(&self.identity_key(table)).copied();
        if let Some(next) = known {
            return Ok(next);
        }
        let end = if increment < 0 { "min" } else { "max" };
        let (column, table) = (Ident::with_quote('"', column), Ident::with_quote('"', table));
        let sql = format!("SELECT {end}({column}) FROM {table}");
        let last: rusqlite::Result<Option<i64>> = self.connection.query_row(&sql, [], |row| row.get(0));
        let last = last.map_err(|failure| self.told(&failure, &Doing::default()))?;
        Ok(last.map_or(seed, |last| last.saturating_add(increment)))
    }

    /// Looks up what IDENT_CURRENT gives for the tables that a statement asks about.
    pub(crate) fn look_up_identities(&self, tables: &mut Tables) -> Result<(), SqlError> {
        for asked in std::mem::take(&mut tables.counters) {
            let Some(name) = name_of(&asked, &self.variables) else { continue };
            let table = place_of_text(&name);
            let columns = table_columns(&self.connection, &table)
                .map_err(|failure| self.told(&failure, &Doing::default()))?;
            let counted = columns.iter().find_map(|column| column.identity.map(|counts| (column, counts)));
            let current = match counted {
                Some((column, (seed, increment))) => {
                    let next = self.next_value(&table, &column.name, (seed, increment))?;
                    Some(if next == seed { seed } else { next.saturating_sub(increment) })
                }
                None => None,
            };
            tables.identities.push((name, current));
        }
        Ok(())
    }

    pub(crate) fn keep_identity(&mut self, target: &Target) -> Result<(), SqlError> {
        let kept = std::mem::take(&mut self.shared.lock().identities);
        let key = self.identity_key(&target.name);
        // With IDENTITY_INSERT the caller's values count: the counter is read anew.
        if self.options.identity_insert.is_some() {
            self.store.identities().remove(&key);
        } else if let Some((_, next, _)) = kept.into_iter().next() {
            self.store.identities().insert(key, next);
        }
        Ok(())
    }

    /// A `#temp` table's counter is its session's own.
    pub(crate) fn identity_key(&self, table: &str) -> String {
        let own = if scope::is_temporary(table) { self.who.spid } else { 0 };
        format!("{own} {}", table.to_lowercase())
    }
}
