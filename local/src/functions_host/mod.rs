//! The Azure Functions host for a custom handler, on loopback: what the handler and its callers see of it.
//!
//! It follows the real host, save where that only wastes an afternoon:
//! - A 2xx with an empty body in the default mode fails at once; the real host waits until functionTimeout.
//! - A 3xx in the default mode fails; the real host follows it.
//! - A handler that does not answer within initializationTimeout stops the host.
//! - A stop begins with SIGTERM; the real host kills.
//! - functionTimeout covers a proxied invocation until its response begins, not while the body streams.
//! - There are no retry policies, so no `RetryContext`.
//! - Function keys are not asked for, as under `func start`.
//! - No other service is behind outputs: a line in the log says what would have been written.
//!
//! In the default mode, what a handler prints and repeats in `Logs` is in the log twice: the real host writes both,
//! each as Information.

mod answer;
mod client;
mod environment;
mod expand;
mod forward;
mod handler;
mod listing;
mod output;
mod payload;
mod process;
mod serve;

use std::{
    io,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use sqlscope::host::{
    project::{Project, ProjectError},
    route::RouteTable,
};
use tokio::{
    net::{TcpListener, TcpSocket},
    process::Command,
};

use self::{client::Client, environment::Environment, handler::Handler, process::Start, serve::Functions};
use crate::server::{Server, listen};

pub use output::Output;

/// The version that this host tells handlers: one of the real host's that behaves as this one does.
const HOST_VERSION: &str = "4.1041.200.0";
/// The limit for a request's body (Kestrel's MaxRequestBodySize in the host).
const REQUEST_LIMIT: usize = 104_857_600;

/// How a [`FunctionsHost`] is set up.
#[derive(Debug, Clone)]
pub struct HostOptions {
    /// The project: the folder of host.json.
    pub root: PathBuf,
    /// The port on 127.0.0.1; 0 picks a free one.
    pub port: u16,
    /// The handler to start instead of host.json's `defaultExecutablePath`.
    pub handler: Option<PathBuf>,
    /// Variables for the handler; they win over what is inherited and over local.settings.json.
    pub environment: Vec<(String, String)>,
    /// Variables that the handler does not get, inherited or in local.settings.json; a `*` at the end of a name
    /// stands for any rest of it.
    pub removed: Vec<String>,
    /// Instead of host.json's `enableForwardingHttpRequest`, for the host and the handler alike.
    pub forwarding: Option<bool>,
    /// Instead of host.json's `enableProxyingHttpRequest`, for the host and the handler alike.
    pub proxying: Option<bool>,
    /// Where the lines of the host and the handler go.
    pub output: Output,
}

impl HostOptions {
    /// The project in `root` as its files say, on a free port.
    pub fn new(root: impl Into<PathBuf>) -> Self {
        HostOptions {
            root: root.into(),
            port: 0,
            handler: None,
            environment: Vec::new(),
            removed: Vec::new(),
            forwarding: None,
            proxying: None,
            output: Output::Console,
        }
    }
}

/// Why the host did not start, or stopped.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum HostError {
    /// The project cannot be served as it stands.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// local.settings.json cannot be used.
    #[error("{} {problem}", path.display())]
    LocalSettings {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        problem: String,
    },
    /// host.json names no handler.
    #[error(
        "host.json has no customHandler.description.defaultExecutablePath; set it to the handler's file name, \
         as in \"handler\""
    )]
    NoExecutable,
    /// The port cannot be listened on.
    #[error("port {port} cannot be listened on: {source}")]
    Port {
        /// The port.
        port: u16,
        /// Why.
        source: io::Error,
    },
    /// The host stopped by its rules.
    #[error("{reason}")]
    Stopped {
        /// What the handler did.
        reason: String,
    },
}

/// A running Functions host; dropping it stops it and kills its handler.
#[derive(Debug)]
pub struct FunctionsHost {
    server: Server,
    handler: Arc<Handler>,
    handler_port: u16,
    project: Arc<Project>,
}

impl FunctionsHost {
    /// Starts the host and its handler, and returns when the handler answers.
    ///
    /// # Errors
    /// When the project or a port cannot be used, or the handler does not come up.
    pub async fn start(options: HostOptions) -> Result<Self, HostError> {
        let listener = Self::bind(options.port)?;
        Self::start_on(listener, options).await
    }

    /// Takes a port on 127.0.0.1 before there is a handler to serve; 0 picks a free one. Callers wait until
    /// [`FunctionsHost::start_on`] serves them.
    ///
    /// # Errors
    /// When the port cannot be listened on.
    pub fn bind(port: u16) -> Result<TcpListener, HostError> {
        listen(port).map_err(|source| HostError::Port { port, source })
    }

