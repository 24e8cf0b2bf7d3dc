//! FORMAT with .NET's patterns for numbers and dates.

use rusqlite::types::Value;

use super::text;
use crate::sql::{
    errors::{SqlError, error, not_supported},
    types::{
        convert,
        moment::{Moment, TICKS_PER_SECOND},
    },
};

/// FORMAT in the culture en-US.
pub(crate) fn format_value(value: &Value, pattern: &Value) -> Result<Value, SqlError> {
    if *value == Value::Null || *pattern == Value::Null {
        return Ok(Value::Null);
    }
    let pattern = text(pattern);
    Ok(Value::Text(match value {
        Value::Text(text) => match Moment::parse(text) {
            Some(moment) => of_moment(moment.local(), &pattern),
            None => {
                return Err(error(
                    8116,
                    "Argument data type nvarchar is invalid for argument 1 of format function.",
                ));
            }
        },
        other => of_number(convert::float(other).unwrap_or(0.0), &pattern)?,
    }))
}

fn of_number(number: f64, pattern: &str) -> Result<String, SqlError> {
    let mut characters = pattern.chars();
    let kind = characters.next().unwrap_or('G').to_ascii_uppercase();
    let digits: Result<usize, _> = characters.as_str().parse();
    let standard = pattern.is_empty() || kind.is_ascii_alphabetic() && (pattern.len() == 1 || digits.is_ok());
    if !standard {
        return Ok(custom(number, pattern));
    }
    let count = digits.ok().filter(|count| *count <= 99);
    Ok(match kind {
        'C' if number < 0.0 => format!("(${})", fixed(-number, count.unwrap_or(2), true)),
        'C' => format!("${}", fixed(number, count.unwrap_or(2), true)),
        'D' => {
            let sign = if number < 0.0 { "-" } else { "" };
            format!("{sign}{:0>width$}", number.abs().trunc(), width = count.unwrap_or(1))
        }
        'F' => fixed(number, count.unwrap_or(2), false),
        'G' => number.to_string(),
        'N' => fixed(number, count.unwrap_or(2), true),
        'P' => format!("{}%", fixed(number * 100.0, count.unwrap_or(2), true)),
        'X' => format!("{:0>width$X}", number as i64, width = count.unwrap_or(1)),
        _ => return Err(not_supported(format!("FORMAT with the pattern {pattern}"))),
    })
}

/// So many digits behind the point, half away from zero, with commas between thousands or without.
pub(crate) fn fixed(number: f64, digits: usize, grouped: bool) -> String {
    let unit = 10_f64.powi(digits as i32);
    let rounded = if number.abs() * unit < 1e15 { (number * unit).round() / unit } else { number };
    let shown = format!("{:.digits$}", rounded.abs());
    let (whole, fraction) = shown.split_once('.').unwrap_or((&shown, ""));
    let mut out = if rounded < 0.0 { "-".to_owned() } else { String::new() };
    for (at, digit) in whole.chars().enumerate() {
        if grouped && at > 0 && (whole.len() - at) % 3 == 0 {
            out.push(',');
        }
        out.push(digit);
    }
    if !fraction.is_empty() {
        out.push('.');
        out.push_str(fraction);
    }
    out
}

/// A pattern of `0`, `#`, `,`, `.` and `%`, and what stands around them.
fn custom(number: f64, pattern: &str) -> String {
    let marks = |c: char| matches!(c, '0' | '#' | ',' | '.');
    let Some(start) = pattern.find(marks) else { return pattern.to_owned() };
    let end = pattern.rfind(marks).map_or(start, |at| at + 1);
    let (before, middle, after) = (&pattern[..start], &pattern[start..end], &pattern[end..]);
    let number = if pattern.contains('%') { number * 100.0 } else { number };
    let (whole, fraction) = middle.split_once('.').unwrap_or((middle, ""));
    let digits = |part: &str| part.chars().filter(|c| matches!(c, '0' | '#')).count().min(99);
    let least = fraction.rfind('0').map_or(0, |at| digits(&fraction[..=at]));
    let mut shown = fixed(number, digits(fraction), whole.contains(','));
    if shown.contains('.') {
        let keep = shown.find('.').map_or(shown.len(), |at| at + 1 + least);
        while shown.len() > keep && shown.ends_with('0') {
            shown.pop();
        }
        shown = shown.trim_end_matches('.').to_owned();
    }
    let zeros = whole.chars().filter(|c| *c == '0').count();
    let (sign, shown) = shown.strip_prefix('-').map_or(("", shown.as_str()), |rest| ("-", rest));
    let length = shown.split('.').next().map_or(0, str::len);
    let padding = "0".repeat(zeros.saturating_sub(length).min(99));
    format!("{sign}{before}{padding}{shown}{after}")
}

