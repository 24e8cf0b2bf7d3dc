//! The endpoint: its socket, its sessions' books, and the faults that it is told to show.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};
use tokio_rustls::rustls::ServerConfig;

use super::{
    engine::{Database, Store},
    session,
};
use crate::{certificates::LocalCa, server::listen, token::TokenIssuer};

/// How an endpoint is started.
#[derive(Debug, Clone)]
pub struct SqlOptions {
    /// The port on 127.0.0.1; 0 picks a free one.
    pub port: u16,
    /// Where the tables are kept.
    pub database: Database,
    /// The authority whose server certificate the endpoint shows.
    pub certificates: LocalCa,
    /// Whose tokens are good.
    pub tokens: TokenIssuer,
    /// A user and password that are good as well.
    pub sql_login: Option<(String, String)>,
}

/// What happened at an endpoint so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Connections that were accepted.
    pub connections: u64,
    /// Logins that succeeded.
    pub logins: u64,
    /// Logins that were refused.
    pub refused: u64,
    /// Sessions that logged in.
    pub opened: u64,
    /// Sessions that logged in and have ended: what they left open is rolled back, and the socket is closed after.
    pub closed: u64,
    /// Transactions that were committed by BEGIN and COMMIT.
    pub commits: u64,
    /// Transactions that were rolled back.
    pub rollbacks: u64,
}

/// One session that logged in.
#[derive(Debug, Clone)]
pub struct SessionRecord {
    /// Its `@@SPID`.
    pub spid: u16,
    /// The object id of its token, or its user.
    pub login: String,
    /// The application name that it gave.
    pub application: String,
    /// The database that it asked for.
    pub database: String,
    /// The server name that it asked for.
    pub server: String,
    /// The TDS version that it asked for.
    pub tds_version: u32,
    /// The TLS version of its connection, as `TLSv1_2`.
    pub tls_version: String,
    /// The host name that it asked for in TLS (SNI).
    pub tls_server_name: Option<String>,
    /// When it logged in.
    pub opened_at: Instant,
    /// When it ended.
    pub closed_at: Option<Instant>,
    /// Whether a transaction was open at its end.
    pub open_transaction: bool,
}

/// The counts, as they are kept.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) connections: AtomicU64,
    pub(crate) opened: AtomicU64,
    pub(crate) refused: AtomicU64,
    pub(crate) closed: AtomicU64,
    commits: AtomicU64,
    rollbacks: AtomicU64,
}

impl Tally {
    pub(crate) fn transaction_ended(&self, committed: bool) {
        let counter = if committed { &self.commits } else { &self.rollbacks };
        counter.fetch_add(1, Ordering::SeqCst);
    }
}

/// What all sessions of an endpoint share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Arc<Store>,
    pub(crate) tally: Arc<Tally>,
    pub(crate) wrapped_tls: Arc<ServerConfig>,
    pub(crate) strict_tls: Arc<ServerConfig>,
    pub(crate) tokens: TokenIssuer,
    pub(crate) sql_login: Option<(String, String)>,
    books: Mutex<Books>,
}

#[derive(Debug, Default)]
struct Books {
    records: Vec<SessionRecord>,
    last_spid: u16,
    live: Vec<u16>,
    failing: (usize, u32),
    redirect: Option<(String, u16)>,
}

impl Shared {
    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The error that the next login is to be answered, if it is to fail.
    pub(crate) fn next_failure(&self) -> Option<u32> {
        let (left, number) = &mut self.books().failing;
        *left = left.checked_sub(1)?;
        Some(*number)
    }

    pub(crate) fn redirect(&self) -> Option<(String, u16)> {
        self.books().redirect.clone()
    }

    /// A number for a session that no other live session has.
    pub(crate) fn take_spid(&self) -> u16 {
        let books = &mut *self.books();
        loop {
            books.last_spid = if books.last_spid >= 32_000 { 51 } else { books.last_spid.max(50) + 1 };
            if !books.live.contains(&books.last_spid) {
                books.live.push(books.last_spid);
                return books.last_spid;
            }
        }
    }

