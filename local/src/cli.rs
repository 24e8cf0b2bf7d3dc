//! The course of `cargo local`: build, stand-ins, migrations, host, `ready`; and the way back.

mod faults;
mod files;
mod handler;
mod signals;
mod stand_ins;

use std::{
    io::{self, Write},
    path::{Path, PathBuf},
    process::ExitCode,
};

use clap::Parser;
use sqlscope_local::functions_host::{FunctionsHost, HostError, HostOptions};

use self::{faults::FaultOptions, signals::Signals, stand_ins::StandIns};

/// Azure on your machine: serves the project around the current directory as the Functions host does, with a
/// managed identity endpoint and an Azure SQL endpoint beside it, on loopback only.
///
/// The SQL endpoint is a wire-level stand-in (TDS over SQLite), not SQL Server.
#[derive(Debug, Parser)]
#[command(name = "cargo local", bin_name = "cargo local", version)]
struct Options {
    /// The port of the functions; 0 picks a free one.
    #[arg(long, default_value_t = 7071)]
    port: u16,
    /// The port of the Azure SQL endpoint; 0 picks a free one.
    #[arg(long, default_value_t = 1433)]
    sql_port: u16,
    /// The port of the managed identity endpoint; 0 picks a free one.
    #[arg(long, default_value_t = 4141)]
    identity_port: u16,
    /// Where the database, the certificates and the token key lie [default: target/local in the project].
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// A user and password that the SQL endpoint takes beside tokens, for clients that know no tokens.
    #[arg(long, value_name = "USER:PASSWORD")]
    sql_login: Option<String>,
    /// Only the identity and SQL endpoints, for `func start` beside them.
    #[arg(long)]
    no_host: bool,
    /// This handler, instead of one that is built here.
    #[arg(long, value_name = "PATH")]
    handler: Option<PathBuf>,
    /// Build the handler with optimizations.
    #[arg(long, conflicts_with = "handler")]
    release: bool,
    #[command(flatten)]
    faults: FaultOptions,
}

/// What went wrong, as a sentence for the person who typed the command.
type Result<T> = std::result::Result<T, String>;

/// Everything that runs once `ready` is printed.
struct Running {
    stand_ins: StandIns,
    host: Option<FunctionsHost>,
}

/// Runs the command to its end: a success when a stop was asked for.
pub(crate) async fn run() -> ExitCode {
    match serve(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            let _ = writeln!(io::stderr(), "error: {problem}");
            ExitCode::FAILURE
        }
    }
}

async fn serve(options: &Options) -> Result<()> {
    files::allow_many();
    let mut signals = Signals::listen().map_err(|error| format!("signals cannot be received: {error}"))?;
    let mut running = tokio::select! {
        started = start(options) => started?,
        // What had started stops by being dropped.
        () = signals.next() => return Ok(()),
    };
    say("ready");
    let result = tokio::select! {
        reason = running.failure() => Err(reason.to_string()),
        () = signals.next() => {
            say("stopping");
            Ok(())
        }
    };
    tokio::select! {
        () = running.stop() => {}
        // Asked twice: whatever is left is killed by being dropped.
        () = signals.next() => {}
    }
    result
}

async fn start(options: &Options) -> Result<Running> {
    let current =
        std::env::current_dir().map_err(|error| format!("there is no current directory: {error}"))?;
    let root = project_root(&current)?;
    let data = current.join(options.data.clone().unwrap_or_else(|| root.join("target/local")));
    // All three ports before the build: nobody waits for minutes to hear that one is taken.
    let stand_ins = StandIns::start(options, &data).await?;
    let listener = match options.no_host {
        true => None,
        false => Some(FunctionsHost::bind(options.port).map_err(|error| match error {
            HostError::Port { port, source } => port_problem(port, "--port", &source),
            other => other.to_string(),
        })?),
    };
    let handler = match &options.handler {
        Some(path) => current.join(path),
        None => {
            say("Building the handler");
            handler::build(root, options.release).await?
        }
    };
    for line in stand_ins.description() {
        say(&line);
    }
    let host = HostOptions {
        port: options.port,
        handler: Some(handler.clone()),
        environment: stand_ins.environment(),
        removed: stand_ins::ELSEWHERE.map(str::to_owned).to_vec(),
        ..HostOptions::new(root)
    };
    // `handler migrate` asks for the folder; a project that has none has nothing to apply.
    if root.join("migrations").is_dir() {
        say("Applying the migrations");
        handler::migrate(&handler, &host).await?;
    }
    if let Some(line) = stand_ins.show(&options.faults) {
        say(&line);
    }
    let Some(listener) = listener else { return Ok(Running { stand_ins, host: None }) };
    say("Starting the handler");
    let host = FunctionsHost::start_on(listener, host).await.map_err(|error| error.to_string())?;
    for line in host.function_list() {
        say(&line);
    }
    Ok(Running { stand_ins, host: Some(host) })
}

impl Running {
    /// Waits until the host stops by its rules; for ever where there is no host.
    async fn failure(&self) -> HostError {
        match &self.host {
            Some(host) => host.wait().await,
            None => std::future::pending().await,
        }
    }

    /// Stops the handler first: it may still need its session's server and a token.
    async fn stop(&mut self) {
        if let Some(host) = self.host.take() {
            host.stop().await;
        }
        self.stand_ins.stop().await;
    }
}

/// The directory with host.json: `start` or the nearest one above it.
fn project_root(start: &Path) -> Result<&Path> {
    start.ancestors().find(|directory| directory.join("host.json").is_file()).ok_or_else(|| {
        format!(
            "there is no host.json in {} nor in a directory above it; run this inside the project",
            start.display()
        )
    })
}

fn port_problem(port: u16, option: &str, error: &io::Error) -> String {
    if error.kind() == io::ErrorKind::AddrInUse {
        format!("port {port} is taken: stop what listens there, or choose another with {option}")
    } else {
        format!("what {option} stands for did not start on port {port}: {error}")
    }
}

/// Prints a line to stdout; if nobody reads it, the work goes on.
fn say(line: &str) {
    let _ = writeln!(io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use std::{io, path::Path};

    use super::{port_problem, project_root};

    #[test]
    fn the_project_is_found_from_a_directory_inside_of_it() {
        let package = Path::new(env!("CARGO_MANIFEST_DIR"));
        assert_eq!(project_root(&package.join("src")).unwrap(), package.parent().unwrap());
        let error = project_root(Path::new("/")).unwrap_err();
        assert!(error.contains("no host.json"), "{error}");
    }

    #[test]
    fn a_taken_port_names_itself_and_its_option() {
        let error = io::Error::from(io::ErrorKind::AddrInUse);
        assert_eq!(
            port_problem(1433, "--sql-port", &error),
            "port 1433 is taken: stop what listens there, or choose another with --sql-port"
        );
    }
}
