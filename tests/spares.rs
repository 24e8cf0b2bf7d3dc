//! Connections that are opened ahead: there before they are needed, each for one invocation, and gone when nobody comes.

mod common;

use std::{
    sync::{Arc, atomic::Ordering},
    time::Duration,
};

use common::{App, Azure, Log, Proxy, connection_string, eventually, json, settings_with};
use sqlscope::{Request, Response, Result, Session, connection::Connector, http};
use sqlscope_local::sql::Faults;
use tokio::time::{advance, pause, resume};

/// What is logged when a session was opened ahead: the server knows of it a moment earlier.
const READY: &str = "a session is ready ahead";

/// Answers with the session's id.
async fn who(_: Request, session: &Session) -> Result<Response> {
    let id: i16 = session.query_one("SELECT @@SPID", &[]).await?;
    Ok(http::json(&id))
}

/// An app of the function `Who`.
async fn app(connector: Arc<Connector>) -> App {
    let (project, app) = App::project(&["Who"]);
    App::start(project, app.connector(connector).http("Who", who)).await
}

async fn app_with(azure: &Azure, environment: &[(&str, &str)]) -> App {
    app(azure.connector_in(environment)).await
}

async fn spid(app: &App) -> u16 {
    let reply = app.get("/api/Who").await;
    assert_eq!(reply.status(), 200);
    serde_json::from_value(json(reply).await).unwrap()
}

/// Waits until so many sessions were opened and so many of them are open.
async fn opened(azure: &Azure, opened: u64, open: u64) {
    eventually(|| {
        let counts = azure.sql.counts();
        counts.opened == opened && counts.opened - counts.closed == open
    })
    .await;
}

/// Lets a time pass at once, for everything here.
async fn passes(time: Duration) {
    pause();
    advance(time).await;
    resume();
}

#[tokio::test]
async fn the_first_session_is_open_before_the_first_invocation() {
    let azure = Azure::start().await;
    let app = app_with(&azure, &[]).await;
    opened(&azure, 1, 1).await;
    assert_eq!(spid(&app).await, azure.sql.sessions()[0].spid);
}

#[tokio::test]
async fn every_invocation_gets_a_session_that_nobody_used_before_and_closes_it() {
    let azure = Azure::start().await;
    let app = app_with(&azure, &[("SQLSCOPE_SPARES", "2")]).await;
    for _ in 0..20 {
        eventually(|| azure.sql.counts().opened > azure.sql.counts().closed).await;
        let spid = spid(&app).await;
        let session = || azure.sql.sessions().into_iter().rev().find(|session| session.spid == spid).unwrap();
        eventually(|| session().closed_at.is_some()).await;
        assert_eq!(session().requests, 1);
    }
}

#[tokio::test]
async fn a_spare_is_replaced_as_soon_as_it_is_taken() {
    let azure = Azure::start().await;
    let app = app_with(&azure, &[]).await;
    for invocations in 1..5 {
        opened(&azure, invocations, 1).await;
        spid(&app).await;
    }
}

#[tokio::test]
async fn no_spare_is_kept_after_a_minute_without_an_invocation() {
    let azure = Azure::start().await;
    let log = Log::new();
    let app = app_with(&azure, &[]).await;
    log.says(READY, 1).await;
    passes(Duration::from_secs(50)).await;
    spid(&app).await;
    log.says(READY, 2).await;
    passes(Duration::from_secs(50)).await;
    spid(&app).await;
    opened(&azure, 3, 1).await;
    log.says(READY, 3).await;
    passes(Duration::from_secs(61)).await;
    assert_eq!(azure.all_closed().await, 3);
    spid(&app).await;
    opened(&azure, 5, 1).await;
}

#[tokio::test]
async fn a_spare_that_is_too_old_is_replaced() {
    let azure = Azure::start().await;
    let log = Log::new();
    let app = app_with(&azure, &[("SQLSCOPE_CONNECTION_AGE_SECONDS", "20")]).await;
    log.says(READY, 1).await;
    passes(Duration::from_secs(21)).await;
    opened(&azure, 2, 1).await;
    assert_eq!(spid(&app).await, azure.sql.sessions()[1].spid);
}

#[tokio::test]
async fn a_spare_is_not_kept_beyond_the_end_of_its_token() {
    let azure = Azure::start().await;
    let credential = azure.credential();
    credential.said_lifetime.store(2, Ordering::SeqCst);
    let settings = settings_with(&azure.connection_string(), &[]);
    let app = app(Arc::new(Connector::with_credential(settings, credential).unwrap())).await;
    eventually(|| azure.sql.counts().closed >= 1).await;
    let first = &azure.sql.sessions()[0];
    assert_eq!(first.requests, 0);
    let kept = first.closed_at.unwrap() - first.opened_at;
    assert!(kept <= Duration::from_secs(10), "{kept:?}");
    drop(app);
}

