//! The styles of CONVERT: dates, numbers and bytes to and from text in forms that have numbers.

use rusqlite::types::Value;

use super::format::{fixed, of_moment};
use crate::sql::{
    errors::{SqlError, error},
    types::{
        moment::{Moment, TICKS_PER_SECOND},
        moment_text::DateOrder,
    },
};

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
pub(crate) fn styled(value: &Value, style: i64, digits: i64, to_text: bool) -> Result<Value, SqlError> {
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
    fn dates_are_written_by_styles() {
        let moment = Moment::parse("2026-03-04 05:06:07.1234567").expect("a moment");
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
