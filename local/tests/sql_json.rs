//! JSON read, changed, made into rows and made of rows; and APPLY, which goes the same way.

mod common;

use common::{Sql, azure, fails, rows, run};

async fn people(sql: &mut Sql) {
    run(
        sql,
        "CREATE TABLE c (id int PRIMARY KEY, name nvarchar(20), at datetime2(3), ok bit, d decimal(9, 2)); \
         INSERT c VALUES (1, 'Ann', '2026-03-04T05:06:07.5', 1, 1.5), (2, 'Bob', NULL, 0, NULL); \
         CREATE TABLE o (id int, cid int, total int); INSERT o VALUES (1, 1, 10), (2, 1, 30), (3, 2, 20)",
    )
    .await;
}

#[tokio::test]
async fn values_are_found_in_json_and_changed() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    for (text, expected) in [
        (r#"SELECT JSON_VALUE('{"a":{"b":5},"c":[1,"z"]}', '$.a.b')"#, "5"),
        (
            r#"SELECT JSON_VALUE('{"a":{"b":5},"c":[1,"z"]}', '$.c[1]'), JSON_VALUE('{"a":{}}', '$.a')"#,
            "z, NULL",
        ),
        (r#"SELECT JSON_VALUE('{"a b":true}', '$."a b"'), JSON_VALUE('{}', 'lax $.x')"#, "true, NULL"),
        (
            r#"SELECT JSON_QUERY('{"z":1, "a":{"b": 5}}', '$.a'), JSON_QUERY('{"a":1}', '$.a')"#,
            r#"{"b": 5}, NULL"#,
        ),
        (
            r#"SELECT JSON_VALUE('{"a\\b":1,"c\"d":2,"é":3}', '$."a\\b"'), JSON_VALUE('{"c\"d":2}', '$."c\"d"'),
               JSON_VALUE('{"é":3}', '$."\u00e9"')"#,
            "1, 2, 3",
        ),
        ("SELECT ISJSON('{}'), ISJSON('x'), ISJSON('[1]'), ISJSON(NULL)", "1, 0, 1, NULL"),
        (r#"SELECT JSON_MODIFY('{"z":1,"a":2}', '$.a', 'x')"#, r#"{"z":1,"a":"x"}"#),
        (
            r#"SELECT JSON_MODIFY('{"a":1}', '$.b', 2), JSON_MODIFY('{"a":1,"b":2}', '$.a', NULL)"#,
            r#"{"a":1,"b":2}, {"b":2}"#,
        ),
        (r#"SELECT JSON_MODIFY('{"a":[1]}', 'append $.a', 2)"#, r#"{"a":[1,2]}"#),
        (
            r#"SELECT JSON_MODIFY('{}', '$.a', JSON_QUERY('[1,2]')), JSON_PATH_EXISTS('{"a":1}', '$.a')"#,
            r#"{"a":[1,2]}, 1"#,
        ),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    for (text, expected) in [
        ("SELECT JSON_VALUE('{', '$.a')", 13609),
        ("SELECT JSON_VALUE('{}', 'a')", 13607),
        ("SELECT JSON_VALUE('{}', 'strict $.a')", 13608),
        ("SELECT value FROM OPENJSON('x')", 13609),
    ] {
        assert_eq!(fails(&mut sql, text).await, expected, "{text}");
    }
}

#[tokio::test]
async fn json_and_text_become_rows() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    people(&mut sql).await;
    for (text, expected) in [
        (r#"SELECT k, n FROM OPENJSON('{"k":1,"o":{"n":"x"}}') WITH (k int, n nvarchar(5) '$.o.n')"#, "1, x"),
        (r#"SELECT n FROM OPENJSON('{"o":{"n":"x"}}', '$.o') WITH (n nvarchar(5))"#, "x"),
        (
            r#"SELECT [key], value, type FROM OPENJSON('{"a":1,"b":"x","c":null,"d":[1],"e":true}')"#,
            "a, 1, 2 | b, x, 1 | c, NULL, 0 | d, [1], 4 | e, true, 3",
        ),
        (
            r#"SELECT * FROM OPENJSON('[{"id":1,"name":"x"},{"id":2}]') WITH (id int, label nvarchar(20) '$.name')"#,
            "1, x | 2, NULL",
        ),
        (
            r#"SELECT j.id + 1, o FROM OPENJSON('{"items":[{"id":1,"o":{"z":1}}]}', '$.items')
               WITH (id int '$.id', o nvarchar(max) AS JSON) AS j"#,
            r#"2, {"z":1}"#,
        ),
        (
            "DECLARE @j nvarchar(max) = N'[2,3]'; SELECT id FROM c WHERE id IN (SELECT CAST(value AS int) FROM OPENJSON(@j))",
            "2",
        ),
        (
            "DECLARE @j nvarchar(max) = N'[{\"id\":7,\"name\":\"Cyd\"}]'; INSERT c (id, name) SELECT id, name FROM \
             OPENJSON(@j) WITH (id int, name nvarchar(20)); SELECT name FROM c WHERE id = 7",
            "Cyd",
        ),
        ("SELECT value FROM STRING_SPLIT('a,b,,c', ',')", "a | b |  | c"),
        ("SELECT value, ordinal FROM STRING_SPLIT('a b', ' ', 1) ORDER BY ordinal DESC", "b, 2 | a, 1"),
        (
            "SELECT c.id, s.value FROM c CROSS APPLY STRING_SPLIT(c.name, 'n') AS s WHERE c.id = 1",
            "1, A | 1,  | 1, ",
        ),
        ("SELECT SUM(value) FROM GENERATE_SERIES(1, 4)", "10"),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
}

#[tokio::test]
async fn apply_asks_once_for_each_row() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    people(&mut sql).await;
    run(&mut sql, "INSERT c (id, name) VALUES (3, 'Cyd')").await;
    for (text, expected) in [
        (
            "SELECT c.name, x.total FROM c CROSS APPLY (SELECT TOP 1 o.total FROM o WHERE o.cid = c.id \
             ORDER BY o.total DESC) x ORDER BY c.id",
            "Ann, 30 | Bob, 20",
        ),
        (
            "SELECT c.name, x.total FROM c OUTER APPLY (SELECT TOP 1 o.total FROM o WHERE o.cid = c.id \
             ORDER BY o.total DESC) AS x ORDER BY c.id",
            "Ann, 30 | Bob, 20 | Cyd, NULL",
        ),
        (
            "SELECT c.name, x.n, x.half FROM c OUTER APPLY (SELECT COUNT(*) AS n, SUM(total) / 7 AS half FROM o \
             WHERE o.cid = c.id) x WHERE x.n > 0 ORDER BY x.n DESC",
            "Ann, 2, 5 | Bob, 1, 2",
        ),
        (
            "SELECT c.id, v.* FROM c CROSS APPLY (VALUES ('a', c.id), ('b', c.id * 2)) AS v(k, n) WHERE c.id = 3",
            "3, a, 3 | 3, b, 6",
        ),
        ("SELECT v.a, v.b FROM (VALUES (1, 'x'), (2, 'y')) AS v(a, b)", "1, x | 2, y"),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
}

#[tokio::test]
async fn rows_become_json() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    people(&mut sql).await;
    for (text, expected) in [
        (
            "SELECT id, name, at, ok, d FROM c ORDER BY id FOR JSON PATH",
            r#"[{"id":1,"name":"Ann","at":"2026-03-04T05:06:07.5","ok":true,"d":1.5},{"id":2,"name":"Bob","ok":false}]"#,
        ),
        (
            "SELECT id AS 'x.id', name AS 'x.name', d FROM c WHERE id = 2 FOR JSON PATH, INCLUDE_NULL_VALUES",
            r#"[{"x":{"id":2,"name":"Bob"},"d":null}]"#,
        ),
        ("SELECT id FROM c WHERE id = 1 FOR JSON PATH, WITHOUT_ARRAY_WRAPPER", r#"{"id":1}"#),
        ("SELECT id FROM c WHERE id = 1 FOR JSON PATH, ROOT('data')", r#"{"data":[{"id":1}]}"#),
        ("SELECT id FROM c FOR JSON AUTO", r#"[{"id":1},{"id":2}]"#),
        (
            "SELECT c.id, (SELECT o.total FROM o WHERE o.cid = c.id ORDER BY o.id FOR JSON PATH) AS orders, \
             JSON_QUERY('[1]') AS q FROM c WHERE id = 1 FOR JSON PATH",
            r#"[{"id":1,"orders":[{"total":10},{"total":30}],"q":[1]}]"#,
        ),
        ("SELECT id FROM c WHERE id = 9 FOR JSON PATH", ""),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    assert_eq!(fails(&mut sql, "SELECT id + 1 FROM c FOR JSON PATH").await, 13605);
    assert_eq!(fails(&mut sql, "SELECT id FROM c FOR XML PATH('')").await, 40510);
}
