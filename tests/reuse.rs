//! Connections that serve one invocation after another: what one leaves behind, no other ever sees.

mod common;

use std::{
    future::pending,
    sync::{Arc, Mutex},
    time::Duration,
};

use common::{App, Azure, Proxy, connection_string, eventually, first_byte, settings_with};
use futures_util::TryStreamExt;
use sqlscope::{
    Error, Request, RequestExt, Response, Result, Session,
    connection::Connector,
    http::{json, text},
};
use tokio::time::{advance, pause, resume, timeout};

const REUSE: [(&str, &str); 2] = [("SQLSCOPE_SESSIONS", "reuse"), ("SQLSCOPE_SPARES", "0")];

/// The handles that escaped from invocations.
static ESCAPED: Mutex<Vec<Session>> = Mutex::new(Vec::new());

/// Leaves something behind in the session, as the query `what` says, and answers with the session's id.
async fn leave(request: Request, session: &Session) -> Result<Response> {
    let what: String = request.query("what")?.unwrap_or_default();
    let id: i16 = session.query_one("SELECT @@SPID", &[]).await?;
    match what.as_str() {
        "nothing" => {}
        "nothing, after a while" => session.execute("WAITFOR DELAY '00:00:00.300'", &[]).await.map(drop)?,
        "a temporary table" => session.batch("CREATE TABLE #mine (n int)").await?,
        "an option" => session.batch("SET LOCK_TIMEOUT 1234").await?,
        "session context" => {
            session.execute("EXEC sp_set_session_context @P1, @P2", &[&"who", &"me"]).await?;
        }
        "an identity" => {
            session.execute("INSERT INTO dbo.seen (n) VALUES (@P1)", &[&1]).await?;
        }
        "a committed transaction" => {
            let insert = session.execute("INSERT INTO dbo.seen (n) VALUES (@P1)", &[&2]);
            session.transaction(insert).await?;
        }
        "an open transaction" => {
            session.batch("BEGIN TRANSACTION; INSERT INTO dbo.seen (n) VALUES (3)").await?;
        }
        "an isolation level" => session.batch("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE").await?,
        "a hidden isolation level" => {
            session.batch("EXEC ('SET TRANSACTION ISO' + 'LATION LEVEL SERIALIZABLE')").await?;
            session
                .with_client(|client| {
                    Box::pin(async {
                        let set = "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE";
                        client.simple_query(set).await?.into_results().await.map(drop)
                    })
                })
                .await?;
        }
        "an isolation level in a statement" => {
            session.execute("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE", &[]).await?;
        }
        "an application lock" => {
            session
                .execute(
                    "EXEC sp_getapplock @Resource = 'it', @LockMode = 'Exclusive', @LockOwner = 'Session'",
                    &[],
                )
                .await?;
        }
        "another database" => drop(session.batch("USE master").await),
        "unread rows" => {
            session
                .with_client(|client| {
                    Box::pin(async {
                        let mut rows =
                            client.simple_query("SELECT text FROM dbo.large").await?.into_row_stream();
                        rows.try_next().await.map(drop)
                    })
                })
                .await?;
        }
        "a few unread rows" => {
            session
                .with_client(|client| {
                    Box::pin(async { client.simple_query("SELECT 'clean'").await.map(drop) })
                })
                .await?;
        }
        "a late answer" => {
            let late = session.query_one::<String>("WAITFOR DELAY '00:00:00.300'; SELECT 'late'", &[]);
            assert!(timeout(Duration::from_millis(50), late).await.is_err());
        }
        "an error" => drop(session.query_one::<i32>("SELECT 1 / @P1", &[&0]).await),
        "a panic" => panic!("as asked"),
        "no end" => pending().await,
        "a handle" => ESCAPED.lock().unwrap().push(session.clone()),
        "a transaction in another task" => {
            let escaped = session.clone();
            let (begun, began) = tokio::sync::oneshot::channel();
            tokio::spawn(async move {
                escaped
                    .transaction(async {
                        escaped.execute("INSERT INTO dbo.seen (n) VALUES (4)", &[]).await?;
                        let _ = begun.send(());
                        pending::<Result<()>>().await
                    })
                    .await
            });
            began.await.unwrap();
        }
        other => panic!("{other}?"),
    }
    Ok(text(id))
}

/// What an invocation can see of the one before it, and its session's id.
async fn look(_: Request, session: &Session) -> Result<Response> {
    let (id, transactions, lock_timeout): (i16, i32, i32) =
        session.query_one("SELECT @@SPID, @@TRANCOUNT, @@LOCK_TIMEOUT", &[]).await?;
    let (table, context, identity): (Option<i32>, Option<String>, Option<i64>) = session
        .query_one(
            "SELECT OBJECT_ID('tempdb..#mine'), CAST(SESSION_CONTEXT(N'who') AS nvarchar(100)), \
             CAST(@@IDENTITY AS bigint)",
            &[],
        )
        .await?;
    let isolation: i16 = session
        .query_one(
            "SELECT transaction_isolation_level FROM sys.dm_exec_sessions WHERE session_id = @@SPID",
            &[],
        )
        .await?;
    let database: String = session.query_one("SELECT DB_NAME()", &[]).await?;
    let seen = (transactions, lock_timeout, table, context, identity, isolation, database);
    Ok(json(&(id, seen)))
}

