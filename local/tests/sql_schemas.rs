//! An application's own schema: made, filled, asked about and dropped.

mod common;

use common::{azure, azure_with, fails, rows, run};

const TABLES: &str = "IF SCHEMA_ID('app') IS NULL EXEC('CREATE SCHEMA app AUTHORIZATION dbo'); \
    CREATE TABLE app.author (id int IDENTITY(10, 5) CONSTRAINT PK_author PRIMARY KEY, name nvarchar(50) NOT NULL \
    CONSTRAINT UQ_name UNIQUE, CONSTRAINT CK_name CHECK (LEN(name) > 1)); \
    CREATE TABLE [app].[book] (id int PRIMARY KEY, title nvarchar(50) CONSTRAINT DF_title DEFAULT N'none', \
    author_id int CONSTRAINT FK_book REFERENCES app.author (id)); CREATE INDEX ix_title ON app.book (title); \
    INSERT app.author (name) VALUES ('Ann'), ('Bob'); INSERT INTO app.book (id, author_id) VALUES (1, 10), (2, 15)";

#[tokio::test]
async fn tables_of_a_schema_are_read_and_changed_by_every_form_of_their_names() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, TABLES).await;
    run(&mut sql, "CREATE TABLE book (id int, title nvarchar(5)); INSERT book VALUES (7, 'dbo')").await;
    for (text, expected) in [
        ("SELECT title FROM app.book ORDER BY id", "none | none"),
        ("SELECT book.id, app.book.title FROM app.book WHERE app.book.id > 1", "2, none"),
        ("SELECT b.id FROM todos.app.book AS b WHERE b.id = 1", "1"),
        ("SELECT * FROM APP.Author", "10, Ann | 15, Bob"),
        ("SELECT author.* FROM app.author WHERE author.id = 10", "10, Ann"),
        (
            "SELECT name, COUNT(*) FROM app.author JOIN app.book ON book.author_id = author.id GROUP BY name ORDER BY author.name",
            "Ann, 1 | Bob, 1",
        ),
        ("SELECT a.title, b.title FROM dbo.book AS a, app.book AS b WHERE b.id = 1", "dbo, none"),
        ("SELECT id FROM book", "7"),
        ("WITH b AS (SELECT id FROM app.book) SELECT MAX(id) FROM b", "2"),
        (
            "SELECT name FROM app.author WHERE EXISTS (SELECT 1 FROM app.book WHERE book.author_id = author.id AND book.id = 2)",
            "Bob",
        ),
        (
            "UPDATE app.book SET title = 'new' OUTPUT deleted.title, inserted.title WHERE app.book.id = 1",
            "none, new",
        ),
        (
            "UPDATE b SET title = a.name OUTPUT inserted.title FROM app.book AS b JOIN app.author AS a ON a.id = b.author_id WHERE b.id = 2",
            "Bob",
        ),
        (
            "UPDATE app.book SET title = author.name OUTPUT inserted.title FROM app.author WHERE author.id = book.author_id AND book.id = 2",
            "Bob",
        ),
        ("DELETE FROM app.book OUTPUT deleted.id WHERE book.id = 1", "1"),
        ("DELETE b OUTPUT deleted.id FROM app.book b JOIN app.author a ON a.id = b.author_id", "2"),
        (
            "SET IDENTITY_INSERT app.author ON; INSERT app.author (id, name) VALUES (100, 'Cid'); SET IDENTITY_INSERT app.author OFF; \
          INSERT app.author (name) VALUES ('Dan'); SELECT MAX(id), CAST(SCOPE_IDENTITY() AS int) FROM app.author",
            "105, 105",
        ),
        ("SELECT id AS n INTO app.copied FROM app.author; SELECT COUNT(*) FROM app.copied", "4"),
        (
            "TRUNCATE TABLE app.copied; INSERT app.copied SELECT id FROM dbo.book; SELECT n FROM app.copied",
            "7",
        ),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
    let mut load = sql.bulk_insert_columns("app.copied", &["n"]).await.expect("INSERT BULK");
    let mut row = tiberius::TokenRow::new();
    row.push(tiberius::ColumnData::I32(Some(8)));
    load.send(row).await.expect("a row");
    assert_eq!(load.finalize().await.expect("loaded").total(), 1);
    run(&mut sql, "CREATE VIEW app.names AS SELECT name FROM app.author").await;
    assert_eq!(rows(&mut sql, "SELECT names.name FROM app.names WHERE name LIKE 'A%'").await, "Ann");
    run(
        &mut sql,
        "ALTER TABLE app.book ADD pages int; ALTER TABLE app.book ADD CONSTRAINT CK_pages CHECK (pages > 0)",
    )
    .await;
    assert_eq!(fails(&mut sql, "INSERT app.book (id, pages) VALUES (9, 0)").await, 547);
}

