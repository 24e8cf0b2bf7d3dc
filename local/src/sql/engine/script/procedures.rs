//! The system procedures: how they are called, over the wire and by EXECUTE, and what each name leads to.

use rusqlite::types::Value;
use sqlparser::ast::Expr;

use super::{
    Argument,
    prepared::{Outputs, parameter_names},
};
use crate::sql::{
    engine::{
        catalog::{self, type_info::type_info},
        failures::Doing,
        query::Translated,
        session::Session,
        translate::scope::{Variable, Variables},
    },
    errors::{SqlError, error, no_procedure, not_supported},
    types::{SqlType, convert},
    wire::request::Call,
};

/// Procedures that Azure SQL has, and an application or a person might call: 2812 would call them a slip of the pen.
const THERE: [&str; 14] = [
    "sp_bindrule",
    "sp_depends",
    "sp_describe_first_result_set",
    "sp_describe_undeclared_parameters",
    "sp_help",
    "sp_helpconstraint",
    "sp_helpindex",
    "sp_helptext",
    "sp_invoke_external_rest_endpoint",
    "sp_lock",
    "sp_set_firewall_rule",
    "sp_spaceused",
    "sp_updatestats",
    "sp_who",
];

impl Session {
    /// A procedure called over the wire: its return status and its outputs.
    pub(crate) fn call(&mut self, call: Call) -> Result<(i32, Outputs), SqlError> {
        let name = bare_name(&call.procedure);
        let given = call.parameters;
        let outputs = match name.as_str() {
            "sp_executesql" => self.execute_sql(given),
            "sp_prepare" | "sp_prepexec" => self.prepare(&name, given),
            "sp_execute" => self.execute_prepared(given),
            "sp_unprepare" => self.unprepare(given),
            _ => {
                let arguments = given.into_iter().map(|parameter| {
                    (
                        parameter.name.to_lowercase(),
                        Variable { sql_type: parameter.sql_type, value: parameter.value },
                    )
                });
                return self
                    .system(&call.procedure, arguments.collect())
                    .map(|status| (status, Outputs::new()));
            }
        };
        outputs.map(|outputs| (0, outputs))
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
        let status = self.system(procedure, given)?;
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
    fn system(&mut self, written: &str, given: Vec<(String, Variable)>) -> Result<i32, SqlError> {
        let name = bare_name(written);
        match name.as_str() {
            "sp_reset_connection" => {
                self.reset(false);
                Ok(0)
            }
            "sp_set_session_context" => self.set_session_context(&given),
            "sp_datatype_info" | "sp_datatype_info_100" => {
                let wanted = argument(&given, "@data_type", 0)
                    .and_then(|found| convert::float(&found.value))
                    .unwrap_or(0.0) as i64;
                let (columns, rows) = type_info(wanted);
                self.write_rows(&columns, &rows)?;
                self.statement_done(Some(rows.len() as u64));
                Ok(0)
            }
            "sp_rename" => self.rename(&given),
            "sp_getapplock" => self.get_application_lock(&given),
            "sp_releaseapplock" => self.release_application_lock(&given),
            other => {
                if let Some(status) = self.change_property(other, &given)? {
                    return Ok(status);
                }
                if let Some((names, sql)) = catalog::procedures::procedure(other) {
                    return self.catalog_rows(names, sql, given).map(|()| 0);
                }
                Err(if THERE.contains(&other) {
                    not_supported(format!("the procedure {other}"))
                } else {
                    no_procedure(written)
                })
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
}

/// The value of an argument, by its name or, where it has none, by its place.
pub(crate) fn argument(given: &[(String, Variable)], name: &str, place: usize) -> Option<Variable> {
    let named = given.iter().find(|(known, _)| known.eq_ignore_ascii_case(name));
    named.or_else(|| given.get(place).filter(|(known, _)| known.is_empty())).map(|(_, found)| found.clone())
}

fn bare_name(procedure: &str) -> String {
    procedure.rsplit('.').next().unwrap_or(procedure).trim_matches(['[', ']', '"']).to_lowercase()
}

pub(crate) fn missing(procedure: &str) -> SqlError {
    error(201, format!("Procedure or function '{procedure}' expects a parameter which was not supplied."))
}
