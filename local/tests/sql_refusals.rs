//! What a statement is refused for, by SQL Server's number or the endpoint's name for it, and what is left then.

mod common;

use common::{azure, fails, read, run};

#[tokio::test]
async fn errors_have_sql_servers_numbers() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE p (id int PRIMARY KEY); \
         CREATE TABLE t (id int CONSTRAINT pk_t PRIMARY KEY, u int UNIQUE, n nvarchar(3) NOT NULL DEFAULT 'x', \
         p int REFERENCES p, c int CHECK (c > 0), x int); CREATE UNIQUE INDEX ix_x ON t (x) WHERE x IS NOT NULL; \
         INSERT INTO t (id, u, x) VALUES (1, 1, 1)",
    )
    .await;
    for (text, expected) in [
        ("SELEC 1", 102),
        ("SELECT * FROM nope", 208),
        ("INSERT nope VALUES (1)", 208),
        ("SELECT nope FROM t", 207),
        ("UPDATE t SET nope = 1", 207),
        ("SELECT @nope", 137),
        ("SELECT nope(1)", 195),
        ("CREATE TABLE t (id int)", 2714),
        ("DROP TABLE nope", 3701),
        ("INSERT t (id, n) VALUES (2, NULL)", 515),
        ("INSERT t (id) VALUES (1)", 2627),
        ("INSERT t (id, u) VALUES (2, 1)", 2627),
        ("INSERT t (id, x) VALUES (2, 1)", 2601),
        ("INSERT t (id, p) VALUES (2, 7)", 547),
        ("INSERT t (id, c) VALUES (2, -1)", 547),
        ("INSERT t (id, n) VALUES (2, 'long')", 2628),
        ("INSERT t (id, n) VALUES (2)", 213),
        ("SELECT 1 / 0", 8134),
        ("SELECT CAST('x' AS int)", 245),
        ("SELECT * FROM t WHERE id = 'x'", 245),
        ("SELECT nope.id FROM t", 4104),
        ("INSERT t (id) VALUES (3), (4, 5)", 213),
        ("TRUNCATE TABLE nope", 208),
        ("SELECT CAST('x' AS datetime2)", 241),
        ("COMMIT", 3902),
        ("ROLLBACK", 3903),
        ("THROW 51234, 'mine', 1", 51234),
        ("RAISERROR('no', 16, 1)", 50000),
        ("EXEC sp_nope", 2812),
        ("EXEC sp_help 't'", 40510),
        ("CREATE SEQUENCE s", 40510),
        ("SET DEADLOCK_PRIORITY LOW", 40510),
        ("CREATE TABL nope (id int)", 102),
        ("UPDATE t SET", 102),
        ("ALTER TABLE t ADDD x int", 102),
    ] {
        assert_eq!(fails(&mut sql, text).await, expected, "{text}");
    }
    let (chain, union) = (" + 1".repeat(20_000), " UNION SELECT 1".repeat(20_000));
    let nested = ("(".repeat(3000), ")".repeat(3000));
    let commas = "+ POWER(1, 1) + CASE WHEN 1 = 1 THEN 1 END".repeat(20_000);
    for text in [
        format!("SELECT 1{chain}"),
        format!("SELECT 1{union}"),
        format!("SELECT 1{commas}"),
        format!("SELECT 1, 2{}", " UNION SELECT 1, 2".repeat(20_000)),
        format!("SELECT {}1{}", nested.0, nested.1),
    ] {
        assert_eq!(fails(&mut sql, &text).await, 191, "too deep");
    }
    let almost = format!("SELECT CASE WHEN 1 = 1{} THEN 1 END", " OR 1 = 2".repeat(700));
    assert!(sql.simple_query(almost).await.expect("sent").into_results().await.is_ok());
    let endless = "WITH c AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM c) SELECT REPLICATE('x', 8000) FROM c \
         OPTION (MAXRECURSION 0)";
    assert_eq!(fails(&mut sql, endless).await, 701);
    assert_eq!(read(&mut sql, "SELECT COUNT(*) FROM t").await, ["Some(1)"]);
}

#[tokio::test]
async fn a_statement_that_the_endpoint_does_not_have_is_named_and_nothing_of_its_batch_runs() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (id int)").await;
    for (text, name) in [
        ("CREATE PROCEDURE p @a int AS BEGIN SET NOCOUNT ON; SELECT @a END", "CREATE PROCEDURE"),
        ("CREATE OR ALTER PROC dbo.p AS INSERT t VALUES (1); INSERT t VALUES (2)", "CREATE PROC"),
        ("CREATE TRIGGER tr ON t AFTER INSERT AS INSERT t VALUES (1)", "CREATE TRIGGER"),
        ("CREATE FUNCTION dbo.f (@a int) RETURNS int AS BEGIN RETURN @a END", "CREATE FUNCTION"),
        ("CREATE TYPE dbo.ids AS TABLE (id int)", "CREATE TYPE"),
        ("CREATE USER [app] FROM EXTERNAL PROVIDER", "CREATE USER"),
        ("ALTER ROLE db_datareader ADD MEMBER [app]", "ALTER ROLE"),
        ("CREATE SYNONYM s FOR dbo.t", "CREATE SYNONYM"),
        ("ALTER DATABASE CURRENT SET ENCRYPTION ON", "ALTER DATABASE"),
        ("ALTER TABLE [t] SWITCH TO dbo.u", "ALTER TABLE … SWITCH TO"),
        ("ALTER INDEX ALL ON t REBUILD", "ALTER INDEX"),
        ("UPDATE STATISTICS t", "UPDATE STATISTICS"),
        ("DBCC SHOWCONTIG ('t')", "DBCC"),
        ("GRANT SELECT ON OBJECT::dbo.t TO [app]", "GRANT"),
    ] {
        let answer = match sql.simple_query(text).await {
            Ok(answer) => answer.into_results().await.map(drop),
            Err(error) => Err(error),
        };
        let Err(tiberius::error::Error::Server(error)) = answer else { panic!("{text}: {answer:?}") };
        let expected = format!("This is not supported by the local Azure SQL endpoint: {name}.");
        assert_eq!((error.code(), error.class(), error.message()), (40510, 16, expected.as_str()), "{text}");
    }
    assert_eq!(read(&mut sql, "SELECT COUNT(*) FROM t").await, ["Some(0)"]);
}

#[tokio::test]
async fn an_error_undoes_its_statement_and_xact_abort_the_whole_transaction() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (id int PRIMARY KEY)").await;
    let text = "BEGIN TRAN; INSERT t VALUES (1); INSERT t VALUES (2), (1); INSERT t VALUES (3)";
    assert_eq!(fails(&mut sql, text).await, 2627);
    assert_eq!(read(&mut sql, "SELECT @@TRANCOUNT").await, ["Some(1)"]);
    assert_eq!(read(&mut sql, "COMMIT; SELECT id FROM t").await, ["Some(1)", "Some(3)"]);
    let text = "SET XACT_ABORT ON; BEGIN TRAN; INSERT t VALUES (4); INSERT t VALUES (1); INSERT t VALUES (5)";
    assert_eq!(fails(&mut sql, text).await, 2627);
    assert_eq!(read(&mut sql, "SELECT @@TRANCOUNT").await, ["Some(0)"]);
    assert_eq!(read(&mut sql, "SELECT COUNT(*) FROM t").await, ["Some(2)"]);
    run(&mut sql, "BEGIN TRAN; CREATE TABLE made (id int); BEGIN TRAN; COMMIT; ROLLBACK").await;
    assert_eq!(fails(&mut sql, "SELECT * FROM made").await, 208);
}
