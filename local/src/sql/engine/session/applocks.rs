//! Application locks: sp_getapplock and sp_releaseapplock.

use std::time::Duration;

use rusqlite::types::Value;

use super::{
    Session,
    locks::{Mode, Owner, Refused},
};
use crate::sql::{
    engine::{
        script::procedures::{argument, missing},
        translate::scope::Variable,
    },
    errors::{SqlError, error},
    types::convert,
};

impl Session {
    /// The procedure's status: 0 granted, 1 granted after a wait, -1 timed out, -3 deadlock.
    pub(crate) fn get_application_lock(&mut self, given: &[(String, Variable)]) -> Result<i32, SqlError> {
        const NAME: &str = "sp_getapplock";
        let text = |found: Variable| convert::text(found.value);
        let resource = argument(given, "@resource", 0).map(text).ok_or_else(|| missing(NAME))?;
        let mode = argument(given, "@lockmode", 1).map(text).ok_or_else(|| missing(NAME))?;
        let mode = match mode.to_lowercase().as_str() {
            "shared" | "intentshared" => Mode::Shared,
            "exclusive" | "update" | "intentexclusive" => Mode::Exclusive,
            other => {
                return Err(error(
                    15_600,
                    format!("An invalid parameter or option '{other}' was specified for procedure '{NAME}'."),
                ));
            }
        };
        let owner = self.lock_owner(argument(given, "@lockowner", 2))?;
        let patience = match argument(given, "@locktimeout", 3).and_then(|found| convert::float(&found.value))
        {
            Some(milliseconds) if milliseconds >= 0.0 => Some(Duration::from_millis(milliseconds as u64)),
            Some(_) => None,
            None => self.options.lock_timeout,
        };
        let name = lock_name(&resource);
        let outcome = self.store.locks.acquire(&name, self.who.spid, mode, owner, patience, &self.interrupt);
        match outcome {
            Ok(waited) => Ok(i32::from(waited)),
            Err(Refused::TimedOut) => Ok(-1),
            Err(Refused::Interrupted) => Err(self.cancelled()),
            Err(Refused::Deadlock) => Ok(-3),
        }
    }

    pub(crate) fn release_application_lock(&mut self, given: &[(String, Variable)]) -> Result<i32, SqlError> {
        let resource = argument(given, "@resource", 0).ok_or_else(|| missing("sp_releaseapplock"))?;
        let resource = convert::text(resource.value);
        let owner = self.lock_owner(argument(given, "@lockowner", 1))?;
        if self.store.locks.release(&lock_name(&resource), self.who.spid, owner) {
            return Ok(0);
        }
        let message = format!(
            "Cannot release the application lock (Database Principal: 'public', Resource: '{resource}') because it is not \
             currently held."
        );
        Err(error(1223, message))
    }

    fn lock_owner(&self, given: Option<Variable>) -> Result<Owner, SqlError> {
        let owner = given.filter(|found| found.value != Value::Null);
        let owner = owner.map_or_else(|| "transaction".into(), |found| convert::text(found.value));
        if owner.eq_ignore_ascii_case("session") {
            return Ok(Owner::Session);
        }
        if self.transaction.count == 0 {
            let message =
                "You attempted to acquire a transactional application lock without an active transaction.";
            return Err(error(1222, message));
        }
        Ok(Owner::Transaction)
    }
}

/// Apart from the lock of writers.
fn lock_name(resource: &str) -> String {
    format!("application {resource}")
}
