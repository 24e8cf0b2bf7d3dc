//! A batch's steps run one after another.

use std::time::Duration;

use rusqlite::types::Value;
use sqlparser::ast::{Expr, Query, Select, SelectItem, SetExpr, Statement};

use super::{
    failures::Doing,
    scope::{Tables, Variable, infer, table_columns},
    script::{Action, Step},
    session::Session,
    translate::{Translator, plain},
};
use crate::sql::{
    convert,
    errors::{SqlError, error, not_supported, undeclared},
    moment::Moment,
    tokens::{Column, Done},
    types::SqlType,
};

/// How a list of steps ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Next {
    Go,
    Break,
    Continue,
    Return,
}

/// A translated statement: SQLite's text, and what is known of its result's columns.
pub(crate) struct Translated {
    pub(crate) sql: String,
    /// Names and types; `None` where `*` hides them.
    pub(crate) columns: Option<Vec<(String, Option<SqlType>)>>,
    pub(crate) doing: Doing,
    pub(crate) locks: bool,
}

/// A result: its columns and rows.
pub(crate) type Rows = (Vec<Column>, Vec<Vec<Value>>);

impl Session {
    /// Runs the steps of a batch. An error that comes back ended it, and has been reported unless a TRY is around it.
    pub(crate) fn steps(&mut self, steps: &[Step]) -> Result<Next, SqlError> {
        for step in steps {
            if self.interrupt.is_raised() {
                return Err(self.cancelled());
            }
            match self.step(step) {
                Ok(Next::Go) => self.last_error = 0,
                Ok(next) => return Ok(next),
                Err(mut found) => {
                    if found.line == 0 {
                        found.line = step.line;
                    }
                    if self.in_try > 0 || found.reported {
                        return Err(found);
                    }
                    self.settle(&found);
                    self.report(&mut found);
                    self.failed = true;
                    if ends_batch(&found) || self.options.xact_abort || self.interrupt.is_raised() {
                        return Err(found);
                    }
                    self.row_count = 0;
                    self.done(if self.depth > 0 { Done::InProcedure } else { Done::Statement }, None, true);
                }
            }
        }
        Ok(Next::Go)
    }

