//! Which of several types wins where they meet, and which one holds values that have none of their own.

use rusqlite::types::Value;

use super::{SqlType, convert};

impl SqlType {
    /// Which of two types wins where they meet (SQL Server's data type precedence).
    pub(crate) fn stronger(self, other: Self) -> Self {
        let rank = |sql_type: Self| match sql_type {
            SqlType::DateTimeOffset(_) => 22,
            SqlType::DateTime2(_) => 21,
            SqlType::DateTime => 20,
            SqlType::SmallDateTime => 19,
            SqlType::Date => 18,
            SqlType::Time(_) => 17,
            SqlType::Float => 16,
            SqlType::Real => 15,
            SqlType::Decimal(..) => 14,
            SqlType::Money => 13,
            SqlType::SmallMoney => 12,
            SqlType::BigInt => 11,
            SqlType::Int => 10,
            SqlType::SmallInt => 9,
            SqlType::TinyInt => 8,
            SqlType::Bit => 7,
            SqlType::Guid => 6,
            SqlType::NVarChar(_) => 5,
            SqlType::NChar(_) => 4,
            SqlType::VarChar(_) => 3,
            SqlType::Char(_) => 2,
            SqlType::VarBinary(_) => 1,
            SqlType::Binary(_) => 0,
        };
        match (self, other) {
            (SqlType::Decimal(p1, s1), SqlType::Decimal(p2, s2)) => {
                let scale = s1.max(s2);
                SqlType::Decimal(((p1 - s1).max(p2 - s2) + scale).min(38), scale)
            }
            (a, b) if a.is_text() && b.is_text() || a.is_binary() && b.is_binary() => {
                let longest = match (a.length(), b.length()) {
                    (Some(a), Some(b)) => Some(a.max(b)),
                    _ => None,
                };
                (if rank(a) >= rank(b) { a } else { b }).with_length(longest)
            }
            (a, b) => {
                if rank(a) >= rank(b) {
                    a
                } else {
                    b
                }
            }
        }
    }

    /// The type that all of these values fit, where nothing else tells it.
    pub(crate) fn of_values<'a>(values: impl Iterator<Item = &'a Value>) -> Self {
        let mut found: Option<SqlType> = None;
        for value in values {
            let this = match value {
                Value::Null => continue,
                Value::Integer(n) if i32::try_from(*n).is_ok() => SqlType::Int,
                Value::Integer(_) => SqlType::BigInt,
                Value::Real(_) => SqlType::Float,
                exact if convert::is_exact(exact) => {
                    SqlType::Decimal(38, convert::exact_scale(exact).unwrap_or(0).min(38))
                }
                Value::Text(text) if text.len() <= 4000 => SqlType::NVarChar(Some(4000)),
                Value::Text(_) => SqlType::NVarChar(None),
                Value::Blob(bytes) if bytes.len() <= 8000 => SqlType::VarBinary(Some(8000)),
                Value::Blob(_) => SqlType::VarBinary(None),
            };
            found = Some(match found {
                None => this,
                Some(before) if before.is_number() == this.is_number() => before.stronger(this),
                // Text holds them all.
                Some(_) => SqlType::NVarChar(None),
            });
        }
        found.unwrap_or(SqlType::Int)
    }
}
