//! A connection that breaks: wherever it does, the caller gets an answer, nothing half done stays, nothing is left open.

mod common;

use std::time::Duration;

use common::{App, Azure, client, json};
use sqlscope::{Request, Response, Result, Session, http};
use sqlscope_local::sql::Faults;
use tokio::time::timeout;

/// Two rows that belong together.
async fn writes_both(_: Request, session: &Session) -> Result<Response> {
    session
        .transaction(async {
            session.execute("INSERT INTO dbo.half (n) VALUES (@P1)", &[&1]).await?;
            session.execute("INSERT INTO dbo.half (n) VALUES (@P1)", &[&2]).await
        })
        .await?;
    let rows: Vec<i32> = session.query("SELECT n FROM dbo.half", &[]).await?;
    Ok(http::json(&rows.len()))
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_a_connection_breaks_the_caller_gets_an_answer_and_nothing_half_done_stays() {
    let azure = Azure::start().await;
    let setup = azure.session().await;
    setup.batch("CREATE TABLE dbo.half (n int NOT NULL)").await.unwrap();
    setup.close().await;
    let (project, app) = App::project(&["Both"]);
    let connector = azure.connector_with(azure.credential(), "Connect Timeout=1;Command Timeout=10");
    let app = App::start(project, app.connector(connector).http("Both", writes_both)).await;
    let url = app.url("/api/Both");
    let mut statuses = std::collections::BTreeMap::new();
    // An opening crosses some 10,000 bytes, the transaction some 2,000 more.
    for bytes in (100..16_000).step_by(400) {
        azure.sql.set_faults(Faults { drop_after: Some(bytes), ..Faults::default() });
        let before = azure.sql.counts().commits;
        let reply =
            timeout(Duration::from_secs(20), client().get(&url).send()).await.expect("an answer").unwrap();
        let status = reply.status().as_u16();
        *statuses.entry(status).or_insert(0) += 1;
        let problem = json(reply).await;
        if status != 200 {
            assert_eq!(problem["status"], status, "{problem}");
        }
        azure.all_closed().await;
        let committed = azure.sql.counts().commits - before;
        assert!(
            committed <= 1 && (status != 200 || committed == 1),
            "{bytes}: {status} and {committed} commits"
        );
        azure.sql.set_faults(Faults::default());
        let session = azure.session().await;
        let rows: Vec<i32> = session.query("SELECT n FROM dbo.half", &[]).await.unwrap();
        assert_eq!(rows.len() as u64, 2 * committed, "{bytes}: {rows:?}");
        session.batch("DELETE FROM dbo.half").await.unwrap();
        session.close().await;
    }
    // While opening, in a command, and not at all: the sweep has met each.
    let met: Vec<_> = statuses.keys().copied().collect();
    assert_eq!(met, [200, 500, 503], "{statuses:?}");
}
