//! Every type's way through a parameter, a column, a bulk load and back, exactly and as NULL, with tiberius.

mod common;

use std::fmt::Debug;

use common::{Sql, attempt, azure, number, rows, run};
use tiberius::{
    FromSqlOwned, IntoSql, ToSql, TokenRow,
    numeric::Numeric,
    time::time::{Date, Month, OffsetDateTime, PrimitiveDateTime, Time, UtcOffset},
};
use uuid::Uuid;

/// Stores each value by a parameter and by a bulk load, and NULL by both; reads back what it was.
async fn comes_back<T>(sql: &mut Sql, declared: &str, values: &[T])
where
    T: ToSql + FromSqlOwned + PartialEq + Debug + Clone,
    Option<T>: ToSql,
{
    run(sql, &format!("DROP TABLE IF EXISTS t; CREATE TABLE t (id int IDENTITY, v {declared} NULL)")).await;
    let expected: Vec<Option<T>> = values.iter().cloned().map(Some).chain([None]).collect();
    for value in &expected {
        sql.execute("INSERT t (v) VALUES (@P1)", &[value])
            .await
            .unwrap_or_else(|error| panic!("{declared} {value:?}: {error}"));
    }
    let mut load = sql.bulk_insert("t").await.expect("INSERT BULK");
    // By a bulk load tiberius itself sends no longer values, of these moments seven digits always, and of a
    // smalldatetime too many bytes.
    let by_bulk = match declared.split('(').next() {
        Some("time" | "datetimeoffset") => declared.ends_with("(7)"),
        Some("smalldatetime") => false,
        _ => !declared.ends_with("(max)"),
    };
    for value in expected.iter().filter(|_| by_bulk) {
        let mut row = TokenRow::new();
        row.push(value.to_sql());
        load.send(row).await.unwrap_or_else(|error| panic!("{declared} {value:?}: {error}"));
    }
    load.finalize().await.unwrap_or_else(|error| panic!("{declared}: {error}"));
    let loads = if by_bulk { 2 } else { 1 };
    let expected: Vec<Option<T>> = std::iter::repeat_n(expected, loads).flatten().collect();
    let select = "SELECT v FROM t ORDER BY id";
    for by_call in [false, true] {
        let answer = match by_call {
            true => sql.query(select, &[]).await,
            false => sql.simple_query(select).await,
        };
        let found = answer.expect("sent").into_first_result().await.expect("rows");
        let found: Vec<Option<T>> = found
            .into_iter()
            .map(|row| T::from_sql_owned(row.into_iter().next().expect("a cell")).expect("its type"))
            .collect();
        assert_eq!(found, expected, "{declared}");
    }
    // And compared with itself, where it is.
    for (at, value) in values.iter().enumerate() {
        let found =
            sql.query("SELECT id FROM t WHERE v = @P1 AND id = @P2", &[value, &(at as i32 + 1)]).await;
        let found = found.expect("sent").into_first_result().await.expect("rows");
        assert_eq!(found.len(), 1, "{declared} = {value:?}");
    }
}

fn text(text: &str) -> String {
    text.to_owned()
}

#[tokio::test]
async fn numbers_come_back() {
    let azure = azure().await;
    let sql = &mut azure.connect().await;
    comes_back(sql, "bit", &[true, false]).await;
    comes_back(sql, "tinyint", &[0_u8, 1, 255]).await;
    comes_back(sql, "smallint", &[i16::MIN, -1, 0, i16::MAX]).await;
    comes_back(sql, "int", &[i32::MIN, -1, 0, i32::MAX]).await;
    comes_back(sql, "bigint", &[i64::MIN, -1, 0, i64::MAX]).await;
    comes_back(sql, "real", &[0.0_f32, -1.5, f32::MAX, f32::MIN, f32::MIN_POSITIVE, 0.1]).await;
    comes_back(sql, "float", &[0.0_f64, -0.1, f64::MAX, f64::MIN, f64::MIN_POSITIVE, 1e300, 1.0 / 3.0]).await;
    comes_back(sql, "float(24)", &[0.1_f32]).await;
    let largest = 10_i128.pow(38) - 1;
    for (declared, scale) in [("decimal(38, 0)", 0), ("numeric(38, 10)", 10), ("decimal(38, 37)", 37)] {
        let values = [largest, -largest, 0, 1, -1, 12_345_678_901_234_567_890];
        let values = values.map(|value| Numeric::new_with_scale(value, scale));
        comes_back(sql, declared, &values).await;
    }
    for (declared, scale, most) in
        [("decimal(5, 2)", 2, 99_999), ("numeric(9, 4)", 4, 999_999_999), ("decimal(1, 0)", 0, 9)]
    {
        comes_back(sql, declared, &[most, -most, 0, 1].map(|value| Numeric::new_with_scale(value, scale)))
            .await;
    }
}

