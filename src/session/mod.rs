//! The session: one connection for one invocation, reached from anywhere in it.

mod close;
mod guard;
mod lease;
mod row;
mod sql;
mod transaction;
mod wear;

use std::{fmt, future::Future, pin::Pin, sync::Arc, time::Duration};

use serde::de::DeserializeOwned;
pub use tiberius::ToSql;
use tokio::{sync::Mutex, time::Instant};
use tokio_util::sync::CancellationToken;

use close::Hold;
pub(crate) use guard::{Limits, Timings, guard};
use lease::{Lease, Link};
pub use sql::{CheckedSql, Sql};
use transaction::Scope;
use wear::{Wear, Worst};

use crate::{
    Error, Result,
    connection::{Connector, connector::Connection},
};

/// The driver's client, as [`Session::with_client`] lends it.
pub type Client = tiberius::Client<crate::connection::Stream>;

tokio::task_local! {
    static CURRENT: Session;
}

/// The session of the invocation that this code runs in.
///
/// It is there in the handler and in everything that the handler awaits; a transaction's future sees the session
/// inside the transaction. A task of its own (`tokio::spawn`) has none: hand it a `Session` if it must use one,
/// and await it, for the session closes when the handler returns.
///
/// # Errors
/// [`Error::NoSession`] outside an invocation, and in one whose handler takes no `&Session`.
pub fn current() -> Result<Session> {
    CURRENT.try_with(Session::clone).map_err(|_| Error::NoSession)
}

/// A handle over the invocation's one connection.
///
/// Each operation waits for the one before it, runs, and returns its rows whole, so `join!` is safe and gains
/// nothing. An operation that is dropped before its end, or runs into its timeout, costs the session its connection:
/// what the server made of it is unknown. A single statement commits itself; several belong in a
/// [`transaction`](Session::transaction).
#[derive(Clone)]
pub struct Session {
    shared: Arc<Shared>,
    scope: Arc<Scope>,
}

/// What all handles of one session share.
struct Shared {
    link: Mutex<Link>,
    hold: Hold,
    wear: Worst,
    closed: CancellationToken,
    /// When the connection is too old for another session.
    until: Instant,
    statement_timeout: Option<Duration>,
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session").field("closed", &self.shared.closed.is_cancelled()).finish_non_exhaustive()
    }
}

impl Session {
    /// Opens a session outside an invocation, for a tool or a test; in a handler the framework has opened one.
    /// Inside its transactions it is the [`current`] one.
    ///
    /// End it with [`close`](Session::close). Dropping all its handles closes the socket, too.
    ///
    /// # Errors
    /// [`Error::Open`] when no connection can be opened within the budget.
    pub async fn open(connector: &Connector) -> Result<Session> {
        let connection = connector.open().await?;
        Ok(Session::over(connection, connector.settings().command_timeout))
    }

    fn over(connection: Connection, statement_timeout: Option<Duration>) -> Session {
        let shared = Shared {
            link: Mutex::new(Link::new(connection.client)),
            hold: Hold::new(connection.line),
            wear: Worst::default(),
            closed: CancellationToken::new(),
            until: connection.until,
            statement_timeout,
        };
        Session { shared: Arc::new(shared), scope: Arc::default() }
    }

    /// Runs a query and returns its first result set, each row as a `T`: a struct or map by column names, a tuple or
    /// array by position, or a single value.
    ///
    /// Text, numbers and bit are read as themselves; binary as `Vec<u8>`, in a struct or tuple as `[u8; N]` too;
    /// uniqueidentifier, decimal, date and time as text: datetimeoffset as RFC 3339 in UTC (`time::serde::rfc3339`
    /// reads it), the others in ISO 8601. What may be NULL is an `Option`.
    ///
    /// # Errors
    /// [`Error::Server`] and the other errors of SQL; [`Error::Value`] when a row does not fit `T`.
    pub async fn query<T: DeserializeOwned>(&self, sql: impl Sql, params: &[&dyn ToSql]) -> Result<Vec<T>> {
        let rows = self.query_rows(sql, params).await?;
        rows.iter().map(row::deserialize).collect()
    }

    /// Runs a query and returns its first row.
    ///
    /// # Errors
    /// As [`query`](Session::query); [`Error::NotFound`] (a 404) when there is no row.
    pub async fn query_one<T: DeserializeOwned>(&self, sql: impl Sql, params: &[&dyn ToSql]) -> Result<T> {
        let row = self.query_opt(sql, params).await?;
        row.ok_or(Error::NotFound("There is no such thing.".into()))
    }

    /// Runs a query and returns its first row, if there is one.
    ///
    /// # Errors
    /// As [`query`](Session::query).
    pub async fn query_opt<T: DeserializeOwned>(
        &self,
        sql: impl Sql,
        params: &[&dyn ToSql],
    ) -> Result<Option<T>> {
        let rows = self.query_rows(sql, params).await?;
        rows.first().map(row::deserialize).transpose()
    }

