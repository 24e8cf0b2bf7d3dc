//! The SQLite database behind one endpoint, and what its sessions share: locks and identity counters.

use std::{
    collections::HashMap,
    fs, io,
    path::PathBuf,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use rusqlite::{Connection, OpenFlags, config::DbConfig};

use super::{
    catalog,
    functions::{self, Shared},
    locks::Locks,
};

/// Where an endpoint keeps its tables.
#[derive(Debug, Clone, PartialEq)]
pub enum Database {
    /// Nowhere: all sessions of the endpoint see one database, which goes with the endpoint.
    Memory,
    /// In this file, made when it is not there.
    File(PathBuf),
}

/// The database, opened.
#[derive(Debug)]
pub(crate) struct Store {
    path: PathBuf,
    /// The directory to remove at the end.
    temporary: Option<PathBuf>,
    pub(crate) locks: Locks,
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
        let store = Store { path, temporary, locks: Locks::default(), identities: Mutex::default() };
        let failed = |failure: rusqlite::Error| {
            io::Error::other(format!("{} cannot be opened as a database: {failure}", store.path.display()))
        };
        let connection = store.connect(&Shared::default()).map_err(failed)?;
        connection.pragma_update(None, "journal_mode", "WAL").map_err(failed)?;
        connection.execute_batch(&catalog::views()).map_err(failed)?;
        drop(connection);
        Ok(store)
    }

    /// A connection for one session, with T-SQL's functions.
    pub(crate) fn connect(&self, shared: &Shared) -> rusqlite::Result<Connection> {
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE
            | OpenFlags::SQLITE_OPEN_CREATE
            | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let connection = Connection::open_with_flags(&self.path, flags)?;
        // For what another process does to the file; among the sessions here, `locks` has the order.
        connection.busy_timeout(Duration::from_secs(10))?;
        // Without these, SQLite takes a quoted name that it does not know for a string.
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
        connection.pragma_update(None, "foreign_keys", true)?;
        connection.pragma_update(None, "temp_store", "MEMORY")?;
        connection.pragma_update(
            None,
            "synchronous",
            if self.temporary.is_some() { "OFF" } else { "NORMAL" },
        )?;
        functions::register(&connection, shared)?;
        Ok(connection)
    }

    pub(crate) fn identities(&self) -> MutexGuard<'_, HashMap<String, i64>> {
        self.identities.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Store {
    fn drop(&mut self) {
        if let Some(directory) = &self.temporary {
            // Nothing can be done about a directory that stays; it is in the system's temporary place.
            let _ = fs::remove_dir_all(directory);
        }
    }
}
