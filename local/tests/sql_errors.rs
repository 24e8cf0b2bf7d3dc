//! Errors as SQL Server tells them: number, class, state, line, and a sentence that names the thing.

mod common;

use common::{Sql, attempt, azure, rows, run};
use tiberius::error::{Error, TokenError};

async fn refused(sql: &mut Sql, text: &str) -> TokenError {
    match attempt(sql, text).await {
        Err(Error::Server(error)) => error,
        other => panic!("{text}: {other:?}"),
    }
}

/// A statement, then the number, class and state of its error, and a part of its message.
type Case = (&'static str, (u32, u8, u8), &'static str);

const CASES: &[Case] = &[
    ("SELEC 1", (102, 15, 1), "Incorrect syntax near 'SELEC'."),
    ("SELECT 1 +", (102, 15, 1), "Incorrect syntax near '+'."),
    ("SELECT id FROM ", (102, 15, 1), "Incorrect syntax near 'FROM'."),
    ("SELECT id FROM WHERE id = 1", (156, 15, 1), "Incorrect syntax near the keyword 'WHERE'."),
    ("INSERT INTO VALUES (1)", (156, 15, 1), "Incorrect syntax near the keyword 'VALUES'."),
    ("UPDATE SET id = 1", (156, 15, 1), "Incorrect syntax near the keyword 'SET'."),
    ("SELECT @nope", (137, 15, 1), "Must declare the scalar variable \"@nope\"."),
    ("INSERT @nope VALUES (1)", (1087, 15, 1), "Must declare the table variable \"@nope\"."),
    ("SELECT nope(1)", (195, 15, 1), "'nope' is not a recognized built-in function name."),
    ("SELECT nope FROM t", (207, 16, 1), "Invalid column name 'nope'."),
    ("SELECT * FROM dbo.nope", (208, 16, 1), "Invalid object name 'dbo.nope'."),
    ("SELECT id FROM t AS a JOIN t AS b ON a.id = b.id", (209, 16, 1), "Ambiguous column name 'id'."),
    ("SELECT nope.id FROM t", (4104, 16, 1), "The multi-part identifier \"nope.id\" could not be bound."),
    ("INSERT t (id, n) VALUES (2)", (213, 16, 1), "Column name or number of supplied values"),
    (
        "SELECT CAST('x' AS int)",
        (245, 16, 1),
        "Conversion failed when converting the nvarchar value 'x' to data type int.",
    ),
    ("SELECT CAST('x' AS date)", (241, 16, 1), "Conversion failed when converting date and/or time"),
    (
        "SELECT CAST(300 AS tinyint)",
        (220, 16, 1),
        "Arithmetic overflow error for data type tinyint, value = 300.",
    ),
    ("SELECT CAST('x' AS float)", (8114, 16, 1), "Error converting data type nvarchar to float."),
    (
        "SELECT CAST(3000000000 AS int)",
        (8115, 16, 1),
        "Arithmetic overflow error converting expression to data type int.",
    ),
    ("SELECT 2147483647 + 1", (8115, 16, 1), "Arithmetic overflow error"),
    ("SELECT 1 / 0", (8134, 16, 1), "Divide by zero error encountered."),
    (
        "INSERT t (id, n) VALUES (2, NULL)",
        (515, 16, 1),
        "Cannot insert the value NULL into column 'n', table 'todos.dbo.t'; column does not allow nulls. INSERT fails.",
    ),
    ("UPDATE t SET n = NULL", (515, 16, 1), "UPDATE fails."),
    (
        "INSERT t (id, n) VALUES (2, 'long')",
        (2628, 16, 1),
        "String or binary data would be truncated in table 'todos.dbo.t', column 'n'. Truncated value: 'lon'.",
    ),
    (
        "INSERT t (id, c) VALUES (2, -1)",
        (547, 16, 0),
        "The INSERT statement conflicted with the CHECK constraint \"CK_t\". The conflict occurred in database \"todos\", table \"dbo.t\", column 'c'.",
    ),
    (
        "INSERT t (id, p) VALUES (2, 7)",
        (547, 16, 0),
        "The INSERT statement conflicted with the FOREIGN KEY constraint \"FK_t\". The conflict occurred in database \"todos\", table \"dbo.p\", column 'id'.",
    ),
    (
        "UPDATE t SET p = 7",
        (547, 16, 0),
        "The UPDATE statement conflicted with the FOREIGN KEY constraint \"FK_t\".",
    ),
    (
        "DELETE p",
        (547, 16, 0),
        "The DELETE statement conflicted with the REFERENCE constraint \"FK_t\". The conflict occurred in database \"todos\", table \"dbo.t\", column 'p'.",
    ),
    (
        "INSERT tree VALUES (2, 3)",
        (547, 16, 0),
        "FOREIGN KEY SAME TABLE constraint \"FK_tree\". The conflict occurred in database \"todos\", table \"dbo.tree\", column 'id'.",
    ),
    ("DELETE tree WHERE id = 1", (547, 16, 0), "SAME TABLE REFERENCE constraint \"FK_tree\"."),
    (
        "INSERT t (id) VALUES (1)",
        (2627, 14, 1),
        "Violation of PRIMARY KEY constraint 'PK_t'. Cannot insert duplicate key in object 'dbo.t'. The duplicate key value is (1).",
    ),
    ("INSERT t (id, u) VALUES (2, 1)", (2627, 14, 1), "Violation of UNIQUE KEY constraint 'UQ_t'."),
    (
        "INSERT t (id, x) VALUES (2, 1)",
        (2601, 14, 1),
        "Cannot insert duplicate key row in object 'dbo.t' with unique index 'ix_x'. The duplicate key value is (1).",
    ),
    ("CREATE TABLE t (id int)", (2714, 16, 6), "There is already an object named 't' in the database."),
    ("EXEC dbo.nope", (2812, 16, 62), "Could not find stored procedure 'dbo.nope'."),
    ("EXEC sp_cursoropen", (2812, 16, 62), "Could not find stored procedure 'sp_cursoropen'."),
    (
        "DROP TABLE nope",
        (3701, 11, 5),
        "Cannot drop the table 'nope', because it does not exist or you do not have permission.",
    ),
    ("COMMIT", (3902, 16, 1), "The COMMIT TRANSACTION request has no corresponding BEGIN TRANSACTION."),
    ("ROLLBACK", (3903, 16, 1), "The ROLLBACK TRANSACTION request has no corresponding BEGIN TRANSACTION."),
    ("USE other", (40508, 16, 1), "USE statement is not supported to switch between databases."),
    (
        "SELECT * FROM other.dbo.t",
        (40515, 16, 1),
        "Reference to database and/or server name in 'other.dbo.t' is not supported",
    ),
    (
        "SELECT * FROM far.todos.dbo.t",
        (40515, 16, 1),
        "Reference to database and/or server name in 'far.todos.dbo.t' is not supported",
    ),
    ("CREATE TABLE ##t (id int)", (40516, 16, 1), "Global temp objects are not supported"),
    (
        "ALTER DATABASE todos SET RECOVERY SIMPLE",
        (40517, 16, 1),
        "Keyword or statement option 'RECOVERY' is not supported",
    ),
    (
        "CREATE LOGIN l WITH PASSWORD = 'x', DEFAULT_DATABASE = todos",
        (40517, 16, 1),
        "Keyword or statement option 'default_database' is not supported",
    ),
    (
        "BACKUP DATABASE todos TO DISK = 'x'",
        (40510, 16, 1),
        "Statement 'BACKUP DATABASE' is not supported in this version of SQL Server.",
    ),
    ("THROW 50001, 'mine', 7", (50001, 16, 7), "mine"),
    ("RAISERROR('of %s, %d', 12, 3, 'mine', 5)", (50000, 12, 3), "of mine, 5"),
    ("THROW 2147483647, 'the last', 255", (2_147_483_647, 16, 255), "the last"),
];

