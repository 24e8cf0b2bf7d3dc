//! The settings of sessions: how many, whether connections are opened ahead or used again, and for how long.

use std::{ops::RangeInclusive, time::Duration};

use super::{Environment, SettingsError, set, values::Values};
use crate::connection::keywords::Field;

const MAX_SESSIONS: &str = "SQLSCOPE_MAX_SESSIONS";
/// Azure SQL's largest tier takes this many.
const MOST_SESSIONS: u32 = 30_000;
const SPARES: &str = "SQLSCOPE_SPARES";
const MOST_SPARES: u32 = 1_000;
const SESSIONS: &str = "SQLSCOPE_SESSIONS";
const MAX_AGE: &str = "SQLSCOPE_CONNECTION_AGE_SECONDS";
/// A token lasts 24 hours at most.
const MOST_AGE: u32 = 86_400;
const REMEMBER_REDIRECT: &str = "SQLSCOPE_REMEMBER_REDIRECT";

/// Whether a connection serves one invocation or several.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum SessionMode {
    /// A new connection for each invocation, closed with it.
    #[default]
    Fresh,
    /// A connection serves one invocation after another; the server resets the session between them.
    Reuse,
}

/// By default a third of what the smallest tier takes, which an app of several instances shares.
pub(super) fn max_sessions(values: &Values, environment: Environment<'_>) -> Result<usize, SettingsError> {
    if let Some(number) = values.number(Field::MaxPoolSize, 1, MOST_SESSIONS)? {
        return Ok(number as usize);
    }
    let number = number(environment, MAX_SESSIONS, "number of sessions", 1..=MOST_SESSIONS)?;
    Ok(number.map_or(100, |number| number as usize))
}

/// By default 4.
pub(super) fn spares(environment: Environment<'_>) -> Result<usize, SettingsError> {
    let number = number(environment, SPARES, "number of spare connections", 0..=MOST_SPARES)?;
    Ok(number.map_or(4, |number| number as usize))
}

/// By default four minutes, so that a connection is closed here before something on the way drops it.
pub(super) fn max_age(environment: Environment<'_>) -> Result<Duration, SettingsError> {
    let seconds = number(environment, MAX_AGE, "age in seconds", 1..=MOST_AGE)?;
    Ok(Duration::from_secs(seconds.map_or(240, u64::from)))
}

/// By default fresh.
pub(super) fn mode(environment: Environment<'_>) -> Result<SessionMode, SettingsError> {
    match set(environment, SESSIONS).as_deref().map(str::trim) {
        None | Some("fresh") => Ok(SessionMode::Fresh),
        Some("reuse") => Ok(SessionMode::Reuse),
        Some(text) => {
            Err(SettingsError::new(SESSIONS, format!("`{text}` is unknown; expected fresh or reuse")))
        }
    }
}

/// By default off.
pub(super) fn remember_redirect(environment: Environment<'_>) -> Result<bool, SettingsError> {
    match set(environment, REMEMBER_REDIRECT).as_deref().map(str::trim) {
        None | Some("0" | "false") => Ok(false),
        Some("1" | "true") => Ok(true),
        Some(text) => {
            Err(SettingsError::new(REMEMBER_REDIRECT, format!("`{text}` is unknown; expected 1 or 0")))
        }
    }
}

fn number(
    environment: Environment<'_>,
    name: &str,
    what: &str,
    range: RangeInclusive<u32>,
) -> Result<Option<u32>, SettingsError> {
    let Some(text) = set(environment, name) else { return Ok(None) };
    match text.trim().parse::<u32>() {
        Ok(number) if range.contains(&number) => Ok(Some(number)),
        _ => {
            let (least, most) = range.into_inner();
            Err(SettingsError::new(name, format!("`{text}` is no {what}; expected {least} to {most}")))
        }
    }
}