#[tokio::test]
async fn money_comes_back() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (m money, s smallmoney)").await;
    // tiberius has no parameter of these types: a float's and a decimal's become one.
    sql.execute("INSERT t VALUES (@P1, @P2)", &[&-0.0001_f64, &Numeric::new_with_scale(12_345, 2)])
        .await
        .expect("stored");
    run(&mut sql, "INSERT t VALUES (922337203685477.5807, 214748.3647), (-922337203685477.5808, -214748.3648), (NULL, $1.5)").await;
    let found = rows(&mut sql, "SELECT CAST(m AS decimal(19, 4)), CAST(s AS decimal(19, 4)) FROM t").await;
    let expected = "-0.0001, 123.4500 | 922337203685477.5807, 214748.3647 | -922337203685477.5808, -214748.3648 | \
                    NULL, 1.5000";
    assert_eq!(found, expected);
    assert_eq!(rows(&mut sql, "SELECT m, s FROM t WHERE s = 123.45").await, "-0.0001, 123.45");
    for bad in ["INSERT t (m) VALUES (922337203685477.5808)", "INSERT t (s) VALUES (214748.3648)"] {
        assert_eq!(common::fails(&mut sql, bad).await, 8115, "{bad}");
    }
}

#[tokio::test]
async fn texts_come_back_with_every_character() {
    let azure = azure().await;
    let sql = &mut azure.connect().await;
    let unicode = "Příliš žluťoučký 日本 😀 e\u{301} \u{200F}";
    comes_back(
        sql,
        "nvarchar(60)",
        &[text(""), text("a"), text(unicode), text("tab\tline\r\nend"), text("'; DROP")],
    )
    .await;
    comes_back(sql, "nvarchar(4000)", &["ž".repeat(4000), "😀".repeat(2000)]).await;
    comes_back(sql, "nvarchar(max)", &[text(""), "日".repeat(4001), unicode.repeat(5_000)]).await;
    comes_back(sql, "varchar(20)", &[text(""), text("plain"), text("é€ß")]).await;
    comes_back(sql, "varchar(8000)", &["x".repeat(8000)]).await;
    comes_back(sql, "varchar(max)", &[text(""), "é".repeat(8001), "x".repeat(300_000)]).await;
    // Filled up with blanks.
    comes_back(sql, "char(5)", &[text("abcde"), text("a    ")]).await;
    comes_back(sql, "nchar(3)", &[text("日本 "), text("ž  ")]).await;
}

#[tokio::test]
async fn bytes_come_back() {
    let azure = azure().await;
    let sql = &mut azure.connect().await;
    let every: Vec<u8> = (0..=255).collect();
    comes_back(sql, "varbinary(256)", &[vec![], vec![0], every.clone()]).await;
    comes_back(sql, "varbinary(8000)", &[every.repeat(31)]).await;
    comes_back(sql, "varbinary(max)", &[vec![], every.repeat(32), every.repeat(8000)]).await;
    comes_back(sql, "binary(4)", &[vec![1, 2, 3, 4], vec![0, 0, 0, 0]]).await;
    let guids = [Uuid::nil(), Uuid::max(), Uuid::from_u128(0x6F9619FF_8B86_D011_B42D_00C04FC964FF)];
    comes_back(sql, "uniqueidentifier", &guids).await;
}

fn day(year: i32, month: Month, day: u8) -> Date {
    Date::from_calendar_date(year, month, day).expect("a day")
}

/// A time with this many ticks of the scale behind the second.
fn clock(hour: u8, minute: u8, second: u8, scale: u32, ticks: u32) -> Time {
    Time::from_hms_nano(hour, minute, second, ticks * 10_u32.pow(9 - scale)).expect("a time")
}

