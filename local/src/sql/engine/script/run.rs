//! A batch's steps run one after another.

use std::time::Duration;

use rusqlite::types::Value;
use sqlparser::ast::{SetExpr, Statement};

use super::{Action, Step};
use crate::sql::{
    engine::{
        query::{ANSWER_LIMIT, too_large},
        session::Session,
        translate::scope::{self, Variable},
    },
    errors::{SqlError, error},
    types::{convert, moment::Moment},
    wire::tokens::{Done, Tokens},
};

/// How a list of steps ended.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Next {
    Go,
    Break,
    Continue,
    Return,
}

impl Session {
    /// Runs the steps of a batch. An error that comes back ended it, and has been reported unless a TRY is around it.
    pub(crate) fn steps(&mut self, steps: &[Step]) -> Result<Next, SqlError> {
        for step in steps {
            if self.interrupt.is_raised() {
                return Err(self.cancelled());
            }
            if self.tokens.out.len() > ANSWER_LIMIT {
                self.tokens = Tokens::new(&self.who.server);
                return Err(too_large());
            }
            match self.step(step) {
                Ok(Next::Go) => {
                    self.last_error = 0;
                    self.row_count = counted(&step.action).unwrap_or(self.row_count);
                }
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

    pub(crate) fn step(&mut self, step: &Step) -> Result<Next, SqlError> {
        self.shared.lock().now = None;
        match &step.action {
            Action::Statement(statement) => self.statement(statement)?,
            Action::Change(change) => self.change_rows(change)?,
            Action::Merge(merge) => self.merge_rows(merge)?,
            Action::CreateTable(name, elements) => {
                self.create_table(name, elements)?;
                self.statement_done(None);
            }
            Action::CreateIndex(name, index) => {
                self.create_index(name, index)?;
                self.statement_done(None);
            }
            Action::AlterTable(name, change) => {
                self.alter_table(name, change)?;
                self.statement_done(None);
            }
            Action::If { condition, then, otherwise } => {
                let branch = if self.condition(condition)? { then } else { otherwise };
                self.row_count = 0;
                return self.steps(branch);
            }
            Action::While { condition, body } => {
                while self.condition(condition)? {
                    self.row_count = 0;
                    if self.interrupt.is_raised() {
                        return Err(self.cancelled());
                    }
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
            Action::CheckIdentity(check) => self.run_check_identity(check, step.line)?,
            Action::InsertBulk(bulk) => self.announce_bulk(bulk)?,
            Action::SetContextInfo(value) => self.set_context_info(value)?,
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
                self.nested(&text, scope::Variables::new())?;
            }
        }
        Ok(Next::Go)
    }

    pub(crate) fn statement(&mut self, statement: &Statement) -> Result<(), SqlError> {
        match statement {
            Statement::Query(query) => match query.body.as_ref() {
                // WITH … INSERT: the common table expressions are its rows' own.
                SetExpr::Insert(Statement::Insert(insert)) if query.with.is_some() => {
                    let mut insert = insert.clone();
                    if let Some(source) = insert.source.as_mut() {
                        source.with.clone_from(&query.with);
                    }
                    self.insert(&insert)
                }
                _ => self.select(query),
            },
            Statement::Insert(insert) => self.insert(insert),
            other => self.define(other),
        }
    }
}

/// What @@ROWCOUNT is after a statement that counts no rows itself.
fn counted(action: &Action) -> Option<i64> {
    match action {
        Action::Assign(..) => Some(1),
        Action::Declare(declared) if declared.iter().any(|(.., value)| value.is_some()) => Some(1),
        Action::Statement(statement) => match statement.as_ref() {
            Statement::Query(_) | Statement::Insert(_) => None,
            _ => Some(0),
        },
        Action::Begin
        | Action::Commit
        | Action::Rollback(_)
        | Action::Save(_)
        | Action::Option(..)
        | Action::Print(_)
        | Action::RaiseError(..)
        | Action::CreateTable(..)
        | Action::AlterTable(..)
        | Action::CreateIndex(..) => Some(0),
        _ => None,
    }
}

/// Errors after which SQL Server runs no further statement of the batch.
fn ends_batch(found: &SqlError) -> bool {
    matches!(found.number, 102 | 105 | 137 | 156 | 195 | 207 | 208 | 209 | 213 | 241 | 245 | 1205 | 3617 | 3930 | 4104 | 8114)
        || found.class >= 17
        // THROW, and what this endpoint does not have: to go on would be to pretend.
        || found.number >= 50_000
}