pub(crate) fn of_moment(moment: Moment, pattern: &str) -> String {
    let pattern = match pattern {
        "d" => "M/d/yyyy",
        "D" => "dddd, MMMM d, yyyy",
        "t" => "h:mm tt",
        "T" => "h:mm:ss tt",
        "g" => "M/d/yyyy h:mm tt",
        "G" => "M/d/yyyy h:mm:ss tt",
        "s" => "yyyy-MM-ddTHH:mm:ss",
        "u" => "yyyy-MM-dd HH:mm:ssZ",
        "o" | "O" => "yyyy-MM-ddTHH:mm:ss.fffffff",
        other => other,
    };
    let Some(date) = moment.date() else { return String::new() };
    let ticks = moment.ticks.unwrap_or(0);
    let seconds = ticks / TICKS_PER_SECOND;
    let hour = seconds / 3600;
    let mut out = String::new();
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        if matches!(character, '\'' | '"') {
            out.extend(characters.by_ref().take_while(|c| *c != character));
            continue;
        }
        if character == '\\' {
            out.extend(characters.next());
            continue;
        }
        let mut count = 1;
        while characters.next_if_eq(&character).is_some() {
            count += 1;
        }
        let padded = |number: i64| format!("{number:0>width$}", width = if count > 1 { 2 } else { 1 });
        let short = |name: String| if count == 3 { name.chars().take(3).collect() } else { name };
        match character {
            'y' if count <= 2 => out.push_str(&format!("{:02}", date.year() % 100)),
            'y' => out.push_str(&format!("{:0count$}", date.year())),
            'M' if count >= 3 => out.push_str(&short(date.month().to_string())),
            'M' => out.push_str(&padded(u8::from(date.month()).into())),
            'd' if count >= 3 => out.push_str(&short(date.weekday().to_string())),
            'd' => out.push_str(&padded(date.day().into())),
            'H' => out.push_str(&padded(hour)),
            'h' => out.push_str(&padded(if hour % 12 == 0 { 12 } else { hour % 12 })),
            'm' => out.push_str(&padded(seconds / 60 % 60)),
            's' => out.push_str(&padded(seconds % 60)),
            'f' | 'F' => {
                out.push_str(format!("{:07}", ticks % TICKS_PER_SECOND).get(..count).unwrap_or_default());
            }
            't' => out.push_str(&(if hour < 12 { "AM" } else { "PM" })[..count.min(2)]),
            other => out.extend(std::iter::repeat_n(other, count)),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_formatted_as_in_net() {
        for (number, pattern, expected) in [
            (1234.5, "N2", "1,234.50"),
            (1234.567, "n0", "1,235"),
            (5.0, "000", "005"),
            (-1234.5, "#,##0.00", "-1,234.50"),
            (0.256, "P1", "25.6%"),
            (1234.5, "C", "$1,234.50"),
            (42.0, "D5", "00042"),
            (1.5, "0.##", "1.5"),
            (255.0, "X", "FF"),
        ] {
            assert_eq!(of_number(number, pattern).expect(pattern), expected, "{pattern}");
        }
    }

    #[test]
    fn dates_are_formatted_as_in_net() {
        let moment = Moment::parse("2026-03-04 05:06:07.1234567").expect("a moment");
        for (pattern, expected) in [
            ("yyyy-MM-dd", "2026-03-04"),
            ("d", "3/4/2026"),
            ("dddd dd MMM yy 'at' h:mm tt", "Wednesday 04 Mar 26 at 5:06 AM"),
            ("HH:mm:ss.fff", "05:06:07.123"),
        ] {
            assert_eq!(of_moment(moment, pattern), expected);
        }
    }
}
