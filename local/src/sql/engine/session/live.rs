//! The sessions that are open, as `sys.dm_exec_sessions` shows them to each.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde_json::{Value, json};

use super::Who;
use crate::sql::types::moment::Moment;

/// What is told of an open session.
#[derive(Debug, Default)]
pub(crate) struct Entry {
    who: Who,
    login_time: String,
    /// The number of its isolation level.
    pub(crate) isolation: i64,
    pub(crate) transactions: u32,
    /// Whether it has a request to answer.
    pub(crate) runs: bool,
}

/// By `@@SPID`.
#[derive(Debug, Default)]
pub(crate) struct Live(Mutex<BTreeMap<u16, Entry>>);

impl Live {
    fn entries(&self) -> MutexGuard<'_, BTreeMap<u16, Entry>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn enter(&self, who: &Who) {
        let login_time = Moment { offset: None, ..Moment::now() }.kept();
        self.entries().insert(who.spid, Entry { who: who.clone(), login_time, ..Entry::default() });
    }

    pub(crate) fn leave(&self, spid: u16) {
        self.entries().remove(&spid);
    }

    /// Writes down how a session stands.
    pub(crate) fn note(&self, spid: u16, change: impl FnOnce(&mut Entry)) {
        if let Some(entry) = self.entries().get_mut(&spid) {
            change(entry);
        }
    }

    /// All of them, as an array of objects.
    pub(crate) fn shown(&self) -> Value {
        let one = |(spid, entry): (&u16, &Entry)| {
            json!({
                "session_id": spid,
                "login_time": entry.login_time,
                "host_name": entry.who.host,
                "program_name": entry.who.application,
                "login_name": entry.who.login,
                "status": if entry.runs { "running" } else { "sleeping" },
                "open_transaction_count": entry.transactions,
                "transaction_isolation_level": entry.isolation,
            })
        };
        self.entries().iter().map(one).collect()
    }
}
