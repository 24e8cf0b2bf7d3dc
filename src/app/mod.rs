//! The app: which function is which handler, checked against the project, then served until it is told to stop.

mod matching;
mod settings;
mod signals;

use std::{fmt, io, net::SocketAddr, path::PathBuf, process::ExitCode, sync::Arc, time::Duration};

use tokio::{
    net::{TcpListener, TcpSocket},
    sync::oneshot,
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use matching::in_order;
pub(crate) use settings::{AppSettings, Environment};
use signals::Signals;

use crate::{
    Error, Result, Session,
    connection::{Connector, Settings, pool::Pool},
    handler::{AnyHandler, Handler, Outputs, Trigger},
    host::{
        Project, RouteTable,
        server::{Server, filter},
    },
    http::{Request, Response},
    migrate, telemetry,
};

/// A Functions app: its handlers by the names of their functions.
///
/// ```no_run
/// use sqlscope::{FunctionApp, Request, Response, Result, Session, http::json};
///
/// #[tokio::main]
/// async fn main() -> std::process::ExitCode {
///     FunctionApp::from_env().http("HttpTrigger", handle).run().await
/// }
///
/// async fn handle(_request: Request, session: &Session) -> Result<Response> {
///     let now: String = session.query_one("SELECT SYSDATETIMEOFFSET()", &[]).await?;
///     Ok(json(&now))
/// }
/// ```
#[derive(Debug)]
#[must_use = "an app does nothing until `run` or `start`"]
pub struct FunctionApp {
    environment: Environment,
    of_process: bool,
    connector: Option<Arc<Connector>>,
    handlers: Vec<(String, AnyHandler)>,
}

impl FunctionApp {
    /// An app in the process's environment, with the process-wide connector.
    pub fn from_env() -> Self {
        FunctionApp {
            environment: Environment::of_process(),
            of_process: true,
            connector: None,
            handlers: Vec::new(),
        }
    }

    /// An app in an environment of its own, for tests. (The identity libraries read the process's environment all the
    /// same: give the app a [`connector`](Self::connector) with a credential, or a user and password.)
    pub fn with_environment(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        FunctionApp { environment: Environment::new(variables), of_process: false, ..Self::from_env() }
    }

    /// Uses this connector for the sessions, instead of one made from the environment.
    pub fn connector(mut self, connector: Arc<Connector>) -> Self {
        self.connector = Some(connector);
        self
    }

    /// Registers the handler of an HTTP function: `async fn(Request, &Session) -> Result<Response>`, or
    /// `async fn(Request) -> Result<Response>` for one that needs no database.
    pub fn http<Marker>(
        mut self,
        function: impl Into<String>,
        handler: impl Handler<Marker, Request, Response>,
    ) -> Self {
        self.handlers.push((function.into(), AnyHandler::Http(handler.erase())));
        self
    }

    /// Registers the handler of a function with another trigger: `async fn(Trigger, &Session) -> Result<Outputs>`, or
    /// `async fn(Trigger) -> Result<Outputs>`.
    pub fn on<Marker>(
        mut self,
        function: impl Into<String>,
        handler: impl Handler<Marker, Trigger, Outputs>,
    ) -> Self {
        self.handlers.push((function.into(), AnyHandler::Trigger(handler.erase())));
        self
    }

    /// Runs the app until SIGTERM or Ctrl-C; or, as `handler migrate`, applies the migrations.
    ///
    /// Exits with 0 when it was told to stop or the migrations are applied, else with 1: the host never restarts a
    /// handler that exits with 0, and takes 200 for an intended restart.
    pub async fn run(self) -> ExitCode {
        if let Err(text) = telemetry::init(self.environment.get("SQLSCOPE_LOG").as_deref()) {
            eprintln!("error: {text}");
            return ExitCode::FAILURE;
        }
        telemetry::log_panics();
        let arguments: Vec<String> = std::env::args().skip(1).collect();
        let outcome = match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            [] => self.serve().await,
            ["migrate"] => self.migrate().await,
            ["--version"] => {
                println!("{}", env!("CARGO_PKG_VERSION"));
                Ok(())
            }
            ["--help"] => {
                println!("{USAGE}");
                Ok(())
            }
            other => Err(Error::Startup(format!("`{}` is no command. {USAGE}", other.join(" ")))),
        };
        match outcome {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => {
                let text = error.chain();
                match tracing::enabled!(tracing::Level::ERROR) {
                    true => tracing::error!("{text}"),
                    // Whatever the log is to hold, what ends the process is said.
                    false => eprintln!("error: {text}"),
                }
                ExitCode::FAILURE
            }
        }
    }

    async fn serve(self) -> Result<()> {
        // From the start: a signal must find somebody who listens, even in the middle of it.
        let mut signals = Signals::listen()?;
        let app = tokio::select! {
            app = self.start() => app?,
            () = signals.next() => return Ok(()),
        };
        signals.next().await;
        tracing::info!("stopping: invocations in flight may finish within {:?}", app.grace);
        tokio::select! {
            () = app.stop() => {}
            () = signals.next() => {}
        }
        Ok(())
    }

    /// Starts to serve, and returns at once.
    ///
    /// # Errors
    /// When host.json, a function.json and the handlers do not fit, a setting is wrong, or the port is taken.
    pub async fn start(self) -> Result<RunningApp> {
        let root = self.root();
        let project = Project::read(&root, &|name| self.environment.get(name))?;
        let routes = RouteTable::new(&project)?;
        let settings = AppSettings::read(&self.environment, project.function_timeout)?;
        let takes_session = self.handlers.iter().any(|(_, handler)| handler.takes_session());
        let connector = takes_session.then(|| self.sessions_from()).transpose()?;
        let handlers = in_order(self.handlers, &project)?;
        let listener = listen(settings.port).map_err(|error| {
            Error::Startup(format!(
                "the handler cannot listen on 127.0.0.1:{} (FUNCTIONS_CUSTOMHANDLER_PORT): {error}",
                settings.port
            ))
        })?;
        let port = listener.local_addr().map_err(Error::other)?.port();
        let grace = settings.shutdown;
        let functions = project.functions.len();
        let cut = CancellationToken::new();
        let pool = connector.map(Pool::start);
        let server = Arc::new(Server { project, routes, handlers, pool, settings, cut: cut.clone() });
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = warp::serve(filter(server.clone())).incoming(listener).graceful(async {
            // A dropped sender stops, too.
            let _ = stopped.await;
        });
        let task = tokio::spawn(serving.run());
        tracing::info!(port, functions, "the handler is ready");
        Ok(RunningApp { port, grace, stop: Some(stop), cut, task, server })
    }

    /// Applies the migrations of the project.
    async fn migrate(self) -> Result<()> {
        AppSettings::check_names(&self.environment)?;
        let connector = self.sessions_from()?;
        let folder = self.root().join("migrations");
        let session = Session::open(&connector).await?;
        let outcome = migrate::apply(&session, &folder).await;
        session.close().await;
        let applied = outcome?;
        tracing::info!(applied = applied.len(), "the migrations are applied");
        Ok(())
    }

    /// The connector that was given, else the process-wide one, or one for the app's own environment.
    fn sessions_from(&self) -> Result<Arc<Connector>> {
        if let Some(connector) = &self.connector {
            return Ok(connector.clone());
        }
        Settings::check_names(self.environment.names())?;
        if self.of_process {
            return Connector::from_env();
        }
        let settings = Settings::from_environment(&|name| self.environment.get(name))?;
        Connector::new(settings).map(Arc::new)
    }

    /// The project's folder: where the host says, else the working directory.
    fn root(&self) -> PathBuf {
        self.environment.get("FUNCTIONS_APP_ROOT_PATH").map_or_else(|| PathBuf::from("."), PathBuf::from)
    }
}

