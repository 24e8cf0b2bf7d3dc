//! The Functions host over real sockets, with a real handler process behind it.

mod default_mode;
mod forwarding;
mod process;
mod support;
