//! The engine: one thread and one SQLite connection for each session, so that a lock that is waited for holds up
//! nobody else.

mod adapted;
mod aggregates;
mod alter;
mod alter_columns;
mod answer;
mod applocks;
mod apply;
mod arithmetic;
mod bits;
mod bulk;
mod calendar;
mod calls;
mod catalog;
mod catalog_definitions;
mod catalog_functions;
mod catalog_information;
mod catalog_procedures;
mod chains;
mod changes;
mod check_identity;
mod collation;
mod columns;
mod commands;
mod constraints;
mod counts;
mod database;
mod dates;
mod ddl;
mod definitions;
mod derived;
mod described;
mod dml;
mod elements;
mod evaluate;
mod expressions;
mod failures;
mod for_json;
mod format;
mod forms;
mod functions;
mod grouping;
mod identity;
mod infer;
mod insert;
mod interrupt;
mod json;
mod json_path;
mod library;
mod like;
mod limits;
mod live;
mod locks;
mod maths;
mod merge;
mod merge_clauses;
mod merge_decisions;
mod merge_output;
mod moved_keys;
mod names;
mod naming;
mod nodes;
mod operators;
mod options;
mod output;
mod parsed;
mod parses;
mod precision;
mod prepared;
mod procedures;
mod properties;
mod query;
mod ranked;
mod recursion;
mod references;
mod rename;
mod run;
mod same_names;
mod schema;
mod schemas;
mod scope;
pub(crate) mod script;
mod select;
mod session;
mod session_context;
mod settings;
mod single;
mod sources;
mod standing;
mod steps;
mod storage;
mod styles;
mod switched;
mod texts;
mod transaction;
mod translate;
mod type_info;
mod unique;
mod unread;
mod update;
mod views;
mod words;

use std::{
    io,
    sync::{Arc, mpsc},
    thread,
};

use tokio::sync::oneshot;

pub use database::Database;
pub(crate) use database::Store;
use interrupt::Interrupt;
use session::Session;
pub(crate) use session::Who;

use super::{packet::Reset, request::Request};

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
