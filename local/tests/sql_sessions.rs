//! What sessions share and what they do not: state, locks, isolation.

mod common;

use std::{collections::HashSet, sync::Arc};

use common::{Sql, azure, fails, rows, run, until};
use tiberius::Command;

async fn one<T>(sql: &mut Sql, text: &str) -> Option<T>
where
    T: for<'a> tiberius::FromSql<'a> + Copy,
{
    let row = sql.simple_query(text).await.expect("sent").into_row().await.expect("answered").expect("a row");
    row.get::<T, _>(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_hundred_sessions_at_once_each_see_their_own() {
    let azure = Arc::new(azure().await);
    run(
        &mut azure.connect().await,
        "CREATE TABLE counter (id int PRIMARY KEY, n int NOT NULL); INSERT counter VALUES (1, 0)",
    )
    .await;
    let barrier = Arc::new(tokio::sync::Barrier::new(200));
    let tasks: Vec<_> = (0..200)
        .map(|_| {
            let (azure, barrier) = (Arc::clone(&azure), Arc::clone(&barrier));
            tokio::spawn(async move {
                let mut sql = azure.connect().await;
                barrier.wait().await;
                let spid = one::<i16>(&mut sql, "SELECT @@SPID").await.expect("a number");
                sql.begin_transaction().await.expect("begun");
                let before = one::<i32>(&mut sql, "SELECT n FROM counter WITH (UPDLOCK) WHERE id = 1").await;
                let next = before.expect("a count") + 1;
                sql.execute("UPDATE counter SET n = @P1 WHERE id = 1", &[&next]).await.expect("written");
                sql.commit_transaction().await.expect("committed");
                spid
            })
        })
        .collect();
    let mut spids = HashSet::new();
    for task in tasks {
        spids.insert(task.await.expect("done"));
    }
    assert_eq!(spids.len(), 200);
    assert_eq!(one::<i32>(&mut azure.connect().await, "SELECT n FROM counter").await, Some(200));
    until("all are closed", || azure.endpoint.counts().closed == 202).await;
    assert_eq!(azure.endpoint.counts().opened, 202);
}

#[tokio::test]
async fn each_session_sees_all_that_are_open() {
    let azure = azure().await;
    let mut one = azure.connect().await;
    let mut other = azure.connect_with(|config| config.application_name("other")).await;
    run(&mut other, "SET TRANSACTION ISOLATION LEVEL SNAPSHOT; BEGIN TRAN").await;
    let own = rows(
        &mut one,
        "SELECT COUNT(*) FROM sys.dm_exec_sessions WHERE session_id = @@SPID AND status = 'running'",
    );
    assert_eq!(own.await, "1");
    let text = "SELECT open_transaction_count, CAST(transaction_isolation_level AS int), status FROM sys.dm_exec_sessions \
                WHERE program_name = 'other' AND login_time <= GETDATE()";
    assert_eq!(rows(&mut one, text).await, "1, 5, sleeping");
    other.close().await.expect("closed");
    let closed = || azure.endpoint.counts().closed == 1;
    until("the other session's end", closed).await;
    assert_eq!(rows(&mut one, "SELECT COUNT(*) FROM sys.dm_exec_sessions").await, "1");
}

#[tokio::test]
async fn readers_see_what_is_committed_and_wait_for_no_writer() {
    let azure = azure().await;
    let (mut writer, mut reader) = (azure.connect().await, azure.connect().await);
    run(&mut writer, "CREATE TABLE t (n int); BEGIN TRAN; INSERT t VALUES (1)").await;
    assert_eq!(one::<i32>(&mut reader, "BEGIN TRAN; SELECT COUNT(*) FROM t").await, Some(0));
    run(&mut writer, "COMMIT").await;
    assert_eq!(one::<i32>(&mut reader, "SELECT COUNT(*) FROM t").await, Some(1), "READ COMMITTED");
    // A reader that becomes a writer after somebody else wrote.
    run(&mut reader, "INSERT t VALUES (2); COMMIT").await;
    assert_eq!(one::<i32>(&mut writer, "SELECT COUNT(*) FROM t").await, Some(2));
}

#[tokio::test]
async fn a_lock_that_is_not_given_times_out_as_1222() {
    let azure = azure().await;
    let (mut first, mut second) = (azure.connect().await, azure.connect().await);
    run(&mut first, "CREATE TABLE t (n int); BEGIN TRAN; INSERT t VALUES (1)").await;
    let text = "SET LOCK_TIMEOUT 50; INSERT t VALUES (2)";
    assert_eq!(fails(&mut second, text).await, 1222);
    run(&mut first, "ROLLBACK").await;
    run(&mut second, "INSERT t VALUES (2)").await;
}

#[tokio::test]
async fn application_locks_are_held_across_sessions_and_freed_at_their_end() {
    let azure = azure().await;
    let (mut first, mut second) = (azure.connect().await, azure.connect().await);
    let take = "DECLARE @r int; EXEC @r = sp_getapplock @Resource = N'migrations', @LockMode = 'Exclusive', \
                @LockOwner = 'Session', @LockTimeout = 0; SELECT @r";
    assert_eq!(one::<i32>(&mut first, take).await, Some(0));
    assert_eq!(one::<i32>(&mut second, take).await, Some(-1));
    run(&mut first, "EXEC sp_releaseapplock @Resource = N'migrations', @LockOwner = 'Session'").await;
    assert_eq!(one::<i32>(&mut second, take).await, Some(0));
    drop(second);
    until("the second is closed", || azure.endpoint.counts().closed == 1).await;
    assert_eq!(one::<i32>(&mut first, take).await, Some(0));
}

#[tokio::test]
async fn a_reset_connection_is_as_good_as_new() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE t (n int); CREATE TABLE #mine (n int); SET XACT_ABORT ON; \
         EXEC sp_set_session_context N'tenant', N'a'; BEGIN TRAN; INSERT t VALUES (1)",
    )
    .await;
    Command::new("sys.sp_reset_connection").exec(&mut sql).await.expect("reset");
    assert_eq!(one::<i32>(&mut sql, "SELECT @@TRANCOUNT").await, Some(0));
    assert_eq!(one::<i32>(&mut sql, "SELECT COUNT(*) FROM t").await, Some(0));
    assert_eq!(one::<i32>(&mut sql, "SELECT @@OPTIONS & 16384").await, Some(0), "XACT_ABORT");
    let row = sql.simple_query("SELECT SESSION_CONTEXT(N'tenant')").await.expect("sent").into_row().await;
    assert_eq!(row.expect("ok").expect("a row").get::<&str, _>(0), None);
    assert_eq!(fails(&mut sql, "SELECT * FROM #mine").await, 208);
}

