//! How many rows a query gives: TOP with PERCENT and TIES, OFFSET and FETCH with expressions.

mod common;

use common::{Sql, azure, fails, rows, run};

/// Seven rows, of which several have the same points.
async fn scores(sql: &mut Sql) {
    run(
        sql,
        "CREATE TABLE score (id int PRIMARY KEY, team nvarchar(10), points int, exact decimal(20, 2)); \
         INSERT score VALUES (1, 'red', 50, 5), (2, 'Red', 50, 5), (3, 'blue', 40, 4), (4, 'blue', 30, 3), \
         (5, 'green', 30, 3), (6, NULL, 30, 3), (7, NULL, 10, 1)",
    )
    .await;
}

#[tokio::test]
async fn a_percentage_of_the_rows_is_rounded_up() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    scores(&mut sql).await;
    for (text, expected) in [
        ("SELECT TOP (10) PERCENT id FROM score ORDER BY id", "1"),
        ("SELECT TOP 30 PERCENT id FROM score ORDER BY id DESC", "7 | 6 | 5"),
        ("SELECT TOP 14.5 PERCENT id FROM score ORDER BY id", "1 | 2"),
        ("SELECT COUNT(*) FROM (SELECT TOP 100 PERCENT * FROM score ORDER BY id) AS s", "7"),
        ("SELECT TOP (0) PERCENT id FROM score", ""),
        ("DECLARE @p float = 28.6; SELECT TOP (@p) PERCENT id FROM score ORDER BY id", "1 | 2 | 3"),
        (
            "SELECT TOP (50) PERCENT team, COUNT(*) FROM score GROUP BY team ORDER BY COUNT(*) DESC, team",
            "NULL, 2 | blue, 2",
        ),
        ("SELECT DISTINCT TOP (50) PERCENT points FROM score ORDER BY points", "10 | 30"),
        ("SELECT TOP (50) PERCENT id FROM score WHERE id > 99", ""),
        (
            "WITH low AS (SELECT TOP (50) PERCENT id FROM score WHERE points < 50 ORDER BY points, id) \
             SELECT id FROM low ORDER BY id",
            "4 | 5 | 7",
        ),
        (
            "WITH c AS (SELECT id FROM score WHERE id > 3) SELECT TOP (50) PERCENT id FROM c ORDER BY id DESC",
            "7 | 6",
        ),
        (
            "SELECT id FROM score WHERE id IN (SELECT TOP (20) PERCENT id FROM score ORDER BY points, id) ORDER BY id",
            "4 | 7",
        ),
        (
            "SELECT TOP (20) PERCENT id FROM score UNION ALL SELECT TOP (1) 99 FROM score ORDER BY id",
            "1 | 2 | 99",
        ),
        ("SELECT COUNT(*) FROM (SELECT TOP (20) PERCENT id FROM score ORDER BY NEWID()) AS s", "2"),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
}

#[tokio::test]
async fn ties_with_the_last_row_come_with_it() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    scores(&mut sql).await;
    for (text, expected) in [
        ("SELECT TOP (1) WITH TIES id FROM score ORDER BY points DESC", "1 | 2"),
        (
            "SELECT TOP 4 WITH TIES id, points AS p FROM score ORDER BY p DESC, 2",
            "1, 50 | 2, 50 | 3, 40 | 4, 30 | 5, 30 | 6, 30",
        ),
        ("SELECT TOP (1) WITH TIES id FROM score ORDER BY exact DESC", "1 | 2"),
        // As the collation has it, and NULL before all else.
        ("SELECT TOP (1) WITH TIES id FROM score WHERE team IS NOT NULL ORDER BY UPPER(team) DESC", "1 | 2"),
        ("SELECT TOP (1) WITH TIES id FROM score ORDER BY team", "6 | 7"),
        ("SELECT TOP (50) PERCENT WITH TIES id FROM score ORDER BY points DESC", "1 | 2 | 3 | 4 | 5 | 6"),
        ("SELECT TOP (0) WITH TIES id FROM score ORDER BY id", ""),
        (
            "DECLARE @n int = 2; SELECT COUNT(*) FROM (SELECT TOP (@n + 1) WITH TIES * FROM score ORDER BY points) AS s",
            "4",
        ),
        (
            "SELECT TOP (1) WITH TIES team, COUNT(*) AS n FROM score WHERE team <> 'green' GROUP BY team ORDER BY n DESC, team DESC",
            "red, 2",
        ),
        (
            "SELECT TOP (1) WITH TIES team, id FROM score WHERE team IS NOT NULL \
             ORDER BY ROW_NUMBER() OVER (PARTITION BY team ORDER BY id DESC)",
            "blue, 4 | green, 5 | Red, 2",
        ),
        ("SELECT DISTINCT TOP (2) WITH TIES points FROM score ORDER BY points DESC", "50 | 40"),
        (
            "WITH best AS (SELECT TOP (1) WITH TIES id, points FROM score ORDER BY points DESC) \
             SELECT SUM(points) FROM best",
            "100",
        ),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
}

