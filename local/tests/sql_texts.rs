//! Text as its type has it: of a code page or national, cut to its length, compared without case and blanks at the end.

mod common;

use common::{azure, fails, rows, run};

#[tokio::test]
async fn text_is_of_a_code_page_unless_it_is_national() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE t (v varchar(10), n nvarchar(10)); INSERT t VALUES (N'日é', '日é'), (N'日', N'日')",
    )
    .await;
    for (text, expected) in [
        ("SELECT v, n FROM t", "?é, ?é | ?, 日"),
        ("SELECT 'é€日', N'日', 'a' + N'日', REPLACE('abc', 'b', N'日')", "é€?, 日, a日, a日c"),
        (
            "DECLARE @v varchar(9) = N'x日'; SELECT @v, CAST(N'日' AS char(2)), CAST(N'日' AS nchar(2))",
            "x?, ? , 日 ",
        ),
        ("SELECT DATALENGTH('abc'), DATALENGTH(N'abc'), LEN(N'日')", "3, 6, 1"),
        // As the strongest of them, wherever it stands.
        ("SELECT 'a' AS x UNION ALL SELECT N'日'", "a | 日"),
        (
            "SELECT CASE WHEN 1 = 0 THEN 'a' ELSE N'日' END, COALESCE(NULL, N'日', 'a'), IIF(1 = 0, 'a', N'日')",
            "日, 日, 日",
        ),
        // Its bytes are those of its encoding.
        (
            "SELECT CONVERT(varchar(20), CAST(N'aé' AS varbinary(9)), 1), CONVERT(varchar(20), CAST('aé' AS varbinary(9)), 1)",
            "0x6100E900, 0x61E9",
        ),
        (
            "SELECT CAST(0xE5650000 AS nvarchar(1)), CAST(0x61E9 AS varchar(9)), CONVERT(varchar(9), 0x61)",
            "日, aé, a",
        ),
        ("SELECT 1 WHERE 'a%b' LIKE N'a\\%b' ESCAPE N'\\' AND SERVERPROPERTY(N'EngineEdition') = 5", "1"),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    run(&mut sql, "SELECT 'abc' AS v, N'abc' AS n, 'a' + N'b' AS both, 'a' + 'bc' AS one INTO c").await;
    let types = "SELECT t.name, c.max_length FROM sys.columns AS c JOIN sys.types AS t ON t.user_type_id = c.user_type_id \
                 WHERE object_id = OBJECT_ID('c') ORDER BY column_id";
    assert_eq!(rows(&mut sql, types).await, "varchar, 3 | nvarchar, 6 | nvarchar, 4 | varchar, 3");
}

#[tokio::test]
async fn what_does_not_fit_its_type_is_a_star_an_error_or_cut() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    for (text, expected) in [
        ("CAST(12345 AS varchar(3)), CAST(12345 AS char(2)), CAST('12345' AS varchar(3))", "*, * , 123"),
        (
            "ISNULL(CAST(NULL AS varchar(2)), 'abcd'), ISNULL(NULL, 'abcd'), COALESCE(CAST(NULL AS varchar(2)), 'abcd')",
            "ab, abcd, abcd",
        ),
        ("ISNULL(CAST(NULL AS int), '5') + 1, CONVERT(varchar(9), 1.50, 0)", "6, 1.50"),
    ] {
        assert_eq!(rows(&mut sql, &format!("SELECT {text}")).await, expected, "{text}");
    }
    for (text, expected) in [
        ("CAST(12345 AS nvarchar(3))", 8115),
        ("CAST(123.45 AS varchar(3))", 8115),
        ("CAST('99999999999' AS int)", 248),
        ("CAST('99999999999999999999' AS int)", 248),
        ("CAST('300' AS tinyint)", 244),
        ("CAST('-40000' AS smallint)", 244),
        ("CAST('99999999999999999999' AS bigint)", 8115),
        ("CAST('1.5' AS int)", 245),
    ] {
        assert_eq!(fails(&mut sql, &format!("SELECT {text}")).await, expected, "{text}");
    }
}

#[tokio::test]
async fn text_compares_without_case_and_without_blanks_at_the_end() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE t (v nvarchar(20) UNIQUE, b varchar(9) COLLATE Latin1_General_CS_AS); \
         INSERT t VALUES ('b', 'x'), ('A', 'X'), (N'é', 'y'), ('E', 'Y'), ('f', NULL), ('_x', NULL), ('1', NULL)",
    )
    .await;
    for (text, expected) in [
        ("SELECT v FROM t ORDER BY v", "_x | 1 | A | b | E | é | f"),
        ("SELECT v FROM t WHERE v IN ('a ', N'É') ORDER BY v", "A | é"),
        ("SELECT COUNT(*) FROM t WHERE v = 'B  '", "1"),
        ("SELECT COUNT(*) FROM t WHERE v = 'B' COLLATE Latin1_General_BIN2", "0"),
        ("SELECT COUNT(*) FROM t WHERE b = 'x'", "1"),
        ("SELECT IIF('abc' = 'ABC ', 1, 0), IIF(N'É' = N'é', 1, 0), IIF(N'ä' = N'a', 1, 0)", "1, 1, 0"),
        ("SELECT x, COUNT(*) FROM (VALUES ('a'), ('A '), (N'É'), (N'é')) AS v(x) GROUP BY x", "a, 2 | É, 2"),
        ("SELECT DISTINCT v + '' FROM (SELECT 'a' AS v UNION ALL SELECT 'A') AS u", "a"),
        ("SELECT COUNT(*) FROM (SELECT UPPER(v) AS u FROM t) AS x WHERE u = 'a'", "1"),
        ("SELECT COUNT(*) FROM (SELECT 'a' AS x UNION SELECT 'A') AS v", "1"),
        ("SELECT COUNT(*) FROM t WHERE v LIKE N'É%'", "1"),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    run(&mut sql, "ALTER TABLE t ALTER COLUMN b varchar(20) COLLATE SQL_Latin1_General_CP1_CI_AS").await;
    assert_eq!(rows(&mut sql, "SELECT COUNT(*) FROM t WHERE b = 'x'").await, "2");
    assert_eq!(fails(&mut sql, "INSERT t (v) VALUES (N'É ')").await, 2627);
    assert_eq!(fails(&mut sql, "INSERT t (v) VALUES ('a')").await, 2627);
}
