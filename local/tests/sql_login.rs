//! Logins: which tokens are good, faults and redirects, and the books that the endpoint keeps.

mod common;

use std::time::Duration;

use common::{Azure, azure, number, until};
use sqlscope_local::{
    sql::Counts,
    token::{Claims, TokenIssuer},
};
use tiberius::AuthMethod;

async fn refused(azure: &Azure, method: AuthMethod) -> u32 {
    number(&azure.log_in(method).await.map(drop).expect_err("a refused login"))
}

#[tokio::test]
async fn only_a_good_token_or_the_sql_login_gets_in() {
    let azure = azure().await;
    let issue = |claims: &Claims| AuthMethod::aad_token(azure.tokens.issue(claims).expect("a token"));
    let foreign =
        TokenIssuer::generate().expect("a key").issue(&Claims::new("client", 3600)).expect("a token");
    let expired = issue(&Claims::new("client", -1));
    let elsewhere = issue(&Claims { aud: "https://vault.azure.net".into(), ..Claims::new("client", 3600) });
    let nonsense = AuthMethod::aad_token("no token");
    for method in
        [AuthMethod::aad_token(foreign), expired, elsewhere, nonsense, AuthMethod::sql_server("sa", "wrong")]
    {
        assert_eq!(refused(&azure, method).await, 18456);
    }
    azure.log_in(AuthMethod::sql_server("sa", "Local-1")).await.expect("the SQL login");
    azure.connect().await;
    let counts = azure.endpoint.counts();
    assert_eq!((counts.refused, counts.logins, counts.opened), (5, 2, 2));
    let logins: Vec<String> = azure.endpoint.sessions().into_iter().map(|session| session.login).collect();
    assert_eq!(logins, ["sa".to_owned(), Claims::new("client", 1).oid]);
}

#[tokio::test]
async fn logins_fail_as_often_as_they_are_told_to() {
    let azure = azure().await;
    azure.endpoint.fail_logins(2, 40613);
    assert_eq!(refused(&azure, azure.token()).await, 40613);
    assert_eq!(refused(&azure, azure.token()).await, 40613);
    azure.connect().await;
    for wanted in [40501, 4060, 10928, 49918] {
        azure.endpoint.fail_logins(1, wanted);
        assert_eq!(refused(&azure, azure.token()).await, wanted);
    }
}

#[tokio::test]
async fn a_redirected_login_is_told_where_to_go() {
    let azure = azure().await;
    azure.endpoint.redirect_logins("worker.example", 11_042);
    match azure.log_in(azure.token()).await.map(drop) {
        Err(tiberius::error::Error::Routing { host, port }) => {
            assert_eq!((host.as_str(), port), ("worker.example", 11_042));
        }
        other => panic!("no redirect: {other:?}"),
    }
    assert_eq!(azure.endpoint.counts().opened, 0);
    azure.endpoint.stop_redirecting();
    azure.connect().await;
}

#[tokio::test]
async fn a_session_is_counted_as_closed_after_its_rollback() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    sql.simple_query("CREATE TABLE t (n int)").await.expect("sent").into_results().await.expect("made");
    sql.simple_query("BEGIN TRAN; INSERT t VALUES (1)")
        .await
        .expect("sent")
        .into_results()
        .await
        .expect("written");
    drop(sql);
    until("the session is closed", || azure.endpoint.counts().closed == 1).await;
    let expected =
        Counts { connections: 1, logins: 1, opened: 1, closed: 1, rollbacks: 1, ..Counts::default() };
    assert_eq!(azure.endpoint.counts(), expected);
    let record = azure.endpoint.sessions().remove(0);
    assert!(record.open_transaction && record.closed_at.is_some(), "{record:?}");
    assert_eq!((record.application.as_str(), record.database.as_str()), ("test", "todos"));
    assert_eq!(
        (record.tls_version.as_str(), record.tls_server_name.as_deref()),
        ("TLSv1_3", Some("localhost"))
    );

    let mut sql = azure.connect().await;
    let row =
        sql.query("SELECT COUNT(*) FROM t", &[]).await.expect("sent").into_row().await.expect("answered");
    assert_eq!(row.expect("a row").get::<i32, _>(0), Some(0));
}

#[tokio::test]
async fn a_client_that_leaves_ends_what_it_waits_for() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    let waiting =
        tokio::time::timeout(Duration::from_millis(200), sql.execute("WAITFOR DELAY '00:05:00'", &[])).await;
    assert!(waiting.is_err(), "it waits");
    drop(sql);
    until("the session is closed", || azure.endpoint.counts().closed == 1).await;
}

#[tokio::test]
async fn a_stopped_endpoint_hangs_up_and_frees_its_port() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    let (endpoint, port) = azure.into_endpoint();
    tokio::time::timeout(Duration::from_secs(10), endpoint.stop()).await.expect("stopped");
    assert!(sql.simple_query("SELECT 1").await.is_err());
    tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("the port is free");
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_keeps_its_kind() {
    let azure = azure().await;
    let error = common::start_on(azure.endpoint.port()).await.map(drop).expect_err("taken");
    assert_eq!(error.kind(), std::io::ErrorKind::AddrInUse);
    assert!(error.to_string().contains(&azure.endpoint.port().to_string()), "{error}");
}
