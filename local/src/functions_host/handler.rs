//! The handler process: started, waited for, restarted by the host's rules, stopped with SIGTERM first.

use std::{
    collections::VecDeque,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    io::{AsyncBufReadExt, AsyncRead, BufReader},
    net::TcpSocket,
    process::{Child, Command},
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until, timeout},
};

use super::{
    client::Client,
    environment::Environment,
    output::{Level, Output},
};

/// HttpFunctionInvocationDispatcher: `ErrorEventsThreshold`, and the pause after which older errors are forgotten.
const ERRORS_UNTIL_STOP: usize = 3;
const ERRORS_FORGOTTEN_AFTER: Duration = Duration::from_secs(30 * 60);
/// The exit code by which a handler asks to be started again.
const INTENDED_RESTART: i32 = 200;
/// WorkerConstants.WorkerReadyCheckPollingIntervalMilliseconds.
const READINESS_INTERVAL: Duration = Duration::from_millis(25);
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

/// Where the handler stands.
#[derive(Debug, Clone)]
pub(super) enum State {
    /// Started, and not answering yet.
    Starting,
    /// Answering, as this process.
    Ready { pid: u32 },
    /// Exited with 0, so never started again; the host goes on, its invocations fail.
    Finished,
    /// The host stops, for this reason.
    Stopped { reason: String },
}

/// What the host wants of the running process.
#[derive(Debug)]
enum Wish {
    /// Kill this process, and start it again; another one than that is left alone.
    Restart {
        pid: u32,
    },
    Stop,
}

/// How one run of the process came to its end.
enum End {
    Exited(ExitStatus),
    NotReady,
    RestartWished,
    StopWished,
}

/// The supervised handler; dropping it kills the process.
#[derive(Debug)]
pub(super) struct Handler {
    state: watch::Receiver<State>,
    wishes: mpsc::Sender<Wish>,
    restarts: Arc<AtomicUsize>,
    task: JoinHandle<()>,
}

impl Handler {
    /// Starts the process; [`Handler::ready`] tells when it answers.
    ///
    /// `reserved` keeps the port from being given to others, for as long as the handler is supervised.
    pub(super) fn start(start: Start, client: Client, reserved: Option<TcpSocket>, output: Output) -> Self {
        let (state, seen) = watch::channel(State::Starting);
        let (wishes, wished) = mpsc::channel(16);
        let restarts = Arc::new(AtomicUsize::new(0));
        let supervisor = Supervisor {
            start,
            client,
            output,
            state,
            wished,
            restarts: Arc::clone(&restarts),
            last_words: Arc::default(),
        };
        let task = tokio::spawn(async move {
            supervisor.run().await;
            drop(reserved);
        });
        Handler { state: seen, wishes, restarts, task }
    }

    /// Waits while the handler starts; then its process id, or why there is none.
    pub(super) async fn ready(&self) -> Result<u32, String> {
        let mut state = self.state.clone();
        let settled = state.wait_for(|state| !matches!(state, State::Starting)).await;
        match settled.as_deref() {
            Ok(State::Ready { pid }) => Ok(*pid),
            Ok(State::Stopped { reason }) => Err(reason.clone()),
            Ok(State::Finished | State::Starting) => {
                Err("the handler exited with code 0, after which the host never starts it again; \
                     exit with another code on failure"
                    .to_owned())
            }
            Err(_) => Err("the handler was stopped".to_owned()),
        }
    }

    /// The process id, where a handler answers.
    pub(super) fn pid(&self) -> Option<u32> {
        match *self.state.borrow() {
            State::Ready { pid } => Some(pid),
            _ => None,
        }
    }

    /// How often the handler was started again.
    pub(super) fn restarts(&self) -> usize {
        self.restarts.load(Ordering::Relaxed)
    }

    /// Kills the process with this id and starts it again, as the host does after a functionTimeout.
    pub(super) async fn restart(&self, pid: u32) {
        // A closed channel means that the handler is stopped already.
        let _ = self.wishes.send(Wish::Restart { pid }).await;
    }

