//! The session guard: opens a session for one invocation, and closes it whatever the handler does.

use std::{future::Future, panic::AssertUnwindSafe, time::Duration};

use futures_util::future::{BoxFuture, FutureExt};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::{CURRENT, Session};
use crate::{Error, Result, connection::pool::Pool, error::panic_text};

/// How long the parts of an invocation took.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Timings {
    pub(crate) token: Duration,
    pub(crate) open: Duration,
    pub(crate) handler: Duration,
    pub(crate) close: Duration,
}

/// Cuts the connection if the invocation is dropped before its session is closed: its caller left, or its task
/// was aborted.
struct CutOnDrop(Option<Session>);

impl Drop for CutOnDrop {
    fn drop(&mut self) {
        if let Some(session) = &self.0 {
            session.shared.closed.cancel();
            session.shared.hold.with(|line| line.cut());
        }
    }
}

/// What ends an invocation from outside.
#[derive(Debug, Clone)]
pub(crate) struct Limits {
    /// When its time is over.
    pub(crate) ends: Instant,
    /// How much time that was, for the error.
    pub(crate) deadline: Duration,
    /// Cut off when the app stops and does not wait any longer.
    pub(crate) cut: CancellationToken,
}

impl Limits {
    /// Runs a part of the invocation within its limits.
    pub(crate) async fn within<T>(&self, part: impl Future<Output = Result<T>>) -> Result<T> {
        tokio::select! {
            outcome = timeout_at(self.ends, part) => outcome.unwrap_or(Err(Error::Deadline(self.deadline))),
            () = self.cut.cancelled() => Err(Error::Stopping),
        }
    }
}

/// Runs `handler` with a session of its own where a pool is given, else without one.
///
/// The session is open before the handler's first line and closed when this returns, after success, error, early
/// return, panic, deadline and shutdown alike; a panic becomes [`Error::Panic`]. The limits hold for opening and
/// handler together.
pub(crate) async fn guard<T>(
    pool: Option<&Pool>,
    limits: &Limits,
    timings: &mut Timings,
    handler: impl for<'a> FnOnce(Option<&'a Session>) -> BoxFuture<'a, Result<T>>,
) -> Result<T> {
    let started = Instant::now();
    let Some(pool) = pool else {
        let outcome = caught(limits.within(async { handler(None).await })).await;
        timings.handler = started.elapsed();
        return outcome;
    };

    let opened = limits.within(pool.check_out()).await;
    timings.open = started.elapsed();
    let connection = opened?;
    timings.token = connection.took.token;
    timings.open = connection.took.open;
    let session = Session::over(connection, pool.command_timeout());
    let mut cut = CutOnDrop(Some(session.clone()));

    let started = Instant::now();
    let run = limits.within(async { handler(Some(&session)).await });
    let outcome = caught(CURRENT.scope(session.clone(), run)).await;
    timings.handler = started.elapsed();

    let started = Instant::now();
    // What was cut off or panicked may have left anything: its connection serves nobody again.
    let whole = !matches!(outcome, Err(Error::Panic(_) | Error::Deadline(_) | Error::Stopping));
    session.end(whole.then_some(pool)).await;
    cut.0 = None;
    timings.close = started.elapsed();
    outcome
}

/// Runs a handler to its end or its panic. It may panic before it returns its future, and what a limit cuts off may
/// panic while it is dropped: all of that happens in here.
async fn caught<T>(run: impl Future<Output = Result<T>>) -> Result<T> {
    let outcome = AssertUnwindSafe(run).catch_unwind().await;
    outcome.unwrap_or_else(|panic| Err(Error::Panic(panic_text(panic.as_ref()).to_owned())))
}
