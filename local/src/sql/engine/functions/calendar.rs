//! Functions that make and name dates: DATENAME, DATETRUNC, EOMONTH, DATEFROMPARTS and their like.

use rusqlite::types::Value;

use super::{
    dates::{add_months, count_between, date_part, days_into_week, moment, part},
    library::{Answer, Entry, Given, Gives, entry, has_null},
    text, whole,
};
use crate::sql::{
    errors::{SqlError, error},
    types::{
        SqlType,
        moment::{Moment, TICKS_PER_DAY, TICKS_PER_SECOND},
    },
};

const TEXT: Gives = Gives::Type(SqlType::NVarChar(Some(30)));

pub(crate) const ENTRIES: &[Entry] = &[
    entry("datediff_big", (3, 3), Gives::Type(SqlType::BigInt), |v| {
        count_between(&text(&v[0]), &v[1], &v[2])
    }),
    entry("datefromparts", (3, 3), Gives::Type(SqlType::Date), |v| from_parts(v, true, &[])),
    entry("datename", (2, 2), TEXT, |v| date_name(&text(&v[0]), &v[1], v.get(2))),
    entry("datetime2fromparts", (8, 8), Gives::Type(SqlType::DateTime2(7)), |v| {
        from_parts(&v[..7], true, &v[7..])
    }),
    entry("datetimefromparts", (7, 7), Gives::Type(SqlType::DateTime), |v| {
        from_parts(v, true, &[Value::Integer(3)])
    }),
    entry("datetrunc", (2, 2), Gives::Like(1), |v| truncated(&text(&v[0]), &v[1], v.get(2))),
    entry("eomonth", (1, 2), Gives::Type(SqlType::Date), |v| {
        if v[0] == Value::Null {
            return Ok(Value::Null);
        }
        let start = moment(&v[0])?;
        let moved = add_months(start, v.get(1).map_or(0, whole)).ok_or_else(overflow)?;
        let date = moved.date().ok_or_else(overflow)?;
        let last = date.month().length(date.year());
        let end = date.replace_day(last).map_err(|_| overflow())?;
        Ok(Value::Text(Moment::from_date(end).kept()))
    }),
    entry("smalldatetimefromparts", (5, 5), Gives::Type(SqlType::SmallDateTime), |v| {
        from_parts(v, true, &[])
    }),
    entry("switchoffset", (2, 2), Gives::Type(SqlType::DateTimeOffset(7)), |v| {
        if has_null(v) {
            return Ok(Value::Null);
        }
        let offset = Some(offset_of(&v[1])?);
        let found = moment(&v[0])?;
        let ticks = Some(found.ticks.unwrap_or(0));
        Ok(Value::Text(Moment { days: Some(found.days_or_1900()), ticks, offset }.kept()))
    }),
    entry("timefromparts", (5, 5), Gives::Type(SqlType::Time(7)), |v| from_parts(&v[..4], false, &v[4..])),
    entry("todatetimeoffset", (2, 2), Gives::Type(SqlType::DateTimeOffset(7)), |v| {
        if has_null(v) {
            return Ok(Value::Null);
        }
        let offset = offset_of(&v[1])?;
        let clock = Moment { offset: None, ..moment(&v[0])?.local() };
        let utc = clock.plus(-i64::from(offset) * 60 * TICKS_PER_SECOND).ok_or_else(overflow)?;
        Ok(Value::Text(Moment { offset: Some(offset), ..utc }.kept()))
    }),
];

fn overflow() -> SqlError {
    error(517, "Adding a value to a 'date' column caused an overflow.")
}

/// `+02:00`, or minutes.
fn offset_of(value: &Value) -> Result<i16, SqlError> {
    let bad = || error(9812, "The timezone provided to builtin function is invalid.");
    let minutes = match value {
        Value::Text(text) => {
            let (sign, rest) = match text.trim().strip_prefix('-') {
                Some(rest) => (-1, rest),
                None => (1, text.trim().trim_start_matches('+')),
            };
            let (hours, minutes) = rest.split_once(':').ok_or_else(bad)?;
            let (hours, minutes): (i64, i64) =
                (hours.parse().map_err(|_| bad())?, minutes.parse().map_err(|_| bad())?);
            sign * (hours.clamp(0, 99) * 60 + minutes.clamp(0, 99))
        }
        other => whole(other),
    };
    i16::try_from(minutes).ok().filter(|minutes| minutes.abs() <= 840).ok_or_else(bad)
}

