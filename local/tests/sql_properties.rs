//! Extended properties: comments on tables and columns, as tools keep and read them.

mod common;

use common::{azure, fails, rows, run};

#[tokio::test]
async fn a_comment_stays_with_its_table_or_column() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (id int, n int); CREATE SCHEMA app").await;
    run(&mut sql, "CREATE TABLE app.t (id int)").await;
    run(
        &mut sql,
        "EXEC sp_addextendedproperty 'MS_Description', N'a table €', 'schema', 'dbo', 'table', N't'; \
         EXEC sys.sp_addextendedproperty @name = N'MS_Description', @value = N'a number', @level0type = N'SCHEMA', \
         @level0name = N'dbo', @level1type = N'TABLE', @level1name = N'T', @level2type = N'COLUMN', @level2name = N'N'; \
         EXEC sp_addextendedproperty 'MS_Description', 'another', 'SCHEMA', 'app', 'TABLE', 't'; \
         EXEC sp_addextendedproperty 'owner', 'me'",
    )
    .await;
    let read = "SELECT p.class, OBJECT_SCHEMA_NAME(p.major_id), OBJECT_NAME(p.major_id), p.minor_id, p.name, \
                CAST(p.value AS nvarchar(max)) FROM sys.extended_properties AS p ORDER BY p.class, p.value";
    assert_eq!(
        rows(&mut sql, read).await,
        "0, NULL, NULL, 0, owner, me | 1, dbo, t, 2, MS_Description, a number | 1, dbo, t, 0, MS_Description, a table € | \
         1, app, t, 0, MS_Description, another"
    );
    for (arguments, expected) in [
        ("default, default, default, default, default, default, default", "NULL, NULL, owner, me"),
        ("NULL, 'SCHEMA', 'dbo', 'TABLE', default, NULL, NULL", "TABLE, t, MS_Description, a table €"),
        (
            "'MS_Description', 'schema', 'dbo', 'table', 't', 'column', default",
            "COLUMN, n, MS_Description, a number",
        ),
        ("'other', 'schema', 'dbo', 'table', 't', 'column', default", ""),
    ] {
        let list = format!("SELECT objtype, objname, name, value FROM fn_listextendedproperty({arguments})");
        assert_eq!(rows(&mut sql, &list).await.to_lowercase(), expected.to_lowercase(), "{arguments}");
    }
    run(
        &mut sql,
        "EXEC sp_updateextendedproperty 'MS_Description', 'changed', 'SCHEMA', 'app', 'TABLE', 't'",
    )
    .await;
    run(
        &mut sql,
        "EXEC sp_dropextendedproperty 'MS_Description', 'SCHEMA', 'dbo', 'TABLE', 't', 'COLUMN', 'n'",
    )
    .await;
    let values = "SELECT value FROM sys.extended_properties ORDER BY value";
    assert_eq!(rows(&mut sql, values).await, "a table € | changed | me");
    let of = "'MS_Description', 'x', 'SCHEMA', 'dbo', 'TABLE'";
    for (text, number) in [
        (format!("EXEC sp_addextendedproperty {of}, 't'"), 15233),
        (format!("EXEC sp_updateextendedproperty {of}, 't', 'COLUMN', 'id'"), 15217),
        (format!("EXEC sp_addextendedproperty {of}, 'nope'"), 15135),
        (format!("EXEC sp_addextendedproperty {of}, 't', 'COLUMN', 'nope'"), 15135),
        (format!("EXEC sp_addextendedproperty {of}"), 15600),
        (format!("EXEC sp_addextendedproperty {of}, 't', 'INDEX', 'i'"), 40510),
    ] {
        assert_eq!(fails(&mut sql, &text).await, number, "{text}");
    }
    // They go with what they are of, and come back with it.
    run(&mut sql, "BEGIN TRAN; DROP TABLE t; ROLLBACK").await;
    assert_eq!(rows(&mut sql, values).await, "a table € | changed | me");
    run(&mut sql, "DROP TABLE t; CREATE TABLE t (id int)").await;
    assert_eq!(rows(&mut sql, values).await, "changed | me");
}
