//! Opening under fault: at every stage, what passes is tried again within one budget, what does not is said at once.

mod common;

use std::time::{Duration, Instant};

use common::{Azure, all, connection_string, dead_port, eventually, settings, sql_endpoint};
use sqlscope::{
    Error, Session,
    connection::{Connector, OpenError, Stage},
};
use sqlscope_local::sql::{AtStage, Faults, SqlEndpoint, Stage as At, Trouble};
use tokio::{
    net::{TcpSocket, TcpStream},
    time::timeout,
};

/// An error of each stage: what the client says of trouble there.
const STAGES: [(At, Stage); 3] =
    [(At::Prelogin, Stage::Prelogin), (At::Tls, Stage::Tls), (At::Login, Stage::Login)];
/// Both ways to speak TDS.
const ENCRYPTIONS: [&str; 2] = ["", "Encrypt=Strict"];

/// All login errors that pass by themselves, less the one that asks for a wait of its own.
const TRANSIENT: [u32; 20] = [
    20, 64, 233, 4221, 10053, 10054, 10060, 10928, 10929, 40020, 40143, 40166, 40197, 40540, 40613, 42108,
    42109, 49918, 49919, 49920,
];

fn trouble(stage: At, trouble: Trouble, connections: usize) -> Faults {
    Faults { at: Some(AtStage { stage, trouble, connections }), ..Faults::default() }
}

/// An endpoint beside `azure`'s own, and a connector to it; `more` is added to the connection string.
async fn endpoint(azure: &Azure, faults: Faults, more: &str) -> (SqlEndpoint, Connector) {
    let sql = sql_endpoint(&azure.ca, &azure.tokens).await;
    sql.set_faults(faults);
    // Twice the same key is an error: Encrypt stands in `more` or in the rest.
    let string = connection_string(sql.port(), &azure.ca);
    let string = if more.contains("Encrypt=") { string.replace("Encrypt=yes;", "") } else { string };
    let settings = settings(&format!("{string};{more}"));
    let connector = Connector::with_credential(settings, azure.credential()).unwrap();
    (sql, connector)
}

async fn opens(connector: &Connector) {
    let session = Session::open(connector).await.unwrap();
    assert_eq!(session.query_one::<i32>("SELECT 1", &[]).await.unwrap(), 1);
    session.close().await;
}

/// The error that opening ends with, and how long that took.
async fn refused(connector: &Connector) -> (OpenError, Duration) {
    let began = Instant::now();
    // The budget bounds it; were it not so, the test must end all the same.
    match timeout(Duration::from_secs(100), Session::open(connector)).await.expect("a bounded opening") {
        Err(Error::Open(error)) => (error, began.elapsed()),
        other => panic!("{other:?}"),
    }
}

