//! The end of a session: its server hangs up, or, where connections are used again, its pool takes it back.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::time::timeout;

use super::{Session, wear::Wear};
use crate::connection::{connector::Connection, pool::Pool, stream::Line};

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

impl Session {
    /// Ends the session. One that is whole goes back to its pool where connections are used again; and where not, a far
    /// server, which has nothing to roll back then, is told and not waited for. Of any other one (`whole` is `None`) the server hangs up before this
    /// returns, or after a second is left to notice it by itself.
    pub(super) async fn end(&self, whole: Option<&Pool>) {
        // Handles that escaped into other tasks give up what they are doing; nothing waits for them.
        self.shared.closed.cancel();
        let Some(pool) = whole else { return Box::pin(self.hang_up()).await };
        let (mut connection, wear) = match self.detach() {
            Ok(detached) => detached,
            Err(reason) => {
                tracing::debug!("the connection is closed: {reason}");
                return Box::pin(self.hang_up()).await;
            }
        };
        let clean = wear == Wear::None || pool.reuses() && Box::pin(is_clean(&mut connection)).await;
        if !clean {
            tracing::debug!(
                "the connection is closed: a batch may have left a transaction or an isolation level"
            );
            Box::pin(connection.line.hang_up()).await;
        } else if let Err(connection) = pool.check_in(connection) {
            // Nothing is to be rolled back: that is not worth a round trip over a distance.
            match connection.line.is_near() {
                true => Box::pin(connection.line.hang_up()).await,
                false => pool.leave(connection.line).await,
            }
        }
    }

    async fn hang_up(&self) {
        let line = self.shared.hold.line().clone();
        if let Some(line) = line {
            line.hang_up().await;
        }
    }

    /// Takes the connection out of the session with what it has done, if nothing is under way on it and nothing speaks
    /// against its use by another one; else says why not.
    fn detach(&self) -> Result<(Connection, Wear), &'static str> {
        let shared = &self.shared;
        let wear = shared.wear.so_far();
        if wear == Wear::Worn {
            return Err("there was an error, or something that a reset does not undo");
        }
        // A transaction that escaped into another task holds the turn, an operation of its the link.
        let _turn = self.scope.turn_now().ok_or("a transaction is under way")?;
        let mut link = shared.link.try_lock().map_err(|_| "an operation is under way")?;
        let client = link.take("the session is closed").ok_or("an operation was given up")?;
        let mut held = shared.hold.line();
        let line = held.take_if(|line| line.is_idle()).ok_or("it is broken, or rows were left unread")?;
        Ok((Connection { client, line, took: Default::default(), until: shared.until }, wear))
    }
}

/// Asks the server, a second at most, whether the session is one that a reset makes new: no transaction, the isolation
/// level that it began with, nobody impersonated (a reset would end the connection then: error 18059).
async fn is_clean(Connection { client, line, .. }: &mut Connection) -> bool {
    const LOOK: &str = "SELECT CASE WHEN @@TRANCOUNT = 0 AND SUSER_SNAME() = ORIGINAL_LOGIN() AND \
                        (SELECT transaction_isolation_level FROM sys.dm_exec_sessions WHERE session_id = @@SPID) = 2 \
                        THEN 'clean' ELSE 'worn' END AS sqlscope_session";
    let look = async { client.simple_query(LOOK).await?.into_row().await };
    let Ok(Ok(Some(row))) = timeout(LONGEST_LOOK, look).await else { return false };
    // The column's name tells the answer from rows that the application left unread.
    let answers = row.columns().first().is_some_and(|column| column.name() == "sqlscope_session");
    answers && line.is_idle() && matches!(row.try_get::<&str, _>(0), Ok(Some("clean")))
}
