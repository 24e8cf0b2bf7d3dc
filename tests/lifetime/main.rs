//! A session's end: whatever a handler does, the server sees one open and one close, the close before the reply.

#[path = "../common/mod.rs"]
mod common;
mod misbehaves;

use std::{future::pending, time::Duration};

use common::{App, Azure, HostMode, Scene, Sessions, eventually, first_byte};
use misbehaves::{elsewhere, holds_on, misbehaves};
use sqlscope::{Request, Response, Result, Session, connection::Connector, http::json};
use sqlscope_local::sql::{AtStage, Faults, Stage, Trouble};
use tokio::{io::AsyncWriteExt, net::TcpStream, time::timeout};

/// An app with `misbehaves`, and the tables that it uses.
async fn scene(connection: &str, how: &str, sessions: Sessions) -> Scene {
    // Short where it is met, and else out of the way of a slow machine.
    let deadline = if how.starts_with("takes too long") { "2" } else { "100" };
    let environment = [("SQLSCOPE_INVOCATION_TIMEOUT_SECONDS", deadline)];
    let scene = Scene::start(&environment, connection, sessions, |app| app.http("Fault", misbehaves)).await;
    let tables = "CREATE TABLE dbo.seen (id int NOT NULL); CREATE TABLE dbo.large (text nvarchar(max));
        WITH n AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM n WHERE i < 20)
        INSERT INTO dbo.large (text) SELECT REPLICATE(N'x', 2000) FROM n AS a CROSS JOIN n AS b";
    scene.by_hand(tables).await;
    scene
}

/// The handler that does this leaves nothing, however the app comes by its sessions: one session was used and closed
/// when the reply's first byte is there, nothing was committed, and the next invocation sees nothing of it.
async fn leaves_nothing(how: &str, status: u16) -> Scene {
    leaves_nothing_with("", how, status).await
}

/// Returns the scene with fresh sessions.
async fn leaves_nothing_with(connection: &str, how: &str, status: u16) -> Scene {
    left_nothing(connection, how, status, Sessions::Spare).await;
    left_nothing(connection, how, status, Sessions::Reused).await;
    left_nothing(connection, how, status, Sessions::Fresh).await
}

