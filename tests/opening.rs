//! Opening a connection: verified TLS, the token, redirects, and errors that pass or do not.

mod common;

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use common::{Azure, Folder, LocalCredential, connection_string, settings, sql_endpoint};
use sqlscope::{
    Error, Session,
    connection::{Connector, Stage},
};
use sqlscope_local::{
    certificates::LocalCa,
    sql::{AtStage, Faults, SqlEndpoint, Stage as At, Trouble},
    token::TokenIssuer,
};

async fn works(session: Session) {
    assert_eq!(session.query_one::<i32>("SELECT 1", &[]).await.unwrap(), 1);
    session.close().await;
}

/// The error that opening ends with.
async fn refused(connector: &Connector) -> sqlscope::connection::OpenError {
    match Session::open(connector).await {
        Err(Error::Open(error)) => error,
        other => panic!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_logs_in_over_tls_that_was_verified() {
    let azure = Azure::start().await;
    works(azure.session().await).await;
    assert_eq!(azure.sql.counts().logins, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_user_and_password_log_in_too() {
    let azure = Azure::start().await;
    let quoted = common::PASSWORD.replace('"', "\"\"");
    let settings = settings(&format!("{};User ID=tester;Password=\"{quoted}\"", azure.connection_string()));
    works(Session::open(&Connector::new(settings).unwrap()).await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_certificate_of_an_unknown_authority_is_refused_before_the_token_is_sent() {
    let azure = Azure::start().await;
    let folder = Folder::new();
    let stranger = LocalCa::load_or_create(folder.path()).unwrap();
    let settings = settings(&connection_string(azure.sql.port(), &stranger));
    let connector = Connector::with_credential(settings, azure.credential()).unwrap();
    let began = Instant::now();
    let error = refused(&connector).await;
    assert!(began.elapsed() < Duration::from_secs(10), "it is not tried again and again");
    assert_eq!((error.stage(), error.is_transient()), (Stage::Tls, false));
    assert!(error.to_string().contains("certificate"), "{error}");
    assert_eq!(azure.sql.counts().logins + azure.sql.counts().refused, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_holds_no_certificate_is_an_error_before_anything_is_opened() {
    let azure = Azure::start().await;
    let no_certificate = "-----BEGIN CERTIFICATE-----\naGVsbG8=\n-----END CERTIFICATE-----\n";
    for text in
        [None, Some(""), Some("hello"), Some("-----BEGIN CERTIFICATE-----\nhel"), Some(no_certificate)]
    {
        let folder = Folder::new();
        if let Some(text) = text {
            folder.write("ca.pem", text);
        }
        let file = folder.path().join("ca.pem").display().to_string();
        let settings = settings(&format!("Server=localhost;ServerCertificate={file}"));
        let error = Connector::with_credential(settings, azure.credential()).unwrap_err().to_string();
        assert!(error.contains("ServerCertificate") && error.contains(&file), "{text:?}: {error}");
        assert!(error.contains("expected a PEM file with a certificate"), "{text:?}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_is_followed_to_the_other_server() {
    let azure = Azure::start().await;
    let node = sql_endpoint(&azure.ca, &azure.tokens).await;
    // Azure writes an instance behind the host, which the client has to leave out.
    azure.sql.redirect_logins("LOCALHOST\\worker.a", node.port());
    works(azure.session().await).await;
    common::eventually(|| node.counts().closed == 1).await;
    assert_eq!((azure.sql.counts().opened, node.counts().opened), (0, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_redirect_the_certificate_must_be_for_the_node_s_own_name() {
    let azure = Azure::start().await;
    let node = sql_endpoint(&azure.ca, &azure.tokens).await;
    let connector = azure.connector_with(azure.credential(), "HostNameInCertificate=127.0.0.1");
    let names = |endpoint: &sqlscope_local::sql::SqlEndpoint| {
        endpoint.sessions().into_iter().map(|session| session.tls_server_name).collect::<Vec<_>>()
    };
    works(Session::open(&connector).await.unwrap()).await;
    assert_eq!(names(&azure.sql), [None], "an address is no server name in TLS");
    azure.sql.redirect_logins("localhost", node.port());
    works(Session::open(&connector).await.unwrap()).await;
    assert_eq!(names(&node), [Some("localhost".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_that_goes_in_a_circle_ends_after_five_hops() {
    let azure = Azure::start().await;
    azure.sql.redirect_logins("localhost", azure.sql.port());
    let error = refused(&azure.connector()).await;
    assert!(error.to_string().contains("more than 5 times"), "{error}");
    assert_eq!(azure.sql.counts().connections, 6);
}

#[tokio::test(flavor = "multi_thread")]
async fn after_a_redirect_to_a_dead_node_the_gateway_is_asked_again() {
    let azure = Azure::start().await;
    let dead = {
        let node = sql_endpoint(&azure.ca, &azure.tokens).await;
        let port = node.port();
        node.stop().await;
        port
    };
    azure.sql.redirect_logins("localhost", dead);
    let connector = azure.connector();
    let open = tokio::spawn(async move { Session::open(&connector).await.unwrap() });
    common::eventually(|| azure.sql.counts().connections >= 2).await;
    azure.sql.stop_redirecting();
    works(open.await.unwrap()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_transient_failures_and_then_a_login_are_a_session() {
    let azure = Azure::start().await;
    azure.sql.fail_logins(2, 40613);
    works(azure.session().await).await;
    assert_eq!((azure.sql.counts().refused, azure.sql.counts().logins), (2, 1));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_failure_that_does_not_pass_ends_with_the_budget_as_a_503_with_retry_after() {
    let azure = Azure::start().await;
    azure.sql.fail_logins(usize::MAX, 40613);
    let connector = azure.connector_with(azure.credential(), "Connect Timeout=2");
    let began = Instant::now();
    let error = refused(&connector).await;
    assert!(began.elapsed() < Duration::from_secs(4), "one budget over all attempts");
    assert!(azure.sql.counts().refused >= 2, "it was tried again");
    assert_eq!(error.number(), Some(40613));
    let response = Error::from(error).to_response("id");
    assert_eq!(response.status(), 503);
    assert!(response.headers()["retry-after"].to_str().unwrap().parse::<u32>().unwrap() > 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_a_503_at_the_end_of_the_budget() {
    let azure = Azure::start().await;
    let string = azure.connection_string();
    azure.sql.stop().await;
    let connector = Connector::with_credential(
        settings(&format!("{string};Connect Timeout=1")),
        LocalCredential::new(azure.tokens),
    )
    .unwrap();
    let error = refused(&connector).await;
    assert_eq!((error.stage(), error.is_transient()), (Stage::Tcp, true));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_login_that_no_retry_can_help_fails_at_once_and_says_what_to_check() {
    let azure = Azure::start().await;
    azure.sql.fail_logins(usize::MAX, 18456);
    let credential = azure.credential();
    let connector = azure.connector_with(credential.clone(), "");
    let began = Instant::now();
    let error = refused(&connector).await;
    assert!(began.elapsed() < Duration::from_secs(5));
    assert_eq!(azure.sql.counts().refused, 2, "once with the token, once with a fresh one");
    assert_eq!(credential.requests.load(Ordering::SeqCst), 2);
    assert!(error.to_string().contains("CREATE USER"), "{error}");
    assert_eq!(Error::from(error).status(), 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_grew_stale_is_replaced_by_a_fresh_one() {
    let azure = Azure::start().await;
    let credential = LocalCredential::new(TokenIssuer::generate().unwrap());
    let connector = azure.connector_with(credential.clone(), "");
    let foreign = refused(&connector).await;
    assert_eq!(foreign.number(), Some(18456), "a token that another key has signed");

    // The cache holds that token; the tenant's key has changed since.
    credential.set_issuer(azure.tokens.clone());
    works(Session::open(&connector).await.unwrap()).await;
    assert_eq!(credential.requests.load(Ordering::SeqCst), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_expired_token_and_one_for_another_service_are_refused() {
    let azure = Azure::start().await;
    let credential = azure.credential();
    credential.lifetime.store(-10, Ordering::SeqCst);
    let connector = azure.connector_with(credential.clone(), "");
    assert_eq!(refused(&connector).await.number(), Some(18456));

    let credential = azure.credential();
    credential.set_audience("https://vault.azure.net");
    let connector = azure.connector_with(credential.clone(), "");
    assert_eq!(refused(&connector).await.number(), Some(18456));
    assert_eq!(azure.sql.counts().opened, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sessions_share_one_token() {
    let azure = Azure::start().await;
    let credential = azure.credential();
    let connector = azure.connector_with(credential.clone(), "");
    let opens = (0..30).map(|_| {
        let connector = connector.clone();
        tokio::spawn(async move { works(Session::open(&connector).await.unwrap()).await })
    });
    for open in opens.collect::<Vec<_>>() {
        open.await.unwrap();
    }
    works(Session::open(&connector).await.unwrap()).await;
    assert_eq!(credential.requests.load(Ordering::SeqCst), 1);
    let counts = azure.sql.counts();
    assert_eq!((counts.connections, counts.logins), (31, 31), "no open needed a second attempt");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_sessions_with_one_stale_token_ask_for_one_fresh_token() {
    let azure = Azure::start().await;
    let credential = LocalCredential::new(TokenIssuer::generate().unwrap());
    let connector = azure.connector_with(credential.clone(), "Connect Timeout=120");
    // The cache holds a token that another key has signed; the next one is good.
    refused(&connector).await;
    let before = (credential.requests.load(Ordering::SeqCst), azure.sql.counts().refused);
    credential.set_issuer(azure.tokens.clone());
    // The server takes its time, so that each has that token before the first is refused.
    let slow =
        AtStage { stage: At::Prelogin, trouble: Trouble::Slow(Duration::from_secs(1)), connections: 20 };
    azure.sql.set_faults(Faults { at: Some(slow), ..Faults::default() });
    let opens = (0..20).map(|_| async { works(Session::open(&connector).await.unwrap()).await });
    futures_util::future::join_all(opens).await;
    let after = (credential.requests.load(Ordering::SeqCst), azure.sql.counts().refused);
    assert_eq!(after, (before.0 + 1, before.1 + 20), "{:?}", azure.sql.counts());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_remembered_node_is_asked_first_and_after_its_failure_the_gateway() {
    let azure = Azure::start().await;
    let connector = azure.connector_in(&[("SQLSCOPE_REMEMBER_REDIRECT", "1")]);
    let connections = |endpoint: &SqlEndpoint| endpoint.counts().connections;
    let first = sql_endpoint(&azure.ca, &azure.tokens).await;
    azure.sql.redirect_logins("localhost", first.port());
    for opened in 1..4 {
        works(Session::open(&connector).await.unwrap()).await;
        assert_eq!((connections(&azure.sql), connections(&first)), (1, opened));
    }
    // The database moves: the old node refuses everybody for good, which the gateway knows.
    first.fail_logins(usize::MAX, 40532);
    let second = sql_endpoint(&azure.ca, &azure.tokens).await;
    azure.sql.redirect_logins("localhost", second.port());
    works(Session::open(&connector).await.unwrap()).await;
    assert_eq!((connections(&azure.sql), connections(&first), connections(&second)), (2, 4, 1));
    works(Session::open(&connector).await.unwrap()).await;
    assert_eq!((connections(&azure.sql), connections(&first), connections(&second)), (2, 4, 2));
    // And now it is at the gateway itself: the node that failed is forgotten.
    second.fail_logins(usize::MAX, 40532);
    azure.sql.stop_redirecting();
    for opened in 3..5 {
        works(Session::open(&connector).await.unwrap()).await;
        assert_eq!((connections(&azure.sql), connections(&second)), (opened, 3));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_setting_every_opening_asks_the_gateway() {
    let azure = Azure::start().await;
    let connector = azure.connector();
    let node = sql_endpoint(&azure.ca, &azure.tokens).await;
    azure.sql.redirect_logins("localhost", node.port());
    for _ in 0..3 {
        works(Session::open(&connector).await.unwrap()).await;
    }
    assert_eq!((azure.sql.counts().connections, node.counts().connections), (3, 3));
}

#[tokio::test(flavor = "multi_thread")]
async fn without_verified_certificates_no_redirect_leads_away_from_this_machine() {
    let azure = Azure::start().await;
    azure.sql.redirect_logins("192.0.2.1", 1433);
    let string = format!("Server=localhost,{};TrustServerCertificate=yes", azure.sql.port());
    let connector = Connector::with_credential(settings(&string), azure.credential()).unwrap();
    let error = refused(&connector).await;
    assert!(error.to_string().contains("away from this machine"), "{error}");
    assert!(!error.is_transient());
    // One that stays here is followed.
    let node = sql_endpoint(&azure.ca, &azure.tokens).await;
    azure.sql.redirect_logins("localhost", node.port());
    works(Session::open(&connector).await.unwrap()).await;
    assert_eq!(node.counts().opened, 1);
}
