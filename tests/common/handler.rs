//! The real handler, as a process.

use std::{path::Path, process::Stdio, time::Duration};

use super::{Azure, Lines, project};

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
