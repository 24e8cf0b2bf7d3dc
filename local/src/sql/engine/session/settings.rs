//! What SET switches in a session.

use std::time::Duration;

/// The first day of the week of us_english.
const SUNDAY: u8 = 7;

/// The isolation levels, with the numbers that `sys.dm_exec_sessions` has for them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) enum Isolation {
    ReadUncommitted = 1,
    #[default]
    ReadCommitted = 2,
    RepeatableRead = 3,
    Serializable = 4,
    Snapshot = 5,
}

impl Isolation {
    /// Whether nobody may change what a transaction has read: here, by its being the one writer from then on.
    pub(crate) fn locks_reads(self) -> bool {
        matches!(self, Isolation::RepeatableRead | Isolation::Serializable)
    }
}

/// What SET switches.
#[derive(Debug, Clone, Default)]
pub(crate) struct Options {
    pub(crate) no_count: bool,
    pub(crate) xact_abort: bool,
    /// Results have their columns and no rows.
    pub(crate) format_only: bool,
    pub(crate) isolation: Isolation,
    /// `None` waits as long as the endpoint lets anybody wait.
    pub(crate) lock_timeout: Option<Duration>,
    pub(crate) identity_insert: Option<String>,
    /// The first day of the week, from 1 for Monday to 7 for Sunday; `None` is the language's, Sunday.
    pub(crate) date_first: Option<u8>,
}

impl Options {
    /// `@@DATEFIRST`.
    pub(crate) fn first_day(&self) -> u8 {
        self.date_first.unwrap_or(SUNDAY)
    }

    /// `@@OPTIONS`: the ANSI options, which are always on, and those that can be switched.
    pub(crate) fn bits(&self) -> i64 {
        const ANSI: i64 = 8 | 16 | 32 | 64 | 256 | 1024 | 4096;
        let switched = [(self.no_count, 512), (self.xact_abort, 16_384)];
        switched.into_iter().filter(|(on, _)| *on).fold(ANSI, |bits, (_, bit)| bits | bit)
    }
}
