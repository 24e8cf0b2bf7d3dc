//! How a running request is ended from outside: by an ATTENTION, or when its client has gone.

use std::{
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use rusqlite::InterruptHandle;

/// Raised by the session's task, seen by its engine.
#[derive(Default)]
pub(crate) struct Interrupt {
    raised: Mutex<bool>,
    changed: Condvar,
    sqlite: Mutex<Option<InterruptHandle>>,
}

impl std::fmt::Debug for Interrupt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interrupt").field("raised", &self.raised).finish_non_exhaustive()
    }
}

impl Interrupt {
    fn lock(&self) -> MutexGuard<'_, bool> {
        self.raised.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn sqlite(&self) -> MutexGuard<'_, Option<InterruptHandle>> {
        self.sqlite.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The SQLite connection to stop as well.
    pub(crate) fn reaches(&self, handle: InterruptHandle) {
        *self.sqlite() = Some(handle);
    }

    /// The SQLite connection is this session's no more.
    pub(crate) fn lets_go(&self) {
        *self.sqlite() = None;
    }

    pub(crate) fn raise(&self) {
        *self.lock() = true;
        self.changed.notify_all();
        // Under its lock, so that nobody else has the connection meanwhile.
        if let Some(sqlite) = &*self.sqlite() {
            sqlite.interrupt();
        }
    }

    pub(crate) fn clear(&self) {
        *self.lock() = false;
    }

    pub(crate) fn is_raised(&self) -> bool {
        *self.lock()
    }

    /// Sleeps that long; false when it was interrupted.
    pub(crate) fn sleep(&self, time: Duration) -> bool {
        let end = Instant::now() + time;
        let mut raised = self.lock();
        while !*raised {
            let Some(left) = end.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) else {
                return true;
            };
            raised = self.changed.wait_timeout(raised, left).unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }
}
