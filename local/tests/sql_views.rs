//! Views: made, asked, altered and dropped.

mod common;

use common::{azure, fails, rows, run};

#[tokio::test]
async fn a_view_answers_as_its_query_does() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (id int IDENTITY, name nvarchar(10), d decimal(9, 2)); INSERT t VALUES ('a', 7), ('b', 8)")
        .await;
    run(&mut sql, "CREATE VIEW dbo.v AS SELECT id, name, d FROM dbo.t WHERE id > 1").await;
    run(&mut sql, "CREATE OR ALTER VIEW w (a, b) AS SELECT TOP (1) id, name + N'!' FROM v ORDER BY id DESC")
        .await;
    for (text, expected) in [
        ("SELECT * FROM dbo.v", "2, b, 8.00"),
        ("SELECT b FROM w WHERE b = 'B!'", "b!"),
        ("SELECT d / 3 FROM v", "2.666666"),
        ("SELECT t.name, v.id FROM t LEFT JOIN v ON v.id = t.id ORDER BY t.id", "a, NULL | b, 2"),
        ("IF OBJECT_ID(N'dbo.v', N'V') IS NOT NULL SELECT 1 ELSE SELECT 0", "1"),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    let definition = "SELECT definition FROM sys.sql_modules WHERE object_id = OBJECT_ID('w')";
    let written = "CREATE VIEW w (a, b) AS SELECT TOP (1) id, name + N'!' FROM v ORDER BY id DESC";
    assert_eq!(rows(&mut sql, definition).await, written);
    run(&mut sql, "ALTER VIEW dbo.v AS SELECT id, UPPER(name) AS name FROM t").await;
    assert_eq!(rows(&mut sql, "SELECT name FROM v").await, "A | B");
    for (text, expected) in [
        ("CREATE VIEW v AS SELECT 1 AS a", 2714),
        ("CREATE VIEW t AS SELECT 1 AS a", 2714),
        ("CREATE TABLE v (id int)", 2714),
        ("ALTER VIEW nope AS SELECT 1 AS a", 208),
        ("CREATE VIEW x AS SELECT id + 1 FROM t", 4511),
        ("CREATE VIEW x AS SELECT id FROM t ORDER BY id", 1033),
        ("CREATE VIEW x AS SELECT nope FROM t", 207),
        ("CREATE VIEW x AS SELECT id FROM nope", 208),
        ("INSERT v (name) VALUES ('c')", 40510),
        ("DROP TABLE v", 3705),
        ("DROP VIEW t", 3701),
        ("DROP VIEW nope", 3701),
    ] {
        assert_eq!(fails(&mut sql, text).await, expected, "{text}");
    }
    run(&mut sql, "DROP VIEW IF EXISTS w, nope; DROP VIEW dbo.v").await;
    assert_eq!(fails(&mut sql, "SELECT * FROM v").await, 208);
}
