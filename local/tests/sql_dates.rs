//! Text read as dates and numbers where the language is us_english: CAST, and PARSE.

mod common;

use common::{azure, fails, rows, run};

#[tokio::test]
async fn dates_are_read_as_us_english_writes_them() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE t (d date, m datetime); INSERT t VALUES ('12/31/2026', 'Dec 31, 2026 3:45 PM')",
    )
    .await;
    for (text, expected) in [
        (
            "SELECT CONVERT(varchar(10), d, 23), CONVERT(varchar(19), m, 120) FROM t",
            "2026-12-31, 2026-12-31 15:45:00",
        ),
        ("SELECT COUNT(*) FROM t WHERE d = '31-Dec-2026' AND m > '12/31/26'", "1"),
        (
            "SELECT DATEDIFF(day, '1/1/2026', 'January 11 2026'), DATEPART(month, '5/6/2026'), ISDATE('2/30/2026'), ISDATE('2/28/2026')",
            "10, 5, 0, 1",
        ),
        (
            "SELECT CONVERT(varchar(19), CAST(CAST(m AS varchar(30)) AS datetime), 120) FROM t",
            "2026-12-31 15:45:00",
        ),
        (
            "SELECT CONVERT(varchar(10), CONVERT(date, '04/03/2026', 103), 23), IIF(TRY_CAST('31/12/2026' AS date) IS NULL, 1, 0)",
            "2026-03-04, 1",
        ),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    assert_eq!(fails(&mut sql, "SELECT CAST('13/13/2026' AS date)").await, 241);
}

#[tokio::test]
async fn parse_reads_numbers_and_dates_of_en_us() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (s nvarchar(30)); INSERT t VALUES (N'1,234'), (N'x')").await;
    for (text, expected) in [
        (
            "SELECT PARSE('1,234.50' AS decimal(9, 2)), PARSE(N' -12 ' AS int USING 'en-US'), PARSE('1.5e2' AS float)",
            "1234.50, -12, 150",
        ),
        (
            "SELECT CAST(PARSE('$1,234.5' AS money) AS varchar(20)), CAST(PARSE('($2)' AS money USING 'en-us') AS varchar(20))",
            "1234.50, -2.00",
        ),
        (
            "SELECT CONVERT(varchar(10), PARSE('Monday, 13 December 2010' AS date USING 'en-US'), 23), \
             CONVERT(varchar(19), PARSE('Fri Jan 1, 2027 5:06 PM' AS datetime2), 120)",
            "2010-12-13, 2027-01-01 17:06:00",
        ),
        (
            "SELECT TRY_PARSE('x' AS int) + 1, TRY_PARSE('1,0' AS int), TRY_PARSE('1.0,0' AS float), PARSE(CAST(NULL AS nvarchar(5)) AS int)",
            "NULL, 10, NULL, NULL",
        ),
        ("SELECT TRY_PARSE(s AS int USING 'en-US') FROM t", "1234 | NULL"),
        (
            "DECLARE @c nvarchar(9) = N'en-US'; IF TRY_PARSE('13/1/2026' AS date USING @c) IS NULL SELECT PARSE(CAST(PARSE('7' AS int) AS varchar(5)) AS bigint)",
            "7",
        ),
        ("WITH parse (n) AS (SELECT 1 AS m) SELECT n FROM parse", "1"),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    for (text, number) in [
        ("SELECT PARSE('x' AS int)", 9819),
        ("SELECT PARSE(s AS int) FROM t", 9819),
        ("SELECT PARSE('300' AS tinyint)", 9819),
        ("SELECT PARSE('1' AS nvarchar(5))", 10761),
        ("SELECT TRY_PARSE('1' AS int USING 'de-DE')", 40510),
        ("SELECT PARSE('1', int)", 195),
    ] {
        assert_eq!(fails(&mut sql, text).await, number, "{text}");
    }
}
