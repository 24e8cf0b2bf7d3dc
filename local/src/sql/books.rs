//! An endpoint's books: its counts, its sessions, and what all of them share.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
    time::Instant,
};

use tokio_rustls::rustls::ServerConfig;

use crate::sql::{
    engine::Store,
    faults::{Faults, Stage, Standing, Trouble},
    server::SqlOptions,
};
use crate::token::TokenIssuer;

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
    /// How many requests it has received: batches, procedure calls, transaction requests and bulk loads.
    pub requests: u64,
    /// Whether a transaction was open at its end.
    pub open_transaction: bool,
}

/// The counts, as they are kept.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    connections: AtomicU64,
    opened: AtomicU64,
    refused: AtomicU64,
    closed: AtomicU64,
    commits: AtomicU64,
    rollbacks: AtomicU64,
}

impl Tally {
    fn counts(&self) -> Counts {
        let read = |counter: &AtomicU64| counter.load(Ordering::SeqCst);
        Counts {
            connections: read(&self.connections),
            logins: read(&self.opened),
            refused: read(&self.refused),
            opened: read(&self.opened),
            closed: read(&self.closed),
            commits: read(&self.commits),
            rollbacks: read(&self.rollbacks),
        }
    }

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
    faults: Standing,
    redirect: Option<(String, u16)>,
}

impl Shared {
    /// # Errors
    /// When the database or the certificate cannot be opened.
    pub(crate) fn open(options: SqlOptions) -> io::Result<Shared> {
        Ok(Shared {
            store: Arc::new(Store::open(&options.database)?),
            tally: Arc::default(),
            wrapped_tls: options.certificates.server_config()?,
            strict_tls: options.certificates.strict_server_config()?,
            tokens: options.tokens,
            sql_login: options.sql_login,
            books: Mutex::new(Books { faults: Standing::new(options.faults), ..Books::default() }),
        })
    }

    fn books(&self) -> MutexGuard<'_, Books> {
        self.books.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn set_faults(&self, faults: Faults) {
        self.books().faults.replace(faults);
    }

    pub(crate) fn faults(&self) -> Faults {
        self.books().faults.faults().clone()
    }

    pub(crate) fn fail_logins(&self, count: usize, number: u32) {
        self.books().faults.fail_logins(count, number);
    }

    /// The error that the next login is to be answered, if it is to fail.
    pub(crate) fn next_refusal(&self) -> Option<u32> {
        self.books().faults.next_refusal()
    }

    pub(crate) fn next_trouble(&self, stage: Stage, met: &mut Option<u64>) -> Option<Trouble> {
        self.books().faults.next_trouble(stage, met)
    }

    pub(crate) fn set_redirect(&self, redirect: Option<(String, u16)>) {
        self.books().redirect = redirect;
    }

    pub(crate) fn redirect(&self) -> Option<(String, u16)> {
        self.books().redirect.clone()
    }

    pub(crate) fn counts(&self) -> Counts {
        self.tally.counts()
    }

    pub(crate) fn records(&self) -> Vec<SessionRecord> {
        self.books().records.clone()
    }

    pub(crate) fn accepted(&self) {
        self.tally.connections.fetch_add(1, Ordering::SeqCst);
    }

    pub(crate) fn refused(&self) {
        self.tally.refused.fetch_add(1, Ordering::SeqCst);
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

    pub(crate) fn requested(&self, place: usize) {
        if let Some(record) = self.books().records.get_mut(place) {
            record.requests += 1;
        }
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