#[tokio::test]
async fn a_query_for_each_row_of_another_has_its_percentage_and_ties() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    scores(&mut sql).await;
    for (text, expected) in [
        (
            "SELECT s.id, a.o FROM score s CROSS APPLY (SELECT TOP (50) PERCENT o.id AS o FROM score o WHERE o.id < s.id \
             ORDER BY o.id DESC) AS a WHERE s.id < 5 ORDER BY s.id, a.o",
            "2, 1 | 3, 2 | 4, 2 | 4, 3",
        ),
        (
            "SELECT t.team, a.id, a.points + 1 FROM (SELECT DISTINCT team FROM score WHERE team < 'g') AS t \
             CROSS APPLY (SELECT TOP (1) WITH TIES s.id, s.points FROM score s WHERE s.team = t.team ORDER BY s.points) AS a",
            "blue, 4, 31",
        ),
        (
            "SELECT s.id FROM score s WHERE s.id IN (SELECT TOP (1) WITH TIES x.id FROM score x WHERE x.team = s.team \
             ORDER BY 0 - x.points) ORDER BY s.id",
            "1 | 2 | 3 | 5",
        ),
        (
            "SELECT (SELECT COUNT(*) FROM (SELECT DISTINCT TOP (60) PERCENT x.points AS p FROM score x WHERE x.id <> s.id) AS d) \
             FROM score s WHERE s.id IN (1, 7) ORDER BY s.id",
            "3 | 2",
        ),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
}

#[tokio::test]
async fn top_takes_any_expression_and_refuses_what_is_no_count() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    scores(&mut sql).await;
    for (text, expected) in [
        ("DECLARE @n bigint = 1; SELECT TOP (@n + 1) id FROM score ORDER BY id", "1 | 2"),
        ("SELECT TOP (SELECT COUNT(*) - 5 FROM score) id FROM score ORDER BY id", "1 | 2"),
        ("SELECT TOP (0) id FROM score", ""),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    for (text, number) in [
        ("SELECT TOP (1) WITH TIES id FROM score", 1062),
        ("SELECT TOP (101) PERCENT id FROM score", 1031),
        ("DECLARE @p int = -1; SELECT TOP (@p) PERCENT WITH TIES id FROM score ORDER BY id", 1031),
        ("SELECT TOP (-1) id FROM score", 127),
        ("DECLARE @n int = -1; SELECT TOP (@n) id FROM score", 127),
        ("DECLARE @n int; SELECT TOP (@n) id FROM score", 1014),
        ("SELECT TOP (1.5) id FROM score", 1060),
        ("DECLARE @n nvarchar(5) = N'1'; SELECT TOP (@n) id FROM score", 1060),
        ("SELECT TOP (1) id FROM score ORDER BY id OFFSET 1 ROWS", 10741),
        (
            "SELECT s.id FROM score s CROSS APPLY (SELECT TOP (50) PERCENT * FROM score o WHERE o.id < s.id) AS a",
            40510,
        ),
        ("UPDATE TOP (101) PERCENT score SET points = 0", 1031),
    ] {
        assert_eq!(fails(&mut sql, text).await, number, "{text}");
    }
}

