//! The scoped session: any code of an invocation reaches that invocation's session, and no other.

mod common;

use std::{
    collections::BTreeSet,
    sync::{Arc, LazyLock, Mutex},
    time::Duration,
};

use common::{App, Azure, json};
use serde_json::json;
use sqlscope::{
    Error, Request, RequestExt, Response, Result, Session, http,
    session::{self, CheckedSql},
};
use tokio::sync::{Barrier, oneshot};

const AT_ONCE: usize = 200;

/// All invocations are here before any of them goes on.
static ALL_HERE: LazyLock<Barrier> = LazyLock::new(|| Barrier::new(AT_ONCE));

async fn spid() -> Result<i16> {
    session::current()?.query_one("SELECT @@SPID", &[]).await
}

/// Reads its session's id in several ways while all the others are open, and writes into a #temp table of its own.
async fn who(request: Request, session: &Session) -> Result<Response> {
    let number: i32 = request.query("n")?.unwrap_or_default();
    session.batch("CREATE TABLE #mine (n int)").await?;
    let fill = CheckedSql(format!("INSERT INTO #mine (n) VALUES ({number})"));
    session.batch(fill).await?;
    let given: i16 = session.query_one("SELECT @@SPID", &[]).await?;
    ALL_HERE.wait().await;
    let deep = spid().await?;
    let (left, right) = tokio::join!(spid(), spid());
    let mine: Vec<i32> = session.query("SELECT n FROM #mine", &[]).await?;
    let ids: BTreeSet<i16> = [given, deep, left?, right?].into();
    Ok(http::json(&json!({ "ids": ids, "mine": mine })))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_200_invocations_at_once_each_sees_its_own_session_only() {
    let azure = Azure::start().await;
    // A slow machine takes its time for 200 handshakes in a debug build.
    let connector = azure.connector_with(azure.credential(), "Connect Timeout=120;Max Pool Size=200");
    let (project, app) = App::project(&["Who"]);
    let app = Arc::new(App::start(project, app.connector(connector).http("Who", who)).await);
    let calls = (0..AT_ONCE).map(|n| {
        let app = app.clone();
        tokio::spawn(async move {
            let reply = app.get(&format!("/api/Who?n={n}")).await;
            assert_eq!(reply.status(), 200);
            json(reply).await
        })
    });
    let mut sessions = BTreeSet::new();
    for (n, call) in calls.collect::<Vec<_>>().into_iter().enumerate() {
        let answer = call.await.unwrap();
        assert_eq!(answer["mine"], json!([n]), "no other invocation's #temp table");
        let ids = answer["ids"].as_array().unwrap();
        assert_eq!(ids.len(), 1, "one session in all of an invocation: {answer}");
        sessions.insert(ids[0].as_i64().unwrap());
    }
    assert_eq!(sessions.len(), AT_ONCE, "each its own");
    assert_eq!(azure.all_closed().await, AT_ONCE as u64);
}

#[tokio::test]
async fn outside_an_invocation_there_is_no_session() {
    assert!(matches!(session::current(), Err(Error::NoSession)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_task_of_its_own_sees_no_session() {
    async fn spawns(_: Request, _: &Session) -> Result<Response> {
        let outcome = tokio::spawn(async { session::current().map(drop) }).await.map_err(Error::other)?;
        Ok(http::text(matches!(outcome, Err(Error::NoSession))))
    }
    let azure = Azure::start().await;
    let (project, app) = App::project(&["Spawns"]);
    let app = App::start(project, app.connector(azure.connector()).http("Spawns", spawns)).await;
    assert_eq!(app.get("/api/Spawns").await.text().await.unwrap(), "true");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_that_outlives_its_invocation_is_closed_and_does_not_delay_the_reply() {
    let azure = Azure::start().await;
    let (send, outcome) = oneshot::channel();
    let send = Arc::new(Mutex::new(Some(send)));
    // The handle goes on in a task of its own, in the middle of a long statement.
    let handler = move |_: Request, session: &Session| {
        let (session, send) = (session.clone(), send.clone());
        async move {
            tokio::spawn(async move {
                let first = session.batch("WAITFOR DELAY '00:00:20'").await;
                let second = session.query_one::<i32>("SELECT 1", &[]).await;
                if let Some(send) = send.lock().unwrap().take() {
                    let _ = send.send((first, second));
                }
            });
            // Long enough for the statement to be under way, which nothing else shows.
            tokio::time::sleep(Duration::from_millis(100)).await;
            Ok(http::text("replied"))
        }
    };
    let (project, app) = App::project(&["Escapes"]);
    let app = App::start(project, app.connector(azure.connector()).http("Escapes", handler)).await;
    let reply = tokio::time::timeout(Duration::from_secs(10), app.get("/api/Escapes")).await.unwrap();
    assert_eq!(reply.text().await.unwrap(), "replied");
    let (first, second) = tokio::time::timeout(Duration::from_secs(10), outcome).await.unwrap().unwrap();
    assert!(matches!(first, Err(Error::SessionClosed)), "{first:?}");
    assert!(matches!(second, Err(Error::SessionClosed)), "{second:?}");
    assert_eq!(azure.all_closed().await, 1);
}
