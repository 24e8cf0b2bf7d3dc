//! UPDATE, DELETE and INSERT over several tables, with TOP and OUTPUT, and into new tables and table variables.

mod common;

use common::{Sql, azure, fails, rows, run};

async fn shop(sql: &mut Sql) {
    run(
        sql,
        "CREATE TABLE dbo.customer (id int IDENTITY PRIMARY KEY, name nvarchar(20) NOT NULL, city varchar(20)); \
         CREATE TABLE dbo.sale (id int IDENTITY PRIMARY KEY, customer int REFERENCES customer(id), total decimal(18, 2)); \
         INSERT customer (name, city) VALUES ('Ann', 'Oslo'), ('Bob', 'Rome'), ('Cyd', NULL); \
         INSERT sale (customer, total) VALUES (1, 10.50), (1, 20), (2, 5)",
    )
    .await;
}

#[tokio::test]
async fn an_update_may_join_other_tables() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    shop(&mut sql).await;
    for (text, expected) in [
        (
            "UPDATE s SET total = s.total + 1 FROM dbo.sale AS s INNER JOIN dbo.customer AS c ON c.id = s.customer \
             WHERE c.name = 'ann'; SELECT @@ROWCOUNT",
            "2",
        ),
        (
            "UPDATE dbo.sale SET total = total * 2 FROM dbo.sale JOIN customer c ON c.id = sale.customer \
             WHERE c.name = 'Bob'; SELECT total FROM sale",
            "11.50 | 21.00 | 10.00",
        ),
        (
            "UPDATE s SET s.total = 7 OUTPUT inserted.id, deleted.total, inserted.total AS now, c.name FROM sale s \
             JOIN customer c ON c.id = s.customer WHERE c.name = 'Bob'",
            "3, 10.00, 7.00, Bob",
        ),
        ("UPDATE sale SET total += 1 WHERE id = 1; SELECT total FROM sale WHERE id = 1", "12.50"),
        ("UPDATE sale SET total -= 2 - 1 WHERE id = 1; SELECT total FROM sale WHERE id = 1", "11.50"),
        ("DECLARE @v decimal(9, 2); UPDATE sale SET @v = total, total = 1 WHERE id = 1; SELECT @v", "11.50"),
        ("UPDATE TOP (1) sale SET total = 0; SELECT @@ROWCOUNT, COUNT(*) FROM sale WHERE total = 0", "1, 1"),
        (
            "WITH last AS (SELECT TOP 1 * FROM sale ORDER BY id DESC) UPDATE last SET total = 9; \
             SELECT total FROM sale WHERE id = 3",
            "9.00",
        ),
        ("UPDATE sale SET total = DEFAULT WHERE id = 3; SELECT total FROM sale WHERE id = 3", "NULL"),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    for (text, expected) in [
        ("UPDATE sale SET id = 7", 8102),
        ("UPDATE nope SET id = 7 FROM sale", 208),
        ("UPDATE s SET nope = 7 FROM sale s", 207),
        ("UPDATE other.dbo.sale SET total = 1", 40515),
        ("UPDATE nope.sale SET total = 1", 208),
        ("UPDATE TOP (1) WITH TIES sale SET total = 1", 156),
        ("UPDATE s SET customer = 99 FROM sale s", 547),
    ] {
        assert_eq!(fails(&mut sql, text).await, expected, "{text}");
    }
}

#[tokio::test]
async fn a_delete_may_join_other_tables() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    shop(&mut sql).await;
    for (text, expected) in [
        (
            "DELETE s OUTPUT deleted.id, c.name FROM dbo.sale AS s JOIN customer c ON c.id = s.customer \
             WHERE c.name = 'Bob'",
            "3, Bob",
        ),
        ("DELETE FROM x FROM sale x WHERE x.id = 99; SELECT @@ROWCOUNT", "0"),
        ("DELETE TOP (1) FROM sale; SELECT @@ROWCOUNT", "1"),
        ("DELETE sale OUTPUT deleted.*", "2, 1, 20.00"),
        (
            "WITH c AS (SELECT id, ROW_NUMBER() OVER (ORDER BY name DESC) AS place FROM customer) \
             DELETE FROM c WHERE place > 1; SELECT name FROM customer",
            "Cyd",
        ),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
}

