//! Dates and times as people write them: `1/31/2026`, `Jan 31, 2026 10:20 PM`, `20260131 10:20`.

use std::cell::Cell;

use time::{Date, Month};

use super::moment::{Moment, TICKS_PER_SECOND};

/// What SET DATEFORMAT says: which of a date's three numbers is which.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(crate) enum DateOrder {
    #[default]
    Mdy,
    Dmy,
    Ymd,
    Ydm,
    Myd,
    Dym,
}

impl DateOrder {
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "mdy" => DateOrder::Mdy,
            "dmy" => DateOrder::Dmy,
            "ymd" => DateOrder::Ymd,
            "ydm" => DateOrder::Ydm,
            "myd" => DateOrder::Myd,
            "dym" => DateOrder::Dym,
            _ => return None,
        })
    }

    /// The places of year, month and day.
    fn places(self) -> [usize; 3] {
        match self {
            DateOrder::Mdy => [2, 0, 1],
            DateOrder::Dmy => [2, 1, 0],
            DateOrder::Ymd => [0, 1, 2],
            DateOrder::Ydm => [0, 2, 1],
            DateOrder::Myd => [1, 0, 2],
            DateOrder::Dym => [1, 2, 0],
        }
    }
}

thread_local! {
    /// The session's: each has a thread of its own.
    static ORDER: Cell<DateOrder> = const { Cell::new(DateOrder::Mdy) };
}

pub(crate) fn set_date_order(order: DateOrder) {
    ORDER.with(|kept| kept.set(order));
}

impl Moment {
    /// Reads what SQL Server takes for a date or a time.
    pub(crate) fn read(text: &str) -> Option<Self> {
        Moment::read_in(text, ORDER.with(Cell::get))
    }

    /// The same where a style of CONVERT's says the order.
    pub(crate) fn read_in(text: &str, order: DateOrder) -> Option<Self> {
        Moment::parse(text).or_else(|| read(text.trim(), order))
    }
}

fn read(text: &str, order: DateOrder) -> Option<Moment> {
    let (body, offset) = match text.rsplit_once(' ') {
        Some((body, offset)) if body.contains(':') && offset.starts_with(['+', '-']) => {
            (body.trim_end(), Some(minutes(offset)?))
        }
        _ => (text, None),
    };
    let (date, clock) = apart(body);
    let mut moment = Moment { offset, ..Moment::default() };
    if !date.is_empty() {
        moment.days = Moment::from_date(read_date(&date, order)?).days;
    }
    if let Some(clock) = clock {
        moment.ticks = Some(read_clock(&clock)?);
    } else if date.is_empty() {
        return None;
    }
    match offset {
        Some(offset) => moment.plus(-i64::from(offset) * 60 * TICKS_PER_SECOND),
        None => Some(moment),
    }
}

fn minutes(offset: &str) -> Option<i16> {
    let sign = if offset.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = offset.get(1..)?.split_once(':')?;
    let total = i16::try_from(number(hours)? * 60 + number(minutes)?).ok()?;
    (total <= 840).then_some(sign * total)
}

/// The words of the date, and the clock with its AM or PM.
fn apart(text: &str) -> (Vec<&str>, Option<String>) {
    let mut clock: Option<String> = None;
    let mut date = Vec::new();
    for word in text.split([' ', ',']).filter(|word| !word.is_empty()) {
        let half = ["am", "pm"].iter().any(|half| word.eq_ignore_ascii_case(half));
        let ends_in_half = word.len() > 2
            && word.is_char_boundary(word.len() - 2)
            && word.starts_with(|first: char| first.is_ascii_digit())
            && ["am", "pm"].iter().any(|half| word[word.len() - 2..].eq_ignore_ascii_case(half));
        if half {
            // `10 PM`: the number before it was an hour.
            match (&mut clock, date.pop()) {
                (Some(clock), popped) => {
                    date.extend(popped);
                    clock.push_str(word);
                }
                (none, hour) => *none = Some(format!("{}{word}", hour.unwrap_or_default())),
            }
        } else if clock.is_none() && (word.contains(':') || ends_in_half) {
            clock = Some(word.to_owned());
        } else {
            date.push(word);
        }
    }
    (date, clock)
}

fn number(digits: &str) -> Option<u32> {
    let good = (1..=4).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
    good.then(|| digits.parse().ok()).flatten()
}

/// Two digits are of the years 1950 to 2049.
fn year(digits: &str) -> Option<i32> {
    let found = number(digits)? as i32;
    match digits.len() {
        4 => Some(found),
        1 | 2 => Some(if found < 50 { 2000 + found } else { 1900 + found }),
        _ => None,
    }
}

fn month_named(word: &str) -> Option<Month> {
    let word = word.to_ascii_lowercase();
    (1..=12).filter_map(|at| Month::try_from(at).ok()).find(|month| {
        let name = month.to_string().to_ascii_lowercase();
        word == name || word == name[..3]
    })
}

