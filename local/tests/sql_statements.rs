//! T-SQL through tiberius: results and their types, counts of rows, and what the catalog tells of a table.

mod common;

use common::{azure, read, run};
use tiberius::{
    ColumnType, Uuid,
    numeric::Numeric,
    time::time::{Date, OffsetDateTime, PrimitiveDateTime, Time},
};

#[tokio::test]
async fn statements_give_sql_servers_results() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE dbo.fruit (id int IDENTITY(10, 10) PRIMARY KEY, name nvarchar(20) NOT NULL, kilos decimal(9, 2), \
         at datetime2(0) DEFAULT '2026-01-01'); \
         INSERT INTO [dbo].[fruit] (name, kilos) VALUES (N'Apple', 1.25), ('pear', 2), ('Plum', NULL);",
    )
    .await;
    for (text, expected) in [
        ("SELECT id FROM fruit WHERE name = 'APPLE'", "Some(10)"),
        ("SELECT COUNT(*) FROM dbo.fruit WHERE name LIKE 'p[a-m]%'", "Some(2)"),
        ("SELECT COUNT_BIG(*) FROM fruit f JOIN fruit g ON f.id = g.id", "Some(3)"),
        ("SELECT SUM(kilos) FROM fruit", "Some(\"3.25\")"),
        ("SELECT TOP 1 name FROM fruit ORDER BY kilos DESC", "Some(\"pear\")"),
        ("SELECT name FROM fruit ORDER BY id OFFSET 1 ROWS FETCH NEXT 1 ROWS ONLY", "Some(\"pear\")"),
        ("SELECT 7 / 2", "Some(3)"),
        ("EXEC sp_datatype_info 93", "Some(\"datetime2\")"),
        ("SELECT 7.0 / 2", "Some(\"3.500000\")"),
        ("SELECT CAST(1234567 AS nvarchar)", "Some(\"1234567\")"),
        ("SELECT 'a' + N'b'", "Some(\"ab\")"),
        ("SELECT LEN('abc  ')", "Some(3)"),
        ("SELECT ISNULL(NULL, 'x')", "Some(\"x\")"),
        ("SELECT CASE WHEN 1 = 2 THEN 1 ELSE NULL END", "None"),
        ("SELECT CAST(5 AS bit)", "Some(true)"),
        ("SELECT DATEDIFF(day, '2026-01-31', '2026-03-01')", "Some(29)"),
        ("SELECT COUNT(*) FROM fruit WHERE at = '2026-01-01T00:00:00'", "Some(3)"),
        ("DECLARE @n int = 1; SET @n = @n + 1; SELECT @n = @n * 10; SELECT @n", "Some(20)"),
        ("IF EXISTS (SELECT 1 FROM fruit WHERE id = 99) SELECT 1 ELSE BEGIN SELECT 2 END", "Some(2)"),
        (
            "DECLARE @n int = 0; WHILE @n < 5 BEGIN SET @n = @n + 1; IF @n = 3 BREAK; END; SELECT @n",
            "Some(3)",
        ),
        ("BEGIN TRY SELECT 1/0 END TRY BEGIN CATCH SELECT ERROR_NUMBER() END CATCH", "Some(8134)"),
        ("WITH big AS (SELECT id FROM fruit WHERE id > 10) SELECT COUNT(*) FROM big", "Some(2)"),
        ("SELECT 1 UNION SELECT 1", "Some(1)"),
        ("UPDATE fruit SET name = 'Cherry' OUTPUT deleted.name WHERE id = 30", "Some(\"Plum\")"),
        ("UPDATE fruit SET kilos = 3 WHERE id > 10; SELECT @@ROWCOUNT", "Some(2)"),
        (
            "INSERT fruit (name) SELECT name FROM fruit WHERE id = 10; SELECT CAST(SCOPE_IDENTITY() AS int)",
            "Some(40)",
        ),
        (
            "CREATE TABLE #t (id int IDENTITY); INSERT #t DEFAULT VALUES; TRUNCATE TABLE #t; INSERT #t DEFAULT VALUES; \
          SELECT id FROM #t",
            "Some(1)",
        ),
        ("SELECT COALESCE(NULL, name) FROM fruit WHERE id = '10'", "Some(\"Apple\")"),
        ("DELETE fruit OUTPUT deleted.id WHERE id = 40", "Some(40)"),
        ("SELECT name FROM sys.tables", "Some(\"fruit\")"),
        ("SELECT DATA_TYPE FROM INFORMATION_SCHEMA.COLUMNS WHERE COLUMN_NAME = 'kilos'", "Some(\"decimal\")"),
        (
            "ALTER TABLE fruit ADD ripe bit NOT NULL DEFAULT 1; SELECT ripe FROM fruit WHERE id = 10",
            "Some(true)",
        ),
        ("IF OBJECT_ID(N'dbo.fruit', N'U') IS NOT NULL SELECT 1", "Some(1)"),
        ("SELECT @@OPTIONS & 16384", "Some(0)"),
        ("SET XACT_ABORT ON; SELECT @@OPTIONS & 16384", "Some(16384)"),
        ("SET LOCK_TIMEOUT 250; SELECT @@LOCK_TIMEOUT", "Some(250)"),
        (
            "SET TRANSACTION ISOLATION LEVEL SERIALIZABLE; SELECT transaction_isolation_level FROM \
             sys.dm_exec_sessions WHERE session_id = @@SPID",
            "Some(4)",
        ),
        ("SELECT SERVERPROPERTY('EngineEdition')", "Some(5)"),
        ("SELECT DATABASEPROPERTYEX(DB_NAME(), 'Updateability')", "Some(\"READ_WRITE\")"),
        ("SELECT name FROM sys.databases WHERE is_read_committed_snapshot_on = 1", "Some(\"todos\")"),
        ("SELECT COUNT(*) FROM sys.procedures", "Some(0)"),
        ("EXEC sp_executesql N'SELECT @a + 1', N'@a int', @a = 4", "Some(5)"),
    ] {
        assert_eq!(read(&mut sql, text).await.last().map(String::as_str), Some(expected), "{text}");
    }
    assert!(read(&mut sql, "SELECT @@VERSION").await[0].contains("sqlscope local stand-in"));
}