#[tokio::test]
async fn moments_come_back_to_the_last_digit() {
    let azure = azure().await;
    let sql = &mut azure.connect().await;
    let (first, last) = (day(1, Month::January, 1), day(9999, Month::December, 31));
    comes_back(sql, "date", &[first, day(2024, Month::February, 29), last]).await;
    for scale in 0..=7 {
        let most = 10_u32.pow(scale) - 1;
        let times = [Time::MIDNIGHT, clock(1, 2, 3, scale, most.min(1)), clock(23, 59, 59, scale, most)];
        comes_back(sql, &format!("time({scale})"), &times).await;
        let moments = [first, day(1900, Month::March, 1), last]
            .map(|day| PrimitiveDateTime::new(day, clock(23, 59, 59, scale, most)));
        comes_back(sql, &format!("datetime2({scale})"), &moments).await;
        let offsets = [(0, 0), (14, 0), (-14, 0), (5, 45), (-3, -30)]
            .map(|(hours, minutes)| UtcOffset::from_hms(hours, minutes, 0).expect("an offset"));
        let moments = offsets.map(|offset| {
            PrimitiveDateTime::new(day(2026, Month::July, 4), clock(9, 8, 7, scale, most))
                .assume_offset(offset)
        });
        comes_back(sql, &format!("datetimeoffset({scale})"), &moments).await;
    }
    // Hundredths, which three-hundredths of a second are too, and minutes.
    // (tiberius reads none before 1900.)
    let moments = [(1900, 0), (2026, 10_000_000), (9999, 990_000_000)].map(|(year, nanos)| {
        let time = Time::from_hms_nano(12, 30, 0, nanos).expect("a time");
        PrimitiveDateTime::new(day(year, Month::May, 9), time)
    });
    comes_back(sql, "datetime", &moments).await;
    let minutes = [(1900, Month::January, 1), (2079, Month::June, 6)]
        .map(|(year, month, date)| PrimitiveDateTime::new(day(year, month, date), clock(23, 59, 0, 0, 0)));
    comes_back(sql, "smalldatetime", &minutes).await;
    let now = OffsetDateTime::now_utc();
    let row = sql.query("SELECT @P1, CAST(@P1 AS date)", &[&now]).await.expect("sent").into_row().await;
    assert_eq!(row.expect("read").expect("a row").get::<Date, _>(1), Some(now.date()));
}

#[tokio::test]
async fn each_null_among_many_columns_is_where_it_was() {
    let azure = azure().await;
    let sql = &mut azure.connect().await;
    // Any of twenty columns, of three types in turn, by the bits of a number.
    for bits in [0, 1, 1 << 19, 0x5_5555, 0xA_AAAA, 0x8_0101, 0xF_FFFE, 0xF_FFFF_u32] {
        let is_null = |at: usize| bits >> at & 1 == 1;
        let column = |at: usize| {
            let value = if is_null(at) { "NULL".to_owned() } else { format!("'{at}'") };
            format!("CAST({value} AS {})", ["int", "varchar(9)", "nvarchar(max)"][at % 3])
        };
        let columns: Vec<String> = (0..20).map(column).collect();
        let answer = sql.simple_query(format!("SELECT {}", columns.join(", "))).await.expect("sent");
        let row = answer.into_row().await.expect("answered").expect("a row");
        for at in 0..20 {
            let found = match at % 3 {
                0 => row.get::<i32, _>(at).map(|number| number.to_string()),
                _ => row.get::<&str, _>(at).map(str::to_owned),
            };
            assert_eq!(found, (!is_null(at)).then(|| at.to_string()), "column {at} of {bits:b}");
        }
    }
}

#[tokio::test]
async fn what_no_type_holds_is_refused_by_number() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    for (declared, value, expected) in [
        ("tinyint", "256", 220),
        ("smallint", "40000", 220),
        ("int", "3000000000", 8115),
        ("bigint", "10000000000000000000", 8115),
        ("decimal(5, 2)", "1000", 8115),
        ("money", "1e16", 8115),
        ("nvarchar(3)", "'abcd'", 2628),
        ("varbinary(2)", "0x010203", 2628),
        ("int", "'x'", 245),
        ("date", "'2026-02-30'", 241),
        ("datetime", "'1752-12-31'", 242),
        ("uniqueidentifier", "'x'", 8169),
        ("bit", "'maybe'", 245),
        ("decimal(5, 2)", "'x'", 8114),
        ("float", "'x'", 8114),
    ] {
        let text =
            format!("DROP TABLE IF EXISTS t; CREATE TABLE t (v {declared}); INSERT t VALUES ({value})");
        match attempt(&mut sql, &text).await {
            Ok(()) => panic!("{declared} takes {value}"),
            Err(error) => assert_eq!(number(&error), expected, "{declared} {value}"),
        }
    }
}

#[tokio::test]
async fn a_float_that_is_no_number_is_refused_and_not_taken_for_null() {
    let azure = azure().await;
    let sql = &mut azure.connect().await;
    run(sql, "CREATE TABLE t (v float NULL)").await;
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let refused = sql.execute("INSERT t VALUES (@P1)", &[&value]).await.expect_err("no number");
        assert_eq!(number(&refused), 8023, "{value}");
        assert!(
            refused
                .to_string()
                .contains("(\"@P1\"): The supplied value is not a valid instance of data type float")
        );
        let mut load = sql.bulk_insert("t").await.expect("INSERT BULK");
        let mut row = TokenRow::new();
        row.push(value.into_sql());
        load.send(row).await.expect("sent");
        assert_eq!(number(&load.finalize().await.expect_err("no number")), 4804, "{value}");
    }
    assert_eq!(rows(sql, "SELECT COUNT(*) FROM t").await, "0");
}
