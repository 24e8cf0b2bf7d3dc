//! The session guard: open before the handler's first line, closed before the reply, whatever the handler does.

mod common;

use std::time::Duration;

use common::{App, Azure, HostMode, json};
use sqlscope::{Error, Request, RequestExt, Response, Result, Session, http::text, session};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

async fn succeeds(_: Request, session: &Session) -> Result<Response> {
    Ok(text(session.query_one::<i32>("SELECT 1", &[]).await?))
}

async fn fails(_: Request, session: &Session) -> Result<Response> {
    session.execute("INSERT INTO dbo.nowhere (x) VALUES (1)", &[]).await?;
    Ok(text("not reached"))
}

async fn returns_early(request: Request, _: &Session) -> Result<Response> {
    let _: i32 = request.param("absent")?;
    Ok(text("not reached"))
}

async fn panics_at_once(_: Request, _: &Session) -> Result<Response> {
    panic!("at once")
}

async fn panics_after_a_query(_: Request, session: &Session) -> Result<Response> {
    let one: i32 = session.query_one("SELECT 1", &[]).await?;
    assert_eq!(one, 2, "after a query");
    Ok(text("not reached"))
}

async fn panics_in_a_transaction(_: Request, session: &Session) -> Result<Response> {
    session
        .transaction(async {
            session.execute("INSERT INTO dbo.seen (id) VALUES (1)", &[]).await?;
            panic!("in a transaction")
        })
        .await
}

async fn leaves_a_transaction_open(_: Request, session: &Session) -> Result<Response> {
    session.batch("BEGIN TRANSACTION").await?;
    session.execute("INSERT INTO dbo.seen (id) VALUES (2)", &[]).await?;
    Ok(text("left open"))
}

async fn takes_too_long(_: Request, session: &Session) -> Result<Response> {
    session.batch("WAITFOR DELAY '00:00:30'").await?;
    Ok(text("not reached"))
}

async fn needs_none(_: Request) -> Result<Response> {
    match session::current() {
        Err(Error::NoSession) => Ok(text("no session")),
        other => Err(Error::other(format!("{other:?}"))),
    }
}

