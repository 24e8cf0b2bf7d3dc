//! Trouble at the stages of a connection, as a bare client sees it.

mod common;

use std::time::{Duration, Instant};

use common::{
    Azure, azure, azure_showing, run, until,
    wire::{PRELOGIN_PACKET, Wire, batch, login7, packet},
};
use sqlscope_local::sql::{AtStage, Faults, Stage, Trouble};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// A delay that no answer on loopback takes by itself.
const DELAY: Duration = Duration::from_millis(300);
const LONG: Duration = Duration::from_secs(10);

trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// What comes of the server.
#[derive(Debug, PartialEq)]
enum Seen {
    Reset,
    /// Only this, and an orderly end.
    End(String),
    Bytes,
}

async fn seen(stream: &mut (impl AsyncRead + Unpin)) -> Seen {
    let mut first = [0; 4];
    match timeout(LONG, stream.read(&mut first)).await.expect("an answer or an end") {
        Err(error) => {
            assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset);
            Seen::Reset
        }
        Ok(count) if count == 0 || first == *b"HTTP" => {
            let mut text = String::from_utf8_lossy(&first[..count]).into_owned();
            timeout(LONG, stream.read_to_string(&mut text)).await.expect("an end").expect("an orderly one");
            Seen::End(text)
        }
        Ok(_) => Seen::Bytes,
    }
}

/// Whether nothing comes for a while, no end either.
async fn is_silent(stream: &mut (impl AsyncRead + Unpin)) -> bool {
    timeout(DELAY, stream.read(&mut [0])).await.is_err()
}

fn at(stage: Stage, trouble: Trouble, connections: usize) -> Faults {
    Faults { at: Some(AtStage { stage, trouble, connections }), ..Faults::default() }
}

async fn send(stream: &mut impl Stream, kind: u8, payload: &[u8]) {
    let length = (payload.len() as u16 + 8).to_be_bytes();
    let header = [kind, 1, length[0], length[1], 0, 0, 1, 0];
    stream.write_all(&[&header, payload].concat()).await.expect("sent");
    stream.flush().await.expect("flushed");
}

async fn socket(azure: &Azure) -> TcpStream {
    TcpStream::connect(("127.0.0.1", azure.endpoint.port())).await.expect("a socket")
}

/// A client that has just sent what this stage waits for.
async fn arrived(azure: &Azure, stage: Stage, strict: bool) -> Box<dyn Stream> {
    if !strict {
        let mut socket = socket(azure).await;
        socket.write_all(&PRELOGIN_PACKET).await.expect("PRELOGIN");
        if stage == Stage::Tls {
            packet(&mut socket, 0x04).await;
            send(&mut socket, 0x12, b"\x16\x03\x01\x00\x40").await;
        }
        return Box::new(socket);
    }
    if stage == Stage::Tls {
        let mut socket = socket(azure).await;
        socket.write_all(b"\x16\x03\x01\x00\x40").await.expect("the beginning of a handshake");
        return Box::new(socket);
    }
    let mut stream = azure.secured().await;
    stream.write_all(&PRELOGIN_PACKET).await.expect("PRELOGIN");
    stream.flush().await.expect("flushed");
    if stage != Stage::Prelogin {
        packet(&mut stream, 0x04).await;
        send(&mut stream, 0x10, &login7("sa", "Local-1")).await;
    }
    if stage == Stage::Query || stage == Stage::Close {
        packet(&mut stream, 0x04).await;
    }
    if stage == Stage::Query {
        send(&mut stream, 0x01, &batch("SELECT 1")).await;
    }
    if stage == Stage::Close {
        stream.shutdown().await.expect("hung up");
    }
    Box::new(stream)
}

const STAGES: [(Stage, bool); 6] = [
    (Stage::Prelogin, false),
    (Stage::Prelogin, true),
    (Stage::Tls, false),
    (Stage::Tls, true),
    (Stage::Login, true),
    (Stage::Query, true),
];

#[tokio::test]
async fn a_stall_sends_nothing_and_ends_with_the_endpoint() {
    let azure = azure().await;
    let mut stalled = Vec::new();
    for (stage, strict) in STAGES {
        azure.endpoint.set_faults(at(stage, Trouble::Stall, usize::MAX));
        let mut stream = arrived(&azure, stage, strict).await;
        assert!(is_silent(&mut stream).await, "{stage:?}, strict: {strict}");
        stalled.push(stream);
    }
    let (endpoint, _) = azure.into_endpoint();
    timeout(LONG, endpoint.stop()).await.expect("stopped");
}

#[tokio::test]
async fn a_reset_is_no_orderly_end() {
    let azure = azure().await;
    for (stage, strict) in STAGES {
        azure.endpoint.set_faults(at(stage, Trouble::Reset, usize::MAX));
        let mut reset = arrived(&azure, stage, strict).await;
        assert_eq!(seen(&mut reset).await, Seen::Reset, "{stage:?}, strict: {strict}");
    }
}

