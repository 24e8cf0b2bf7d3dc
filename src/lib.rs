//! One Azure SQL session for each Azure Functions invocation.
pub mod host;
mod spelling;
