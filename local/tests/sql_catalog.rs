//! What the catalog tells of constraints, defaults and computed columns.

mod common;

use common::{azure, rows, run};

#[tokio::test]
async fn constraints_are_objects_of_their_tables() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE p (id int CONSTRAINT PK_p PRIMARY KEY); CREATE TABLE t (id int CONSTRAINT DF_t DEFAULT 1 \
         CONSTRAINT UQ_t UNIQUE, p int CONSTRAINT FK_t FOREIGN KEY REFERENCES p (id), CONSTRAINT CK_t CHECK (id > 0))",
    )
    .await;
    let text =
        "SELECT name, type, type_desc FROM sys.objects WHERE parent_object_id = OBJECT_ID('t') ORDER BY name";
    let expected = "CK_t, C , CHECK_CONSTRAINT | DF_t, D , DEFAULT_CONSTRAINT | FK_t, F , FOREIGN_KEY_CONSTRAINT | \
                    UQ_t, UQ, UNIQUE_CONSTRAINT";
    assert_eq!(rows(&mut sql, text).await, expected);
}

#[tokio::test]
async fn the_catalog_shows_defaults_and_computed_columns_as_they_were_written() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE t (a int DEFAULT 1, b int DEFAULT (3 + 5), s nvarchar(20) DEFAULT N'it''s, (or) not', \
         at datetime2 DEFAULT SYSUTCDATETIME(), c AS a * 2, d AS (a + b) PERSISTED); ALTER TABLE t ADD e int DEFAULT 7; \
         INSERT t DEFAULT VALUES; INSERT t (a) VALUES (DEFAULT)",
    )
    .await;
    let defaults = "SELECT COLUMN_DEFAULT FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_NAME = 't' AND COLUMN_DEFAULT IS NOT NULL \
                    ORDER BY ORDINAL_POSITION";
    let expected = "((1)) | (3 + 5) | (N'it''s, (or) not') | (SYSUTCDATETIME()) | ((7))";
    assert_eq!(rows(&mut sql, defaults).await, expected);
    let definitions = "SELECT definition FROM sys.default_constraints WHERE parent_object_id = OBJECT_ID('t') ORDER BY parent_column_id";
    assert_eq!(rows(&mut sql, definitions).await, expected);
    let computed =
        "SELECT name, definition, is_persisted FROM sys.computed_columns WHERE object_id = OBJECT_ID('t')";
    assert_eq!(rows(&mut sql, computed).await, "c, (a * 2), 0 | d, (a + b), 1");
    assert_eq!(
        rows(&mut sql, "SELECT a, b, s, c, d, e FROM t").await,
        "1, 8, it's, (or) not, 2, 9, 7 | 1, 8, it's, (or) not, 2, 9, 7"
    );
    // Of a set operation, the first part says where its rows go.
    run(&mut sql, "SELECT a INTO u FROM t UNION ALL SELECT b FROM t").await;
    assert_eq!(rows(&mut sql, "SELECT SUM(a) FROM u").await, "18");
}
