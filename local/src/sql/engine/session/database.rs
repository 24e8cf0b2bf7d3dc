//! The SQLite database behind one endpoint, and what its sessions share: locks and identity counters.

use std::{
    collections::HashMap,
    fs, io,
    ops::Deref,
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::{live::Live, locks::Locks};
use crate::sql::engine::{
    catalog,
    functions::{self, Shared, State},
    script::parsed::Parsed,
};

/// Where an endpoint keeps its tables.
#[derive(Debug, Clone, PartialEq)]
pub enum Database {
    /// Nowhere: all sessions of the endpoint see one database, which goes with the endpoint.
    Memory,
    /// In this file, made when it is not there.
    File(PathBuf),
}

/// Beyond this many, connections are closed with their sessions.
const MOST_IDLE: usize = 64;

/// The database, opened.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    /// The directory to remove at the end.
    temporary: Option<PathBuf>,
    pub(crate) locks: Locks,
    pub(crate) live: Arc<Live>,
    /// Connections that sessions have left as they had found them, for sessions to come: to open one, with all of
    /// T-SQL's functions and the schema to read, is most of the work of a login. And while one is open, SQLite does not
    /// put its log away at the end of every session.
    idle: Mutex<Vec<(Connection, Shared)>>,
    pub(crate) parsed: Parsed,
    /// The next value of each identity column, by table. Never rolled back, as in SQL Server.
    identities: Mutex<HashMap<String, i64>>,
}

impl Store {
    pub(crate) fn open(database: &Database) -> io::Result<Self> {
        // Memory, too, is a file: SQLite's shared in-memory databases have no WAL, and there a reader waits for a
        // writer, which Azure SQL's readers (READ_COMMITTED_SNAPSHOT) do not.
        let temporary = match database {
            Database::Memory => {
                let directory = std::env::temp_dir().join(format!("sqlscope-{}", uuid::Uuid::new_v4()));
                let mut builder = fs::DirBuilder::new();
                #[cfg(unix)]
                std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
                builder.create(&directory)?;
                Some(directory)
            }
            Database::File(path) => {
                if let Some(parent) = path.parent() {
                    fs::create_dir_all(parent)?;
                }
                None
            }
        };
        let path = match (database, &temporary) {
            (Database::File(path), _) => path.clone(),
            (Database::Memory, directory) => directory.clone().unwrap_or_default().join("memory.db"),
        };
        let store = Store {
            path,
            temporary,
            locks: Locks::default(),
            live: Arc::default(),
            idle: Mutex::default(),
            parsed: Parsed::default(),
            identities: Mutex::default(),
        };
        let failed = |failure: rusqlite::Error| {
            io::Error::other(format!("{} cannot be opened as a database: {failure}", store.path.display()))
        };
        let shared = Shared::default();
        let connection = store.connect(&shared).map_err(failed)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        connection.execute_batch(&catalog::views()).map_err(failed)?;
        store.give_back(connection, shared);
        Ok(store)
    }

    /// Keeps a connection for another session, if nothing of this one is left in it.
    fn give_back(&self, connection: Connection, shared: Shared) {
        let temporary = connection
            .prepare_cached("SELECT 1 FROM sqlite_temp_schema")
            .and_then(|mut schema| schema.exists([]));
        if connection.is_autocommit() && matches!(temporary, Ok(false)) {
            *shared.lock() = State::default();
            let mut idle = self.idle();
            if idle.len() < MOST_IDLE {
                idle.push((connection, shared));
            }
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<(Connection, Shared)>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new connection, with T-SQL's functions.
    fn connect(&self, shared: &Shared) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        // For what another process does to the file; among the sessions here, `locks` has the order.
        connection.busy_timeout(Duration::from_secs(10))?;
        // Without these, SQLite takes a quoted name that it does not know for a string.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
        let synchronous = if self.temporary.is_some() { "OFF" } else { "NORMAL" };
        connection.execute_batch(&format!(
            "PRAGMA foreign_keys = ON; PRAGMA temp_store = MEMORY; PRAGMA synchronous = {synchronous}"
        ))?;
        functions::register(&connection, shared, &self.live)?;
        Ok(connection)
    }

    pub(crate) fn identities(&self) -> MutexGuard<'_, HashMap<String, i64>> {
        self.identities.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A connection while a session has it, with what its functions and the session tell each other.
pub(crate) struct Lent {
    store: Arc<Store>,
    shared: Shared,
    connection: Option<Connection>,
}

impl Lent {
    /// One that is idle, else a new one.
    pub(crate) fn from(store: &Arc<Store>) -> rusqlite::Result<Self> {
        let idle = store.idle().pop();
        let (connection, shared) = match idle {
            Some(idle) => idle,
            None => {
                let shared = Shared::default();
                (store.connect(&shared)?, shared)
            }
        };
        Ok(Lent { store: Arc::clone(store), shared, connection: Some(connection) })
    }

    pub(crate) fn shared(&self) -> Shared {
        self.shared.clone()
    }
}

impl Deref for Lent {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection.as_ref().expect("a connection is lent until this is dropped")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        // After a panic, who knows what is left in it.
        if let Some(connection) = self.connection.take().filter(|_| !std::thread::panicking()) {
            self.store.give_back(connection, self.shared.clone());
        }
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        // Closed before the directory goes.
        self.idle().clear();
        if let Some(directory) = &self.temporary {
            // Nothing can be done about a directory that stays; it is in the system's temporary place.
            let _ = fs::remove_dir_all(directory);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_lent_again_only_as_it_was_found() {
        let store = Arc::new(Store::open(&Database::Memory).expect("a store"));
        let lent = |sql: &str| {
            let connection = Lent::from(&store).expect("a connection");
            connection.shared().lock().last_identity = Some(7);
            connection.execute_batch(sql).expect("run");
            drop(connection);
            store.idle().len()
        };
        assert_eq!(lent("CREATE TABLE kept (id INT)"), 1);
        let again = Lent::from(&store).expect("a connection");
        assert!(store.idle().is_empty() && again.shared().lock().last_identity.is_none());
        drop(again);
        assert_eq!(lent("CREATE TEMP TABLE left (id INT)"), 0);
        assert_eq!(lent("BEGIN; INSERT INTO kept VALUES (1)"), 0);
        let count = Lent::from(&store).expect("a connection");
        let count = count.query_row("SELECT count(*) FROM kept", [], |row| row.get::<_, i64>(0));
        assert_eq!(count, Ok(0));
    }
}
