//! The end of a session: its server hangs up, or, where connections are used again, its pool takes it back.

use std::{
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, Ordering},
    },
    time::Duration,
};

use tokio::time::timeout;

use super::{Client, Session};
use crate::connection::{connector::Connection, pool::Pool, stream::Line};

/// How long the server may take to hang up.
const LONGEST_GOODBYE: Duration = Duration::from_secs(1);
/// How long it may take to say in what state a session is.
const LONGEST_LOOK: Duration = Duration::from_secs(1);

/// The session's hold of its line, which ends when the pool takes the connection back: a handle that escaped into
/// another task can no longer do anything to it then.
pub(super) struct Hold(Mutex<Option<Line>>);

impl Hold {
    pub(super) fn new(line: Line) -> Self {
        Hold(Mutex::new(Some(line)))
    }

    fn line(&self) -> MutexGuard<'_, Option<Line>> {
        // Every change under the lock is one assignment: a poisoned lock still guards a sound state.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does something to the line while it is the session's.
    pub(super) fn with(&self, work: impl FnOnce(&Line)) {
        if let Some(line) = &*self.line() {
            work(line);
        }
    }
}

/// What a session has done that speaks against using its connection again.
pub(super) struct Wear {
    /// Whether anybody wants to know.
    watched: bool,
    worst: AtomicU8,
}

/// A reset undoes it.
const NONE: u8 = 0;
/// Text that may have done anything: the server is asked what it left behind.
const UNKNOWN: u8 = 1;
/// What a reset may not undo, or what blocks others until the reset.
const WORN: u8 = 2;

/// Procedures whose traces are not left to a reset: an application lock would be held until the next invocation, an
/// application role is never taken back, and not every engine forgets session context.
const NOT_RESET: [&str; 3] = ["sp_getapplock", "sp_setapprole", "sp_set_session_context"];

impl Wear {
    pub(super) fn new(watched: bool) -> Self {
        Wear { watched, worst: AtomicU8::new(NONE) }
    }

    /// A statement with parameters is about to run. What it sets ends with it, and it cannot leave a transaction open
    /// without an error.
    pub(super) fn statement(&self, sql: &str) {
        if self.watched
            && (NOT_RESET.into_iter().any(|word| after(sql, word).is_some()) || sets_isolation(sql))
        {
            self.worn();
        }
    }

    /// A batch is about to run.
    pub(super) fn batch(&self, sql: &str) {
        self.unknown();
        self.statement(sql);
    }

    /// Work of the application's own with the driver is about to run.
    pub(super) fn unknown(&self) {
        self.worst.fetch_max(UNKNOWN, Ordering::Relaxed);
    }

    /// The connection is not to be used again.
    pub(super) fn worn(&self) {
        self.worst.fetch_max(WORN, Ordering::Relaxed);
    }
}

/// What stands behind the first place where this word does, in any case.
fn after<'a>(sql: &'a str, word: &str) -> Option<&'a str> {
    let at =
        sql.as_bytes().windows(word.len()).position(|part| part.eq_ignore_ascii_case(word.as_bytes()))?;
    sql.get(at + word.len()..)
}

/// Whether the text may set the isolation level, which a reset keeps (MS-TDS 2.2.3.1.2).
fn sets_isolation(mut sql: &str) -> bool {
    while let Some(rest) = after(sql, "isolation") {
        let next = rest.trim_start();
        // Or a comment before that.
        if next.len() < rest.len() && after(next, "level").is_some_and(|level| level.len() + 5 == next.len())
            || next.starts_with("/*")
            || next.starts_with("--")
        {
            return true;
        }
        sql = rest;
    }
    false
}

