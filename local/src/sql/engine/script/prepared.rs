//! Parameterised and prepared statements: sp_executesql, and sp_prepare with its kin.

use rusqlite::types::Value;

use super::procedures::missing;
use crate::sql::{
    engine::{
        session::{Prepared, Session},
        translate::scope::{Variable, Variables},
    },
    errors::{SqlError, error},
    types::{SqlType, convert},
    wire::request::Parameter,
};

/// What a call gives back: output parameters with their place in the call (2.2.7.18, ParamOrdinal) and their name.
pub(crate) type Outputs = Vec<(u16, String, Variable)>;

impl Session {
    pub(crate) fn execute_sql(&mut self, mut given: Vec<Parameter>) -> Result<Outputs, SqlError> {
        let text = text_of(take_first(&mut given)?);
        let declared = if given.is_empty() { String::new() } else { text_of(given.remove(0)) };
        let names = parameter_names(&declared);
        self.parameterised(&text, &names, given, 2)
    }

    /// sp_prepare, and sp_prepexec, which runs it as well.
    pub(crate) fn prepare(&mut self, name: &str, mut given: Vec<Parameter>) -> Result<Outputs, SqlError> {
        if given.len() < 3 {
            return Err(missing(name));
        }
        let rest = given.split_off(3);
        let mut fixed = given.into_iter();
        let (handle, declared, text) = match (fixed.next(), fixed.next(), fixed.next()) {
            (Some(handle), Some(declared), Some(text)) => (handle, text_of(declared), text_of(text)),
            _ => return Err(missing(name)),
        };
        if let Value::Integer(old) = &handle.value {
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

    pub(crate) fn execute_prepared(&mut self, mut given: Vec<Parameter>) -> Result<Outputs, SqlError> {
        let handle = take_first(&mut given)?.value;
        let prepared = match &handle {
            Value::Integer(handle) => self.prepared.get(handle).cloned(),
            _ => None,
        };
        let Some(prepared) = prepared else {
            let shown = convert::text(handle);
            return Err(error(8179, format!("Could not find prepared statement with handle {shown}.")));
        };
        self.parameterised(&prepared.text, &prepared.parameters, given, 1)
    }

    pub(crate) fn unprepare(&mut self, mut given: Vec<Parameter>) -> Result<Outputs, SqlError> {
        if let Value::Integer(handle) = take_first(&mut given)?.value {
            self.prepared.remove(&handle);
        }
        Ok(Outputs::new())
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
}

fn text_of(parameter: Parameter) -> String {
    convert::text(parameter.value)
}

fn take_first(given: &mut Vec<Parameter>) -> Result<Parameter, SqlError> {
    if given.is_empty() { Err(missing("the procedure")) } else { Ok(given.remove(0)) }
}

/// The names in a declaration like `@P1 int,@P2 nvarchar(200)`, in lower case.
pub(crate) fn parameter_names(declared: &str) -> Vec<String> {
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