    /// Waits until the host has to stop, and says why.
    pub(super) async fn stopped(&self) -> String {
        let mut state = self.state.clone();
        match state.wait_for(|state| matches!(state, State::Stopped { .. })).await.as_deref() {
            Ok(State::Stopped { reason }) => reason.clone(),
            _ => "the handler was stopped".to_owned(),
        }
    }

    /// Sends SIGTERM, waits for the end up to the grace, then kills.
    pub(super) async fn stop(&self) {
        // A closed channel means that there is nothing left to stop.
        let _ = self.wishes.send(Wish::Stop).await;
        self.stopped().await;
    }

    /// Kills the process, if it runs.
    pub(super) fn kill(&self) {
        self.task.abort();
    }
}

impl Drop for Handler {
    fn drop(&mut self) {
        self.kill();
    }
}

struct Supervisor {
    start: Start,
    client: Client,
    output: Output,
    state: watch::Sender<State>,
    wished: mpsc::Receiver<Wish>,
    restarts: Arc<AtomicUsize>,
    /// The last three lines on stderr.
    last_words: Arc<Mutex<VecDeque<String>>>,
}

impl Supervisor {
    async fn run(mut self) {
        let mut errors = 0;
        let mut last_error: Option<Instant> = None;
        // One limit for all starts in a row, so that a handler that keeps asking for a restart is noticed.
        let mut ready_by = Instant::now() + self.start.initialization_timeout;
        loop {
            let (end, was_ready) = match self.run_once(ready_by).await {
                Ok(end) => end,
                Err(error) => {
                    let executable = self.start.executable.display();
                    return self.give_up(format!("the handler {executable} could not be started: {error}"));
                }
            };
            if was_ready {
                ready_by = Instant::now() + self.start.initialization_timeout;
            }
            match end {
                End::StopWished => return self.give_up("the host was asked to stop".to_owned()),
                End::NotReady => {
                    return self.give_up(format!(
                        "the handler did not answer GET / on port {} within {:?} (initializationTimeout in \
                         host.json); it must listen on 127.0.0.1:$FUNCTIONS_CUSTOMHANDLER_PORT{}",
                        self.start.port,
                        self.start.initialization_timeout,
                        self.quoted_last_words(),
                    ));
                }
                End::RestartWished => {}
                End::Exited(status) if status.code() == Some(INTENDED_RESTART) => {
                    self.output
                        .line(Level::Information, "The handler asked to be restarted (exit code 200).");
                }
                End::Exited(status) if status.success() => {
                    self.output.line(
                        Level::Error,
                        "The handler exited with code 0; it is not started again, invocations fail from here.",
                    );
                    self.state.send_replace(State::Finished);
                    return self.idle().await;
                }
                End::Exited(status) => {
                    let exit = format!("the handler exited with {status}{}", self.quoted_last_words());
                    self.output.line(Level::Error, &exit);
                    if last_error.is_some_and(|last| last.elapsed() > ERRORS_FORGOTTEN_AFTER) {
                        errors = 0;
                    }
                    last_error = Some(Instant::now());
                    errors += 1;
                    if errors == ERRORS_UNTIL_STOP {
                        return self.give_up(format!("{exit}; that was the third time, so the host stops"));
                    }
                }
            }
            self.state.send_replace(State::Starting);
            self.restarts.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Runs the process once, and says how it ended and whether it ever answered.
    async fn run_once(&mut self, ready_by: Instant) -> std::io::Result<(End, bool)> {
        self.last_words.lock().unwrap_or_else(PoisonError::into_inner).clear();
        let mut command = Command::new(&self.start.executable);
        // Ctrl-C is for the host alone: it then stops the handler, and knows that this is no failure.
        #[cfg(unix)]
        command.process_group(0);
        let mut child = command
            .args(&self.start.arguments)
            .current_dir(&self.start.working_directory)
            .envs(self.start.environment.iter())
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()?;
        let pid = child.id().unwrap_or_default();
        let lines = [
            self.print(child.stdout.take(), |_| Level::Information, false),
            self.print(child.stderr.take(), Level::of_stderr, true),
        ];
        let mut answering = std::pin::pin!(answers(self.client.clone()));
        let mut ready = false;
        let end = loop {
            tokio::select! {
                // First the exit: else another process's answer on the same port could look like readiness.
                biased;
                status = child.wait() => break End::Exited(status?),
                wish = self.wished.recv() => match wish {
                    Some(Wish::Restart { pid: meant }) if meant == pid => {
                        child.kill().await?;
                        break End::RestartWished;
                    }
                    Some(Wish::Restart { .. }) => {}
                    Some(Wish::Stop) | None => {
                        terminate(&mut child).await?;
                        break End::StopWished;
                    }
                },
                () = answering.as_mut(), if !ready => {
                    ready = true;
                    self.state.send_replace(State::Ready { pid });
                }
                () = sleep_until(ready_by), if !ready => {
                    child.kill().await?;
                    break End::NotReady;
                }
            }
        };
        for line in lines {
            // A process that the handler left behind may hold the pipe open for ever.
            let _ = timeout(Duration::from_secs(1), line).await;
        }
        Ok((end, ready))
    }

    /// Prints each line of `stream` as it comes.
    fn print(
        &self,
        stream: Option<impl AsyncRead + Unpin + Send + 'static>,
        level: fn(&str) -> Level,
        is_stderr: bool,
    ) -> JoinHandle<()> {
        let (output, last_words) = (self.output.clone(), Arc::clone(&self.last_words));
        tokio::spawn(async move {
            let Some(stream) = stream else { return };
            let mut stream = BufReader::new(stream);
            let mut line = Vec::new();
            while matches!(stream.read_until(b'\n', &mut line).await, Ok(length) if length > 0) {
                let text = String::from_utf8_lossy(&line);
                let text = text.trim_end_matches(['\r', '\n']);
                output.line(level(text), text);
                if is_stderr {
                    let mut words = last_words.lock().unwrap_or_else(PoisonError::into_inner);
                    words.push_back(text.to_owned());
                    if words.len() > 3 {
                        words.pop_front();
                    }
                }
                line.clear();
            }
        })
    }

    fn quoted_last_words(&self) -> String {
        let words = self.last_words.lock().unwrap_or_else(PoisonError::into_inner);
        if words.is_empty() {
            return "; it wrote nothing to stderr".to_owned();
        }
        let words: Vec<_> = words.iter().map(String::as_str).collect();
        format!("; its last lines on stderr: {}", words.join(" | "))
    }

    fn give_up(&self, reason: String) {
        self.state.send_replace(State::Stopped { reason });
    }

    /// No process is left; only a stop is still of interest.
    async fn idle(&mut self) {
        while let Some(wish) = self.wished.recv().await {
            if matches!(wish, Wish::Stop) {
                return self.give_up("the host was asked to stop".to_owned());
            }
        }
    }
}

/// Returns when the handler answers `GET /`, with whatever status.
async fn answers(client: Client) {
    while client.ping().await.is_err() {
        sleep(READINESS_INTERVAL).await;
    }
}

#[cfg(unix)]
async fn terminate(child: &mut Child) -> std::io::Result<()> {
    use rustix::process::{Pid, Signal, kill_process};
    let pid = child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw);
    if let Some(pid) = pid {
        kill_process(pid, Signal::TERM)?;
        if let Ok(status) = timeout(STOP_GRACE, child.wait()).await {
            return status.map(drop);
        }
    }
    child.kill().await
}

/// There is no SIGTERM to send.
#[cfg(not(unix))]
async fn terminate(child: &mut Child) -> std::io::Result<()> {
    child.kill().await
}
