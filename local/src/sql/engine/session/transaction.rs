//! Transactions: `@@TRANCOUNT`, savepoints, and when SQLite's own transaction begins.
//!
//! Under READ COMMITTED (Azure SQL's default reads the last committed rows) SQLite's transaction begins at the first
//! write, as the one writer; before that each statement reads what is committed. So transactions that only read
//! wait for nobody, and none has to become a writer half way, which SQLite can refuse. Under SNAPSHOT it begins at the
//! first read, and one that writes after somebody else has written since then is refused: 1205.

use std::time::Duration;

use super::{
    Session,
    locks::{Mode, Owner, Refused},
    settings::Isolation,
};
use crate::sql::{
    errors::{SqlError, deadlock, error, lock_timeout},
    wire::request::TransactionRequest,
};

const WRITER: &str = "\u{0}writer";
/// Longer than any client's command timeout: who waits longer would wait for ever.
const PATIENCE: Duration = Duration::from_secs(60);

/// A session's transaction.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    pub(crate) count: u32,
    pub(crate) descriptor: u64,
    /// SQLite's transaction has begun, as the writer.
    pub(crate) engaged: bool,
    /// It has begun for reading, which keeps what it reads as it is (SNAPSHOT).
    snapshot: bool,
    /// It can only be rolled back (`XACT_STATE() = -1`).
    pub(crate) doomed: bool,
    /// A table was made or dropped in it.
    pub(crate) changed_tables: bool,
    savepoints: Vec<String>,
}

impl Session {
    pub(crate) fn request_transaction(&mut self, request: TransactionRequest) -> Result<(), SqlError> {
        let mut next = None;
        match request {
            TransactionRequest::Begin { isolation } => {
                self.isolate(isolation);
                self.begin();
            }
            TransactionRequest::Commit { begin_next } => {
                self.commit()?;
                next = begin_next;
            }
            TransactionRequest::Rollback { savepoint, begin_next } => {
                self.rollback(Some(savepoint).filter(|name| !name.is_empty()).as_deref())?;
                next = begin_next;
            }
            TransactionRequest::Save { savepoint } => self.save(&savepoint)?,
        }
        if let Some(isolation) = next {
            self.isolate(isolation);
            self.begin();
        }
        Ok(())
    }

    fn isolate(&mut self, isolation: u8) {
        if isolation != 0 {
            self.options.isolation = match isolation {
                1 => Isolation::ReadUncommitted,
                3 => Isolation::RepeatableRead,
                4 => Isolation::Serializable,
                5 => Isolation::Snapshot,
                _ => Isolation::ReadCommitted,
            };
        }
    }

    pub(crate) fn begin(&mut self) {
        self.transaction.count += 1;
        if self.transaction.count == 1 {
            self.next_descriptor += 1;
            // Told apart from other sessions' by the session's number.
            self.transaction.descriptor = u64::from(self.who.spid) << 32 | self.next_descriptor;
            self.tokens.began(self.transaction.descriptor);
        }
    }

    pub(crate) fn commit(&mut self) -> Result<(), SqlError> {
        match self.transaction.count {
            0 => {
                let message = "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION.";
                return Err(error(3902, message));
            }
            _ if self.transaction.doomed => {
                let message = "The current transaction cannot be committed and cannot support operations that write \
                               to the log file. Roll back the transaction.";
                return Err(error(3930, message));
            }
            1 => {
                if !self.connection.is_autocommit() {
                    self.execute_plain("COMMIT")?;
                }
                self.end_transaction(true);
            }
            _ => self.transaction.count -= 1,
        }
        Ok(())
    }

    /// To the savepoint of that name, or the whole transaction.
    pub(crate) fn rollback(&mut self, savepoint: Option<&str>) -> Result<(), SqlError> {
        if self.transaction.count == 0 {
            let message = "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION.";
            return Err(error(3903, message));
        }
        let known = savepoint.and_then(|name| {
            self.transaction.savepoints.iter().rposition(|known| known.eq_ignore_ascii_case(name))
        });
        match (savepoint, known) {
            (_, Some(at)) if !self.transaction.doomed => {
                self.execute_plain(&format!("ROLLBACK TO \"s{at}\""))?;
                self.transaction.savepoints.truncate(at + 1);
                self.forget_identities();
            }
            (Some(name), _) => {
                let message =
                    format!("Cannot roll back {name}. No transaction or savepoint of that name was found.");
                return Err(error(6401, message));
            }
            _ => self.rollback_all(),
        }
        Ok(())
    }

    /// Rolls everything back; cannot fail in a way that leaves a transaction open.
    pub(crate) fn rollback_all(&mut self) {
        if !self.connection.is_autocommit() {
            // SQLite's ROLLBACK fails only where nothing is open.
            let _ = self.connection.execute_batch("ROLLBACK");
            self.drop_ended_variables();
        }
        if self.transaction.count > 0 {
            self.end_transaction(false);
        }
    }