async fn left_nothing(connection: &str, how: &str, status: u16, sessions: Sessions) -> Scene {
    let scene = scene(connection, how, sessions).await;
    if sessions == Sessions::Spare {
        eventually(|| scene.azure.sql.counts().opened > scene.azure.sql.counts().closed).await;
    }
    let before = scene.azure.sql.counts();
    let path = format!("/api/Fault?how={}", how.replace(' ', "+"));
    let reply = first_byte(scene.app.app.port(), &path).await;
    let after = scene.azure.sql.counts();
    match sessions {
        // The next ones may be there already.
        Sessions::Spare => assert!(after.opened - before.opened <= 2, "{how}: {before:?} {after:?}"),
        _ => assert_eq!(after.opened - before.opened, 1, "{how}: one session"),
    }
    assert_eq!(after.closed - before.closed, 1, "{how}, {sessions:?}: closed when the reply begins");
    assert_eq!(after.commits, before.commits);
    let reply = reply.rest().await;
    assert_eq!(reply.status, status, "{reply:?}");
    if status >= 500 {
        assert!(reply.head.contains("application/problem+json"), "{reply:?}");
        assert!(reply.body.contains("invocationId"), "{reply:?}");
    }
    scene.nothing_is_left().await;
    scene
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_succeeds_closes_its_session() {
    leaves_nothing("succeeds", 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_fails_closes_its_session() {
    leaves_nothing("fails with an error of the server", 500).await;
    leaves_nothing("fails with an error of its own", 500).await;
    leaves_nothing("fails in a transaction", 500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_returns_early_closes_its_session() {
    leaves_nothing("returns early", 400).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panicking_handler_closes_its_session() {
    leaves_nothing("panics before it uses the session", 500).await;
    leaves_nothing("panics between two queries", 500).await;
    leaves_nothing("panics after its queries", 500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_in_a_transaction_rolls_it_back_and_closes_the_session() {
    leaves_nothing("panics in a transaction", 500).await;
    leaves_nothing("panics in a transaction in a transaction", 500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_over_its_deadline_closes_its_session() {
    leaves_nothing("takes too long", 504).await;
    leaves_nothing("takes too long in a query", 504).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_over_the_deadline_is_rolled_back_and_its_session_closed() {
    leaves_nothing("takes too long in a transaction", 504).await;
    leaves_nothing("takes too long in a query in a transaction", 504).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_panic_while_the_deadline_drops_the_handler_closes_the_session_all_the_same() {
    leaves_nothing("takes too long and panics while it is dropped", 500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_over_its_time_closes_the_session() {
    leaves_nothing_with("Command Timeout=1", "lets a statement take too long", 504).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_that_escaped_keeps_no_session_open() {
    leaves_nothing("leaves a handle elsewhere", 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_escaped_neither_delays_the_reply_nor_keeps_the_session_open() {
    leaves_nothing("leaves a query elsewhere", 200).await;
    leaves_nothing("leaves a query of a transaction elsewhere", 500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_query_that_was_dropped_while_it_waited_the_connection_is_used_no_more() {
    let scene = leaves_nothing("drops a query that waits for its answer", 200).await;
    // Three batches, BEGIN, INSERT, SELECT, WAITFOR: see `misbehaves`.
    assert_eq!(scene.faulty_session().requests, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_query_that_was_dropped_in_mid_write_the_connection_is_used_no_more() {
    let scene = leaves_nothing("drops a query in the middle of its writing", 200).await;
    assert_eq!(scene.faulty_session().requests, 5, "half a request is none");
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_query_that_was_dropped_in_mid_read_the_connection_is_used_no_more() {
    let scene = leaves_nothing("drops a query in the middle of its rows", 200).await;
    assert_eq!(scene.faulty_session().requests, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn queries_at_once_run_one_after_another_on_one_session() {
    leaves_nothing("runs several queries at once", 200).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_falls_with_another_one_closes_the_session() {
    leaves_nothing("loses one of several queries at once", 500).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_leaves_ends_the_session_and_rolls_back() {
    for how in ["takes too long", "takes too long in a query", "takes too long in a transaction"] {
        let scene = scene("", "", Sessions::Fresh).await;
        let before = scene.azure.sql.counts();
        let mut caller = TcpStream::connect(("127.0.0.1", scene.app.app.port())).await.unwrap();
        let path = format!("/api/Fault?how={}", how.replace(' ', "+"));
        let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n");
        caller.write_all(request.as_bytes()).await.unwrap();
        let session = || scene.azure.sql.sessions().pop().unwrap();
        eventually(|| session().requests >= 3 && scene.azure.sql.counts().opened > before.opened).await;
        drop(caller);
        scene.azure.all_closed().await;
        let after = scene.azure.sql.counts();
        assert_eq!((after.opened - before.opened, after.commits), (1, before.commits), "{how}");
        scene.nothing_is_left().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_leaves_ends_a_session_with_a_handle_elsewhere() {
    // No statement is under way, whose end would close the connection by itself.
    async fn keeps_a_handle(_: Request, session: &Session) -> Result<Response> {
        elsewhere(session, holds_on);
        pending().await
    }
    let azure = Azure::start().await;
    let (project, app) = App::project(&["Slow"]);
    let app = App::start(project, app.connector(azure.connector()).http("Slow", keeps_a_handle)).await;
    let mut caller = TcpStream::connect(("127.0.0.1", app.app.port())).await.unwrap();
    caller.write_all(b"GET /api/Slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    eventually(|| azure.sql.counts().opened == 1).await;
    drop(caller);
    assert_eq!(azure.all_closed().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_of_the_host_that_leaves_ends_the_session_where_the_host_proxies_and_only_there() {
    for mode in [HostMode::Proxying, HostMode::Forwarding, HostMode::Payload] {
        let azure = Azure::start().await;
        let (host, _) = azure.todo_host(mode, &[("SQLSCOPE_INVOCATION_TIMEOUT_SECONDS", "60")]).await;
        let migrations = azure.all_closed().await;
        let delay = Trouble::Slow(Duration::from_secs(if mode == HostMode::Proxying { 50 } else { 1 }));
        let at = AtStage { stage: Stage::Query, trouble: delay, connections: usize::MAX };
        azure.sql.set_faults(Faults { at: Some(at), ..Faults::default() });
        let call = tokio::spawn(common::client().get(format!("{}/api/todos", host.url())).send());
        let session = || azure.sql.sessions().pop().unwrap();
        eventually(|| azure.sql.counts().opened > migrations && session().requests > 0).await;
        call.abort();
        azure.all_closed().await;
        let session = session();
        let took = session.closed_at.unwrap() - session.opened_at;
        // Elsewhere the host does not tell, and the invocation goes on to its end.
        let to_its_end = took >= Duration::from_secs(1) && took < Duration::from_secs(50);
        assert!(mode == HostMode::Proxying || to_its_end, "{mode:?}: {took:?}");
        host.stop().await;
    }
}

#[test]
fn an_aborted_invocation_closes_its_session_and_rolls_back() {
    let servers = tokio::runtime::Runtime::new().unwrap();
    let azure = servers.block_on(Azure::start());
    // The app has a runtime of its own, whose end aborts every task in it.
    let apps = tokio::runtime::Runtime::new().unwrap();
    let connector = azure.connector();
    let app = apps.block_on(async {
        let setup = Session::open(&connector).await.unwrap();
        setup.batch("CREATE TABLE dbo.seen (id int NOT NULL)").await.unwrap();
        setup.close().await;
        let (project, app) = App::project(&["Fault"]);
        App::start(project, app.connector(connector).http("Fault", misbehaves)).await
    });
    let url = app.url("/api/Fault?how=takes+too+long+in+a+query+in+a+transaction");
    servers.spawn(async move { common::client().get(url).send().await });
    servers.block_on(async {
        eventually(|| azure.sql.counts().opened == 2 && azure.sql.sessions()[1].requests >= 5).await;
        std::mem::forget(app.app);
        apps.shutdown_background();
        assert_eq!(azure.all_closed().await, 2);
        assert!(azure.sql.sessions()[1].open_transaction, "it was the server that rolled it back");
        let session = Session::open(&azure.connector()).await.unwrap();
        assert_eq!(session.query::<i32>("SELECT id FROM dbo.seen", &[]).await.unwrap(), [0; 0]);
        session.close().await;
    });
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_ends_while_its_invocation_is_opening_it_is_closed_too() {
    let azure = Azure::start().await;
    let connector = azure.connector();
    // Dropped at every moment of an opening in turn.
    for delay in (0..40).map(Duration::from_millis) {
        let opening = Session::open(&connector);
        if let Ok(Ok(session)) = timeout(delay, opening).await {
            session.close().await;
        }
    }
    azure.all_closed().await;
    works_again(&connector).await;
}

async fn works_again(connector: &Connector) {
    let session = Session::open(connector).await.unwrap();
    assert_eq!(session.query_one::<i32>("SELECT 1", &[]).await.unwrap(), 1);
    session.close().await;
}

async fn looks(_: Request, session: &Session) -> Result<Response> {
    let open: i32 = session.query_one("SELECT @@TRANCOUNT", &[]).await?;
    Ok(json(&open))
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_does_not_hang_up_is_left_after_a_second() {
    let azure = Azure::start().await;
    let (project, app) = App::project(&["Looks"]);
    let app = App::start(project, app.connector(azure.connector()).http("Looks", looks)).await;
    let at = AtStage { stage: Stage::Close, trouble: Trouble::Stall, connections: usize::MAX };
    azure.sql.set_faults(Faults { at: Some(at), ..Faults::default() });
    // The endpoint stalls for a minute: the reply does not wait for that.
    let reply = timeout(Duration::from_secs(20), app.get("/api/Looks")).await.unwrap();
    assert_eq!(reply.status(), 200);
    assert_eq!(azure.all_closed().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_nothing_is_left_to_roll_back_the_reply_does_not_wait_for_the_servers_goodbye() {
    let azure = Azure::start().await;
    let (project, app) = App::project(&["Looks"]);
    let app = App::start(project, app.connector(azure.connector()).http("Looks", looks)).await;
    // So far is the server that it hears of the session's end long after the caller has the reply.
    azure.sql.set_faults(Faults { latency: Duration::from_millis(300), ..Faults::default() });
    first_byte(app.app.port(), "/api/Looks").await;
    assert_eq!((azure.sql.counts().opened, azure.sql.counts().closed), (1, 0));
    // The app itself does.
    app.app.stop().await;
    assert_eq!(azure.sql.counts().closed, 1);
}
