//! The engine: one thread and one SQLite connection for each session, so that a lock that is waited for holds up
//! nobody else.
//!
//! A request is answered by its `session`. Its text is cut into steps by `script`, which runs them one after another;
//! the statements among them are those of `ddl` and `dml`, and the queries of `query`. Each of them has its names,
//! expressions and limits rewritten by `translate` into SQLite's SQL, whose `functions` and views of the `catalog` are
//! told to each connection before. What SQLite then says against it, `failures` tells as SQL Server would.

mod catalog;
mod ddl;
mod dml;
mod failures;
mod functions;
mod query;
pub(crate) mod script;
mod session;
mod translate;

use std::{
    io,
    sync::{Arc, mpsc},
    thread,
};

use tokio::sync::oneshot;

use session::Session;
pub(crate) use session::Who;
pub use session::database::Database;
pub(crate) use session::database::Store;
use session::interrupt::Interrupt;

use super::wire::{packet::Reset, request::Request};

struct Job {
    request: Request,
    reset: Option<Reset>,
    reply: oneshot::Sender<Vec<u8>>,
}

/// Commits and rollbacks are counted where they happen.
pub(crate) type Counter = Arc<super::books::Tally>;

/// The handle of a session's engine. Dropping it interrupts what runs and rolls back what is open.
#[derive(Debug)]
pub(crate) struct Engine {
    jobs: Option<mpsc::Sender<Job>>,
    interrupt: Arc<Interrupt>,
    /// Whether a transaction was open when the session ended.
    ended: oneshot::Receiver<bool>,
}

impl Engine {
    pub(crate) fn start(store: Arc<Store>, who: Who, counter: Counter) -> io::Result<Self> {
        let interrupt = Arc::new(Interrupt::default());
        let (jobs, received) = mpsc::channel::<Job>();
        let (end, ended) = oneshot::channel();
        let raised = Arc::clone(&interrupt);
        let mut session = Session::open(store, who, counter, raised).map_err(io::Error::other)?;
        // A deep expression recurses in parser, translator and SQLite: more stack than a thread's default.
        thread::Builder::new().name(format!("sql-{}", session.who.spid)).stack_size(64 << 20).spawn(
            move || {
                while let Ok(job) = received.recv() {
                    let answer = session.answer(job.request, job.reset);
                    // The client may have gone meanwhile.
                    let _ = job.reply.send(answer);
                }
                let open = session.close();
                drop(session);
                let _ = end.send(open);
            },
        )?;
        Ok(Engine { jobs: Some(jobs), interrupt, ended })
    }

    /// Runs a request; the answer comes over the channel.
    pub(crate) fn run(&self, request: Request, reset: Option<Reset>) -> oneshot::Receiver<Vec<u8>> {
        let (reply, answer) = oneshot::channel();
        self.interrupt.clear();
        if let Some(jobs) = &self.jobs {
            // An engine that is gone drops `reply`, and that is seen at `answer`.
            let _ = jobs.send(Job { request, reset, reply });
        }
        answer
    }

    /// Ends the running request early.
    pub(crate) fn interrupt(&self) {
        self.interrupt.raise();
    }

    /// Ends the session; says whether a transaction was open, which by then is rolled back.
    pub(crate) async fn end(mut self) -> bool {
        self.interrupt.raise();
        self.jobs = None;
        (&mut self.ended).await.unwrap_or(false)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.interrupt.raise();
    }
}
