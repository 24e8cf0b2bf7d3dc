//! One session of the engine: what it holds between requests, and what a reset leaves of it.

mod answer;
mod applocks;
pub(crate) mod database;
pub(crate) mod interrupt;
pub(crate) mod live;
mod locks;
mod options;
mod session_context;
mod settings;
pub(crate) mod standing;
mod transaction;

use std::{collections::HashMap, sync::Arc};

use rusqlite::types::Value;

use crate::sql::{
    engine::{
        Counter, Store,
        dml::bulk::Bulk,
        failures::{Doing, told},
        functions::Shared,
        translate::scope::{Variable, Variables},
    },
    errors::{SqlError, error},
    types::moment_text::{DateOrder, set_date_order},
    wire::tokens::Tokens,
};
use database::Lent;
use interrupt::Interrupt;
use locks::Owner;
use session_context::Kept;
use settings::Options;
use standing::Standing;
use transaction::Transaction;

/// Who a session is.
#[derive(Debug, Clone, Default)]
pub(crate) struct Who {
    pub(crate) spid: u16,
    pub(crate) login: String,
    pub(crate) application: String,
    pub(crate) host: String,
    pub(crate) database: String,
    pub(crate) server: String,
}

/// A statement that was prepared: its text, and the names of its parameters in their order.
#[derive(Debug, Clone)]
pub(crate) struct Prepared {
    pub(crate) text: String,
    pub(crate) parameters: Vec<String>,
}

pub(crate) struct Session {
    pub(crate) connection: Lent,
    pub(crate) store: Arc<Store>,
    pub(crate) who: Who,
    pub(crate) counter: Counter,
    pub(crate) interrupt: Arc<Interrupt>,
    pub(crate) shared: Shared,
    pub(crate) tokens: Tokens,
    pub(crate) transaction: Transaction,
    pub(crate) next_descriptor: u64,
    pub(crate) options: Options,
    pub(crate) variables: Variables,
    pub(crate) row_count: i64,
    pub(crate) last_error: u32,
    pub(crate) caught: Option<SqlError>,
    /// How many TRY blocks are around the statement under way.
    pub(crate) in_try: u32,
    /// How many procedures are around it.
    pub(crate) depth: u32,
    /// The procedure that was called, for errors to name.
    pub(crate) procedure: String,
    /// A statement of the request has failed.
    pub(crate) failed: bool,
    /// The procedure under way has reset the session: its caller's options are gone as well.
    pub(crate) was_reset: bool,
    pub(crate) session_values: Vec<Kept>,
    pub(crate) context_info: Option<Vec<u8>>,
    pub(crate) prepared: HashMap<i64, Prepared>,
    /// The bulk load whose rows come next.
    pub(crate) bulk: Option<Bulk>,
    pub(crate) next_handle: i64,
    /// `#temp` tables, with the depth at which they were made: they go when that procedure returns.
    pub(crate) temporary: Vec<(String, u32)>,
}

impl Session {
    pub(crate) fn open(
        store: Arc<Store>,
        who: Who,
        counter: Counter,
        interrupt: Arc<Interrupt>,
    ) -> rusqlite::Result<Self> {
        let connection = Lent::from(&store)?;
        let shared = connection.shared();
        shared.lock().database.clone_from(&who.database);
        shared.lock().spid = who.spid;
        store.live.enter(&who);
        interrupt.reaches(connection.get_interrupt_handle());
        Ok(Session {
            connection,
            store,
            counter,
            interrupt,
            shared,
            tokens: Tokens::new(&who.server),
            who,
            transaction: Transaction::default(),
            next_descriptor: 0,
            options: Options::default(),
            variables: Variables::new(),
            row_count: 0,
            last_error: 0,
            caught: None,
            in_try: 0,
            depth: 0,
            procedure: String::new(),
            failed: false,
            was_reset: false,
            session_values: Vec::new(),
            context_info: None,
            prepared: HashMap::new(),
            bulk: None,
            next_handle: 0,
            temporary: Vec::new(),
        })
    }

    /// Ends the session; says whether a transaction was open.
    pub(crate) fn close(&mut self) -> bool {
        let open = self.transaction.count > 0;
        self.rollback_all();
        self.store.locks.release_all(self.who.spid, Owner::Session);
        self.store.locks.release_all(self.who.spid, Owner::Transaction);
        self.store.live.leave(self.who.spid);
        // Before somebody else has it: whoever ends this session raises the interrupt once more.
        self.interrupt.lets_go();
        open
    }

