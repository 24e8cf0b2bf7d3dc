//! An endpoint for one test, and tiberius connected to it over verified TLS.
#![allow(dead_code, reason = "each test file uses its part")]

#[cfg(unix)]
pub(crate) mod local;
pub(crate) mod shop;
pub(crate) mod wire;

use std::{
    path::{Path, PathBuf},
    sync::Arc,
};

use sqlscope_local::{
    certificates::LocalCa,
    sql::{Database, Faults, SqlEndpoint, SqlOptions},
    token::{Claims, TokenIssuer},
};
use tiberius::{AuthMethod, Client, ColumnData, Config, EncryptionLevel, Row};
use tokio::net::TcpStream;
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, RootCertStore,
        crypto::ring,
        pki_types::{CertificateDer, ServerName, pem::PemObject},
        version::TLS13,
    },
};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

pub(crate) type Sql = Client<Compat<TlsStream<TcpStream>>>;

/// A running endpoint, and the issuer of tokens that it takes.
pub(crate) struct Azure {
    pub(crate) endpoint: SqlEndpoint,
    pub(crate) tokens: TokenIssuer,
    pub(crate) ca: LocalCa,
    directory: Directory,
}

/// Removed at the end of its test.
struct Directory(PathBuf);

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

pub(crate) async fn azure() -> Azure {
    azure_with(Database::Memory).await
}

pub(crate) async fn azure_with(database: Database) -> Azure {
    azure_where(|options| options.database = database).await
}

/// One that is started in another way than the others.
pub(crate) async fn azure_where(change: impl FnOnce(&mut SqlOptions)) -> Azure {
    start(change).await.expect("an endpoint")
}

/// One with these faults.
pub(crate) async fn azure_showing(faults: Faults) -> Azure {
    azure_where(|options| options.faults = faults).await
}

pub(crate) async fn start_on(port: u16) -> std::io::Result<Azure> {
    start(|options| options.port = port).await
}

async fn start(change: impl FnOnce(&mut SqlOptions)) -> std::io::Result<Azure> {
    let directory = Directory(std::env::temp_dir().join(format!("sqlscope-test-{}", uuid::Uuid::new_v4())));
    let ca = LocalCa::load_or_create(&directory.0)?;
    let tokens = TokenIssuer::generate()?;
    let mut options = SqlOptions {
        sql_login: Some(("sa".to_owned(), "Local-1".to_owned())),
        ..SqlOptions::new(ca.clone(), tokens.clone())
    };
    change(&mut options);
    Ok(Azure { endpoint: SqlEndpoint::start(options).await?, tokens, ca, directory })
}

/// Waits for what must come true; fails after ten seconds.
pub(crate) async fn until(what: &str, condition: impl Fn() -> bool) {
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(10);
    while !condition() {
        assert!(std::time::Instant::now() < deadline, "{what}: not within ten seconds");
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
}

/// Runs a batch that must succeed.
pub(crate) async fn run(sql: &mut Sql, text: &str) {
    let answer = sql.simple_query(text.to_owned()).await.expect("sent").into_results().await;
    answer.unwrap_or_else(|error| panic!("{text}: {error}"));
}

impl Azure {
    pub(crate) fn into_endpoint(self) -> (SqlEndpoint, u16) {
        let port = self.endpoint.port();
        (self.endpoint, port)
    }

    pub(crate) fn token(&self) -> AuthMethod {
        let token = self.tokens.issue(&Claims::new("client", 3600)).expect("a token");
        AuthMethod::aad_token(token)
    }

    pub(crate) async fn connect(&self) -> Sql {
        self.log_in(self.token()).await.expect("a login")
    }

    /// A login whose settings are others than the usual.
    pub(crate) async fn connect_with(&self, change: impl FnOnce(&mut Config)) -> Sql {
        let (ca, port) = (self.ca.ca_path(), self.endpoint.port());
        log_in_with(ca, port, self.token(), change).await.expect("a login")
    }

    /// TDS 8: TLS first, so that tiberius itself needs none.
    pub(crate) async fn log_in(&self, method: AuthMethod) -> tiberius::Result<Sql> {
        self.log_in_at(self.endpoint.port(), method).await
    }

    pub(crate) async fn log_in_at(&self, port: u16, method: AuthMethod) -> tiberius::Result<Sql> {
        log_in_at(self.ca.ca_path(), port, method).await
    }

    pub(crate) async fn secured(&self) -> TlsStream<TcpStream> {
        secured_at(self.ca.ca_path(), self.endpoint.port()).await
    }
}

/// A login over TDS 8 at an endpoint whose server certificate this authority vouches for.
pub(crate) async fn log_in_at(ca: &Path, port: u16, method: AuthMethod) -> tiberius::Result<Sql> {
    log_in_with(ca, port, method, |_| ()).await
}

async fn log_in_with(
    ca: &Path,
    port: u16,
    method: AuthMethod,
    change: impl FnOnce(&mut Config),
) -> tiberius::Result<Sql> {
    let mut config = Config::new();
    config.host("localhost");
    config.database("todos");
    config.application_name("test");
    config.encryption(EncryptionLevel::NotSupported);
    config.authentication(method);
    change(&mut config);
    Client::connect(config, secured_at(ca, port).await.compat()).await
}

async fn secured_at(ca: &Path, port: u16) -> TlsStream<TcpStream> {
    let socket = TcpStream::connect(("127.0.0.1", port)).await.expect("a socket");
    // A login is several small packets, of which none may wait for an acknowledgement.
    socket.set_nodelay(true).expect("no delay");
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_file(ca).expect("a CA")).expect("a good CA");
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[&TLS13])
        .expect("TLS 1.3")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"tds/8.0".to_vec()];
    let name = ServerName::try_from("localhost").expect("a name");
    TlsConnector::from(Arc::new(config)).connect(name, socket).await.expect("a verified handshake")
}

