//! The log: one line an event, the right stream, the invocation on every line, and nothing secret.

mod common;

use common::{Azure, HostMode, client};
use sqlscope::session::CheckedSql;

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_is_one_line_with_its_cause_the_invocation_and_the_function() {
    let azure = Azure::start().await;
    let (host, lines) = azure.todo_host(HostMode::Forwarding, &[]).await;
    azure.sql.fail_logins(usize::MAX, 18456);
    let response = client().get(format!("{}/api/todos?code=function-key", host.url())).send().await.unwrap();
    assert_eq!(response.status(), 500);
    let problem = common::json(response).await;
    let id = problem["invocationId"].as_str().unwrap();
    let line = lines.with("the invocation failed").await;
    assert!(line.contains(&format!("invocation={id} function=HttpTrigger")), "{line}");
    assert!(line.contains("18456") && line.contains("CREATE USER"), "{line}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn at_the_most_talkative_level_no_token_key_or_row_is_in_the_log() {
    let azure = Azure::start().await;
    let (host, lines) = azure.todo_host(HostMode::Forwarding, &[("SQLSCOPE_LOG", "trace")]).await;
    let url = format!("{}/api/todos?code=the-function-key", host.url());
    let made = client()
        .post(&url)
        .header("x-functions-key", "the-function-key")
        .header("content-type", "application/json")
        .body(r#"{"title":"the-secret-row"}"#)
        .send()
        .await
        .unwrap();
    assert_eq!(made.status(), 201);
    assert_eq!(client().get(&url).send().await.unwrap().status(), 200);
    host.stop().await;
    let all = lines.all().join("\n");
    assert!(all.contains("the handler is ready"), "{all}");
    for secret in ["the-function-key", "the-secret-row", "eyJ", "test-header"] {
        let found = all.lines().find(|line| line.contains(secret));
        assert!(found.is_none(), "{secret}: {found:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn in_the_payload_mode_the_lines_of_an_invocation_go_back_to_the_host() {
    let azure = Azure::start().await;
    let (host, _) = azure.todo_host(HostMode::Payload, &[]).await;
    let post = client().post(format!("http://127.0.0.1:{}/HttpTrigger", host.handler_port()));
    let response = post.body(r#"{"Data":{"wrong":{}},"Metadata":{}}"#).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let answer = common::json(response).await;
    assert_eq!(answer["Outputs"]["res"]["statusCode"], 500);
    let logs = answer["Logs"].as_array().unwrap();
    assert!(logs.len() == 1 && logs[0].as_str().unwrap().contains("`req`"), "{logs:?}");
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_does_not_fit_is_an_error_that_names_the_column_and_no_value() {
    let azure = Azure::start().await;
    let session = azure.session().await;
    for sql in ["SELECT N'the-secret-row' AS n", "SELECT 77123 AS n", "SELECT CAST(NULL AS int) AS n"] {
        let error = session.query_one::<u8>(CheckedSql(sql.to_owned()), &[]).await.unwrap_err();
        let text = format!("{error} {error:?}");
        assert!(text.contains("`n`") && !text.contains("secret") && !text.contains("77123"), "{text}");
    }
    let lent = session.with_client(|client| {
        Box::pin(async move {
            let row = client.simple_query("SELECT N'the-secret-row'").await?.into_row().await?;
            row.map(|row| row.try_get::<i32, _>(0).map(|_| ())).unwrap_or(Ok(()))
        })
    });
    let error = lent.await.unwrap_err();
    assert!(!format!("{error} {error:?}").contains("secret"), "{error:?}");
    session.close().await;
}
