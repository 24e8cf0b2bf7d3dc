//! FORMAT with .NET's patterns, and the styles of CONVERT.

use rusqlite::types::Value;

use super::functions::text;
use crate::sql::{
    convert,
    errors::{SqlError, error, not_supported},
    moment::{Moment, TICKS_PER_SECOND},
    moment_text::DateOrder,
};

/// FORMAT in the culture en-US.
pub(super) fn format_value(value: &Value, pattern: &Value) -> Result<Value, SqlError> {
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
fn fixed(number: f64, digits: usize, grouped: bool) -> String {
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

fn of_moment(moment: Moment, pattern: &str) -> String {
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

/// How CONVERT writes a date or a time in a style: as FORMAT's pattern, with the digits of the fraction that the
/// value's type has.
fn style_pattern(style: i64, digits: usize) -> Option<String> {
    let fraction = if digits == 0 { String::new() } else { format!(".{}", "f".repeat(digits.min(7))) };
    let colon = format!(":{}", "f".repeat(digits.clamp(3, 7)));
    Some(match style {
        0 | 100 => "MMM _d yyyy _h:mmtt".to_owned(),
        1 => "MM/dd/yy".to_owned(),
        2 => "yy.MM.dd".to_owned(),
        3 => "dd/MM/yy".to_owned(),
        4 => "dd.MM.yy".to_owned(),
        5 => "dd-MM-yy".to_owned(),
        6 => "dd MMM yy".to_owned(),
        7 => "MMM dd, yy".to_owned(),
        8 | 24 | 108 => "HH:mm:ss".to_owned(),
        9 | 109 => format!("MMM _d yyyy _h:mm:ss{colon}tt"),
        10 => "MM-dd-yy".to_owned(),
        11 => "yy/MM/dd".to_owned(),
        12 => "yyMMdd".to_owned(),
        13 | 113 => format!("dd MMM yyyy HH:mm:ss{colon}"),
        14 | 114 => format!("HH:mm:ss{colon}"),
        20 | 120 => "yyyy-MM-dd HH:mm:ss".to_owned(),
        21 | 25 | 121 => format!("yyyy-MM-dd HH:mm:ss{fraction}"),
        23 => "yyyy-MM-dd".to_owned(),
        101 => "MM/dd/yyyy".to_owned(),
        102 => "yyyy.MM.dd".to_owned(),
        103 => "dd/MM/yyyy".to_owned(),
        104 => "dd.MM.yyyy".to_owned(),
        105 => "dd-MM-yyyy".to_owned(),
        106 => "dd MMM yyyy".to_owned(),
        107 => "MMM dd, yyyy".to_owned(),
        110 => "MM-dd-yyyy".to_owned(),
        111 => "yyyy/MM/dd".to_owned(),
        112 => "yyyyMMdd".to_owned(),
        126 => format!("yyyy-MM-ddTHH:mm:ss{fraction}"),
        127 => format!("yyyy-MM-ddTHH:mm:ss{fraction}"),
        _ => return None,
    })
}

/// The value as CONVERT with a style makes it, before it becomes the target's type: dates and bytes to and from text.
pub(super) fn styled(value: &Value, style: i64, digits: i64, to_text: bool) -> Result<Value, SqlError> {
    let unknown =
        || error(281, format!("{style} is not a valid style number when converting to a character string."));
    Ok(match value {
        Value::Blob(bytes) if to_text && matches!(style, 1 | 2) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
            Value::Text(if style == 1 { format!("0x{digits}") } else { digits })
        }
        Value::Text(text) if to_text => match Moment::parse(text) {
            Some(moment) => {
                let mut digits = usize::try_from(digits).unwrap_or(7);
                // A datetime's three-hundredths have more digits than it shows.
                let local = if digits == 3 { moment.local().rounded(3) } else { moment.local() };
                let whole = local.ticks.unwrap_or(0) % TICKS_PER_SECOND == 0;
                // A datetime shows no fraction in style 126 where it has none.
                if digits == 3 && matches!(style, 126 | 127) && whole {
                    digits = 0;
                }
                let pattern = style_pattern(style, digits).ok_or_else(unknown)?;
                let pattern = match (local.days, local.ticks) {
                    (Some(_), None) => pattern
                        .split([' ', 'T'])
                        .take(if pattern.starts_with("yyyy-") { 1 } else { 9 })
                        .collect::<Vec<_>>()
                        .join(" ")
                        .replace(" _h:mmtt", ""),
                    (None, Some(_)) if pattern.starts_with("yyyy-") => {
                        pattern.get(11..).unwrap_or_default().to_owned()
                    }
                    _ => pattern,
                };
                // Days and hours of one digit have a blank before them there.
                let (day, clock) = (
                    local.date().map_or(0, |date| date.day()),
                    local.ticks.unwrap_or(0) / TICKS_PER_SECOND / 3600,
                );
                let blank = |short: bool| if short { " " } else { "" };
                let hour = if clock % 12 == 0 { 12 } else { clock % 12 };
                let pattern = pattern
                    .replace("_d", &format!("{}d", blank(day < 10)))
                    .replace("_h", &format!("{}h", blank(hour < 10)));
                Value::Text(of_moment(local, &pattern))
            }
            None => value.clone(),
        },
        // A fraction that FORMAT's patterns for money and floats would show is the default's here.
        Value::Real(number) if to_text && style == 1 => Value::Text(fixed(*number, 2, true)),
        Value::Text(text) => read_styled(text, style)?.unwrap_or_else(|| value.clone()),
        other => other.clone(),
    })
}

/// Text of another order than ISO's as a date's, or hexadecimal digits as bytes.
fn read_styled(text: &str, style: i64) -> Result<Option<Value>, SqlError> {
    if matches!(style, 1 | 2) && text.is_ascii() {
        let digits = text.strip_prefix("0x").unwrap_or(text);
        let hexadecimal = !digits.is_empty()
            && digits.len().is_multiple_of(2)
            && digits.bytes().all(|b| b.is_ascii_hexdigit());
        if hexadecimal && (style == 2 || text.starts_with("0x")) {
            let bytes =
                (0..digits.len()).step_by(2).map(|at| u8::from_str_radix(&digits[at..at + 2], 16).ok());
            return Ok(bytes.collect::<Option<Vec<u8>>>().map(Value::Blob));
        }
    }
    let order = match style {
        1 | 10 | 101 | 110 => DateOrder::Mdy,
        3..=5 | 103..=105 => DateOrder::Dmy,
        2 | 11 | 102 | 111 => DateOrder::Ymd,
        _ => return Ok(None),
    };
    // What has no such separators is read as without a style: a date by its month's name, a number.
    if text.trim().split(['/', '.', '-']).count() != 3 {
        return Ok(None);
    }
    let failed = || error(241, "Conversion failed when converting date and/or time from character string.");
    let moment = Moment::read_in(text, order).ok_or_else(failed)?;
    Ok(Some(Value::Text(moment.kept())))
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
    fn dates_are_formatted_as_in_net_and_by_styles() {
        let moment = Moment::parse("2026-03-04 05:06:07.1234567").expect("a moment");
        for (pattern, expected) in [
            ("yyyy-MM-dd", "2026-03-04"),
            ("d", "3/4/2026"),
            ("dddd dd MMM yy 'at' h:mm tt", "Wednesday 04 Mar 26 at 5:06 AM"),
            ("HH:mm:ss.fff", "05:06:07.123"),
        ] {
            assert_eq!(of_moment(moment, pattern), expected);
        }
        let value = Value::Text(moment.kept());
        for (style, expected) in [
            (0, "Mar  4 2026  5:06AM"),
            (101, "03/04/2026"),
            (103, "04/03/2026"),
            (104, "04.03.2026"),
            (112, "20260304"),
            (108, "05:06:07"),
            (121, "2026-03-04 05:06:07.123"),
            (126, "2026-03-04T05:06:07.123"),
        ] {
            let found = styled(&value, style, 3, true).expect("a style");
            assert_eq!(found, Value::Text(expected.to_owned()), "{style}");
        }
        assert_eq!(styled(&value, 999, 3, true).expect_err("no style").number, 281);
    }
}
