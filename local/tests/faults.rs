//! The faults of the endpoint as a whole: the network's, the gateway's, a database that is asleep.

mod common;

use std::time::{Duration, Instant};

use common::{Azure, azure, azure_showing, azure_where, fails, number, run, until, wire::Wire};
use sqlscope_local::sql::{AtStage, Faults, Stage, Trouble};
use tiberius::error::Error;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const LATENCY: Duration = Duration::from_millis(30);
const ROUND_TRIP: Duration = Duration::from_millis(60);

async fn refused(azure: &Azure) -> u32 {
    number(&azure.log_in(azure.token()).await.map(drop).expect_err("a refused login"))
}

#[tokio::test]
async fn latency_makes_each_round_trip_of_tds_8_take_its_time() {
    let azure = azure_showing(Faults { latency: LATENCY, ..Faults::default() }).await;
    let began = Instant::now();
    let mut sql = azure.connect().await;
    assert!(began.elapsed() >= 4 * ROUND_TRIP, "TCP, TLS 1.3, PRELOGIN, LOGIN7: {:?}", began.elapsed());
    let asked = Instant::now();
    run(&mut sql, "SELECT 1").await;
    assert!(asked.elapsed() >= ROUND_TRIP, "{:?}", asked.elapsed());
    drop(sql);
    until("the hanging up is noticed", || azure.endpoint.counts().closed == 1).await;
}

#[tokio::test]
async fn latency_makes_each_round_trip_of_tds_7_4_take_its_time() {
    let azure = azure_showing(Faults { latency: LATENCY, ..Faults::default() }).await;
    let began = Instant::now();
    let mut wire = Wire::log_in(&azure, "sa", "Local-1").await;
    assert!(began.elapsed() >= 5 * ROUND_TRIP, "TCP, PRELOGIN, TLS 1.2, LOGIN7: {:?}", began.elapsed());
    let asked = Instant::now();
    wire.batch("SELECT 1", 0).await;
    assert!(asked.elapsed() >= ROUND_TRIP, "{:?}", asked.elapsed());
    drop(wire);
    until("the hanging up is noticed", || azure.endpoint.counts().closed == 1).await;
}

#[tokio::test]
async fn a_large_answer_and_a_large_request_cross_latency_whole() {
    let azure = azure_showing(Faults { latency: Duration::from_millis(2), ..Faults::default() }).await;
    let mut sql = azure.connect().await;
    let text = "x".repeat(1_500_000);
    let answer = sql.query("SELECT LEN(@P1), @P1", &[&text]).await.expect("sent").into_row().await;
    let row = answer.expect("answered").expect("a row");
    assert_eq!(row.get::<&str, _>(1).map(str::len), Some(text.len()));
}

#[tokio::test]
async fn a_connection_is_reset_once_so_many_bytes_have_crossed_it() {
    let azure = azure_showing(Faults { drop_after: Some(47), ..Faults::default() }).await;
    let mut socket = TcpStream::connect(("127.0.0.1", azure.endpoint.port())).await.expect("a socket");
    socket.write_all(&common::wire::PRELOGIN_PACKET).await.expect("15 bytes");
    let mut answer = Vec::new();
    let end = tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut answer)).await;
    let error = end.expect("an end").expect_err("no orderly one");
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
    // Elsewhere a reset may overtake what came before it.
    if cfg!(target_os = "linux") {
        assert_eq!(answer.len(), 47 - 15);
    }
}

#[tokio::test]
async fn a_session_whose_connection_is_reset_is_rolled_back() {
    for latency in [Duration::ZERO, Duration::from_millis(1)] {
        let azure = azure_showing(Faults { latency, drop_after: Some(20_000), ..Faults::default() }).await;
        let mut sql = azure.connect().await;
        run(&mut sql, "CREATE TABLE t (n int); BEGIN TRAN; INSERT t VALUES (1)").await;
        let mut outcome = Ok(());
        for _ in 0..2_500 {
            outcome = sql.simple_query("SELECT 'some bytes'").await.map(drop);
            if outcome.is_err() {
                break;
            }
        }
        let error = outcome.expect_err("a reset");
        assert!(matches!(error, Error::Io { .. }), "{error}");
        until("the session is closed", || azure.endpoint.counts().closed == 1).await;
        assert_eq!(azure.endpoint.counts().rollbacks, 1);
        azure.endpoint.set_faults(Faults::default());
        assert_eq!(fails(&mut azure.connect().await, "INSERT t VALUES ('no number')").await, 245);
    }
}