#[tokio::test]
async fn rows_go_into_new_tables_and_table_variables() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    shop(&mut sql).await;
    for (text, expected) in [
        (
            "SELECT * INTO #copy FROM customer; SELECT @@ROWCOUNT, COUNT(*) FROM #copy WHERE name = 'ANN'",
            "3, 1",
        ),
        (
            "SELECT id, name AS label, id * 2 AS twice INTO made FROM customer WHERE 1 = 0; \
             INSERT made OUTPUT inserted.label SELECT id, name, 1 FROM customer WHERE id = 1",
            "Ann",
        ),
        (
            "DECLARE @made TABLE (id int, name nvarchar(20)); \
             INSERT customer (name) OUTPUT inserted.id, inserted.name INTO @made VALUES ('Dee'), ('Eve'); \
             SELECT * FROM @made",
            "4, Dee | 5, Eve",
        ),
        (
            "DECLARE @t TABLE (id int PRIMARY KEY, n int DEFAULT 5, CHECK (n > 0)); INSERT @t (id) VALUES (1), (2); \
             UPDATE t SET n = 9 FROM @t t WHERE id = 1; DELETE @t WHERE id = 2; \
             SELECT t.*, c.name FROM @t AS t JOIN customer c ON c.id = t.id",
            "1, 9, Ann",
        ),
        (
            "DECLARE @gone TABLE (id int, n int); DELETE sale OUTPUT deleted.id INTO @gone (id) WHERE id < 3; \
             SELECT id, n FROM @gone",
            "1, NULL | 2, NULL",
        ),
        (
            "WITH a AS (SELECT id FROM customer WHERE id < 3) INSERT INTO sale (customer, total) SELECT id, 1 FROM a; \
             SELECT @@ROWCOUNT",
            "2",
        ),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    for (text, expected) in [
        ("SELECT * FROM @t", 1087),
        ("INSERT @t VALUES (1)", 1087),
        ("SELECT id + 1 INTO x FROM customer", 1038),
        ("SELECT id, id INTO x FROM customer", 2705),
        ("SELECT id INTO customer FROM sale", 2714),
        ("DECLARE @t TABLE (n int CHECK (n > 0)); INSERT @t VALUES (-1)", 547),
        ("DECLARE c CURSOR FOR SELECT 1", 40510),
        ("INSERT customer (name) OUTPUT inserted.id INTO #nope VALUES ('x')", 208),
    ] {
        assert_eq!(fails(&mut sql, text).await, expected, "{text}");
    }
    assert_eq!(rows(&mut sql, "SELECT COUNT(*) FROM customer WHERE name = 'x'").await, "0");
}

#[tokio::test]
async fn default_values_may_stand_behind_an_output() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (id int IDENTITY(7, 1) PRIMARY KEY, n int DEFAULT 5, s nvarchar(5))").await;
    for (text, expected) in [
        ("INSERT INTO t OUTPUT inserted.id, inserted.n DEFAULT VALUES", "7, 5"),
        (
            "INSERT [dbo].[t] OUTPUT inserted.[id]\n DEFAULT\n VALUES; SELECT id, s FROM t",
            "7, NULL | 8, NULL",
        ),
        ("INSERT t DEFAULT VALUES; SELECT MAX(id) FROM t", "9"),
        ("INSERT t (n, s) OUTPUT inserted.n VALUES (DEFAULT, DEFAULT)", "5"),
        (
            "DECLARE @made TABLE (id int); INSERT t OUTPUT inserted.id INTO @made DEFAULT VALUES; SELECT id FROM @made",
            "11",
        ),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
}

