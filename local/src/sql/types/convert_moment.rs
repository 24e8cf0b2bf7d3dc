//! Values made dates and times, each with the range and the digits of its type.

use std::ops::RangeInclusive;

use rusqlite::types::Value;

use super::{
    SqlType,
    convert::{float, is_exact, source_name, unconvertible},
    moment::{DAYS_TO_1900, Moment, TICKS_PER_DAY, TICKS_PER_SECOND},
};
use crate::sql::errors::{SqlError, error};

/// 1753-01-01 and 2079-06-06, in days since 0001-01-01.
const FIRST_DATETIME_DAY: i32 = 639_905;
const LAST_SMALL_DAY: i32 = DAYS_TO_1900 + 65_535;

/// Refuses a day that the type has not.
fn within(moment: &Moment, days: RangeInclusive<i32>, to: SqlType) -> Result<(), SqlError> {
    if days.contains(&moment.days_or_1900()) {
        return Ok(());
    }
    let message = format!(
        "The conversion of a nvarchar data type to a {} data type resulted in an out-of-range value.",
        to.name()
    );
    Err(error(242, message))
}

fn is_number(value: &Value) -> bool {
    matches!(value, Value::Integer(_) | Value::Real(_)) || is_exact(value)
}

/// The moment that so many days after the beginning of 1900 is.
pub(crate) fn on_day(days: f64) -> Option<Moment> {
    let ticks = (days * TICKS_PER_DAY as f64).round();
    let start = Moment { days: Some(DAYS_TO_1900), ticks: Some(0), offset: None };
    // Ten thousand years of ticks are less than an i64 has.
    if ticks.abs() < 4e18 { start.plus(ticks as i64) } else { None }
}

/// The days from the beginning of 1900 to a moment.
pub(crate) fn days(moment: &Moment) -> f64 {
    let days = f64::from(moment.days_or_1900() - DAYS_TO_1900);
    days + moment.ticks.unwrap_or(0) as f64 / TICKS_PER_DAY as f64
}

pub(crate) fn to_moment(value: &Value, to: SqlType) -> Result<Value, SqlError> {
    let failed = || error(241, "Conversion failed when converting date and/or time from character string.");
    let moment = match value {
        Value::Text(text) if text.trim().is_empty() => {
            Moment { days: Some(DAYS_TO_1900), ..Moment::default() }
        }
        _ if matches!(to, SqlType::DateTime | SqlType::SmallDateTime) && is_number(value) => {
            let overflow = || {
                error(
                    8115,
                    format!("Arithmetic overflow error converting expression to data type {}.", to.name()),
                )
            };
            float(value).and_then(on_day).ok_or_else(overflow)?
        }
        Value::Text(text) => Moment::read(text).ok_or_else(failed)?,
        other => {
            let source = source_name(other);
            let name = to.name();
            let message = format!("Explicit conversion from data type {source} to {name} is not allowed.");
            return Err(error(529, message));
        }
    };
    let ticks = moment.ticks.unwrap_or(0);
    let clock = moment.local();
    let both =
        Moment { days: Some(clock.days_or_1900()), ticks: Some(clock.ticks.unwrap_or(0)), offset: None };
    let made = match to {
        SqlType::Date => Moment { days: both.days, ..Moment::default() },
        SqlType::Time(scale) => Moment { ticks: both.ticks, ..Moment::default() }.rounded(scale),
        SqlType::SmallDateTime => {
            within(&both, DAYS_TO_1900..=LAST_SMALL_DAY, to)?;
            let minute = 60 * TICKS_PER_SECOND;
            let spare = both.ticks.unwrap_or(0) % minute;
            both.plus(if spare * 2 >= minute { minute - spare } else { -spare }).ok_or_else(failed)?
        }
        SqlType::DateTime => {
            within(&both, FIRST_DATETIME_DAY..=i32::MAX, to)?;
            // Three-hundredths of a second.
            let ticks = both.ticks.unwrap_or(0);
            let units = (ticks * 300 + 5_000_000) / 10_000_000;
            both.plus((units * 10_000_000 + 150) / 300 - ticks).ok_or_else(failed)?
        }
        SqlType::DateTime2(scale) => both.rounded(scale),
        _ => {
            let SqlType::DateTimeOffset(scale) = to else { return Err(unconvertible(value, to)) };
            Moment {
                days: Some(moment.days_or_1900()),
                ticks: Some(ticks),
                offset: Some(moment.offset.unwrap_or(0)),
            }
            .rounded(scale)
        }
    };
    Ok(Value::Text(made.kept()))
}
