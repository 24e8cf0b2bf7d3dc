//! The wire itself: TLS inside PRELOGIN, status bits, attentions, and clients that send nonsense.

mod common;

use std::time::Duration;

use common::{
    azure, run, until,
    wire::{self, Wire},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

const BATCH: u8 = 0x01;
const ATTENTION: u8 = 0x06;

/// Whether an answer holds this ENVCHANGE.
fn has_environment_change(answer: &[u8], kind: u8) -> bool {
    answer.windows(4).any(|bytes| bytes[0] == 0xE3 && bytes[3] == kind)
}

fn last_done_status(answer: &[u8]) -> u16 {
    let done = &answer[answer.len() - 13..];
    assert!(matches!(done[0], 0xFD | 0xFE), "a DONE at the end of {answer:02X?}");
    u16::from_le_bytes([done[1], done[2]])
}

#[tokio::test]
async fn tls_inside_prelogin_carries_a_session() {
    let azure = azure().await;
    let mut wire = Wire::log_in(&azure, "sa", "Local-1").await;
    let answer = wire.batch("SELECT N'hello' AS greeting", 0).await;
    assert_eq!(answer[0], 0x81, "COLMETADATA");
    let hello: Vec<u8> = "hello".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(answer.windows(hello.len()).any(|bytes| bytes == hello));
    assert_eq!(last_done_status(&answer), 0x10);
}

#[tokio::test]
async fn a_client_that_asks_where_to_get_a_token_is_told_and_sends_it() {
    let azure = azure().await;
    let mut wire = Wire::log_in_with(&azure, &wire::asking_login()).await;
    let answer = wire.read().await;
    assert_eq!(answer[0], 0xEE, "FEDAUTHINFO");
    let name: Vec<u8> = "https://database.windows.net/".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert!(answer.ends_with(&name), "the service principal's name");
    let claims = sqlscope_local::token::Claims::new("client", 3600);
    let token = azure.tokens.issue(&claims).expect("a token");
    let token: Vec<u8> = token.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let length = token.len() as u32;
    wire.send(0x08, 0, &[&(length + 4).to_le_bytes()[..], &length.to_le_bytes(), &token].concat()).await;
    assert_eq!(last_done_status(&wire.read().await), 0);
    assert_eq!(azure.endpoint.sessions()[0].login, claims.oid);
}

#[tokio::test]
async fn a_status_bit_resets_the_session_before_its_request() {
    let azure = azure().await;
    let mut wire = Wire::log_in(&azure, "sa", "Local-1").await;
    wire.batch("CREATE TABLE t (n int)", 0).await;
    let answer = wire.batch("CREATE TABLE #mine (n int); BEGIN TRAN; INSERT t VALUES (1)", 0).await;
    assert!(has_environment_change(&answer, 8), "a transaction began");
    let answer = wire.batch("IF @@TRANCOUNT = 0 AND OBJECT_ID('tempdb..#mine') IS NULL SELECT 1", 0x08).await;
    assert!(has_environment_change(&answer, 18), "the reset is acknowledged");
    assert!(has_environment_change(&answer, 10), "the transaction was rolled back");
    assert_eq!(last_done_status(&answer) & 0x10, 0x10, "one row: the session is as new");

    wire.batch("BEGIN TRAN", 0).await;
    let answer = wire.batch("IF @@TRANCOUNT = 1 SELECT 1", 0x10).await;
    assert!(has_environment_change(&answer, 18) && !has_environment_change(&answer, 10));
    assert_eq!(last_done_status(&answer) & 0x14, 0x14, "one row, inside of the transaction");
}

#[tokio::test]
async fn an_attention_ends_what_runs_and_the_session_goes_on() {
    let azure = azure().await;
    let mut wire = Wire::log_in(&azure, "sa", "Local-1").await;
    wire.send_batch("WAITFOR DELAY '00:05:00'", 0).await;
    wire.send(ATTENTION, 0, &[]).await;
    let answer = tokio::time::timeout(Duration::from_secs(10), wire.read()).await.expect("at once");
    assert_eq!(last_done_status(&answer) & 0x20, 0x20, "DONE_ATTN");
    wire.send(ATTENTION, 0, &[]).await;
    assert_eq!(last_done_status(&wire.read().await) & 0x20, 0x20, "also when nothing runs");
    assert_eq!(last_done_status(&wire.batch("SELECT 1", 0).await), 0x10);
}

#[tokio::test]
async fn a_request_in_many_small_packets_is_one_request() {
    let azure = azure().await;
    let mut wire = Wire::log_in(&azure, "sa", "Local-1").await;
    let text = format!("SELECT N'{}'", "x".repeat(20_000));
    let answer = wire.batch(&text, 0).await;
    assert!(answer.len() > 40_000);
    assert_eq!(last_done_status(&answer), 0x10);
}

#[tokio::test]
async fn a_row_with_nulls_comes_as_its_bits_and_what_is_not_null() {
    let azure = azure().await;
    let mut wire = Wire::log_in(&azure, "sa", "Local-1").await;
    let empty = "CAST(NULL AS int), CAST(NULL AS varchar(9)), CAST(NULL AS nvarchar(max))";
    let answer = wire.batch(&format!("SELECT {empty}, 7, {empty}, 8, {empty}"), 0).await;
    // NBCROW, eleven bits, two integers, DONE.
    let row = [0xD2, 0b0111_0111, 0b0111, 4, 7, 0, 0, 0, 4, 8, 0, 0, 0];
    let at = answer.len() - 13 - row.len();
    assert_eq!(answer[at..answer.len() - 13], row);
}

#[tokio::test]
async fn the_rows_of_a_bulk_load_that_nobody_announced_are_refused_and_the_session_lives_on() {
    let azure = azure().await;
    let mut wire = Wire::log_in(&azure, "sa", "Local-1").await;
    for rows in [&[0x81, 0, 0][..], &[], &[1, 2, 3]] {
        wire.send(0x07, 0, rows).await;
        let answer = wire.read().await;
        assert_eq!((answer[0], &answer[3..7]), (0xAA, &4804_u32.to_le_bytes()[..]), "{rows:?}");
    }
    assert_eq!(last_done_status(&wire.batch("SELECT 1", 0).await), 0x10);
}

#[tokio::test]
async fn a_client_from_before_tds_7_3_is_told_so() {
    let azure = azure().await;
    let mut login = wire::login7("sa", "Local-1");
    login[4..8].copy_from_slice(&0x7209_0002_u32.to_le_bytes());
    let answer = Wire::log_in_with(&azure, &login).await.read().await;
    assert_eq!((answer[0], &answer[3..7]), (0xAA, &4002_u32.to_le_bytes()[..]));
    assert_eq!(azure.endpoint.counts().refused, 1);
}

#[tokio::test]
async fn nonsense_is_refused_by_name_and_hurts_nobody() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    for kind in [0x00, 0x02, 0x11, 0xFF] {
        let mut wire = Wire::log_in(&azure, "sa", "Local-1").await;
        wire.send(kind, 0, &[1, 2, 3, 4, 5, 6, 7, 8]).await;
        let answer = wire.read().await;
        assert_eq!((answer[0], &answer[3..7]), (0xAA, &4002_u32.to_le_bytes()[..]), "type {kind}");
    }
    for (kind, payload) in
        [(BATCH, &[0xFF; 9][..]), (0x03, &[0; 40]), (0x0E, &[4, 0, 0, 0, 99, 0]), (0x03, &[4, 0, 0, 0, 0xFF])]
    {
        let mut wire = Wire::log_in(&azure, "sa", "Local-1").await;
        wire.send(kind, 0, payload).await;
        assert_eq!(wire.read().await[0], 0xAA);
    }
    // Before TLS: bytes of every kind, then silence.
    for first in
        [&b"GET / HTTP/1.1\r\n\r\n"[..], &[0x12; 64], &[0x16; 64], &[0; 64], &[0x12, 1, 0, 9, 0, 0, 0, 0, 0]]
    {
        let mut socket = TcpStream::connect(("127.0.0.1", azure.endpoint.port())).await.expect("a socket");
        socket.write_all(first).await.expect("sent");
        socket.shutdown().await.expect("shut");
        let mut rest = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(10), socket.read_to_end(&mut rest)).await;
        assert!(ended.is_ok(), "{first:02X?} is hung up on");
    }
    run(&mut sql, "SELECT 1").await;
    until("the others are closed", || azure.endpoint.counts().closed == 8).await;
}