    fn step(&mut self, step: &Step) -> Result<Next, SqlError> {
        match &step.action {
            Action::Statement(statement) => self.statement(statement)?,
            Action::If { condition, then, otherwise } => {
                let branch = if self.condition(condition)? { then } else { otherwise };
                return self.steps(branch);
            }
            Action::While { condition, body } => {
                while self.condition(condition)? {
                    match self.steps(body)? {
                        Next::Break => break,
                        Next::Return => return Ok(Next::Return),
                        Next::Go | Next::Continue => {}
                    }
                }
            }
            Action::Block(steps) => return self.steps(steps),
            Action::Break => return Ok(Next::Break),
            Action::Continue => return Ok(Next::Continue),
            Action::Return => return Ok(Next::Return),
            Action::Try { body, handler } => {
                self.in_try += 1;
                let outcome = self.steps(body);
                let caught = outcome.as_ref().err().cloned();
                if let Some(found) = &caught {
                    self.settle(found);
                }
                self.in_try -= 1;
                let Some(found) = caught.filter(|_| !self.interrupt.is_raised()) else { return outcome };
                self.last_error = found.number;
                let before = self.caught.replace(found);
                let outcome = self.steps(handler);
                self.caught = before;
                return outcome;
            }
            Action::Begin => {
                self.begin();
                self.statement_done(None);
            }
            Action::Commit => {
                self.commit()?;
                self.statement_done(None);
            }
            Action::Rollback(name) => {
                let name = match name {
                    Some(name) if name.starts_with('@') => Some(convert::text(self.variable(name)?.value)),
                    other => other.clone(),
                };
                self.rollback(name.as_deref())?;
                self.statement_done(None);
            }
            Action::Save(name) => {
                self.save(name)?;
                self.statement_done(None);
            }
            Action::Declare(declared) => {
                for (name, sql_type, value) in declared {
                    if self.variables.contains_key(name) {
                        let message = format!(
                            "The variable name '{name}' has already been declared. Variable names must be unique \
                             within a query batch or stored procedure."
                        );
                        return Err(error(134, message));
                    }
                    let value = match value {
                        Some(value) => convert::convert(self.value(value)?.value, *sql_type)?,
                        None => Value::Null,
                    };
                    self.variables.insert(name.clone(), Variable { sql_type: *sql_type, value });
                }
            }
            Action::Assign(name, value) => {
                let sql_type = self.variable(name)?.sql_type;
                let value = convert::convert(self.value(value)?.value, sql_type)?;
                self.set_variable(name, value);
            }
            Action::Option(name, value) => self.set_option(name, value)?,
            Action::Print(text) => {
                let message = convert::text(self.value(text)?.value);
                self.tokens.report(&SqlError { class: 0, line: step.line, ..error(0, message) }, "");
            }
            Action::RaiseError(parts, arguments) => {
                let raised = self.raised(parts, arguments)?;
                if raised.class > 10 {
                    return Err(raised);
                }
                self.tokens.report(&SqlError { line: step.line, ..raised }, "");
            }
            Action::Throw(Some(parts)) => {
                let [number, message, state] = parts.as_ref();
                let number = convert::float(&self.value(number)?.value).unwrap_or(0.0) as u32;
                if number < 50_000 {
                    let message = "Error number in the THROW statement is outside the valid range. Specify an error \
                                   number in the valid range of 50000 to 2147483647.";
                    return Err(error(35_100, message));
                }
                let message = convert::text(self.value(message)?.value);
                let state = convert::float(&self.value(state)?.value).unwrap_or(1.0) as u8;
                return Err(SqlError { state, ..error(number, message) });
            }
            Action::Throw(None) => {
                return Err(self.caught.clone().unwrap_or_else(|| {
                    error(10_704, "To rethrow an error, a THROW statement must be used inside a CATCH block.")
                }));
            }
            Action::WaitFor(time) => {
                let text = convert::text(self.value(time)?.value);
                let ticks = Moment::parse(&text)
                    .filter(|moment| moment.days.is_none())
                    .and_then(|moment| moment.ticks);
                let ticks = ticks.ok_or_else(|| {
                    error(148, format!("Incorrect time syntax in time string '{text}' used with WAITFOR."))
                })?;
                if !self.interrupt.sleep(Duration::from_nanos(ticks as u64 * 100)) {
                    return Err(self.cancelled());
                }
                self.statement_done(None);
            }
            Action::Use(name) => {
                if !name.eq_ignore_ascii_case(&self.who.database) {
                    let message = format!(
                        "USE statement is not supported to switch between databases. Use a new connection to connect \
                         to a different database ('{name}')."
                    );
                    return Err(error(40_508, message));
                }
            }
            Action::Execute { procedure, arguments, result } => {
                self.execute(procedure, arguments, result.as_deref())?
            }
            Action::ExecuteText(text) => {
                let text = convert::text(self.value(text)?.value);
                self.nested(&text, super::scope::Variables::new())?;
            }
        }
        Ok(Next::Go)
    }

    pub(crate) fn variable(&self, name: &str) -> Result<Variable, SqlError> {
        self.variables.get(name).cloned().ok_or_else(|| undeclared(name))
    }

    /// The value of an expression that stands alone.
    pub(crate) fn value(&mut self, expr: &Expr) -> Result<Variable, SqlError> {
        let (columns, rows) = self.read_expr(expr.clone(), "SELECT ", "")?;
        let value = rows.into_iter().next().and_then(|row| row.into_iter().next()).unwrap_or(Value::Null);
        let sql_type = columns.first().map_or(SqlType::Int, |column| column.sql_type);
        Ok(Variable { sql_type, value })
    }

    fn condition(&mut self, expr: &Expr) -> Result<bool, SqlError> {
        let (_, rows) = self.read_expr(expr.clone(), "SELECT CASE WHEN ", " THEN 1 ELSE 0 END")?;
        Ok(rows.first().and_then(|row| row.first()) == Some(&Value::Integer(1)))
    }

