//! Functions of text, numbers and dates, and what operators do: values that SQL Server gives.

mod common;

use common::{azure, fails, rows, run};

#[tokio::test]
async fn functions_give_what_sql_server_s_give() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    for (text, expected) in [
        ("SELECT CONCAT_WS('-', 'a', NULL, 'b'), CONCAT('a', NULL, 1, 2.5)", "a-b, a12.5"),
        ("SELECT TRIM('  x '), LTRIM(' x'), RTRIM('x '), TRIM('.,' FROM '..x,')", "x, x, x, x"),
        (
            "SELECT STUFF('abcdef', 2, 3, 'XY'), REVERSE('abc'), SPACE(2) + 'x', REPLICATE('ab', 2)",
            "aXYef, cba,   x, abab",
        ),
        ("SELECT STUFF('abc', 9, 1, 'x'), STUFF('abc', 1, 0, NULL)", "NULL, abc"),
        ("SELECT UNICODE(N'€'), CHAR(65), NCHAR(8364), ASCII('€')", "8364, A, €, 128"),
        (
            "SELECT PATINDEX('%B%', 'abc'), PATINDEX('b%', 'abc'), CHARINDEX('B', 'abc'), CHARINDEX('c', 'abcabc', 4)",
            "2, 0, 2, 6",
        ),
        (
            "SELECT QUOTENAME('a]b'), QUOTENAME('a''b', ''''), TRANSLATE('abc', 'ab', 'xy')",
            "[a]]b], 'a''b', xyc",
        ),
        ("SELECT SOUNDEX('Robert'), SOUNDEX('Tymczak'), DIFFERENCE('Green', 'Greene')", "R163, T522, 4"),
        ("SELECT REPLACE('abcABC', 'b', 'x'), UPPER(N'žluť'), LOWER(N'ŽLUŤ')", "axcAxC, ŽLUŤ, žluť"),
        (
            "SELECT STR(3.14159, 6, 2), CHOOSE(2, 'a', 'b'), CHOOSE(3, 'a', 'b'), GREATEST(1, 5, 3), LEAST(4, 2)",
            "  3.14, b, NULL, 5, 2",
        ),
        (
            "SELECT ISNUMERIC('12'), ISNUMERIC('x'), ISDATE('2026-01-01'), TRY_CAST('x' AS int), TRY_CONVERT(int, '5')",
            "1, 0, 1, NULL, 5",
        ),
        (
            "SELECT FORMAT(1234.5, 'N2'), FORMAT(CAST('2026-01-05' AS date), 'dd/MM/yyyy'), FORMAT(5, '000')",
            "1,234.50, 05/01/2026, 005",
        ),
        (
            "DECLARE @d datetime2(3) = '2026-03-04T05:06:07.89'; SELECT CONVERT(varchar(30), @d, 103), \
             CONVERT(varchar(30), @d, 112), CONVERT(varchar(30), @d, 126), CONVERT(varchar(8), @d, 108), CAST(@d AS varchar(30))",
            "04/03/2026, 20260304, 2026-03-04T05:06:07.890, 05:06:07, 2026-03-04 05:06:07.890",
        ),
        (
            "DECLARE @d datetime = '2026-03-04T05:06:07'; SELECT CAST(@d AS varchar(30)), CONVERT(varchar(30), @d, 121), \
             CONVERT(varchar(30), @d, 126), CONVERT(varchar(10), CAST(@d AS date), 104), CAST(CAST(@d AS date) AS varchar(10))",
            "Mar  4 2026  5:06AM, 2026-03-04 05:06:07.000, 2026-03-04T05:06:07, 04.03.2026, 2026-03-04",
        ),
        (
            "SELECT CONVERT(varchar(10), CONVERT(date, '04/03/2026', 103)), CONVERT(varchar(10), 0x4142, 2), CONVERT(varbinary(2), '0x4142', 1)",
            "2026-03-04, 4142, 0x4142",
        ),
        (
            "SELECT DATEDIFF_BIG(second, '2000-01-01', '2100-01-01'), DATEPART(weekday, '2026-01-05'), \
             DATENAME(month, '2026-01-05'), DATENAME(dw, '2026-01-05'), DATEPART(dayofyear, '2026-02-01'), DATEPART(iso_week, '2027-01-01')",
            "3155760000, 2, January, Monday, 32, 53",
        ),
        (
            "SELECT CAST(EOMONTH('2026-02-05') AS varchar(10)), CAST(EOMONTH('2026-02-05', 1) AS varchar(10)), \
             CAST(DATEFROMPARTS(2026, 2, 3) AS varchar(10)), YEAR('2026-01-01'), MONTH('2026-02-01'), DAY('2026-02-03')",
            "2026-02-28, 2026-03-31, 2026-02-03, 2026, 2, 3",
        ),
        (
            "SELECT CAST(DATETRUNC(month, CAST('2026-02-15T10:11:12' AS datetime2(0))) AS varchar(30)), \
             CAST(SWITCHOFFSET(CAST('2026-01-01T00:00:00+02:00' AS datetimeoffset(0)), '-05:00') AS varchar(40))",
            "2026-02-01 00:00:00, 2025-12-31 17:00:00.0000000 -05:00",
        ),
        (
            "SELECT CAST(DATEADD(month, 1, '2026-01-31') AS varchar(20)), DATEDIFF(hour, '2026-01-01', '2026-01-02')",
            "Feb 28 2026 12:00AM, 24",
        ),
        (
            "SELECT ROUND(123.456, 2), ROUND(1250, -2), ROUND(123.456, 1, 1), POWER(2, 10), SQUARE(3), SIGN(-3)",
            "123.460, 1300, 123.400, 1024, 9, -1",
        ),
        (
            "SELECT LOG(8, 2), LOG10(100), LOG(EXP(1)), ATN2(0, 1), DEGREES(PI()), ~5, 5 ^ 3, 6 & 3, 4 | 1",
            "3, 2, 1, 0, 180, -6, 6, 2, 5",
        ),
        ("SELECT CASE WHEN RAND() BETWEEN 0 AND 1 THEN 1 END, LEN(CAST(NEWID() AS char(36)))", "1, 36"),
        (
            "SELECT STRING_AGG(x, ', ') WITHIN GROUP (ORDER BY x DESC) FROM (VALUES ('a'), ('c'), ('b')) AS v(x)",
            "c, b, a",
        ),
        (
            "SELECT VARP(x), STDEVP(x), COUNT(DISTINCT x), AVG(x) FROM (VALUES (1), (3), (3), (5)) AS v(x)",
            "2, 1.4142135623730951, 3, 3",
        ),
        (
            "DECLARE @o int; EXEC sp_executesql N'SET @x = @y + 1', N'@x int OUTPUT, @y int', @x = @o OUTPUT, @y = 4; SELECT @o",
            "5",
        ),
        ("DECLARE @i int = 5; SET @i += 2; SET @i -= 1; SET @i *= 3; SELECT @i", "18"),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    for (text, expected) in [
        ("SELECT STUFF('a', 1)", 174),
        ("SELECT TRANSLATE('abc', 'ab', 'x')", 9828),
        ("SELECT LOG(-1)", 3623),
        ("SELECT CONVERT(varchar(30), GETDATE(), 999)", 281),
        ("SELECT DATEFROMPARTS(2026, 2, 30)", 289),
        ("SELECT DATEDIFF(second, '1900-01-01', '2100-01-01')", 535),
        ("SELECT DATEADD(nope, 1, '2026-01-01')", 155),
    ] {
        assert_eq!(fails(&mut sql, text).await, expected, "{text}");
    }
}