    /// What a session starts with: no temp tables, options or values of whoever had it before.
    pub(crate) fn reset(&mut self, keep_transaction: bool) {
        if !keep_transaction {
            self.rollback_all();
        }
        self.drop_temporary(0);
        self.store.locks.release_all(self.who.spid, Owner::Session);
        self.was_reset = true;
        self.options = Options::default();
        set_date_order(DateOrder::default());
        self.session_values.clear();
        self.context_info = None;
        self.prepared.clear();
        self.bulk = None;
        self.row_count = 0;
        self.last_error = 0;
        self.caught = None;
        self.shared.lock().last_identity = None;
    }

    pub(crate) fn drop_temporary(&mut self, depth: u32) {
        self.drop_where(|_, made_at| made_at >= depth);
    }

    /// A batch's table variables end with it.
    pub(crate) fn drop_table_variables(&mut self) {
        self.drop_where(|name, _| name.starts_with('@'));
    }

    /// A rollback brings back the table variables of batches that ended inside of its transaction.
    pub(crate) fn drop_ended_variables(&mut self) {
        let find = || -> rusqlite::Result<Vec<String>> {
            let sql = "SELECT name FROM sqlite_temp_schema WHERE type = 'table' AND name LIKE '@%'";
            self.connection.prepare_cached(sql)?.query_map([], |row| row.get(0))?.collect()
        };
        // Where they cannot be found, the next one of that name is told that it is there.
        let ended = find().unwrap_or_default();
        for name in ended.iter().filter(|name| !self.temporary.iter().any(|(known, _)| known == *name)) {
            let _ =
                self.connection.execute_batch(&format!("DROP TABLE temp.\"{}\"", name.replace('"', "\"\"")));
        }
    }

    fn drop_where(&mut self, goes: impl Fn(&str, u32) -> bool) {
        let connection = &self.connection;
        self.temporary.retain(|(name, made_at)| {
            let gone = goes(name, *made_at);
            if gone {
                // It may have gone already, with a transaction that was rolled back.
                let _ = connection
                    .execute_batch(&format!("DROP TABLE IF EXISTS temp.\"{}\"", name.replace('"', "\"\"")));
            }
            !gone
        });
    }

    /// Runs SQLite's own SQL.
    pub(crate) fn execute_plain(&mut self, sql: &str) -> Result<(), SqlError> {
        let outcome = self.connection.execute_batch(sql);
        outcome.map_err(|failure| self.told(&failure, &Doing::default()))
    }

    pub(crate) fn told(&self, failure: &rusqlite::Error, doing: &Doing) -> SqlError {
        let raised = self.shared.lock().raised.take();
        raised.unwrap_or_else(|| {
            let doing = Doing { database: self.who.database.clone(), spid: self.who.spid, ..doing.clone() };
            told(failure, &doing, &self.connection)
        })
    }

    pub(crate) fn cancelled(&self) -> SqlError {
        error(answer::CANCELLED, "The statement was cancelled by the client.")
    }

    pub(crate) fn set_variable(&mut self, name: &str, value: Value) {
        if let Some(Variable { value: kept, .. }) = self.variables.get_mut(name) {
            *kept = value;
        }
    }

    /// Tells the other sessions how this one stands.
    pub(crate) fn note(&self, runs: bool) {
        self.store.live.note(self.who.spid, |entry| {
            entry.isolation = self.options.isolation as i64;
            entry.transactions = self.transaction.count;
            entry.runs = runs;
        });
    }

    pub(crate) fn standing(&self) -> Standing {
        self.note(true);
        self.shared.lock().first_day = self.options.first_day();
        Standing {
            spid: self.who.spid,
            transactions: self.transaction.count,
            transaction_state: match (self.transaction.count, self.transaction.doomed) {
                (0, _) => 0,
                (_, true) => -1,
                _ => 1,
            },
            row_count: self.row_count,
            last_error: self.last_error,
            options: self.options.bits(),
            first_day: self.options.first_day(),
            lock_timeout: self.options.lock_timeout.map(|time| time.as_millis()),
            identity: self.shared.lock().last_identity,
            server: self.who.server.clone(),
            database: self.who.database.clone(),
            login: self.who.login.clone(),
            application: self.who.application.clone(),
            host: self.who.host.clone(),
            caught: self.caught.clone(),
            session_values: self.session_values.clone(),
            context_info: self.context_info.clone(),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // Also when its thread panics: nobody else may wait for a lock of a session that is gone.
        self.close();
    }
}
