//! Tables, their constraints and indexes: made, altered and dropped.

mod common;

use common::{azure, fails, rows, run};

#[tokio::test]
async fn constraints_are_added_to_tables_that_have_rows_and_dropped_again() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE p (id int CONSTRAINT PK_p PRIMARY KEY); INSERT p VALUES (1), (2); \
         CREATE TABLE t (id int NOT NULL, a int, b int, d datetime2); INSERT t (id, a, b) VALUES (1, 1, 1); \
         ALTER TABLE t ADD CONSTRAINT PK_t PRIMARY KEY (id); ALTER TABLE t ADD CONSTRAINT CK_t CHECK (a > 0); \
         ALTER TABLE t ADD CONSTRAINT UQ_t UNIQUE (b); ALTER TABLE t ADD CONSTRAINT DF_t DEFAULT (5) FOR a, \
         CONSTRAINT DF_d DEFAULT SYSUTCDATETIME() FOR d; \
         ALTER TABLE t WITH CHECK ADD CONSTRAINT FK_t FOREIGN KEY (b) REFERENCES p (id)",
    )
    .await;
    let insert = "INSERT t (id, b) VALUES (2, 2); SELECT a, IIF(d IS NULL, 0, 1) FROM t WHERE id = 2";
    assert_eq!(rows(&mut sql, insert).await, "5, 1");
    for (text, expected) in [
        ("INSERT t (id) VALUES (1)", 2627),
        ("INSERT t (id, a) VALUES (3, 0)", 547),
        ("INSERT t (id, b) VALUES (3, 1)", 2627),
        ("INSERT t (id, b) VALUES (3, 9)", 547),
        ("ALTER TABLE t ADD CONSTRAINT CK_2 CHECK (a > 1)", 547),
        ("ALTER TABLE t ADD CONSTRAINT PK_2 PRIMARY KEY (id)", 1779),
        ("ALTER TABLE t ADD CONSTRAINT PK_2 PRIMARY KEY (a)", 8111),
        ("ALTER TABLE t ADD CONSTRAINT DF_2 DEFAULT 6 FOR a", 1781),
        ("ALTER TABLE t DROP CONSTRAINT nope", 3728),
        ("ALTER TABLE t DROP COLUMN nope", 4924),
        ("ALTER TABLE t DROP COLUMN a", 5074),
        ("ALTER TABLE t ADD needed int NOT NULL", 4901),
        ("ALTER TABLE nope ADD x int", 208),
        ("DROP TABLE p", 3726),
        ("ALTER TABLE p DROP CONSTRAINT PK_p", 3725),
    ] {
        assert_eq!(fails(&mut sql, text).await, expected, "{text}");
    }
    run(
        &mut sql,
        "ALTER TABLE t DROP CONSTRAINT CK_t, DF_t; ALTER TABLE t DROP CONSTRAINT IF EXISTS FK_t; \
         ALTER TABLE t DROP CONSTRAINT UQ_t; ALTER TABLE t DROP COLUMN IF EXISTS nope; \
         INSERT t (id, a, b) VALUES (3, -1, 9), (4, -1, 9); ALTER TABLE t DROP COLUMN a; DROP TABLE p",
    )
    .await;
    assert_eq!(rows(&mut sql, "SELECT id, b FROM t").await, "1, 1 | 2, 2 | 3, 9 | 4, 9");
    assert_eq!(fails(&mut sql, "ALTER TABLE t ADD CONSTRAINT UQ_t UNIQUE (b)").await, 1505);
    assert_eq!(fails(&mut sql, "CREATE UNIQUE INDEX ux ON t (b)").await, 1505);
}

