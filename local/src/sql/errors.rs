//! SQL Server's errors: their numbers, texts, classes and states.

use crate::sql::reserved::is_reserved;

/// An error or a message, as SQL Server reports it (MS-TDS 2.2.7.10).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{number}: {message}")]
pub(crate) struct SqlError {
    pub(crate) number: u32,
    pub(crate) state: u8,
    /// The severity: 16 is the caller's mistake, 17 the server's want, 20 ends the session.
    pub(crate) class: u8,
    pub(crate) message: String,
    /// Where in the batch; 0 until the batch fills it in.
    pub(crate) line: u32,
    /// The client has been told.
    pub(crate) reported: bool,
}

/// Azure SQL's number for a statement that it does not support. From 50000 on, numbers are the application's own,
/// and clients treat their texts so.
pub(crate) const NOT_SUPPORTED: u32 = 40_510;

pub(crate) fn error(number: u32, message: impl Into<String>) -> SqlError {
    let (class, state) = match number {
        102 | 105 | 127 | 137 | 1087 | 148 | 153 | 156 | 191 | 178 | 195 | 319 | 455 => (15, 1),
        1014 | 1031 | 1060 | 1062 | 5324 | 10_710 | 10_711 | 10_713 | 10_714 | 10_741..=10_744 => (15, 1),
        208 | 207 | 2714 | 515 | 544 | 245 | 241 | 8114 | 8115 | 8134 | 8152 | 2628 | 3701 | 3902 | 3903 => {
            (16, 1)
        }
        547 => (16, 0),
        2627 | 2601 => (14, 1),
        1205 => (13, 51),
        1222 => (16, 51),
        4060 | 5701 | 5703 => (11, 1),
        18456 => (14, 1),
        40613 | 40197 | 40540 | 40143 | 40166 | 49920 | 49919 => (17, 1),
        40501 | 10928 | 10929 => (20, 1),
        701 => (17, 1),
        4002 | 4014 => (20, 1),
        _ => (16, 1),
    };
    SqlError { number, state, class, message: message.into(), line: 0, reported: false }
}

/// A statement, function or option that this endpoint does not have, named.
pub(crate) fn not_supported(what: impl std::fmt::Display) -> SqlError {
    error(NOT_SUPPORTED, format!("This is not supported by the local Azure SQL endpoint: {what}."))
}

pub(crate) fn syntax(near: impl std::fmt::Display) -> SqlError {
    let near = near.to_string();
    if is_reserved(&near) {
        return error(156, format!("Incorrect syntax near the keyword '{near}'."));
    }
    error(102, format!("Incorrect syntax near '{near}'."))
}

/// What Azure SQL itself has not, and names by its statement, or by an option of one that it has.
pub(crate) fn no_statement(name: &str) -> SqlError {
    error(NOT_SUPPORTED, format!("Statement '{name}' is not supported in this version of SQL Server."))
}

pub(crate) fn no_option(name: &str) -> SqlError {
    let message =
        format!("Keyword or statement option '{name}' is not supported in this version of SQL Server.");
    error(40_517, message)
}

pub(crate) fn no_global_temporary() -> SqlError {
    error(40_516, "Global temp objects are not supported in this version of SQL Server.")
}

pub(crate) fn no_procedure(name: &str) -> SqlError {
    SqlError { state: 62, ..error(2812, format!("Could not find stored procedure '{name}'.")) }
}

pub(crate) fn invalid_object(name: impl std::fmt::Display) -> SqlError {
    error(208, format!("Invalid object name '{name}'."))
}

pub(crate) fn invalid_column(name: impl std::fmt::Display) -> SqlError {
    error(207, format!("Invalid column name '{name}'."))
}

pub(crate) fn undeclared(name: impl std::fmt::Display) -> SqlError {
    error(137, format!("Must declare the scalar variable \"{name}\"."))
}

pub(crate) fn undeclared_table(name: impl std::fmt::Display) -> SqlError {
    error(1087, format!("Must declare the table variable \"{name}\"."))
}

pub(crate) fn deadlock(spid: u16) -> SqlError {
    error(
        1205,
        format!(
            "Transaction (Process ID {spid}) was deadlocked on lock resources with another process and has been \
             chosen as the deadlock victim. Rerun the transaction."
        ),
    )
}

pub(crate) fn lock_timeout() -> SqlError {
    error(1222, "Lock request time out period exceeded.")
}

/// What a refused login is told, with Azure SQL's words for the number.
pub(crate) fn login_error(number: u32, user: &str, server: &str, database: &str) -> SqlError {
    let tracing_id = uuid::Uuid::new_v4().to_string().to_uppercase();
    let limit = "For more information, see 'http://go.microsoft.com/fwlink/?LinkId=267637' for assistance.";
    let message = match number {
        4060 => format!("Cannot open database \"{database}\" requested by the login. The login failed."),
        10928 => format!(
            "Resource ID : 1. The login limit for the database is 90 and has been reached. {limit}"
        ),
        10929 => format!(
            "Resource ID: 1. The session minimum guarantee is 0, maximum limit is 90 and the current usage for the \
             database is 90. However, the server is currently too busy to support requests greater than 90 for \
             this database. {limit}"
        ),
        18456 => format!("Login failed for user '{user}'."),
        40197 => "The service has encountered an error processing your request. Please try again. Error code 40143."
            .to_owned(),
        40501 => format!(
            "The service is currently busy. Retry the request after 10 seconds. Incident ID: {tracing_id}. Code: 0."
        ),
        40613 => format!(
            "Database '{database}' on server '{server}' is not currently available.  Please retry the connection \
             later.  If the problem persists, contact customer support, and provide them the session tracing ID of \
             '{{{tracing_id}}}'."
        ),
        49918 => "Cannot process request. Not enough resources to process request. The service is currently busy. \
                  Please retry the request later."
            .to_owned(),
        49919 => "Cannot process create or update request. Too many create or update operations in progress for \
                  subscription."
            .to_owned(),
        49920 => "Cannot process request. Too many operations in progress for subscription.".to_owned(),
        other => format!("The local Azure SQL endpoint was told to refuse this login with error {other}."),
    };
    error(number, message)
}
