//! Azure on this machine for one test: an identity endpoint, an Azure SQL endpoint, and apps against them.
#![allow(dead_code, unreachable_pub, unused_imports, reason = "each test file uses its own part")]

mod app;
mod handler;
mod log;
mod proxy;

use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use sqlscope::{
    Session,
    connection::{Connector, Settings},
};
use sqlscope_local::{
    certificates::LocalCa,
    functions_host::{FunctionsHost, HostOptions, Output},
    identity::{IdentityEndpoint, IdentityOptions},
    sql::{SqlEndpoint, SqlOptions},
    token::{Claims, TokenIssuer},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    net::TcpSocket,
};

pub use app::{App, Begun, Reply, Scene, Sessions, first_byte};
pub use handler::{Served, handler};
pub use log::Log;
pub use proxy::Proxy;

/// The header that the identity endpoint asks for.
const IDENTITY_HEADER: &str = "test-header";
/// The login of the SQL endpoint that needs no token.
pub const PASSWORD: &str = "Pa55-word;with'\"marks}";

/// A folder of one test, removed with it.
#[derive(Debug)]
pub struct Folder(PathBuf);

impl Folder {
    pub fn new() -> Folder {
        static NEXT: AtomicUsize = AtomicUsize::new(0);
        let name = format!("sqlscope-{}-{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        std::fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    pub fn write(&self, name: &str, text: &str) {
        let path = self.0.join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

/// The stand-ins.
pub struct Azure {
    pub folder: Folder,
    pub sql: SqlEndpoint,
    pub identity: IdentityEndpoint,
    pub tokens: TokenIssuer,
    pub ca: LocalCa,
}

impl Azure {
    /// Starts them on free ports, with an empty database in memory.
    pub async fn start() -> Azure {
        Azure::with_token_lifetime(Duration::from_secs(3600)).await
    }

    pub async fn with_token_lifetime(token_lifetime: Duration) -> Azure {
        let folder = Folder::new();
        let tokens = issuer();
        let ca = LocalCa::load_or_create(folder.path()).unwrap();
        let sql = sql_endpoint(&ca, &tokens).await;
        let options =
            IdentityOptions { token_lifetime, ..IdentityOptions::new(IDENTITY_HEADER, tokens.clone()) };
        let identity = IdentityEndpoint::start(options).await.unwrap();
        Azure { folder, sql, identity, tokens, ca }
    }

    /// A connection string for the SQL endpoint, without a login.
    pub fn connection_string(&self) -> String {
        connection_string(self.sql.port(), &self.ca)
    }

    /// What the platform sets for a handler: the identity endpoint, and the app's connection string. No connection is
    /// opened ahead, so that a test counts those of its invocations.
    pub fn environment(&self) -> Vec<(String, String)> {
        let login = "Authentication=ActiveDirectoryManagedIdentity";
        [
            ("IDENTITY_ENDPOINT", self.identity.url()),
            ("IDENTITY_HEADER", IDENTITY_HEADER.to_owned()),
            ("SqlConnectionString", format!("{};{login}", self.connection_string())),
            ("SQLSCOPE_SPARES", "0".to_owned()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into()
    }

    /// Tokens of the local identity, for an app in this process.
    pub fn credential(&self) -> Arc<LocalCredential> {
        LocalCredential::new(self.tokens.clone())
    }

    /// A connector with such tokens; `more` is added to the connection string.
    pub fn connector_with(&self, credential: Arc<LocalCredential>, more: &str) -> Arc<Connector> {
        let settings = settings(&format!("{};{more}", self.connection_string()));
        Arc::new(Connector::with_credential(settings, credential).unwrap())
    }

    /// A connector in this environment.
    pub fn connector_in(&self, environment: &[(&str, &str)]) -> Arc<Connector> {
        let settings = settings_with(&self.connection_string(), environment);
        Arc::new(Connector::with_credential(settings, self.credential()).unwrap())
    }

    pub fn connector(&self) -> Arc<Connector> {
        self.connector_with(self.credential(), "")
    }

    /// A session of the test's own.
    pub async fn session(&self) -> Session {
        Session::open(&self.connector()).await.unwrap()
    }

    /// Applies the project's migrations by `handler migrate`.
    pub async fn migrate(&self) {
        let output = handler(&["migrate"], self.environment(), project()).await;
        assert!(output.status.success(), "{output:?}");
    }

    /// The real handler under the Functions host, the todo list in an empty database.
    pub async fn todo_host(&self, mode: HostMode, more: &[(&str, &str)]) -> (FunctionsHost, Lines) {
        self.migrate().await;
        let lines = Lines::default();
        let mut environment = self.environment();
        environment.extend(more.iter().map(|(name, value)| (name.to_string(), value.to_string())));
        let options = HostOptions {
            handler: Some(env!("CARGO_BIN_EXE_handler").into()),
            environment,
            forwarding: Some(mode != HostMode::Payload),
            proxying: Some(mode == HostMode::Proxying),
            output: Output::Captured(lines.0.clone()),
            ..HostOptions::new(project())
        };
        (FunctionsHost::start(options).await.unwrap(), lines)
    }

    /// Waits until every session that was opened is closed, and returns how many that were.
    pub async fn all_closed(&self) -> u64 {
        eventually(|| self.sql.counts().opened == self.sql.counts().closed).await;
        self.sql.counts().opened
    }
}

/// Another SQL endpoint with the same certificates and tokens.
pub async fn sql_endpoint(ca: &LocalCa, tokens: &TokenIssuer) -> SqlEndpoint {
    let options = SqlOptions {
        sql_login: Some(("tester".to_owned(), PASSWORD.to_owned())),
        ..SqlOptions::new(ca.clone(), tokens.clone())
    };
    SqlEndpoint::start(options).await.unwrap()
}

pub fn connection_string(port: u16, ca: &LocalCa) -> String {
    format!(
        "Server=tcp:localhost,{port};Database=sqlscope;Encrypt=yes;ServerCertificate={}",
        ca.ca_path().display()
    )
}

/// Settings of this connection string, with no connection opened ahead.
pub fn settings(connection_string: &str) -> Settings {
    settings_with(connection_string, &[("SQLSCOPE_SPARES", "0")])
}

/// Settings of this connection string in this environment.
pub fn settings_with(connection_string: &str, environment: &[(&str, &str)]) -> Settings {
    let environment = |name: &str| {
        let variable = environment.iter().find(|(known, _)| *known == name);
        variable.map(|(_, value)| value.to_string())
    };
    Settings::parse("SqlConnectionString", connection_string, &environment).unwrap()
}

/// One key for all tests of a process: making one takes a moment.
fn issuer() -> TokenIssuer {
    static ISSUER: Mutex<Option<TokenIssuer>> = Mutex::new(None);
    let mut issuer = ISSUER.lock().unwrap();
    issuer.get_or_insert_with(|| TokenIssuer::generate().unwrap()).clone()
}

/// How the host hands requests to the handler.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum HostMode {
    Payload,
    Forwarding,
    Proxying,
}

pub const HOST_MODES: [HostMode; 3] = [HostMode::Payload, HostMode::Forwarding, HostMode::Proxying];

/// What the host and the handler wrote.
#[derive(Debug, Clone, Default)]
pub struct Lines(pub Arc<Mutex<Vec<String>>>);

impl Lines {
    pub fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// Reads the lines of a stream to its end, in a task of its own.
    pub fn read(&self, stream: impl AsyncRead + Unpin + Send + 'static) {
        let lines = self.0.clone();
        tokio::spawn(async move {
            let mut stream = BufReader::new(stream).lines();
            while let Ok(Some(line)) = stream.next_line().await {
                lines.lock().unwrap().push(line);
            }
        });
    }

    /// Waits for a line that holds this text.
    pub async fn with(&self, text: &str) -> String {
        eventually(|| self.all().iter().any(|line| line.contains(text))).await;
        self.all().into_iter().find(|line| line.contains(text)).unwrap()
    }
}

/// Gives tokens of the local issuer; the test can change them.
#[derive(Debug)]
pub struct LocalCredential {
    issuer: Mutex<TokenIssuer>,
    pub requests: AtomicUsize,
    audience: Mutex<String>,
    /// How long a token holds, in seconds, beside what the credential says of it.
    pub lifetime: AtomicI64,
    /// How long the credential says that it holds.
    pub said_lifetime: AtomicI64,
}

impl LocalCredential {
    pub fn new(issuer: TokenIssuer) -> Arc<Self> {
        Arc::new(LocalCredential {
            issuer: Mutex::new(issuer),
            requests: AtomicUsize::new(0),
            audience: Mutex::new(sqlscope_local::token::AUDIENCE.to_owned()),
            lifetime: AtomicI64::new(3600),
            said_lifetime: AtomicI64::new(3600),
        })
    }

    pub fn set_issuer(&self, issuer: TokenIssuer) {
        *self.issuer.lock().unwrap() = issuer;
    }

    pub fn set_audience(&self, audience: &str) {
        *self.audience.lock().unwrap() = audience.to_owned();
    }
}

#[async_trait::async_trait]
impl TokenCredential for LocalCredential {
    async fn get_token(
        &self,
        scopes: &[&str],
        _: Option<TokenRequestOptions<'_>>,
    ) -> azure_core::Result<AccessToken> {
        assert_eq!(scopes, ["https://database.windows.net/.default"]);
        self.requests.fetch_add(1, Ordering::SeqCst);
        let mut claims =
            Claims::new("00000000-0000-0000-0000-0000000000aa", self.lifetime.load(Ordering::SeqCst));
        claims.aud = self.audience.lock().unwrap().clone();
        let token = self.issuer.lock().unwrap().issue(&claims).unwrap();
        let said = time::Duration::seconds(self.said_lifetime.load(Ordering::SeqCst));
        Ok(AccessToken::new(token, time::OffsetDateTime::now_utc() + said))
    }
}

/// An HTTP client that keeps no connections from one test to another.
pub fn client() -> reqwest::Client {
    // The client wants a TLS provider even for http.
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().pool_max_idle_per_host(0).no_proxy().build().unwrap()
}

/// The body as JSON.
pub async fn json(response: reqwest::Response) -> serde_json::Value {
    let bytes = response.bytes().await.unwrap();
    serde_json::from_slice(&bytes).unwrap_or_else(|_| panic!("no JSON: {}", String::from_utf8_lossy(&bytes)))
}

/// The repository's own project.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Runs all of these at once.
pub async fn all<F: Future<Output = ()>>(cases: impl IntoIterator<Item = F>) {
    futures_util::future::join_all(cases).await;
}

/// A port that refuses every connection, for as long as the socket lives.
pub fn dead_port() -> (TcpSocket, u16) {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let port = socket.local_addr().unwrap().port();
    (socket, port)
}

/// Waits until something is so, for at most 20 s.
pub async fn eventually(mut so: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !so() {
        assert!(tokio::time::Instant::now() < deadline, "this did not become so within 20 s");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
