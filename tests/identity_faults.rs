//! The token under fault: an identity endpoint that is busy, silent, gone or no such thing.

mod common;

use std::time::Duration;

use common::{Azure, Lines, Served, all, dead_port, eventually};
use sqlscope_local::identity::IdentityFault;

/// A request to a real handler whose identity endpoint shows this fault, for as long as `until` waits.
async fn with_identity_fault(
    fault: IdentityFault,
    budget: &str,
    until: impl AsyncFnOnce(&Azure),
) -> (reqwest::Response, Lines, Azure) {
    let azure = Azure::start().await;
    azure.migrate().await;
    let asked = azure.identity.requests();
    azure.identity.set_fault(Some(fault));
    let handler = Served::start(&azure, &[("SQLSCOPE_OPEN_TIMEOUT_SECONDS", budget)]).await;
    let reply = tokio::spawn(common::client().get(handler.url("/api/todos")).send());
    eventually(|| azure.identity.requests() > asked).await;
    until(&azure).await;
    azure.identity.set_fault(None);
    let reply = reply.await.unwrap().unwrap();
    (reply, handler.lines.clone(), azure)
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_endpoint_that_recovers_is_got_over() {
    all([
        IdentityFault::TooManyRequests,
        IdentityFault::ServerError,
        IdentityFault::Slow(Duration::from_secs(2)),
        IdentityFault::Stall,
        IdentityFault::Reset,
    ]
    .map(|fault| async move {
        let (reply, lines, azure) = with_identity_fault(fault, "20", async |_| ()).await;
        assert_eq!(reply.status(), 200, "{fault:?}: {:?}", lines.all());
        azure.all_closed().await;
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_endpoint_that_stays_in_trouble_is_a_503_and_the_log_says_where() {
    all([
        IdentityFault::TooManyRequests,
        IdentityFault::ServerError,
        IdentityFault::Stall,
        IdentityFault::Reset,
    ]
    .map(|fault| async move {
        let before_the_end = async |azure: &Azure| {
            // No connection is made without a token.
            assert_eq!(azure.sql.counts().connections, 1, "the migrations'");
            tokio::time::sleep(Duration::from_secs(4)).await;
        };
        let (reply, lines, _) = with_identity_fault(fault, "2", before_the_end).await;
        assert_eq!(reply.status(), 503, "{fault:?}");
        assert_eq!(reply.headers()["retry-after"], "5", "{fault:?}");
        let line = lines.with("the invocation failed").await;
        assert!(line.contains("getting the access token"), "{fault:?}: {line}");
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_endpoint_that_is_not_there_is_a_503_at_the_end_of_the_budget() {
    let azure = Azure::start().await;
    let (_socket, dead) = dead_port();
    let endpoint = format!("http://127.0.0.1:{dead}/msi/token");
    let settings = [("IDENTITY_ENDPOINT", endpoint.as_str()), ("SQLSCOPE_OPEN_TIMEOUT_SECONDS", "2")];
    let handler = Served::start(&azure, &settings).await;
    let reply = common::client().get(handler.url("/api/todos")).send().await.unwrap();
    assert_eq!((reply.status().as_u16(), &reply.headers()["retry-after"]), (503, &"5".parse().unwrap()));
    let line = handler.lines.with("the invocation failed").await;
    assert!(line.contains("getting the access token") && !line.contains("attempt 1,"), "{line}");
    assert_eq!(azure.sql.counts().connections, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_identity_endpoint_that_answers_no_token_is_a_500_at_once() {
    let azure = Azure::start().await;
    azure.migrate().await;
    azure.identity.set_fault(Some(IdentityFault::Garbage));
    let handler = Served::start(&azure, &[]).await;
    let reply = common::client().get(handler.url("/api/todos")).send().await.unwrap();
    assert_eq!(reply.status(), 500);
    let line = handler.lines.with("the invocation failed").await;
    assert!(line.contains("the managed identity gave no token"), "{line}");
}