    fn read_expr(&mut self, mut expr: Expr, before: &str, after: &str) -> Result<Rows, SqlError> {
        let tables = self.tables(&expr)?;
        let standing = self.standing();
        let mut translator = Translator {
            tables: &tables,
            variables: &self.variables,
            standing: &standing,
            changed: false,
            locks: false,
        };
        translator.apply(&mut expr)?;
        let found = infer(&expr, &tables, &self.variables).filter(|_| after.is_empty());
        let translated = Translated {
            sql: format!("{before}{expr}{after}"),
            columns: Some(vec![(String::new(), found)]),
            doing: Doing { verb: "SELECT", ..Doing::default() },
            locks: translator.locks,
        };
        self.fetch(&translated)
    }

    pub(crate) fn tables(&self, node: &impl sqlparser::ast::Visit) -> Result<Tables, SqlError> {
        Tables::of(&self.connection, node).map_err(|failure| self.told(&failure, &Doing::default()))
    }

    fn statement(&mut self, statement: &Statement) -> Result<(), SqlError> {
        match statement {
            Statement::Query(query) => self.select(query),
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            other => self.define(other),
        }
    }

    fn select(&mut self, query: &Query) -> Result<(), SqlError> {
        if let Some(assigned) = assignments(query)? {
            return self.select_into_variables(query, &assigned);
        }
        let translated = self.translate_query(query)?;
        let (columns, rows) = self.fetch(&translated)?;
        let count = rows.len();
        self.write_rows(&columns, &rows)?;
        self.row_count = count as i64;
        // A SELECT's count is told even under NOCOUNT off only; NOCOUNT silences it like the others.
        self.statement_done(Some(count as u64));
        Ok(())
    }

    pub(crate) fn write_rows(&mut self, columns: &[Column], rows: &[Vec<Value>]) -> Result<(), SqlError> {
        self.tokens.columns(columns);
        for row in rows {
            if self.tokens.row(columns, row).is_none() {
                return Err(error(
                    50_001,
                    "The local Azure SQL endpoint could not send a value as its column's type.",
                ));
            }
        }
        Ok(())
    }

    fn select_into_variables(&mut self, query: &Query, assigned: &[(String, Expr)]) -> Result<(), SqlError> {
        let mut query = query.clone();
        if let SetExpr::Select(select) = query.body.as_mut() {
            select.projection =
                assigned.iter().map(|(_, expr)| SelectItem::UnnamedExpr(expr.clone())).collect();
        }
        let translated = self.translate_query(&query)?;
        let (_, rows) = self.fetch(&translated)?;
        self.row_count = rows.len() as i64;
        // The last row's values stay.
        if let Some(row) = rows.into_iter().last() {
            for ((name, _), value) in assigned.iter().zip(row) {
                let sql_type = self.variable(name)?.sql_type;
                let value = convert::convert(value, sql_type)?;
                self.set_variable(name, value);
            }
        }
        Ok(())
    }

