//! One invocation: the handler in its session guard, its failure in the log, its times in a header.

use std::time::Duration;

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::{
    Error, Result,
    connection::pool::Pool,
    handler::Erased,
    session::{Limits, Timings, guard},
};

/// Runs a handler on what was read for it; what could not be read fails the invocation before a session is opened.
pub(crate) async fn run<In, Out>(
    handler: &Erased<In, Out>,
    input: Result<In>,
    pool: Option<&Pool>,
    limits: &Limits,
) -> (Result<Out>, Timings)
where
    In: Send + 'static,
    Out: Send + 'static,
{
    let mut timings = Timings::default();
    let outcome = match input {
        Ok(input) => guard(pool, limits, &mut timings, |session| handler.call(input, session)).await,
        Err(error) => Err(error),
    };
    if let Err(error) = &outcome {
        log(error);
    }
    (outcome, timings)
}

/// Writes a failure into the log: the caller's own mistakes as information, the rest as errors.
pub(crate) fn log(error: &Error) {
    let status = error.status();
    match status.as_u16() {
        400..500 => tracing::info!(status = status.as_u16(), "{}", error.chain()),
        _ => tracing::error!(status = status.as_u16(), "the invocation failed: {}", error.chain()),
    }
}

impl Timings {
    /// Writes `Server-Timing` (W3C), in milliseconds; a part that did not happen took 0.
    pub(crate) fn write_to(&self, headers: &mut HeaderMap) {
        let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
        let text = format!(
            "token;dur={:.3}, open;dur={:.3}, handler;dur={:.3}, close;dur={:.3}",
            milliseconds(self.token),
            milliseconds(self.open),
            milliseconds(self.handler),
            milliseconds(self.close)
        );
        if let Ok(value) = HeaderValue::from_str(&text) {
            headers.insert(HeaderName::from_static("server-timing"), value);
        }
    }
}
