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

/// The reset keeps the isolation level and does not take an application role back; an application lock would be held
/// until the next invocation.
const NOT_RESET: [&str; 3] = ["isolation", "approle", "applock"];

impl Wear {
    pub(super) fn new(watched: bool) -> Self {
        Wear { watched, worst: AtomicU8::new(NONE) }
    }

    /// A statement with parameters is about to run. What it sets ends with it, and it cannot leave a transaction open
    /// without an error.
    pub(super) fn statement(&self, sql: &str) {
        let mentions = |word: &str| {
            sql.as_bytes().windows(word.len()).any(|part| part.eq_ignore_ascii_case(word.as_bytes()))
        };
        if self.watched && NOT_RESET.into_iter().any(mentions) {
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

impl Session {
    /// Ends the session: gives the connection back to the pool where that may be, else hangs it up.
    pub(super) async fn end(&self, pool: Option<&Pool>) {
        // Handles that escaped into other tasks give up what they are doing; nothing waits for them.
        self.shared.closed.cancel();
        let line = match pool {
            Some(pool) if pool.reuses() => {
                match self.detach().await.map(|connection| pool.check_in(connection)) {
                    Some(Ok(())) => return,
                    Some(Err(refused)) => Some(refused.line),
                    None => self.shared.hold.line().clone(),
                }
            }
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
    /// another one.
    async fn detach(&self) -> Option<Connection> {
        let shared = &self.shared;
        let wear = shared.wear.worst.load(Ordering::Relaxed);
        if wear == WORN {
            return None;
        }
        // A transaction that escaped into another task holds the turn, an operation of its the link.
        let _turn = self.scope.turn_now()?;
        // Rows that were left unread are on their way.
        if !shared.hold.line().as_ref()?.is_idle() {
            return None;
        }
        let mut client = shared.link.try_lock().ok()?.take("the session is closed")?;
        if wear == UNKNOWN && !matches!(timeout(LONGEST_LOOK, is_clean(&mut client)).await, Ok(Ok(true))) {
            return None;
        }
        let line = shared.hold.line().take()?;
        Some(Connection { client: *client, line, took: Default::default(), until: shared.until })
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