/// What the caller gets: nothing of the inside.
fn reply(error: OpenError) -> (u16, Option<u64>) {
    let text = error.to_string();
    let response = Error::from(error).to_response("id");
    let body = String::from_utf8(response.body().to_vec()).unwrap();
    for inside in ["localhost", "127.0.0.1", "check", "login", "Login", "token"] {
        assert!(!body.contains(inside), "{body} for {text}");
    }
    let retry_after =
        response.headers().get("retry-after").map(|value| value.to_str().unwrap().parse().unwrap());
    (response.status().as_u16(), retry_after)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_is_reset_or_late_at_any_stage_is_opened_all_the_same() {
    let azure = &Azure::start().await;
    let troubles = [(Trouble::Reset, 2), (Trouble::Slow(Duration::from_secs(1)), 1)];
    all(STAGES.iter().flat_map(|stage| ENCRYPTIONS.map(|encryption| (stage, encryption))).flat_map(
        |(&(at, _), encryption)| {
            troubles.map(|(what, connections)| async move {
                let (sql, connector) = endpoint(azure, trouble(at, what, 1), encryption).await;
                opens(&connector).await;
                assert_eq!(sql.counts().connections, connections, "{at:?} {what:?} {encryption}");
                eventually(|| sql.counts().closed == sql.counts().opened).await;
                assert_eq!(sql.counts().opened, 1, "{at:?} {what:?} {encryption}");
            })
        },
    ))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_falls_silent_at_any_stage_is_left_in_time_for_another_attempt() {
    let azure = &Azure::start().await;
    all(STAGES.map(|(at, _)| async move {
        let (sql, connector) = endpoint(azure, trouble(at, Trouble::Stall, 1), "Connect Timeout=20").await;
        opens(&connector).await;
        assert_eq!(sql.counts().connections, 2, "{at:?}");
        eventually(|| sql.counts().closed == sql.counts().opened).await;
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_that_stays_is_a_503_at_the_end_of_the_one_budget_and_names_the_stage() {
    let azure = &Azure::start().await;
    let troubles = [Trouble::Reset, Trouble::Stall, Trouble::Slow(Duration::from_secs(50))];
    all(STAGES.iter().flat_map(|&(at, stage)| {
        troubles.map(|what| async move {
            let faults = trouble(at, what, usize::MAX);
            let (sql, connector) = endpoint(azure, faults, "Connect Timeout=3").await;
            let (error, took) = refused(&connector).await;
            assert_eq!((error.stage(), error.is_transient()), (stage, true), "{what:?}: {error}");
            assert!(error.to_string().contains(&format!("opened: {stage} failed")), "{error}");
            let name = match stage {
                Stage::Prelogin => "PRELOGIN",
                Stage::Tls => "the TLS handshake",
                _ => "the login",
            };
            assert!(stage.to_string().contains(name), "{stage}");
            assert!(took < Duration::from_secs(15), "{at:?} {what:?}: one budget, not one for each attempt");
            assert_eq!(reply(error), (503, Some(5)), "{at:?} {what:?}");
            assert_eq!(sql.counts().opened, 0);
        })
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_sql_server_is_said_at_once_at_any_stage() {
    let azure = &Azure::start().await;
    all(STAGES.map(|(at, stage)| async move {
        let (sql, connector) = endpoint(azure, trouble(at, Trouble::Garbage, usize::MAX), "").await;
        let (error, _) = refused(&connector).await;
        assert_eq!((error.stage(), error.is_transient()), (stage, false), "{error}");
        assert!(error.to_string().contains("check that the port is the server's"), "{error}");
        assert_eq!(sql.counts().connections, 1, "{at:?}: it is not tried again");
        assert_eq!(reply(error), (500, None), "{at:?}");
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_network_that_swallows_every_packet_is_a_503_at_the_end_of_the_budget() {
    // A full queue of connections that nobody accepts: Linux drops what comes then.
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
    let listener = socket.listen(1).unwrap();
    let address = listener.local_addr().unwrap();
    let mut queue = Vec::new();
    while let Ok(stream) = timeout(Duration::from_millis(300), TcpStream::connect(address)).await {
        queue.push(stream.unwrap());
        assert!(queue.len() < 100, "the queue has an end");
    }
    let azure = Azure::start().await;
    let string = connection_string(address.port(), &azure.ca).replace("localhost", "127.0.0.1");
    let settings = settings(&format!("{string};Connect Timeout=2"));
    let connector = Connector::with_credential(settings, azure.credential()).unwrap();
    let (error, _) = refused(&connector).await;
    assert_eq!((error.stage(), error.is_transient()), (Stage::Tcp, true), "{error}");
    assert!(error.to_string().contains("firewall"), "{error}");
    assert_eq!(reply(error), (503, Some(5)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_a_node_in_trouble_leads_back_to_the_gateway() {
    let azure = &Azure::start().await;
    all([Trouble::Reset, Trouble::Stall].into_iter().flat_map(|what| {
        STAGES.map(|(at, _)| async move {
            let (node, _) = endpoint(azure, trouble(at, what, 1), "").await;
            let (gateway, connector) = endpoint(azure, Faults::default(), "Connect Timeout=20").await;
            gateway.redirect_logins("localhost", node.port());
            opens(&connector).await;
            let connections = (gateway.counts().connections, node.counts().connections);
            assert_eq!(connections, (2, 2), "{at:?} {what:?}");
        })
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_a_slow_node_is_waited_for_and_one_to_no_sql_server_is_said_at_once() {
    let azure = &Azure::start().await;
    all(STAGES.map(|(at, stage)| async move {
        let slow = trouble(at, Trouble::Slow(Duration::from_secs(1)), 1);
        let (node, _) = endpoint(azure, slow, "").await;
        let (gateway, connector) = endpoint(azure, Faults::default(), "").await;
        gateway.redirect_logins("localhost", node.port());
        opens(&connector).await;
        let connections = (gateway.counts().connections, node.counts().connections);
        assert_eq!(connections, (1, 1), "{at:?}");

        node.set_faults(trouble(at, Trouble::Garbage, usize::MAX));
        let (error, _) = refused(&connector).await;
        assert_eq!((error.stage(), error.is_transient()), (stage, false), "{error}");
        assert!(error.to_string().contains(&format!("localhost:{}", node.port())), "{error}");
        assert_eq!(node.counts().connections, 2, "{at:?}");
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_a_node_that_stays_dead_is_a_503_that_names_the_node() {
    let azure = &Azure::start().await;
    let (_socket, dead) = dead_port();
    let (gateway, connector) = endpoint(azure, Faults::default(), "Connect Timeout=2").await;
    gateway.redirect_logins("localhost", dead);
    let (error, _) = refused(&connector).await;
    assert_eq!((error.stage(), error.is_transient()), (Stage::Tcp, true), "{error}");
    assert!(error.to_string().contains(&format!("localhost:{dead}")), "{error}");
    assert!(gateway.counts().connections >= 2, "the gateway was asked again");
    assert_eq!(reply(error), (503, Some(5)));
}

#[tokio::test(flavor = "multi_thread")]
async fn each_transient_number_is_got_over_once_and_three_times() {
    let azure = &Azure::start().await;
    all(TRANSIENT.iter().flat_map(|&number| {
        [1, 3].map(|times| async move {
            let faults = Faults { fail_logins: Some((times, number)), ..Faults::default() };
            let (sql, connector) = endpoint(azure, faults, "Connect Timeout=60").await;
            opens(&connector).await;
            let counts = sql.counts();
            assert_eq!((counts.refused, counts.logins), (times as u64, 1), "{number} {times} times");
        })
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn each_transient_number_that_stays_is_a_503_at_the_end_of_the_budget() {
    let azure = &Azure::start().await;
    all(TRANSIENT.map(|number| async move {
        let faults = Faults { fail_logins: Some((usize::MAX, number)), ..Faults::default() };
        let (sql, connector) = endpoint(azure, faults, "Connect Timeout=3").await;
        let (error, _) = refused(&connector).await;
        assert_eq!((error.number(), error.is_transient()), (Some(number), true), "{error}");
        assert!(sql.counts().refused >= 2, "{number}: it was tried again");
        assert_eq!(reply(error), (503, Some(5)), "{number}");
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_error_before_an_attempt_that_the_end_of_the_budget_cut_off_is_the_one_that_is_told() {
    let azure = Azure::start().await;
    let faults = Faults { fail_logins: Some((1, 40613)), ..Faults::default() };
    let (sql, connector) = endpoint(&azure, faults, "Connect Timeout=2").await;
    let opening = tokio::spawn(async move { refused(&connector).await });
    eventually(|| sql.counts().refused == 1).await;
    sql.set_faults(trouble(At::Login, Trouble::Stall, usize::MAX));
    let (error, _) = opening.await.unwrap();
    assert_eq!((error.number(), error.stage()), (Some(40613), Stage::Login), "{error}");
    assert!(error.to_string().contains("the login failed (attempt 2, "), "{error}");
    assert_eq!(sql.counts().connections, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn any_other_end_of_an_opening_is_told_by_its_last_error() {
    let azure = &Azure::start().await;
    // A silence that the budget did not cut short, and an error that stays.
    all([("Connect Timeout=8", None), ("", Some(4060))].map(|(budget, number)| async move {
        let faults = Faults { fail_logins: Some((1, 40613)), ..Faults::default() };
        let (sql, connector) = endpoint(azure, faults, budget).await;
        let opening = tokio::spawn(async move { refused(&connector).await });
        eventually(|| sql.counts().refused == 1).await;
        sql.set_faults(match number {
            Some(number) => Faults { fail_logins: Some((1, number)), ..Faults::default() },
            None => trouble(At::Login, Trouble::Stall, usize::MAX),
        });
        let (error, _) = opening.await.unwrap();
        assert_eq!(error.number(), number, "{error}");
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_service_is_asked_again_after_the_ten_seconds_that_it_wants() {
    let azure = &Azure::start().await;
    all([1, 3].map(|times| async move {
        let faults = Faults { fail_logins: Some((times, 40501)), ..Faults::default() };
        let (sql, connector) = endpoint(azure, faults, "Connect Timeout=60").await;
        let began = Instant::now();
        opens(&connector).await;
        assert!(began.elapsed() >= Duration::from_secs(10) * times as u32, "{times} times");
        assert_eq!(sql.counts().refused, times as u64);
    }))
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_busy_service_that_the_budget_cannot_wait_for_is_a_503_with_its_ten_seconds() {
    let azure = Azure::start().await;
    let faults = Faults { fail_logins: Some((usize::MAX, 40501)), ..Faults::default() };
    let (sql, connector) = endpoint(&azure, faults, "Connect Timeout=9").await;
    let (error, took) = refused(&connector).await;
    assert!(took < Duration::from_secs(5), "to wait for nothing helps nobody: {took:?}");
    assert_eq!(reply(error), (503, Some(10)));
    assert_eq!(sql.counts().refused, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_retry_can_help_is_said_at_once_and_says_what_to_check() {
    let azure = &Azure::start().await;
    for (number, attempts, check) in [
        (4060, 1, "check the database's name"),
        (18456, 2, "CREATE USER"),
        (40615, 1, "firewall"),
        (40532, 1, "the server's full name"),
    ] {
        let faults = Faults { fail_logins: Some((usize::MAX, number)), ..Faults::default() };
        let (sql, connector) = endpoint(azure, faults, "").await;
        let (error, _) = refused(&connector).await;
        assert_eq!((error.number(), error.is_transient()), (Some(number), false), "{error}");
        assert!(error.to_string().contains(check), "{error}");
        assert_eq!(sql.counts().refused, attempts, "{number}");
        assert_eq!(reply(error), (500, None), "{number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_serverless_database_that_needs_20_seconds_to_wake_is_waited_for() {
    let azure = Azure::start().await;
    let faults = Faults { paused: Some(Duration::from_secs(20)), ..Faults::default() };
    let (sql, connector) = endpoint(&azure, faults, "").await;
    let began = Instant::now();
    opens(&connector).await;
    assert!(began.elapsed() >= Duration::from_secs(20));
    assert!(sql.counts().refused < 20, "it is not asked all the time");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_serverless_database_that_wakes_too_late_is_a_503_that_names_the_setting() {
    let azure = Azure::start().await;
    let faults = Faults { paused: Some(Duration::from_secs(50)), ..Faults::default() };
    let (_sql, connector) = endpoint(&azure, faults, "Connect Timeout=2").await;
    let (error, _) = refused(&connector).await;
    assert_eq!(error.number(), Some(40613));
    assert!(error.to_string().contains("SQLSCOPE_OPEN_TIMEOUT_SECONDS"), "{error}");
    assert_eq!(reply(error), (503, Some(5)));
}
