//! The application's own code, a file a function: what you replace.

pub(crate) mod http_trigger;
