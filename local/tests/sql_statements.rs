//! T-SQL through tiberius: results and their types, and errors with SQL Server's numbers.

mod common;

use common::{Sql, azure, fails, run};
use tiberius::{
    ColumnData, ColumnType, Row, Uuid,
    numeric::Numeric,
    time::time::{Date, OffsetDateTime, PrimitiveDateTime, Time},
};

/// The first column of all rows of the last result, as text.
async fn read(sql: &mut Sql, text: &str) -> Vec<String> {
    let answer = sql.simple_query(text.to_owned()).await.unwrap_or_else(|error| panic!("{text}: {error}"));
    let results = answer.into_results().await.unwrap_or_else(|error| panic!("{text}: {error}"));
    let rows = results.into_iter().last().unwrap_or_default();
    rows.into_iter().map(|row| first(&row)).collect()
}

fn first(row: &Row) -> String {
    match row.cells().next().expect("a column").1 {
        ColumnData::U8(value) => format!("{value:?}"),
        ColumnData::I16(value) => format!("{value:?}"),
        ColumnData::I32(value) => format!("{value:?}"),
        ColumnData::I64(value) => format!("{value:?}"),
        ColumnData::F64(value) => format!("{value:?}"),
        ColumnData::Bit(value) => format!("{value:?}"),
        ColumnData::String(value) => format!("{:?}", value.as_deref()),
        ColumnData::Numeric(value) => format!("{:?}", value.as_ref().map(ToString::to_string)),
        other => format!("{other:?}"),
    }
}

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
async fn errors_have_sql_servers_numbers() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE p (id int PRIMARY KEY); \
         CREATE TABLE t (id int CONSTRAINT pk_t PRIMARY KEY, u int UNIQUE, n nvarchar(3) NOT NULL DEFAULT 'x', \
         p int REFERENCES p, c int CHECK (c > 0), x int); CREATE UNIQUE INDEX ix_x ON t (x) WHERE x IS NOT NULL; \
         INSERT INTO t (id, u, x) VALUES (1, 1, 1)",
    )
    .await;
    for (text, expected) in [
        ("SELEC 1", 102),
        ("SELECT * FROM nope", 208),
        ("INSERT nope VALUES (1)", 208),
        ("SELECT nope FROM t", 207),
        ("UPDATE t SET nope = 1", 207),
        ("SELECT @nope", 137),
        ("SELECT nope(1)", 195),
        ("CREATE TABLE t (id int)", 2714),
        ("DROP TABLE nope", 3701),
        ("INSERT t (id, n) VALUES (2, NULL)", 515),
        ("INSERT t (id) VALUES (1)", 2627),
        ("INSERT t (id, u) VALUES (2, 1)", 2627),
        ("INSERT t (id, x) VALUES (2, 1)", 2601),
        ("INSERT t (id, p) VALUES (2, 7)", 547),
        ("INSERT t (id, c) VALUES (2, -1)", 547),
        ("INSERT t (id, n) VALUES (2, 'long')", 2628),
        ("INSERT t (id, n) VALUES (2)", 213),
        ("SELECT 1 / 0", 8134),
        ("SELECT CAST('x' AS int)", 245),
        ("SELECT * FROM t WHERE id = 'x'", 245),
        ("SELECT nope.id FROM t", 4104),
        ("INSERT t (id) VALUES (3), (4, 5)", 213),
        ("TRUNCATE TABLE nope", 208),
        ("SELECT CAST('x' AS datetime2)", 241),
        ("COMMIT", 3902),
        ("ROLLBACK", 3903),
        ("THROW 51234, 'mine', 1", 51234),
        ("RAISERROR('no', 16, 1)", 50000),
        ("EXEC sp_nope", 2812),
        ("EXEC sp_help 't'", 40510),
        ("CREATE SEQUENCE s", 40510),
        ("SET DEADLOCK_PRIORITY LOW", 40510),
        ("CREATE TABL nope (id int)", 102),
        ("UPDATE t SET", 102),
        ("ALTER TABLE t ADDD x int", 102),
    ] {
        assert_eq!(fails(&mut sql, text).await, expected, "{text}");
    }
    let (chain, union) = (" + 1".repeat(20_000), " UNION SELECT 1".repeat(20_000));
    let nested = ("(".repeat(3000), ")".repeat(3000));
    let commas = "+ POWER(1, 1) + CASE WHEN 1 = 1 THEN 1 END".repeat(20_000);
    for text in [
        format!("SELECT 1{chain}"),
        format!("SELECT 1{union}"),
        format!("SELECT 1{commas}"),
        format!("SELECT 1, 2{}", " UNION SELECT 1, 2".repeat(20_000)),
        format!("SELECT {}1{}", nested.0, nested.1),
    ] {
        assert_eq!(fails(&mut sql, &text).await, 191, "too deep");
    }
    let almost = format!("SELECT CASE WHEN 1 = 1{} THEN 1 END", " OR 1 = 2".repeat(700));
    assert!(sql.simple_query(almost).await.expect("sent").into_results().await.is_ok());
    let endless = "WITH c AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM c) SELECT REPLICATE('x', 8000) FROM c \
         OPTION (MAXRECURSION 0)";
    assert_eq!(fails(&mut sql, endless).await, 701);
    assert_eq!(read(&mut sql, "SELECT COUNT(*) FROM t").await, ["Some(1)"]);
}

