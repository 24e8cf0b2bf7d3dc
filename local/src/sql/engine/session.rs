//! One session of the engine: what it holds between requests, and how it answers one.

use std::{collections::HashMap, sync::Arc, time::Duration};

use rusqlite::types::Value;

use super::{
    Counter, Store,
    bulk::Bulk,
    database::Lent,
    failures::{Doing, told},
    functions::Shared,
    interrupt::Interrupt,
    locks::Owner,
    scope::{Variable, Variables},
    session_context::Kept,
    standing::Standing,
    transaction::Transaction,
};
use crate::sql::{
    errors::{SqlError, error},
    packet::Reset,
    request::{Call, Request},
    tokens::{Done, Tokens},
};

/// The error of a statement that its client cancelled, who knows.
const CANCELLED: u32 = 3617;

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

/// The isolation levels, with the numbers that `sys.dm_exec_sessions` has for them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) enum Isolation {
    ReadUncommitted = 1,
    #[default]
    ReadCommitted = 2,
    RepeatableRead = 3,
    Serializable = 4,
    Snapshot = 5,
}

impl Isolation {
    /// Whether nobody may change what a transaction has read: here, by its being the one writer from then on.
    pub(crate) fn locks_reads(self) -> bool {
        matches!(self, Isolation::RepeatableRead | Isolation::Serializable)
    }
}

/// What SET switches.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    pub(crate) no_count: bool,
    pub(crate) xact_abort: bool,
    /// Results have their columns and no rows.
    pub(crate) format_only: bool,
    pub(crate) isolation: Isolation,
    /// `None` waits as long as the endpoint lets anybody wait.
    pub(crate) lock_timeout: Option<Duration>,
    pub(crate) identity_insert: Option<String>,
}

impl Options {
    /// `@@OPTIONS`: the ANSI options, which are always on, and those that can be switched.
    fn bits(&self) -> i64 {
        const ANSI: i64 = 8 | 16 | 32 | 64 | 256 | 1024 | 4096;
        let switched = [(self.no_count, 512), (self.xact_abort, 16_384)];
        switched.into_iter().filter(|(on, _)| *on).fold(ANSI, |bits, (_, bit)| bits | bit)
    }
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

    /// The whole answer to a request.
    pub(crate) fn answer(&mut self, request: Request, reset: Option<Reset>) -> Vec<u8> {
        self.tokens = Tokens::new(&self.who.server);
        if let Some(reset) = reset {
            self.reset(reset == Reset::KeepTransaction);
            self.tokens.was_reset();
        }
        match request {
            Request::Batch(text) => {
                self.variables = Variables::new();
                self.in_try = 0;
                if self.run_text(&text).is_err() {
                    self.done(Done::Statement, None, true);
                }
                self.drop_table_variables();
            }
            Request::Calls(calls) => {
                for call in calls {
                    self.called(call);
                }
            }
            Request::Transaction(request) => {
                let outcome = self.request_transaction(request);
                let failed = outcome.is_err();
                if let Err(mut found) = outcome {
                    self.report(&mut found);
                }
                self.done(Done::Statement, None, failed);
            }
            Request::Bulk(rows) => {
                if let Err(mut found) = self.load(&rows) {
                    self.settle(&found);
                    self.report(&mut found);
                    self.done(Done::Statement, None, true);
                }
            }
        }
        if self.interrupt.is_raised() {
            self.tokens.attention_done();
        }
        std::mem::take(&mut self.tokens).finish()
    }

    /// Ends the session; says whether a transaction was open.
    pub(crate) fn close(&mut self) -> bool {
        let open = self.transaction.count > 0;
        self.rollback_all();
        self.store.locks.release_all(self.who.spid, Owner::Session);
        self.store.locks.release_all(self.who.spid, Owner::Transaction);
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
    fn drop_table_variables(&mut self) {
        self.drop_where(|name, _| name.starts_with('@'));
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

    /// Parses and runs a batch; an error has then been reported.
    pub(crate) fn run_text(&mut self, text: &str) -> Result<(), SqlError> {
        match self.store.parsed.steps(text) {
            Ok(steps) => self.steps(&steps).map(drop),
            Err(mut found) => {
                if self.in_try == 0 {
                    self.report(&mut found);
                }
                Err(found)
            }
        }
    }

    fn called(&mut self, call: Call) {
        self.variables = Variables::new();
        (self.in_try, self.failed, self.was_reset) = (0, false, false);
        self.procedure.clone_from(&call.procedure);
        let options = self.options.clone();
        self.depth += 1;
        let before = self.transaction.count;
        let outcome = self.call(call);
        self.depth -= 1;
        // What a procedure SETs and its temp tables last as long as its call; the isolation level does not.
        if !std::mem::take(&mut self.was_reset) {
            self.options = Options { identity_insert: self.options.identity_insert.take(), ..options };
        }
        self.drop_temporary(self.depth + 1);
        match outcome {
            Ok((status, outputs)) => {
                if before != self.transaction.count {
                    let message = format!(
                        "Transaction count after EXECUTE indicates a mismatching number of BEGIN and COMMIT \
                         statements. Previous count = {before}, current count = {}.",
                        self.transaction.count
                    );
                    self.report(&mut SqlError { state: 2, ..error(266, message) });
                    self.failed = true;
                }
                self.tokens.return_status(status);
                for (ordinal, output, variable) in &outputs {
                    self.tokens.return_value(*ordinal, output, variable.sql_type, &variable.value);
                }
            }
            Err(mut found) => {
                if !found.reported {
                    self.settle(&found);
                    self.report(&mut found);
                }
                self.failed = true;
            }
        }
        self.procedure.clear();
        self.done(Done::Procedure, None, self.failed);
    }

    pub(crate) fn done(&mut self, done: Done, count: Option<u64>, failed: bool) {
        let in_transaction = self.transaction.count > 0;
        self.tokens.done(done, count, failed, in_transaction);
    }

    /// Ends a statement, as a batch's or a procedure's.
    pub(crate) fn statement_done(&mut self, count: Option<u64>) {
        let done = if self.depth > 0 { Done::InProcedure } else { Done::Statement };
        self.done(done, count.filter(|_| !self.options.no_count), false);
    }

    /// Tells the client of an error.
    pub(crate) fn report(&mut self, found: &mut SqlError) {
        self.last_error = found.number;
        found.line = found.line.max(1);
        if found.number != CANCELLED {
            self.tokens.report(found, &self.procedure);
        }
        found.reported = true;
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
        error(CANCELLED, "The statement was cancelled by the client.")
    }

    pub(crate) fn set_variable(&mut self, name: &str, value: Value) {
        if let Some(Variable { value: kept, .. }) = self.variables.get_mut(name) {
            *kept = value;
        }
    }

    pub(crate) fn standing(&self) -> Standing {
        self.shared.lock().isolation = self.options.isolation as i64;
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
