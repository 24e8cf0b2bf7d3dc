//! The supervised handler: started, waited for, restarted by the host's rules, stopped when the host stops.

use std::{
    io,
    process::ExitStatus,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{
    net::TcpSocket,
    sync::{mpsc, watch},
    task::JoinHandle,
    time::{Instant, sleep, sleep_until},
};

use super::{
    client::Client,
    output::{Level, Output},
    process::{Process, Start},
};

/// HttpFunctionInvocationDispatcher: `ErrorEventsThreshold`, and the pause after which older errors are forgotten.
const ERRORS_UNTIL_STOP: usize = 3;
const ERRORS_FORGOTTEN_AFTER: Duration = Duration::from_secs(30 * 60);
/// The exit code by which a handler asks to be started again.
const INTENDED_RESTART: i32 = 200;
/// WorkerConstants.WorkerReadyCheckPollingIntervalMilliseconds.
const READINESS_INTERVAL: Duration = Duration::from_millis(25);
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

/// One run of the process, after it.
struct Run {
    end: End,
    was_ready: bool,
    last_words: String,
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
        let supervisor = Supervisor { start, client, output, state, wished, restarts: Arc::clone(&restarts) };
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
}

impl Supervisor {
    async fn run(mut self) {
        let mut errors = 0;
        let mut last_error: Option<Instant> = None;
        // One limit for all starts in a row, so that a handler that keeps asking for a restart is noticed.
        let mut ready_by = Instant::now() + self.start.initialization_timeout;
        loop {
            let executable = self.start.executable.display();
            let process = match Process::spawn(&self.start, &self.output) {
                Ok(process) => process,
                Err(error) => {
                    return self.give_up(format!("the handler {executable} could not be started: {error}"));
                }
            };
            let Run { end, was_ready, last_words } = match self.run_once(process, ready_by).await {
                Ok(run) => run,
                Err(error) => return self.give_up(format!("the handler cannot be watched: {error}")),
            };
            if was_ready {
                ready_by = Instant::now() + self.start.initialization_timeout;
            }
            match end {
                End::StopWished => return self.give_up("the host was asked to stop".to_owned()),
                End::NotReady => {
                    return self.give_up(format!(
                        "the handler did not answer GET / on port {} within {:?} (initializationTimeout in \
                         host.json); it must listen on 127.0.0.1:$FUNCTIONS_CUSTOMHANDLER_PORT; {last_words}",
                        self.start.port, self.start.initialization_timeout,
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
                    let exit = format!("the handler exited with {status}; {last_words}");
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
            self.restarts.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Runs the process once.
    async fn run_once(&mut self, mut process: Process, ready_by: Instant) -> io::Result<Run> {
        let pid = process.id();
        let mut answering = std::pin::pin!(answers(self.client.clone()));
        let mut was_ready = false;
        let end = loop {
            tokio::select! {
                // First the exit: else another process's answer on the same port could look like readiness.
                biased;
                status = process.wait() => break End::Exited(status?),
                wish = self.wished.recv() => match wish {
                    Some(Wish::Restart { pid: meant }) if meant == pid => {
                        process.kill().await?;
                        break End::RestartWished;
                    }
                    Some(Wish::Restart { .. }) => {}
                    Some(Wish::Stop) | None => {
                        process.terminate().await?;
                        break End::StopWished;
                    }
                },
                () = answering.as_mut(), if !was_ready => {
                    was_ready = true;
                    self.state.send_replace(State::Ready { pid });
                }
                () = sleep_until(ready_by), if !was_ready => {
                    process.kill().await?;
                    break End::NotReady;
                }
            }
        };
        self.state.send_replace(State::Starting);
        Ok(Run { end, was_ready, last_words: process.last_words().await })
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
