//! The custom handler protocol: what the project says, which function a request is for, and how it is answered.

pub(crate) mod payload;
pub mod project;
pub mod route;
pub(crate) mod server;

pub use project::{Project, ProjectError};
pub use route::{RouteTable, RouteTemplate};
