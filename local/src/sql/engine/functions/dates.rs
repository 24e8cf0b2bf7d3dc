//! DATEADD, DATEDIFF and DATEPART.

use rusqlite::types::Value;

use super::whole;
use crate::sql::{
    errors::{SqlError, error},
    types::{
        convert,
        convert_moment::on_day,
        moment::{Moment, TICKS_PER_DAY, TICKS_PER_SECOND},
    },
};

/// The part of a date that a name or its abbreviation stands for.
pub(crate) fn part(name: &str) -> std::result::Result<&'static str, SqlError> {
    Ok(match name.to_ascii_lowercase().as_str() {
        "year" | "yy" | "yyyy" => "year",
        "quarter" | "qq" | "q" => "quarter",
        "month" | "mm" | "m" => "month",
        "day" | "dd" | "d" => "day",
        "week" | "wk" | "ww" => "week",
        "weekday" | "dw" | "w" => "weekday",
        "dayofyear" | "dy" | "y" => "dayofyear",
        "iso_week" | "isowk" | "isoww" => "iso_week",
        "hour" | "hh" => "hour",
        "minute" | "mi" | "n" => "minute",
        "second" | "ss" | "s" => "second",
        "millisecond" | "ms" => "millisecond",
        "microsecond" | "mcs" => "microsecond",
        "nanosecond" | "ns" => "nanosecond",
        "tzoffset" | "tz" => "tzoffset",
        _ => return Err(error(155, format!("'{name}' is not a recognized dateadd option."))),
    })
}

/// Whether a part of a date depends on `@@DATEFIRST`.
pub(crate) fn counts_weeks(name: &str) -> bool {
    matches!(part(name), Ok("week" | "weekday"))
}

pub(crate) fn ticks_of(part: &str) -> Option<i64> {
    Some(match part {
        "week" => 7 * TICKS_PER_DAY,
        "day" | "dayofyear" | "weekday" => TICKS_PER_DAY,
        "hour" => 3600 * TICKS_PER_SECOND,
        "minute" => 60 * TICKS_PER_SECOND,
        "second" => TICKS_PER_SECOND,
        "millisecond" => TICKS_PER_SECOND / 1000,
        "microsecond" => TICKS_PER_SECOND / 1_000_000,
        _ => return None,
    })
}

pub(crate) fn moment(value: &Value) -> std::result::Result<Moment, SqlError> {
    let failed = || error(241, "Conversion failed when converting date and/or time from character string.");
    match value {
        Value::Text(text) => Moment::read(text).ok_or_else(failed),
        // A number is days since 1900: `DATEADD(day, DATEDIFF(day, 0, at), 0)`.
        number => convert::float(number).and_then(on_day).ok_or_else(failed),
    }
}

pub(crate) fn date_add(name: &str, count: &Value, value: &Value) -> std::result::Result<Value, SqlError> {
    let part = part(name)?;
    if *value == Value::Null || *count == Value::Null {
        return Ok(Value::Null);
    }
    let overflow = || error(517, "Adding a value to a 'datetime' column caused an overflow.");
    let (start, count) = (moment(value)?, whole(count));
    let moved = match ticks_of(part) {
        Some(ticks) => start.plus(ticks.checked_mul(count).ok_or_else(overflow)?),
        None => {
            let months = match part {
                "year" => 12,
                "quarter" => 3,
                "month" => 1,
                other => {
                    return Err(error(
                        9810,
                        format!("The datepart {other} is not supported by date function dateadd."),
                    ));
                }
            };
            add_months(start, count.saturating_mul(months))
        }
    }
    .ok_or_else(overflow)?;
    // A date stays a date unless a clock was added to it.
    let ticks = if start.ticks.is_none()
        && matches!(part, "year" | "quarter" | "month" | "week" | "day" | "dayofyear" | "weekday")
    {
        None
    } else {
        moved.ticks
    };
    Ok(Value::Text(Moment { ticks, ..moved }.kept()))
}

pub(crate) fn add_months(start: Moment, months: i64) -> Option<Moment> {
    let date = start.date()?;
    let total = i64::from(date.year()) * 12 + i64::from(u8::from(date.month())) - 1;
    let total = total.checked_add(months)?;
    let year = i32::try_from(total.div_euclid(12)).ok().filter(|year| (1..=9999).contains(year))?;
    let month = time::Month::try_from(total.rem_euclid(12) as u8 + 1).ok()?;
    let day = date.day().min(month.length(year));
    let date = time::Date::from_calendar_date(year, month, day).ok()?;
    Some(Moment { days: Moment::from_date(date).days, ..start })
}

