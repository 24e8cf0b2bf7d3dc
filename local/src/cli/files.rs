//! How many files the process may have open: a SQL session has four, and a shell's usual limit is 1024.

/// Enough for thousands of sessions, and below what any system refuses.
#[cfg(unix)]
const MANY: u64 = 10_240;

/// Lets the process open as many files as it may, up to [`MANY`]; the limit stays as it is where that fails.
#[cfg(unix)]
pub(super) fn allow_many() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let wanted = maximum.unwrap_or(MANY).min(MANY);
    if current.is_some_and(|current| current < wanted) {
        let _ = setrlimit(Resource::Nofile, Rlimit { current: Some(wanted), maximum });
    }
}

#[cfg(not(unix))]
pub(super) fn allow_many() {}
