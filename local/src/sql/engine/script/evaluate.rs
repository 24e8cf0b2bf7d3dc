//! Expressions that stand in no query of their own: a value, a condition, the parts of a RAISERROR.

use rusqlite::types::Value;
use sqlparser::ast::Expr;

use crate::sql::{
    engine::{
        failures::Doing,
        query::{Rows, Translated},
        session::Session,
        translate::{Translator, infer::infer, scope::Variable},
    },
    errors::{SqlError, error, not_supported, undeclared},
    types::{SqlType, convert},
};

impl Session {
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

    pub(crate) fn condition(&mut self, expr: &Expr) -> Result<bool, SqlError> {
        self.shared.lock().now = None;
        let (_, rows) = self.read_expr(expr.clone(), "SELECT CASE WHEN ", " THEN 1 ELSE 0 END")?;
        Ok(rows.first().and_then(|row| row.first()) == Some(&Value::Integer(1)))
    }

    pub(crate) fn read_expr(&mut self, mut expr: Expr, before: &str, after: &str) -> Result<Rows, SqlError> {
        let tables = self.tables(&expr)?;
        let standing = self.standing();
        let mut translator = Translator::new(&tables, &self.variables, &standing);
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

    pub(crate) fn raised(
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
}
