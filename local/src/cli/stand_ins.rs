//! The identity and SQL endpoints that stand in for Azure, and the settings that lead a handler to them.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use rusqlite::{Connection, ErrorCode};
use sqlscope_local::{
    certificates::LocalCa,
    identity::{IdentityEndpoint, IdentityOptions},
    sql::{Database, SqlEndpoint, SqlOptions},
    token::TokenIssuer,
};

use super::{FaultOptions, Options, Result, port_problem};

/// The value of `IDENTITY_HEADER`; local.settings.json has it too, for `func start` beside `--no-host`.
const IDENTITY_HEADER: &str = "local";

/// Settings that lead a handler elsewhere, as those of a developer who is logged in to Azure: beside the stand-ins'
/// own they would contradict them.
pub(super) const ELSEWHERE: [&str; 6] = [
    "AZURE_SQL_*",
    "AZURE_TOKEN_CREDENTIALS",
    "AZURE_CLIENT_ID",
    "AZURE_FEDERATED_TOKEN_FILE",
    "SQLCONNSTR_SqlConnectionString",
    "SQLAZURECONNSTR_SqlConnectionString",
];

/// Both endpoints, running.
pub(super) struct StandIns {
    identity: Option<IdentityEndpoint>,
    sql: Option<SqlEndpoint>,
    identity_url: String,
    sql_port: u16,
    ca: PathBuf,
    database: PathBuf,
    /// Who may log in with a password.
    user: Option<String>,
    /// Held, not used: the data folder is this process's while it is open.
    _lock: Connection,
}

impl StandIns {
    /// Starts both without their faults: what a developer rehearses is the app, not its migrations.
    pub(super) async fn start(options: &Options, data: &Path) -> Result<Self> {
        let &Options { sql_port, identity_port, .. } = options;
        let sql_login = options.sql_login.as_deref().map(user_and_password).transpose()?;
        let unusable =
            |error| format!("{} cannot be used (--data names another place): {error}", data.display());
        std::fs::create_dir_all(data).map_err(unusable)?;
        let lock = locked(data)?;
        let tokens = TokenIssuer::load_or_create(data).map_err(unusable)?;
        let certificates = LocalCa::load_or_create(data).map_err(unusable)?;
        let ca = certificates.ca_path().to_owned();

        let identity =
            IdentityOptions { port: identity_port, ..IdentityOptions::new(IDENTITY_HEADER, tokens.clone()) };
        let identity = IdentityEndpoint::start(identity)
            .await
            .map_err(|error| port_problem(identity_port, "--identity-port", &error))?;

        let database = data.join("sqlscope.db");
        let sql = SqlOptions {
            port: sql_port,
            redirect: options.faults.redirect,
            sql_login: sql_login.clone(),
            database: Database::File(database.clone()),
            ..SqlOptions::new(certificates, tokens)
        };
        let sql =
            SqlEndpoint::start(sql).await.map_err(|error| port_problem(sql_port, "--sql-port", &error))?;
        let (identity_url, sql_port) = (identity.url(), sql.port());
        Ok(StandIns {
            identity: Some(identity),
            sql: Some(sql),
            identity_url,
            sql_port,
            ca,
            database,
            user: sql_login.map(|(user, _)| user),
            _lock: lock,
        })
    }

    /// Begins with the faults; says which are on, if any is.
    pub(super) fn show(&self, faults: &FaultOptions) -> Option<String> {
        let (sql, identity) = (self.sql.as_ref()?, self.identity.as_ref()?);
        faults.begin(sql, identity);
        faults.description(sql.node_port())
    }

    /// What there is and where, a line each.
    pub(super) fn description(&self) -> Vec<String> {
        let mut lines = vec![
            format!("Managed identity: {}", self.identity_url),
            format!(
                "Azure SQL: localhost,{} (a wire-level stand-in, not SQL Server: TDS over SQLite, in {})",
                self.sql_port,
                self.database.display()
            ),
        ];
        lines.extend(self.user.as_ref().map(|user| format!("SQL login: {user}, beside the tokens")));
        lines
    }

    /// The settings of a handler that uses both endpoints.
    pub(super) fn environment(&self) -> Vec<(String, String)> {
        let connection = format!(
            "Server=tcp:localhost,{};Database=sqlscope;Encrypt=yes;TrustServerCertificate=no;\
             ServerCertificate={};Authentication=ActiveDirectoryManagedIdentity",
            self.sql_port,
            quoted(&self.ca.to_string_lossy())
        );
        [
            ("IDENTITY_ENDPOINT", self.identity_url.as_str()),
            ("IDENTITY_HEADER", IDENTITY_HEADER),
            ("SqlConnectionString", &connection),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .to_vec()
    }

    pub(super) async fn stop(&mut self) {
        if let Some(sql) = self.sql.take() {
            sql.stop().await;
        }
        if let Some(identity) = self.identity.take() {
            identity.stop().await;
        }
    }
}

/// Takes the folder for this process. The tables' identity values are counted in memory, so that two processes on
/// one database would give the same ones twice.
fn locked(data: &Path) -> Result<Connection> {
    let path = data.join("lock");
    // SQLite's own lock on a file: the system lets go of it however the process ends. (std's is of Rust 1.89.)
    let lock = Connection::open(&path).and_then(|lock| {
        lock.busy_timeout(Duration::ZERO)?;
        lock.execute_batch("BEGIN EXCLUSIVE")?;
        Ok(lock)
    });
    lock.map_err(|error| match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy) => {
            format!(
                "{} is in use by another cargo local; stop it, or choose another with --data",
                data.display()
            )
        }
        _ => format!("{} cannot be locked (--data names another place): {error}", path.display()),
    })
}

/// The two parts of `--sql-login`. Read here, not by clap, whose message would show a password without its user.
fn user_and_password(given: &str) -> Result<(String, String)> {
    match given.split_once(':') {
        Some((user, password)) if !user.is_empty() && !password.is_empty() => {
            Ok((user.to_owned(), password.to_owned()))
        }
        _ => Err("--sql-login takes a user and a password with a colon between them".to_owned()),
    }
}

/// A value as an ADO.NET connection string takes it: in quotes where it would end or change otherwise.
fn quoted(value: &str) -> String {
    let plain = |c: char| !matches!(c, ';' | '"' | '\'' | '=' | '{' | '}') && !c.is_control();
    if value.chars().all(plain) && value.trim() == value {
        value.to_owned()
    } else {
        format!("\"{}\"", value.replace('"', "\"\""))
    }
}

#[cfg(test)]
mod tests {
    use super::quoted;

    #[test]
    fn a_path_is_quoted_where_a_connection_string_needs_it() {
        for (path, expected) in [
            ("/home/me/target/ca.pem", "/home/me/target/ca.pem"),
            ("/my files/ca.pem", "/my files/ca.pem"),
            ("/odd;name/ca.pem", "\"/odd;name/ca.pem\""),
            ("/say \"hi\"/ca.pem", "\"/say \"\"hi\"\"/ca.pem\""),
        ] {
            assert_eq!(quoted(path), expected);
        }
    }
}
