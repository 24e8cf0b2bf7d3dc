//! tiberius as an application uses it: batches, several results, transactions, calls, cancelling, packets of any size.

mod common;

use std::time::Duration;

use common::{Sql, azure, azure_where, fails, number, rows, run};
use sqlscope_local::sql::Faults;
use tiberius::{ColumnData, Command, IntoRow, IsolationLevel, QueryItem, TokenRow};

/// The rows of each result as numbers.
async fn results(sql: &mut Sql, text: &str) -> Vec<Vec<i32>> {
    let answer =
        sql.simple_query(text.to_owned()).await.expect("sent").into_results().await.expect("answered");
    let numbers = |rows: Vec<tiberius::Row>| rows.iter().filter_map(|row| row.get::<i32, _>(0)).collect();
    answer.into_iter().map(numbers).collect()
}

#[tokio::test]
async fn a_batch_of_many_statements_gives_each_result_in_its_order() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    let text = "CREATE TABLE t (n int); SELECT n FROM t; INSERT t VALUES (1), (2); SELECT n FROM t ORDER BY n; PRINT 'x'; \
                UPDATE t SET n += 10 OUTPUT inserted.n; DECLARE @n int = 5; SELECT @n; IF @n = 5 SELECT 6 ELSE SELECT 7";
    let expected = [vec![], vec![1, 2], vec![11, 12], vec![5], vec![6]];
    assert_eq!(results(&mut sql, text).await, expected);
    // An error in the middle ends neither what came before nor what comes after.
    let mut answer = sql.simple_query("SELECT 1; SELECT 1/0; SELECT 2").await.expect("sent");
    let (mut seen, mut errors) = (Vec::new(), Vec::new());
    use futures_util::StreamExt;
    while let Some(item) = answer.next().await {
        match item {
            Ok(QueryItem::Row(row)) => seen.push(row.get::<i32, _>(0)),
            Ok(QueryItem::Metadata(_)) => {}
            Err(error) => errors.push(number(&error)),
        }
    }
    drop(answer);
    assert_eq!((seen[0], errors), (Some(1), vec![8134]));
    assert_eq!(rows(&mut sql, "SELECT COUNT(*) FROM t").await, "2");
}

#[tokio::test]
async fn counts_of_rows_come_for_each_statement() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (n int)").await;
    let text = "INSERT t VALUES (1), (2), (3); UPDATE t SET n = n + @P1 WHERE n > 1; DELETE t WHERE n = 99; DELETE t";
    let counted = sql.execute(text, &[&1]).await.expect("run");
    assert_eq!(counted.rows_affected(), [3, 2, 0, 3]);
    let counted = sql.execute("SET NOCOUNT ON; INSERT t VALUES (1)", &[]).await.expect("run");
    assert_eq!(counted.total(), 0);
    let counted = sql.execute("INSERT t VALUES (1)", &[]).await.expect("run");
    assert_eq!(counted.total(), 1, "NOCOUNT lasted for its call");
}

#[tokio::test]
async fn transactions_of_every_level_with_savepoints_commit_and_roll_back() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (n int)").await;
    for (level, shown) in [
        (IsolationLevel::ReadUncommitted, 1),
        (IsolationLevel::ReadCommitted, 2),
        (IsolationLevel::RepeatableRead, 3),
        (IsolationLevel::Serializable, 4),
        (IsolationLevel::Snapshot, 5),
    ] {
        sql.begin_transaction_with_isolation(level).await.expect("begun");
        let text = "SELECT CAST(transaction_isolation_level AS int), @@TRANCOUNT FROM sys.dm_exec_sessions";
        assert_eq!(rows(&mut sql, text).await, format!("{shown}, 1"));
        sql.execute("INSERT t VALUES (@P1)", &[&shown]).await.expect("written");
        sql.save_transaction("one").await.expect("saved");
        run(&mut sql, "INSERT t VALUES (100)").await;
        sql.save_transaction("two").await.expect("saved");
        run(&mut sql, "INSERT t VALUES (200); ROLLBACK TRAN two; ROLLBACK TRAN one").await;
        sql.commit_transaction().await.expect("committed");
        sql.begin_transaction().await.expect("begun");
        run(&mut sql, "INSERT t VALUES (300)").await;
        sql.rollback_transaction().await.expect("rolled back");
    }
    assert_eq!(rows(&mut sql, "SELECT n FROM t ORDER BY n").await, "1 | 2 | 3 | 4 | 5");
    assert_eq!(number(&sql.rollback_transaction().await.expect_err("none is open")), 3903);
    assert_eq!(number(&sql.save_transaction("s").await.expect_err("none is open")), 628);
}

#[tokio::test]
async fn procedures_give_their_status_their_outputs_and_their_rows() {
    let azure = azure().await;
    let (mut sql, mut other) = (azure.connect().await, azure.connect().await);
    let mut lock = Command::new("sp_getapplock");
    for (name, value) in
        [("@Resource", "r"), ("@LockMode", "Exclusive"), ("@LockOwner", "Session"), ("@LockTimeout", "0")]
    {
        lock.bind_param(name, value);
    }
    let status = |answer: tiberius::CommandResult| answer.return_code() as i32;
    let answer = lock.exec(&mut sql).await.expect("sent").into_command_result().await.expect("answered");
    assert_eq!(status(answer), 0);
    let mut lock = Command::new("sys.sp_getapplock");
    for (name, value) in
        [("@Resource", "r"), ("@LockMode", "Shared"), ("@LockOwner", "Session"), ("@LockTimeout", "0")]
    {
        lock.bind_param(name, value);
    }
    let answer = lock.exec(&mut other).await.expect("sent").into_command_result().await.expect("answered");
    assert_eq!(status(answer), -1, "timed out");

    let mut call = Command::new("sp_executesql");
    call.bind_param("@stmt", "SET @total = @n * 2; SELECT @n AS n; SELECT @total + 1");
    call.bind_param("@params", "@n int, @total int OUTPUT");
    call.bind_param("@n", 21);
    call.bind_out_param("@total", 0);
    let answer = call.exec(&mut sql).await.expect("sent").into_command_result().await.expect("answered");
    assert_eq!(answer.try_return_value::<i32>("@total").expect("an output"), Some(42));
    let found = [0, 1].map(|at| answer.to_query_result(at).expect("a result")[0].get::<i32, _>(0));
    assert_eq!(found, [Some(21), Some(43)]);

    let unknown = Command::new("dbo.nowhere").exec(&mut sql).await.expect("sent").into_command_result().await;
    assert_eq!(number(&unknown.map(drop).expect_err("no procedure")), 2812);
}