#[tokio::test]
async fn changes_take_a_percentage_too() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    scores(&mut sql).await;
    for (text, expected) in [
        ("UPDATE TOP (50) PERCENT score SET points = 0; SELECT @@ROWCOUNT", "4"),
        ("DELETE TOP (20) PERCENT FROM score WHERE points = 0; SELECT @@ROWCOUNT", "1"),
        (
            "SELECT id INTO few FROM score WHERE 1 = 0; INSERT few SELECT TOP (50) PERCENT id FROM score; SELECT @@ROWCOUNT",
            "3",
        ),
        ("INSERT TOP (50) PERCENT INTO few (id) SELECT id FROM score; SELECT @@ROWCOUNT", "3"),
        (
            "INSERT TOP (2) few OUTPUT inserted.id SELECT id + 50 FROM score WHERE id > 5 ORDER BY id DESC",
            "57 | 56",
        ),
        (
            "WITH c AS (SELECT id FROM score WHERE id > 2) INSERT TOP (1) INTO few (id) SELECT id + 80 FROM c; SELECT MAX(id), @@ROWCOUNT FROM few",
            "83, 1",
        ),
        ("INSERT TOP (1) INTO few (id) SELECT 91 UNION ALL SELECT 92; SELECT @@ROWCOUNT", "1"),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
}

#[tokio::test]
async fn offset_and_fetch_take_any_expression() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    scores(&mut sql).await;
    for (text, expected) in [
        ("SELECT id FROM score ORDER BY id OFFSET 1 + 1 ROWS FETCH NEXT 1 + 1 ROWS ONLY", "3 | 4"),
        ("SELECT id FROM score ORDER BY id OFFSET (0) ROWS FETCH FIRST (2*1) ROWS ONLY", "1 | 2"),
        (
            "DECLARE @a int = 1; SELECT id FROM score ORDER BY id OFFSET @a ROW FETCH NEXT @a + 1 ROWS ONLY",
            "2 | 3",
        ),
        ("SELECT id FROM score ORDER BY id OFFSET 5 ROWS", "6 | 7"),
        (
            "SELECT id FROM (SELECT id FROM score ORDER BY id OFFSET 1 ROWS FETCH NEXT (SELECT COUNT(*) - 6 FROM score) \
             ROWS ONLY) AS s",
            "2",
        ),
        ("SELECT id FROM score UNION SELECT 9 ORDER BY id OFFSET 6 ROWS FETCH NEXT 3 - 1 ROWS ONLY", "7 | 9"),
        (
            "IF EXISTS (SELECT 1 FROM score ORDER BY id OFFSET 7 ROWS FETCH NEXT 1+1 ROWS ONLY) SELECT 1 ELSE SELECT 0",
            "0",
        ),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    let page = "SELECT id FROM score ORDER BY id OFFSET @P1 + @P2 ROWS FETCH FIRST @P2 * 2 ROWS ONLY";
    let found =
        sql.query(page, &[&1i32, &1i32]).await.expect("sent").into_first_result().await.expect("rows");
    let ids: Vec<i32> = found.iter().filter_map(|row| row.get(0)).collect();
    assert_eq!(ids, [3, 4]);
    for (text, number) in [
        ("SELECT id FROM score OFFSET 1 ROWS", 102),
        ("SELECT id FROM score ORDER BY id FETCH NEXT 1 ROWS ONLY", 153),
        ("SELECT id FROM score ORDER BY id OFFSET 0 ROWS FETCH NEXT 1 + ROWS ONLY", 102),
        ("SELECT id FROM score ORDER BY id OFFSET -1 ROWS", 10742),
        ("DECLARE @a int = -1; SELECT id FROM score ORDER BY id OFFSET @a ROWS", 10742),
        ("SELECT id FROM score ORDER BY id OFFSET 1.5 ROWS", 10743),
        ("SELECT id FROM score ORDER BY id OFFSET 0 ROWS FETCH NEXT 0 ROWS ONLY", 10744),
        ("SELECT id FROM score ORDER BY id OFFSET 0 ROWS FETCH NEXT 1 - 2 ROWS ONLY", 10744),
        ("SELECT id FROM score ORDER BY id OFFSET 0 ROWS FETCH NEXT 1.5 ROWS ONLY", 1060),
        ("SELECT id FROM score ORDER BY id OFFSET 0 ROWS FETCH NEXT @none ROWS ONLY", 137),
    ] {
        assert_eq!(fails(&mut sql, text).await, number, "{text}");
    }
}