#[tokio::test]
async fn a_temp_table_lasts_as_long_as_its_batch_s_scope() {
    let azure = azure().await;
    let (mut sql, mut other) = (azure.connect().await, azure.connect().await);
    run(&mut sql, "CREATE TABLE #mine (n int IDENTITY, x nvarchar(5)); INSERT #mine (x) VALUES ('a'), ('b')")
        .await;
    assert_eq!(one::<i32>(&mut sql, "SELECT MAX(n) FROM #mine").await, Some(2));
    assert_eq!(fails(&mut other, "SELECT * FROM #mine").await, 208);
    // sp_executesql is a procedure: what it makes goes when it returns.
    sql.execute("CREATE TABLE #short (n int)", &[]).await.expect("made");
    assert_eq!(fails(&mut sql, "SELECT * FROM #short").await, 208);
}

#[tokio::test]
async fn a_file_keeps_its_rows_from_one_endpoint_to_the_next() {
    let file = std::env::temp_dir().join(format!("sqlscope-test-{}.db", uuid::Uuid::new_v4()));
    let database = sqlscope_local::sql::Database::File(file.clone());
    let first = common::azure_with(database.clone()).await;
    run(
        &mut first.connect().await,
        "CREATE TABLE t (id int IDENTITY(5, 5), n int); INSERT t (n) VALUES (1), (2)",
    )
    .await;
    drop(first);
    let second = common::azure_with(database).await;
    let mut sql = second.connect().await;
    run(&mut sql, "INSERT t (n) VALUES (3)").await;
    assert_eq!(one::<i32>(&mut sql, "SELECT MAX(id) FROM t").await, Some(15));
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", file.display()));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_sessions_that_wait_for_each_other_are_a_deadlock() {
    let azure = azure().await;
    let (mut first, mut second) = (azure.connect().await, azure.connect().await);
    let take = "DECLARE @r int; EXEC @r = sp_getapplock @Resource = 'a', @LockMode = 'Exclusive', @LockOwner = \
                'Session', @LockTimeout = -1; SELECT @r";
    run(&mut first, "CREATE TABLE t (n int)").await;
    assert_eq!(one::<i32>(&mut first, take).await, Some(0));
    run(&mut second, "BEGIN TRAN; INSERT t VALUES (1)").await;
    let waiting = tokio::spawn(async move {
        let answer = one::<i32>(&mut second, take).await;
        drop(second);
        answer
    });
    // Whoever closes the circle is the victim: 1205 where a write is waited for, -3 from sp_getapplock.
    let written = match first.simple_query("INSERT t VALUES (2)").await {
        Ok(answer) => answer.into_results().await.map(drop),
        Err(error) => Err(error),
    };
    if let Err(error) = written {
        assert_eq!(common::number(&error), 1205);
        drop(first);
        assert_eq!(waiting.await.expect("done"), Some(1), "granted after a wait");
    } else {
        assert_eq!(waiting.await.expect("done"), Some(-3));
    }
}
