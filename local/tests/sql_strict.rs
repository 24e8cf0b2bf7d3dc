//! What SQLite or the parser would take, and Azure SQL refuses: an application learns of it here, not there.

mod common;

use common::{attempt, azure, fails, number, rows, run};

#[tokio::test]
async fn a_subquery_for_a_value_gives_one_row_at_most() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (id int, a int, name nvarchar(9)); INSERT t VALUES (1, 1, 'x'), (2, 1, 'y'), (3, 2, NULL)")
        .await;
    for (text, expected) in [
        ("SELECT (SELECT name FROM t WHERE id = 2)", "y"),
        ("SELECT (SELECT id FROM t WHERE id = 9), (SELECT name FROM t WHERE id = 3)", "NULL, NULL"),
        ("SELECT (SELECT TOP 1 id FROM t ORDER BY id DESC), (SELECT COUNT(*) FROM t), (SELECT 5)", "3, 3, 5"),
        (
            "SELECT o.id, (SELECT i.id + 10 FROM t AS i WHERE i.id = o.id) FROM t AS o ORDER BY o.id",
            "1, 11 | 2, 12 | 3, 13",
        ),
        ("SELECT id FROM t WHERE name = (SELECT N'X ' UNION SELECT N'x')", "1"),
        (
            "SELECT id FROM t WHERE id IN (SELECT id FROM t) AND EXISTS (SELECT id, a FROM t) AND id = ANY (SELECT 2)",
            "2",
        ),
        (
            "UPDATE t SET a = (SELECT MAX(x.a) FROM t AS x WHERE x.id < t.id) OUTPUT inserted.a WHERE id = 2",
            "1",
        ),
        ("SELECT (SELECT id FROM t ORDER BY id FOR JSON PATH)", r#"[{"id":1},{"id":2},{"id":3}]"#),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    for (text, expected) in [
        ("SELECT (SELECT id FROM t)", 512),
        ("SELECT id FROM t WHERE a = (SELECT a FROM t WHERE a = 1)", 512),
        ("SELECT o.id, (SELECT i.name FROM t AS i WHERE i.a = o.a) FROM t AS o", 512),
        ("SELECT (SELECT id FROM t WHERE id = 1 UNION ALL SELECT 2)", 512),
        ("SELECT (SELECT TOP 2 id FROM t)", 512),
        ("UPDATE t SET a = (SELECT id FROM t)", 512),
        ("DECLARE @n int = (SELECT id FROM t)", 512),
        ("SELECT (SELECT id, a FROM t WHERE id = 1)", 116),
    ] {
        assert_eq!(fails(&mut sql, text).await, expected, "{text}");
    }
}

#[tokio::test]
async fn names_mean_what_they_mean_there() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (id int, a int, oid int); INSERT t VALUES (1, 1, 7), (2, 1, 8); CREATE TABLE u (id int)")
        .await;
    for (text, expected) in [
        ("SELECT a AS x FROM t ORDER BY x, t.id", "1 | 1"),
        ("SELECT id AS a FROM t WHERE a = 1 ORDER BY id", "1 | 2"),
        ("SELECT a AS x, COUNT(*) AS n FROM t GROUP BY a HAVING COUNT(*) > 1 ORDER BY n, x", "1, 2"),
        ("SELECT x FROM (SELECT a + 1 AS x FROM t) AS d WHERE x = 2 GROUP BY x", "2"),
        ("SELECT DISTINCT t.a AS x FROM t ORDER BY a", "1"),
        ("SELECT DISTINCT a + 1 FROM t ORDER BY a + 1", "2"),
        ("SELECT oid FROM t ORDER BY oid", "7 | 8"),
        (
            "SELECT t.id FROM t GROUP BY t.id HAVING t.id IN (SELECT a FROM t) ORDER BY CASE WHEN t.id IN (SELECT oid FROM t) THEN 1 END",
            "1",
        ),
        ("SELECT COUNT(*), CASE WHEN 1 IN (SELECT a FROM t) THEN 'y' END FROM t", "2, y"),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    for (text, expected) in [
        ("SELECT a AS x FROM t WHERE x = 1", 207),
        ("SELECT a + 1 AS x, COUNT(*) FROM t GROUP BY x", 207),
        ("SELECT a, COUNT(*) AS c FROM t GROUP BY a HAVING c > 1", 207),
        ("SELECT a AS x FROM t ORDER BY x + 1", 207),
        ("SELECT rowid FROM t", 207),
        ("SELECT id FROM t WHERE t._rowid_ = 1", 207),
        ("SELECT oid FROM u", 207),
        ("DELETE u WHERE rowid = 1", 207),
        ("SELECT DISTINCT a FROM t ORDER BY id", 145),
        ("SELECT a FROM t GROUP BY a ORDER BY id", 8127),
        ("SELECT a FROM t GROUP BY a HAVING id > 1", 8121),
        ("SELECT * FROM (SELECT a, a FROM t) AS d", 8156),
        ("WITH d AS (SELECT id, t.id FROM t) SELECT 1 FROM d", 8156),
        ("SELECT * FROM (SELECT a + 1 FROM t) AS d", 8155),
        ("SELECT * FROM sqlite_schema", 208),
        ("SELECT * FROM pragma_table_list", 208),
        ("CREATE TABLE w (a int, b int, A int)", 2705),
        ("ALTER TABLE t ADD a int", 2705),
        ("INSERT t (id, id) VALUES (1, 1)", 264),
        ("UPDATE t SET a = 1, A = 2", 264),
    ] {
        assert_eq!(fails(&mut sql, text).await, expected, "{text}");
    }
}

