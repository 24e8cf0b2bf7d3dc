//! Apps of a test's own, in its process, and replies that are read no further than a test says.

use std::sync::Arc;

use sqlscope::{FunctionApp, RunningApp, Session, connection::Connector};
use sqlscope_local::sql::SessionRecord;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::{Azure, Folder, client, eventually, json, settings_with};

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

/// How an app comes by its sessions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Sessions {
    /// Each is opened for its invocation.
    Fresh,
    /// Some are opened ahead.
    Spare,
    /// Connections serve one invocation after another.
    Reused,
}

impl Sessions {
    pub fn environment(self) -> [(&'static str, &'static str); 2] {
        match self {
            Sessions::Fresh => [("SQLSCOPE_SESSIONS", "fresh"), ("SQLSCOPE_SPARES", "0")],
            Sessions::Spare => [("SQLSCOPE_SESSIONS", "fresh"), ("SQLSCOPE_SPARES", "2")],
            Sessions::Reused => [("SQLSCOPE_SESSIONS", "reuse"), ("SQLSCOPE_SPARES", "0")],
        }
    }
}

/// An app of one function that misbehaves beside one that looks at what is left, on an endpoint of their own.
pub struct Scene {
    pub azure: Azure,
    pub app: App,
    sessions: Sessions,
}

impl Scene {
    /// Starts them; `misbehaving` registers the function `Fault`, `connection` is added to the connection string.
    pub async fn start(
        environment: &[(&str, &str)],
        connection: &str,
        sessions: Sessions,
        misbehaving: impl FnOnce(FunctionApp) -> FunctionApp,
    ) -> Scene {
        let azure = Azure::start().await;
        let (project, app) = App::project_with(&["Fault", "Look"], environment);
        let text = format!("{};{connection}", azure.connection_string());
        let settings = settings_with(&text, &sessions.environment());
        let connector = Arc::new(Connector::with_credential(settings, azure.credential()).unwrap());
        let app = misbehaving(app.connector(connector)).http("Look", look);
        Scene { app: App::start(project, app).await, azure, sessions }
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
        match self.sessions {
            Sessions::Fresh => drop(self.azure.all_closed().await),
            // The connection that looked, or one that was opened ahead.
            _ => eventually(|| self.azure.sql.counts().opened - self.azure.sql.counts().closed <= 2).await,
        }
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
