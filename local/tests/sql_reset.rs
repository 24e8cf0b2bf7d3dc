//! RESETCONNECTION: nothing that a session had is there for whoever has it next.

mod common;

use common::{
    attempt, azure, fails, rows, run, until,
    wire::{Wire, batch, rpc, text_parameter},
};
use tiberius::Command;

const BATCH: u8 = 0x01;
const RPC: u8 = 0x03;
/// Status bits of a request's first packet.
const RESET: u8 = 0x08;
const RESET_BUT_TRANSACTION: u8 = 0x10;
/// ENVCHANGE types.
const ROLLED_BACK: u8 = 10;
const WAS_RESET: u8 = 18;

/// What leaves something behind in a session, and what is true of a session without it.
const STATES: [(&str, &str); 16] = [
    ("CREATE TABLE #mine (n int); INSERT #mine VALUES (1)", "OBJECT_ID('tempdb..#mine') IS NULL"),
    ("SET LOCK_TIMEOUT 50", "@@LOCK_TIMEOUT = -1"),
    ("SET DATEFIRST 1", "@@DATEFIRST = 7"),
    ("SET DATEFORMAT dmy", "MONTH('2/1/2026') = 2"),
    ("SET XACT_ABORT ON", "@@OPTIONS & 16384 = 0"),
    ("SET NOCOUNT ON", "@@OPTIONS & 512 = 0"),
    (
        "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE",
        "2 = (SELECT transaction_isolation_level FROM sys.dm_exec_sessions)",
    ),
    ("BEGIN TRAN", "@@TRANCOUNT = 0 AND XACT_STATE() = 0"),
    ("BEGIN TRAN; INSERT dbo.counted DEFAULT VALUES", "NOT EXISTS (SELECT * FROM dbo.counted)"),
    ("BEGIN TRAN; SAVE TRAN a; BEGIN TRAN", "@@TRANCOUNT = 0"),
    ("EXEC sp_set_session_context 'tenant', 7, 1", "SESSION_CONTEXT(N'tenant') IS NULL"),
    ("EXEC sp_set_session_context @key = N'who', @value = N'me'", "SESSION_CONTEXT(N'who') IS NULL"),
    ("SET CONTEXT_INFO 0x01", "CONTEXT_INFO() IS NULL"),
    ("INSERT dbo.other DEFAULT VALUES", "SCOPE_IDENTITY() IS NULL AND @@IDENTITY IS NULL"),
    ("SELECT 1/0", "@@ERROR = 0"),
    ("SELECT n FROM dbo.counted UNION ALL SELECT 2", "@@ROWCOUNT = 0"),
];
const TABLES: &str = "CREATE TABLE dbo.counted (n int IDENTITY); CREATE TABLE dbo.other (n int IDENTITY)";

fn has_environment_change(answer: &[u8], kind: u8) -> bool {
    answer.windows(4).any(|bytes| bytes[0] == 0xE3 && bytes[3] == kind)
}

/// Whether an answer ends in a DONE without an error, for one row.
fn is_one_row(answer: &[u8]) -> bool {
    let done = &answer[answer.len() - 13..];
    done[0] == 0xFD && done[1] & 0x12 == 0x10 && done[5] == 1
}

#[tokio::test]
async fn the_bit_takes_each_kind_of_state_away_before_its_request_and_is_acknowledged() {
    let azure = azure().await;
    let mut wire = Wire::log_in(&azure, "sa", "Local-1").await;
    wire.batch(TABLES, 0).await;
    for (state, fresh) in STATES {
        wire.batch(state, 0).await;
        let answer = wire.batch(&format!("IF {fresh} SELECT 1"), RESET).await;
        assert!(has_environment_change(&answer, WAS_RESET), "{state}: no ENVCHANGE 18");
        assert!(is_one_row(&answer), "{state}: not {fresh}");
        assert_eq!(has_environment_change(&answer, ROLLED_BACK), state.contains("BEGIN TRAN"), "{state}");
    }
    let answer = wire.batch("SELECT 1", 0).await;
    assert!(!has_environment_change(&answer, WAS_RESET), "only where it was asked for");
}

#[tokio::test]
async fn the_procedure_takes_each_kind_of_state_away() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, TABLES).await;
    for (state, fresh) in STATES {
        // One of them leaves an error.
        let _ = attempt(&mut sql, state).await;
        Command::new("sys.sp_reset_connection").exec(&mut sql).await.expect("reset");
        assert_eq!(rows(&mut sql, &format!("SELECT IIF({fresh}, 1, 0)")).await, "1", "{state}: not {fresh}");
    }
}

