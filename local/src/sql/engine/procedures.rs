//! The system procedures: prepared and parameterised statements, session resets, application locks.

use std::time::Duration;

use rusqlite::types::Value;
use sqlparser::ast::Expr;

use super::{
    catalog,
    failures::Doing,
    locks::{Mode, Owner, Refused},
    query::Translated,
    scope::{Variable, Variables},
    script::Argument,
    session::{Prepared, Session},
    type_info::type_info,
};
use crate::sql::{
    convert,
    errors::{SqlError, error, not_supported},
    request::{Call, Parameter},
    types::SqlType,
};

/// What a call gives back: output parameters with their place in the call (2.2.7.18, ParamOrdinal) and their name.
type Outputs = Vec<(u16, String, Variable)>;

impl Session {
    /// A procedure called over the wire.
    pub(crate) fn call(&mut self, call: Call) -> Result<Outputs, SqlError> {
        let name = bare_name(&call.procedure);
        let mut given = call.parameters;
        match name.as_str() {
            "sp_executesql" => {
                let text = text_of(take_first(&mut given)?);
                let declared = if given.is_empty() { String::new() } else { text_of(given.remove(0)) };
                let names = parameter_names(&declared);
                self.parameterised(&text, &names, given, 2)
            }
            "sp_prepare" | "sp_prepexec" => {
                if given.len() < 3 {
                    return Err(missing(&name));
                }
                let rest = given.split_off(3);
                let mut fixed = given.into_iter();
                let (handle, declared, text) = match (fixed.next(), fixed.next(), fixed.next()) {
                    (Some(handle), Some(declared), Some(text)) => (handle, text_of(declared), text_of(text)),
                    _ => return Err(missing(&name)),
                };
                if let Some(Value::Integer(old)) = Some(&handle.value) {
                    self.prepared.remove(old);
                }
                self.next_handle += 1;
                let prepared = Prepared { text, parameters: parameter_names(&declared) };
                self.prepared.insert(self.next_handle, prepared.clone());
                let value = Variable { sql_type: SqlType::Int, value: Value::Integer(self.next_handle) };
                let mut outputs = vec![(0, handle.name, value)];
                if name == "sp_prepexec" {
                    outputs.extend(self.parameterised(&prepared.text, &prepared.parameters, rest, 3)?);
                }
                Ok(outputs)
            }
            "sp_execute" => {
                let handle = take_first(&mut given)?.value;
                let prepared = match &handle {
                    Value::Integer(handle) => self.prepared.get(handle).cloned(),
                    _ => None,
                };
                let Some(prepared) = prepared else {
                    let shown = convert::text(handle);
                    return Err(error(
                        8179,
                        format!("Could not find prepared statement with handle {shown}."),
                    ));
                };
                self.parameterised(&prepared.text, &prepared.parameters, given, 1)
            }
            "sp_unprepare" => {
                if let Value::Integer(handle) = take_first(&mut given)?.value {
                    self.prepared.remove(&handle);
                }
                Ok(Outputs::new())
            }
            _ => {
                let arguments = given.into_iter().map(|parameter| {
                    (
                        parameter.name.to_lowercase(),
                        Variable { sql_type: parameter.sql_type, value: parameter.value },
                    )
                });
                self.system(&name, arguments.collect()).map(|_| Outputs::new())
            }
        }
    }

    /// Runs text with its parameters as variables; so many of the call come before them.
    fn parameterised(
        &mut self,
        text: &str,
        names: &[String],
        given: Vec<Parameter>,
        before: usize,
    ) -> Result<Outputs, SqlError> {
        let mut variables = Variables::new();
        let mut outputs = Vec::new();
        for (at, parameter) in given.into_iter().enumerate() {
            let name = if parameter.name.is_empty() {
                names.get(at).cloned()
            } else {
                Some(parameter.name.to_lowercase())
            };
            let Some(name) = name else {
                let message = "Procedure or function has too many arguments specified.";
                return Err(error(8144, message));
            };
            if parameter.output {
                outputs.push(((before + at) as u16, name.clone(), parameter.name.clone()));
            }
            variables.insert(name, Variable { sql_type: parameter.sql_type, value: parameter.value });
        }
        if let Some(missing) = names.iter().find(|name| !variables.contains_key(*name)) {
            let message =
                format!("The parameterized query expects the parameter '{missing}', which was not supplied.");
            return Err(error(8178, message));
        }
        self.variables = variables;
        self.run_text(text)?;
        Ok(outputs
            .into_iter()
            .filter_map(|(at, name, shown)| {
                self.variables.get(&name).map(|variable| (at, shown, variable.clone()))
            })
            .collect())
    }

