//! Azure on your machine, for sqlscope's development and tests: a managed identity endpoint, an Azure SQL
//! endpoint (TDS over SQLite: a wire-level stand-in, not SQL Server) and a Functions host, on loopback only.

pub mod certificates;
pub mod functions_host;
pub mod identity;
mod query;
mod server;
pub mod sql;
pub mod token;
