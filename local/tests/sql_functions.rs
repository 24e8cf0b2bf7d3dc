//! Functions of text, numbers and dates: values that SQL Server gives.

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