#[tokio::test]
async fn columns_are_added_filled_and_given_other_types() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE t (id int PRIMARY KEY, n nvarchar(10)); INSERT t VALUES (1, '5'), (2, '6'); \
         ALTER TABLE t ADD e int NULL, f nvarchar(5) NOT NULL DEFAULT 'q', g datetime2 NOT NULL DEFAULT SYSUTCDATETIME(), \
         h int DEFAULT 3, i int IDENTITY(10, 5)",
    )
    .await;
    let select = "SELECT id, n, e, f, IIF(g IS NULL, 0, 1), h, i FROM t";
    assert_eq!(rows(&mut sql, select).await, "1, 5, NULL, q, 1, NULL, 10 | 2, 6, NULL, q, 1, NULL, 15");
    run(&mut sql, "INSERT t (id, n) VALUES (3, '7'); ALTER TABLE t ALTER COLUMN n bigint NOT NULL").await;
    assert_eq!(rows(&mut sql, "SELECT n + 1, h, i FROM t WHERE id = 3").await, "8, 3, 20");
    assert_eq!(fails(&mut sql, "INSERT t (id) VALUES (4)").await, 515);
    assert_eq!(fails(&mut sql, "ALTER TABLE t ALTER COLUMN e int NOT NULL").await, 515);
    assert_eq!(fails(&mut sql, "ALTER TABLE t ALTER COLUMN nope int").await, 4924);
    run(&mut sql, "BEGIN TRAN; ALTER TABLE t ADD gone int; ALTER TABLE t ADD CHECK (h > 2); ROLLBACK").await;
    run(&mut sql, "INSERT t (id, n, h) VALUES (4, 1, 1)").await;
    assert_eq!(fails(&mut sql, "SELECT gone FROM t").await, 207);
    let mut other = azure.connect().await;
    run(&mut other, "ALTER TABLE t ADD seen int; INSERT t (id, n, seen) VALUES (5, 1, 1)").await;
    assert_eq!(rows(&mut sql, "SELECT seen FROM t WHERE id > 3").await, "NULL | 1");
}

#[tokio::test]
async fn computed_columns_follow_their_columns() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE t (a int, b int, total AS (a + b) PERSISTED, label AS CONCAT(a, '-', b)); \
         INSERT t (a, b) VALUES (1, 2); INSERT t VALUES (3, 4); UPDATE t SET b = 5 WHERE a = 3; \
         ALTER TABLE t ADD twice AS a * 2; CREATE INDEX ix ON t (total)",
    )
    .await;
    let expected = "1, 2, 3, 1-2, 2 | 3, 5, 8, 3-5, 6";
    assert_eq!(rows(&mut sql, "SELECT * FROM t ORDER BY total").await, expected);
    assert_eq!(fails(&mut sql, "UPDATE t SET total = 1").await, 271);
    assert_eq!(fails(&mut sql, "INSERT t (a, total) VALUES (1, 1)").await, 271);
}

/// The columns of a table or a view, with their types.
async fn declared(sql: &mut common::Sql, name: &str) -> String {
    let text = format!(
        "SELECT c.name + ' ' + t.name + CASE WHEN t.name IN ('decimal', 'numeric') \
         THEN CONCAT('(', c.precision, ',', c.scale, ')') WHEN t.name LIKE '%char' \
         THEN CONCAT('(', CASE WHEN t.name LIKE 'n%' THEN c.max_length / 2 ELSE c.max_length END, ')') ELSE '' END \
         FROM sys.columns AS c JOIN sys.types AS t ON t.user_type_id = c.user_type_id \
         WHERE c.object_id = OBJECT_ID('{name}') ORDER BY c.column_id"
    );
    rows(sql, &text).await
}

