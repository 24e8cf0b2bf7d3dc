//! Load: so many sessions at once and no more, the rest in order, and nothing is left over.

mod common;

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{App, Azure, Served, client};
use sqlscope::{Error, Request, Response, Result, Session, connection::Stage, http::text};
use sqlscope_local::sql::SessionRecord;
use tokio::time::timeout;

/// How many sessions were open at once, at most, as the server saw it.
fn most_at_once(sessions: &[SessionRecord]) -> usize {
    let mut changes: Vec<_> = sessions
        .iter()
        .flat_map(|session| [Some((session.opened_at, 1)), session.closed_at.map(|at| (at, -1))])
        .flatten()
        .collect();
    changes.sort();
    let (mut open, mut most) = (0_i64, 0);
    for (_, change) in changes {
        open += change;
        most = most.max(open);
    }
    most as usize
}

fn no_free_session(outcome: Result<Session>) -> sqlscope::connection::OpenError {
    match outcome {
        Err(Error::Open(error)) if error.stage() == Stage::Limit => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_more_sessions_than_the_limit_are_open_at_once() {
    async fn takes_its_time(_: Request, session: &Session) -> Result<Response> {
        session.batch("WAITFOR DELAY '00:00:00.050'").await?;
        Ok(text(""))
    }
    let azure = Azure::start().await;
    let connector = azure.connector_with(azure.credential(), "Max Pool Size=3;Connect Timeout=100");
    let (project, app) = App::project(&["Time"]);
    let app = App::start(project, app.connector(connector).http("Time", takes_its_time)).await;
    let calls = (0..30).map(|_| tokio::spawn(client().get(app.url("/api/Time")).send()));
    for call in calls.collect::<Vec<_>>() {
        assert_eq!(call.await.unwrap().unwrap().status(), 200);
    }
    assert_eq!(azure.all_closed().await, 30);
    assert_eq!(most_at_once(&azure.sql.sessions()), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_for_a_session_gets_one_in_order_and_who_gives_up_is_passed_over() {
    let azure = Azure::start().await;
    let connector = azure.connector_with(azure.credential(), "Max Pool Size=1;Connect Timeout=100");
    let held = Session::open(&connector).await.unwrap();
    let served = Mutex::new(Vec::new());
    let mut waiting = Vec::new();
    for n in 0..20 {
        let (served, connector) = (&served, &connector);
        let mut opening = Box::pin(async move {
            let session = Session::open(connector).await.unwrap();
            served.lock().unwrap().push(n);
            session.close().await;
        });
        // Now it is in line.
        assert!(futures_util::poll!(&mut opening).is_pending());
        waiting.push(opening);
    }
    let gives_up = waiting.remove(7);
    drop(gives_up);
    held.close().await;
    // Those behind are asked first, so that their order is the line's.
    futures_util::future::join_all(waiting.into_iter().rev()).await;
    assert_eq!(served.into_inner().unwrap(), (0..20).filter(|n| *n != 7).collect::<Vec<_>>());
    assert_eq!((azure.all_closed().await, most_at_once(&azure.sql.sessions())), (20, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn who_waits_beyond_the_budget_gets_a_503_with_retry_after_and_the_log_names_the_setting() {
    let azure = Azure::start().await;
    let connector = azure.connector_with(azure.credential(), "Max Pool Size=2;Connect Timeout=1");
    let held = [Session::open(&connector).await.unwrap(), Session::open(&connector).await.unwrap()];
    let error = no_free_session(Session::open(&connector).await);
    let line = error.to_string();
    assert!(line.contains("all 2 sessions") && line.contains("SQLSCOPE_MAX_SESSIONS"), "{line}");
    assert!(!line.contains("attempt"), "none was made: {line}");
    let response = Error::from(error).to_response("id");
    assert_eq!(
        (response.status().as_u16(), &response.headers()["retry-after"]),
        (503, &"5".parse().unwrap())
    );
    assert_eq!(azure.sql.counts().connections, 2, "the server was not asked");
    for session in held {
        session.close().await;
    }
    Session::open(&connector).await.unwrap().close().await;
    azure.all_closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_place_is_free_again_however_its_session_ends() {
    let azure = Azure::start().await;
    let connector = azure.connector_with(azure.credential(), "Max Pool Size=1;Connect Timeout=10");
    let open = async || Session::open(&connector).await.expect("a place");

    open().await.close().await;
    // Dropped without a word.
    drop(open().await);
    // Closed while a handle of it lives on elsewhere.
    let kept = open().await;
    kept.clone().close().await;
    // An opening that is given up, and one that waits and is given up.
    let session = open().await;
    assert!(timeout(Duration::from_millis(20), Session::open(&connector)).await.is_err());
    session.close().await;
    let _ = timeout(Duration::from_millis(1), Session::open(&connector)).await;
    // An opening that fails.
    azure.sql.fail_logins(usize::MAX, 4060);
    assert!(Session::open(&connector).await.is_err());
    azure.sql.fail_logins(0, 4060);
    // A query that is dropped, and so its connection.
    let session = open().await;
    assert!(timeout(Duration::from_millis(20), session.batch("WAITFOR DELAY '00:00:30'")).await.is_err());
    session.close().await;

    open().await.close().await;
    drop(kept);
    azure.all_closed().await;
    assert_eq!(most_at_once(&azure.sql.sessions()), 1);
}

/// The resident memory of a process, in KiB.
#[cfg(target_os = "linux")]
fn resident(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().strip_suffix(" kB").unwrap().trim().parse().unwrap()
}

#[cfg(target_os = "linux")]
#[tokio::test(flavor = "multi_thread")]
async fn of_10_000_invocations_200_at_a_time_none_is_lost_and_nothing_is_left() {
    const ALL: usize = 10_000;
    const AT_ONCE: usize = 200;
    let azure = Azure::start().await;
    azure.migrate().await;
    let handler = Served::start(&azure, &[("SQLSCOPE_OPEN_TIMEOUT_SECONDS", "120")]).await;
    let url = Arc::new(handler.url("/api/todos"));
    let rush = async |count: usize| {
        let callers = (0..AT_ONCE).map(|_| {
            let url = url.clone();
            tokio::spawn(async move {
                let client = reqwest::Client::builder().no_proxy().build().unwrap();
                for _ in 0..count / AT_ONCE {
                    assert_eq!(client.get(url.as_str()).send().await.unwrap().status(), 200);
                }
            })
        });
        for caller in callers.collect::<Vec<_>>() {
            caller.await.unwrap();
        }
    };
    let before = azure.sql.counts().opened;
    rush(ALL / 5).await;
    let early = resident(handler.pid());
    rush(ALL * 4 / 5).await;
    let late = resident(handler.pid());
    assert_eq!(azure.all_closed().await - before, ALL as u64);
    assert!(most_at_once(&azure.sql.sessions()) <= 100, "the default limit");
    assert!(late < early + early / 4, "{early} KiB after a fifth of them, {late} KiB at the end");
    assert_eq!(azure.identity.requests(), 2, "the migrations' token and the handler's");
}
