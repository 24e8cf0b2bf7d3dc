//! Dates and times as people write them where the language is us_english: the month first, or by its name, and clocks
//! of twice twelve hours.

use time::{Date, Month};

use super::moment::{Moment, TICKS_PER_SECOND, parse_clock};

const MONTHS: [Month; 12] = [
    Month::January,
    Month::February,
    Month::March,
    Month::April,
    Month::May,
    Month::June,
    Month::July,
    Month::August,
    Month::September,
    Month::October,
    Month::November,
    Month::December,
];
const NOON: i64 = 12 * 3600 * TICKS_PER_SECOND;

impl Moment {
    /// Reads ISO's forms, and those that are not: `12/31/2026 3:45 PM`, `Dec 31, 2026`, `31-Dec-26`.
    pub(crate) fn read(text: &str) -> Option<Self> {
        Moment::parse(text).or_else(|| written(text))
    }
}

fn written(text: &str) -> Option<Moment> {
    if !text.is_ascii() {
        return None;
    }
    let mut moment = Moment::default();
    let mut fields: Vec<&str> = Vec::new();
    let words: Vec<&str> = text.split([' ', ',']).filter(|word| !word.is_empty()).collect();
    let mut at = 0;
    while let Some(word) = words.get(at) {
        at += 1;
        // The half of the day stands at the clock, or behind it.
        let next = words.get(at).copied().filter(|next| half(next) == Some(""));
        let halved = half(word).filter(|clock| !clock.is_empty()).or(next.map(|_| *word));
        if !word.contains(':') && halved.is_none() {
            fields.extend(word.split(['/', '-', '.']));
            continue;
        }
        let afternoon = halved.map(|_| next.unwrap_or(word).to_ascii_uppercase().ends_with("PM"));
        if half(word).is_none_or(str::is_empty) && next.is_some() {
            at += 1;
        }
        if moment.ticks.is_some() {
            return None;
        }
        moment.ticks = Some(clock(halved.unwrap_or(word), afternoon)?);
    }
    if !fields.is_empty() {
        moment.days = Moment::from_date(date(&fields)?).days;
    }
    (moment.days.is_some() || moment.ticks.is_some()).then_some(moment)
}

/// What stands before an AM or a PM.
fn half(word: &str) -> Option<&str> {
    let (clock, end) = word.split_at_checked(word.len().checked_sub(2)?)?;
    ["AM", "PM"].iter().any(|half| half.eq_ignore_ascii_case(end)).then_some(clock)
}

fn clock(text: &str, afternoon: Option<bool>) -> Option<i64> {
    let whole = if text.contains(':') { text.to_owned() } else { format!("{text}:00") };
    let ticks = parse_clock(&whole)?;
    match afternoon {
        None => Some(ticks),
        // Twelve comes before one.
        Some(afternoon) => {
            let hour = ticks / TICKS_PER_SECOND / 3600;
            (1..=12).contains(&hour).then(|| ticks % NOON + if afternoon { NOON } else { 0 })
        }
    }
}

fn date(fields: &[&str]) -> Option<Date> {
    let named = fields.iter().position(|field| month(field).is_some());
    let (year, month, day) = match (named, fields) {
        (None, [year]) if year.len() == 4 => (*year, Month::January, "1"),
        (Some(at), [_, _]) => (*fields.get(1 - at)?, month(fields[at])?, "1"),
        (Some(at), [_, _, _]) => {
            let rest: Vec<&str> = fields
                .iter()
                .enumerate()
                .filter(|(place, _)| *place != at)
                .map(|(_, field)| *field)
                .collect();
            let [first, second] = rest.as_slice() else { return None };
            let (year, day) = if first.len() == 4 { (*first, *second) } else { (*second, *first) };
            (year, month(fields[at])?, day)
        }
        (None, [year, month, day]) if year.len() == 4 => (*year, numbered(month)?, *day),
        (None, [month, day, year]) => (*year, numbered(month)?, *day),
        _ => return None,
    };
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(year) || !digits(day) {
        return None;
    }
    let year = match (year.len(), year.parse::<i32>().ok()?) {
        (4, year @ 1..) => year,
        // Two digits are of the hundred years that end with 2049.
        (1 | 2, year @ ..50) => 2000 + year,
        (1 | 2, year) => 1900 + year,
        _ => return None,
    };
    Date::from_calendar_date(year, month, day.parse().ok()?).ok()
}

fn month(name: &str) -> Option<Month> {
    MONTHS.into_iter().find(|month| {
        let full = month.to_string();
        full.eq_ignore_ascii_case(name) || full[..3].eq_ignore_ascii_case(name)
    })
}

fn numbered(digits: &str) -> Option<Month> {
    let all = (1..=2).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    Month::try_from(digits.parse::<u8>().ok().filter(|_| all)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_us_english_has_them() {
        for (text, kept) in [
            ("12/31/2026", "2026-12-31"),
            ("1-2-99", "1999-01-02"),
            ("01.02.49", "2049-01-02"),
            ("2026/3/4", "2026-03-04"),
            ("Dec 31 2026", "2026-12-31"),
            ("december 31, 2026", "2026-12-31"),
            ("31-Dec-2026", "2026-12-31"),
            ("31 Dec 26", "2026-12-31"),
            ("2026 May 7", "2026-05-07"),
            ("May 2026", "2026-05-01"),
            ("2026", "2026-01-01"),
            ("Mar  4 2026  5:06AM", "2026-03-04 05:06:00.0000000"),
            ("3/4/2026 12:00 am", "2026-03-04 00:00:00.0000000"),
            ("2026-03-04 3:45:06.7 PM", "2026-03-04 15:45:06.7000000"),
            ("3 PM", "15:00:00.0000000"),
            ("12PM Dec 1 2026", "2026-12-01 12:00:00.0000000"),
            ("12/31/2026 23:59", "2026-12-31 23:59:00.0000000"),
        ] {
            assert_eq!(Moment::read(text).map(|moment| moment.kept()).as_deref(), Some(kept), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_stays_none() {
        for text in [
            "",
            " ",
            ",",
            "x",
            "13/13/2026",
            "31/12/2026",
            "1/2/3/4",
            "1/2",
            "Dec",
            "Dec 32 2026",
            "13 PM",
            "0:30 PM",
            "AM",
            "PM PM",
            "1:00 2:00",
            "Dec 1 126",
            "é 1 2026",
            "-1/2/2026",
            "1/2/+026",
            "Monday",
            "12",
            "12:",
            "1//2026",
        ] {
            let found = Moment::read(text);
            assert!(found.is_none(), "{text:?} became {found:?}");
        }
    }
}
