//! Azure on this machine for one test: an identity endpoint, an Azure SQL endpoint, and apps against them.
#![allow(dead_code, unreachable_pub, reason = "each test file uses its own part")]

use std::{
    path::{Path, PathBuf},
    process::Stdio,
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicUsize, Ordering},
    },
    time::Duration,
};

use azure_core::credentials::{AccessToken, TokenCredential, TokenRequestOptions};
use sqlscope::{
    FunctionApp, RunningApp, Session,
    connection::{Connector, Settings},
};
use sqlscope_local::{
    certificates::LocalCa,
    functions_host::{FunctionsHost, HostOptions, Output},
    identity::{IdentityEndpoint, IdentityOptions},
    sql::{SessionRecord, SqlEndpoint, SqlOptions},
    token::{Claims, TokenIssuer},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, AsyncWriteExt, BufReader},
    net::TcpStream,
};

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

    /// What the platform sets for a handler: the identity endpoint, and the app's connection string.
    pub fn environment(&self) -> Vec<(String, String)> {
        let login = "Authentication=ActiveDirectoryManagedIdentity";
        [
            ("IDENTITY_ENDPOINT", self.identity.url()),
            ("IDENTITY_HEADER", IDENTITY_HEADER.to_owned()),
            ("SqlConnectionString", format!("{};{login}", self.connection_string())),
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

pub fn settings(connection_string: &str) -> Settings {
    Settings::parse("SqlConnectionString", connection_string, &|_| None).unwrap()
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
    fn read(&self, stream: impl AsyncRead + Unpin + Send + 'static) {
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
}

impl LocalCredential {
    pub fn new(issuer: TokenIssuer) -> Arc<Self> {
        Arc::new(LocalCredential {
            issuer: Mutex::new(issuer),
            requests: AtomicUsize::new(0),
            audience: Mutex::new(sqlscope_local::token::AUDIENCE.to_owned()),
            lifetime: AtomicI64::new(3600),
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
        let expires = time::OffsetDateTime::now_utc() + Duration::from_secs(3600);
        Ok(AccessToken::new(token, expires))
    }
}

/// An app of the test's own, each function an HTTP function at `/api/{name}` that takes every method.
pub struct App {
    pub app: RunningApp,
    pub _project: Folder,
}

impl App {
    /// A project with these functions, and what is to become its app.
    pub fn project(functions: &[&str]) -> (Folder, FunctionApp) {
        App::project_with(functions, &[])
    }

    pub fn project_with(functions: &[&str], more: &[(&str, &str)]) -> (Folder, FunctionApp) {
        let folder = Folder::new();
        let host = r#"{"version":"2.0","customHandler":{"description":{"defaultExecutablePath":"handler"},
            "enableForwardingHttpRequest":true}}"#;
        folder.write("host.json", host);
        for function in functions {
            let bindings = r#"{"bindings":[{"type":"httpTrigger","direction":"in","name":"req"},
                {"type":"http","direction":"out","name":"res"}]}"#;
            folder.write(&format!("{function}/function.json"), bindings);
        }
        let root = folder.path().display().to_string();
        let mut variables = vec![
            ("FUNCTIONS_APP_ROOT_PATH".to_owned(), root),
            ("FUNCTIONS_CUSTOMHANDLER_PORT".to_owned(), "0".to_owned()),
        ];
        variables.extend(more.iter().map(|(name, value)| (name.to_string(), value.to_string())));
        (folder, FunctionApp::with_environment(variables))
    }

    pub async fn start(project: Folder, app: FunctionApp) -> App {
        App { app: app.start().await.unwrap(), _project: project }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.app.port())
    }

    pub async fn get(&self, path: &str) -> reqwest::Response {
        client().get(self.url(path)).send().await.unwrap()
    }
}

/// An app of one function that misbehaves beside one that looks at what is left, on an endpoint of their own.
pub struct Scene {
    pub azure: Azure,
    pub app: App,
}

impl Scene {
    /// Starts them; `misbehaving` registers the function `Fault`, `connection` is added to the connection string.
    pub async fn start(
        environment: &[(&str, &str)],
        connection: &str,
        misbehaving: impl FnOnce(FunctionApp) -> FunctionApp,
    ) -> Scene {
        let azure = Azure::start().await;
        let (project, app) = App::project_with(&["Fault", "Look"], environment);
        let connector = azure.connector_with(azure.credential(), connection);
        let app = misbehaving(app.connector(connector)).http("Look", look);
        Scene { app: App::start(project, app).await, azure }
    }

    /// Runs a batch in a session of the test's own.
    pub async fn by_hand(&self, sql: &'static str) {
        let session = self.azure.session().await;
        session.batch(sql).await.unwrap();
        session.close().await;
    }

