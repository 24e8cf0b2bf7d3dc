//! One Azure SQL session for each Azure Functions invocation.
pub mod connection;
pub mod host;
mod spelling;
