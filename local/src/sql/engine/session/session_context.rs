//! What a session keeps for its application: SESSION_CONTEXT's values by key, and CONTEXT_INFO's bytes.

use rusqlite::types::Value;
use sqlparser::ast::{Expr, Value as Literal};

use super::Session;
use crate::sql::{
    engine::{
        script::procedures::{argument, missing},
        translate::{
            nodes::{cast, number, text},
            scope::Variable,
        },
    },
    errors::{SqlError, error},
    types::{SqlType, convert},
};

/// The longest key, in bytes of UTF-16, the longest value, and the most of all, as SQL Server has them.
const KEY_LIMIT: usize = 256;
const VALUE_LIMIT: usize = 8000;
const ALL_LIMIT: usize = 1 << 20;
/// CONTEXT_INFO has so many bytes, always.
const CONTEXT_INFO: usize = 128;

/// A value of SESSION_CONTEXT.
#[derive(Debug, Clone)]
pub(crate) struct Kept {
    pub(crate) key: String,
    pub(crate) value: Variable,
    read_only: bool,
}

impl Kept {
    fn size(&self) -> usize {
        bytes_of_key(&self.key) + bytes_of(&self.value.value)
    }
}

fn bytes_of_key(key: &str) -> usize {
    2 * key.encode_utf16().count()
}

fn bytes_of(value: &Value) -> usize {
    match value {
        Value::Text(text) => bytes_of_key(text),
        Value::Blob(bytes) => bytes.len(),
        _ => size_of::<i64>(),
    }
}

/// A value as an expression of its type.
pub(crate) fn constant(Variable { sql_type, value }: &Variable) -> Expr {
    let literal = match value {
        Value::Null => Expr::Value(Literal::Null.into()),
        Value::Integer(whole) => number(&whole.to_string()),
        Value::Real(real) => number(&format!("{real:e}")),
        Value::Text(value) => text(value),
        Value::Blob(bytes) => {
            let digits = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
            Expr::Value(Literal::HexStringLiteral(digits).into())
        }
    };
    cast("__as", *sql_type, literal)
}

impl Session {
    /// sp_set_session_context @key, @value, @read_only.
    pub(crate) fn set_session_context(&mut self, given: &[(String, Variable)]) -> Result<i32, SqlError> {
        let name = "sp_set_session_context";
        let key = argument(given, "@key", 0).filter(|key| key.value != Value::Null);
        let key = convert::text(key.ok_or_else(|| missing(name))?.value);
        let value = argument(given, "@value", 1).ok_or_else(|| missing(name))?;
        let read_only = argument(given, "@read_only", 2)
            .and_then(|found| convert::float(&found.value))
            .is_some_and(|on| on != 0.0);
        let refused = |number, why: &str| {
            Err(error(number, format!("Cannot set key '{key}' in the session context. {why}")))
        };
        if self.session_values.iter().any(|kept| kept.key == key && kept.read_only) {
            return refused(15_664, "The key has been set as read_only for this session.");
        }
        if bytes_of_key(&key) > KEY_LIMIT {
            return refused(15_666, "The size of the key cannot exceed 256 bytes.");
        }
        if bytes_of(&value.value) > VALUE_LIMIT {
            return refused(15_665, "The size of the value cannot exceed 8,000 bytes.");
        }
        let kept = Kept { key: key.clone(), value, read_only };
        let others =
            self.session_values.iter().filter(|other| other.key != key).map(Kept::size).sum::<usize>();
        if others + kept.size() > ALL_LIMIT {
            return refused(15_665, "The total size of all keys and values cannot exceed 1 MB.");
        }
        self.session_values.retain(|other| other.key != key);
        self.session_values.push(kept);
        Ok(0)
    }

    /// SET CONTEXT_INFO: the value's bytes, with zeros behind them.
    pub(crate) fn set_context_info(&mut self, value: &Expr) -> Result<(), SqlError> {
        let Value::Blob(mut bytes) =
            convert::convert(self.value(value)?.value, SqlType::VarBinary(Some(CONTEXT_INFO as u16)))?
        else {
            return Err(error(2743, "SET CONTEXT_INFO option requires varbinary (128) NOT NULL parameter."));
        };
        bytes.resize(CONTEXT_INFO, 0);
        self.context_info = Some(bytes);
        Ok(())
    }
}