/// Reads until the reply's first byte is there, and no further.
async fn first_byte(port: u16, path: &str) -> TcpStream {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    assert_eq!(stream.read_u8().await.unwrap(), b'H');
    stream
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_is_closed_before_the_first_byte_of_the_reply_whatever_the_handler_does() {
    let azure = Azure::start().await;
    let setup = azure.session().await;
    setup.batch("CREATE TABLE dbo.seen (id int NOT NULL)").await.unwrap();
    let (project, app) = App::project_with(
        &["Succeeds", "Fails", "Early", "Panics", "PanicsLater", "PanicsInside", "LeavesOpen", "Slow"],
        &[("SQLSCOPE_INVOCATION_TIMEOUT_SECONDS", "1")],
    );
    let app = app
        .connector(azure.connector())
        .http("Succeeds", succeeds)
        .http("Fails", fails)
        .http("Early", returns_early)
        .http("Panics", panics_at_once)
        .http("PanicsLater", panics_after_a_query)
        .http("PanicsInside", panics_in_a_transaction)
        .http("LeavesOpen", leaves_a_transaction_open)
        .http("Slow", takes_too_long);
    let app = App::start(project, app).await;

    for (function, status) in [
        ("Succeeds", "200"),
        ("Fails", "500"),
        ("Early", "400"),
        ("Panics", "500"),
        ("PanicsLater", "500"),
        ("PanicsInside", "500"),
        ("LeavesOpen", "200"),
        ("Slow", "504"),
    ] {
        let before = azure.sql.counts();
        let mut reply = first_byte(app.app.port(), &format!("/api/{function}")).await;
        let after = azure.sql.counts();
        assert_eq!(after.opened - before.opened, 1, "{function}: one session");
        assert_eq!(after.closed - before.closed, 1, "{function}: closed when the reply begins");
        let mut rest = String::new();
        reply.read_to_string(&mut rest).await.unwrap();
        assert!(rest.starts_with(&format!("TTP/1.1 {status}")), "{function}: {rest}");
    }
    let rows: Vec<i32> = setup.query("SELECT id FROM dbo.seen", &[]).await.unwrap();
    assert_eq!(rows, [0; 0], "what nobody committed was rolled back");
    setup.close().await;
    azure.all_closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_without_a_session_costs_no_login() {
    let azure = Azure::start().await;
    let (project, app) = App::project(&["Plain"]);
    let app = App::start(project, app.connector(azure.connector()).http("Plain", needs_none)).await;
    let reply = app.get("/api/Plain").await;
    assert_eq!((reply.status().as_u16(), reply.text().await.unwrap().as_str()), (200, "no session"));
    assert_eq!(azure.sql.counts().connections, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_shows_the_caller_an_id_and_nothing_of_the_inside() {
    let azure = Azure::start().await;
    let (project, app) = App::project(&["Fails"]);
    let app = App::start(project, app.connector(azure.connector()).http("Fails", fails)).await;
    let url = app.url("/api/Fails");
    let request = common::client().get(url).header("X-Azure-Functions-InvocationId", "the-id");
    let problem = json(request.send().await.unwrap()).await;
    assert_eq!(problem["invocationId"], "the-id");
    let text = problem.to_string();
    for inside in ["nowhere", "INSERT", "localhost", "208"] {
        assert!(!text.contains(inside), "{text}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_leaves_ends_its_session_even_one_with_a_handle_elsewhere() {
    // No statement is under way, whose end would close the connection by itself.
    async fn keeps_a_handle(_: Request, session: &Session) -> Result<Response> {
        let kept = session.clone();
        tokio::spawn(async move {
            std::future::pending::<()>().await;
            drop(kept);
        });
        std::future::pending().await
    }
    let azure = Azure::start().await;
    let (project, app) = App::project(&["Slow"]);
    let app = App::start(project, app.connector(azure.connector()).http("Slow", keeps_a_handle)).await;
    let mut caller = TcpStream::connect(("127.0.0.1", app.app.port())).await.unwrap();
    caller.write_all(b"GET /api/Slow HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    common::eventually(|| azure.sql.counts().opened == 1).await;
    drop(caller);
    assert_eq!(azure.all_closed().await, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_lets_an_invocation_finish_and_cuts_one_that_does_not() {
    async fn short(_: Request, session: &Session) -> Result<Response> {
        session.batch("WAITFOR DELAY '00:00:00.300'").await?;
        Ok(text("finished"))
    }
    let azure = Azure::start().await;
    let (project, app) = App::project_with(&["Short", "Slow"], &[("SQLSCOPE_SHUTDOWN_SECONDS", "2")]);
    let app = app.connector(azure.connector()).http("Short", short).http("Slow", takes_too_long);
    let App { app, _project } = { App::start(project, app).await };
    let url = |path: &str| format!("http://127.0.0.1:{}/api/{path}", app.port());
    let short = tokio::spawn(common::client().get(url("Short")).send());
    let slow = tokio::spawn(common::client().get(url("Slow")).send());
    common::eventually(|| azure.sql.counts().opened == 2).await;
    // A third one tells what the server has seen when the answer begins.
    let third = tokio::spawn({
        let port = app.port();
        async move { first_byte(port, "/api/Slow").await }
    });
    common::eventually(|| azure.sql.counts().opened == 3).await;
    let stopping = tokio::spawn(app.stop());
    let mut reply = third.await.unwrap();
    assert!(azure.sql.counts().closed >= 1, "its session is closed");
    let mut text = String::new();
    reply.read_to_string(&mut text).await.unwrap();
    assert!(text.contains("503 Service") && !text.contains("\"invocationId\":\"\""), "{text}");
    stopping.await.unwrap();
    assert_eq!(short.await.unwrap().unwrap().text().await.unwrap(), "finished");
    assert_eq!(azure.all_closed().await, 3);
    assert_eq!(slow.await.unwrap().unwrap().status(), 503, "it was cut off");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_host_gets_an_answer_to_its_ping_without_sql() {
    let azure = Azure::start().await;
    let (host, _) = azure.todo_host(HostMode::Forwarding, &[]).await;
    let before = azure.sql.counts().connections;
    let ping = format!("http://127.0.0.1:{}/", host.handler_port());
    for _ in 0..5 {
        assert_eq!(common::client().get(&ping).send().await.unwrap().status(), 200);
    }
    assert_eq!(azure.sql.counts().connections, before);
    host.stop().await;
    tokio::time::timeout(Duration::from_secs(5), azure.all_closed()).await.unwrap();
}
