//! `handler migrate`: applies migrations/*.sql in order, once each, each in a transaction.

use std::{
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use sha2::{Digest, Sha256};

use crate::{Error, Result, Session, session::CheckedSql};

/// Which migrations were applied, and with what content.
const BOOKKEEPING: &str = "IF OBJECT_ID(N'dbo.sqlscope_migration', N'U') IS NULL \
     CREATE TABLE dbo.sqlscope_migration (\
     name nvarchar(200) NOT NULL CONSTRAINT pk_sqlscope_migration PRIMARY KEY, \
     checksum char(64) NOT NULL, \
     applied_at datetimeoffset(3) NOT NULL CONSTRAINT df_sqlscope_migration_applied_at DEFAULT SYSDATETIMEOFFSET())";

/// Held to the end of the transaction, so that two instances that migrate at once take turns. A timeout is a negative
/// value, not an error.
const LOCK: &str = "DECLARE @taken int; \
     EXEC @taken = sp_getapplock @Resource = N'sqlscope_migration', @LockMode = N'Exclusive', \
     @LockOwner = N'Transaction', @LockTimeout = 60000; \
     SELECT @taken;";

async fn lock(session: &Session) -> Result<()> {
    match session.query_one::<i32>(LOCK, &[]).await? {
        0.. => Ok(()),
        _ => Err(Error::Startup(
            "another `handler migrate` has held the lock for a minute; wait until it has ended".to_owned(),
        )),
    }
}

/// A file of the migrations folder.
#[derive(Debug)]
struct Migration {
    name: String,
    text: String,
    checksum: String,
}

/// Applies what is not applied yet and returns the names of it.
///
/// # Errors
/// [`Error::Startup`] names the file: one that cannot be read, one that changed after it was applied, or one that
/// failed; what came before it stays applied, of itself nothing is.
pub(crate) async fn apply(session: &Session, folder: &Path) -> Result<Vec<String>> {
    let migrations = read(folder)?;
    session
        .transaction(async {
            lock(session).await?;
            session.batch(BOOKKEEPING).await
        })
        .await?;
    let mut applied = Vec::new();
    for migration in migrations {
        let outcome = session.transaction(apply_one(session, &migration)).await;
        let fresh = outcome.map_err(|error| match error {
            error @ Error::Startup(_) => error,
            error => Error::Startup(format!("{}: {}", migration.name, error.chain())),
        })?;
        if fresh {
            tracing::info!("applied {}", migration.name);
            applied.push(migration.name);
        }
    }
    Ok(applied)
}

/// Whether it was applied now, rather than before.
async fn apply_one(session: &Session, migration: &Migration) -> Result<bool> {
    lock(session).await?;
    let known: Option<String> = session
        .query_opt("SELECT checksum FROM dbo.sqlscope_migration WHERE name = @P1", &[&migration.name])
        .await?;
    match known {
        Some(checksum) if checksum.trim_end() == migration.checksum => return Ok(false),
        Some(_) => {
            return Err(Error::Startup(format!(
                "{} has changed since it was applied; restore it, and put the change into a new file",
                migration.name
            )));
        }
        None => {}
    }
    for batch in batches(&migration.text) {
        session.batch(CheckedSql(batch)).await?;
    }
    session
        .execute(
            "INSERT INTO dbo.sqlscope_migration (name, checksum) VALUES (@P1, @P2)",
            &[&migration.name, &migration.checksum],
        )
        .await?;
    Ok(true)
}

/// The folder's `.sql` files in the order of their names.
fn read(folder: &Path) -> Result<Vec<Migration>> {
    let unreadable = |path: &Path, error: &dyn std::fmt::Display| {
        Error::Startup(format!("{} cannot be read: {error}", path.display()))
    };
    let entries = fs::read_dir(folder).map_err(|error| {
        Error::Startup(format!(
            "there is no folder of migrations at {} ({error}); run `handler migrate` in the project's folder, or set \
             FUNCTIONS_APP_ROOT_PATH to it",
            folder.display()
        ))
    })?;
    let mut paths: Vec<PathBuf> = Vec::new();
    for entry in entries {
        let path = entry.map_err(|error| unreadable(folder, &error))?.path();
        if path.extension().is_some_and(|extension| extension.eq_ignore_ascii_case("sql")) {
            paths.push(path);
        }
    }
    paths.sort();
    let read_one = |path: PathBuf| {
        let text = fs::read_to_string(&path).map_err(|error| unreadable(&path, &error))?;
        let name = path.file_name().and_then(|name| name.to_str());
        let name = name.ok_or_else(|| unreadable(&path, &"its name is not Unicode"))?.to_owned();
        // A checkout on Windows is the same migration.
        let text = text.trim_start_matches('\u{feff}').replace("\r\n", "\n");
        let mut checksum = String::new();
        for byte in Sha256::digest(&text) {
            // Writing to a String cannot fail.
            let _ = write!(checksum, "{byte:02x}");
        }
        Ok(Migration { name, text, checksum })
    };
    paths.into_iter().map(read_one).collect()
}

/// The batches of a file: parts between lines that say `GO` and nothing else, as sqlcmd has them.
fn batches(text: &str) -> Vec<String> {
    let mut batches = vec![String::new()];
    for line in text.lines() {
        if line.trim().eq_ignore_ascii_case("go") {
            batches.push(String::new());
        } else if let Some(batch) = batches.last_mut() {
            batch.push_str(line);
            batch.push('\n');
        }
    }
    batches.retain(|batch| !batch.trim().is_empty());
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn go_alone_on_a_line_ends_a_batch() {
        let text = "CREATE TABLE a (go int);\nGO\n\n go \nCREATE VIEW v AS SELECT 1 AS x\nGO\n";
        assert_eq!(batches(text), ["CREATE TABLE a (go int);\n", "CREATE VIEW v AS SELECT 1 AS x\n"]);
    }
}
