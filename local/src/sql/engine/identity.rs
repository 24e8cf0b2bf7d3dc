//! Identity columns: where their values come from.

use sqlparser::ast::{Expr, Ident};

use super::{
    dml::Target,
    failures::Doing,
    nodes::{call, text},
    session::Session,
};
use crate::sql::errors::SqlError;

/// The call that gives an identity column its next value.
pub(crate) fn next_identity(table: &str) -> Expr {
    call("__identity", vec![text(table)])
}

impl Session {
    pub(super) fn prepare_identity(&mut self, target: &Target) -> Result<(), SqlError> {
        let Some((column, (seed, increment))) =
            target.columns.iter().find_map(|column| column.identity.map(|identity| (column, identity)))
        else {
            return Ok(());
        };
        let key = self.identity_key(&target.name);
        let known = self.store.identities().get(&key).copied();
        let next = match known {
            Some(next) => next,
            None => {
                let end = if increment < 0 { "min" } else { "max" };
                let (column, table) =
                    (Ident::with_quote('"', &column.name), Ident::with_quote('"', &target.name));
                let sql = format!("SELECT {end}({column}) FROM {table}");
                let last: Option<i64> = self
                    .connection
                    .query_row(&sql, [], |row| row.get(0))
                    .map_err(|failure| self.told(&failure, &Doing::default()))?;
                last.map_or(seed, |last| last + increment)
            }
        };
        self.shared.lock().identities = vec![(target.name.clone(), next, increment)];
        Ok(())
    }

    pub(super) fn keep_identity(&mut self, target: &Target) -> Result<(), SqlError> {
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
        let own = if super::scope::is_temporary(table) { self.who.spid } else { 0 };
        format!("{own} {}", table.to_lowercase())
    }
}
