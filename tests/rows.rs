//! Rows: a column of each type is read into a struct's field, a tuple's place or a single value.

mod common;

use std::collections::HashMap;

use common::Azure;
use serde::{Deserialize, de::DeserializeOwned};
use sqlscope::{Error, Session};

#[derive(Debug, PartialEq, Deserialize)]
struct Row {
    tiny: u8,
    small: i16,
    normal: i32,
    big: i64,
    real: f32,
    float: f64,
    bit: bool,
    text: String,
    none: Option<i32>,
    id: String,
    number: String,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_column_of_each_type_becomes_the_field_of_its_name() {
    let azure = Azure::start().await;
    let session = azure.session().await;
    let row: Row = session
        .query_one(
            "SELECT CAST(255 AS tinyint) AS tiny, CAST(-2 AS smallint) AS small, CAST(3 AS int) AS normal, \
             CAST(4000000000 AS bigint) AS big, CAST(1.5 AS real) AS real, CAST(2.25 AS float) AS float, \
             CAST(1 AS bit) AS bit, N'text' AS text, CAST(NULL AS int) AS none, \
             CAST('00000000-0000-0000-0000-0000000000aa' AS uniqueidentifier) AS id, \
             CAST(12.50 AS decimal(9, 2)) AS number",
            &[],
        )
        .await
        .unwrap();
    let expected = Row {
        tiny: 255,
        small: -2,
        normal: 3,
        big: 4_000_000_000,
        real: 1.5,
        float: 2.25,
        bit: true,
        text: "text".to_owned(),
        none: None,
        id: "00000000-0000-0000-0000-0000000000aa".to_owned(),
        number: "12.50".to_owned(),
    };
    assert_eq!(row, expected);
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn columns_become_a_tuple_in_their_order_and_one_column_a_value() {
    let azure = Azure::start().await;
    let session = azure.session().await;
    let tuple: (i32, String, Option<i32>) =
        session.query_one("SELECT 1, N'two', CAST(NULL AS int)", &[]).await.unwrap();
    assert_eq!(tuple, (1, "two".to_owned(), None));
    let some: Option<i32> = session.query_one("SELECT 7", &[]).await.unwrap();
    assert_eq!(some, Some(7));
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moments_become_text() {
    let azure = Azure::start().await;
    let session = azure.session().await;
    let moments: [String; 6] = session
        .query_one(
            "SELECT CAST('2026-01-31' AS date), CAST('12:34:56.1' AS time(1)), \
             CAST('2026-01-31T12:34:56' AS datetime2(0)), CAST('2026-01-31T12:34:56.250' AS datetime), \
             CAST('2026-01-31T12:34:00' AS smalldatetime), CAST('2026-01-31T12:34:56+02:00' AS datetimeoffset(0))",
            &[],
        )
        .await
        .unwrap();
    let expected = [
        "2026-01-31",
        "12:34:56.100000000",
        "2026-01-31T12:34:56.000000000",
        "2026-01-31T12:34:56.250000000",
        "2026-01-31T12:34:00.000000000",
        "2026-01-31T10:34:56Z",
    ];
    assert_eq!(moments, expected);
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn null_of_any_type_is_none() {
    let azure = Azure::start().await;
    let session = azure.session().await;
    for sql in [
        "SELECT CAST(NULL AS tinyint), CAST(NULL AS smallint), CAST(NULL AS int), CAST(NULL AS bigint)",
        "SELECT CAST(NULL AS real), CAST(NULL AS float), CAST(NULL AS bit), CAST(NULL AS nvarchar(9))",
        "SELECT CAST(NULL AS decimal(9, 2)), CAST(NULL AS uniqueidentifier), CAST(NULL AS varbinary(9)), \
         CAST(NULL AS date)",
        "SELECT CAST(NULL AS time), CAST(NULL AS datetime), CAST(NULL AS smalldatetime), CAST(NULL AS datetime2)",
    ] {
        let row: [Option<String>; 4] = session.query_one(sql, &[]).await.unwrap();
        assert_eq!(row, [None, None, None, None], "{sql}");
    }
    let alone: Option<String> = session.query_one("SELECT CAST(NULL AS datetimeoffset)", &[]).await.unwrap();
    assert_eq!(alone, None);
    session.close().await;
}

#[derive(Debug, PartialEq, Deserialize)]
struct Id(i32);

#[derive(Debug, PartialEq, Deserialize)]
struct Point(i32, i32);

#[derive(Debug, PartialEq, Deserialize)]
struct Nothing;

#[derive(Debug, PartialEq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum State {
    Open,
    Done,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Todo {
    id: Id,
    state: State,
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_becomes_what_serde_derives() {
    async fn read<T: DeserializeOwned>(session: &Session, sql: &'static str) -> T {
        session.query_one(sql, &[]).await.unwrap()
    }
    let azure = Azure::start().await;
    let session = &azure.session().await;
    assert_eq!(read::<Id>(session, "SELECT 7").await, Id(7));
    assert_eq!(read::<State>(session, "SELECT 'done'").await, State::Done);
    assert_eq!(read::<Point>(session, "SELECT 1, 2").await, Point(1, 2));
    let todo = read::<Todo>(session, "SELECT 7 AS id, 1.5 AS more, 'open' AS state").await;
    assert_eq!(todo, Todo { id: Id(7), state: State::Open }, "a column that nobody asks for is no error");
    let map = read::<HashMap<String, i32>>(session, "SELECT 1 AS a, 2 AS b").await;
    assert_eq!(map, HashMap::from([("a".to_owned(), 1), ("b".to_owned(), 2)]));
    assert_eq!(read::<Vec<i32>>(session, "SELECT 1, 2, 3").await, [1, 2, 3]);
    assert_eq!(read::<Vec<i32>>(session, "SELECT 1").await, [1]);
    session.clone().close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_row_that_does_not_become_it_is_an_error_that_says_why() {
    async fn said<T: DeserializeOwned + std::fmt::Debug>(session: &Session, sql: &'static str) -> String {
        match session.query_one::<T>(sql, &[]).await {
            Err(Error::Value(text)) => text,
            other => panic!("{sql}: {other:?}"),
        }
    }
    let azure = Azure::start().await;
    let session = &azure.session().await;
    let single = "a row of 2 columns cannot become a single value: read it into a struct or a tuple";
    for (said, expected) in [
        (said::<i32>(session, "SELECT 1, 2").await, single),
        (said::<State>(session, "SELECT 'open', 'done'").await, single),
        (
            said::<(i32, i32)>(session, "SELECT 1, 2, 3").await,
            "a row of 3 columns cannot become a tuple of 2",
        ),
        (said::<Point>(session, "SELECT 1").await, "a row of 1 columns cannot become a tuple of 2"),
        (said::<i32>(session, "SELECT 'x' AS n").await, "column `n`: a text, expected i32"),
        (said::<i32>(session, "SELECT 0x07 AS n").await, "column `n`: binary data, expected i32"),
        (
            said::<Todo>(session, "SELECT 'x' AS id, 'open' AS state").await,
            "column `id`: a text, expected i32",
        ),
        (said::<State>(session, "SELECT 1 AS n").await, "column `n`: an enum is read from text"),
        (
            said::<State>(session, "SELECT 'x' AS n").await,
            "column `n`: unknown variant, expected `open`, `done`",
        ),
        (said::<Todo>(session, "SELECT 1 AS id").await, "there is no column `state`"),
        (said::<Todo>(session, "SELECT 1 AS id, 2 AS id").await, "there are two columns `id`"),
        (said::<Nothing>(session, "SELECT 1").await, "a row, expected unit struct Nothing"),
    ] {
        assert_eq!(said, expected);
    }
    session.clone().close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn binary_becomes_bytes_as_a_field_in_a_tuple_and_alone() {
    #[derive(Debug, PartialEq, Deserialize)]
    struct Photo {
        data: Vec<u8>,
        hash: [u8; 2],
        none: Option<Vec<u8>>,
    }
    let azure = Azure::start().await;
    let session = azure.session().await;
    let sql = "SELECT CAST(0x00FF7F AS varbinary(8)) AS data, CAST(0xABCD AS binary(2)) AS hash, \
               CAST(NULL AS varbinary(8)) AS none";
    let photo: Photo = session.query_one(sql, &[]).await.unwrap();
    assert_eq!(photo, Photo { data: vec![0, 255, 127], hash: [0xab, 0xcd], none: None });
    let tuple: (Vec<u8>, Vec<u8>, Option<Vec<u8>>) = session.query_one(sql, &[]).await.unwrap();
    assert_eq!(tuple, (vec![0, 255, 127], vec![0xab, 0xcd], None));
    let alone: Vec<u8> = session.query_one("SELECT @P1", &[&[0_u8, 1].as_slice()]).await.unwrap();
    assert_eq!(alone, [0, 1]);
    let some: Option<Vec<u8>> = session.query_one("SELECT CAST(0x07 AS varbinary(8))", &[]).await.unwrap();
    assert_eq!(some, Some(vec![7]));
    let columns: Vec<Vec<u8>> = session.query_one("SELECT 0x01, 0x02", &[]).await.unwrap();
    assert_eq!(columns, [[1], [2]], "any other row is a sequence of its columns");
    let tuple: (Vec<u8>,) = session.query_one("SELECT @P1", &[&[0_u8, 1].as_slice()]).await.unwrap();
    assert_eq!(tuple, (vec![0, 1],));
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn binary_that_does_not_fit_is_an_error_that_names_its_column() {
    let azure = Azure::start().await;
    let session = azure.session().await;
    let said = |error: Error| match error {
        Error::Value(text) => text,
        other => panic!("{other:?}"),
    };
    let null = session.query_one::<Vec<u8>>("SELECT CAST(NULL AS varbinary(8)) AS n", &[]).await;
    assert_eq!(said(null.unwrap_err()), "column `n`: NULL, expected a sequence");
    let text = session.query_one::<(Vec<u8>, i32)>("SELECT N'text' AS n, 1 AS m", &[]).await;
    assert_eq!(said(text.unwrap_err()), "column `n`: a text, expected a sequence");
    for bytes in ["SELECT 0x0102 AS n, 1 AS m", "SELECT 0x01020304 AS n, 1 AS m"] {
        let error = session.query_one::<([u8; 3], i32)>(bytes, &[]).await.unwrap_err();
        assert!(said(error).starts_with("column `n`: another length"));
    }
    session.close().await;
}