#[tokio::test]
async fn a_condition_is_no_value_and_a_value_no_condition() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (a int, b bit); INSERT t VALUES (1, 1)").await;
    for (text, expected) in [
        ("SELECT IIF(a = 1 AND b = 1, 'y', 'n'), x = 1 FROM t WHERE (NOT a IS NULL)", "y, 1"),
        (
            "SELECT CASE a WHEN 1 THEN 2 END, CASE WHEN a LIKE '1' OR EXISTS (SELECT 1) THEN 3 END FROM t",
            "2, 3",
        ),
        ("IF EXISTS (SELECT 1 FROM t) AND 1 IS NOT DISTINCT FROM 1 SELECT 4", "4"),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    for (text, expected) in [
        ("SELECT 1 WHERE 1", 4145),
        ("SELECT a FROM t WHERE b", 4145),
        ("SELECT a FROM t WHERE a = 1 AND b", 4145),
        ("SELECT a FROM t WHERE NOT b", 4145),
        ("SELECT CASE WHEN b THEN 1 END FROM t", 4145),
        ("SELECT 1 FROM t JOIN t AS u ON u.b", 4145),
        ("SELECT a FROM t GROUP BY a HAVING COUNT(*)", 4145),
        ("IF 1 SELECT 1", 4145),
        ("WHILE (1) BREAK", 4145),
        ("DELETE t WHERE b", 4145),
        ("SELECT a > 1 FROM t", 102),
        ("SELECT (1 = 1)", 102),
        ("SELECT ABS(a > 1) FROM t", 102),
        ("SELECT NOT 1", 156),
        ("SELECT a IS NULL FROM t", 156),
        ("UPDATE t SET b = a > 1", 102),
        ("SELECT a FROM t WHERE COUNT(*) > 1", 147),
        ("SELECT a FROM t WHERE ROW_NUMBER() OVER (ORDER BY a) = 1", 4108),
    ] {
        assert_eq!(fails(&mut sql, text).await, expected, "{text}");
    }
}

#[tokio::test]
async fn other_databases_forms_are_no_syntax() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (id int PRIMARY KEY)").await;
    for (text, expected) in [
        ("INSERT INTO t VALUES (1) ON CONFLICT DO NOTHING", 156),
        ("INSERT OR REPLACE INTO t VALUES (1)", 156),
        ("INSERT INTO t VALUES (1) RETURNING id", 102),
        ("SELECT * FROM t JOIN t AS u USING (id)", 102),
        ("SELECT * FROM t NATURAL JOIN t AS u", 102),
        ("SELECT '1'::int", 102),
        ("SELECT 1 == 1", 102),
        ("VALUES (1)", 156),
        ("DROP TABLE t CASCADE", 156),
        ("SELECT id FROM t LIMIT 1", 102),
        ("SELECT id FROM t ORDER BY id NULLS FIRST", 102),
        ("SELECT SUBSTR('abc', 1, 1)", 195),
        ("SELECT SUBSTRING('abc' FROM 1 FOR 1)", 156),
        ("SELECT EXTRACT(YEAR FROM GETDATE())", 195),
        ("SELECT IFNULL(NULL, 1)", 195),
        ("CREATE TABLE IF NOT EXISTS u (id int)", 156),
    ] {
        assert_eq!(fails(&mut sql, text).await, expected, "{text}");
    }
    assert_eq!(rows(&mut sql, "SELECT COUNT(*) FROM t").await, "0");
}

#[tokio::test]
async fn a_clause_that_the_endpoint_does_not_have_is_named() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (a int, s nvarchar(9)); INSERT t VALUES (1, 'x'), (2, 'y')").await;
    let one = "DECLARE @s nvarchar(9) = N'<'; SELECT @s = @s + s FROM t WHERE a = 2; SELECT @s";
    assert_eq!(rows(&mut sql, one).await, "<y");
    for (text, name) in [
        (
            "DECLARE @s nvarchar(9) = N''; SELECT @s = @s + s FROM t",
            "SELECT that gathers several rows in a variable, for which there are STRING_AGG and SUM",
        ),
        ("SELECT a FROM t GROUP BY a WITH ROLLUP", "GROUP BY with ROLLUP"),
        ("SELECT a FROM t GROUP BY a WITH CUBE", "GROUP BY with CUBE"),
        ("SELECT a FROM t GROUP BY GROUPING SETS ((a), ())", "GROUP BY with GROUPING SETS"),
        ("SELECT NEXT VALUE FOR dbo.numbers", "NEXT VALUE FOR"),
        ("SELECT a FROM t FOR SYSTEM_TIME ALL", "FOR SYSTEM_TIME"),
        ("SELECT a FROM t WHERE CONTAINS(s, 'x')", "CONTAINS"),
        ("SELECT a FROM t WHERE a = 1 AND FREETEXT(s, 'x')", "FREETEXT"),
        ("CREATE TABLE u (a int) WITH (SYSTEM_VERSIONING = ON)", "a table WITH SYSTEM_VERSIONING"),
    ] {
        let refused = attempt(&mut sql, text).await.expect_err(text);
        let message = format!("This is not supported by the local Azure SQL endpoint: {name}.");
        assert_eq!((number(&refused), refused.to_string().contains(&message)), (40510, true), "{refused}");
    }
}