#[tokio::test]
async fn an_expression_has_its_type_in_a_table_a_view_and_a_result() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE t (n int NOT NULL, price decimal(9, 2), name varchar(10), \
         total AS n * price, loud AS UPPER(name), next AS n + 1 PERSISTED); \
         INSERT t (n, price, name) VALUES (2, 1.50, 'a'); ALTER TABLE t ADD half AS price / 2",
    )
    .await;
    run(
        &mut sql,
        "CREATE VIEW v AS SELECT total * 2 AS twice, name + 'b' AS longer, COUNT(*) OVER () AS c FROM t",
    )
    .await;
    let computed = "total decimal(20,2) | loud varchar(10) | next int | half decimal(13,6)";
    let viewed = "twice decimal(22,2) | longer varchar(11) | c int";
    assert!(declared(&mut sql, "t").await.ends_with(computed), "{}", declared(&mut sql, "t").await);
    assert_eq!(declared(&mut sql, "v").await, viewed);
    // A `*` stands for columns with those types, be they of a table, a view, a derived table or several.
    for (source, expected) in [
        ("v", viewed.to_owned()),
        ("(SELECT total * 2 AS twice, n FROM t) AS d", "twice decimal(22,2) | n int".to_owned()),
        ("(SELECT n AS m FROM t) AS a JOIN v ON 1 = 1", format!("m int | {viewed}")),
    ] {
        run(&mut sql, &format!("DROP TABLE IF EXISTS copy; SELECT * INTO copy FROM {source}")).await;
        assert_eq!(declared(&mut sql, "copy").await, expected, "{source}");
    }
    assert_eq!(
        rows(&mut sql, "WITH a AS (SELECT n * 0.5 AS h FROM t) SELECT v.*, a.* FROM a, v").await,
        "6.00, ab, 1, 1.0"
    );
    assert_eq!(
        rows(&mut sql, "SELECT name, type FROM sys.objects WHERE parent_object_id = OBJECT_ID('t')").await,
        ""
    );
}

#[tokio::test]
async fn indexes_may_be_part_of_a_table_and_have_a_filter() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE t (a int, b int, CONSTRAINT PK_t PRIMARY KEY CLUSTERED (a, b) WITH (FILLFACTOR = 80) ON [PRIMARY], \
         CONSTRAINT CK_t CHECK (a < b), INDEX ix NONCLUSTERED (b DESC) INCLUDE (a)) ON [PRIMARY]; \
         CREATE UNIQUE NONCLUSTERED INDEX ux ON dbo.t (b ASC) INCLUDE (a) WHERE b > 5 WITH (ONLINE = ON); \
         INSERT t VALUES (1, 2), (0, 2), (1, 6)",
    )
    .await;
    assert_eq!(fails(&mut sql, "INSERT t VALUES (2, 6)").await, 2601);
    assert_eq!(fails(&mut sql, "INSERT t VALUES (7, 6)").await, 547);
    assert_eq!(fails(&mut sql, "INSERT t VALUES (1, 2)").await, 2627);
    assert_eq!(fails(&mut sql, "CREATE INDEX ix ON t (a)").await, 1913);
    assert_eq!(fails(&mut sql, "CREATE INDEX iy ON t (nope)").await, 1911);
    run(&mut sql, "DROP INDEX ux ON dbo.t; DROP INDEX IF EXISTS ux ON t; INSERT t VALUES (2, 6)").await;
    assert_eq!(fails(&mut sql, "DROP INDEX ux ON t").await, 3701);
}

#[tokio::test]
async fn a_table_tells_the_last_value_of_its_identity() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE made (id int IDENTITY(5, 3), n int); CREATE TABLE plain (id int); EXEC('CREATE SCHEMA shop'); \
         CREATE TABLE shop.made (id bigint IDENTITY, n int)",
    )
    .await;
    for (text, expected) in [
        (
            "SELECT IDENT_SEED('made'), IDENT_INCR('dbo.made'), IDENT_CURRENT('made'), IDENT_CURRENT('shop.made')",
            "5.0, 3.0, 5.0, 1.0",
        ),
        ("INSERT made (n) VALUES (1); SELECT IDENT_CURRENT('dbo.made')", "5.0"),
        (
            "INSERT made (n) VALUES (1), (2); DECLARE @t sysname = N'made'; SELECT IDENT_CURRENT(@t), SCOPE_IDENTITY()",
            "11.0, 11.0",
        ),
        ("DELETE made; SELECT IDENT_CURRENT('[dbo].[made]')", "11.0"),
        ("BEGIN TRANSACTION; INSERT made (n) VALUES (1); ROLLBACK; SELECT IDENT_CURRENT('made')", "14.0"),
        (
            "SELECT IDENT_CURRENT('plain'), IDENT_SEED('plain'), IDENT_CURRENT('nope'), IDENT_INCR('nope')",
            "NULL, NULL, NULL, NULL",
        ),
        ("IF IDENT_CURRENT('made') > 13 SELECT 1 ELSE SELECT 0", "1"),
        ("INSERT plain SELECT IDENT_CURRENT('made') + 1; SELECT id FROM plain", "15"),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    let mut other = azure.connect().await;
    assert_eq!(rows(&mut other, "SELECT IDENT_CURRENT('made'), SCOPE_IDENTITY()").await, "14.0, NULL");
}