    /// EXECUTE in T-SQL text.
    pub(crate) fn execute(
        &mut self,
        procedure: &str,
        arguments: &[Argument],
        result: Option<&str>,
    ) -> Result<(), SqlError> {
        let outputs = arguments.iter().any(|(_, _, output)| *output);
        if outputs && bare_name(procedure) != "sp_executesql" {
            return Err(not_supported("EXECUTE with OUTPUT arguments"));
        }
        let mut given = Vec::new();
        for (name, value, _) in arguments {
            let variable = match value {
                // A bare word is a string here: EXEC sp_x Exclusive.
                Some(Expr::Identifier(ident)) if !ident.value.starts_with('@') => Variable {
                    sql_type: SqlType::NVarChar(Some(4000)),
                    value: Value::Text(ident.value.clone()),
                },
                Some(value) => self.value(value)?,
                None => Variable { sql_type: SqlType::Int, value: Value::Null },
            };
            given.push((name.clone().unwrap_or_default(), variable));
        }
        let name = bare_name(procedure);
        if name == "sp_executesql" {
            let mut given = given.into_iter();
            let text =
                given.next().map(|(_, text)| convert::text(text.value)).ok_or_else(|| missing(&name))?;
            let declared = given.next().map(|(_, text)| convert::text(text.value)).unwrap_or_default();
            let names = parameter_names(&declared);
            let mut variables = Variables::new();
            let mut returned = Vec::new();
            for (at, (name, variable)) in given.enumerate() {
                let name = if name.is_empty() { names.get(at).cloned().unwrap_or_default() } else { name };
                if let Some((_, Some(Expr::Identifier(outer)), true)) = arguments.get(at + 2) {
                    returned.push((name.clone(), outer.value.to_lowercase()));
                }
                variables.insert(name, variable);
            }
            let inner = self.nested(&text, variables)?;
            for (name, outer) in returned {
                if let Some(found) = inner.get(&name) {
                    let sql_type = self.variable(&outer)?.sql_type;
                    self.set_variable(&outer, convert::convert(found.value.clone(), sql_type)?);
                }
            }
            return Ok(());
        }
        let status = self.system(&name, given)?;
        if let Some(result) = result {
            self.variable(result)?;
            self.set_variable(result, Value::Integer(status.into()));
        }
        self.statement_done(None);
        Ok(())
    }

    /// A batch inside of a batch, with variables of its own; what they are at its end.
    pub(crate) fn nested(&mut self, text: &str, variables: Variables) -> Result<Variables, SqlError> {
        if self.depth >= 32 {
            let message =
                "Maximum stored procedure, function, trigger, or view nesting level exceeded (limit 32).";
            return Err(error(217, message));
        }
        let outer = std::mem::replace(&mut self.variables, variables);
        let options = self.options.clone();
        self.depth += 1;
        let outcome = self.run_text(text);
        self.drop_temporary(self.depth);
        self.depth -= 1;
        let inner = std::mem::replace(&mut self.variables, outer);
        self.options = options;
        outcome.map(|()| inner)
    }

