//! The Azure SQL endpoint: TDS 7.4 on the wire, SQLite behind it. A wire-level stand-in, not SQL Server.

mod books;
mod bulk;
mod codepage;
mod connection;
mod convert;
mod convert_moment;
mod convert_text;
mod decode;
mod encode;
mod engine;
mod errors;
mod exact;
mod faults;
#[cfg(test)]
mod fuzz;
mod login;
mod login7;
mod login_tokens;
mod moment;
mod moment_text;
mod order;
mod packet;
mod precedence;
mod prelogin;
mod request;
mod reserved;
mod server;
mod session;
mod socket;
mod tls;
mod tokens;
mod trouble;
mod types;
mod wire;

pub use books::{Counts, SessionRecord};
pub use engine::Database;
pub use faults::{AtStage, Faults, Stage, Trouble};
pub use server::{SqlEndpoint, SqlOptions};
