//! Comparisons between values of different types: each side becomes what the stronger of them is.

mod common;

use common::{azure, fails, rows, run};

#[tokio::test]
async fn dates_times_and_texts_compare_as_the_stronger_of_their_types() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE t (d date, m datetime2(6), e datetime, o datetimeoffset, s varchar(40)); \
         INSERT t VALUES ('2026-01-01', '2026-01-01', '2026-01-01', '2026-01-01 00:00 +00:00', '1/1/2026')",
    )
    .await;
    let day = "CAST('2026-01-01' AS datetime)";
    for (condition, expected) in [
        ("d = m AND m = d AND d = e AND e = m", "1"),
        ("d < m OR d > m OR d <> e", "0"),
        ("d <= m AND d >= e", "1"),
        ("o = m AND d = o AND o = e", "1"),
        ("s = d AND m = s", "1"),
        (&format!("d = {day} AND d BETWEEN {day} AND GETDATE()"), "1"),
        (&format!("d IN (GETDATE(), {day}) AND d NOT IN (GETDATE())"), "1"),
        (&format!("CASE d WHEN {day} THEN 1 ELSE 0 END = 1"), "1"),
        (&format!("EXISTS (SELECT 1 FROM (SELECT {day} AS x) AS u WHERE u.x = t.d)"), "1"),
        // One moment on two clocks.
        ("o = '2026-01-01 02:00 +02:00' AND o <= '2025-12-31 23:00 -01:00'", "1"),
        ("o < '2026-01-01 02:00 +02:00' OR o NOT IN ('2026-01-01 02:00 +02:00')", "0"),
        ("o BETWEEN '2026-01-01 02:00 +02:00' AND '2026-01-01 05:30 +05:30'", "1"),
    ] {
        let text = format!("SELECT COUNT(*) FROM t WHERE {condition}");
        assert_eq!(rows(&mut sql, &text).await, expected, "{text}");
    }
    run(&mut sql, "UPDATE t SET s = 'no date'").await;
    assert_eq!(fails(&mut sql, "SELECT * FROM t WHERE s = d").await, 241);
}

#[tokio::test]
async fn functions_of_text_take_numbers_as_text_and_null_for_null() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (id int, x int); INSERT t VALUES (12, 1), (34, 1)").await;
    for (text, expected) in [
        ("SELECT UPPER(id), REVERSE(id), LTRIM(id) + 'x' FROM t WHERE LOWER(id) = '12'", "12, 21, 12x"),
        ("SELECT LEFT(id, 1), RIGHT(id, 1), SUBSTRING('abc', 2, 1) FROM t WHERE id = 12", "1, 2, b"),
        (
            "SELECT LEFT('abc', NULL), RIGHT('abc', NULL), SUBSTRING('abc', NULL, 1), CHARINDEX('a', 'abc', NULL)",
            "NULL, NULL, NULL, NULL",
        ),
        // The name of a part of a date is no column that would have to be grouped by.
        (
            "SELECT DATEPART(day, DATEADD(day, MAX(id), '2020-01-01')), DATEDIFF(year, '2020-01-01', '2021-01-01') FROM t",
            "4, 1",
        ),
        (
            "SELECT DATABASEPROPERTYEX('todos', 'Collation'), DATABASEPROPERTYEX(DB_NAME(), 'Status'), \
             DATABASEPROPERTYEX('other', 'Status')",
            "SQL_Latin1_General_CP1_CI_AS, ONLINE, NULL",
        ),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    assert_eq!(fails(&mut sql, "SELECT x, DATEADD(day, MAX(id), '2020-01-01') FROM t").await, 8120);
    // A CASE may have as many branches as one likes.
    let branches: String = (0..1500).map(|at| format!("WHEN (id = {at}) THEN {at} ")).collect();
    let text = format!("SELECT CASE {branches}ELSE NULL END FROM t ORDER BY id");
    assert_eq!(rows(&mut sql, &text).await, "12 | 34");
}

#[tokio::test]
async fn quotes_in_a_text_stay_as_many() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (a nvarchar(20) DEFAULT 'x''''y', CHECK (a <> ''''''))").await;
    for (text, expected) in [
        ("SELECT 'a''''b', N'''''', LEN('''''''')", "a''b, '', 3"),
        (
            "INSERT t DEFAULT VALUES; INSERT t VALUES ('''''z'); SELECT a FROM t WHERE a IN ('x''''y', N'''''z')",
            "x''y | ''z",
        ),
        // A backslash escapes nothing.
        (r"SELECT 'a\''b', N'\''', '\''; SELECT 1 --'", r"a\'b, \', \'; SELECT 1 --"),
        (r"SELECT REPLACE('x''y\''z', '''', '-')", r"x-y\-z"),
        ("EXEC('SELECT '''' + ''a''''b''')", "a'b"),
        (r#"UPDATE t SET a = REPLACE(a, '''''', '"'); SELECT a FROM t"#, r#"x"y | "z"#),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    assert_eq!(fails(&mut sql, "INSERT t VALUES ('''''')").await, 547);
}
