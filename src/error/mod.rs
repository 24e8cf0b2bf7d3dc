//! The one error type: what went wrong, and the face that it shows outside.

mod server_error;

use std::{any::Any, borrow::Cow, time::Duration};

use http::{HeaderValue, Method, StatusCode, header};
use serde_json::json;

use crate::{
    connection::{OpenError, SettingsError},
    host::ProjectError,
    http::Response,
    identity::IdentityError,
};

pub use server_error::ServerError;

/// A result whose error is [`Error`].
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Everything that can go wrong in an invocation.
///
/// A handler returns it with `?`; the caller gets [`Error::to_response`] (problem+json with the invocation
/// id, nothing internal), the log gets the whole cause.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The request is wrong: 400, and `field` names the part that is.
    #[error("{detail}")]
    BadRequest {
        /// The parameter, query key or JSON field.
        field: Option<String>,
        /// What was expected, shown to the caller.
        detail: String,
    },
    /// There is no such thing: 404. The text is shown to the caller.
    #[error("{0}")]
    NotFound(Cow<'static, str>),
    /// The path exists, the method does not: 405 with `Allow`.
    #[error("only {} is allowed here", list(.allow))]
    MethodNotAllowed {
        /// The methods that are allowed.
        allow: Vec<Method>,
    },
    /// The request contradicts what is there: 409. The text is shown to the caller.
    #[error("{0}")]
    Conflict(Cow<'static, str>),
    /// The body is over the limit: 413.
    #[error("the request body is over the limit of {limit} bytes")]
    TooLarge {
        /// The limit in bytes (`SQLSCOPE_MAX_BODY_BYTES`).
        limit: usize,
    },

    /// [`session::current`](crate::session::current) was called outside an invocation that has a session: 500.
    #[error(
        "there is no session here: session::current() works in an invocation whose handler takes `&Session`, \
         not in a task of its own (tokio::spawn) and not in a handler without a session"
    )]
    NoSession,
    /// The session's invocation is over: 500.
    #[error("the session is closed: its invocation is over")]
    SessionClosed,
    /// The connection was thrown away earlier in this invocation: 500.
    #[error("the session's connection was thrown away: {0}")]
    SessionBroken(Cow<'static, str>),
    /// A handle of a transaction that is over was used: 500.
    #[error("this transaction is over")]
    TransactionEnded,
    /// The transaction is no longer the one that was begun, so it is not committed: 500.
    #[error(
        "the transaction was not committed: the server gave it up after an earlier error, a statement in it began, \
         committed or rolled back a transaction by itself, or an operation of it was still under way in another task"
    )]
    TransactionAborted,

    /// SQL Server answered with an error: 409 for violated keys and constraints, 503 for a deadlock or a lock
    /// timeout, else 500.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// The connection failed in the middle of a command, whose outcome is unknown: 500.
    #[error("the connection failed during a command: {0}")]
    Connection(#[source] tiberius::error::Error),
    /// A parameter or a value has no counterpart on the other side: 500.
    #[error("{0}")]
    Value(String),
    /// A statement took longer than allowed; the connection was cut: 504.
    #[error("a statement took longer than {}s; its connection was cut", .0.as_secs_f32())]
    StatementTimeout(Duration),
    /// No connection could be opened: 503 with `Retry-After`, or 500 where waiting does not help.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// The invocation ran out of time: 504.
    #[error("the invocation took longer than {}s", .0.as_secs_f32())]
    Deadline(Duration),
    /// The handler is told to stop, and the time for what was in flight is over: 503.
    #[error("the handler is stopping")]
    Stopping,
    /// The handler panicked: 500.
    #[error("the handler panicked: {0}")]
    Panic(String),

    /// A setting is missing, misspelt or contradictory: the app does not start.
    #[error(transparent)]
    Settings(#[from] SettingsError),
    /// host.json, a function.json and the registered handlers do not fit: the app does not start.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// The identity cannot be made: the app does not start.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The app cannot start, or a migration cannot be applied.
    #[error("{0}")]
    Startup(String),

    /// The host sent what the protocol does not know: 500.
    #[error("the host's request cannot be read: {0}")]
    Protocol(String),
    /// An error of the application's own: 500.
    #[error("{0}")]
    Other(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl Error {
    /// A 400 that names the field.
    pub fn bad_request(field: impl Into<String>, detail: impl Into<String>) -> Self {
        Error::BadRequest { field: Some(field.into()), detail: detail.into() }
    }

    /// Wraps an error of the application's own: the caller sees a plain 500, the log its text.
    pub fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Error::Other(error.into())
    }

    /// The status that the caller gets.
    pub fn status(&self) -> StatusCode {
        match self {
            Error::BadRequest { .. } => StatusCode::BAD_REQUEST,
            Error::NotFound(_) => StatusCode::NOT_FOUND,
            Error::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Error::Conflict(_) => StatusCode::CONFLICT,
            Error::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Error::Server(error) => error.status(),
            Error::Open(error) if error.is_transient() => StatusCode::SERVICE_UNAVAILABLE,
            Error::Stopping => StatusCode::SERVICE_UNAVAILABLE,
            Error::StatementTimeout(_) | Error::Deadline(_) => StatusCode::GATEWAY_TIMEOUT,
            _ => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    /// What the caller may read of it: the text of a 4xx of the request's own, else a sentence for the status.
    fn detail(&self) -> String {
        match self {
            Error::BadRequest { .. }
            | Error::NotFound(_)
            | Error::MethodNotAllowed { .. }
            | Error::Conflict(_)
            | Error::TooLarge { .. } => self.to_string(),
            _ => match self.status() {
                StatusCode::CONFLICT => "The request contradicts what is stored.",
                StatusCode::SERVICE_UNAVAILABLE => "The request cannot be taken now. Try again later.",
                StatusCode::GATEWAY_TIMEOUT => "The request took too long.",
                _ => "The request failed. The log has the cause, under this invocation id.",
            }
            .to_owned(),
        }
    }

    /// The error as problem+json (RFC 9457), with the invocation id and nothing internal.
    pub fn to_response(&self, invocation_id: &str) -> Response {
        let status = self.status();
        let mut problem = json!({
            "type": "about:blank",
            "title": status.canonical_reason().unwrap_or("Error"),
            "status": status.as_u16(),
            "detail": self.detail(),
            "invocationId": invocation_id,
        });
        if let Error::BadRequest { field: Some(field), .. } = self {
            problem["field"] = json!(field);
        }
        let mut response = Response::new(problem.to_string().into());
        *response.status_mut() = status;
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        if status == StatusCode::SERVICE_UNAVAILABLE {
            let seconds = match self {
                Error::Open(error) => error.retry_after(),
                _ => Duration::from_secs(1),
            };
            headers.insert(header::RETRY_AFTER, seconds.as_secs().max(1).into());
        }
        if let Error::MethodNotAllowed { allow } = self
            && let Ok(value) = HeaderValue::from_str(&list(allow))
        {
            headers.insert(header::ALLOW, value);
        }
        response
    }

    /// The error with all its causes, in one line, for the log.
    pub(crate) fn chain(&self) -> String {
        chain(self)
    }
}

/// An error with all its causes in one line; a cause that the text before it already holds is not repeated.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// The text that a panic was given.
pub(crate) fn panic_text(panic: &(dyn Any + Send)) -> &str {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("with no text")
}

fn list(methods: &[Method]) -> String {
    methods.iter().map(Method::as_str).collect::<Vec<_>>().join(", ")
}

impl From<tiberius::error::Error> for Error {
    fn from(error: tiberius::error::Error) -> Self {
        match error {
            tiberius::error::Error::Server(token) => Error::Server(ServerError::from(token)),
            // The driver's text quotes the value.
            tiberius::error::Error::Conversion(_) => {
                Error::Value("a value does not fit the type that it was to become".to_owned())
            }
            other => Error::Connection(other),
        }
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Error::Other(Box::new(error))
    }
}

impl From<serde_json::Error> for Error {
    fn from(error: serde_json::Error) -> Self {
        Error::Other(Box::new(error))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_shows_neither_the_cause_nor_the_server() {
        let error = Error::Connection(tiberius::error::Error::Protocol("from hidden:1433".into()));
        let response = error.to_response("id-1");
        assert_eq!(response.status(), 500);
        let body = String::from_utf8(response.body().to_vec()).unwrap();
        assert!(!body.contains("hidden") && body.contains("id-1"), "{body}");
    }
}
