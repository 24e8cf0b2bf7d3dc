//! One run of the handler process: its environment, its printed lines, its end.

use std::{
    collections::VecDeque,
    io,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    process::{Child, Command},
    task::JoinHandle,
    time::timeout,
};

use super::{
    environment::Environment,
    output::{Level, Output},
};

/// How long a handler may take to stop after SIGTERM.
const STOP_GRACE: Duration = Duration::from_secs(10);

/// What is started, and how.
#[derive(Debug)]
pub(super) struct Start {
    pub(super) executable: PathBuf,
    pub(super) working_directory: PathBuf,
    pub(super) arguments: Vec<String>,
    pub(super) environment: Environment,
    pub(super) initialization_timeout: Duration,
    pub(super) port: u16,
}

/// A running process; dropping it kills it.
pub(super) struct Process {
    child: Child,
    printing: [JoinHandle<()>; 2],
    last_words: LastWords,
}

impl Process {
    pub(super) fn spawn(start: &Start, output: &Output) -> io::Result<Self> {
        let mut command = Command::new(&start.executable);
        // Ctrl-C is for the host alone: it then stops the handler, and knows that this is no failure.
        #[cfg(unix)]
        command.process_group(0);
        start.environment.give(&mut command);
        let mut child = command
            .args(&start.arguments)
            .current_dir(&start.working_directory)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let last_words = LastWords::default();
        let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
        let (of_stdout, of_stderr) = (output.clone(), output.clone());
        let remembered = last_words.clone();
        let printing = [
            each_line(stdout, move |line| of_stdout.line(Level::Information, line)),
            each_line(stderr, move |line| {
                of_stderr.line(Level::of_stderr(line), line);
                remembered.push(line);
            }),
        ];
        Ok(Process { child, printing, last_words })
    }

    /// The process id; 0 when the process has ended.
    pub(super) fn id(&self) -> u32 {
        self.child.id().unwrap_or_default()
    }

    pub(super) async fn wait(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    pub(super) async fn kill(&mut self) -> io::Result<()> {
        self.child.kill().await
    }

    /// Sends SIGTERM, waits for the end up to the grace, then kills.
    #[cfg(unix)]
    pub(super) async fn terminate(&mut self) -> io::Result<()> {
        use rustix::process::{Pid, Signal, kill_process};
        // The id is still this child's: it has not been waited for.
        let pid = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
        if let Some(pid) = pid {
            kill_process(pid, Signal::TERM)?;
            if let Ok(status) = timeout(STOP_GRACE, self.child.wait()).await {
                return status.map(drop);
            }
        }
        self.child.kill().await
    }

    /// There is no SIGTERM to send.
    #[cfg(not(unix))]
    pub(super) async fn terminate(&mut self) -> io::Result<()> {
        self.child.kill().await
    }

    /// Waits until all that the ended process wrote is printed; then its last lines on stderr, quoted.
    pub(super) async fn last_words(mut self) -> String {
        for stream in &mut self.printing {
            // A process that the handler left behind may hold the pipe open for ever.
            let _ = timeout(Duration::from_secs(1), stream).await;
        }
        self.last_words.quoted()
    }
}

/// The last three lines on stderr, which go into the host's message about an exit.
#[derive(Clone, Default)]
struct LastWords(Arc<Mutex<VecDeque<String>>>);

impl LastWords {
    fn push(&self, line: &str) {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        lines.push_back(line.to_owned());
        if lines.len() > 3 {
            lines.pop_front();
        }
    }

    fn quoted(&self) -> String {
        let mut lines = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match lines.make_contiguous() {
            [] => "it wrote nothing to stderr".to_owned(),
            lines => format!("its last lines on stderr: {}", lines.join(" | ")),
        }
    }
}

fn each_line(
    stream: Option<impl AsyncRead + Unpin + Send + 'static>,
    print: impl Fn(&str) + Send + 'static,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let Some(stream) = stream else { return };
        let mut stream = BufReader::new(stream);
        let mut line = Vec::new();
        while matches!(stream.read_until(b'\n', &mut line).await, Ok(length) if length > 0) {
            print(String::from_utf8_lossy(&line).trim_end_matches(['\r', '\n']));
            line.clear();
        }
    })
}