#[tokio::test]
async fn garbage_is_no_tds_and_ends_in_good_order() {
    let azure = azure().await;
    for (stage, strict) in STAGES {
        azure.endpoint.set_faults(at(stage, Trouble::Garbage, usize::MAX));
        let mut misled = arrived(&azure, stage, strict).await;
        match seen(&mut misled).await {
            Seen::End(text) => assert!(text.starts_with("HTTP/1.1 400 "), "{stage:?}: {text}"),
            other => panic!("{stage:?}, strict: {strict}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn slowness_is_a_delay_and_nothing_more() {
    let azure = azure().await;
    for stage in [Stage::Prelogin, Stage::Tls, Stage::Login] {
        azure.endpoint.set_faults(at(stage, Trouble::Slow(DELAY), usize::MAX));
        let began = Instant::now();
        azure.connect().await;
        assert!(began.elapsed() >= DELAY, "{stage:?}, TDS 8: {:?}", began.elapsed());
        let began = Instant::now();
        Wire::log_in(&azure, "sa", "Local-1").await;
        assert!(began.elapsed() >= DELAY, "{stage:?}, TDS 7.4: {:?}", began.elapsed());
    }
    azure.endpoint.set_faults(at(Stage::Query, Trouble::Slow(DELAY), 1));
    let mut sql = azure.connect().await;
    for text in ["CREATE TABLE t (n int)", "INSERT t VALUES (1)"] {
        let began = Instant::now();
        run(&mut sql, text).await;
        assert!(
            began.elapsed() >= DELAY,
            "each request of a connection that meets it: {:?}",
            began.elapsed()
        );
    }
}

#[tokio::test]
async fn trouble_is_for_as_many_connections_as_it_is_told() {
    let azure = azure().await;
    for (stage, strict) in STAGES {
        azure.endpoint.set_faults(at(stage, Trouble::Reset, 2));
        for _ in 0..2 {
            let mut reset = arrived(&azure, stage, strict).await;
            assert_eq!(seen(&mut reset).await, Seen::Reset, "{stage:?}, strict: {strict}");
        }
        run(&mut azure.connect().await, "SELECT 1").await;
    }
}

#[tokio::test]
async fn a_query_stalled_at_run_time_is_not_run_and_its_session_ends_with_its_client() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (n int); BEGIN TRAN; INSERT t VALUES (1)").await;
    azure.endpoint.set_faults(at(Stage::Query, Trouble::Stall, usize::MAX));
    assert!(timeout(DELAY, sql.simple_query("COMMIT")).await.is_err(), "it waits");
    assert_eq!(azure.endpoint.sessions()[0].requests, 2, "it has come all the same");
    drop(sql);
    until("the session is closed", || azure.endpoint.counts().closed == 1).await;
    let counts = azure.endpoint.counts();
    assert_eq!((counts.commits, counts.rollbacks), (0, 1));
    azure.endpoint.set_faults(Faults::default());
    run(&mut azure.connect().await, "SELECT 1").await;
}

#[tokio::test]
async fn a_slow_request_ends_early_when_its_client_gives_it_up_or_leaves() {
    let azure = azure_showing(at(Stage::Query, Trouble::Slow(Duration::MAX), usize::MAX)).await;
    let mut wire = Wire::log_in(&azure, "sa", "Local-1").await;
    wire.send_batch("SELECT 1", 0).await;
    wire.send(0x06, 0, &[]).await;
    let answer = timeout(LONG, wire.read()).await.expect("an answer");
    assert_eq!((answer[0], answer[1]), (0xFD, 0x20), "DONE that acknowledges the ATTENTION");
    wire.send_batch("SELECT 1", 0).await;
    drop(wire);
    until("the session is closed", || azure.endpoint.counts().closed == 1).await;
}

#[tokio::test]
async fn at_close_the_session_is_over_and_only_the_server_s_end_is_missing() {
    let azure = azure_showing(at(Stage::Close, Trouble::Stall, usize::MAX)).await;
    let mut stalled = arrived(&azure, Stage::Close, true).await;
    until("the session is closed", || azure.endpoint.counts().closed == 1).await;
    assert!(is_silent(&mut stalled).await);

    azure.endpoint.set_faults(at(Stage::Close, Trouble::Reset, usize::MAX));
    let mut reset = arrived(&azure, Stage::Close, true).await;
    assert_eq!(seen(&mut reset).await, Seen::Reset);

    azure.endpoint.set_faults(at(Stage::Close, Trouble::Slow(DELAY), usize::MAX));
    let began = Instant::now();
    let mut slow = arrived(&azure, Stage::Close, true).await;
    until("the session is closed", || azure.endpoint.counts().closed == 3).await;
    let mut rest = Vec::new();
    timeout(LONG, slow.read_to_end(&mut rest)).await.expect("an end").expect("an orderly one");
    assert!(began.elapsed() >= DELAY && rest.is_empty(), "{:?}, {rest:?}", began.elapsed());

    azure.endpoint.set_faults(Faults::default());
    let mut usual = arrived(&azure, Stage::Close, true).await;
    assert_eq!(seen(&mut usual).await, Seen::End(String::new()));

    let (endpoint, _) = azure.into_endpoint();
    timeout(LONG, endpoint.stop()).await.expect("stopped, the stall too");
}
