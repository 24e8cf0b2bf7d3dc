//! Named locks between the sessions of one endpoint: application locks, and the one lock of writers.

use std::{
    collections::HashMap,
    sync::{Condvar, Mutex, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use super::interrupt::Interrupt;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Mode {
    Shared,
    Exclusive,
}

/// Until when a lock is held.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Owner {
    Session,
    Transaction,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Refused {
    TimedOut,
    Deadlock,
    Interrupted,
}

#[derive(Debug)]
struct Hold {
    spid: u16,
    mode: Mode,
    owner: Owner,
}

#[derive(Debug, Default)]
struct State {
    held: HashMap<String, Vec<Hold>>,
    /// In the order in which they came: the first is served first.
    waiting: Vec<(u16, String)>,
}

/// The locks.
#[derive(Debug, Default)]
pub(crate) struct Locks {
    state: Mutex<State>,
    changed: Condvar,
}

impl Locks {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits for the lock; says whether it had to.
    pub(crate) fn acquire(
        &self,
        name: &str,
        spid: u16,
        mode: Mode,
        owner: Owner,
        patience: Option<Duration>,
        interrupt: &Interrupt,
    ) -> Result<bool, Refused> {
        let deadline = patience.map(|patience| Instant::now() + patience);
        let mut state = self.state();
        let mut waited = false;
        let outcome = loop {
            if state.is_free(name, spid, mode) {
                state.held.entry(name.to_owned()).or_default().push(Hold { spid, mode, owner });
                break Ok(waited);
            }
            if !waited {
                state.waiting.push((spid, name.to_owned()));
                waited = true;
                if state.waits_for(spid, spid, &mut Vec::new()) {
                    break Err(Refused::Deadlock);
                }
            }
            let now = Instant::now();
            if interrupt.is_raised() {
                break Err(Refused::Interrupted);
            }
            if deadline.is_some_and(|deadline| deadline <= now) {
                break Err(Refused::TimedOut);
            }
            // Short, so that an interrupt is seen soon.
            let nap =
                Duration::from_millis(25).min(deadline.map_or(Duration::MAX, |deadline| deadline - now));
            state = self.changed.wait_timeout(state, nap).unwrap_or_else(PoisonError::into_inner).0;
        };
        if waited {
            state.waiting.retain(|(waiter, _)| *waiter != spid);
            // Who comes next may go on now, unless this one shuts it out.
            if outcome.is_err() || mode == Mode::Shared {
                self.changed.notify_all();
            }
        }
        outcome
    }

    /// Gives back one hold of that name; says whether there was one.
    pub(crate) fn release(&self, name: &str, spid: u16, owner: Owner) -> bool {
        let mut state = self.state();
        let Some(holds) = state.held.get_mut(name) else { return false };
        let Some(at) = holds.iter().position(|hold| hold.spid == spid && hold.owner == owner) else {
            return false;
        };
        holds.remove(at);
        if holds.is_empty() {
            state.held.remove(name);
        }
        self.changed.notify_all();
        true
    }

    /// Gives back all that the session holds for this owner.
    pub(crate) fn release_all(&self, spid: u16, owner: Owner) {
        let mut state = self.state();
        state.held.retain(|_, holds| {
            holds.retain(|hold| hold.spid != spid || hold.owner != owner);
            !holds.is_empty()
        });
        self.changed.notify_all();
    }
}

impl State {
    fn is_free(&self, name: &str, spid: u16, mode: Mode) -> bool {
        let holds = self.held.get(name).map_or(&[][..], Vec::as_slice);
        let compatible =
            holds.iter().all(|hold| hold.spid == spid || hold.mode == Mode::Shared && mode == Mode::Shared);
        let mine = holds.iter().any(|hold| hold.spid == spid);
        let first =
            self.waiting.iter().find(|(_, waited)| waited == name).is_none_or(|(waiter, _)| *waiter == spid);
        compatible && (mine || first)
    }

    /// Whether `from`, over whom it waits for, comes to wait for `spid`.
    fn waits_for(&self, from: u16, spid: u16, seen: &mut Vec<u16>) -> bool {
        seen.push(from);
        let Some((_, name)) = self.waiting.iter().find(|(waiter, _)| *waiter == from) else { return false };
        let holds = self.held.get(name).map_or(&[][..], Vec::as_slice);
        holds
            .iter()
            .map(|hold| hold.spid)
            .filter(|holder| *holder != from)
            .any(|holder| holder == spid || !seen.contains(&holder) && self.waits_for(holder, spid, seen))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;

    fn take(locks: &Locks, name: &str, spid: u16, patience: u64) -> Result<bool, Refused> {
        let patience = Some(Duration::from_millis(patience));
        locks.acquire(name, spid, Mode::Exclusive, Owner::Session, patience, &Interrupt::default())
    }

    #[test]
    fn a_held_lock_is_waited_for_and_given_on() {
        let locks = Locks::default();
        assert_eq!(take(&locks, "a", 1, 0), Ok(false));
        assert_eq!(take(&locks, "a", 1, 0), Ok(false), "the holder takes it again");
        assert_eq!(take(&locks, "a", 2, 10), Err(Refused::TimedOut));
        locks.release_all(1, Owner::Session);
        assert_eq!(take(&locks, "a", 2, 0), Ok(false));
    }

    #[test]
    fn two_that_wait_for_each_other_are_a_deadlock() {
        let locks = Arc::new(Locks::default());
        assert_eq!(take(&locks, "a", 1, 0), Ok(false));
        assert_eq!(take(&locks, "b", 2, 0), Ok(false));
        let other = Arc::clone(&locks);
        let first = std::thread::spawn(move || take(&other, "b", 1, 20_000));
        while locks.state().waiting.is_empty() {
            std::thread::yield_now();
        }
        assert_eq!(take(&locks, "a", 2, 20_000), Err(Refused::Deadlock));
        locks.release_all(2, Owner::Session);
        assert_eq!(first.join().expect("joined"), Ok(true));
    }
}
