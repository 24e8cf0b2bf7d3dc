//! Dates and times: SQL Server's counts of days and of 100 ns, and the text in which SQLite keeps them, which
//! sorts as they do.

use time::{Date, OffsetDateTime};

/// A date, a time of day, or both, with the offset of a `datetimeoffset`.
///
/// Kept as `2026-01-31`, `10:20:30.1234567`, `2026-01-31 10:20:30.1234567`, and for a `datetimeoffset`
/// `2026-01-31 10:20:30.1234567Z+02:00`: the clock is UTC, so that text order is time order, and what stands
/// behind the `Z` is only for showing it.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub(crate) struct Moment {
    /// Days since 0001-01-01; `None` for a bare time.
    pub(crate) days: Option<i32>,
    /// 100 ns since midnight; `None` for a bare date.
    pub(crate) ticks: Option<i64>,
    /// Minutes east of UTC.
    pub(crate) offset: Option<i16>,
}

const JULIAN_DAY_1: i32 = 1_721_426;
pub(crate) const TICKS_PER_SECOND: i64 = 10_000_000;
pub(crate) const TICKS_PER_DAY: i64 = 86_400 * TICKS_PER_SECOND;
/// 1900-01-01, where `datetime` counts from.
pub(crate) const DAYS_TO_1900: i32 = 693_595;
const LAST_DAY: i32 = 3_652_058;

impl Moment {
    /// Now, in UTC.
    pub(crate) fn now() -> Self {
        let now = OffsetDateTime::now_utc();
        let ticks = i64::from(now.hour()) * 3600 + i64::from(now.minute()) * 60 + i64::from(now.second());
        Moment {
            days: Some(now.date().to_julian_day() - JULIAN_DAY_1),
            ticks: Some(ticks * TICKS_PER_SECOND + i64::from(now.nanosecond() / 100)),
            offset: Some(0),
        }
    }

    pub(crate) fn days_or_1900(&self) -> i32 {
        self.days.unwrap_or(DAYS_TO_1900)
    }

    /// The moment `ticks` later, days carried; `None` beyond the years 1 to 9999.
    pub(crate) fn plus(self, ticks: i64) -> Option<Self> {
        let total = i128::from(self.days_or_1900()) * i128::from(TICKS_PER_DAY)
            + i128::from(self.ticks.unwrap_or(0))
            + i128::from(ticks);
        let days = i32::try_from(total.div_euclid(i128::from(TICKS_PER_DAY))).ok()?;
        let ticks = total.rem_euclid(i128::from(TICKS_PER_DAY)) as i64;
        (0..=LAST_DAY).contains(&days).then_some(Moment { days: Some(days), ticks: Some(ticks), ..self })
    }

    /// Rounded to so many digits of a second.
    pub(crate) fn rounded(self, scale: u8) -> Self {
        let Some(ticks) = self.ticks else { return self };
        let unit = 10_i64.pow(7 - u32::from(scale.min(7)));
        let rounded = (ticks + unit / 2) / unit * unit;
        match self.days {
            // A bare time wraps at midnight, as SQL Server's does.
            None => Moment { ticks: Some(rounded % TICKS_PER_DAY), ..self },
            Some(_) => self.plus(rounded - ticks).unwrap_or(self),
        }
    }

    /// The clock of the offset, instead of UTC's.
    pub(crate) fn local(self) -> Self {
        match self.offset {
            Some(offset) => self.plus(i64::from(offset) * 60 * TICKS_PER_SECOND).unwrap_or(self),
            None => self,
        }
    }

    pub(crate) fn date(&self) -> Option<Date> {
        Date::from_julian_day(self.days_or_1900() + JULIAN_DAY_1).ok()
    }

    pub(crate) fn from_date(date: Date) -> Self {
        Moment { days: Some(date.to_julian_day() - JULIAN_DAY_1), ..Moment::default() }
    }

    /// The form that SQLite keeps.
    pub(crate) fn kept(&self) -> String {
        let mut out = self.shown_clock(7);
        if let Some(offset) = self.offset {
            out.push('Z');
            out.push_str(&offset_text(offset));
        }
        out
    }

    /// The form that SQL Server shows, with so many digits of a second.
    pub(crate) fn shown(&self, scale: u8) -> String {
        // A datetime's three-hundredths have more digits than it shows.
        let rounded = self.rounded(scale);
        match self.offset {
            Some(offset) => format!("{} {}", rounded.local().shown_clock(scale), offset_text(offset)),
            None => rounded.shown_clock(scale),
        }
    }

    fn shown_clock(&self, scale: u8) -> String {
        let mut parts = Vec::new();
        if self.days.is_some()
            && let Some(date) = self.date()
        {
            parts.push(format!("{:04}-{:02}-{:02}", date.year(), u8::from(date.month()), date.day()));
        }
        if let Some(ticks) = self.ticks {
            let (seconds, fraction) = (ticks / TICKS_PER_SECOND, ticks % TICKS_PER_SECOND);
            let mut clock = format!("{:02}:{:02}:{:02}", seconds / 3600, seconds / 60 % 60, seconds % 60);
            if scale > 0 {
                clock.push('.');
                clock.push_str(&format!("{fraction:07}")[..usize::from(scale.min(7))]);
            }
            parts.push(clock);
        }
        parts.join(" ")
    }