#[tokio::test]
async fn a_dead_spare_is_noticed_and_the_invocation_gets_another_session() {
    let azure = Azure::start().await;
    let proxy = Proxy::to(azure.sql.port()).await;
    let settings = settings_with(&connection_string(proxy.port(), &azure.ca), &[("SQLSCOPE_SPARES", "1")]);
    let app = app(Arc::new(Connector::with_credential(settings, azure.credential()).unwrap())).await;
    for round in 1..4 {
        eventually(|| azure.sql.counts().opened > azure.sql.counts().closed).await;
        proxy.cut().await;
        azure.all_closed().await;
        let before = azure.sql.counts().opened;
        let spid = spid(&app).await;
        let new = azure.sql.sessions().into_iter().skip(before as usize).any(|session| session.spid == spid);
        assert!(new, "round {round}");
    }
}

#[tokio::test]
async fn a_spare_never_takes_the_last_place_under_the_limit() {
    let azure = Azure::start().await;
    let log = Log::new();
    let app = app_with(&azure, &[("SQLSCOPE_MAX_SESSIONS", "1")]).await;
    for _ in 0..5 {
        spid(&app).await;
    }
    assert!(!log.text().contains(READY), "{}", log.text());
    let sessions = azure.sql.sessions();
    assert_eq!(sessions.len(), 5);
    assert!(sessions.iter().all(|session| session.requests == 1), "each was an invocation's");
}

#[tokio::test(flavor = "multi_thread")]
async fn invocations_that_wait_for_a_place_get_spares_as_well_and_all_of_them_are_served() {
    let azure = Azure::start().await;
    let app = app_with(&azure, &[("SQLSCOPE_MAX_SESSIONS", "3")]).await;
    let replies = (0..60).map(|_| spid(&app));
    let spids = futures_util::future::join_all(replies).await;
    assert_eq!(spids.len(), 60);
    // No more than three at the same time.
    let sessions = azure.sql.sessions();
    for session in &sessions {
        let beside = sessions.iter().filter(|other| {
            other.opened_at <= session.opened_at
                && other.closed_at.is_none_or(|closed| closed > session.opened_at)
        });
        assert!(beside.count() <= 3);
    }
    app.app.stop().await;
    azure.all_closed().await;
}

#[tokio::test]
async fn while_the_database_refuses_spares_are_tried_after_ever_longer_pauses_until_an_invocation_succeeds() {
    let azure = Azure::start().await;
    azure.sql.set_faults(Faults { fail_logins: Some((usize::MAX, 4060)), ..Faults::default() });
    let app = app_with(&azure, &[]).await;
    let refused = async |count| eventually(|| azure.sql.counts().refused == count).await;
    refused(1).await;
    // 1 s, 2 s, 4 s.
    passes(Duration::from_millis(1100)).await;
    refused(2).await;
    passes(Duration::from_millis(1100)).await;
    assert_eq!(app.get("/api/Who").await.status(), 500);
    refused(3).await;
    passes(Duration::from_millis(1000)).await;
    refused(4).await;
    azure.sql.set_faults(Faults::default());
    spid(&app).await;
    // The next one finds out that there is something to be opened ahead again.
    spid(&app).await;
    eventually(|| azure.sql.counts().opened == 3).await;
}

#[tokio::test]
async fn an_app_that_stops_has_closed_its_spares() {
    let azure = Azure::start().await;
    let log = Log::new();
    let app = app_with(&azure, &[]).await;
    log.says(READY, 1).await;
    app.app.stop().await;
    assert_eq!((azure.sql.counts().opened, azure.sql.counts().closed), (1, 1));
}

#[tokio::test]
async fn an_app_that_stops_gives_up_what_it_is_opening_ahead() {
    let azure = Azure::start().await;
    let proxy = Proxy::to(azure.sql.port()).await;
    // An opening takes some five seconds.
    azure.sql.set_faults(Faults { latency: Duration::from_millis(500), ..Faults::default() });
    let settings = settings_with(&connection_string(proxy.port(), &azure.ca), &[]);
    let app = app(Arc::new(Connector::with_credential(settings, azure.credential()).unwrap())).await;
    eventually(|| proxy.connections() == 1).await;
    app.app.stop().await;
    eventually(|| proxy.connections() == 0).await;
    assert_eq!(azure.sql.counts().opened, 0);
}

#[tokio::test]
async fn without_spares_nothing_is_opened_that_no_invocation_asked_for() {
    let azure = Azure::start().await;
    let app = app_with(&azure, &[("SQLSCOPE_SPARES", "0")]).await;
    for _ in 0..3 {
        spid(&app).await;
    }
    assert!(azure.sql.sessions().iter().all(|session| session.requests == 1));
    assert_eq!(azure.all_closed().await, 3);
}