#[tokio::test]
async fn errors_name_the_schema() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, TABLES).await;
    for (text, number, message) in [
        ("SELECT * FROM app.nope", 208, "Invalid object name 'app.nope'."),
        ("SELECT * FROM nope.book", 208, "Invalid object name 'nope.book'."),
        ("SELECT * FROM book", 208, "Invalid object name 'book'."),
        ("INSERT nope.book VALUES (1)", 208, "Invalid object name 'nope.book'."),
        ("CREATE TABLE nope.t (id int)", 2760, "The specified schema name \"nope\" either does not exist"),
        ("CREATE SCHEMA app", 2714, "There is already an object named 'app'"),
        ("CREATE TABLE app.book (id int)", 2714, "There is already an object named 'book'"),
        (
            "DROP SCHEMA app",
            3729,
            "Cannot drop schema 'app' because it is being referenced by object 'author'.",
        ),
        ("DROP SCHEMA nope", 15151, "Cannot drop the schema 'nope', because it does not exist"),
        ("DROP SCHEMA dbo", 15150, "Cannot drop the schema 'dbo'."),
        ("DROP TABLE app.nope", 3701, "Cannot drop the table 'app.nope'"),
        ("DROP TABLE app.author", 3726, "Could not drop object 'app.author'"),
        (
            "INSERT app.author (name) VALUES ('ann')",
            2627,
            "UNIQUE KEY constraint 'UQ_name'. Cannot insert duplicate key in object 'app.author'.",
        ),
        ("INSERT app.author (name) VALUES (NULL)", 515, "column 'name', table 'todos.app.author'"),
        ("INSERT app.author (name) VALUES ('x')", 547, "CHECK constraint \"CK_name\""),
        (
            "INSERT app.book (id, author_id) VALUES (3, 3)",
            547,
            "FOREIGN KEY constraint \"FK_book\". The conflict occurred in database \"todos\", table \"app.author\", column 'id'.",
        ),
        (
            "DELETE app.author",
            547,
            "REFERENCE constraint \"FK_book\". The conflict occurred in database \"todos\", table \"app.book\", column 'author_id'.",
        ),
        (
            "INSERT app.author (name) VALUES (REPLICATE('x', 60))",
            2628,
            "table 'todos.app.author', column 'name'",
        ),
    ] {
        let error = common::attempt(&mut sql, text).await.expect_err(text);
        assert_eq!(common::number(&error), number, "{text}: {error}");
        assert!(error.to_string().contains(message), "{text}: {error}");
    }
}