#[tokio::test]
async fn arithmetic_is_that_of_the_operands_types() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (n int, d decimal(9, 2), s nvarchar(5)); INSERT t VALUES (7, 7, '7')")
        .await;
    for (text, expected) in [
        ("SELECT n / 2, -7 / 2, n % -3, n / 2.0, d / 2 FROM t", "3, -3, 1, 3.500000, 3.500000"),
        ("WITH c AS (SELECT d AS x FROM t) SELECT x / 2 FROM c", "3.500000"),
        ("SELECT x / 2 FROM (SELECT d + 0 AS x FROM t) AS v", "3.500000"),
        ("SELECT 'a' + NULL, NULL + 1, '1' + 1, 1 + '2', s + 1, s + 'b' FROM t", "NULL, NULL, 2, 3, 8, 7b"),
        (
            "SELECT CAST(1.5 AS int), CAST(-1.5 AS int), CAST(2.5 AS decimal(5, 0)), CAST('true' AS bit), $1.5",
            "1, -1, 3.0, 1, 1.5",
        ),
        ("SELECT n FROM t WHERE s = 7 AND n = '7' AND d = n", "7"),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    for (text, expected) in [
        ("SELECT 2147483647 + 1", 8115),
        ("SELECT SUM(x) FROM (VALUES (2147483647), (1)) AS v(x)", 8115),
        ("SELECT CAST(9223372036854775807 AS bigint) + 1", 8115),
        ("SELECT CAST(123456 AS decimal(5, 2))", 8115),
        ("SELECT CAST(300 AS tinyint)", 220),
        ("SELECT 'x' + 1", 245),
        ("SELECT n FROM t WHERE 'x' = n", 245),
        ("SELECT s, COUNT(*) FROM t", 8120),
        ("SELECT s FROM t GROUP BY n", 8120),
        ("SELECT n FROM t ORDER BY 5", 108),
    ] {
        assert_eq!(fails(&mut sql, text).await, expected, "{text}");
    }
    let grouped = "SELECT t.n + 1, MAX(s), COUNT(*) OVER () FROM t GROUP BY n, t.n + 1";
    assert_eq!(rows(&mut sql, grouped).await, "8, 7, 1");
}

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

