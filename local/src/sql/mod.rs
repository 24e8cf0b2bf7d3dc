//! The Azure SQL endpoint: TDS 7.4 on the wire, SQLite behind it. A wire-level stand-in, not SQL Server.
//!
//! A connection is accepted by `server`, let in by `login`, and served by `session`, which reads requests from the
//! `wire`, has the `engine` answer them, and sends what it says. What a value is, on all of that way, is in `types`.

mod books;
mod connection;
mod engine;
mod errors;
mod faults;
#[cfg(test)]
mod fuzz;
mod login;
mod reserved;
mod server;
mod session;
mod socket;
mod trouble;
mod types;
mod wire;

pub use books::{Counts, SessionRecord};
pub use engine::Database;
pub use faults::{AtStage, Faults, Stage, Trouble};
pub use server::{SqlEndpoint, SqlOptions};