    /// The session of the function `Fault`: the one before the last, after `nothing_is_left`.
    pub fn faulty_session(&self) -> SessionRecord {
        self.azure.sql.sessions().into_iter().rev().nth(1).unwrap()
    }

    /// Asserts that the next invocation finds nothing of the one before it, no row in `dbo.seen` either.
    pub async fn nothing_is_left(&self) {
        let reply = self.app.get("/api/Look").await;
        assert_eq!(reply.status(), 200);
        let fresh = serde_json::json!({
            "transactions": 0, "temporary": null, "lock_timeout": -1, "isolation": 2, "rows": 0,
        });
        assert_eq!(json(reply).await, fresh);
        self.azure.all_closed().await;
    }
}

/// What an invocation could see of another one.
async fn look(_: sqlscope::Request, session: &Session) -> sqlscope::Result<sqlscope::Response> {
    let (transactions, temporary, lock_timeout): (i32, Option<i32>, i32) =
        session.query_one("SELECT @@TRANCOUNT, OBJECT_ID('tempdb..#mine'), @@LOCK_TIMEOUT", &[]).await?;
    let isolation: i16 = session
        .query_one(
            "SELECT transaction_isolation_level FROM sys.dm_exec_sessions WHERE session_id = @@SPID",
            &[],
        )
        .await?;
    let rows: i32 = session.query_one("SELECT COUNT(*) FROM dbo.seen", &[]).await?;
    Ok(sqlscope::http::json(&serde_json::json!({
        "transactions": transactions, "temporary": temporary, "lock_timeout": lock_timeout,
        "isolation": isolation, "rows": rows,
    })))
}

/// A reply of which only the first byte is read.
pub struct Begun(TcpStream);

/// A reply, read to its end.
#[derive(Debug)]
pub struct Reply {
    pub status: u16,
    pub head: String,
    pub body: String,
}

/// Sends a GET and reads until the reply's first byte is there, and no further.
pub async fn first_byte(port: u16, path: &str) -> Begun {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'H');
    Begun(stream)
}

impl Begun {
    pub async fn rest(mut self) -> Reply {
        let mut text = String::new();
        self.0.read_to_string(&mut text).await.unwrap();
        let (head, body) = text.split_once("\r\n\r\n").unwrap();
        let status = head["TTP/1.1 ".len()..].get(..3).unwrap().parse().unwrap();
        Reply { status, head: head.to_owned(), body: body.to_owned() }
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

/// Runs the handler to its end, with this environment and nothing else of ours.
pub async fn handler(
    arguments: &[&str],
    environment: Vec<(String, String)>,
    directory: &Path,
) -> std::process::Output {
    let mut command = tokio::process::Command::new(env!("CARGO_BIN_EXE_handler"));
    command.args(arguments).env_clear().envs(environment).current_dir(directory).kill_on_drop(true);
    tokio::time::timeout(Duration::from_secs(60), command.output()).await.expect("the handler ends").unwrap()
}

/// The real handler, serving on a port of its own.
pub struct Served {
    child: tokio::process::Child,
    pub port: u16,
    pub lines: Lines,
}

impl Served {
    /// Starts it as the host does, and waits until it is ready; `more` wins over what the platform sets.
    pub async fn start(azure: &Azure, more: &[(&str, &str)]) -> Served {
        let mut child = tokio::process::Command::new(env!("CARGO_BIN_EXE_handler"))
            .env_clear()
            .envs(azure.environment())
            .env("FUNCTIONS_CUSTOMHANDLER_PORT", "0")
            .envs(more.iter().copied())
            .current_dir(project())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let lines = Lines::default();
        lines.read(child.stdout.take().unwrap());
        lines.read(child.stderr.take().unwrap());
        let ready = lines.with("the handler is ready").await;
        let port = ready.split("port=").nth(1).unwrap().split(' ').next().unwrap().parse().unwrap();
        Served { child, port, lines }
    }

    pub fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// The process id, while it runs.
    pub fn pid(&self) -> u32 {
        self.child.id().unwrap()
    }

    /// Sends a signal, such as `-TERM`.
    pub fn signal(&self, signal: &str) {
        let status = std::process::Command::new("kill").args([signal, &self.pid().to_string()]).status();
        assert!(status.unwrap().success());
    }

    /// Waits for its end.
    pub async fn ended(&mut self) -> std::process::ExitStatus {
        let ended = tokio::time::timeout(Duration::from_secs(60), self.child.wait());
        ended.await.expect("the handler ends").unwrap()
    }
}

/// Waits until something is so, for at most 20 s.
pub async fn eventually(mut so: impl FnMut() -> bool) {
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while !so() {
        assert!(tokio::time::Instant::now() < deadline, "this did not become so within 20 s");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