#[tokio::test]
async fn a_statement_that_runs_is_cancelled_and_the_session_goes_on() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (n int)").await;
    for endless in [
        "WAITFOR DELAY '01:00:00'",
        "WHILE 1 = 1 SET NOCOUNT ON",
        "WITH r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r) SELECT COUNT(*) FROM r OPTION (MAXRECURSION 0)",
        "BEGIN TRAN; INSERT t VALUES (1); WAITFOR DELAY '01:00:00'",
    ] {
        let early = tokio::time::timeout(Duration::from_millis(200), sql.simple_query(endless)).await.is_ok();
        assert!(!early, "{endless} runs");
        tokio::time::timeout(Duration::from_secs(10), sql.cancel_query())
            .await
            .expect("soon")
            .expect("cancelled");
        assert_eq!(rows(&mut sql, "SELECT 7").await, "7", "{endless}");
    }
    assert_eq!(rows(&mut sql, "SELECT @@TRANCOUNT; ROLLBACK; SELECT COUNT(*) FROM t").await, "0");
}

#[tokio::test]
async fn a_bulk_load_takes_rows_of_every_kind_of_column() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE t (id int IDENTITY PRIMARY KEY, a bigint NOT NULL, b nvarchar(50), c varbinary(20), d float, e bit, \
         made AS a * 2, f nvarchar(10) NOT NULL DEFAULT 'none')",
    )
    .await;
    let mut load = sql.bulk_insert_columns("t", &["a", "b", "c", "d", "e"]).await.expect("INSERT BULK");
    for n in 0..5000_i64 {
        let text = (n % 2 == 0).then(|| format!("ž{n}"));
        let row: TokenRow<'_> = (n, text, vec![n as u8; 3], n as f64 / 4.0, n % 3 == 0).into_row();
        load.send(row).await.expect("a row");
    }
    assert_eq!(load.finalize().await.expect("loaded").total(), 5000);
    let select = "SELECT COUNT(*), COUNT(b), SUM(a), MAX(made), MIN(f), MAX(id), CAST(SUM(d) AS int) FROM t";
    assert_eq!(rows(&mut sql, select).await, "5000, 2500, 12497500, 9998, none, 5000, 3124375");
    // Inside of a transaction it goes with it.
    sql.begin_transaction().await.expect("begun");
    let mut load = sql.bulk_insert_columns("t", &["a"]).await.expect("INSERT BULK");
    let mut row = TokenRow::new();
    row.push(ColumnData::I64(Some(1)));
    load.send(row).await.expect("a row");
    load.finalize().await.expect("loaded");
    sql.rollback_transaction().await.expect("rolled back");
    assert_eq!(rows(&mut sql, "SELECT COUNT(*) FROM t").await, "5000");
}

#[tokio::test]
async fn messages_of_many_packets_go_both_ways_at_every_packet_size() {
    let azure = azure().await;
    for size in [512, 513, 1024, 4096, 8000, 16_384, 32_767] {
        let mut sql = azure.connect_with(|config| config.packet_size(size)).await;
        // Around the ends of packets, and far beyond.
        for length in [0, 1, 240, 251, 252, 253, 2000, 4000, 16_000, 120_000] {
            let text = "ž".repeat(length);
            let answer = sql.query("SELECT @P1, LEN(@P1)", &[&text]).await.expect("sent").into_row().await;
            let row = answer.expect("read").expect("a row");
            assert_eq!(row.get::<&str, _>(0), Some(text.as_str()), "{length} at {size}");
            let batch = format!("SELECT N'{text}'");
            assert_eq!(rows(&mut sql, &batch).await, text, "a batch of {length} at {size}");
        }
        let many = "SELECT value FROM GENERATE_SERIES(1, 3000)";
        assert_eq!(rows(&mut sql, many).await.split(" | ").count(), 3000, "{size}");
    }
}

#[tokio::test]
async fn a_packet_size_beyond_what_the_wire_has_is_the_nearest_that_it_has() {
    let azure = azure().await;
    for size in [1, 100_000] {
        let mut sql = azure.connect_with(|config| config.packet_size(size)).await;
        let text = "x".repeat(50_000);
        assert_eq!(rows(&mut sql, &format!("SELECT '{text}'")).await, text, "{size}");
    }
}

#[tokio::test]
async fn a_slow_network_changes_no_answer() {
    let faults = Faults { latency: Duration::from_millis(3), ..Faults::default() };
    let azure = azure_where(|options| options.faults = faults).await;
    let mut sql = azure.connect_with(|config| config.packet_size(512)).await;
    let text = "ž".repeat(20_000);
    assert_eq!(rows(&mut sql, &format!("SELECT N'{text}'")).await, text);
    assert_eq!(fails(&mut sql, "SELECT * FROM nowhere").await, 208);
}
