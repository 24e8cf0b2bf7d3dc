//! SQLite's failures told as SQL Server's errors.

use rusqlite::{Connection, Error, ErrorCode, ffi};

use sqlparser::ast::Ident;

use crate::sql::{
    engine::{
        ddl::{definitions::checks, schemas::with_schema, unique::not_unique},
        translate::scope::table_columns,
    },
    errors::{
        SqlError, deadlock, error, invalid_column, invalid_object, lock_timeout, not_supported, syntax,
        undeclared_table,
    },
};

/// What was being done, for the messages that say it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Doing {
    /// INSERT, UPDATE, DELETE, MERGE or SELECT.
    pub(crate) verb: &'static str,
    /// The tables as the caller wrote them.
    pub(crate) written: Vec<String>,
    pub(crate) database: String,
    pub(crate) spid: u16,
    /// A set operation, whose columns SQLite describes by its first part.
    pub(crate) unites: bool,
    /// It waits for no lock.
    pub(crate) no_wait: bool,
}

impl Doing {
    fn as_written<'a>(&'a self, table: &'a str) -> &'a str {
        let last =
            |name: &&String| name.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case(table));
        self.written.iter().find(last).map_or(table, String::as_str)
    }
}

/// The error that stands for SQLite's.
pub(crate) fn told(failure: &Error, doing: &Doing, connection: &Connection) -> SqlError {
    let (code, text) = match failure {
        Error::SqliteFailure(code, text) => (*code, text.clone().unwrap_or_else(|| code.to_string())),
        Error::SqlInputError { error: code, msg, .. } => (*code, msg.clone()),
        other => return error(50_001, format!("The local Azure SQL endpoint's engine failed: {other}")),
    };
    match code.code {
        ErrorCode::OperationInterrupted => return error(3617, "The statement was cancelled by the client."),
        ErrorCode::DatabaseLocked if code.extended_code == ffi::SQLITE_LOCKED => return lock_timeout(),
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => return deadlock(doing.spid),
        _ => {}
    }
    let after = |prefix: &str| text.strip_prefix(prefix).map(str::trim);
    let Doing { verb, database, .. } = doing;
    if let Some(table) = after("no such table:") {
        let table = table.strip_prefix("main.").unwrap_or(table);
        if table.starts_with('@') {
            return undeclared_table(table);
        }
        return invalid_object(doing.as_written(table));
    }
    if let Some(column) = after("no such column:") {
        // SQLite goes on: `" - should this be a string literal in single-quotes?`.
        let column = column.split(" - should").next().unwrap_or(column).trim_matches('"');
        return if column.contains('.') {
            error(4104, format!("The multi-part identifier \"{column}\" could not be bound."))
        } else {
            invalid_column(column)
        };
    }
    if let Some(column) = after("ambiguous column name:") {
        return error(209, format!("Ambiguous column name '{column}'."));
    }
    if let Some(column) = after("NOT NULL constraint failed:") {
        let (table, column) = column.rsplit_once('.').unwrap_or(("", column));
        let table = with_schema(table);
        // MERGE changes its rows as an UPDATE does, those that are new as well.
        let verb = if *verb == "MERGE" { "UPDATE" } else { verb };
        let message = format!(
            "Cannot insert the value NULL into column '{column}', table '{database}.{table}'; column does not \
             allow nulls. {verb} fails."
        );
        return error(515, message);
    }
    if let Some(columns) = after("UNIQUE constraint failed:") {
        return not_unique(columns, connection);
    }
    if let Some(name) = after("CHECK constraint failed:") {
        let place = checked(connection, name).map_or_else(String::new, |(table, column)| {
            let column = column.map_or_else(String::new, |column| format!(", column '{column}'"));
            format!(", table \"{}\"{column}", with_schema(&table))
        });
        let message = format!(
            "The {verb} statement conflicted with the CHECK constraint \"{name}\". The conflict occurred in database \
             \"{database}\"{place}."
        );
        return error(547, message);
    }
    if text.starts_with("FOREIGN KEY constraint failed") {
        let kind = if *verb == "INSERT" { "FOREIGN KEY" } else { "REFERENCE or FOREIGN KEY" };
        let message = format!(
            "The {verb} statement conflicted with a {kind} constraint. The conflict occurred in database \
             \"{database}\"."
        );
        return error(547, message);
    }
    if text.starts_with("misuse of aggregate") {
        let message = "An aggregate may not appear in the WHERE clause unless it is in a subquery contained in a HAVING \
                       clause or a select list, and the column being aggregated is an outer reference.";
        return error(147, message);
    }
    if text.starts_with("misuse of window function") || text.starts_with("misuse of aliased window function")
    {
        return error(4108, "Windowed functions can only appear in the SELECT or ORDER BY clauses.");
    }
    if text.starts_with("sub-select returns") {
        let message = "Only one expression can be specified in the select list when the subquery is not introduced with \
                       EXISTS.";
        return error(116, message);
    }
    if text.contains("no such function") || text.contains("wrong number of arguments") {
        return error(174, format!("A function was called wrongly: {text}."));
    }
    if text.contains("because it is a view") {
        return not_supported("changing the rows of a view");
    }
    if text.contains("values for") && text.contains("columns") {
        return error(213, "Column name or number of supplied values does not match table definition.");
    }
    if let Some(rest) = after("near ") {
        let near = rest.split(": syntax error").next().unwrap_or(rest).trim_matches('"');
        let mut found = syntax(near);
        found.message.push_str(" (The local Azure SQL endpoint may not have this form of the statement.)");
        return found;
    }
    not_supported(format!("SQLite said: {text}"))
}

/// The table of a check, and its column where it is about one only.
fn checked(connection: &Connection, name: &str) -> Option<(String, Option<String>)> {
    let sql = "SELECT name, sql FROM sqlite_schema WHERE type = 'table' AND instr(sql, ?1) \
               UNION ALL SELECT name, sql FROM sqlite_temp_schema WHERE type = 'table' AND instr(sql, ?1)";
    let find = || -> rusqlite::Result<Option<(String, Option<String>)>> {
        let mut tables = connection.prepare(sql)?;
        for table in
            tables.query_map([name], |row| Ok((row.get::<_, String>(0)?, row.get::<_, String>(1)?)))?
        {
            let (table, sql) = table?;
            let Some((_, check)) = checks(&sql).into_iter().find(|(known, _)| known == name) else {
                continue;
            };
            let mut columns = table_columns(connection, &table)?;
            columns.retain(|column| check.contains(&Ident::with_quote('"', &column.name).to_string()));
            let only = if columns.len() == 1 { columns.pop() } else { None };
            return Ok(Some((table, only.map(|column| column.name))));
        }
        Ok(None)
    };
    find().ok().flatten()
}