#[tokio::test]
async fn bytes_digits_and_names_are_told_as_their_types_have_them() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE t (id int IDENTITY PRIMARY KEY, v varchar(20), n nvarchar(20), d decimal(18, 4), b varbinary(9), \
         k AS id * 2); INSERT t (v, n, d, b) VALUES ('ž1', N'ž1', 1.5, 0x010203)",
    )
    .await;
    for (text, expected) in [
        (
            "SELECT DATALENGTH(v), DATALENGTH(n), DATALENGTH(d), DATALENGTH(b), DATALENGTH(id) FROM t",
            "2, 4, 9, 3, 4",
        ),
        (
            "SELECT DATALENGTH('abc'), DATALENGTH(N'abc'), DATALENGTH(CAST(1 AS bigint)), DATALENGTH(NULL)",
            "3, 6, 8, NULL",
        ),
        (
            "SELECT DATALENGTH(CAST('2026-01-01' AS date)), DATALENGTH(CAST('ab' AS char(5))), LEN(CAST('ab' AS char(5)))",
            "3, 5, 2",
        ),
        ("SELECT HASHBYTES('MD5', 'abc')", "0x900150983CD24FB0D6963F7D28E17F72"),
        ("SELECT HASHBYTES('SHA1', 'abc')", "0xA9993E364706816ABA3E25717850C26C9CD0D89D"),
        (
            "SELECT HASHBYTES('SHA2_256', 'abc')",
            "0xBA7816BF8F01CFEA414140DE5DAE2223B00361A396177A9CB410FF61F20015AD",
        ),
        (
            "SELECT IIF(HASHBYTES('SHA2_512', v) = HASHBYTES('SHA2_512', n), 1, 0), HASHBYTES('SHA1', NULL) FROM t",
            "0, NULL",
        ),
        (
            "SELECT CAST(d AS varchar(20)), CONVERT(nvarchar(20), d), CONCAT('a', d, 'b'), CAST(CAST(2 AS decimal(9, 2)) AS char(5)) FROM t",
            "1.5000, 1.5000, a1.5000b, 2.00 ",
        ),
        (
            "SELECT CAST(CAST('10:20:30.5' AS time(3)) AS varchar(20)), CAST(CAST('2026-01-02 03:04:05' AS datetime2(2)) AS varchar(30))",
            "10:20:30.500, 2026-01-02 03:04:05.00",
        ),
        (
            "SELECT CAST(CAST('2026-01-02 03:04:05.1 +02:00' AS datetimeoffset(1)) AS varchar(40)), CAST($1.239 AS varchar(9))",
            "2026-01-02 03:04:05.1 +02:00, 1.24",
        ),
        (
            "SELECT LEN(REPLICATE('ab', 5000)), LEN(REPLICATE(CAST('ab' AS varchar(max)), 5000)), REPLICATE('a', -1)",
            "8000, 10000, NULL",
        ),
        ("SELECT TYPE_NAME(56), TYPE_ID('nvarchar'), TYPE_NAME(1)", "int, 231, NULL"),
        (
            "SELECT COLUMNPROPERTY(OBJECT_ID('t'), 'id', 'IsIdentity'), COLUMNPROPERTY(OBJECT_ID('t'), 'k', 'IsComputed'), \
             COLUMNPROPERTY(OBJECT_ID('t'), 'd', 'Scale'), COLUMNPROPERTY(OBJECT_ID('t'), 'no', 'Scale')",
            "1, 1, 4, NULL",
        ),
        (
            "SELECT OBJECTPROPERTY(OBJECT_ID('t'), 'IsUserTable'), OBJECTPROPERTY(OBJECT_ID('t'), 'TableHasIdentity')",
            "1, 1",
        ),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    assert_eq!(fails(&mut sql, "SELECT HASHBYTES('MD4', 'a')").await, 40510);
}

