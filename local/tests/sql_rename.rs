//! sp_rename, with which migrations give tables, columns, indexes and constraints other names.

mod common;

use common::{azure, fails, rows, run};

#[tokio::test]
async fn a_renamed_table_keeps_its_rows_keys_references_and_next_identity() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE p (id int IDENTITY CONSTRAINT PK_p PRIMARY KEY, n nvarchar(9) CONSTRAINT DF_n DEFAULT 'x'); \
         CREATE INDEX ix ON p (n); INSERT p (n) VALUES ('a'), ('b'), ('c'); DELETE p WHERE id = 3; \
         CREATE TABLE c (p int CONSTRAINT FK_c REFERENCES p (id), CONSTRAINT CK_c CHECK (p < 9)); INSERT c VALUES (1); \
         EXEC sp_addextendedproperty 'MS_Description', 'names', 'SCHEMA', 'dbo', 'TABLE', 'p', 'COLUMN', 'n'",
    )
    .await;
    run(&mut sql, "EXEC sp_rename 'dbo.p', 'people'; EXEC sp_rename N'[people].[n]', N'name', 'COLUMN'")
        .await;
    assert_eq!(fails(&mut sql, "SELECT * FROM p").await, 208);
    assert_eq!(
        rows(&mut sql, "INSERT people DEFAULT VALUES; SELECT id, name FROM people").await,
        "1, a | 2, b | 4, x"
    );
    assert_eq!(fails(&mut sql, "INSERT c VALUES (7)").await, 547);
    assert_eq!(fails(&mut sql, "DROP TABLE people").await, 3726);
    let comment = "SELECT value FROM fn_listextendedproperty(NULL, 'schema', 'dbo', 'table', 'people', 'column', 'name')";
    assert_eq!(rows(&mut sql, comment).await, "names");
    run(
        &mut sql,
        "EXEC sp_rename 'people.ix', 'by_name', 'INDEX'; EXEC sp_rename 'PK_p', 'PK_people'; \
         EXEC sp_rename 'dbo.FK_c', 'FK_person', 'OBJECT'; EXEC sp_rename 'DF_n', 'DF_name'; \
         EXEC sp_rename @objname = 'CK_c', @newname = 'CK_person'",
    )
    .await;
    let named = "SELECT name FROM sys.indexes UNION SELECT name FROM sys.foreign_keys UNION \
                 SELECT name FROM sys.default_constraints UNION SELECT name FROM sys.check_constraints";
    assert_eq!(rows(&mut sql, named).await, "by_name | CK_person | DF_name | FK_person | PK_people");
    run(&mut sql, "DROP INDEX by_name ON people; ALTER TABLE c DROP CONSTRAINT FK_person; DROP TABLE people")
        .await;
    run(&mut sql, "CREATE VIEW v AS SELECT p FROM c; EXEC sp_rename 'v', 'w'").await;
    assert_eq!(rows(&mut sql, "SELECT p FROM w").await, "1");
    run(&mut sql, "BEGIN TRAN; EXEC sp_rename 'c', 'd'; ROLLBACK; INSERT c VALUES (2)").await;
}

#[tokio::test]
async fn a_name_that_is_missing_or_taken_is_refused() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE a (x int, y int); CREATE TABLE b (x int); CREATE INDEX i ON a (x); CREATE INDEX j ON a (y)").await;
    for (text, number) in [
        ("EXEC sp_rename 'nope', 'c'", 15225),
        ("EXEC sp_rename 'a.nope', 'c', 'INDEX'", 15225),
        ("EXEC sp_rename 'a', 'b'", 15335),
        ("EXEC sp_rename 'a.x', 'y', 'COLUMN'", 15335),
        ("EXEC sp_rename 'a.i', 'j', 'INDEX'", 15335),
        ("EXEC sp_rename 'a.nope', 'z', 'COLUMN'", 15248),
        ("EXEC sp_rename 'nope.x', 'z', 'COLUMN'", 15248),
        ("EXEC sp_rename 'a', 'b.c'", 40510),
        ("EXEC sp_rename 'a', 'b', 'USERDATATYPE'", 40510),
        ("EXEC sp_rename 'a'", 201),
    ] {
        assert_eq!(fails(&mut sql, text).await, number, "{text}");
    }
}
