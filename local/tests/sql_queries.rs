//! Queries of several parts: recursion and its limit, windows, sets, hints; and what a session says of itself.

mod common;

use common::{azure, fails, rows, run};

#[tokio::test]
async fn a_recursion_ends_at_its_limit() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE part (id int, parent int, name nvarchar(10)); \
         INSERT part VALUES (1, NULL, 'car'), (2, 1, 'wheel'), (3, 2, 'tyre')",
    )
    .await;
    let tree = "WITH tree AS (SELECT id, name, 0 AS depth FROM part WHERE parent IS NULL UNION ALL \
                SELECT p.id, p.name, t.depth + 1 FROM part p JOIN tree t ON t.id = p.parent) \
                SELECT * FROM tree ORDER BY depth DESC";
    assert_eq!(rows(&mut sql, tree).await, "3, tyre, 2 | 2, wheel, 1 | 1, car, 0");
    let count = |most: u32, end: &str| {
        format!(
            "WITH r(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM r WHERE n < {most}) SELECT MAX(n), COUNT(*) FROM r {end}; \
             SELECT 1 AS other"
        )
    };
    run(&mut sql, &count(101, "")).await;
    assert_eq!(fails(&mut sql, &count(102, "")).await, 530);
    assert_eq!(fails(&mut sql, &count(12, "OPTION (RECOMPILE, MAXRECURSION 10)")).await, 530);
    run(&mut sql, &count(250, "OPTION (MAXRECURSION 300)")).await;
    run(&mut sql, &count(5000, "OPTION (MAXRECURSION 0)")).await;
}

#[tokio::test]
async fn windows_sets_and_hints_work() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (id int PRIMARY KEY, g varchar(5), n int); INSERT t VALUES (1, 'a', 10), (2, 'a', 20), (3, 'b', 30)")
        .await;
    for (text, expected) in [
        (
            "SELECT ROW_NUMBER() OVER (PARTITION BY g ORDER BY id DESC), SUM(n) OVER (ORDER BY id ROWS UNBOUNDED PRECEDING), \
             LAG(n, 1, 0) OVER (ORDER BY id), COUNT(*) OVER (PARTITION BY g) FROM t ORDER BY id",
            "2, 10, 0, 2 | 1, 30, 10, 2 | 1, 60, 20, 1",
        ),
        (
            "SELECT NTILE(2) OVER (ORDER BY id), RANK() OVER (ORDER BY g), DENSE_RANK() OVER (ORDER BY g), PERCENT_RANK() OVER (ORDER BY id) FROM t",
            "1, 1, 1, 0 | 1, 1, 1, 0.5 | 2, 3, 2, 1",
        ),
        (
            "SELECT n FROM (VALUES ('B'), ('b'), ('a')) AS v (n) ORDER BY n COLLATE Latin1_General_CS_AS",
            "a | b | B",
        ),
        ("SELECT id FROM t EXCEPT SELECT 2 ORDER BY id", "1 | 3"),
        ("SELECT id FROM t INTERSECT SELECT 2", "2"),
        ("SELECT g FROM t UNION ALL SELECT 'c' ORDER BY g DESC", "c | b | a | a"),
        (
            "SELECT n FROM (SELECT TOP 1 n FROM t ORDER BY n DESC) AS a UNION ALL (SELECT id FROM t ORDER BY id OFFSET 1 ROWS \
             FETCH NEXT 1 ROWS ONLY) UNION ALL SELECT 7 ORDER BY n",
            "2 | 7 | 30",
        ),
        ("(SELECT TOP 1 id FROM t ORDER BY id DESC) UNION (SELECT TOP 1 id FROM t ORDER BY id)", "1 | 3"),
        (
            "SELECT t.id FROM t (NOLOCK) WHERE EXISTS (SELECT 1 FROM t AS u WITH (NOLOCK) WHERE u.n > t.n)",
            "1 | 2",
        ),
        ("SELECT id FROM t WHERE id = ANY (SELECT 2) OR id <> ALL (SELECT id FROM t WHERE id < 3)", "2 | 3"),
        ("SELECT id FROM t WHERE id !> 1 OR id !< 3 OPTION (RECOMPILE)", "1 | 3"),
        ("DECLARE @from int = 1; SELECT id FROM t ORDER BY id OFFSET @from ROWS FETCH NEXT 1 ROWS ONLY", "2"),
        ("SELECT g, COUNT(*) AS n FROM todos.dbo.t GROUP BY g HAVING COUNT(*) > 1 ORDER BY n DESC", "a, 2"),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    for (text, number) in [
        ("SELECT * FROM other.dbo.t", 40515),
        ("USE other", 40508),
        ("SELECT g, COUNT(*) FROM t GROUP BY ROLLUP(g)", 40510),
        ("SELECT * FROM t PIVOT (SUM(n) FOR g IN ([a], [b])) AS p", 40510),
        ("GOTO done", 40510),
        ("SELECT id FROM t WHERE id > ANY (SELECT 1)", 40510),
        ("INSERT dbo.t (id, n) EXEC sp_who", 40510),
        ("SELECT 1 << 2", 102),
    ] {
        assert_eq!(fails(&mut sql, text).await, number, "{text}");
    }
}

