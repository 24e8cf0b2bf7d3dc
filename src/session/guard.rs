//! The session guard: opens a session for one invocation, and closes it whatever the handler does.

use std::{
    panic::AssertUnwindSafe,
    time::{Duration, Instant},
};

use futures_util::future::{BoxFuture, FutureExt};

use super::{CURRENT, Session};
use crate::{Error, Result, connection::Connector, error::panic_text};

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
            session.shared.line.cut();
        }
    }
}

/// Runs `handler` with a session of its own where `connector` is given, else without one.
///
/// The session is open before the handler's first line and closed when this returns, after success, error, early
/// return, panic and deadline alike; a panic becomes [`Error::Panic`]. The deadline bounds opening and handler
/// together.
pub(crate) async fn guard<T>(
    connector: Option<&Connector>,
    deadline: Duration,
    timings: &mut Timings,
    handler: impl for<'a> FnOnce(Option<&'a Session>) -> BoxFuture<'a, Result<T>>,
) -> Result<T> {
    let ends = tokio::time::Instant::now() + deadline;
    let Some(connector) = connector else {
        let started = Instant::now();
        let outcome = run(ends, deadline, || handler(None)).await;
        timings.handler = started.elapsed();
        return outcome;
    };

    let connection =
        tokio::time::timeout_at(ends, connector.open()).await.map_err(|_| Error::Deadline(deadline))??;
    timings.token = connection.took.token;
    timings.open = connection.took.open;
    let session = Session::over(connection, connector.settings().command_timeout);
    let mut cut = CutOnDrop(Some(session.clone()));

    let started = Instant::now();
    let outcome = CURRENT.scope(session.clone(), run(ends, deadline, || handler(Some(&session)))).await;
    timings.handler = started.elapsed();

    let started = Instant::now();
    session.end().await;
    cut.0 = None;
    timings.close = started.elapsed();
    outcome
}

/// Runs a handler to its end, its panic or the deadline.
async fn run<'a, T>(
    ends: tokio::time::Instant,
    deadline: Duration,
    handler: impl FnOnce() -> BoxFuture<'a, Result<T>>,
) -> Result<T> {
    // The handler may panic before it returns its future, too.
    let handler = AssertUnwindSafe(async { handler().await }).catch_unwind();
    match tokio::time::timeout_at(ends, handler).await {
        Ok(Ok(outcome)) => outcome,
        Ok(Err(panic)) => Err(Error::Panic(panic_text(panic.as_ref()).to_owned())),
        Err(_) => Err(Error::Deadline(deadline)),
    }
}
