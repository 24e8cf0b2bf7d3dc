//! Rows: a column of each type is read into a struct's field, a tuple's place or a single value.

mod common;

use common::Azure;
use serde::Deserialize;

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
    let error = session.query_one::<(i32, i32)>("SELECT 1, 2, 3", &[]).await.unwrap_err();
    assert!(matches!(error, sqlscope::Error::Value(_)), "{error:?}");
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn moments_become_text() {
    let azure = Azure::start().await;
    let session = azure.session().await;
    let moments: (String, String, String) = session
        .query_one(
            "SELECT CAST('2026-01-31' AS date), CAST('12:34:56' AS time(0)), \
             CAST('2026-01-31T12:34:56' AS datetime2(0))",
            &[],
        )
        .await
        .unwrap();
    assert!(moments.0.starts_with("2026-01-31"), "{moments:?}");
    assert!(moments.1.starts_with("12:34:56"), "{moments:?}");
    assert!(moments.2.starts_with("2026-01-31T12:34:56"), "{moments:?}");
    session.close().await;
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
    let columns: Vec<u8> =
        session.query_one("SELECT CAST(1 AS tinyint), CAST(2 AS tinyint)", &[]).await.unwrap();
    assert_eq!(columns, [1, 2], "any other row is a sequence of its columns");
    let tuple: (Vec<u8>,) = session.query_one("SELECT @P1", &[&[0_u8, 1].as_slice()]).await.unwrap();
    assert_eq!(tuple, (vec![0, 1],));
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn binary_that_does_not_fit_is_an_error_that_names_its_column() {
    let azure = Azure::start().await;
    let session = azure.session().await;
    let said = |error: sqlscope::Error| match error {
        sqlscope::Error::Value(text) => text,
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