#[tokio::test]
async fn a_batch_can_ask_about_names_and_itself() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (id int, name nvarchar(10), d decimal(18, 2), b varbinary(max))").await;
    for (text, expected) in [
        (
            "SELECT COL_LENGTH('dbo.t', 'NAME'), COL_LENGTH('t', 'd'), COL_LENGTH('t', 'b'), COL_LENGTH('t', 'no')",
            "20, 9, -1, NULL",
        ),
        (
            "SELECT OBJECT_NAME(OBJECT_ID('dbo.t')), OBJECT_ID('dbo.no'), SCHEMA_ID('dbo'), SCHEMA_NAME(1)",
            "t, NULL, 1, dbo",
        ),
        ("IF COL_LENGTH('t', 'x') IS NULL ALTER TABLE t ADD x int; SELECT x FROM t", ""),
        (
            "IF OBJECT_ID('tempdb..#z') IS NOT NULL DROP TABLE #z; CREATE TABLE #z (a int); SELECT IIF(OBJECT_ID('tempdb..#z') IS NULL, 0, 1)",
            "1",
        ),
        (
            "SELECT IIF(CURRENT_USER = USER_NAME() AND SYSTEM_USER = SUSER_SNAME(), 1, 0), @@DATEFIRST, PARSENAME('a.b.c', 2)",
            "1, 7, b",
        ),
        (
            "BEGIN TRY RAISERROR('bad %s %d', 16, 3, 'x', 5) END TRY BEGIN CATCH SELECT ERROR_NUMBER(), ERROR_MESSAGE(), \
             ERROR_SEVERITY(), ERROR_STATE(), ERROR_LINE() END CATCH",
            "50000, bad x 5, 16, 3, 1",
        ),
        ("SELECT 1; RETURN; SELECT 2", "1"),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
}

#[tokio::test]
async fn a_statement_has_one_time_for_all_of_its_rows() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    let text = "CREATE TABLE t (n int, d datetime2 DEFAULT SYSUTCDATETIME()); \
                INSERT t (n) SELECT value FROM GENERATE_SERIES(1, 2000); \
                WAITFOR DELAY '00:00:00.005'; INSERT t (n) VALUES (0); \
                SELECT COUNT(DISTINCT d), IIF(SYSDATETIME() = SYSDATETIME(), 1, 0) FROM t";
    assert_eq!(rows(&mut sql, text).await, "2, 1");
    let waits = "DECLARE @end datetime2 = DATEADD(millisecond, 20, SYSDATETIME()), @n int = 0; \
                 WHILE SYSDATETIME() < @end SET @n += 1; SELECT IIF(@n > 0, 1, 0)";
    assert_eq!(rows(&mut sql, waits).await, "1");
}
