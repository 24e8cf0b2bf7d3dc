//! One operation's hold of the connection, which costs the connection when it is let go in the middle.

use std::{borrow::Cow, sync::Arc};

use tokio::sync::{MutexGuard, OwnedMutexGuard};

use super::{Client, Shared, transaction::Scope, wear::Wear};
use crate::{Error, Result};

/// The driver's client, or why there is none any more.
pub(super) struct Link(Result<Box<Client>, Cow<'static, str>>);

impl Link {
    pub(super) fn new(client: Box<Client>) -> Self {
        Link(Ok(client))
    }

    /// Takes the client out; no operation will use this connection again, for this reason.
    pub(super) fn take(&mut self, reason: &'static str) -> Option<Box<Client>> {
        std::mem::replace(&mut self.0, Err(reason.into())).ok()
    }

    /// No operation will use this connection again, for this reason.
    pub(super) fn give_up(&mut self, reason: &'static str) {
        self.0 = Err(reason.into());
    }
}

/// The connection, for one operation.
///
/// A lease that is dropped before it is settled was in the middle of an exchange: the answer would be taken for
/// that of the next operation, so the connection is cut (MS-TDS knows no way back but ATTENTION, which the driver
/// does not get right: see `cancel_query`).
pub(super) struct Lease<'a> {
    shared: &'a Shared,
    link: MutexGuard<'a, Link>,
    client: Option<Box<Client>>,
    scope: Arc<Scope>,
    _turn: Option<OwnedMutexGuard<()>>,
}

impl<'a> Lease<'a> {
    pub(super) async fn take(
        shared: &'a Shared,
        scope: Arc<Scope>,
        turn: Option<OwnedMutexGuard<()>>,
    ) -> Result<Self> {
        let mut link = shared.link.lock().await;
        let abandoned = Err(Cow::Borrowed("an operation was dropped before its end"));
        match std::mem::replace(&mut link.0, abandoned) {
            Ok(client) => Ok(Lease { shared, link, client: Some(client), scope, _turn: turn }),
            Err(reason) => {
                link.0 = Err(reason.clone());
                Err(Error::SessionBroken(reason))
            }
        }
    }

    pub(super) fn client(&mut self) -> &mut Client {
        // The client is taken out by `settle` and `drop` only, which end the lease.
        self.client.as_mut().expect("a lease holds its client until it is settled")
    }

    /// Ends an operation that cannot have ended a transaction without an error: a parameterised statement, for
    /// which the server reports 266. After an answer of the server, be it an error, the connection goes on; after
    /// any other failure it is cut.
    pub(super) async fn settle<T>(mut self, outcome: Result<T, tiberius::error::Error>) -> Result<T> {
        match outcome.map_err(Error::from) {
            Ok(value) => {
                self.give_back();
                Ok(value)
            }
            Err(Error::Server(error)) if error.class() < 20 => {
                self.shared.wear.note(Wear::Worn);
                if self.scope.depth() > 0 {
                    self.look_after().await?;
                }
                self.give_back();
                Err(error.into())
            }
            Err(error) => {
                self.link.0 = Err(Cow::Owned(error.to_string()));
                Err(error)
            }
        }
    }

    /// As [`settle`](Self::settle), for work that may have begun or ended a transaction by itself.
    pub(super) async fn settle_and_look<T>(
        mut self,
        outcome: Result<T, tiberius::error::Error>,
    ) -> Result<T> {
        if outcome.is_ok() && self.scope.depth() > 0 {
            self.look_after().await?;
        }
        self.settle(outcome).await
    }

    /// Asks whether the transaction is still the one that was begun. XACT_ABORT, a deadlock and others end it or
    /// leave it fit only for a rollback, and so does a ROLLBACK or COMMIT of the application's own: what came
    /// after would be committed by itself. After a BEGIN, a commit would not commit.
    async fn look_after(&mut self) -> Result<()> {
        let outcome = match self.client().simple_query("SELECT @@TRANCOUNT, XACT_STATE()").await {
            Ok(stream) => stream.into_row().await,
            Err(error) => Err(error),
        };
        let row = outcome.map_err(|error| {
            let error = Error::from(error);
            self.link.0 = Err(Cow::Owned(error.to_string()));
            error
        })?;
        let alive = row.is_some_and(|row| {
            matches!(row.try_get::<i32, _>(0), Ok(Some(1))) && matches!(row.try_get::<i16, _>(1), Ok(Some(1)))
        });
        if !alive {
            tracing::warn!("the transaction is no longer the one that was begun");
            self.scope.abort();
        }
        Ok(())
    }

    fn give_back(&mut self) {
        if let Some(client) = self.client.take() {
            self.link.0 = Ok(client);
        }
    }
}

impl Drop for Lease<'_> {
    fn drop(&mut self) {
        if self.client.take().is_some() {
            self.shared.hold.with(|line| line.abandon());
        }
    }
}