fn read_date(words: &[&str], order: DateOrder) -> Option<Date> {
    let made = |year: i32, month: u32, day: u32| {
        let month = Month::try_from(u8::try_from(month).ok()?).ok()?;
        Date::from_calendar_date(year, month, u8::try_from(day).ok()?).ok().filter(|date| date.year() > 0)
    };
    if let [word] = words {
        let separated: Vec<&str> = word.split(['/', '-', '.']).collect();
        return match separated.as_slice() {
            // A year alone, or with month and day and nothing between.
            [digits] if digits.len() == 4 => made(year(digits)?, 1, 1),
            [digits] if digits.len() == 6 && digits.is_ascii() => {
                made(year(&digits[..2])?, number(&digits[2..4])?, number(&digits[4..])?)
            }
            [digits] if digits.len() == 8 && digits.is_ascii() => {
                made(year(&digits[..4])?, number(&digits[4..6])?, number(&digits[6..])?)
            }
            [first, middle, last] => {
                if let Some(month) = month_named(middle) {
                    return made(year(last)?, u8::from(month).into(), number(first)?);
                }
                let parts = [*first, *middle, *last];
                // Four digits are the year wherever they stand; the others keep their order.
                let [at_year, at_month, at_day] = match order.places() {
                    _ if first.len() == 4 => [0, 1, 2],
                    [_, month, day] if last.len() == 4 => {
                        if month < day {
                            [2, 0, 1]
                        } else {
                            [2, 1, 0]
                        }
                    }
                    places => places,
                };
                made(year(parts[at_year])?, number(parts[at_month])?, number(parts[at_day])?)
            }
            _ => None,
        };
    }
    let (month, rest): (Vec<&str>, Vec<&str>) = words.iter().partition(|word| month_named(word).is_some());
    let [month] = month.as_slice() else { return None };
    let month = u32::from(u8::from(month_named(month)?));
    match rest.as_slice() {
        [one] if one.len() == 4 => made(year(one)?, month, 1),
        [first, second] if first.len() == 4 => made(year(first)?, month, number(second)?),
        [first, second] => made(year(second)?, month, number(first)?),
        _ => None,
    }
}

fn read_clock(clock: &str) -> Option<i64> {
    let bare = clock.trim_end_matches(|last: char| last.is_ascii_alphabetic());
    let half = clock[bare.len()..].to_ascii_lowercase();
    let (whole, fraction) = bare.split_once('.').unwrap_or((bare, ""));
    let mut parts: Vec<&str> = whole.split(':').collect();
    // `10:20:30:500`: the last is thousandths.
    let mut ticks = match (parts.len(), fraction) {
        (4, "") => i64::from(number(parts.pop()?).filter(|found| *found < 1000)?) * (TICKS_PER_SECOND / 1000),
        (_, "") => 0,
        (_, digits) if digits.len() <= 9 && digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            format!("{digits:0<9}").parse::<i64>().ok()? / 100
        }
        _ => return None,
    };
    if parts.is_empty() || parts.len() > 3 {
        return None;
    }
    let found: Vec<u32> = parts.iter().map(|part| number(part)).collect::<Option<_>>()?;
    let hour = match (half.as_str(), found[0]) {
        ("", hour) if found.len() > 1 => hour,
        ("am", 12) => 0,
        ("am", hour) if hour < 12 => hour,
        ("pm", hour) if hour < 12 => hour + 12,
        ("pm", hour) => hour,
        _ => return None,
    };
    let (minute, second) = (found.get(1).copied().unwrap_or(0), found.get(2).copied().unwrap_or(0));
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    ticks += i64::from(hour * 3600 + minute * 60 + second) * TICKS_PER_SECOND;
    Some(ticks)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_as_people_write_them() {
        for (text, kept) in [
            ("1/31/2026", "2026-01-31"),
            ("01-31-26", "2026-01-31"),
            ("1.2.99", "1999-01-02"),
            ("2026/1/31", "2026-01-31"),
            ("2026-1-5", "2026-01-05"),
            ("Jan 31, 2026", "2026-01-31"),
            ("31 january 2026", "2026-01-31"),
            ("31-Jan-2026", "2026-01-31"),
            ("2026 Jan 31", "2026-01-31"),
            ("January 2026", "2026-01-01"),
            ("2026", "2026-01-01"),
            ("260131", "2026-01-31"),
            ("20260131 10:20", "2026-01-31 10:20:00.0000000"),
            ("1/31/2026 10:20:30:5", "2026-01-31 10:20:30.0050000"),
            ("Jan 31 2026 12:05AM", "2026-01-31 00:05:00.0000000"),
            ("10:20 pm", "22:20:00.0000000"),
            ("10 PM", "22:00:00.0000000"),
            ("Jan 31 2026 10PM", "2026-01-31 22:00:00.0000000"),
            ("October 30, 2007 11:02:32.123456 +01:00", "2007-10-30 10:02:32.1234560Z+01:00"),
        ] {
            assert_eq!(Moment::read(text).map(|moment| moment.kept()).as_deref(), Some(kept), "{text}");
        }
    }

    #[test]
    fn an_order_says_which_number_is_the_month() {
        for (order, text, kept) in [
            ("dmy", "1/2/2026", "2026-02-01"),
            ("dmy", "31.1.26", "2026-01-31"),
            ("ymd", "26/1/31", "2026-01-31"),
            ("ymd", "1/31/2026", "2026-01-31"),
            ("ydm", "31/1/2026", "2026-01-31"),
            ("dmy", "2026-01-31", "2026-01-31"),
        ] {
            let order = DateOrder::named(order).expect("an order");
            assert_eq!(read(text, order).map(|moment| moment.kept()).as_deref(), Some(kept), "{text}");
        }
    }

    #[test]
    fn what_is_no_date_is_none() {
        for text in [
            "31/1/2026",
            "1/2",
            "Jan",
            "Jan 32 2026",
            "12",
            "x/y/z",
            "13:00 AM",
            "1/2/3/4",
            "é é é",
            "am",
            "10:20:30:5000",
        ] {
            assert_eq!(Moment::read(text), None, "{text}");
        }
    }
}
