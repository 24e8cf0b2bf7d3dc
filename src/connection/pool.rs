//! Connections for invocations: one that is ready where there is one, else one that is opened now.
//!
//! What is ready was opened ahead and never used (a spare), or, where `SQLSCOPE_SESSIONS=reuse` says so, has served
//! another invocation and is reset by the server before it serves the next.

use std::{fmt, sync::Arc, time::Duration};

use tokio::{sync::Notify, task::JoinSet, time::Instant};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    connector::{Connection, Connector, OpenTimes},
    idle::Idle,
    settings::SessionMode,
    spares::Demand,
    stream::Line,
};
use crate::Result;

/// A connection that served an invocation is kept for the next one no longer than this.
const LONGEST_IDLE: Duration = Duration::from_secs(60);
/// With no place left under the limit for a spare connection, this is when to look again.
const NO_PLACE: Duration = Duration::from_secs(1);

/// The connections of one connector. Dropping it closes what is idle.
pub(crate) struct Pool(Arc<Shared>);

struct Shared {
    connector: Arc<Connector>,
    idle: Idle,
    demand: std::sync::Mutex<Demand>,
    /// Told when there may be too few connections.
    wanted: Notify,
    stopping: CancellationToken,
    /// The connections that are being left.
    leaving: TaskTracker,
}

impl fmt::Debug for Pool {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Pool").field("connector", &self.0.connector).finish_non_exhaustive()
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        self.0.stopping.cancel();
        drop(self.0.idle.close());
    }
}

impl Pool {
    /// Begins to fill itself, in a task of its own: token and connection are there before the first invocation.
    pub(crate) fn start(connector: Arc<Connector>) -> Self {
        let spares = connector.settings.spares;
        let shared = Arc::new(Shared {
            connector,
            idle: Idle::new(),
            demand: Demand::new(spares, Instant::now()).into(),
            wanted: Notify::new(),
            stopping: CancellationToken::new(),
            leaving: TaskTracker::new(),
        });
        shared.connector.prefetch_token();
        tokio::spawn(fill(shared.clone()));
        Pool(shared)
    }

    /// What a command may take, where a setting limits it.
    pub(crate) fn command_timeout(&self) -> Option<Duration> {
        self.0.connector.settings.command_timeout
    }

    /// Whether a session's connection serves other invocations after it.
    pub(crate) fn reuses(&self) -> bool {
        self.0.connector.settings.sessions == SessionMode::Reuse
    }

    /// A connection for an invocation.
    pub(crate) async fn check_out(&self) -> Result<Connection> {
        let started = Instant::now();
        let wanted = {
            let mut demand = self.0.demand();
            demand.arrived(started);
            demand.wanted(started)
        };
        let ready = self.ready();
        if self.0.idle.len() < wanted {
            self.0.wanted.notify_one();
        }
        if let Some(connection) = ready {
            return Ok(connection);
        }
        // Boxed: whoever gets one that is ready shall not carry about the room that an opening needs.
        Box::pin(self.open(started)).await
    }

    /// Opens one, or takes one that becomes ready while all places are taken.
    async fn open(&self, started: Instant) -> Result<Connection> {
        let connector = &self.0.connector;
        let place = tokio::select! {
            biased;
            // All places may be taken, one of them by a connection that comes back or was opened ahead.
            mut connection = self.usable() => {
                connection.took = OpenTimes { token: Duration::ZERO, open: started.elapsed() };
                return Ok(connection);
            }
            place = connector.place() => place?,
        };
        let connection = connector.open_in(place, started).await?;
        self.0.demand().opened(connection.took.open);
        Ok(connection)
    }

    /// One that is ready and still connected, which is seen without a round trip.
    fn ready(&self) -> Option<Connection> {
        loop {
            let connection = self.0.idle.try_take()?;
            if self.0.is_usable(&connection) {
                return Some(Connection { took: OpenTimes::default(), ..connection });
            }
        }
    }

    /// As [`ready`](Self::ready); waits for one.
    async fn usable(&self) -> Connection {
        loop {
            let connection = self.0.idle.take().await;
            if self.0.is_usable(&connection) {
                return connection;
            }
        }
    }

    /// Takes a connection back for another invocation, which the server resets before; or refuses it, and then it is
    /// to be closed.
    pub(crate) fn check_in(&self, connection: Connection) -> std::result::Result<(), Connection> {
        if !self.reuses() || connection.until <= Instant::now() {
            return Err(connection);
        }
        connection.line.reset_next();
        let until = connection.until.min(Instant::now() + LONGEST_IDLE);
        self.0.idle.put(connection, until)
    }

    /// Opens nothing more ahead, and hangs up what is idle.
    pub(crate) async fn stop(&self) {
        self.0.stopping.cancel();
        let goodbyes = self.0.idle.close().into_iter().map(|connection| async move {
            connection.line.hang_up().await;
        });
        futures_util::future::join_all(goodbyes).await;
    }

    /// Waits until every server that was left has hung up, after the last invocation.
    pub(crate) async fn drained(&self) {
        self.0.leaving.close();
        self.0.leaving.wait().await;
    }

    /// Ends a connection of which the server has nothing to roll back. It is told before this returns; until it has
    /// hung up, within a second, the connection counts under the limit.
    pub(crate) async fn leave(&self, line: Line) {
        let rest = line.leave().await;
        self.0.leaving.spawn(rest);
    }
}

impl Shared {
    fn demand(&self) -> std::sync::MutexGuard<'_, Demand> {
        // Numbers only: a poisoned lock still guards sound ones.
        self.demand.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn is_usable(&self, connection: &Connection) -> bool {
        connection.until > Instant::now() && connection.line.is_idle()
    }
}

/// Keeps as many connections ready as are wanted.
async fn fill(pool: Arc<Shared>) {
    let mut opening = JoinSet::new();
    loop {
        let now = Instant::now();
        let (wanted, paused, quiet) = {
            let demand = pool.demand();
            (demand.wanted(now), demand.paused_until(), demand.quiet_from())
        };
        if now >= quiet {
            drop(pool.idle.drain());
        }
        let oldest = pool.idle.prune(now);
        let paused = paused.filter(|paused| *paused > now);
        let mut missing = match paused {
            Some(_) => 0,
            None => wanted.saturating_sub(pool.idle.len() + opening.len()),
        };
        while missing > 0
            && let Some(place) = pool.connector.spare_place()
        {
            let connector = pool.connector.clone();
            opening.spawn(async move { connector.open_in(place, Instant::now()).await });
            missing -= 1;
        }
        let no_place = (missing > 0).then_some(now + NO_PLACE);
        let quiet = Some(quiet).filter(|quiet| *quiet > now);
        let next = [oldest, paused, no_place, quiet].into_iter().flatten().min();
        let look_again = async {
            match next {
                Some(at) => tokio::time::sleep_until(at).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            biased;
            () = pool.stopping.cancelled() => return,
            Some(Ok(outcome)) = opening.join_next() => match outcome {
                Ok(connection) => {
                    pool.demand().opened(connection.took.open);
                    let until = connection.until;
                    if pool.idle.put(connection, until).is_ok() {
                        tracing::debug!("a session is ready ahead of its invocation");
                    }
                }
                Err(error) => {
                    let pause = pool.demand().failed(Instant::now());
                    tracing::warn!("no session was opened ahead, the next try is in {pause:?}: {}", error.chain());
                }
            },
            () = pool.wanted.notified() => {}
            () = look_again => {}
        }
    }
}