impl Session {
    /// Ends the session: gives the connection back to the pool where that may be, else hangs it up.
    pub(super) async fn end(&self, pool: Option<&Pool>) {
        // Handles that escaped into other tasks give up what they are doing; nothing waits for them.
        self.shared.closed.cancel();
        let line = match pool {
            Some(pool) if pool.reuses() => match self.detach().await {
                Ok(connection) => match pool.check_in(connection) {
                    Ok(()) => return,
                    Err(refused) => Some(refused.line),
                },
                Err(reason) => {
                    tracing::debug!("the connection serves no other invocation: {reason}");
                    self.shared.hold.line().clone()
                }
            },
            _ => self.shared.hold.line().clone(),
        };
        let Some(line) = line else { return };
        let goodbye = timeout(LONGEST_GOODBYE, line.hang_up()).await;
        if goodbye.is_err() {
            tracing::warn!("the server did not hang up within {LONGEST_GOODBYE:?}; the socket was cut");
        }
        line.cut();
    }

    /// Takes the connection out of the session, if nothing is under way on it and nothing speaks against its use by
    /// another one; else says why not.
    async fn detach(&self) -> Result<Connection, &'static str> {
        let shared = &self.shared;
        let wear = shared.wear.worst.load(Ordering::Relaxed);
        if wear == WORN {
            return Err("an error, or what a reset does not undo");
        }
        // A transaction that escaped into another task holds the turn, an operation of its the link.
        let _turn = self.scope.turn_now().ok_or("a transaction is under way")?;
        let quiet = shared.hold.line().as_ref().is_some_and(Line::is_idle);
        if !quiet {
            return Err("an answer was not read to its end, or the connection is gone");
        }
        let mut link = shared.link.try_lock().map_err(|_| "an operation is under way")?;
        let mut client = link.take("the session is closed").ok_or("an operation was given up")?;
        drop(link);
        if wear == UNKNOWN && !matches!(timeout(LONGEST_LOOK, is_clean(&mut client)).await, Ok(Ok(true))) {
            return Err("an open transaction, an isolation level or another user was left behind");
        }
        let line = shared.hold.line().take().ok_or("the connection is gone")?;
        Ok(Connection { client, line, took: Default::default(), until: shared.until })
    }
}

/// Asks the server whether the session is one that a reset makes new: no transaction, the isolation level that it
/// began with, nobody impersonated (a reset would end the connection then: error 18059).
async fn is_clean(client: &mut Client) -> Result<bool, tiberius::error::Error> {
    const LOOK: &str = "SELECT CASE WHEN @@TRANCOUNT = 0 AND SUSER_SNAME() = ORIGINAL_LOGIN() AND \
                        (SELECT transaction_isolation_level FROM sys.dm_exec_sessions WHERE session_id = @@SPID) = 2 \
                        THEN 'clean' ELSE 'worn' END AS sqlscope_session";
    let row = client.simple_query(LOOK).await?.into_row().await?;
    // The column's name tells the answer from rows that the application left unread.
    let clean =
        row.filter(|row| row.columns().first().is_some_and(|column| column.name() == "sqlscope_session"));
    Ok(clean.is_some_and(|row| matches!(row.try_get::<&str, _>(0), Ok(Some("clean")))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_worn_by(sql: &str) -> bool {
        let wear = Wear::new(true);
        wear.statement(sql);
        wear.worst.load(Ordering::Relaxed) == WORN
    }

    #[test]
    fn text_wears_a_connection_if_it_may_do_what_a_reset_does_not_undo() {
        for worn in [
            "set transaction isolation level serializable",
            "SET TRANSACTION ISOLATION\n\tLEVEL SNAPSHOT",
            "SELECT isolation FROM ward; SET TRANSACTION ISOLATION LEVEL SNAPSHOT",
            "SET TRANSACTION ISOLATION/**/LEVEL SNAPSHOT",
            "SET TRANSACTION ISOLATION --x\nLEVEL SNAPSHOT",
            "EXEC SP_GetAppLock @Resource = 'it'",
            "EXEC sys.[sp_set_session_context] 'a', 'b'",
            "EXEC sp_setapprole 'a', 'b'",
        ] {
            assert!(is_worn_by(worn), "{worn}");
        }
        for not in [
            "SELECT isolation, level FROM ward",
            "SELECT isolation_level FROM ward",
            "SELECT isolation",
            "SELECT isolation FROM ward WHERE level = 1",
            "SELECT SESSION_CONTEXT(N'a')",
            "Ünïcödé isolatioñ",
        ] {
            assert!(!is_worn_by(not), "{not}");
        }
    }
}
