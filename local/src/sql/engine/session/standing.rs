//! What a statement can ask about its session: `@@SPID`, `SCOPE_IDENTITY()`, `DB_NAME()` and their like.

use rusqlite::types::Value;
use sqlparser::ast::{Expr, Value as Literal};

use super::session_context::{Kept, constant};
use crate::sql::{
    engine::{
        catalog,
        translate::{
            nodes::{self, cast, number, text},
            scope::Variable,
        },
    },
    errors::{SqlError, not_supported},
    types::SqlType,
};

/// The version text: says first what this is.
pub(crate) const VERSION: &str = "sqlscope local stand-in for Microsoft SQL Azure (RTM) - 12.0.2000.8: TDS over SQLite, \
                                  not SQL Server";

/// A session's facts at the start of a statement.
#[derive(Debug, Clone, Default)]
pub(crate) struct Standing {
    pub(crate) spid: u16,
    pub(crate) transactions: u32,
    pub(crate) transaction_state: i64,
    pub(crate) row_count: i64,
    pub(crate) last_error: u32,
    /// The bits of `@@OPTIONS`.
    pub(crate) options: i64,
    /// `@@DATEFIRST`.
    pub(crate) first_day: u8,
    /// In milliseconds.
    pub(crate) lock_timeout: Option<u128>,
    pub(crate) identity: Option<i64>,
    pub(crate) server: String,
    pub(crate) database: String,
    pub(crate) login: String,
    pub(crate) application: String,
    pub(crate) host: String,
    /// The error that a CATCH block handles.
    pub(crate) caught: Option<SqlError>,
    pub(crate) session_values: Vec<Kept>,
    pub(crate) context_info: Option<Vec<u8>>,
}

impl Standing {
    /// A global variable, as a typed constant.
    pub(crate) fn global(&self, name: &str) -> Result<Expr, SqlError> {
        let whole = |sql_type, value: i64| cast("__as", sql_type, number(&value.to_string()));
        Ok(match name {
            "@@spid" => whole(SqlType::SmallInt, self.spid.into()),
            "@@trancount" => whole(SqlType::Int, self.transactions.into()),
            "@@rowcount" => whole(SqlType::Int, self.row_count),
            "@@error" => whole(SqlType::Int, self.last_error.into()),
            "@@identity" => self.last_identity(),
            "@@version" => cast("__as", SqlType::NVarChar(Some(300)), text(VERSION)),
            "@@servername" => cast("__as", SqlType::NVarChar(Some(128)), text(&self.server)),
            "@@options" => whole(SqlType::Int, self.options),
            "@@lock_timeout" => {
                let time = self.lock_timeout.and_then(|time| i64::try_from(time).ok());
                whole(SqlType::Int, time.unwrap_or(-1))
            }
            "@@datefirst" => whole(SqlType::TinyInt, self.first_day.into()),
            "@@language" => cast("__as", SqlType::NVarChar(Some(128)), text("us_english")),
            "@@textsize" => whole(SqlType::Int, 2_147_483_647),
            "@@nestlevel" => whole(SqlType::Int, 0),
            "@@max_precision" => whole(SqlType::TinyInt, 38),
            other => return Err(not_supported(format!("the global variable {other}"))),
        })
    }

    fn last_identity(&self) -> Expr {
        let value = self.identity.map_or_else(null, |value| number(&value.to_string()));
        cast("__as", SqlType::Decimal(38, 0), value)
    }

    /// A function about the session; `None` when it is another kind of function.
    pub(crate) fn call(&self, name: &str, arguments: &[Expr]) -> Result<Option<Expr>, SqlError> {
        let name_type = SqlType::NVarChar(Some(128));
        let named = |value: &str| cast("__as", name_type, text(value));
        let caught = |sql_type, value: Option<Expr>| cast("__as", sql_type, value.unwrap_or_else(null));
        let caught_number = |pick: fn(&SqlError) -> u32| {
            caught(SqlType::Int, self.caught.as_ref().map(|found| number(&pick(found).to_string())))
        };
        let literal = |at: usize| match arguments.get(at) {
            Some(found) => nodes::literal(found),
            None => None,
        };
        Ok(Some(match name {
            "scope_identity" => self.last_identity(),
            "xact_state" => cast("__as", SqlType::SmallInt, number(&self.transaction_state.to_string())),
            "db_name" => named(&self.database),
            "db_id" => cast("__as", SqlType::Int, number("5")),
            "suser_sname" | "original_login" | "suser_name" | "system_user" | "session_user" => {
                named(&self.login)
            }
            "user_name" | "current_user" | "user" => named(&self.login),
            "app_name" => named(&self.application),
            "host_name" => named(&self.host),
            "current_timestamp" => nodes::call("__now_datetime", Vec::new()),
            "error_number" => caught_number(|found| found.number),
            "error_severity" => caught_number(|found| found.class.into()),
            "error_state" => caught_number(|found| found.state.into()),
            "error_line" => caught_number(|found| found.line),
            "error_procedure" => caught(name_type, None),
            "error_message" => {
                let message = self.caught.as_ref().map(|found| text(&found.message));
                caught(SqlType::NVarChar(Some(4000)), message)
            }
            "serverproperty" => {
                let property = literal(0).unwrap_or_default().to_lowercase();
                match property.as_str() {
                    "engineedition" => cast("__as", SqlType::Int, number("5")),
                    "edition" => named("SQL Azure"),
                    "productversion" => named("12.0.2000.8"),
                    "productlevel" => named("RTM"),
                    "servername" | "machinename" => named(&self.server),
                    "collation" => named("SQL_Latin1_General_CP1_CI_AS"),
                    _ => cast("__as", name_type, null()),
                }
            }
            "databasepropertyex" => {
                let other = literal(0).is_some_and(|name| !name.eq_ignore_ascii_case(&self.database));
                let property = literal(1).unwrap_or_default().to_lowercase();
                match property.as_str() {
                    _ if other => cast("__as", name_type, null()),
                    "collation" => named("SQL_Latin1_General_CP1_CI_AS"),
                    "edition" => named("GeneralPurpose"),
                    "recovery" => named("FULL"),
                    "status" => named("ONLINE"),
                    "updateability" => named("READ_WRITE"),
                    "useraccess" => named("MULTI_USER"),
                    _ => cast("__as", name_type, null()),
                }
            }
            "session_context" => {
                let key = literal(0).ok_or_else(|| not_supported("SESSION_CONTEXT of an expression"))?;
                match self.session_values.iter().find(|kept| kept.key == key) {
                    Some(kept) => constant(&kept.value),
                    None => cast("__as", SqlType::NVarChar(Some(4000)), null()),
                }
            }
            "context_info" => {
                let value = self.context_info.clone().map_or(Value::Null, Value::Blob);
                constant(&Variable { sql_type: SqlType::VarBinary(Some(128)), value })
            }
            _ => return catalog::functions::call(name, arguments),
        }))
    }
}

fn null() -> Expr {
    Expr::Value(Literal::Null.into())
}
