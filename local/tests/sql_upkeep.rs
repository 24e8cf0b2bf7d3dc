//! What fills and empties tables with constraints and identities: constraints switched off and on, identities reseeded.

mod common;

use common::{azure, fails, rows, run};

#[tokio::test]
async fn constraints_that_are_switched_off_let_rows_in_until_they_are_on_again() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE p (id int PRIMARY KEY); \
         CREATE TABLE t (id int PRIMARY KEY, p int CONSTRAINT FK_p REFERENCES p (id), n nvarchar(5), \
         CONSTRAINT CK_n CHECK (n <> 'it''s'), CONSTRAINT CK_id CHECK (id > 0))",
    )
    .await;
    let insert = "INSERT t VALUES (1, 9, 'it''s')";
    assert_eq!(fails(&mut sql, insert).await, 547);
    run(&mut sql, "ALTER TABLE t NOCHECK CONSTRAINT FK_p; ALTER TABLE dbo.t NOCHECK CONSTRAINT [ck_n];")
        .await;
    assert_eq!(fails(&mut sql, "INSERT t VALUES (0, 9, 'a')").await, 547);
    run(&mut sql, insert).await;
    let checks = "SELECT name, is_disabled, definition FROM sys.check_constraints ORDER BY name";
    assert_eq!(rows(&mut sql, checks).await, "CK_id, 0, ([id] > 0) | CK_n, 1, ([n] <> 'it''s')");
    assert_eq!(fails(&mut sql, "ALTER TABLE t WITH CHECK CHECK CONSTRAINT ALL").await, 547);
    // What failed has switched nothing; without WITH CHECK, the rows that are there are not looked at.
    run(&mut sql, "INSERT t VALUES (2, 9, 'a'); ALTER TABLE t CHECK CONSTRAINT FK_p, CK_n").await;
    assert_eq!(fails(&mut sql, "INSERT t VALUES (3, 9, 'a')").await, 547);
    assert_eq!(fails(&mut sql, "INSERT t VALUES (3, NULL, 'it''s')").await, 547);
    run(&mut sql, "DELETE t; ALTER TABLE t WITH CHECK CHECK CONSTRAINT ALL").await;
    run(&mut sql, "ALTER TABLE t NOCHECK CONSTRAINT ALL; INSERT t VALUES (0, 9, 'it''s'); DELETE t").await;
    run(&mut sql, "ALTER TABLE t CHECK CONSTRAINT ALL; ALTER TABLE t DROP CONSTRAINT CK_n, FK_p").await;
    assert_eq!(fails(&mut sql, "INSERT t VALUES (0, NULL, 'a')").await, 547);
    assert_eq!(fails(&mut sql, "ALTER TABLE t NOCHECK CONSTRAINT CK_n").await, 4917);
    run(&mut sql, "BEGIN TRAN; ALTER TABLE t NOCHECK CONSTRAINT CK_id; ROLLBACK").await;
    assert_eq!(fails(&mut sql, "INSERT t VALUES (0, NULL, 'a')").await, 547);
}

#[tokio::test]
async fn an_identity_is_reseeded() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (id int IDENTITY(5, 2), n int); CREATE TABLE plain (id int)").await;
    let next = "INSERT t (n) OUTPUT inserted.id VALUES (0)";
    // A table that has had no row begins with the new seed, any other goes on after it.
    run(&mut sql, "DBCC CHECKIDENT ('t', RESEED, 20)").await;
    assert_eq!(rows(&mut sql, next).await, "20");
    run(&mut sql, "DBCC CHECKIDENT ('dbo.t', RESEED, 30) WITH NO_INFOMSGS;").await;
    assert_eq!(rows(&mut sql, next).await, "32");
    run(&mut sql, "DELETE t; DBCC CHECKIDENT ([t], RESEED, 0)").await;
    assert_eq!(rows(&mut sql, next).await, "2");
    run(&mut sql, "TRUNCATE TABLE t; DBCC CHECKIDENT (t, RESEED, 1)").await;
    assert_eq!(rows(&mut sql, next).await, "1");
    run(&mut sql, "DBCC CHECKIDENT ('t', RESEED, -10); DBCC CHECKIDENT ('t', NORESEED)").await;
    assert_eq!(rows(&mut sql, next).await, "-8");
    run(&mut sql, "DBCC CHECKIDENT ('t')").await;
    assert_eq!(rows(&mut sql, next).await, "3");
    assert_eq!(fails(&mut sql, "DBCC CHECKIDENT ('plain', RESEED, 1)").await, 7997);
    assert_eq!(fails(&mut sql, "DBCC CHECKIDENT ('nope')").await, 2501);
}

#[tokio::test]
async fn what_a_migration_asks_about_constraints_and_columns_is_told() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE p (id int CONSTRAINT PK_p PRIMARY KEY); \
         CREATE TABLE t (id int, n int CONSTRAINT UQ_n UNIQUE, p int CONSTRAINT FK_p REFERENCES p (id), \
         CONSTRAINT CK_t CHECK (n > id)); INSERT t VALUES (1, 2, NULL)",
    )
    .await;
    let usage = "SELECT CONSTRAINT_NAME, TABLE_NAME, COLUMN_NAME FROM INFORMATION_SCHEMA.CONSTRAINT_COLUMN_USAGE \
                 ORDER BY CONSTRAINT_NAME, COLUMN_NAME";
    assert_eq!(
        rows(&mut sql, usage).await,
        "CK_t, t, id | CK_t, t, n | FK_p, t, p | PK_p, p, id | UQ_n, t, n"
    );
    let tables = "SELECT COUNT(*) FROM INFORMATION_SCHEMA.CONSTRAINT_TABLE_USAGE WHERE TABLE_NAME = 't'";
    assert_eq!(rows(&mut sql, tables).await, "3");
    assert_eq!(
        rows(&mut sql, "SELECT COL_NAME(OBJECT_ID('t'), 2), COL_NAME(OBJECT_ID('t'), 9)").await,
        "n, NULL"
    );
    assert_eq!(rows(&mut sql, "SELECT COUNT(*) FROM INFORMATION_SCHEMA.ROUTINES").await, "0");
    run(&mut sql, "ALTER TABLE t ADD h float DEFAULT 5.5 WITH VALUES, i int NULL DEFAULT 3, j int DEFAULT 4 WITH VALUES").await;
    assert_eq!(rows(&mut sql, "SELECT h, i, j FROM t").await, "5.5, NULL, 4");
}

#[tokio::test]
async fn an_identity_ends_with_its_type() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE s (id tinyint IDENTITY(255, 1), n int); INSERT s (n) VALUES (1); \
         CREATE TABLE b (id bigint IDENTITY PRIMARY KEY, n int); INSERT b (n) VALUES (1); \
         DBCC CHECKIDENT('b', RESEED, 9223372036854775806); INSERT b (n) VALUES (2)",
    )
    .await;
    assert_eq!(fails(&mut sql, "INSERT s (n) VALUES (2)").await, 220);
    assert_eq!(rows(&mut sql, "SELECT id FROM b ORDER BY id").await, "1 | 9223372036854775807");
    assert_eq!(fails(&mut sql, "INSERT b (n) VALUES (3)").await, 2627);
    run(&mut sql, "DBCC CHECKIDENT('b', RESEED, 9223372036854775807)").await;
    assert_eq!(rows(&mut sql, "SELECT COUNT(*) FROM b").await, "2");
}