    pub(crate) fn translate_query(&mut self, query: &Query) -> Result<Translated, SqlError> {
        let names = projection(&query.body).map(|select| names(&select.projection));
        let tables = self.tables(query)?;
        let standing = self.standing();
        let mut written = Vec::new();
        let _ = sqlparser::ast::visit_relations(query, |name| {
            written.push(plain(name));
            std::ops::ControlFlow::<()>::Continue(())
        });
        let mut translator = Translator {
            tables: &tables,
            variables: &self.variables,
            standing: &standing,
            changed: false,
            locks: false,
        };
        let mut query = query.clone();
        translator.apply(&mut query)?;
        let types = projection(&query.body).map(|select| {
            select.projection.iter().map(|item| match item {
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                    infer(expr, &tables, &self.variables)
                }
                _ => None,
            })
        });
        let columns = match (names.flatten(), types) {
            (Some(names), Some(types)) => Some(names.into_iter().zip(types).collect()),
            _ => None,
        };
        Ok(Translated {
            sql: query.to_string(),
            columns,
            doing: Doing { verb: "SELECT", written, ..Doing::default() },
            locks: translator.locks,
        })
    }

    /// Reads all rows, where the transaction stands: isolation and hints can make a reader the writer.
    pub(crate) fn fetch(&mut self, translated: &Translated) -> Result<Rows, SqlError> {
        if self.transaction.count > 0 && (translated.locks || self.options.serializable) {
            self.engage()?;
        }
        self.query(translated)
    }

    /// Runs a statement of SQLite and reads all of its rows.
    pub(crate) fn query(&mut self, translated: &Translated) -> Result<Rows, SqlError> {
        let outcome = self.query_raw(translated);
        outcome.map_err(|failure| self.told(&failure, &translated.doing))
    }

    fn query_raw(&self, translated: &Translated) -> rusqlite::Result<Rows> {
        let mut statement = self.connection.prepare(&translated.sql)?;
        for at in 1..=statement.parameter_count() {
            let name = statement.parameter_name(at).unwrap_or_default().to_owned();
            let value = self.variables.get(&name).map_or(&Value::Null, |variable| &variable.value);
            statement.raw_bind_parameter(at, value)?;
        }
        let mut declared = Vec::new();
        for column in statement.columns_with_metadata() {
            let sql_type = match (column.table_name(), column.origin_name()) {
                (Some(table), Some(origin)) => {
                    let columns = table_columns(&self.connection, table)?;
                    columns.iter().find(|column| column.name == origin).map(|column| column.sql_type)
                }
                _ => None,
            };
            declared.push((column.name().to_owned(), sql_type));
        }
        let width = declared.len();
        let mut rows = Vec::new();
        let mut found = statement.raw_query();
        while let Some(row) = found.next()? {
            rows.push((0..width).map(|at| row.get(at)).collect::<rusqlite::Result<Vec<Value>>>()?);
        }
        let known = translated.columns.as_ref().filter(|known| known.len() == width);
        let columns = declared
            .into_iter()
            .enumerate()
            .map(|(at, (sqlite_name, declared))| {
                let (name, inferred) = known.map_or((sqlite_name, None), |known| known[at].clone());
                let guess = || SqlType::of_values(rows.iter().map(|row: &Vec<Value>| &row[at]));
                let known = declared.or(inferred);
                // A type that a value does not fit is a type wrongly guessed.
                let fits = known.filter(|sql_type| {
                    rows.iter().all(|row| convert::convert(row[at].clone(), *sql_type).is_ok())
                });
                Column { name, sql_type: fits.unwrap_or_else(guess) }
            })
            .collect();
        Ok((columns, rows))
    }

    fn raised(
        &mut self,
        [message, severity, state]: &[Expr; 3],
        arguments: &[Expr],
    ) -> Result<SqlError, SqlError> {
        let message = self.value(message)?.value;
        if let Value::Integer(number) = message {
            return Err(not_supported(format!(
                "RAISERROR with the number of a message in sys.messages ({number})"
            )));
        }
        let mut text = convert::text(message);
        for argument in arguments {
            let value = convert::text(self.value(argument)?.value);
            let place = ["%s", "%d", "%i", "%u"].iter().filter_map(|mark| text.find(mark)).min();
            if let Some(at) = place {
                text.replace_range(at..at + 2, &value);
            }
        }
        let class = convert::float(&self.value(severity)?.value).unwrap_or(16.0).clamp(0.0, 18.0) as u8;
        let state = convert::float(&self.value(state)?.value).unwrap_or(1.0).clamp(0.0, 255.0) as u8;
        Ok(SqlError { class, state, ..error(50_000, text) })
    }

    fn set_option(&mut self, names: &str, value: &str) -> Result<(), SqlError> {
        // With these at the other value, SQL Server works in ways that this endpoint has not.
        const USUAL: [(&str, &str); 13] = [
            ("ANSI_NULLS", "ON"),
            ("ANSI_PADDING", "ON"),
            ("ANSI_WARNINGS", "ON"),
            ("ANSI_NULL_DFLT_ON", "ON"),
            ("ARITHABORT", ""),
            ("CONCAT_NULL_YIELDS_NULL", "ON"),
            ("QUOTED_IDENTIFIER", "ON"),
            ("IMPLICIT_TRANSACTIONS", "OFF"),
            ("CURSOR_CLOSE_ON_COMMIT", ""),
            ("TEXTSIZE", ""),
            ("LANGUAGE", ""),
            ("DATEFORMAT", ""),
            ("NUMERIC_ROUNDABORT", "OFF"),
        ];
        for name in names.split(',') {
            let on = value.eq_ignore_ascii_case("ON");
            match name {
                "NOCOUNT" => self.options.no_count = on,
                "XACT_ABORT" => self.options.xact_abort = on,
                "TRANSACTION ISOLATION LEVEL" => {
                    self.options.serializable = matches!(value, "SERIALIZABLE" | "REPEATABLE READ");
                }
                "LOCK_TIMEOUT" => {
                    let milliseconds: i64 =
                        value.replace(' ', "").parse().map_err(|_| crate::sql::errors::syntax(value))?;
                    self.options.lock_timeout = u64::try_from(milliseconds).ok().map(Duration::from_millis);
                }
                "IDENTITY_INSERT" => {
                    let (table, switch) = value.rsplit_once(' ').unwrap_or((value, ""));
                    let table = table.rsplit('.').next().unwrap_or(table).trim().to_lowercase();
                    self.options.identity_insert = switch.eq_ignore_ascii_case("ON").then_some(table);
                }
                _ => match USUAL.iter().find(|(known, _)| *known == name) {
                    Some((_, usual)) if usual.is_empty() || usual.eq_ignore_ascii_case(value) => {}
                    _ => return Err(not_supported(format!("SET {name} {value}"))),
                },
            }
        }
        Ok(())
    }
}

