//! The statements of the todo application, through tiberius.

mod common;

use common::{Sql, azure, number};
use tiberius::time::time::OffsetDateTime;

async fn migrated(sql: &mut Sql) {
    let text = include_str!("../../migrations/0001_todo.sql");
    sql.simple_query(text).await.expect("sent").into_results().await.expect("migrated");
}

#[tokio::test]
async fn the_todo_application_s_statements_work() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    migrated(&mut sql).await;

    let insert = "INSERT INTO dbo.todo (title, done) OUTPUT inserted.id, inserted.title, inserted.done, \
                  inserted.created_at VALUES (@P1, @P2)";
    let before = OffsetDateTime::now_utc();
    for (at, title) in ["milk", "břeclav €"].into_iter().enumerate() {
        let row =
            sql.query(insert, &[&title, &(at == 1)]).await.expect("sent").into_row().await.expect("answered");
        let row = row.expect("a row");
        assert_eq!(row.get::<i32, _>("id"), Some(at as i32 + 1));
        assert_eq!(row.get::<&str, _>("title"), Some(title));
        assert_eq!(row.get::<bool, _>("done"), Some(at == 1));
        let created: OffsetDateTime = row.get("created_at").expect("a time");
        assert!((created - before).whole_seconds().abs() < 60, "{created}");
    }

    let select = "SELECT TOP (@P1) id, title, done, created_at FROM dbo.todo WHERE id > @P2 AND \
                  (@P3 IS NULL OR done = @P3) ORDER BY id";
    let none: Option<bool> = None;
    for (limit, after, done, expected) in [
        (10_i64, 0_i64, none, vec![1, 2]),
        (1, 0, none, vec![1]),
        (10, 1, none, vec![2]),
        (10, 0, Some(true), vec![2]),
    ] {
        let rows = sql.query(select, &[&limit, &after, &done]).await.expect("sent").into_first_result().await;
        let ids: Vec<i32> = rows.expect("rows").iter().map(|row| row.get(0).expect("an id")).collect();
        assert_eq!(ids, expected);
    }

    let update = "UPDATE dbo.todo SET title = COALESCE(@P2, title), done = COALESCE(@P3, done) OUTPUT inserted.id, \
                  inserted.title, inserted.done, inserted.created_at WHERE id = @P1";
    let title: Option<&str> = None;
    let row =
        sql.query(update, &[&1_i64, &title, &Some(true)]).await.expect("sent").into_row().await.expect("ok");
    let row = row.expect("a row");
    assert_eq!((row.get::<&str, _>("title"), row.get::<bool, _>("done")), (Some("milk"), Some(true)));

    let written =
        sql.execute("INSERT INTO dbo.todo_audit (todo_id, what) VALUES (@P1, @P2)", &[&1_i32, &"made"]).await;
    assert_eq!(written.expect("written").total(), 1);
    let delete = "DELETE FROM dbo.todo OUTPUT deleted.id WHERE id = @P1";
    let row = sql.query(delete, &[&1_i64]).await.expect("sent").into_row().await.expect("ok").expect("a row");
    assert_eq!(row.get::<i32, _>(0), Some(1));
    assert!(sql.query(delete, &[&1_i64]).await.expect("sent").into_row().await.expect("ok").is_none());
}

#[tokio::test]
async fn transactions_commit_roll_back_and_save() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    migrated(&mut sql).await;
    let insert = "INSERT INTO dbo.todo (title) VALUES (@P1)";

    sql.begin_transaction().await.expect("begun");
    sql.execute(insert, &[&"kept"]).await.expect("written");
    sql.save_transaction("here").await.expect("saved");
    sql.execute(insert, &[&"undone"]).await.expect("written");
    sql.simple_query("ROLLBACK TRAN here").await.expect("sent").into_results().await.expect("rolled back");
    let row = sql.simple_query("SELECT @@TRANCOUNT, XACT_STATE()").await.expect("sent").into_row().await;
    let row = row.expect("ok").expect("a row");
    assert_eq!((row.get::<i32, _>(0), row.get::<i16, _>(1)), (Some(1), Some(1)));
    sql.commit_transaction().await.expect("committed");

    sql.begin_transaction().await.expect("begun");
    sql.execute(insert, &[&"gone"]).await.expect("written");
    sql.rollback_transaction().await.expect("rolled back");

    let rows = sql.simple_query("SELECT title FROM dbo.todo").await.expect("sent").into_first_result().await;
    let titles: Vec<String> =
        rows.expect("rows").iter().map(|row| row.get::<&str, _>(0).expect("text").into()).collect();
    assert_eq!(titles, ["kept"]);
    let counts = azure.endpoint.counts();
    assert_eq!((counts.commits, counts.rollbacks), (1, 1));
    let error = sql.commit_transaction().await.expect_err("nothing to commit");
    assert_eq!(number(&error), 3902);
}

#[tokio::test]
async fn migrations_are_kept_in_a_book_under_a_lock() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    let book = "IF OBJECT_ID(N'dbo.sqlscope_migration', N'U') IS NULL CREATE TABLE dbo.sqlscope_migration (name \
                nvarchar(200) NOT NULL PRIMARY KEY, checksum char(64) NOT NULL, applied_at datetimeoffset(3) NOT NULL \
                DEFAULT SYSDATETIMEOFFSET())";
    for _ in 0..2 {
        common::run(&mut sql, book).await;
    }
    sql.begin_transaction().await.expect("begun");
    let lock = "DECLARE @r int; EXEC @r = sp_getapplock @Resource = N'sqlscope_migration', @LockMode = 'Exclusive', \
                @LockOwner = 'Transaction', @LockTimeout = 60000; IF @r < 0 THROW 50001, 'locked', 1";
    common::run(&mut sql, lock).await;
    migrated(&mut sql).await;
    let checksum = "ab".repeat(32);
    let insert = "INSERT INTO dbo.sqlscope_migration (name, checksum) VALUES (@P1, @P2)";
    sql.execute(insert, &[&"0001_todo.sql", &checksum]).await.expect("written");
    sql.commit_transaction().await.expect("committed");

    let select = "SELECT name, checksum, applied_at FROM dbo.sqlscope_migration ORDER BY name OFFSET @P1 ROWS FETCH NEXT \
                  @P2 ROWS ONLY";
    let row = sql
        .query(select, &[&0_i32, &1_i32])
        .await
        .expect("sent")
        .into_row()
        .await
        .expect("ok")
        .expect("a row");
    assert_eq!(row.get::<&str, _>("checksum"), Some(checksum.as_str()));
    assert!(row.get::<OffsetDateTime, _>("applied_at").is_some());
}

#[tokio::test]
async fn a_procedure_call_that_leaves_another_transaction_count_is_told_so() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    let error = sql.execute("BEGIN TRAN", &[]).await.expect_err("266, as SQL Server");
    assert_eq!(number(&error), 266);
    common::run(&mut sql, "IF @@TRANCOUNT > 0 ROLLBACK").await;
    assert_eq!(azure.endpoint.counts().rollbacks, 1);
}