    /// A procedure that touches the session only; its return status.
    fn system(&mut self, name: &str, given: Vec<(String, Variable)>) -> Result<i32, SqlError> {
        let argument = |name: &str, place: usize| {
            let named = given.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
            named
                .or_else(|| given.get(place).filter(|(known, _)| known.is_empty()))
                .map(|(_, found)| found.value.clone())
        };
        match name {
            "sp_reset_connection" => {
                self.reset(false);
                Ok(0)
            }
            "sp_set_session_context" => {
                let key = convert::text(argument("@key", 0).ok_or_else(|| missing(name))?);
                let value = argument("@value", 1).unwrap_or(Value::Null);
                self.session_values.retain(|(known, _)| *known != key);
                self.session_values.push((key, value));
                Ok(0)
            }
            "sp_datatype_info" | "sp_datatype_info_100" => {
                let wanted =
                    argument("@data_type", 0).and_then(|value| convert::float(&value)).unwrap_or(0.0) as i64;
                let (columns, rows) = type_info(wanted);
                self.write_rows(&columns, &rows)?;
                self.statement_done(Some(rows.len() as u64));
                Ok(0)
            }
            "sp_getapplock" => {
                let resource = convert::text(argument("@resource", 0).ok_or_else(|| missing(name))?);
                let mode = convert::text(argument("@lockmode", 1).ok_or_else(|| missing(name))?);
                let mode = match mode.to_lowercase().as_str() {
                    "shared" | "intentshared" => Mode::Shared,
                    "exclusive" | "update" | "intentexclusive" => Mode::Exclusive,
                    other => {
                        return Err(error(
                            15_600,
                            format!(
                                "An invalid parameter or option '{other}' was specified for procedure 'sp_getapplock'."
                            ),
                        ));
                    }
                };
                let owner = self.lock_owner(argument("@lockowner", 2))?;
                let patience = match argument("@locktimeout", 3).and_then(|value| convert::float(&value)) {
                    Some(milliseconds) if milliseconds >= 0.0 => {
                        Some(Duration::from_millis(milliseconds as u64))
                    }
                    Some(_) => None,
                    None => self.options.lock_timeout,
                };
                let outcome = self.store.locks.acquire(
                    &format!("application {}", resource),
                    self.who.spid,
                    mode,
                    owner,
                    patience,
                    &self.interrupt,
                );
                match outcome {
                    Ok(waited) => Ok(i32::from(waited)),
                    Err(Refused::TimedOut) => Ok(-1),
                    Err(Refused::Interrupted) => Err(self.cancelled()),
                    Err(Refused::Deadlock) => Ok(-3),
                }
            }
            "sp_releaseapplock" => {
                let resource = convert::text(argument("@resource", 0).ok_or_else(|| missing(name))?);
                let owner = self.lock_owner(argument("@lockowner", 1))?;
                if self.store.locks.release(&format!("application {resource}"), self.who.spid, owner) {
                    return Ok(0);
                }
                let message = format!(
                    "Cannot release the application lock (Database Principal: 'public', Resource: '{resource}') because \
                     it is not currently held."
                );
                Err(error(1223, message))
            }
            other => {
                if let Some((names, sql)) = catalog::procedure(other) {
                    return self.catalog_rows(names, sql, given).map(|()| 0);
                }
                let message = format!(
                    "Could not find stored procedure '{other}'. (The local Azure SQL endpoint has only a few of SQL \
                     Server's.)"
                );
                Err(error(2812, message))
            }
        }
    }

    /// What a catalog procedure answers.
    fn catalog_rows(
        &mut self,
        names: &[&str],
        sql: &str,
        given: Vec<(String, Variable)>,
    ) -> Result<(), SqlError> {
        let given = given.into_iter().enumerate().filter_map(|(at, (name, variable))| {
            let name = if name.is_empty() { (*names.get(at)?).to_owned() } else { name.to_lowercase() };
            Some((name, variable))
        });
        let outer = std::mem::replace(&mut self.variables, given.collect());
        let translated =
            Translated { sql: sql.to_owned(), columns: None, doing: Doing::default(), locks: false };
        let found = self.query(&translated);
        self.variables = outer;
        let (columns, rows) = found?;
        self.write_rows(&columns, &rows)?;
        self.statement_done(Some(rows.len() as u64));
        Ok(())
    }

    fn lock_owner(&self, value: Option<Value>) -> Result<Owner, SqlError> {
        let owner =
            value.filter(|value| *value != Value::Null).map_or_else(|| "transaction".into(), convert::text);
        if owner.eq_ignore_ascii_case("session") {
            return Ok(Owner::Session);
        }
        if self.transaction.count == 0 {
            let message =
                "You attempted to acquire a transactional application lock without an active transaction.";
            return Err(error(1222, message));
        }
        Ok(Owner::Transaction)
    }
}

fn bare_name(procedure: &str) -> String {
    procedure.rsplit('.').next().unwrap_or(procedure).trim_matches(['[', ']', '"']).to_lowercase()
}

fn text_of(parameter: Parameter) -> String {
    convert::text(parameter.value)
}

fn take_first(given: &mut Vec<Parameter>) -> Result<Parameter, SqlError> {
    if given.is_empty() { Err(missing("the procedure")) } else { Ok(given.remove(0)) }
}

fn missing(procedure: &str) -> SqlError {
    error(201, format!("Procedure or function '{procedure}' expects a parameter which was not supplied."))
}

/// The names in a declaration like `@P1 int,@P2 nvarchar(200)`, in lower case.
fn parameter_names(declared: &str) -> Vec<String> {
    let mut depth = 0;
    declared
        .split(|character| {
            match character {
                '(' => depth += 1,
                ')' => depth -= 1,
                _ => {}
            }
            character == ',' && depth == 0
        })
        .filter_map(|one| one.split_whitespace().next())
        .map(str::to_lowercase)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameter_names_come_from_their_declaration() {
        assert_eq!(
            parameter_names("@P1 int,@Total decimal(10,2) OUTPUT, @n nvarchar(max)"),
            ["@p1", "@total", "@n"]
        );
        assert!(parameter_names("").is_empty());
    }
}
