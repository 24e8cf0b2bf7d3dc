//! What is computed with numbers: decimals to the last digit, money, floats, bits, and days added to a datetime.

mod common;

use common::{azure, fails, read, rows, run};

#[tokio::test]
async fn decimals_are_computed_to_the_last_digit() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE t (id int IDENTITY, price decimal(10, 2), big decimal(30, 2), amount money); \
         INSERT t VALUES (0.10, 12345678901234567890.12, 100), (0.20, 12345678901234567890.13, 200), \
         (NULL, -98765432109876543210.99, NULL)",
    )
    .await;
    for (text, expected) in [
        // Ten cents and twenty are thirty, however they are compared.
        ("SELECT CASE WHEN 0.1 + 0.2 = 0.3 THEN 'same' END", "same"),
        ("SELECT id FROM t WHERE price + 0.1 = 0.3", "2"),
        ("SELECT COUNT(*) FROM (SELECT SUM(price) AS total FROM t) AS s WHERE total = 0.3", "1"),
        (
            "SELECT CONCAT(big + 0.01, ' ', big * 2, ' ', big / 3, ' ', -big) FROM t WHERE id = 1",
            "12345678901234567890.13 24691357802469135780.24 4115226300411522630.040000 -12345678901234567890.12",
        ),
        (
            "SELECT CONCAT(ABS(big), ' ', SIGN(big), ' ', FLOOR(big), ' ', CEILING(big), ' ', ROUND(big, 1), ' ', ROUND(big, -2, 1)) \
          FROM t WHERE id = 3",
            "98765432109876543210.99 -1.00 -98765432109876543211 -98765432109876543210 -98765432109876543211.00 -98765432109876543200.00",
        ),
        (
            "SELECT CONCAT(SUM(big), ' ', MAX(big), ' ', MIN(big), ' ', AVG(big)) FROM t WHERE id < 3",
            "24691357802469135780.25 12345678901234567890.13 12345678901234567890.12 12345678901234567890.125000",
        ),
        (
            "SELECT CONCAT(GREATEST(a.big, b.big), ' ', LEAST(a.big, b.big)) FROM t AS a JOIN t AS b ON a.id = 1 AND b.id = 2",
            "12345678901234567890.13 12345678901234567890.12",
        ),
        // In an order, where they differ in a digit that no float has.
        ("SELECT id FROM t ORDER BY big DESC", "2 | 1 | 3"),
        ("SELECT id, ROW_NUMBER() OVER (ORDER BY big) FROM t ORDER BY id", "1, 2 | 2, 3 | 3, 1"),
        ("SELECT id FROM t WHERE big < 12345678901234567890.13 AND big > -98765432109876543211", "1 | 3"),
        ("SELECT id FROM t WHERE big BETWEEN 12345678901234567890.125 AND 12345678901234567890.13", "2"),
        ("SELECT id FROM t WHERE big = '12345678901234567890.12'", "1"),
        ("SELECT id FROM t WHERE big = CAST(12345678901234567890.12 AS float)", "1 | 2"),
        // A window takes rows in and out of its sum.
        (
            "SELECT SUM(big) OVER (ORDER BY id ROWS 1 PRECEDING) - 12345678901234567890.12 FROM t WHERE id < 3",
            "0.00 | 12345678901234567890.13",
        ),
        (
            "SELECT SUM(DISTINCT x), AVG(DISTINCT x) FROM (VALUES (0.1), (0.1), (0.2)) AS v(x)",
            "0.3, 0.150000",
        ),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
}

#[tokio::test]
async fn results_have_the_digits_that_sql_server_gives_them() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    for (text, expected) in [
        // A quotient is cut, a product is rounded.
        (
            "CONCAT(2.0 / 3, ' ', -2.0 / 3, ' ', 10 / 4.0, ' ', 10 * 1.5, ' ', 5 % 2.5)",
            "0.666666 -0.666666 2.500000 15.0 0.0",
        ),
        ("CONCAT(CAST(1 AS decimal(18, 4)) / CAST(3 AS decimal(18, 4)), '')", "0.33333333333333333333"),
        ("CONCAT(CAST(0.5 AS decimal(38, 20)) * CAST(0.5 AS decimal(38, 20)), '')", "0.250000"),
        (
            "CONCAT(AVG(x), ' ', SUM(x), ' ', AVG(CAST(x AS int))) FROM (VALUES (1.0), (1.0), (0)) AS v(x)",
            "0.666666 2.0 0",
        ),
        ("CONCAT(CAST(200 AS money) / 3, ' ', CAST(100 AS money) / 339 * 10000)", "66.67 2949.00"),
        ("CAST(CAST('$1,234.56' AS money) AS decimal(9, 2))", "1234.56"),
        // What is written beyond an int is a decimal.
        ("CONCAT(3000000000 / 7, ' ', 9223372036854775807 + 1)", "428571428.571428 9223372036854775808"),
        ("CONCAT('1.5' + 1.25, ' ', 1.25 - '0.25')", "2.75 1.00"),
        (
            "CONCAT(CEILING(1.2), ' ', FLOOR(-1.2), ' ', ROUND(1.005, 2), ' ', ROUND(-2.5, 0), ' ', ROUND(1234.567, -2), ' ', ROUND(150, -2))",
            "2 -2 1.010 -3.0 1200.000 200",
        ),
        // A float is shown with six digits.
        (
            "CONCAT(CAST(1e0 / 3 AS varchar(20)), ' ', 1234567e0, ' ', CAST(0.00001e0 AS nvarchar(20)))",
            "0.333333 1.23457e+006 1e-005",
        ),
    ] {
        assert_eq!(rows(&mut sql, &format!("SELECT {text}")).await, expected, "{text}");
    }
    let declared =
        "DECLARE @i int = 3, @d decimal(9, 2) = 2; SELECT CONCAT(1.0 / @i, ' ', @d / @i, ' ', @i / @d)";
    assert_eq!(rows(&mut sql, declared).await, "0.333333333333 0.6666666666666 1.5000000000");
    let most = "99999999999999999999999999999999999999";
    for (text, number) in [
        (format!("{most} + 1"), 8115),
        (format!("{most} * {most}"), 8115),
        (format!("SUM(x) FROM (VALUES ({most}), (1)) AS v(x)"), 8115),
        ("1e308 * 10".to_owned(), 8115),
        ("POWER(2, 40)".to_owned(), 8115),
        ("ABS(CAST(-2147483648 AS int))".to_owned(), 8115),
        ("1.5 / 0".to_owned(), 8134),
        ("1.5 % 0.0".to_owned(), 8134),
        ("1.5 + 'x'".to_owned(), 8114),
        ("SUM(x) FROM (VALUES ('a')) AS v(x)".to_owned(), 8117),
        ("SUM(x) FROM (VALUES (CAST(9223372036854775807 AS bigint)), (1)) AS v(x)".to_owned(), 8115),
    ] {
        assert_eq!(fails(&mut sql, &format!("SELECT {text}")).await, number, "{text}");
    }
}