#[tokio::test]
async fn each_error_has_its_number_class_state_line_and_sentence() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(
        &mut sql,
        "CREATE TABLE p (id int PRIMARY KEY); INSERT p VALUES (1); \
         CREATE TABLE t (id int CONSTRAINT PK_t PRIMARY KEY, u int CONSTRAINT UQ_t UNIQUE, \
         n nvarchar(3) NOT NULL DEFAULT 'x', p int CONSTRAINT FK_t REFERENCES p, c int CONSTRAINT CK_t CHECK (c > 0), x int); \
         CREATE UNIQUE INDEX ix_x ON t (x) WHERE x IS NOT NULL; INSERT t (id, u, x, p) VALUES (1, 1, 1, 1); \
         CREATE TABLE tree (id int PRIMARY KEY, up int CONSTRAINT FK_tree REFERENCES tree); INSERT tree VALUES (1, NULL), (5, 1)",
    )
    .await;
    let mut differ = Vec::new();
    for (text, expected, message) in CASES.iter().copied() {
        // Behind two lines, and on the first.
        for (before, line) in [("SELECT 1;\n\n", 3), ("", 1)] {
            let error = refused(&mut sql, &format!("{before}{text}")).await;
            let found = (error.code(), error.class(), error.state());
            if found != expected || !error.message().contains(message) || error.line() != line {
                differ.push(format!("{text}: {found:?} on line {}: {}", error.line(), error.message()));
            }
        }
    }
    assert!(differ.is_empty(), "{}", differ.join("\n"));
    assert_eq!(rows(&mut sql, "SELECT COUNT(*), MIN(n) FROM t").await, "1, x", "none of them left anything");
}

#[tokio::test]
async fn the_same_errors_come_to_a_catch_block() {
    let azure = azure().await;
    let mut sql = azure.connect().await;
    run(&mut sql, "CREATE TABLE t (id int CONSTRAINT PK_t PRIMARY KEY); INSERT t VALUES (1)").await;
    for (text, expected) in [
        ("INSERT t VALUES (1)", "2627, 14, 1, 2"),
        ("SELECT 1 / 0", "8134, 16, 1, 2"),
        ("SELECT CAST('x' AS int)", "245, 16, 1, 2"),
        ("RAISERROR('x', 16, 9)", "50000, 16, 9, 2"),
        ("THROW 50123, 'x', 4", "50123, 16, 4, 2"),
        ("EXEC nope", "2812, 16, 62, 2"),
    ] {
        let text = format!(
            "BEGIN TRY\n{text}\nEND TRY BEGIN CATCH SELECT ERROR_NUMBER(), ERROR_SEVERITY(), ERROR_STATE(), ERROR_LINE() \
             END CATCH"
        );
        assert_eq!(rows(&mut sql, &text).await, expected, "{text}");
    }
}