#[tokio::test]
async fn a_reset_inside_of_sp_executesql_leaves_its_caller_no_options() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "SET LOCK_TIMEOUT 50").await;
    sql.execute("EXEC sys.sp_reset_connection", &[]).await.expect("reset");
    assert_eq!(rows(&mut sql, "SELECT @@LOCK_TIMEOUT").await, "-1");
}

#[tokio::test]
async fn locks_that_a_reset_released_are_for_others_to_take() {
    let azure = azure().await;
    let (mut wire, mut other) = (Wire::log_in(&azure, "sa", "Local-1").await, azure.connect().await);
    let take = "DECLARE @r int; EXEC @r = sp_getapplock @Resource = 'mine', @LockMode = 'Exclusive', \
                @LockOwner = 'Session', @LockTimeout = 0; SELECT @r";
    wire.batch("CREATE TABLE t (n int)", 0).await;
    for state in [
        "EXEC sp_getapplock 'mine', 'Exclusive', 'Session'; EXEC sp_getapplock 'mine', 'Shared', 'Session'",
        "BEGIN TRAN; EXEC sp_getapplock 'mine', 'Exclusive', 'Transaction'; INSERT t VALUES (1)",
    ] {
        wire.batch(state, 0).await;
        assert_eq!(rows(&mut other, take).await, "-1", "{state}");
        wire.batch("SELECT 1", RESET).await;
        assert_eq!(rows(&mut other, take).await, "0", "{state}");
        run(&mut other, "SET LOCK_TIMEOUT 0; INSERT t VALUES (2)").await;
        run(&mut other, "EXEC sp_releaseapplock 'mine', 'Session'").await;
    }
}

#[tokio::test]
async fn the_bit_that_keeps_the_transaction_keeps_its_rows_and_locks_and_nothing_else() {
    let azure = azure().await;
    let (mut wire, mut other) = (Wire::log_in(&azure, "sa", "Local-1").await, azure.connect().await);
    wire.batch("CREATE TABLE t (n int)", 0).await;
    wire.batch(
        "SET LOCK_TIMEOUT 50; EXEC sp_set_session_context 'k', 1; CREATE TABLE #mine (n int); BEGIN TRAN; \
         INSERT t VALUES (1); EXEC sp_getapplock 'a', 'Exclusive'; EXEC sp_getapplock 'b', 'Exclusive', 'Session'",
        0,
    )
    .await;
    let check = "IF @@TRANCOUNT = 1 AND EXISTS (SELECT * FROM t) AND @@LOCK_TIMEOUT = -1 AND SESSION_CONTEXT(N'k') IS NULL \
                 AND OBJECT_ID('tempdb..#mine') IS NULL SELECT 1";
    let answer = wire.batch(check, RESET_BUT_TRANSACTION).await;
    assert!(has_environment_change(&answer, WAS_RESET) && !has_environment_change(&answer, ROLLED_BACK));
    assert!(is_one_row(&answer), "{answer:02X?}");
    let take = |name: &str| {
        format!("DECLARE @r int; EXEC @r = sp_getapplock '{name}', 'Exclusive', 'Session', 0; SELECT @r")
    };
    assert_eq!(rows(&mut other, &take("a")).await, "-1", "the transaction's");
    assert_eq!(rows(&mut other, &take("b")).await, "0", "the session's");
    assert_eq!(fails(&mut other, "SET LOCK_TIMEOUT 0; INSERT t VALUES (2)").await, 1222);
    wire.batch("COMMIT", 0).await;
    assert_eq!(rows(&mut other, "SELECT n FROM t").await, "1");
}

#[tokio::test]
async fn every_kind_of_request_can_carry_the_bit() {
    let azure = azure().await;
    let mut wire = Wire::log_in(&azure, "sa", "Local-1").await;
    // A batch of many packets: the bit is in the first.
    let long = format!("IF @@LOCK_TIMEOUT = -1 SELECT '{}'", "x".repeat(3000));
    // A procedure call: sp_executesql of a text without parameters.
    let call = rpc("sp_executesql", "IF @@LOCK_TIMEOUT = -1 SELECT 1");
    for (kind, payload) in [(BATCH, batch(&long)), (RPC, call)] {
        wire.batch("SET LOCK_TIMEOUT 50", 0).await;
        wire.send(kind, RESET, &payload).await;
        let answer = wire.read().await;
        assert!(has_environment_change(&answer, WAS_RESET), "{kind}");
        assert!(answer.contains(&0x81), "a result: {kind}");
    }
    // A transaction request: what was open is rolled back, and what it begins is new.
    wire.batch("BEGIN TRAN; CREATE TABLE t (n int)", 0).await;
    let headers = &batch("")[..];
    wire.send(0x0E, RESET, &[headers, &[5, 0, 0, 0]].concat()).await;
    let answer = wire.read().await;
    assert!(has_environment_change(&answer, ROLLED_BACK) && has_environment_change(&answer, 8));
    assert!(is_one_row(&wire.batch("IF OBJECT_ID('t') IS NULL AND @@TRANCOUNT = 1 SELECT 1", 0).await));
}