#[tokio::test]
async fn a_client_that_cannot_encrypt_is_hung_up_on() {
    let azure = azure().await;
    let mut socket = TcpStream::connect(("127.0.0.1", azure.endpoint.port())).await.expect("a socket");
    socket.write_all(&[0x12, 1, 0, 15, 0, 0, 1, 0, 1, 0, 6, 0, 1, 0xFF, 2]).await.expect("sent");
    let mut answer = Vec::new();
    socket.read_to_end(&mut answer).await.expect("an end");
    assert_eq!((answer[0], *answer.get(8 + 26 + 6).expect("ENCRYPTION")), (0x04, 3), "{answer:02X?}");
    assert_eq!(azure.endpoint.counts().refused, 1);
}

#[tokio::test]
async fn server_cursors_are_refused_by_their_name_whichever_way_they_are_called() {
    let azure = azure().await;
    let mut wire = Wire::log_in(&azure, "sa", "Local-1").await;
    let names = ["", "", "open", "prepare", "execute", "prepexec", "unprepare", "fetch", "option", "close"];
    for (number, name) in names.iter().enumerate().skip(1) {
        let by_number = [wire::batch(""), vec![0xFF, 0xFF, number as u8, 0, 0, 0]].concat();
        for call in [by_number, wire::rpc(&format!("sp_cursor{name}"), "SELECT 1")] {
            wire.send(0x03, 0, &call).await;
            let answer = wire.read().await;
            assert_eq!((answer[0], &answer[3..7]), (0xAA, &2812_u32.to_le_bytes()[..]), "{number}");
            let told: Vec<u8> =
                format!("'sp_cursor{name}'").encode_utf16().flat_map(u16::to_le_bytes).collect();
            assert!(answer.windows(told.len()).any(|bytes| bytes == told), "{number}: {name}");
        }
    }
    assert_eq!(last_done_status(&wire.batch("SELECT 1", 0).await), 0x10);
}
