//! Sessions beside each other: who waits for whom, for how long, and who has to begin anew.

mod common;

use std::time::Duration;

use common::{Sql, attempt, azure, fails, rows, run, until};

#[tokio::test]
async fn a_reader_holds_up_no_writer_and_sees_what_is_committed_meanwhile() {
    let azure = azure().await;
    let (mut reader, mut writer) = (azure.connect().await, azure.connect().await);
    run(&mut writer, "CREATE TABLE t (n int); INSERT t VALUES (1)").await;
    assert_eq!(rows(&mut reader, "BEGIN TRAN; SELECT n FROM t").await, "1");
    run(&mut writer, "SET LOCK_TIMEOUT 0; UPDATE t SET n = 2").await;
    assert_eq!(rows(&mut reader, "SELECT n FROM t").await, "2", "READ COMMITTED");
    run(&mut reader, "UPDATE t SET n = n + 1; COMMIT").await;
    assert_eq!(rows(&mut writer, "SELECT n FROM t").await, "3");
}

#[tokio::test]
async fn a_writer_holds_up_no_reader_at_any_level_that_only_reads() {
    let azure = azure().await;
    let (mut reader, mut writer) = (azure.connect().await, azure.connect().await);
    run(&mut writer, "CREATE TABLE t (n int); INSERT t VALUES (1); BEGIN TRAN; UPDATE t SET n = 2").await;
    for level in ["READ UNCOMMITTED", "READ COMMITTED", "SNAPSHOT"] {
        let text = format!(
            "SET LOCK_TIMEOUT 0; SET TRANSACTION ISOLATION LEVEL {level}; BEGIN TRAN; SELECT n FROM t"
        );
        assert_eq!(rows(&mut reader, &text).await, "1", "{level}");
        run(&mut reader, "COMMIT").await;
    }
    for level in ["REPEATABLE READ", "SERIALIZABLE"] {
        let text = format!(
            "SET LOCK_TIMEOUT 0; SET TRANSACTION ISOLATION LEVEL {level}; BEGIN TRAN; SELECT n FROM t"
        );
        assert_eq!(fails(&mut reader, &text).await, 1222, "{level}");
        run(&mut reader, "ROLLBACK").await;
    }
}

#[tokio::test]
async fn a_writer_waits_until_the_one_before_it_has_ended() {
    let azure = azure().await;
    let (mut first, mut second) = (azure.connect().await, azure.connect().await);
    run(&mut first, "CREATE TABLE t (n int); BEGIN TRAN; INSERT t VALUES (1)").await;
    let insert = "INSERT t SELECT COUNT(*) + 1 FROM t; SELECT MAX(n) FROM t";
    let mut waiting = Box::pin(rows(&mut second, insert));
    let early = tokio::time::timeout(Duration::from_millis(200), &mut waiting).await;
    assert!(early.is_err(), "it waits: {early:?}");
    run(&mut first, "COMMIT").await;
    let found = tokio::time::timeout(Duration::from_secs(10), waiting).await.expect("its turn");
    assert_eq!(found, "2", "it sees what it waited for");
}

#[tokio::test]
async fn a_lock_timeout_ends_the_wait_as_1222_and_its_transaction_lives_on() {
    let azure = azure().await;
    let (mut first, mut second) = (azure.connect().await, azure.connect().await);
    run(&mut first, "CREATE TABLE t (n int); CREATE TABLE u (n int); BEGIN TRAN; INSERT t VALUES (1)").await;
    for change in ["INSERT t VALUES (2)", "UPDATE t SET n = 2", "DELETE t", "CREATE TABLE v (n int)"] {
        assert_eq!(fails(&mut second, &format!("SET LOCK_TIMEOUT 50; {change}")).await, 1222, "{change}");
    }
    let caught = "SET LOCK_TIMEOUT 0; BEGIN TRAN; BEGIN TRY INSERT t VALUES (2) END TRY BEGIN CATCH \
                  SELECT ERROR_NUMBER(), XACT_STATE() END CATCH";
    assert_eq!(rows(&mut second, caught).await, "1222, 1");
    // A hint says the same for one statement.
    run(&mut second, "SET LOCK_TIMEOUT -1").await;
    let text = "BEGIN TRAN; SELECT n FROM t WITH (UPDLOCK, ROWLOCK, NOWAIT)";
    let refused = tokio::time::timeout(Duration::from_secs(10), fails(&mut second, text)).await;
    assert_eq!(refused.expect("no waiting"), 1222);
    run(&mut first, "COMMIT").await;
    run(&mut second, "INSERT t VALUES (2); COMMIT; COMMIT").await;
    assert_eq!(rows(&mut first, "SELECT n FROM t").await, "1 | 2");
}