struct Scene {
    azure: Azure,
    app: App,
}

impl Scene {
    async fn start(environment: &[(&str, &str)]) -> Scene {
        let azure = Azure::start().await;
        let session = azure.session().await;
        let tables = "CREATE TABLE dbo.seen (id bigint IDENTITY PRIMARY KEY, n int);
            CREATE TABLE dbo.large (text nvarchar(max));
            WITH n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 50)
            INSERT INTO dbo.large (text) SELECT REPLICATE(N'x', 2000) FROM n AS a CROSS JOIN n AS b";
        session.batch(tables).await.unwrap();
        session.close().await;
        let connector = azure.connector_in(&[&REUSE, environment].concat());
        Scene { app: app(connector, "60").await, azure }
    }

    /// One invocation leaves this; returns its session's id, if it says one.
    async fn leave(&self, what: &str) -> Option<u16> {
        let path = format!("/api/Leave?what={}", what.replace(' ', "+"));
        first_byte(self.app.app.port(), &path).await.rest().await.body.parse().ok()
    }

    /// The next one sees nothing of it; returns its session's id.
    async fn sees_nothing(&self) -> u16 {
        let reply = first_byte(self.app.app.port(), "/api/Look").await.rest().await;
        assert_eq!(reply.status, 200, "{reply:?}");
        let (id, seen): (u16, serde_json::Value) = serde_json::from_str(&reply.body).unwrap();
        assert_eq!(seen, serde_json::json!([0, -1, null, null, null, 2, "sqlscope"]));
        id
    }

    /// What is left is gone for the next invocation, which is served by the same connection.
    async fn is_reset(&self, what: &str) {
        let first = self.leave(what).await.unwrap();
        assert_eq!(self.sees_nothing().await, first, "the same connection, else nothing is shown");
        assert_eq!(self.sees_nothing().await, first);
    }

    /// What is left costs the connection, which is closed when the reply begins; the next invocation gets another one.
    async fn costs_the_connection(&self, what: &str) {
        let before = self.azure.sql.counts();
        let path = format!("/api/Leave?what={}", what.replace(' ', "+"));
        let reply = first_byte(self.app.app.port(), &path).await;
        let after = self.azure.sql.counts();
        assert_eq!(after.closed - before.closed, 1, "{what}");
        assert_eq!(after.commits, before.commits, "{what}");
        let first = reply.rest().await.body.parse().ok();
        assert_ne!(Some(self.sees_nothing().await), first, "{what}");
        // Away with the one that looked, so that the next one here has a connection of its own.
        self.leave("a panic").await;
        self.azure.all_closed().await;
    }
}

async fn app(connector: Arc<Connector>, deadline: &str) -> App {
    let (project, app) =
        App::project_with(&["Leave", "Look"], &[("SQLSCOPE_INVOCATION_TIMEOUT_SECONDS", deadline)]);
    App::start(project, app.connector(connector).http("Leave", leave).http("Look", look)).await
}

#[tokio::test]
async fn one_connection_serves_one_invocation_after_another() {
    let scene = Scene::start(&[]).await;
    let first = scene.leave("nothing").await.unwrap();
    for _ in 0..10 {
        assert_eq!(scene.sees_nothing().await, first);
        assert_eq!(scene.leave("a committed transaction").await, Some(first));
    }
    // And the one that made the tables.
    assert_eq!(scene.azure.sql.counts().opened, 2);
    scene.app.app.stop().await;
    assert_eq!(scene.azure.sql.counts().closed, 2);
}

#[tokio::test]
async fn a_temporary_table_is_gone_for_the_next_invocation() {
    Scene::start(&[]).await.is_reset("a temporary table").await;
}

#[tokio::test]
async fn a_set_option_is_back_at_its_default_for_the_next_invocation() {
    Scene::start(&[]).await.is_reset("an option").await;
}

#[tokio::test]
async fn session_context_is_empty_for_the_next_invocation() {
    // A reset clears it here. On another engine it did not: so it is not left to that.
    Scene::start(&[]).await.costs_the_connection("session context").await;
}

#[tokio::test]
async fn the_last_identity_is_unknown_to_the_next_invocation() {
    Scene::start(&[]).await.is_reset("an identity").await;
}

#[tokio::test]
async fn rows_that_were_left_unread_are_not_taken_for_the_next_answer() {
    let scene = Scene::start(&[]).await;
    scene.costs_the_connection("unread rows").await;
    scene.leave("a few unread rows").await;
    scene.sees_nothing().await;
}

#[tokio::test]
async fn an_open_transaction_is_rolled_back_before_the_reply() {
    Scene::start(&[]).await.costs_the_connection("an open transaction").await;
}

#[tokio::test]
async fn a_transaction_that_escaped_into_another_task_is_rolled_back_before_the_reply() {
    Scene::start(&[]).await.costs_the_connection("a transaction in another task").await;
}