    pub(crate) fn give_spid(&self, spid: u16) {
        self.books().live.retain(|live| *live != spid);
    }

    /// Writes down a session; gives its place in the book.
    pub(crate) fn opened(&self, record: SessionRecord) -> usize {
        let mut books = self.books();
        books.records.push(record);
        self.tally.opened.fetch_add(1, Ordering::SeqCst);
        books.records.len() - 1
    }

    pub(crate) fn closed(&self, place: usize, open_transaction: bool) {
        let mut books = self.books();
        if let Some(record) = books.records.get_mut(place) {
            record.closed_at = Some(Instant::now());
            record.open_transaction = open_transaction;
        }
        self.tally.closed.fetch_add(1, Ordering::SeqCst);
    }
}

/// A running endpoint. Dropping it stops it.
#[derive(Debug)]
pub struct SqlEndpoint {
    port: u16,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    accepting: Option<JoinHandle<()>>,
}

impl SqlEndpoint {
    /// Starts to listen on 127.0.0.1.
    ///
    /// # Errors
    /// When the port is taken ([`io::ErrorKind::AddrInUse`]), or the database or the certificate cannot be opened.
    pub async fn start(options: SqlOptions) -> io::Result<SqlEndpoint> {
        let listener = listen(options.port).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("the Azure SQL endpoint cannot listen on port {}: {error}", options.port),
            )
        })?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared {
            store: Arc::new(Store::open(&options.database)?),
            tally: Arc::default(),
            wrapped_tls: options.certificates.server_config()?,
            strict_tls: options.certificates.strict_server_config()?,
            tokens: options.tokens,
            sql_login: options.sql_login,
            books: Mutex::default(),
        });
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared), stopped));
        Ok(SqlEndpoint { port, shared, stop, accepting: Some(accepting) })
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        let tally = &self.shared.tally;
        let read = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        Counts {
            connections: read(&tally.connections),
            logins: read(&tally.opened),
            refused: read(&tally.refused),
            opened: read(&tally.opened),
            closed: read(&tally.closed),
            commits: read(&tally.commits),
            rollbacks: read(&tally.rollbacks),
        }
    }

    /// Every session that logged in, in that order.
    pub fn sessions(&self) -> Vec<SessionRecord> {
        self.shared.books().records.clone()
    }

    /// Answers the next `count` logins with this error.
    pub fn fail_logins(&self, count: usize, number: u32) {
        self.shared.books().failing = (count, number);
    }

    /// Sends every login to another server, as Azure SQL's gateway does.
    pub fn redirect_logins(&self, host: &str, port: u16) {
        self.shared.books().redirect = Some((host.to_owned(), port));
    }

    /// Lets logins in again.
    pub fn stop_redirecting(&self) {
        self.shared.books().redirect = None;
    }

    /// Ends all sessions, and then itself.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(accepting) = self.accepting.take() {
            // Nothing is left to do about a task that panicked.
            let _ = accepting.await;
        }
    }
}

impl Drop for SqlEndpoint {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let mut sessions = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => break,
            _ = sessions.join_next(), if !sessions.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, _)) => {
                shared.tally.connections.fetch_add(1, Ordering::SeqCst);
                sessions.spawn(serve(socket, Arc::clone(&shared), stopped.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "the Azure SQL endpoint could not accept a connection");
                // Too many open files, as a rule: a moment for some to close.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    while sessions.join_next().await.is_some() {}
}

async fn serve(socket: TcpStream, shared: Arc<Shared>, stopped: watch::Receiver<bool>) {
    if let Err(error) = session::serve(socket, &shared, stopped).await {
        // Clients hang up as they please: worth a word only to who looks for it.
        tracing::debug!(%error, "an Azure SQL connection ended");
    }
}