    /// Reads the kept form, and the ISO forms that people write (a clock before an offset is local there).
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (body, offset, utc) = split_offset(text)?;
        let mut moment = Moment { offset, ..Moment::default() };
        let (date, clock) = match body.split_once(['T', 't', ' ']) {
            Some((date, clock)) => (Some(date), Some(clock.trim())),
            None if body.contains(':') => (None, Some(body)),
            None => (Some(body), None),
        };
        if let Some(date) = date {
            let digits: Vec<&str> = date.split('-').collect();
            let (year, month, day) = match digits.as_slice() {
                [year, month, day] if year.len() == 4 => (*year, *month, *day),
                [all] if all.len() == 8 && all.is_ascii() => (&all[..4], &all[4..6], &all[6..]),
                _ => return None,
            };
            let month = time::Month::try_from(u8::try_from(number(month)?).ok()?).ok()?;
            let day = u8::try_from(number(day)?).ok()?;
            let date = Date::from_calendar_date(number(year)? as i32, month, day).ok()?;
            if date.year() < 1 {
                return None;
            }
            moment.days = Moment::from_date(date).days;
        }
        if let Some(clock) = clock {
            moment.ticks = Some(parse_clock(clock)?);
        }
        if let (Some(offset), false) = (offset, utc) {
            moment.ticks = moment.ticks.or(Some(0));
            moment = moment.plus(-i64::from(offset) * 60 * TICKS_PER_SECOND)?;
        }
        Some(moment)
    }
}

fn number(digits: &str) -> Option<u32> {
    if digits.len() <= 4 && digits.bytes().all(|byte| byte.is_ascii_digit()) {
        digits.parse().ok()
    } else {
        None
    }
}

pub(crate) fn parse_clock(clock: &str) -> Option<i64> {
    let (whole, fraction) = clock.split_once('.').unwrap_or((clock, ""));
    let mut parts = whole.split(':');
    let hour = number(parts.next()?)?;
    let minute = number(parts.next()?)?;
    let second = parts.next().map_or(Some(0), number)?;
    let digits = fraction.bytes().all(|byte| byte.is_ascii_digit()) && fraction.len() <= 9;
    if parts.next().is_some() || hour > 23 || minute > 59 || second > 59 || !digits {
        return None;
    }
    let fraction: i64 = format!("{fraction:0<9}").parse::<i64>().ok()? / 100;
    Some(i64::from(hour * 3600 + minute * 60 + second) * TICKS_PER_SECOND + fraction)
}

/// The text before the offset, the offset, and whether the clock is UTC's (the kept form, or a bare `Z`).
fn split_offset(text: &str) -> Option<(&str, Option<i16>, bool)> {
    if let Some((body, offset)) = text.split_once(['Z', 'z']) {
        let offset = if offset.is_empty() { 0 } else { parse_offset(offset)? };
        return Some((body.trim_end(), Some(offset), true));
    }
    // A sign after the clock's colon is an offset's; one before it belongs to the date.
    if let Some(colon) = text.find(':')
        && let Some(sign) = text[colon..].find(['+', '-'])
    {
        let (body, offset) = text.split_at(colon + sign);
        return Some((body.trim_end(), Some(parse_offset(offset)?), false));
    }
    Some((text, None, false))
}

fn parse_offset(text: &str) -> Option<i16> {
    let sign = if text.starts_with('-') { -1 } else { 1 };
    let (hours, minutes) = text.get(1..)?.split_once(':')?;
    let total = i16::try_from(number(hours)? * 60 + number(minutes)?).ok()?;
    (total <= 840).then_some(sign * total)
}

fn offset_text(offset: i16) -> String {
    let sign = if offset < 0 { '-' } else { '+' };
    format!("{sign}{:02}:{:02}", offset.abs() / 60, offset.abs() % 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kept_form_reads_back_and_sorts_by_time() {
        let early = Moment::parse("2026-01-31T23:30:00+02:00").expect("a moment");
        let late = Moment::parse("2026-01-31 22:00:00.5 -00:30").expect("a moment");
        assert_eq!(early.kept(), "2026-01-31 21:30:00.0000000Z+02:00");
        assert_eq!(Moment::parse(&early.kept()), Some(early));
        assert_eq!(early.shown(3), "2026-01-31 23:30:00.000 +02:00");
        assert!(early.kept() < late.kept());
        assert_eq!(Moment::parse("20260131").expect("a date").kept(), "2026-01-31");
        assert_eq!(Moment::parse("10:20").expect("a time").kept(), "10:20:00.0000000");
    }

    #[test]
    fn what_is_no_moment_is_none() {
        for text in [
            "",
            "x",
            "2026-13-01",
            "2026-02-30",
            "2026-257-01",
            "2026-01-257",
            "24:00",
            "1:2:3:4",
            "2026-01-01T",
            "é-é-é",
            "Z",
            "+02:00",
        ] {
            let found = Moment::parse(text);
            assert!(found.is_none(), "{text:?} became {found:?}");
        }
    }

    #[test]
    fn rounding_carries_into_the_next_day() {
        let moment = Moment::parse("2026-12-31 23:59:59.9999").expect("a moment");
        assert_eq!(moment.rounded(3).kept(), "2027-01-01 00:00:00.0000000");
    }
}