#[tokio::test]
async fn values_keep_their_types_from_parameter_to_column_to_result() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE t (tiny tinyint, small smallint, big bigint, bits bit, r real, f float, d decimal(18, 4), m money, \
         nv nvarchar(max), v varchar(10), c char(4), b varbinary(8), g uniqueidentifier, day date, clock time(3), \
         dt datetime, dt2 datetime2(7), dto datetimeoffset(3))",
    )
    .await;
    let guid = Uuid::from_u128(0x6F9619FF_8B86_D011_B42D_00C04FC964FF);
    let long = "ž".repeat(50_000);
    let day = Date::from_ordinal_date(2026, 59).expect("a day");
    let clock = Time::from_hms_milli(1, 2, 3, 456).expect("a time");
    let moment = PrimitiveDateTime::new(day, clock);
    let offset = moment.assume_offset(tiberius::time::time::UtcOffset::from_hms(2, 0, 0).expect("an offset"));
    sql.execute(
        "INSERT t VALUES (@P1, @P2, @P3, @P4, @P5, @P6, @P7, @P8, @P9, @P10, @P11, @P12, @P13, @P14, @P15, @P16, @P17, @P18)",
        &[
            &7_u8, &-7_i16, &i64::MAX, &true, &1.5_f32, &-0.1_f64, &Numeric::new_with_scale(123_456, 4), &2.5_f64, &long,
            &"é€", &"ab", &[1_u8, 2].as_slice(), &guid, &day, &clock, &moment, &moment, &offset,
        ],
    )
    .await
    .expect("written");
    let now = OffsetDateTime::now_utc();
    let select = "SELECT * FROM t WHERE dto = @P1 AND g = @P2 AND dt2 < @P3";
    let answer = sql.query(select, &[&offset, &guid, &now]).await.expect("sent");
    let row = answer.into_row().await.expect("read").expect("a row");
    assert_eq!(row.get::<u8, _>("tiny"), Some(7));
    assert_eq!(row.get::<i16, _>("small"), Some(-7));
    assert_eq!(row.get::<i64, _>("big"), Some(i64::MAX));
    assert_eq!(row.get::<bool, _>("bits"), Some(true));
    assert_eq!(row.get::<f32, _>("r"), Some(1.5));
    assert_eq!(row.get::<f64, _>("f"), Some(-0.1));
    assert_eq!(row.get::<Numeric, _>("d"), Some(Numeric::new_with_scale(123_456, 4)));
    assert_eq!(row.get::<f64, _>("m"), Some(2.5));
    assert_eq!(row.get::<&str, _>("nv"), Some(long.as_str()));
    assert_eq!(row.get::<&str, _>("v"), Some("é€"));
    assert_eq!(row.get::<&str, _>("c"), Some("ab  "));
    assert_eq!(row.get::<&[u8], _>("b"), Some([1_u8, 2].as_slice()));
    assert_eq!(row.get::<Uuid, _>("g"), Some(guid));
    assert_eq!(row.get::<Date, _>("day"), Some(day));
    assert_eq!(row.get::<Time, _>("clock"), Some(clock));
    assert_eq!(row.get::<PrimitiveDateTime, _>("dt2"), Some(moment));
    assert_eq!(row.get::<OffsetDateTime, _>("dto"), Some(offset));
    let types: Vec<ColumnType> = row.columns().iter().map(tiberius::Column::column_type).collect();
    assert_eq!(types[17], ColumnType::DatetimeOffsetn);
}