#[tokio::test]
async fn a_prepared_statement_does_not_outlive_a_reset() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    let prepare = "DECLARE @h int; EXEC sp_prepare @h OUTPUT, N'', N'SELECT 1'; SELECT @h";
    // From T-SQL it cannot be prepared: the client's own call is what is tried.
    assert_eq!(fails(&mut sql, prepare).await, 40510);
    let mut wire = Wire::log_in(&azure, "sa", "Local-1").await;
    let handle = i32::to_le_bytes(1);
    let mut execute = batch("");
    execute.extend([0xFF, 0xFF, 12, 0, 0, 0, 0, 0, 0x26, 4, 4]);
    execute.extend(handle);
    let mut prepare = batch("");
    prepare.extend([0xFF, 0xFF, 11, 0, 0, 0, 0, 1, 0x26, 4, 0]);
    prepare.extend(text_parameter(""));
    prepare.extend(text_parameter("SELECT 1"));
    wire.send(RPC, 0, &prepare).await;
    wire.read().await;
    wire.send(RPC, 0, &execute).await;
    assert_eq!(wire.read().await[0], 0x81, "COLMETADATA");
    wire.send(RPC, RESET, &execute).await;
    let answer = wire.read().await;
    let number = 8179_u32.to_le_bytes();
    assert!(answer.windows(4).any(|bytes| bytes == number), "{answer:02X?}");
}

#[tokio::test]
async fn session_context_keeps_a_value_with_its_type_until_it_is_read_only() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "EXEC sp_set_session_context N'n', 5; EXEC sp_set_session_context @key = N'd', @value = '2026-02-03'; \
         DECLARE @b varbinary(4) = 0x0102, @m decimal(9, 2) = 1.50; EXEC sp_set_session_context 'b', @b; \
         EXEC sp_set_session_context 'm', @m; EXEC sys.sp_set_session_context @key = 'fixed', @value = N'a', @read_only = 1",
    )
    .await;
    let select = "DECLARE @k nvarchar(128) = N'n'; SELECT SESSION_CONTEXT(@k) + 1, SESSION_CONTEXT(N'd'), \
                  SESSION_CONTEXT(N'b'), SESSION_CONTEXT(N'm'), SESSION_CONTEXT(N'none'), SESSION_CONTEXT(N'fixed')";
    assert_eq!(rows(&mut sql, select).await, "6, 2026-02-03, 0x0102, 1.50, NULL, a");
    run(&mut sql, "EXEC sp_set_session_context N'n', NULL").await;
    assert_eq!(rows(&mut sql, "SELECT SESSION_CONTEXT(N'n')").await, "NULL");
    assert_eq!(fails(&mut sql, "EXEC sp_set_session_context 'fixed', 'b'").await, 15_664);
    assert_eq!(fails(&mut sql, "EXEC sp_set_session_context NULL, 'b'").await, 201);
    assert_eq!(
        fails(&mut sql, "DECLARE @k nvarchar(200) = REPLICATE('k', 129); EXEC sp_set_session_context @k, 1")
            .await,
        15_666
    );
    // As a client calls it.
    let mut command = Command::new("sp_set_session_context");
    command.bind_param("@key", "over the wire");
    command.bind_param("@value", 7_i64);
    command.exec(&mut sql).await.expect("set");
    assert_eq!(rows(&mut sql, "SELECT SESSION_CONTEXT(N'over the wire')").await, "7");
    run(&mut sql, "SET CONTEXT_INFO 0xAB").await;
    assert_eq!(
        rows(&mut sql, "SELECT DATALENGTH(CONTEXT_INFO()), SUBSTRING(CONTEXT_INFO(), 1, 2)").await,
        "128, 0xAB00"
    );
}

#[tokio::test]
async fn a_session_is_reset_a_thousand_times_and_stays_one_session() {
    let azure = azure().await;
    let mut wire = Wire::log_in(&azure, "sa", "Local-1").await;
    for _ in 0..1000 {
        wire.batch("CREATE TABLE #t (n int); BEGIN TRAN; INSERT #t VALUES (1)", RESET).await;
    }
    drop(wire);
    until("the session is closed", || azure.endpoint.counts().closed == 1).await;
    let counts = azure.endpoint.counts();
    assert_eq!((counts.opened, counts.rollbacks), (1, 1000));
}