/// Year, month and day, if there are such; hour, minute, second, fraction; and the fraction's digits.
fn from_parts(given: Given<'_>, dated: bool, digits: Given<'_>) -> Answer {
    if has_null(given) {
        return Ok(Value::Null);
    }
    let bad =
        || error(289, "Cannot construct data type, some of the arguments have values which are not valid.");
    let number = |at: usize| given.get(at).map_or(0, whole);
    let mut made = Moment::default();
    let mut at = 0;
    if dated {
        let month = u8::try_from(number(1)).ok().and_then(|month| time::Month::try_from(month).ok());
        let year = i32::try_from(number(0)).ok().filter(|year| (1..=9999).contains(year));
        let day = u8::try_from(number(2)).ok();
        let (year, (month, day)) = year.zip(month.zip(day)).ok_or_else(bad)?;
        let date = time::Date::from_calendar_date(year, month, day).map_err(|_| bad())?;
        made = Moment::from_date(date);
        at = 3;
    }
    if given.len() > at {
        let (hour, minute, second, fraction) = (number(at), number(at + 1), number(at + 2), number(at + 3));
        let digits = u32::try_from(digits.first().map_or(0, whole))
            .ok()
            .filter(|digits| *digits <= 7)
            .ok_or_else(bad)?;
        let good = (0..24).contains(&hour)
            && (0..60).contains(&minute)
            && (0..60).contains(&second)
            && (0..10_i64.pow(digits)).contains(&fraction);
        if !good {
            return Err(bad());
        }
        let ticks =
            (hour * 3600 + minute * 60 + second) * TICKS_PER_SECOND + fraction * 10_i64.pow(7 - digits);
        made.ticks = Some(ticks);
    }
    Ok(Value::Text(made.kept()))
}

fn date_name(name: &str, value: &Value, first_day: Option<&Value>) -> Answer {
    if *value == Value::Null {
        return Ok(Value::Null);
    }
    let date = moment(value)?.local().date();
    Ok(match (part(name)?, date) {
        ("month", Some(date)) => Value::Text(date.month().to_string()),
        ("weekday", Some(date)) => Value::Text(date.weekday().to_string()),
        _ => Value::Text(text(&date_part(name, value, first_day)?)),
    })
}

fn truncated(name: &str, value: &Value, first_day: Option<&Value>) -> Answer {
    if *value == Value::Null {
        return Ok(Value::Null);
    }
    let found = moment(value)?;
    let date = found.date().ok_or_else(overflow)?;
    let first = |month: time::Month| {
        time::Date::from_calendar_date(date.year(), month, 1)
            .map(|date| Moment::from_date(date).days)
            .ok()
            .flatten()
    };
    let ticks = found.ticks.unwrap_or(0);
    let midnight = found.ticks.map(|_| 0);
    let unit = |unit: i64| Moment { ticks: Some(ticks - ticks % unit), ..found };
    let kept = match part(name)? {
        "year" => Moment { days: first(time::Month::January), ticks: midnight, ..found },
        "quarter" => {
            let month = (u8::from(date.month()) - 1) / 3 * 3 + 1;
            let month = time::Month::try_from(month).unwrap_or(time::Month::January);
            Moment { days: first(month), ticks: midnight, ..found }
        }
        "month" => Moment { days: first(date.month()), ticks: midnight, ..found },
        week @ ("week" | "iso_week") => {
            let back = match week {
                "week" => days_into_week(date, first_day).into(),
                _ => i32::from(date.weekday().number_days_from_monday()),
            };
            Moment { days: found.days.map(|days| days - back), ticks: midnight, ..found }
        }
        "day" | "dayofyear" | "weekday" => Moment { ticks: midnight, ..found },
        "hour" => unit(3600 * TICKS_PER_SECOND),
        "minute" => unit(60 * TICKS_PER_SECOND),
        "second" => unit(TICKS_PER_SECOND),
        "millisecond" => unit(TICKS_PER_SECOND / 1000),
        "microsecond" => unit(TICKS_PER_SECOND / 1_000_000),
        _ => unit(TICKS_PER_DAY),
    };
    Ok(Value::Text(kept.kept()))
}