#[tokio::test]
async fn an_isolation_level_costs_the_connection_however_it_was_set() {
    let scene = Scene::start(&[]).await;
    scene.costs_the_connection("an isolation level").await;
    scene.costs_the_connection("a hidden isolation level").await;
    scene.costs_the_connection("an isolation level in a statement").await;
}

#[tokio::test]
async fn an_application_lock_is_free_before_the_reply() {
    let scene = Scene::start(&[]).await;
    scene.costs_the_connection("an application lock").await;
    let other = scene.azure.session().await;
    let got = "DECLARE @got int; EXEC @got = sp_getapplock @Resource = 'it', @LockMode = 'Exclusive', \
               @LockOwner = 'Session', @LockTimeout = 0; SELECT @got";
    assert_eq!(other.query_one::<i32>(got, &[]).await.unwrap(), 0);
    other.close().await;
}

#[tokio::test]
async fn an_attempt_at_another_database_costs_the_connection() {
    Scene::start(&[]).await.costs_the_connection("another database").await;
}

#[tokio::test]
async fn a_late_answer_is_nobodys() {
    Scene::start(&[]).await.costs_the_connection("a late answer").await;
}

#[tokio::test]
async fn an_error_a_panic_and_a_deadline_cost_the_connection() {
    let scene = Scene::start(&[]).await;
    scene.costs_the_connection("an error").await;
    scene.costs_the_connection("a panic").await;
    let app = app(scene.azure.connector_in(&REUSE), "1").await;
    Scene { app, ..scene }.costs_the_connection("no end").await;
}

#[tokio::test]
async fn a_handle_that_escaped_can_do_nothing_to_the_connection_any_more() {
    let scene = Scene::start(&[]).await;
    let first = scene.leave("a handle").await.unwrap();
    let escaped = ESCAPED.lock().unwrap().pop().unwrap();
    let next = escaped.query_one::<i32>("SELECT 1", &[]).await;
    assert!(matches!(next, Err(Error::SessionClosed)), "{next:?}");
    assert!(matches!(escaped.batch("SELECT 1").await, Err(Error::SessionClosed)));
    let closing = escaped.clone();
    closing.close().await;
    drop(escaped);
    assert_eq!(scene.sees_nothing().await, first);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_two_invocations_share_a_connection_and_there_are_no_more_than_the_limit() {
    let scene = Scene::start(&[("SQLSCOPE_MAX_SESSIONS", "8")]).await;
    let invocations = (0..120).map(async |n| match n % 4 {
        0 => drop(scene.leave("an option").await),
        1 => drop(scene.leave("an identity").await),
        2 => drop(scene.leave("a temporary table").await),
        _ => drop(scene.sees_nothing().await),
    });
    futures_util::future::join_all(invocations).await;
    let sessions = scene.azure.sql.sessions();
    assert!(sessions.len() <= 9, "{}", sessions.len());
    scene.app.app.stop().await;
    scene.azure.all_closed().await;
}

#[tokio::test]
async fn a_connection_that_nobody_needs_for_a_minute_is_closed() {
    let scene = Scene::start(&[]).await;
    let first = scene.leave("nothing").await;
    pause();
    advance(Duration::from_secs(30)).await;
    resume();
    assert_eq!(scene.leave("nothing").await, first);
    pause();
    advance(Duration::from_secs(61)).await;
    resume();
    assert_eq!(scene.azure.all_closed().await, 2);
}

#[tokio::test]
async fn one_connection_more_than_is_needed_is_closed_after_a_minute() {
    let scene = Scene::start(&[]).await;
    let (one, other) =
        tokio::join!(scene.leave("nothing, after a while"), scene.leave("nothing, after a while"));
    assert_ne!(one, other, "both at the same time");
    for _ in 0..3 {
        pause();
        advance(Duration::from_secs(25)).await;
        resume();
        scene.leave("nothing").await;
    }
    let counts = || scene.azure.sql.counts();
    // With the one that made the tables.
    eventually(|| counts().closed == 2).await;
    assert_eq!(counts().opened, 3);
}

#[tokio::test]
async fn a_connection_is_used_no_more_when_it_is_too_old() {
    let scene = Scene::start(&[("SQLSCOPE_CONNECTION_AGE_SECONDS", "40")]).await;
    let first = scene.leave("nothing").await;
    for _ in 0..2 {
        pause();
        advance(Duration::from_secs(25)).await;
        resume();
        scene.leave("nothing").await;
    }
    assert_ne!(scene.leave("nothing").await, first);
    assert_eq!(scene.azure.sql.counts().opened, 3);
}

#[tokio::test]
async fn a_connection_that_died_meanwhile_is_noticed_and_another_one_opened() {
    let azure = Azure::start().await;
    let proxy = Proxy::to(azure.sql.port()).await;
    let settings = settings_with(&connection_string(proxy.port(), &azure.ca), &REUSE);
    let app = app(Arc::new(Connector::with_credential(settings, azure.credential()).unwrap()), "60").await;
    let scene = Scene { azure, app };
    let first = scene.sees_nothing().await;
    proxy.cut().await;
    scene.azure.all_closed().await;
    assert_ne!(scene.sees_nothing().await, first);
}
