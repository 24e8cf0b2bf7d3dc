//! Text read as dates and numbers where the language is us_english: CAST, PARSE, and the day on which weeks begin.

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
        // A number is days since 1900.
        (
            "SELECT CONVERT(varchar(30), DATEADD(month, DATEDIFF(month, 0, CAST('2026-05-17T10:00:00' AS datetime)), 0), 126), \
             YEAR(0), DATEPART(weekday, 0)",
            "2026-05-01T00:00:00, 1900, 2",
        ),
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

#[tokio::test]
async fn dates_are_read_as_people_write_them() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (d date, m datetime, c time(0))").await;
    for (text, expected) in [
        (
            "SELECT CAST(CAST('1/31/2026' AS date) AS varchar(10)), ISDATE('1/31/2026'), ISDATE('31/1/2026')",
            "2026-01-31, 1, 0",
        ),
        (
            "SELECT CONVERT(varchar(30), CAST('Jan 31, 2026 10:20:30:5 PM' AS datetime), 121)",
            "2026-01-31 22:20:30.007",
        ),
        (
            "INSERT t VALUES ('31 January 2026', '01/31/2026 10:20 AM', '10:20 pm'); \
             SELECT CONVERT(varchar(10), d), CONVERT(varchar(20), m, 120), CONVERT(varchar(8), c) FROM t",
            "2026-01-31, 2026-01-31 10:20:00, 22:20:00",
        ),
        (
            "SELECT COUNT(*) FROM t WHERE d = '1/31/2026' AND m > 'Jan 30 2026' AND DATEDIFF(day, '1/30/2026', d) = 1",
            "1",
        ),
        ("SET DATEFORMAT dmy; SELECT CONVERT(varchar(10), CAST('2/1/2026' AS date))", "2026-01-02"),
        ("SET LANGUAGE us_english; SELECT CONVERT(varchar(10), CAST('2/1/2026' AS date))", "2026-02-01"),
        (
            "SELECT CONVERT(varchar(10), CONVERT(date, '4/3/26', 3)), CONVERT(varchar(10), CONVERT(date, '4/3/2026', 101)), \
             TRY_CONVERT(date, '12/31/2026', 103)",
            "2026-03-04, 2026-04-03, Date(None)",
        ),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    assert_eq!(fails(&mut sql, "SELECT CAST('31/1/2026' AS date)").await, 241);
    assert_eq!(fails(&mut sql, "SET DATEFORMAT xyz").await, 2741);
}

#[tokio::test]
async fn weeks_begin_on_the_day_that_datefirst_says() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    // A Sunday.
    let parts = "DECLARE @d date = '2026-01-04'; SELECT @@DATEFIRST, DATEPART(dw, @d), DATEPART(week, @d), \
                 DATENAME(weekday, @d), CAST(DATETRUNC(week, @d) AS varchar(10)), DATEPART(iso_week, @d)";
    for (set, expected) in [
        ("", "7, 1, 2, Sunday, 2026-01-04, 1"),
        ("SET DATEFORMAT ymd; SET DATEFIRST 1;", "1, 7, 1, Sunday, 2025-12-29, 1"),
        ("DECLARE @first tinyint = 3; SET DATEFIRST @first;", "3, 5, 1, Sunday, 2025-12-31, 1"),
        ("SET DATEFIRST 7;", "7, 1, 2, Sunday, 2026-01-04, 1"),
    ] {
        assert_eq!(rows(&mut sql, &format!("{set} {parts}")).await, expected, "{set}");
    }
    assert_eq!(fails(&mut sql, "SET DATEFIRST 8").await, 2744);
}