/// What the handler's command line takes.
const USAGE: &str = "`handler` serves the functions, as the Functions host starts it; `handler migrate` applies the \
                     migrations; `--version` and `--help` say what they say";

/// The port on 127.0.0.1, with a queue for bursts: the host opens connections as invocations arrive, without limit.
fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    #[cfg(unix)]
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], port)))?;
    socket.listen(4096)
}

/// An app that serves. Dropping it cuts off what is in flight.
pub struct RunningApp {
    port: u16,
    grace: Duration,
    stop: Option<oneshot::Sender<()>>,
    cut: CancellationToken,
    task: JoinHandle<()>,
    server: Arc<Server>,
}

impl fmt::Debug for RunningApp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RunningApp").field("port", &self.port).finish_non_exhaustive()
    }
}

impl RunningApp {
    /// The port on 127.0.0.1 that the app listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Accepts no more, lets invocations in flight finish within `SQLSCOPE_SHUTDOWN_SECONDS` (default 10), then cuts
    /// them with their connections.
    pub async fn stop(mut self) {
        drop(self.stop.take());
        let server = self.server.clone();
        let idle = async {
            if let Some(pool) = &server.pool {
                pool.stop().await;
            }
        };
        let finish = async {
            let finished = tokio::time::timeout(self.grace, &mut self.task).await;
            if finished.is_err() {
                tracing::warn!("invocations were cut off after {:?}", self.grace);
                self.cut.cancel();
                // For the answers that say so.
                let _ = tokio::time::timeout(LAST_WORDS, &mut self.task).await;
            }
        };
        tokio::join!(idle, finish);
        if let Some(pool) = &server.pool {
            pool.drained().await;
        }
    }
}

/// How long the answers of what was cut off may take, the closing of their sessions included.
const LAST_WORDS: Duration = Duration::from_secs(2);

impl Drop for RunningApp {
    fn drop(&mut self) {
        self.cut.cancel();
        self.task.abort();
    }
}