#[tokio::test]
async fn logins_fail_from_the_start_and_a_set_of_faults_replaces_the_one_before() {
    let azure = azure_showing(Faults { fail_logins: Some((usize::MAX, 40501)), ..Faults::default() }).await;
    assert_eq!(refused(&azure).await, 40501);
    azure.endpoint.set_faults(Faults { fail_logins: Some((1, 10928)), ..Faults::default() });
    assert_eq!(refused(&azure).await, 10928);
    azure.connect().await;
}

#[tokio::test]
async fn failing_logins_leave_the_other_faults_as_they_are() {
    let azure = azure().await;
    let at = AtStage { stage: Stage::Query, trouble: Trouble::Reset, connections: 1 };
    azure.endpoint.set_faults(Faults { at: Some(at), ..Faults::default() });
    azure.endpoint.fail_logins(1, 4060);
    assert_eq!(refused(&azure).await, 4060);
    let mut sql = azure.connect().await;
    assert!(sql.simple_query("SELECT 1").await.is_err());
}

#[tokio::test]
async fn a_paused_database_wakes_by_its_first_login_and_is_there_some_time_after() {
    let pause = Duration::from_millis(400);
    let azure = azure_showing(Faults { paused: Some(pause), ..Faults::default() }).await;
    // It sleeps however long nobody comes.
    tokio::time::sleep(pause).await;
    let began = Instant::now();
    let mut refusals = 0;
    while let Err(error) = azure.log_in(azure.token()).await {
        assert_eq!(number(&error), 40613);
        refusals += 1;
        assert!(began.elapsed() < Duration::from_secs(10), "it does not wake");
    }
    assert!(began.elapsed() >= pause && refusals >= 1, "{refusals} refusals in {:?}", began.elapsed());
    assert_eq!(azure.endpoint.counts().refused, refusals);
    azure.connect().await;
}

#[tokio::test]
async fn the_gateway_sends_each_login_to_the_node_that_has_the_database() {
    let azure = azure_where(|options| options.redirect = true).await;
    let node = azure.endpoint.node_port().expect("a node");
    for _ in 0..2 {
        match azure.log_in(azure.token()).await.map(drop) {
            Err(Error::Routing { host, port }) => assert_eq!((host.as_str(), port), ("localhost", node)),
            other => panic!("no redirect: {other:?}"),
        }
    }
    let mut sql = azure.log_in_at(node, azure.token()).await.expect("a login at the node");
    run(&mut sql, "CREATE TABLE t (n int)").await;
    let counts = azure.endpoint.counts();
    assert_eq!((counts.connections, counts.opened), (3, 1));

    azure.endpoint.fail_logins(1, 40613);
    let refused = azure.log_in_at(node, azure.token()).await.map(drop).expect_err("both share the faults");
    assert_eq!(number(&refused), 40613);
    azure.endpoint.stop_redirecting();
    run(&mut azure.connect().await, "INSERT t VALUES (1)").await;

    let (endpoint, _) = azure.into_endpoint();
    tokio::time::timeout(Duration::from_secs(10), endpoint.stop()).await.expect("stopped");
    tokio::net::TcpListener::bind(("127.0.0.1", node)).await.expect("the node's port is free");
}

#[tokio::test]
async fn without_a_redirect_there_is_no_node() {
    assert_eq!(azure().await.endpoint.node_port(), None);
}

#[tokio::test]
async fn a_session_s_requests_are_counted_as_they_come() {
    let azure = azure().await;
    let requests = || azure.endpoint.sessions()[0].requests;
    let mut wire = Wire::log_in(&azure, "sa", "Local-1").await;
    assert_eq!(requests(), 0, "the login is none");
    wire.batch("SELECT 1", 0).await;
    wire.send(0x06, 0, &[]).await;
    wire.read().await;
    assert_eq!(requests(), 1, "an ATTENTION is none");
    wire.send_batch("WAITFOR DELAY '00:05:00'", 0).await;
    until("a request that is not answered yet counts", || requests() == 2).await;
}