/// Errors after which SQL Server runs no further statement of the batch.
fn ends_batch(found: &SqlError) -> bool {
    matches!(found.number, 102 | 105 | 137 | 156 | 195 | 207 | 208 | 209 | 213 | 241 | 245 | 1205 | 3617 | 3930 | 4104 | 8114)
        || found.class >= 17
        // THROW, and what this endpoint does not have: to go on would be to pretend.
        || found.number >= 50_000
}

/// The first SELECT of a query: it names the columns.
fn projection(body: &SetExpr) -> Option<&Select> {
    match body {
        SetExpr::Select(select) => Some(select),
        SetExpr::SetOperation { left, .. } => projection(left),
        SetExpr::Query(query) => projection(&query.body),
        _ => None,
    }
}

/// The names of a result's columns; `None` where a `*` hides how many there are.
pub(crate) fn names(items: &[SelectItem]) -> Option<Vec<String>> {
    items
        .iter()
        .map(|item| match item {
            SelectItem::ExprWithAlias { alias, .. } => Some(alias.value.clone()),
            SelectItem::UnnamedExpr(Expr::Identifier(ident)) if !ident.value.starts_with('@') => {
                Some(ident.value.clone())
            }
            SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts)) => {
                parts.last().map(|ident| ident.value.clone())
            }
            SelectItem::UnnamedExpr(_) => Some(String::new()),
            _ => None,
        })
        .collect()
}

/// `SELECT @a = …, @b = …`: the variables and their expressions.
fn assignments(query: &Query) -> Result<Option<Vec<(String, Expr)>>, SqlError> {
    let Some(select) = query.body.as_select() else { return Ok(None) };
    let one = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { expr, alias }
            if alias.quote_style.is_none() && alias.value.starts_with('@') =>
        {
            Some((alias.value.to_lowercase(), expr.clone()))
        }
        SelectItem::UnnamedExpr(Expr::BinaryOp { left, op: sqlparser::ast::BinaryOperator::Eq, right }) => {
            match left.as_ref() {
                Expr::Identifier(ident) if ident.value.starts_with('@') => {
                    Some((ident.value.to_lowercase(), (**right).clone()))
                }
                _ => None,
            }
        }
        _ => None,
    };
    let found: Vec<_> = select.projection.iter().filter_map(one).collect();
    match found.len() {
        0 => Ok(None),
        count if count == select.projection.len() => Ok(Some(found)),
        _ => {
            let message = "A SELECT statement that assigns a value to a variable must not be combined with \
                           data-retrieval operations.";
            Err(error(141, message))
        }
    }
}