#[tokio::test]
async fn the_catalog_tells_the_schema_of_each_object() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, TABLES).await;
    run(&mut sql, "CREATE TABLE book (n int)").await;
    for (text, expected) in [
        (
            "SELECT s.name, t.name FROM sys.tables t JOIN sys.schemas s ON s.schema_id = t.schema_id ORDER BY 1, 2",
            "app, author | app, book | dbo, book",
        ),
        (
            "SELECT SCHEMA_NAME(schema_id), OBJECT_SCHEMA_NAME(object_id), name FROM sys.objects WHERE object_id = OBJECT_ID(N'[app].[book]', 'U')",
            "app, app, book",
        ),
        (
            "SELECT IIF(OBJECT_ID('app.book') = OBJECT_ID('dbo.book'), 1, 0), OBJECT_ID('app.nope'), OBJECT_NAME(OBJECT_ID('app.author'))",
            "0, NULL, author",
        ),
        (
            "SELECT TABLE_SCHEMA, TABLE_NAME FROM INFORMATION_SCHEMA.TABLES WHERE TABLE_SCHEMA = 'APP' ORDER BY 2",
            "app, author | app, book",
        ),
        (
            "SELECT COLUMN_NAME FROM INFORMATION_SCHEMA.COLUMNS WHERE TABLE_SCHEMA = 'app' AND TABLE_NAME = 'book'",
            "id | title | author_id",
        ),
        ("SELECT name FROM sys.columns WHERE object_id = OBJECT_ID('dbo.book')", "n"),
        ("SELECT COL_LENGTH('app.book', 'title'), SCHEMA_ID('nope')", "100, NULL"),
        (
            "SELECT i.name, i.is_primary_key FROM sys.indexes i WHERE i.object_id = OBJECT_ID('app.author') ORDER BY 1",
            "PK_author, 1 | UQ_name, 0",
        ),
        (
            "SELECT name FROM sys.default_constraints WHERE parent_object_id = OBJECT_ID('app.book')",
            "DF_title",
        ),
        ("SELECT name, OBJECT_NAME(parent_object_id) FROM sys.check_constraints", "CK_name, author"),
        ("SELECT name, OBJECT_NAME(referenced_object_id) FROM sys.foreign_keys", "FK_book, author"),
        (
            "SELECT CONSTRAINT_SCHEMA, CONSTRAINT_NAME, CONSTRAINT_TYPE FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS WHERE \
             TABLE_NAME = 'author' ORDER BY 2",
            "app, CK_name, CHECK | app, PK_author, PRIMARY KEY | app, UQ_name, UNIQUE",
        ),
        (
            "SELECT UNIQUE_CONSTRAINT_SCHEMA, UNIQUE_CONSTRAINT_NAME FROM INFORMATION_SCHEMA.REFERENTIAL_CONSTRAINTS",
            "app, PK_author",
        ),
        ("EXEC sp_columns 'book', 'app', @column_name = 'title'; SELECT 1", "1"),
        (
            "DROP INDEX ix_title ON app.book; DROP INDEX IF EXISTS ix_title ON app.book; SELECT COUNT(*) FROM sys.indexes WHERE name = 'ix_title'",
            "0",
        ),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
}

#[tokio::test]
async fn a_schema_lasts_in_its_file_and_goes_once_it_is_empty_or_rolled_back() {
    let file = std::env::temp_dir().join(format!("sqlscope-test-{}.db", uuid::Uuid::new_v4()));
    let database = sqlscope_local::sql::Database::File(file.clone());
    let first = azure_with(database.clone()).await;
    run(&mut first.connect().await, TABLES).await;
    drop(first);
    let second = azure_with(database).await;
    let mut sql = second.connect().await;
    assert_eq!(
        rows(&mut sql, "INSERT app.author (name) VALUES ('Eve'); SELECT MAX(id) FROM app.author").await,
        "20"
    );
    run(
        &mut sql,
        "DROP TABLE app.book; DROP TABLE IF EXISTS app.author, app.nope; DROP SCHEMA IF EXISTS app",
    )
    .await;
    run(&mut sql, "BEGIN TRAN; CREATE SCHEMA app; CREATE TABLE app.t (n int); ROLLBACK").await;
    assert_eq!(rows(&mut sql, "SELECT SCHEMA_ID('app'), OBJECT_ID('app.t')").await, "NULL, NULL");
    run(
        &mut sql,
        "CREATE SCHEMA app; CREATE SCHEMA other; CREATE TABLE app.t (n int); CREATE TABLE other.t (n int)",
    )
    .await;
    assert_eq!(rows(&mut sql, "SELECT COUNT(DISTINCT schema_id) FROM sys.tables").await, "2");
    for end in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(format!("{}{end}", file.display()));
    }
}

