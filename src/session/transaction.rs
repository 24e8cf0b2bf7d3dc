//! Transactions: committed by an Ok and by nothing else, nested as savepoints, one at a time in a session.

use std::{
    borrow::Cow,
    future::Future,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use tokio::sync::{Mutex, OwnedMutexGuard};

use super::{CURRENT, Lease, Session, Shared};
use crate::{Error, Result};

/// The session itself (depth 0), or a transaction in it: whose turn it is, and whether it is over.
///
/// A transaction holds the turn of the scope around it for as long as it runs. So a sibling in `join!` waits for its
/// end and never slips into it, while all that runs inside it takes turns of its own.
#[derive(Default)]
pub(super) struct Scope {
    parent: Option<Arc<Scope>>,
    turn: Arc<Mutex<()>>,
    ended: AtomicBool,
    aborted: AtomicBool,
}

impl Scope {
    fn inside(parent: Arc<Scope>) -> Self {
        Scope { parent: Some(parent), ..Scope::default() }
    }

    pub(super) fn depth(&self) -> usize {
        self.parent.as_ref().map_or(0, |parent| 1 + parent.depth())
    }

    /// Waits for this scope's turn.
    pub(super) async fn turn(&self) -> Result<OwnedMutexGuard<()>> {
        let turn = self.turn.clone().lock_owned().await;
        if self.ended.load(Ordering::Acquire) {
            return Err(Error::TransactionEnded);
        }
        if self.is_aborted() {
            return Err(Error::TransactionAborted);
        }
        Ok(turn)
    }

    /// This scope's turn, if nobody has it.
    pub(super) fn turn_now(&self) -> Option<OwnedMutexGuard<()>> {
        self.turn.clone().try_lock_owned().ok()
    }

    /// The server has given up the transaction, with all that is nested in it.
    pub(super) fn abort(&self) {
        if let Some(parent) = &self.parent {
            self.aborted.store(true, Ordering::Release);
            parent.abort();
        }
    }

    fn is_aborted(&self) -> bool {
        self.aborted.load(Ordering::Acquire)
    }

    /// Lets no further operation begin in it. False when one is still under way, which a handle that escaped into
    /// another task has begun: nothing waits for that.
    fn end(&self) -> bool {
        self.ended.store(true, Ordering::Release);
        self.turn.try_lock().is_ok()
    }
}

/// Cuts the connection when a transaction is dropped on the way: the server rolls it back.
struct Unfinished<'a>(Option<&'a Shared>);

impl Drop for Unfinished<'_> {
    fn drop(&mut self) {
        if let Some(shared) = self.0 {
            // Whoever holds the link is in the middle of an operation that fails with the line.
            if let Ok(mut link) = shared.link.try_lock() {
                link.give_up("a transaction was dropped before its end");
            }
            shared.hold.with(|line| line.abandon());
        }
    }
}

impl Session {
    /// Runs `work` in a transaction: commits when it returns Ok, rolls back when it returns an error, panics, is
    /// dropped or runs into the invocation's deadline.
    ///
    /// All that `work` awaits is in it, whichever handle it uses ([`session::current`](super::current) included).
    /// Inside another transaction it is a savepoint. A BEGIN, COMMIT or ROLLBACK of `work`'s own spoils it: it is not
    /// committed then. Everything else that uses the session meanwhile waits; so do not await, inside, another task
    /// that uses a handle from outside.
    ///
    /// # Errors
    /// What `work` returns; [`Error::TransactionAborted`] when `work` returned Ok though the transaction was no longer
    /// the one that was begun. A commit that fails because the connection does is [`Error::Connection`]: its outcome is
    /// unknown.
    pub fn transaction<'a, T: 'a>(
        &'a self,
        work: impl Future<Output = Result<T>> + 'a,
    ) -> impl Future<Output = Result<T>> + 'a {
        // Boxed: each level would else hold the one inside it several times, and three of them fill a stack.
        Box::pin(self.in_transaction(Box::pin(work)))
    }

    async fn in_transaction<T>(&self, work: impl Future<Output = Result<T>>) -> Result<T> {
        let outer = self.scope();
        let inner = Arc::new(Scope::inside(outer.clone()));
        let depth = outer.depth();
        let savepoint = format!("sqlscope_{depth}");

        let _turn = self.until_closed(Box::pin(outer.turn())).await?;
        self.control(&outer, async |lease| {
            if depth == 0 {
                lease.client().begin_transaction().await
            } else {
                lease.client().save_transaction(savepoint.as_str()).await
            }
        })
        .await?;

        let mut unfinished = Unfinished(Some(&self.shared));
        let inside = Session { shared: self.shared.clone(), scope: inner.clone() };
        let outcome = CURRENT.scope(inside, work).await;
        if !inner.end() {
            // `unfinished` cuts the connection under it, and the server rolls back.
            return outcome.and(Err(Error::TransactionAborted));
        }

        let outcome = match outcome {
            Ok(_) if inner.is_aborted() => Err(Error::TransactionAborted),
            Ok(value) if depth > 0 => Ok(value),
            Ok(value) => {
                let commit = self.control(&outer, async |lease| lease.client().commit_transaction().await);
                commit.await.map(|()| value)
            }
            Err(error) => Err(error),
        };
        if outcome.is_err() {
            let undo: Cow<'static, str> = match (depth, inner.is_aborted()) {
                (0, _) => "IF @@TRANCOUNT > 0 ROLLBACK TRANSACTION".into(),
                (_, false) => format!("ROLLBACK TRANSACTION {savepoint}").into(),
                // A transaction that was given up has no savepoints; the outermost one clears it away.
                (_, true) => Cow::Borrowed(""),
            };
            if !undo.is_empty() {
                let undone = self.control(&outer, async |lease| {
                    lease.client().simple_query(undo).await?.into_results().await.map(drop)
                });
                if let Err(error) = undone.await {
                    // `unfinished` cuts the connection, and the server rolls back.
                    tracing::warn!(error = %error.chain(), "the rollback failed; the connection was cut");
                    return outcome;
                }
            }
        }
        unfinished.0 = None;
        outcome
    }

    /// Runs a begin, save, commit or rollback on the connection, under the turn that is already held.
    async fn control(
        &self,
        scope: &Arc<Scope>,
        command: impl AsyncFnOnce(&mut Lease<'_>) -> Result<(), tiberius::error::Error>,
    ) -> Result<()> {
        let operation = async {
            let mut lease = Lease::take(&self.shared, scope.clone(), None).await?;
            self.timed(async {
                let outcome = command(&mut lease).await;
                lease.settle(outcome).await
            })
            .await
        };
        self.until_closed(Box::pin(operation)).await
    }
}