/// DATEDIFF: what DATEDIFF_BIG counts, where an int holds it.
pub(crate) fn date_diff(name: &str, from: &Value, to: &Value) -> std::result::Result<Value, SqlError> {
    match count_between(name, from, to)? {
        Value::Integer(count) if i32::try_from(count).is_err() => {
            let message = "The datediff function resulted in an overflow. The number of dateparts separating two \
                           date/time instances is too large. Try to use datediff with a less precise datepart.";
            Err(error(535, message))
        }
        count => Ok(count),
    }
}

/// The count of boundaries of that part between two moments.
pub(crate) fn count_between(name: &str, from: &Value, to: &Value) -> std::result::Result<Value, SqlError> {
    let part = part(name)?;
    if *from == Value::Null || *to == Value::Null {
        return Ok(Value::Null);
    }
    let count = |moment: Moment| -> Option<i64> {
        let date = moment.date()?;
        let (year, month) = (i64::from(date.year()), i64::from(u8::from(date.month())) - 1);
        let ticks = i128::from(moment.days_or_1900()) * i128::from(TICKS_PER_DAY)
            + i128::from(moment.ticks.unwrap_or(0));
        Some(match part {
            "year" => year,
            "quarter" => year * 4 + month / 3,
            "month" => year * 12 + month,
            // Weeks begin on Sunday for DATEDIFF; 0001-01-01 was a Monday.
            "week" => (i64::from(moment.days_or_1900()) + 1) / 7,
            "nanosecond" => i64::try_from(ticks * 100).ok()?,
            other => i64::try_from(ticks / i128::from(ticks_of(other)?)).ok()?,
        })
    };
    let difference = count(moment(to)?).zip(count(moment(from)?)).map(|(to, from)| to - from);
    let overflow = || error(535, "The datediff function resulted in an overflow.");
    difference.map(Value::Integer).ok_or_else(overflow)
}

/// How many days of its week are before a date, where it begins on this day (`@@DATEFIRST`).
pub(crate) fn days_into_week(date: time::Date, first: Option<&Value>) -> u16 {
    let first = first.and_then(|first| u16::try_from(whole(first)).ok()).unwrap_or(7);
    (u16::from(date.weekday().number_from_monday()) + 7 - first) % 7
}

/// A part of a date; which day a week begins on is needed for the parts that `counts_weeks` names.
pub(crate) fn date_part(
    name: &str,
    value: &Value,
    first: Option<&Value>,
) -> std::result::Result<Value, SqlError> {
    let part = part(name)?;
    if *value == Value::Null {
        return Ok(Value::Null);
    }
    let offset = i64::from(moment(value)?.offset.unwrap_or(0));
    let moment = moment(value)?.local();
    let ticks = moment.ticks.unwrap_or(0);
    let found = moment.date().map(|date| match part {
        "year" => i64::from(date.year()),
        "quarter" => i64::from(u8::from(date.month()) - 1) / 3 + 1,
        "month" => i64::from(u8::from(date.month())),
        "day" => i64::from(date.day()),
        // The week of January 1st is the first.
        "week" => {
            let before = date.replace_ordinal(1).map_or(0, |new_year| days_into_week(new_year, first));
            i64::from(date.ordinal() - 1 + before) / 7 + 1
        }
        "weekday" => i64::from(days_into_week(date, first)) + 1,
        "dayofyear" => i64::from(date.ordinal()),
        "iso_week" => i64::from(date.iso_week()),
        "nanosecond" => ticks % TICKS_PER_SECOND * 100,
        "tzoffset" => offset,
        "hour" => ticks / (3600 * TICKS_PER_SECOND),
        "minute" => ticks / (60 * TICKS_PER_SECOND) % 60,
        "second" => ticks / TICKS_PER_SECOND % 60,
        "millisecond" => ticks / (TICKS_PER_SECOND / 1000) % 1000,
        _ => ticks / 10 % 1_000_000,
    });
    Ok(found.map_or(Value::Null, Value::Integer))
}