#[tokio::test]
async fn procedures_tell_of_references_and_indexes() {
    let azure = azure_with(sqlscope_local::sql::Database::Memory).await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE maker (land char(2), id int, name nvarchar(20) CONSTRAINT uq_name UNIQUE, CONSTRAINT pk_maker PRIMARY KEY (land, id)); \
         CREATE TABLE thing (id int CONSTRAINT pk_thing PRIMARY KEY, land char(2), maker int, old bit, CONSTRAINT fk_maker \
         FOREIGN KEY (land, maker) REFERENCES maker(land, id) ON DELETE CASCADE ON UPDATE SET NULL); \
         CREATE INDEX ix_old ON thing (old DESC, id) WHERE old = 1",
    )
    .await;
    let key = |at: u8, there: &str, here: &str| {
        format!("todos, dbo, maker, {there}, todos, dbo, thing, {here}, {at}, 2, 0, fk_maker, pk_maker, 7")
    };
    let keys = format!("{} | {}", key(1, "land", "land"), key(2, "id", "maker"));
    for (text, expected) in [
        ("EXEC sp_fkeys 'maker'", keys.as_str()),
        ("EXEC sys.sp_fkeys @fktable_name = N'thing', @fktable_owner = N'dbo'", keys.as_str()),
        ("EXEC sp_fkeys 'maker', @fktable_name = 'maker'", ""),
        (
            "EXEC sp_statistics 'thing', 'dbo'",
            "todos, dbo, thing, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL | \
             todos, dbo, thing, 0, thing, pk_thing, 1, 1, id, A, NULL, NULL, NULL | \
             todos, dbo, thing, 1, thing, ix_old, 3, 1, old, D, NULL, NULL, ([old] = 1) | \
             todos, dbo, thing, 1, thing, ix_old, 3, 2, id, A, NULL, NULL, ([old] = 1)",
        ),
        (
            "EXEC sys.sp_statistics_100 'maker', NULL, NULL, @index_name = N'uq%', @is_unique = 'Y', @accuracy = 'Q'",
            "todos, dbo, maker, NULL, NULL, NULL, 0, NULL, NULL, NULL, NULL, NULL, NULL | \
             todos, dbo, maker, 0, maker, uq_name, 3, 1, name, A, NULL, NULL, NULL",
        ),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
}

#[tokio::test]
async fn tables_of_one_name_are_told_apart_by_their_schemas() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE SCHEMA a").await;
    run(&mut sql, "CREATE SCHEMA b").await;
    run(
        &mut sql,
        "CREATE TABLE a.t (id int, x int); CREATE TABLE b.t (id int, y decimal(9, 2)); CREATE TABLE t (id int, z int); \
         INSERT a.t VALUES (1, 10), (2, 20); INSERT b.t VALUES (1, 1.5); INSERT t VALUES (1, 7)",
    )
    .await;
    for (text, expected) in [
        (
            "SELECT a.t.x, b.t.y + 1, dbo.t.z FROM a.t JOIN b.t ON A.T.id = b.t.id JOIN t ON dbo.t.id = b.t.id",
            "10, 2.50, 7",
        ),
        (
            "SELECT a.t.id FROM a.t LEFT JOIN [b].[t] ON a.t.id = b.t.id WHERE b.t.id IS NULL ORDER BY a.t.id",
            "2",
        ),
        ("SELECT a.t.x FROM a.t WHERE EXISTS (SELECT 1 FROM b.t WHERE b.t.id = a.t.id)", "10"),
        (
            "UPDATE a.t SET x = b.t.y * 2 OUTPUT inserted.x, b.t.y FROM a.t JOIN b.t ON b.t.id = a.t.id",
            "3, 1.50",
        ),
        ("IF EXISTS (SELECT 1 FROM a.t JOIN b.t ON a.t.id = b.t.id WHERE a.t.x = 3) SELECT 1", "1"),
        (
            "UPDATE a.t SET x = (SELECT MAX(b.t.id) FROM b.t WHERE b.t.id <= a.t.id) OUTPUT inserted.x WHERE id = 2",
            "1",
        ),
        ("DELETE a.t OUTPUT deleted.id WHERE NOT EXISTS (SELECT 1 FROM b.t WHERE b.t.id = a.t.id)", "2"),
        ("DELETE a.t OUTPUT deleted.id FROM a.t, b.t WHERE a.t.id >= b.t.id", "1"),
    ] {
        assert_eq!(rows(&mut sql, text).await, expected, "{text}");
    }
}
