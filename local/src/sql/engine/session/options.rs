//! SET: the options that a session has, and those that it can only have as they are.

use std::time::Duration;

use super::{Session, settings::Isolation};
use crate::sql::{
    engine::ddl::schemas::place_of_text,
    errors::{self, SqlError, error, not_supported},
    types::{
        convert,
        moment_text::{DateOrder, set_date_order},
    },
};

impl Session {
    pub(crate) fn set_option(&mut self, names: &str, value: &str) -> Result<(), SqlError> {
        // With these at the other value, SQL Server works in ways that this endpoint has not.
        const USUAL: [(&str, &str); 11] = [
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
            ("NUMERIC_ROUNDABORT", "OFF"),
        ];
        for name in names.split(',') {
            let on = value.eq_ignore_ascii_case("ON");
            match name {
                "NOCOUNT" => self.options.no_count = on,
                "FMTONLY" => self.options.format_only = on,
                "XACT_ABORT" => self.options.xact_abort = on,
                "TRANSACTION ISOLATION LEVEL" => {
                    self.options.isolation = match value {
                        "READ UNCOMMITTED" => Isolation::ReadUncommitted,
                        "READ COMMITTED" => Isolation::ReadCommitted,
                        "REPEATABLE READ" => Isolation::RepeatableRead,
                        "SERIALIZABLE" => Isolation::Serializable,
                        "SNAPSHOT" => Isolation::Snapshot,
                        other => return Err(errors::syntax(other)),
                    };
                }
                "LOCK_TIMEOUT" => {
                    let milliseconds: i64 =
                        value.replace(' ', "").parse().map_err(|_| errors::syntax(value))?;
                    self.options.lock_timeout = u64::try_from(milliseconds).ok().map(Duration::from_millis);
                }
                "DATEFORMAT" => {
                    let order = DateOrder::named(value).ok_or_else(|| {
                        error(2741, format!("SET DATEFORMAT date order '{value}' is invalid."))
                    })?;
                    set_date_order(order);
                }
                "LANGUAGE" => {
                    let (order, first) = match value.to_lowercase().as_str() {
                        "us_english" | "english" => (DateOrder::Mdy, 7),
                        "british" | "british english" => (DateOrder::Dmy, 1),
                        _ => return Err(not_supported(format!("SET LANGUAGE {value}"))),
                    };
                    set_date_order(order);
                    self.options.date_first = Some(first);
                }
                "DATEFIRST" => {
                    let given = match value.strip_prefix('@') {
                        Some(_) => convert::text(self.variable(&value.to_lowercase())?.value),
                        None => value.to_owned(),
                    };
                    let day = given.parse().ok().filter(|day| (1..=7).contains(day));
                    self.options.date_first = Some(day.ok_or_else(|| {
                        error(2744, format!("The SET DATEFIRST parameter, {given}, is not valid."))
                    })?);
                }
                "IDENTITY_INSERT" => {
                    let (table, switch) = value.rsplit_once(' ').unwrap_or((value, ""));
                    let table = place_of_text(table).to_lowercase();
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