    /// Runs a query and returns the driver's rows of its first result set.
    ///
    /// # Errors
    /// As [`query`](Session::query).
    pub async fn query_rows(&self, sql: impl Sql, params: &[&dyn ToSql]) -> Result<Vec<tiberius::Row>> {
        let sql = sql.text();
        self.shared.wear.statement(&sql);
        let operation = async {
            let mut lease = self.lease().await?;
            self.timed(async {
                let outcome = match lease.client().query(sql, params).await {
                    Ok(stream) => stream.into_first_result().await,
                    Err(error) => Err(error),
                };
                lease.settle(outcome).await
            })
            .await
        };
        self.until_closed(Box::pin(operation)).await
    }

    /// Runs a statement and returns how many rows it affected.
    ///
    /// # Errors
    /// As [`query`](Session::query).
    pub async fn execute(&self, sql: impl Sql, params: &[&dyn ToSql]) -> Result<u64> {
        let sql = sql.text();
        self.shared.wear.statement(&sql);
        let operation = async {
            let mut lease = self.lease().await?;
            self.timed(async {
                let outcome = lease.client().execute(sql, params).await;
                Ok(lease.settle(outcome).await?.total())
            })
            .await
        };
        self.until_closed(Box::pin(operation)).await
    }

    /// Runs a batch of statements without parameters, as one message: what it creates (`#temp` tables, SET
    /// options) lasts until the session closes.
    ///
    /// # Errors
    /// As [`query`](Session::query).
    pub async fn batch(&self, sql: impl Sql) -> Result<()> {
        let sql = sql.text();
        self.shared.wear.batch(&sql);
        let operation = async {
            let mut lease = self.lease().await?;
            self.timed(async {
                let outcome = match lease.client().simple_query(sql).await {
                    Ok(stream) => stream.into_results().await,
                    Err(error) => Err(error),
                };
                lease.settle_and_look(outcome).await.map(drop)
            })
            .await
        };
        self.until_closed(Box::pin(operation)).await
    }

    /// Lends the driver's client, for streaming and bulk loads. No statement timeout applies.
    ///
    /// # Errors
    /// What the closure returns. After an error that is not the server's, the connection is thrown away: rows of
    /// an answer, or half a bulk load, may be left.
    pub async fn with_client<T, F>(&self, work: F) -> Result<T>
    where
        F: for<'a> FnOnce(
            &'a mut Client,
        ) -> futures_util::future::BoxFuture<'a, Result<T, tiberius::error::Error>>,
    {
        self.shared.wear.note(Wear::Unknown);
        let operation = async {
            let mut lease = self.lease().await?;
            let outcome = work(lease.client()).await;
            lease.settle_and_look(outcome).await
        };
        self.until_closed(Box::pin(operation)).await
    }

    /// Closes the session: what is open is rolled back by the server, which hangs up before this returns, or
    /// after a second is left to notice it by itself. The guard does this for an invocation's session.
    pub async fn close(self) {
        self.end(None).await;
    }

    /// The scope that an operation of this handle belongs to: inside a transaction's future the innermost one,
    /// whichever handle is used.
    fn scope(&self) -> Arc<Scope> {
        let inner = CURRENT
            .try_with(|current| Arc::ptr_eq(&current.shared, &self.shared).then(|| current.scope.clone()));
        inner.ok().flatten().unwrap_or_else(|| self.scope.clone())
    }

    /// Waits for this operation's turn and takes the connection.
    async fn lease(&self) -> Result<Lease<'_>> {
        let scope = self.scope();
        let turn = scope.turn().await?;
        Lease::take(&self.shared, scope, Some(turn)).await
    }

    /// Runs an exchange no longer than the statement timeout; the wait for its turn does not count.
    async fn timed<T>(&self, exchange: impl Future<Output = Result<T>>) -> Result<T> {
        match self.shared.statement_timeout {
            Some(limit) => {
                let outcome = tokio::time::timeout(limit, exchange).await;
                outcome.unwrap_or(Err(Error::StatementTimeout(limit)))
            }
            None => exchange.await,
        }
    }

    /// Runs an operation until the session is closed. It comes in a box: the driver's futures take some 10 KiB each,
    /// and a handler of many queries, not optimized, would hold all of them on a worker's stack at once.
    async fn until_closed<T, F>(&self, operation: Pin<Box<F>>) -> Result<T>
    where
        F: Future<Output = Result<T>>,
    {
        tokio::select! {
            biased;
            () = self.shared.closed.cancelled() => Err(Error::SessionClosed),
            outcome = operation => outcome,
        }
    }
}
