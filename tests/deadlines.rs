//! Deadlines: each invocation has one, and so has a statement where it is set; nobody else notices.

mod common;

use std::{
    future::pending,
    time::{Duration, Instant},
};

use common::{App, Azure, HostMode, client, eventually, json};
use serde_json::Value;
use sqlscope::{Error, Outputs, Request, Response, Result, Session, Trigger, http::text};
use sqlscope_local::sql::{AtStage, Faults, Stage, Trouble};
use tokio::time::timeout;

async fn never(_: Request, session: &Session) -> Result<Response> {
    session.batch("WAITFOR DELAY '00:00:50'").await?;
    Ok(text("not reached"))
}

async fn never_without_a_session(_: Request) -> Result<Response> {
    pending().await
}

/// Works in several steps on a session of its own.
async fn patient(_: Request, session: &Session) -> Result<Response> {
    session.batch("CREATE TABLE #steps (n int)").await?;
    for _ in 0..4 {
        session.batch("INSERT INTO #steps (n) VALUES (1); WAITFOR DELAY '00:00:00.250'").await?;
    }
    Ok(text(session.query_one::<i32>("SELECT COUNT(*) FROM #steps", &[]).await?))
}

async fn never_on_a_timer(_: Trigger, session: &Session) -> Result<Outputs> {
    session.batch("WAITFOR DELAY '00:00:50'").await?;
    Ok(Outputs::none())
}

const TIMER: &str =
    r#"{"bindings":[{"type":"timerTrigger","direction":"in","name":"t","schedule":"0 * * * * *"}]}"#;

/// A project whose host.json has this beside what it needs.
fn host_json(more: &str) -> String {
    format!(
        r#"{{"version":"2.0","customHandler":{{"description":{{"defaultExecutablePath":"handler"}},
           "enableForwardingHttpRequest":true}},{more}}}"#
    )
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_over_its_deadline_is_a_504_and_no_other_one_notices() {
    let azure = Azure::start().await;
    let settings = [("SQLSCOPE_INVOCATION_TIMEOUT_SECONDS", "5")];
    let (project, app) = App::project_with(&["Never", "Without", "Patient"], &settings);
    let app = app
        .connector(azure.connector())
        .http("Never", never)
        .http("Without", never_without_a_session)
        .http("Patient", patient);
    let app = App::start(project, app).await;
    let began = Instant::now();
    let never = tokio::spawn(client().get(app.url("/api/Never")).send());
    let without = tokio::spawn(client().get(app.url("/api/Without")).send());
    eventually(|| azure.sql.counts().opened == 1).await;
    // One after another begins, so that some are in the middle of their work when the time of those is over.
    let mut others = Vec::new();
    while !never.is_finished() {
        others.push(tokio::spawn(client().get(app.url("/api/Patient")).send()));
        tokio::time::sleep(Duration::from_millis(300)).await;
    }
    for late in [never, without] {
        let reply = late.await.unwrap().unwrap();
        assert_eq!(reply.status(), 504);
        assert_eq!(reply.headers()["content-type"], "application/problem+json");
        let problem = json(reply).await;
        assert_eq!(
            (&problem["status"], &problem["title"]),
            (&Value::from(504), &Value::from("Gateway Timeout"))
        );
    }
    assert!(began.elapsed() >= Duration::from_secs(5));
    for other in others {
        assert_eq!(other.await.unwrap().unwrap().text().await.unwrap(), "4");
    }
    azure.all_closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_deadline_comes_from_host_json_where_no_setting_says_otherwise() {
    let azure = Azure::start().await;
    let (project, app) = App::project(&["Never"]);
    project.write("host.json", &host_json(r#""functionTimeout":"00:00:02""#));
    project.write("Timer/function.json", TIMER);
    let app = app.connector(azure.connector()).http("Never", never).on("Timer", never_on_a_timer);
    let app = App::start(project, app).await;
    assert_eq!(app.get("/api/Never").await.status(), 504);
    let posted = client().post(app.url("/Timer")).body(r#"{"Data":{"t":{}},"Metadata":{}}"#).send().await;
    assert_eq!(posted.unwrap().status(), 504);
    assert_eq!(azure.all_closed().await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_handler_gives_up_before_the_host_would_kill_it_with_every_other_invocation() {
    let azure = Azure::start().await;
    let more = [("AzureFunctionsJobHost__functionTimeout", "00:00:06")];
    let (host, lines) = azure.todo_host(HostMode::Forwarding, &more).await;
    let pid = host.handler_pid();
    let at = AtStage { stage: Stage::Query, trouble: Trouble::Stall, connections: 1 };
    azure.sql.set_faults(Faults { at: Some(at), ..Faults::default() });
    let url = format!("{}/api/todos", host.url());
    assert_eq!(client().get(&url).send().await.unwrap().status(), 504);
    assert_eq!((host.restarts(), host.handler_pid()), (0, pid));
    assert!(lines.all().iter().all(|line| !line.contains("passed functionTimeout")));
    assert_eq!(client().get(&url).send().await.unwrap().status(), 200);
    azure.all_closed().await;
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn opening_a_session_counts_towards_the_deadline() {
    let azure = Azure::start().await;
    let settings = [("SQLSCOPE_INVOCATION_TIMEOUT_SECONDS", "1")];
    let (project, app) = App::project_with(&["Never"], &settings);
    let app = App::start(project, app.connector(azure.connector()).http("Never", never)).await;
    let at = AtStage { stage: Stage::Login, trouble: Trouble::Stall, connections: usize::MAX };
    azure.sql.set_faults(Faults { at: Some(at), ..Faults::default() });
    assert_eq!(app.get("/api/Never").await.status(), 504);
    assert_eq!(azure.sql.counts().opened, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_statement_timeout_holds_for_every_operation_and_costs_the_connection() {
    let azure = Azure::start().await;
    let connector = azure.connector_with(azure.credential(), "Command Timeout=1");
    let stall = AtStage { stage: Stage::Query, trouble: Trouble::Stall, connections: usize::MAX };
    let stalled = || azure.sql.set_faults(Faults { at: Some(stall), ..Faults::default() });
    for operation in ["query", "execute", "batch", "begin", "save", "commit", "rollback"] {
        azure.sql.set_faults(Faults::default());
        let session = Session::open(&connector).await.unwrap();
        let run = async {
            match operation {
                "query" => {
                    stalled();
                    session.query::<i32>("SELECT 1", &[]).await.map(drop)
                }
                "execute" => {
                    stalled();
                    session.execute("SELECT 1", &[]).await.map(drop)
                }
                "batch" => {
                    stalled();
                    session.batch("SELECT 1").await
                }
                "begin" => {
                    stalled();
                    session.transaction(async { Ok(()) }).await
                }
                "save" => {
                    session
                        .transaction(async {
                            stalled();
                            session.transaction(async { Ok(()) }).await
                        })
                        .await
                }
                "commit" => {
                    session
                        .transaction(async {
                            stalled();
                            Ok(())
                        })
                        .await
                }
                _ => {
                    session
                        .transaction(async {
                            stalled();
                            Err(Error::Deadline(Duration::ZERO))
                        })
                        .await
                }
            }
        };
        let outcome = timeout(Duration::from_secs(20), run).await.expect(operation).unwrap_err();
        assert_eq!(outcome.status(), 504, "{operation}: {outcome}");
        let next = session.query_one::<i32>("SELECT 1", &[]).await;
        assert!(matches!(next, Err(Error::SessionBroken(_))), "{operation}: {next:?}");
        session.close().await;
    }
    azure.all_closed().await;
    assert_eq!(azure.sql.counts().commits, 0);
}