#[tokio::test]
async fn a_statement_that_counts_no_rows_says_how_many_there_were() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (n int); INSERT t VALUES (1), (2)").await;
    for (before, expected) in [
        ("UPDATE t SET n = 3", "2"),
        ("UPDATE t SET n = 3; PRINT 'x'", "0"),
        ("UPDATE t SET n = 3; SET NOCOUNT ON", "0"),
        ("UPDATE t SET n = 3; BEGIN TRAN; COMMIT", "0"),
        ("UPDATE t SET n = 3; CREATE TABLE #x (n int)", "0"),
        ("DECLARE @n int; UPDATE t SET n = 3; SET @n = 5", "1"),
        ("UPDATE t SET n = 3; DECLARE @n int", "2"),
        ("DECLARE @n int; SELECT @n = n FROM t", "2"),
        ("UPDATE t SET n = 3; IF @@ROWCOUNT = 2", "0"),
    ] {
        assert_eq!(
            common::rows(&mut sql, &format!("{before} SELECT @@ROWCOUNT")).await,
            expected,
            "{before}"
        );
    }
}

#[tokio::test]
async fn the_catalog_answers_what_clients_ask_of_a_table() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE a (x int NOT NULL, y nvarchar(5) NOT NULL DEFAULT 'z', CONSTRAINT a_key PRIMARY KEY (x, y)); \
         CREATE TABLE b (id int IDENTITY(7, 3) PRIMARY KEY, x int NULL, y nvarchar(5) NULL, m varchar(max) NULL, \
         CONSTRAINT b_a FOREIGN KEY (x, y) REFERENCES a (x, y) ON DELETE CASCADE, CONSTRAINT b_x UNIQUE (x)); \
         CREATE INDEX b_y ON b (y DESC, x)",
    )
    .await;
    for (text, expected) in [
        (
            "SELECT sys.columns.name FROM sys.columns JOIN sys.tables ON sys.tables.object_id = sys.columns.object_id \
             WHERE sys.tables.name = 'B' AND sys.columns.is_nullable = 0",
            "id",
        ),
        ("SELECT CONCAT(seed_value, ',', increment_value) FROM sys.identity_columns", "7,3"),
        (
            "SELECT CONCAT(c.max_length, ',', t.name) FROM sys.columns c JOIN sys.types t \
          ON t.user_type_id = c.user_type_id WHERE c.name = 'm'",
            "-1,varchar",
        ),
        ("SELECT definition FROM sys.default_constraints", "('z')"),
        (
            "SELECT c.name FROM sys.indexes i JOIN sys.index_columns k ON k.object_id = i.object_id \
          AND k.index_id = i.index_id JOIN sys.columns c ON c.object_id = k.object_id AND c.column_id = k.column_id \
          WHERE i.name = 'b_y' AND k.key_ordinal = 1",
            "y",
        ),
        ("SELECT CONCAT(name, ',', delete_referential_action_desc) FROM sys.foreign_keys", "b_a,CASCADE"),
        ("SELECT UNIQUE_CONSTRAINT_NAME FROM INFORMATION_SCHEMA.REFERENTIAL_CONSTRAINTS", "a_key"),
        (
            "SELECT COLUMN_NAME FROM INFORMATION_SCHEMA.KEY_COLUMN_USAGE WHERE CONSTRAINT_NAME = 'b_a' AND ORDINAL_POSITION = 2",
            "y",
        ),
        (
            "SELECT CONSTRAINT_TYPE FROM INFORMATION_SCHEMA.TABLE_CONSTRAINTS WHERE CONSTRAINT_NAME = 'b_x'",
            "UNIQUE",
        ),
    ] {
        assert_eq!(read(&mut sql, text).await, [format!("Some({expected:?})")], "{text}");
    }
}