    pub(crate) fn save(&mut self, name: &str) -> Result<(), SqlError> {
        if self.transaction.count == 0 {
            let message = "Cannot issue SAVE TRANSACTION when there is no active transaction.";
            return Err(error(628, message));
        }
        self.engage()?;
        let at = self.transaction.savepoints.len();
        self.execute_plain(&format!("SAVEPOINT \"s{at}\""))?;
        self.transaction.savepoints.push(name.to_owned());
        Ok(())
    }

    /// Becomes the writer, inside of a transaction.
    pub(crate) fn engage(&mut self) -> Result<(), SqlError> {
        if self.transaction.engaged {
            return Ok(());
        }
        self.lock_writer()?;
        // A snapshot that was overtaken meanwhile is refused at its first write.
        if !self.transaction.snapshot {
            self.execute_plain("BEGIN IMMEDIATE").inspect_err(|_| self.unlock_writer())?;
        }
        self.transaction.engaged = true;
        Ok(())
    }

    /// Before a transaction reads: isolation and hints can make it the writer, or keep what it reads as it is.
    pub(crate) fn before_read(&mut self, locks: bool) -> Result<(), SqlError> {
        if self.transaction.count == 0 || self.transaction.engaged {
            return Ok(());
        }
        if locks || self.options.isolation.locks_reads() {
            self.engage()?;
        } else if self.options.isolation == Isolation::Snapshot && !self.transaction.snapshot {
            self.execute_plain("BEGIN")?;
            self.transaction.snapshot = true;
        }
        Ok(())
    }

    /// Runs a write: inside the open transaction, or in one of its own.
    pub(crate) fn writing<T>(
        &mut self,
        body: impl FnOnce(&mut Self) -> Result<T, SqlError>,
    ) -> Result<T, SqlError> {
        if self.transaction.doomed {
            let message = "The current transaction cannot be committed and cannot support operations that write to \
                           the log file. Roll back the transaction.";
            return Err(error(3930, message));
        }
        if self.transaction.count > 0 {
            self.engage()?;
            self.execute_plain("SAVEPOINT \"statement\"")?;
            let outcome = body(self);
            if !self.connection.is_autocommit() {
                let end = match outcome {
                    Ok(_) => "RELEASE \"statement\"",
                    Err(_) => "ROLLBACK TO \"statement\"; RELEASE \"statement\"",
                };
                self.execute_plain(end)?;
            }
            return outcome;
        }
        self.engage()?;
        let outcome = body(self).and_then(|made| self.execute_plain("COMMIT").map(|()| made));
        if !self.connection.is_autocommit() {
            let _ = self.connection.execute_batch("ROLLBACK");
        }
        self.transaction.engaged = false;
        // What one of these has made is none of the next transaction's.
        self.transaction.changed_tables = false;
        self.unlock_writer();
        outcome
    }

    fn lock_writer(&mut self) -> Result<(), SqlError> {
        let patience = self.options.lock_timeout.unwrap_or(PATIENCE);
        let spid = self.who.spid;
        let outcome = self.store.locks.acquire(
            WRITER,
            spid,
            Mode::Exclusive,
            Owner::Transaction,
            Some(patience),
            &self.interrupt,
        );
        outcome.map(drop).map_err(|refused| match refused {
            Refused::Interrupted => self.cancelled(),
            Refused::TimedOut if self.options.lock_timeout.is_some() => lock_timeout(),
            Refused::TimedOut | Refused::Deadlock => deadlock(spid),
        })
    }

    fn unlock_writer(&mut self) {
        self.store.locks.release(WRITER, self.who.spid, Owner::Transaction);
    }

    fn end_transaction(&mut self, committed: bool) {
        let descriptor = self.transaction.descriptor;
        if !committed {
            self.forget_identities();
        }
        self.transaction = Transaction::default();
        self.store.locks.release_all(self.who.spid, Owner::Transaction);
        self.tokens.ended(committed, descriptor);
        self.counter.transaction_ended(committed);
    }

    /// Identity values are not given back, as in SQL Server; but a table that was made or dropped is again as it was.
    fn forget_identities(&mut self) {
        if self.transaction.changed_tables {
            self.store.identities().clear();
        }
    }

    /// After an error: SQLite ends some transactions by itself, and XACT_ABORT ends them all.
    pub(crate) fn settle(&mut self, found: &SqlError) {
        let begun = self.transaction.engaged || self.transaction.snapshot;
        let lost = begun && self.connection.is_autocommit();
        let aborts = self.options.xact_abort && found.class > 10 && self.transaction.count > 0;
        if lost || aborts || found.number == 1205 && self.transaction.count > 0 {
            if self.in_try > 0 && !lost {
                self.transaction.doomed = true;
            } else {
                self.rollback_all();
            }
        }
    }
}