/// A transaction that has read under SNAPSHOT.
async fn with_a_snapshot(sql: &mut Sql) {
    run(sql, "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRAN").await;
    assert_eq!(rows(sql, "SELECT n FROM t").await, "1");
}

#[tokio::test]
async fn a_snapshot_stays_as_it_is_and_one_that_was_overtaken_cannot_write() {
    let azure = azure().await;
    let (mut first, mut second) = (azure.connect().await, azure.connect().await);
    run(&mut second, "CREATE TABLE t (n int); INSERT t VALUES (1)").await;
    with_a_snapshot(&mut first).await;
    run(&mut second, "UPDATE t SET n = 2").await;
    assert_eq!(rows(&mut first, "SELECT n FROM t").await, "1", "what it saw before");
    assert_eq!(fails(&mut first, "UPDATE t SET n = n + 10").await, 1205);
    // The victim's transaction is gone, and the next attempt is good.
    assert_eq!(rows(&mut first, "SELECT @@TRANCOUNT, XACT_STATE()").await, "0, 0");
    run(&mut first, "BEGIN TRAN; UPDATE t SET n = n + 10; COMMIT").await;
    assert_eq!(rows(&mut second, "SELECT n FROM t").await, "12");
    assert_eq!(azure.endpoint.counts().rollbacks, 1);
}

#[tokio::test]
async fn a_snapshot_that_nobody_overtook_writes_and_commits() {
    let azure = azure().await;
    let (mut first, mut second) = (azure.connect().await, azure.connect().await);
    run(&mut second, "CREATE TABLE t (n int); INSERT t VALUES (1)").await;
    with_a_snapshot(&mut first).await;
    run(&mut first, "SAVE TRAN s; UPDATE t SET n = 5; ROLLBACK TRAN s; UPDATE t SET n = n + 1; COMMIT").await;
    assert_eq!(rows(&mut second, "SELECT n FROM t").await, "2");
    with_two(&mut first, "COMMIT").await;
    with_two(&mut first, "ROLLBACK").await;
    run(&mut second, "SET LOCK_TIMEOUT 0; UPDATE t SET n = 3").await;
    assert_eq!(rows(&mut first, "SELECT n FROM t").await, "3", "no snapshot outlives its transaction");
}

async fn with_two(sql: &mut Sql, end: &str) {
    assert_eq!(rows(sql, &format!("BEGIN TRAN; SELECT n FROM t; {end}; SELECT n FROM t")).await, "2");
}

#[tokio::test]
async fn an_app_that_retries_its_snapshots_loses_no_update() {
    let azure = std::sync::Arc::new(azure().await);
    run(&mut azure.connect().await, "CREATE TABLE t (n int); INSERT t VALUES (0)").await;
    let tasks: Vec<_> = (0..6)
        .map(|_| {
            let azure = std::sync::Arc::clone(&azure);
            tokio::spawn(async move {
                let mut sql = azure.connect().await;
                run(&mut sql, "SET TRANSACTION ISOLATION LEVEL SNAPSHOT").await;
                let mut again = 0;
                for _ in 0..10 {
                    loop {
                        let n: i32 =
                            rows(&mut sql, "BEGIN TRAN; SELECT n FROM t").await.parse().expect("a number");
                        let update = format!("UPDATE t SET n = {}; COMMIT", n + 1);
                        let Err(overtaken) = attempt(&mut sql, &update).await else { break };
                        assert_eq!(common::number(&overtaken), 1205);
                        again += 1;
                    }
                }
                again
            })
        })
        .collect();
    let mut again = 0;
    for task in tasks {
        again += task.await.expect("done");
    }
    assert_eq!(rows(&mut azure.connect().await, "SELECT n FROM t").await, "60");
    until("each is closed", || azure.endpoint.counts().closed == 8).await;
    assert_eq!(azure.endpoint.counts().rollbacks, again);
}