#[tokio::test]
async fn a_unique_key_takes_one_null() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE t (a int CONSTRAINT UQ_a UNIQUE, b nvarchar(9), c varbinary(4), CONSTRAINT UQ_bc UNIQUE (b, c)); \
         CREATE UNIQUE INDEX ux ON t (c); CREATE UNIQUE INDEX uf ON t (b) WHERE b IS NOT NULL; \
         INSERT t VALUES (NULL, 'x', NULL), (1, NULL, 0x)",
    )
    .await;
    for (text, expected) in [
        ("INSERT t VALUES (NULL, 'y', 0x01)", 2627),
        ("INSERT t VALUES (2, 'y', NULL)", 2601),
        ("UPDATE t SET a = NULL", 2627),
        ("INSERT t VALUES (2, NULL, 0x)", 2601),
        ("INSERT t VALUES (2, 'X', 0x02)", 2601),
        (
            "CREATE TABLE #t (n int); INSERT #t VALUES (NULL), (NULL); \
          CREATE UNIQUE INDEX ux ON #t (n)",
            1505,
        ),
    ] {
        assert_eq!(fails(&mut sql, text).await, expected, "{text}");
    }
    // A filter takes NULL out, where an application wants several.
    run(&mut sql, "DROP INDEX ux ON t; INSERT t VALUES (2, NULL, 0x02)").await;
    let names = "SELECT name FROM sys.indexes WHERE object_id = OBJECT_ID('t') ORDER BY name";
    assert_eq!(rows(&mut sql, names).await, "uf | UQ_a | UQ_bc");
    assert_eq!(
        rows(&mut sql, "SELECT COUNT(*) FROM sys.index_columns WHERE object_id = OBJECT_ID('t')").await,
        "4"
    );
    // It stays so under other names, and no longer than the key.
    run(&mut sql, "EXEC sp_rename 't', 'u'; EXEC sp_rename 'UQ_a', 'UQ_n'").await;
    assert_eq!(fails(&mut sql, "INSERT u VALUES (NULL, 'z', 0x03)").await, 2627);
    run(&mut sql, "ALTER TABLE u DROP CONSTRAINT UQ_n; INSERT u VALUES (NULL, 'z', 0x03)").await;
}

#[tokio::test]
async fn keys_and_indexes_may_say_how_they_are_stored() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE t (id int NOT NULL, n int UNIQUE NONCLUSTERED, x int, \
         CONSTRAINT pk_t PRIMARY KEY CLUSTERED (id ASC)); CREATE TABLE u (id int PRIMARY KEY NONCLUSTERED); \
         CREATE NONCLUSTERED INDEX ix_n ON t (n DESC); CREATE UNIQUE NONCLUSTERED INDEX ix_x ON t (x); \
         CREATE CLUSTERED INDEX ix_u ON u (id); INSERT t VALUES (1, 1, 1)",
    )
    .await;
    assert_eq!(fails(&mut sql, "INSERT t VALUES (1, 2, 2)").await, 2627);
    assert_eq!(fails(&mut sql, "INSERT t VALUES (2, 1, 2)").await, 2627);
    assert_eq!(fails(&mut sql, "INSERT t VALUES (2, 2, 1)").await, 2601);
}