#[tokio::test]
async fn bits_are_those_of_the_value_s_type() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    for (text, expected) in [
        (
            "SELECT LEFT_SHIFT(3, 2), RIGHT_SHIFT(12, 2), LEFT_SHIFT(1, 32), LEFT_SHIFT(CAST(1 AS bigint), 32)",
            "12, 3, 0, 4294967296",
        ),
        (
            "SELECT LEFT_SHIFT(1, 31), RIGHT_SHIFT(-1, 28), LEFT_SHIFT(8, -2), RIGHT_SHIFT(CAST(255 AS tinyint), 4)",
            "-2147483648, 15, 2, 15",
        ),
        (
            "SELECT BIT_COUNT(7), BIT_COUNT(-1), BIT_COUNT(CAST(-1 AS bigint)), BIT_COUNT(0xFF01), BIT_COUNT(NULL)",
            "3, 32, 64, 9, NULL",
        ),
        (
            "SELECT GET_BIT(5, 2), GET_BIT(5, 1), SET_BIT(1, 2), SET_BIT(5, 2, 0), SET_BIT(0, 31)",
            "1, 0, 5, 1, -2147483648",
        ),
        ("SELECT LEFT_SHIFT(NULL, 1), RIGHT_SHIFT(1, NULL)", "NULL, NULL"),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    assert_eq!(fails(&mut sql, "SELECT GET_BIT(1, 32)").await, 40510);
    assert_eq!(fails(&mut sql, "SELECT LEFT_SHIFT(1)").await, 174);
}

#[tokio::test]
async fn a_checksum_is_the_same_for_what_is_equal() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    for (text, expected) in [
        (
            "SELECT IIF(CHECKSUM('Ann ', 1) = CHECKSUM('ann', 1), 1, 0), IIF(BINARY_CHECKSUM('Ann') = BINARY_CHECKSUM('ann'), 1, 0)",
            "1, 0",
        ),
        (
            "SELECT IIF(CHECKSUM(1, 2) = CHECKSUM(2, 1), 1, 0), IIF(CHECKSUM(NULL) = CHECKSUM(0), 1, 0), IIF(CHECKSUM('ab', 'c') = CHECKSUM('a', 'bc'), 1, 0)",
            "0, 0, 0",
        ),
        // These stay what they are: they may be stored.
        ("SELECT CHECKSUM('a', 1), BINARY_CHECKSUM(N'a', 1.5, NULL)", "171646552, -732670449"),
        ("SELECT ABS(CHECKSUM(NEWID())) % 1", "0"),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    assert_eq!(fails(&mut sql, "SELECT CHECKSUM()").await, 174);
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
