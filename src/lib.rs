//! One Azure SQL session for each Azure Functions invocation: opened when the invocation starts, over a connection
//! that logs in with the app's managed identity, reachable from any code in it, closed before the reply.
//!
//! ```no_run
//! use sqlscope::{FunctionApp, Request, RequestExt, Response, Result, Session, http::json, session};
//!
//! #[tokio::main]
//! async fn main() -> std::process::ExitCode {
//!     FunctionApp::from_env().http("HttpTrigger", handle).run().await
//! }
//!
//! async fn handle(request: Request, session: &Session) -> Result<Response> {
//!     let id: i64 = request.param("id")?; // 400 problem+json when it is no number
//!     session
//!         .transaction(async {
//!             session.execute("UPDATE dbo.todo SET done = 1 WHERE id = @P1", &[&id]).await?;
//!             audit("done", id).await // deep code joins the transaction
//!         })
//!         .await?;
//!     let title: String = session.query_one("SELECT title FROM dbo.todo WHERE id = @P1", &[&id]).await?;
//!     Ok(json(&title))
//! }
//!
//! async fn audit(what: &'static str, id: i64) -> Result<()> {
//!     session::current()?.execute("INSERT dbo.audit (what, id) VALUES (@P1, @P2)", &[&what, &id]).await?;
//!     Ok(())
//! }
//! ```
//!
//! The way of an invocation: [`host`] finds the function, [`session`] opens and closes, [`connection`] dials and logs
//! in, [`identity`] has the token.

mod app;
pub mod connection;
mod error;
mod handler;
pub mod host;
pub mod http;
pub mod identity;
mod invocation;
mod migrate;
pub mod session;
mod spelling;
mod telemetry;

pub use app::{FunctionApp, RunningApp};
pub use error::{Error, Result, ServerError};
pub use handler::{Handler, Outputs, Trigger, WithSession, WithoutSession};
#[doc(no_inline)]
pub use http::{Request, RequestExt, Response};
pub use session::Session;