#[tokio::test]
async fn rows_from_several_places_have_the_stronger_type() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (n int NOT NULL, s varchar(5)); INSERT t VALUES (1, 'a')").await;
    for (text, expected) in [
        ("SELECT x FROM (VALUES (1), (NULL), (2.5)) AS v(x)", "1.0 | NULL | 2.5"),
        ("SELECT * FROM (SELECT 1 AS x UNION ALL SELECT 2.25) AS v", "1.00 | 2.25"),
        ("WITH c AS (SELECT n FROM t UNION ALL SELECT 2.5) SELECT n FROM c", "1.0 | 2.5"),
        ("SELECT n FROM t UNION ALL SELECT 2.5", "1.0 | 2.5"),
        ("SELECT s FROM t UNION ALL SELECT N'日本日本日本'", "a | 日本日本日本"),
        ("SELECT NULL AS x UNION ALL SELECT n FROM t", "NULL | 1"),
        ("SELECT x + 1 FROM (SELECT CAST(1 AS tinyint) AS x UNION SELECT 300) AS v ORDER BY x", "2 | 301"),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
}

#[tokio::test]
async fn days_are_added_to_a_datetime_and_to_no_other_moment() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE t (at datetime, day date); INSERT t VALUES ('2024-02-28T18:00:00', '2024-02-28')",
    )
    .await;
    for (text, expected) in [
        (
            "SELECT CONVERT(varchar(30), at + 1.25, 126), CONVERT(varchar(30), at - 1, 126) FROM t",
            "2024-03-01T00:00:00, 2024-02-27T18:00:00",
        ),
        ("SELECT CONVERT(varchar(30), at + '00:30', 126) FROM t", "2024-02-28T18:30:00"),
        (
            "SELECT CAST(at - CAST('2024-02-01' AS datetime) AS float), CAST(CAST(at AS float) AS int), CAST(at AS int) FROM t",
            "27.75, 45348, 45349",
        ),
        ("SELECT CONVERT(varchar(30), CAST(45348.5 AS datetime), 126)", "2024-02-28T12:00:00"),
        ("SELECT COUNT(*) FROM t WHERE at > CAST('2024-03-01' AS datetime) - 2", "1"),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    for (text, number) in [
        ("SELECT day + 1 FROM t", 206),
        ("SELECT day - day FROM t", 8117),
        ("SELECT at * 2 FROM t", 8117),
        ("SELECT CAST(5000000 AS datetime)", 8115),
    ] {
        assert_eq!(fails(&mut sql, text).await, number, "{text}");
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
async fn decimals_keep_all_of_their_digits_in_and_out_of_a_table() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE d (id int IDENTITY, n decimal(38, 10)); \
         INSERT d VALUES (-1234567890123456789012345678.0123456789), (0.5), (99999999999999999999.9999999999), (7)",
    )
    .await;
    for (text, expected) in [
        ("SELECT n FROM d WHERE id = 1", vec!["-1234567890123456789012345678.0123456789"]),
        (
            "SELECT n FROM d WHERE n = 99999999999999999999.9999999999",
            vec!["99999999999999999999.9999999999"],
        ),
        ("SELECT CONCAT(id, '') FROM d ORDER BY n", vec!["1", "2", "4", "3"]),
        ("SELECT CONCAT(id, '') FROM d WHERE n < 7", vec!["1", "2"]),
        ("SELECT n + 0.0000000001 FROM d WHERE id = 3", vec!["100000000000000000000.0000000000"]),
        ("SELECT -n FROM d WHERE id = 1", vec!["1234567890123456789012345678.0123456789"]),
        (
            "SELECT CAST('99999999999999999999999999999999999999' AS decimal(38))",
            vec!["99999999999999999999999999999999999999.0"],
        ),
    ] {
        let found: Vec<String> = read(&mut sql, text).await;
        let expected: Vec<String> = expected.into_iter().map(|one| format!("Some({one:?})")).collect();
        assert_eq!(found, expected, "{text}");
    }
    // Longer than its type was thought to be.
    let row = "SELECT CONCAT(REPLICATE('x', 3000), REPLICATE('y', 3000))";
    assert_eq!(read(&mut sql, row).await[0].len(), 6000 + "Some(\"\")".len());
}
