//! The session guard: who gets a session, and what a failure shows to the caller.

mod common;

use std::time::Duration;

use common::{App, Azure, HostMode, json};
use sqlscope::{Error, Request, Response, Result, Session, http::text, session};

async fn fails(_: Request, session: &Session) -> Result<Response> {
    session.execute("INSERT INTO dbo.nowhere (x) VALUES (1)", &[]).await?;
    Ok(text("not reached"))
}

async fn needs_none(_: Request) -> Result<Response> {
    match session::current() {
        Err(Error::NoSession) => Ok(text("no session")),
        other => Err(Error::other(format!("{other:?}"))),
    }
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