#[tokio::test]
async fn a_table_variable_ends_with_its_batch_whatever_is_rolled_back_then() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    for _ in 0..2 {
        run(&mut sql, "DECLARE @t TABLE (id int); BEGIN TRANSACTION; INSERT @t VALUES (1)").await;
        run(&mut sql, "ROLLBACK").await;
        assert_eq!(fails(&mut sql, "SELECT * FROM @t").await, 1087);
    }
    assert_eq!(
        rows(
            &mut sql,
            "DECLARE @t TABLE (id int); INSERT @t VALUES (1); BEGIN TRANSACTION; ROLLBACK; SELECT * FROM @t"
        )
        .await,
        "1"
    );
}

#[tokio::test]
async fn a_rollback_gives_no_identity_values_back() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (id int IDENTITY, n int)").await;
    run(&mut sql, "BEGIN TRANSACTION; INSERT t (n) VALUES (1); ROLLBACK").await;
    assert_eq!(rows(&mut sql, "INSERT t (n) OUTPUT inserted.id VALUES (2)").await, "2");
}

#[tokio::test]
async fn rows_of_one_update_may_take_over_each_other_s_keys() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE line (id int CONSTRAINT pk_line PRIMARY KEY, place int CONSTRAINT uq_place UNIQUE, mark int); \
         CREATE UNIQUE INDEX ix_mark ON line (mark) WHERE mark IS NOT NULL; \
         CREATE TABLE note (line int REFERENCES line(id)); \
         INSERT line VALUES (1, 10, 5), (2, 11, 6), (3, 12, NULL); INSERT note VALUES (1), (3)",
    )
    .await;
    let all = "SELECT id, place, mark FROM line ORDER BY id";
    for (text, expected) in [
        ("UPDATE line SET place = place + 1", "1, 11, 5 | 2, 12, 6 | 3, 13, NULL"),
        ("UPDATE line SET place = place - 1, mark = 11 - mark", "1, 10, 6 | 2, 11, 5 | 3, 12, NULL"),
        (
            "UPDATE l SET place = o.place FROM line l JOIN line o ON l.id + o.id = 3",
            "1, 11, 6 | 2, 10, 5 | 3, 12, NULL",
        ),
        (
            "MERGE line USING (VALUES (1, 12), (3, 11)) AS v (id, place) ON v.id = line.id \
             WHEN MATCHED THEN UPDATE SET place = v.place;",
            "1, 12, 6 | 2, 10, 5 | 3, 11, NULL",
        ),
    ] {
        run(&mut sql, text).await;
        assert_eq!(rows(&mut sql, all).await, expected, "{text}");
    }
    // What is a duplicate at the end is one; the keys are what they were.
    for (text, number) in [
        ("UPDATE line SET place = place % 2", 2627),
        ("UPDATE line SET place = 10 WHERE id = 1", 2627),
        ("UPDATE line SET mark = 1", 2601),
        ("UPDATE line SET id = 2 WHERE id = 1", 2627),
        ("INSERT line VALUES (4, 12, 1)", 2627),
        ("INSERT line VALUES (4, 99, 6)", 2601),
        ("UPDATE line SET place = place + 50, id = 9 WHERE id = 3", 547),
    ] {
        assert_eq!(fails(&mut sql, text).await, number, "{text}");
    }
    assert_eq!(rows(&mut sql, all).await, "1, 12, 6 | 2, 10, 5 | 3, 11, NULL");
    assert_eq!(
        rows(
            &mut sql,
            "SELECT name FROM sys.indexes WHERE object_id = OBJECT_ID('line') AND is_unique = 1 ORDER BY name"
        )
        .await,
        "ix_mark | pk_line | uq_place"
    );
    assert_eq!(
        rows(
            &mut sql,
            "CREATE TABLE #t (id int PRIMARY KEY); INSERT #t VALUES (1), (2); BEGIN TRANSACTION; UPDATE #t SET id = id + 1; \
             UPDATE line SET place = place + 1; ROLLBACK; SELECT SUM(id), (SELECT MIN(place) FROM line) FROM #t"
        )
        .await,
        "3, 10"
    );
}
