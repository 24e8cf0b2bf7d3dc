//! The custom handler protocol of the Azure Functions host.
pub mod project;
pub mod route;
