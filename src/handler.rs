//! What a handler may look like: an async function of a request (or a trigger), with a session or without.

use std::{future::Future, sync::Arc};

use futures_util::future::{BoxFuture, FutureExt};
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::{
    Error, Result, Session,
    http::{Request, Response},
};

/// Marks handlers that take `&Session`.
#[derive(Debug)]
pub enum WithSession {}

/// Marks handlers that take none.
#[derive(Debug)]
pub enum WithoutSession {}

/// A function that handles an `In`: `async fn(In, &Session) -> Result<Out>`, or `async fn(In) -> Result<Out>`, which
/// gets no session and costs no login.
///
/// `Marker` is inferred; it tells the two apart.
#[diagnostic::on_unimplemented(
    message = "`{Self}` is no handler",
    label = "expected `async fn({In}) -> sqlscope::Result<{Out}>` or `async fn({In}, &Session) -> sqlscope::Result<{Out}>`",
    note = "the future must be Send: hold nothing like Rc or a std MutexGuard across an await"
)]
pub trait Handler<Marker, In, Out>: Send + Sync + 'static {
    /// The handler behind one type for all.
    #[doc(hidden)]
    fn erase(self) -> Erased<In, Out>;
}

impl<F, Fut, In, Out> Handler<WithoutSession, In, Out> for F
where
    F: Fn(In) -> Fut + Send + Sync + 'static,
    Fut: Future<Output = Result<Out>> + Send + 'static,
{
    fn erase(self) -> Erased<In, Out> {
        Erased::WithoutSession(Arc::new(move |input| self(input).boxed()))
    }
}

impl<F, In, Out> Handler<WithSession, In, Out> for F
where
    F: for<'a> SessionFn<'a, In, Out> + Send + Sync + 'static,
{
    fn erase(self) -> Erased<In, Out> {
        Erased::WithSession(Arc::new(move |input, session| self.call(input, session)))
    }
}

/// An async function that borrows the session for as long as it runs; named so that its future, which borrows too,
/// can be.
#[doc(hidden)]
pub trait SessionFn<'a, In, Out> {
    fn call(&self, input: In, session: &'a Session) -> BoxFuture<'a, Result<Out>>;
}

impl<'a, F, Fut, In, Out> SessionFn<'a, In, Out> for F
where
    F: Fn(In, &'a Session) -> Fut,
    Fut: Future<Output = Result<Out>> + Send + 'a,
{
    fn call(&self, input: In, session: &'a Session) -> BoxFuture<'a, Result<Out>> {
        self(input, session).boxed()
    }
}

/// A handler without its own type.
#[doc(hidden)]
pub enum Erased<In, Out> {
    WithoutSession(Arc<PlainFn<In, Out>>),
    WithSession(Arc<BorrowingFn<In, Out>>),
}

type PlainFn<In, Out> = dyn Fn(In) -> BoxFuture<'static, Result<Out>> + Send + Sync;
type BorrowingFn<In, Out> = dyn for<'a> Fn(In, &'a Session) -> BoxFuture<'a, Result<Out>> + Send + Sync;

impl<In, Out> std::fmt::Debug for Erased<In, Out> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(if self.takes_session() { "WithSession" } else { "WithoutSession" })
    }
}

impl<In, Out> Erased<In, Out> {
    pub(crate) fn takes_session(&self) -> bool {
        matches!(self, Erased::WithSession(_))
    }

    /// Calls the handler; the guard gives a session to whichever takes one.
    pub(crate) fn call<'a>(&self, input: In, session: Option<&'a Session>) -> BoxFuture<'a, Result<Out>>
    where
        In: 'a,
        Out: 'a,
    {
        match (self, session) {
            (Erased::WithoutSession(handler), _) => handler(input),
            (Erased::WithSession(handler), Some(session)) => handler(input, session),
            (Erased::WithSession(_), None) => async { Err(Error::NoSession) }.boxed(),
        }
    }
}

/// A registered handler: for HTTP, or for any other trigger.
#[derive(Debug)]
pub(crate) enum AnyHandler {
    Http(Erased<Request, Response>),
    Trigger(Erased<Trigger, Outputs>),
}

impl AnyHandler {
    pub(crate) fn takes_session(&self) -> bool {
        match self {
            AnyHandler::Http(handler) => handler.takes_session(),
            AnyHandler::Trigger(handler) => handler.takes_session(),
        }
    }
}

/// What a trigger other than HTTP hands to its handler.
#[derive(Debug, Clone, Default)]
pub struct Trigger {
    pub(crate) data: Map<String, Value>,
    pub(crate) metadata: Map<String, Value>,
}

impl Trigger {
    /// The data of an input binding, by the name that function.json gives it.
    ///
    /// A queue message arrives as JSON inside a string; this reads it as what it is inside.
    ///
    /// # Errors
    /// When there is no such binding, or its data is no `T`.
    pub fn data<T: DeserializeOwned>(&self, binding: &str) -> Result<T> {
        read("Data", &self.data, binding)
    }

    /// A value of the trigger's metadata, such as `DequeueCount`; the host writes it as JSON inside a string.
    ///
    /// # Errors
    /// When there is no such value, or it is no `T`.
    pub fn metadata<T: DeserializeOwned>(&self, name: &str) -> Result<T> {
        read("Metadata", &self.metadata, name)
    }
}

fn read<T: DeserializeOwned>(part: &str, values: &Map<String, Value>, name: &str) -> Result<T> {
    let value =
        values.get(name).ok_or_else(|| Error::Protocol(format!("the host's {part} has no `{name}`")))?;
    // The inner reading first: "\"7\"" is the text 7, not a text with quotation marks.
    let inside = value.as_str().and_then(|text| serde_json::from_str(text).ok());
    let read = inside.or_else(|| serde_json::from_value(value.clone()).ok());
    // serde's own words may quote what it found.
    read.ok_or_else(|| {
        Error::Protocol(format!("`{name}` in the host's {part} is no {}", std::any::type_name::<T>()))
    })
}

/// What a handler of another trigger than HTTP gives to its output bindings.
#[derive(Debug, Clone, Default)]
pub struct Outputs {
    pub(crate) outputs: Map<String, Value>,
    pub(crate) return_value: Option<Value>,
}

impl Outputs {
    /// No outputs.
    pub fn none() -> Self {
        Outputs::default()
    }

    /// Adds the value of an output binding, by the name that function.json gives it.
    #[must_use]
    pub fn with(mut self, binding: impl Into<String>, value: impl Into<Value>) -> Self {
        self.outputs.insert(binding.into(), value.into());
        self
    }

    /// Sets the value of the `$return` binding.
    #[must_use]
    pub fn returning(mut self, value: impl Into<Value>) -> Self {
        self.return_value = Some(value.into());
        self
    }
}