#[tokio::test]
async fn a_statement_that_the_endpoint_does_not_have_is_named_and_nothing_of_its_batch_runs() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (id int)").await;
    for (text, name) in [
        ("CREATE PROCEDURE p @a int AS BEGIN SET NOCOUNT ON; SELECT @a END", "CREATE PROCEDURE"),
        ("CREATE OR ALTER PROC dbo.p AS INSERT t VALUES (1); INSERT t VALUES (2)", "CREATE PROC"),
        ("CREATE TRIGGER tr ON t AFTER INSERT AS INSERT t VALUES (1)", "CREATE TRIGGER"),
        ("CREATE FUNCTION dbo.f (@a int) RETURNS int AS BEGIN RETURN @a END", "CREATE FUNCTION"),
        ("CREATE TYPE dbo.ids AS TABLE (id int)", "CREATE TYPE"),
        ("CREATE USER [app] FROM EXTERNAL PROVIDER", "CREATE USER"),
        ("ALTER ROLE db_datareader ADD MEMBER [app]", "ALTER ROLE"),
        ("CREATE SYNONYM s FOR dbo.t", "CREATE SYNONYM"),
        ("ALTER DATABASE CURRENT SET ENCRYPTION ON", "ALTER DATABASE"),
        ("ALTER TABLE [t] SWITCH TO dbo.u", "ALTER TABLE … SWITCH TO"),
        ("ALTER INDEX ALL ON t REBUILD", "ALTER INDEX"),
        ("UPDATE STATISTICS t", "UPDATE STATISTICS"),
        ("DBCC SHOWCONTIG ('t')", "DBCC"),
        ("GRANT SELECT ON OBJECT::dbo.t TO [app]", "GRANT"),
    ] {
        let answer = match sql.simple_query(text).await {
            Ok(answer) => answer.into_results().await.map(drop),
            Err(error) => Err(error),
        };
        let Err(tiberius::error::Error::Server(error)) = answer else { panic!("{text}: {answer:?}") };
        let expected = format!("This is not supported by the local Azure SQL endpoint: {name}.");
        assert_eq!((error.code(), error.class(), error.message()), (40510, 16, expected.as_str()), "{text}");
    }
    assert_eq!(read(&mut sql, "SELECT COUNT(*) FROM t").await, ["Some(0)"]);
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

#[tokio::test]
async fn an_error_undoes_its_statement_and_xact_abort_the_whole_transaction() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (id int PRIMARY KEY)").await;
    let text = "BEGIN TRAN; INSERT t VALUES (1); INSERT t VALUES (2), (1); INSERT t VALUES (3)";
    assert_eq!(fails(&mut sql, text).await, 2627);
    assert_eq!(read(&mut sql, "SELECT @@TRANCOUNT").await, ["Some(1)"]);
    assert_eq!(read(&mut sql, "COMMIT; SELECT id FROM t").await, ["Some(1)", "Some(3)"]);
    let text = "SET XACT_ABORT ON; BEGIN TRAN; INSERT t VALUES (4); INSERT t VALUES (1); INSERT t VALUES (5)";
    assert_eq!(fails(&mut sql, text).await, 2627);
    assert_eq!(read(&mut sql, "SELECT @@TRANCOUNT").await, ["Some(0)"]);
    assert_eq!(read(&mut sql, "SELECT COUNT(*) FROM t").await, ["Some(2)"]);
    run(&mut sql, "BEGIN TRAN; CREATE TABLE made (id int); BEGIN TRAN; COMMIT; ROLLBACK").await;
    assert_eq!(fails(&mut sql, "SELECT * FROM made").await, 208);
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
async fn decimals_keep_all_of_their_digits_in_and_out_of_a_table() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE d (id int IDENTITY, n decimal(38, 10)); \
         INSERT d VALUES (-1234567890123456789012345678.0123456789), (0.5), (99999999999999999999.9999999999), (7)",
    )
    .await;
    for (text, expected) in [
        ("SELECT n FROM d WHERE id = 1", vec!["-1234567890123456789012345678.0123456789"]),
        (
            "SELECT n FROM d WHERE n = 99999999999999999999.9999999999",
            vec!["99999999999999999999.9999999999"],
        ),
        ("SELECT CONCAT(id, '') FROM d ORDER BY n", vec!["1", "2", "4", "3"]),
        ("SELECT CONCAT(id, '') FROM d WHERE n < 7", vec!["1", "2"]),
        ("SELECT n + 0.0000000001 FROM d WHERE id = 3", vec!["100000000000000000000.0000000000"]),
        ("SELECT -n FROM d WHERE id = 1", vec!["1234567890123456789012345678.0123456789"]),
        (
            "SELECT CAST('99999999999999999999999999999999999999' AS decimal(38))",
            vec!["99999999999999999999999999999999999999.0"],
        ),
    ] {
        let found: Vec<String> = read(&mut sql, text).await;
        let expected: Vec<String> = expected.into_iter().map(|one| format!("Some({one:?})")).collect();
        assert_eq!(found, expected, "{text}");
    }
    // Longer than its type was thought to be.
    let row = "SELECT CONCAT(REPLICATE('x', 3000), REPLICATE('y', 3000))";
    assert_eq!(read(&mut sql, row).await[0].len(), 6000 + "Some(\"\")".len());
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
