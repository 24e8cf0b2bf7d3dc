//! `handler migrate`: in order, once each, each whole or not at all.

mod common;

use common::{Azure, Folder, handler};

const HOST: &str = r#"{"version":"2.0","customHandler":{"description":{"defaultExecutablePath":"handler"}}}"#;

fn project(files: &[(&str, &str)]) -> Folder {
    let folder = Folder::new();
    folder.write("host.json", HOST);
    for (name, text) in files {
        folder.write(&format!("migrations/{name}"), text);
    }
    folder
}

/// Runs `handler migrate` in the folder; what it wrote, and whether it succeeded.
async fn migrate(azure: &Azure, folder: &Folder) -> (bool, String) {
    let output = handler(&["migrate"], azure.environment(), folder.path()).await;
    let text =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    (output.status.success(), text)
}

async fn names(azure: &Azure) -> Vec<String> {
    let session = azure.session().await;
    let names = session.query("SELECT name FROM dbo.sqlscope_migration ORDER BY name", &[]).await.unwrap();
    session.close().await;
    names
}

#[tokio::test(flavor = "multi_thread")]
async fn files_are_applied_in_order_and_once() {
    let azure = Azure::start().await;
    let folder = project(&[
        ("0002_fill.sql", "INSERT INTO dbo.a (n) VALUES (1);\nGO\nINSERT INTO dbo.a (n) VALUES (2);\n"),
        ("0001_make.sql", "\u{feff}CREATE TABLE dbo.a (n int NOT NULL);\r\n"),
        ("notes.txt", "no migration"),
    ]);
    let (ok, text) = migrate(&azure, &folder).await;
    assert!(ok, "{text}");
    assert_eq!(names(&azure).await, ["0001_make.sql", "0002_fill.sql"]);
    assert!(text.contains("applied 0001_make.sql"), "{text}");

    folder.write("migrations/0003_more.sql", "INSERT INTO dbo.a (n) VALUES (3);");
    let (ok, text) = migrate(&azure, &folder).await;
    assert!(ok && !text.contains("0002_fill.sql"), "{text}");
    let session = azure.session().await;
    let rows: Vec<i32> = session.query("SELECT n FROM dbo.a ORDER BY n", &[]).await.unwrap();
    assert_eq!(rows, [1, 2, 3]);
    session.close().await;
    azure.all_closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_changed_after_it_was_applied_is_an_error_that_names_it() {
    let azure = Azure::start().await;
    let folder = project(&[("0001_make.sql", "CREATE TABLE dbo.a (n int NOT NULL);\n")]);
    assert!(migrate(&azure, &folder).await.0);
    folder.write("migrations/0001_make.sql", "CREATE TABLE dbo.a (n int NOT NULL);\r\n");
    assert!(migrate(&azure, &folder).await.0, "other line ends are the same file");
    folder.write("migrations/0001_make.sql", "CREATE TABLE dbo.a (n bigint NOT NULL);\n");
    let (ok, text) = migrate(&azure, &folder).await;
    assert!(!ok && text.contains("0001_make.sql has changed"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_fails_leaves_nothing_of_itself_and_all_before_it() {
    let azure = Azure::start().await;
    let folder = project(&[
        ("0001_make.sql", "CREATE TABLE dbo.a (n int NOT NULL);\n"),
        (
            "0002_half.sql",
            "CREATE TABLE dbo.b (n int NOT NULL);\nGO\nINSERT INTO dbo.nowhere (n) VALUES (1);\n",
        ),
        ("0003_after.sql", "CREATE TABLE dbo.c (n int NOT NULL);\n"),
    ]);
    let (ok, text) = migrate(&azure, &folder).await;
    assert!(!ok && text.contains("0002_half.sql") && text.contains("208"), "{text}");
    assert_eq!(names(&azure).await, ["0001_make.sql"]);
    let session = azure.session().await;
    for (table, there) in [("dbo.a", true), ("dbo.b", false), ("dbo.c", false)] {
        let found: Option<i32> = session.query_one("SELECT OBJECT_ID(@P1, N'U')", &[&table]).await.unwrap();
        assert_eq!(found.is_some(), there, "{table}");
    }
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_that_migrate_at_once_apply_each_file_once() {
    let azure = Azure::start().await;
    let folder = project(&[
        ("0001_make.sql", "WAITFOR DELAY '00:00:00.300';\nCREATE TABLE dbo.a (n int NOT NULL);\n"),
        ("0002_fill.sql", "INSERT INTO dbo.a (n) VALUES (1);\n"),
    ]);
    let (one, two) = tokio::join!(migrate(&azure, &folder), migrate(&azure, &folder));
    assert!(one.0 && two.0, "{one:?} {two:?}");
    let session = azure.session().await;
    assert_eq!(session.query::<i32>("SELECT n FROM dbo.a", &[]).await.unwrap(), [1]);
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_project_without_migrations_is_an_error_that_says_where_they_were_looked_for() {
    let azure = Azure::start().await;
    let folder = project(&[]);
    let (ok, text) = migrate(&azure, &folder).await;
    assert!(!ok && text.contains("migrations") && text.contains("FUNCTIONS_APP_ROOT_PATH"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_that_begins_or_ends_a_transaction_is_an_error_and_is_not_recorded() {
    for text in [
        "CREATE TABLE dbo.a (n int NOT NULL);\nCOMMIT;\n",
        "CREATE TABLE dbo.a (n int NOT NULL);\nGO\nROLLBACK;\n",
        "BEGIN TRANSACTION;\nCREATE TABLE dbo.a (n int NOT NULL);\n",
    ] {
        let azure = Azure::start().await;
        let folder = project(&[("0001_own.sql", text)]);
        for _ in 0..2 {
            let (ok, output) = migrate(&azure, &folder).await;
            assert!(!ok && output.contains("0001_own.sql"), "{text}: {output}");
            assert_eq!(names(&azure).await, [""; 0], "{text}");
        }
    }
}