    /// [`FunctionsHost::start`] on a port that is taken already; `options.port` says nothing then.
    ///
    /// # Errors
    /// When the project or the handler's port cannot be used, or the handler does not come up.
    pub async fn start_on(listener: TcpListener, options: HostOptions) -> Result<Self, HostError> {
        let root = std::path::absolute(&options.root).unwrap_or_else(|_| options.root.clone());
        let mut overrides = options.environment.clone();
        for (setting, value) in [
            ("enableForwardingHttpRequest", options.forwarding),
            ("enableProxyingHttpRequest", options.proxying),
        ] {
            let name = format!("AzureFunctionsJobHost__customHandler__{setting}");
            overrides.extend(value.map(|value| (name, value.to_string())));
        }
        let mut environment = Environment::of(&root, &overrides, &options.removed)?;
        let project = Arc::new(Project::read(&root, &|name| environment.get(name))?);
        let routes = RouteTable::new(&project)?;

        let unusable = |port| move |source| HostError::Port { port, source };
        let wished = project.handler.port.unwrap_or(0);
        let (handler_port, reserved) = reserve(wished).map_err(unusable(wished))?;
        environment.host_variables(handler_port, &root, &uuid::Uuid::new_v4().to_string());

        let client = Client::new(handler_port);
        let start = start(&project, &root, options.handler.as_deref(), environment, handler_port)?;
        let handler = Arc::new(Handler::start(start, client.clone(), reserved, options.output.clone()));
        handler.ready().await.map_err(|reason| HostError::Stopped { reason })?;

        let functions =
            Functions::new(Arc::clone(&project), routes, client, Arc::clone(&handler), options.output);
        let server = Server::start(listener, functions).map_err(unusable(options.port))?;
        Ok(FunctionsHost { server, handler, handler_port, project })
    }

    /// The port that callers use.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// The address that callers use, without a slash at its end.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port())
    }

    /// The port that the handler listens on.
    pub fn handler_port(&self) -> u16 {
        self.handler_port
    }

    /// The handler's process id; none while it starts, or when it is gone for good.
    pub fn handler_pid(&self) -> Option<u32> {
        self.handler.pid()
    }

    /// How often the handler was started again.
    pub fn restarts(&self) -> usize {
        self.handler.restarts()
    }

    /// The function list as `func start` prints it, a line each.
    pub fn function_list(&self) -> Vec<String> {
        listing::lines(&self.project, self.port())
    }

    /// Waits until the host stops by its rules: the handler failed for the third time, or did not come up
    /// again.
    pub async fn wait(&self) -> HostError {
        HostError::Stopped { reason: self.handler.stopped().await }
    }

    /// Closes the port, sends the handler SIGTERM, waits up to 10 s for it, then kills it.
    /// Requests that the handler still answers are answered.
    pub async fn stop(mut self) {
        self.server.refuse();
        self.handler.stop().await;
        self.server.stop(Duration::from_secs(1)).await;
    }
}

impl Drop for FunctionsHost {
    fn drop(&mut self) {
        // Requests in flight hold the handler too; it must not outlive the host for them.
        self.handler.kill();
    }
}

/// A command that runs `executable` in the project's folder with the variables of its handler, save the host's own:
/// those of this process, those of local.settings.json that are not set yet, and `options.environment`, which wins;
/// without those of `options.removed`.
///
/// # Errors
/// When local.settings.json cannot be used.
pub fn handler_command(options: &HostOptions, executable: &Path) -> Result<Command, HostError> {
    let mut command = Command::new(executable);
    Environment::of(&options.root, &options.environment, &options.removed)?.give(&mut command);
    command.current_dir(&options.root);
    Ok(command)
}

/// What to start, as the host reads host.json: HttpWorkerOptionsSetup.
fn start(
    project: &Project,
    root: &Path,
    instead: Option<&Path>,
    environment: Environment,
    port: u16,
) -> Result<Start, HostError> {
    let description = &project.handler;
    let variable = |name: &str| environment.get(name);
    let executable = match instead {
        Some(path) => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
        None => {
            let path = expand::variables(&description.executable, &variable);
            if path.is_empty() {
                return Err(HostError::NoExecutable);
            }
            // In the project if it is there, else looked up on PATH.
            let inside = root.join(&path);
            if inside.is_file() { inside } else { PathBuf::from(path) }
        }
    };
    let arguments: Vec<_> =
        description.arguments.iter().map(|argument| expand::variables(argument, &variable)).collect();
    Ok(Start {
        executable,
        working_directory: root.join(&description.working_directory),
        arguments: expand::split(&arguments.join(" ")),
        initialization_timeout: description.initialization_timeout,
        environment,
        port,
    })
}

/// A port for the handler, and what keeps others from being given it in the meantime.
///
/// On Linux a socket that is bound but not listening keeps the port out of the automatic choice, and lets the
/// handler bind it: servers set SO_REUSEADDR. Elsewhere the flag means something else, and the port is let go.
fn reserve(port: u16) -> io::Result<(u16, Option<TcpSocket>)> {
    let socket = TcpSocket::new_v4()?;
    #[cfg(target_os = "linux")]
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], port)))?;
    let port = socket.local_addr()?.port();
    Ok((port, cfg!(target_os = "linux").then_some(socket)))
}