/// The rows of a batch's last result as text: cells with commas between, rows with bars.
pub(crate) async fn rows(sql: &mut Sql, text: &str) -> String {
    let answer = sql.simple_query(text.to_owned()).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    let results = answer.into_results().await.unwrap_or_else(|error| panic!("{text}: {error}"));
    let rows = results.into_iter().last().unwrap_or_default();
    let cells = |row: Row| row.cells().map(|(_, cell)| shown(cell)).collect::<Vec<_>>().join(", ");
    rows.into_iter().map(cells).collect::<Vec<_>>().join(" | ")
}

/// A cell as SQL Server's tools show it, near enough to compare.
fn shown(cell: &ColumnData<'_>) -> String {
    let text = match cell {
        ColumnData::U8(value) => value.map(|value| value.to_string()),
        ColumnData::I16(value) => value.map(|value| value.to_string()),
        ColumnData::I32(value) => value.map(|value| value.to_string()),
        ColumnData::I64(value) => value.map(|value| value.to_string()),
        ColumnData::F32(value) => value.map(|value| value.to_string()),
        ColumnData::F64(value) => value.map(|value| value.to_string()),
        ColumnData::Bit(value) => value.map(|value| u8::from(value).to_string()),
        ColumnData::String(value) => value.as_deref().map(str::to_owned),
        ColumnData::Numeric(value) => value.as_ref().map(ToString::to_string),
        ColumnData::Binary(value) => value
            .as_deref()
            .map(|bytes| bytes.iter().fold("0x".to_owned(), |text, byte| text + &format!("{byte:02X}"))),
        ColumnData::Guid(value) => value.map(|value| value.to_string().to_uppercase()),
        other => Some(format!("{other:?}")),
    };
    text.unwrap_or_else(|| "NULL".to_owned())
}

/// The first column of all rows of the last result, as text.
pub(crate) async fn read(sql: &mut Sql, text: &str) -> Vec<String> {
    let answer = sql.simple_query(text.to_owned()).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    let results = answer.into_results().await.unwrap_or_else(|error| panic!("{text}: {error}"));
    let rows = results.into_iter().last().unwrap_or_default();
    rows.into_iter().map(|row| first(&row)).collect()
}

fn first(row: &Row) -> String {
    match row.cells().next().expect("a column").1 {
        ColumnData::U8(value) => format!("{value:?}"),
        ColumnData::I16(value) => format!("{value:?}"),
        ColumnData::I32(value) => format!("{value:?}"),
        ColumnData::I64(value) => format!("{value:?}"),
        ColumnData::F64(value) => format!("{value:?}"),
        ColumnData::Bit(value) => format!("{value:?}"),
        ColumnData::String(value) => format!("{:?}", value.as_deref()),
        ColumnData::Numeric(value) => format!("{:?}", value.as_ref().map(ToString::to_string)),
        other => format!("{other:?}"),
    }
}

/// Runs a batch to its end or its error, whichever of tiberius' calls meets it.
pub(crate) async fn attempt(sql: &mut Sql, text: &str) -> tiberius::Result<()> {
    sql.simple_query(text.to_owned()).await?.into_results().await.map(drop)
}

/// Runs a batch that must fail; the number of its error.
pub(crate) async fn fails(sql: &mut Sql, text: &str) -> u32 {
    match attempt(sql, text).await {
        Ok(()) => panic!("{text}: no error"),
        Err(error) => number(&error),
    }
}

/// The server's error number.
pub(crate) fn number(error: &tiberius::error::Error) -> u32 {
    match error {
        tiberius::error::Error::Server(token) => token.code(),
        other => panic!("no error of the server: {other}"),
    }
}
