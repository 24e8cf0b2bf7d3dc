//! The scoped session: any code of an invocation reaches that invocation's session, and no other.

mod common;

use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{App, Azure, json};
use serde_json::json;
use sqlscope::{Error, Request, RequestExt, Response, Result, Session, http, session};
use tokio::sync::oneshot;

async fn spid() -> Result<i32> {
    session::current()?.query_one("SELECT @@SPID", &[]).await.map(|spid: i16| spid.into())
}

/// Reads its session's id in three ways, with waits between, and leaves something behind.
async fn who(request: Request, session: &Session) -> Result<Response> {
    let given: i16 = session.query_one("SELECT @@SPID", &[]).await?;
    session.batch("CREATE TABLE #mine (n int)").await?;
    let number: i32 = request.query("n")?.unwrap_or_default();
    session
        .with_client(|client| {
            Box::pin(async move {
                let sql = format!("INSERT INTO #mine (n) VALUES ({number})");
                client.simple_query(sql).await?.into_results().await.map(drop)
            })
        })
        .await?;
    let deep = spid().await?;
    let (left, right) = tokio::join!(spid(), spid());
    let mine: Vec<i32> = session
        .with_client(|client| {
            Box::pin(async move {
                let rows = client.simple_query("SELECT n FROM #mine").await?.into_first_result().await?;
                Ok(rows.iter().filter_map(|row| row.get(0)).collect())
            })
        })
        .await?;
    let ids: BTreeSet<i32> = [i32::from(given), deep, left?, right?].into();
    Ok(http::json(&json!({ "ids": ids, "mine": mine, "n": number })))
}

#[tokio::test(flavor = "multi_thread")]
async fn of_200_invocations_at_once_each_sees_its_own_session_only() {
    let azure = Azure::start().await;
    let (project, app) = App::project(&["Who"]);
    let app = Arc::new(App::start(project, app.connector(azure.connector()).http("Who", who)).await);
    let calls = (0..200).map(|n| {
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
        assert_eq!(answer["mine"], json!([answer["n"]]), "no other invocation's #temp table");
        assert_eq!(answer["n"], n);
        let ids = answer["ids"].as_array().unwrap().clone();
        assert_eq!(ids.len(), 1, "one session in all of an invocation: {answer}");
        sessions.insert(ids[0].as_i64().unwrap());
    }
    assert_eq!(azure.all_closed().await, 200, "one session for each invocation");
    assert!(!sessions.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn sessions_that_live_at_once_have_distinct_ids() {
    let azure = Azure::start().await;
    let connector = azure.connector();
    let mut sessions = Vec::new();
    let mut ids = BTreeSet::new();
    for _ in 0..20 {
        let session = Session::open(&connector).await.unwrap();
        ids.insert(session.query_one::<i16>("SELECT @@SPID", &[]).await.unwrap());
        sessions.push(session);
    }
    assert_eq!(ids.len(), 20);
    for session in sessions {
        session.close().await;
    }
    azure.all_closed().await;
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
    let escapes = move |_: Request| {
        let send = send.clone();
        async move { Ok::<_, Error>((session::current(), send)) }
    };
    // A handler with a session, whose handle goes on in a task in the middle of a long statement.
    let handler = {
        let escapes = escapes.clone();
        move |request: Request, session: &Session| {
            let session = session.clone();
            let escapes = escapes(request);
            async move {
                let (_, send) = escapes.await?;
                let (began, running) = oneshot::channel();
                tokio::spawn(async move {
                    let _ = began.send(());
                    let first = session.batch("WAITFOR DELAY '00:00:20'").await;
                    let second = session.query_one::<i32>("SELECT 1", &[]).await;
                    if let Some(send) = send.lock().unwrap().take() {
                        let _ = send.send((first, second));
                    }
                });
                running.await.map_err(Error::other)?;
                tokio::time::sleep(Duration::from_millis(50)).await;
                Ok(http::text("replied"))
            }
        }
    };
    let (project, app) = App::project(&["Escapes"]);
    let app = App::start(project, app.connector(azure.connector()).http("Escapes", handler)).await;
    let reply = tokio::time::timeout(Duration::from_secs(10), app.get("/api/Escapes")).await.unwrap();
    assert_eq!(reply.text().await.unwrap(), "replied");
    let (first, second) = outcome.await.unwrap();
    assert!(matches!(first, Err(Error::SessionClosed)), "{first:?}");
    assert!(matches!(second, Err(Error::SessionClosed)), "{second:?}");
    assert_eq!(azure.all_closed().await, 1);
}
