//! Decimals with all of their digits: how SQLite keeps those that are neither integers nor floats.

use num_bigint::BigInt;
use rusqlite::types::Value;

use super::convert::float;

/// What ends a decimal that is neither an integer nor a float to SQLite: it is kept as the text of its digits, and
/// with this behind them no column's affinity makes a float of them. Unicode has set it aside as no character: no text
/// of an application ends with it.
pub(crate) const EXACT: char = '\u{10FFFF}';

/// The value times ten to the scale, rounded.
pub(crate) fn scaled(value: &Value, scale: u8) -> Option<i128> {
    let digits = usize::from(scale);
    let written = match value {
        Value::Integer(number) => {
            return i128::from(*number).checked_mul(10_i128.checked_pow(scale.into())?);
        }
        Value::Text(text) if whole_and_fraction(text).is_some() => text.clone(),
        // The shortest digits that stand for the number: 1.005 is rounded to 1.01, not to 1.00.
        _ => float(value)?.to_string(),
    };
    let (whole, fraction) = whole_and_fraction(&written)?;
    // Half away from zero.
    let round_up = fraction.as_bytes().get(digits).is_some_and(|digit| *digit >= b'5');
    let kept: String = fraction.chars().chain(std::iter::repeat('0')).take(digits).collect();
    let magnitude: i128 = format!("0{}{kept}", whole.trim_start_matches(['-', '+'])).parse().ok()?;
    let magnitude = magnitude.checked_add(round_up.into())?;
    Some(if whole.starts_with('-') { -magnitude } else { magnitude })
}

/// A decimal as SQLite keeps it: an integer or a float where that is exactly it, else the text of its digits.
pub(crate) fn decimal(scaled: i128, scale: u8) -> Value {
    let unit = 10_i128.pow(scale.into());
    match i64::try_from(scaled / unit) {
        Ok(whole) if scaled % unit == 0 => Value::Integer(whole),
        _ => {
            let written = written(scaled, scale);
            // Without the zeros at the end equal decimals are equal texts, whatever their scales.
            let written = match written.contains('.') {
                true => written.trim_end_matches('0').trim_end_matches('.'),
                false => written.as_str(),
            };
            let near = written.parse().map(Value::Real).unwrap_or(Value::Null);
            match self::scaled(&near, scale) {
                Some(same) if same == scaled => near,
                _ => Value::Text(format!("{written}{EXACT}")),
            }
        }
    }
}

/// All digits of a decimal, the zeros at its end too.
pub(crate) fn written(scaled: i128, scale: u8) -> String {
    let unit = 10_i128.pow(scale.into());
    let (whole, fraction) = ((scaled / unit).unsigned_abs(), (scaled % unit).unsigned_abs());
    let sign = if scaled < 0 { "-" } else { "" };
    match scale {
        0 => format!("{sign}{whole}"),
        _ => format!("{sign}{whole}.{fraction:0>width$}", width = usize::from(scale)),
    }
}

/// Whether it is a decimal that is kept as text.
pub(crate) fn is_exact(value: &Value) -> bool {
    matches!(value, Value::Text(text) if text.ends_with(EXACT) && whole_and_fraction(text).is_some())
}

/// The digits behind the point of a number, of a text too where it is a decimal that is kept so.
pub(crate) fn exact_scale(value: &Value) -> Option<u8> {
    let written = match value {
        Value::Integer(_) => return Some(0),
        Value::Real(number) => number.to_string(),
        Value::Text(text) if is_exact(value) => text.clone(),
        _ => return None,
    };
    u8::try_from(whole_and_fraction(&written)?.1.len()).ok().filter(|scale| *scale <= 38)
}

pub(crate) fn bare(text: &str) -> &str {
    text.trim_end_matches(EXACT).trim()
}

/// The two sides of the point in text that is a decimal and nothing else; the sign is before the first.
pub(crate) fn whole_and_fraction(text: &str) -> Option<(&str, &str)> {
    let (whole, fraction) = bare(text).split_once('.').unwrap_or((bare(text), ""));
    let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
    let unsigned = whole.strip_prefix(['-', '+']).unwrap_or(whole);
    let good = digits(unsigned) && digits(fraction) && !(unsigned.is_empty() && fraction.is_empty());
    good.then_some((whole, fraction))
}

/// A decimal of any length: its digits without the point, and how many of them are behind it.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Digits {
    pub(crate) units: BigInt,
    pub(crate) scale: u32,
}

impl Digits {
    /// Those of a number, or of a text that is one; of a float the fewest that stand for it.
    pub(crate) fn of(value: &Value) -> Option<Digits> {
        let written = match value {
            Value::Integer(number) => return Some(Digits { units: (*number).into(), scale: 0 }),
            Value::Text(text) if whole_and_fraction(text).is_some() => text.clone(),
            _ => float(value)?.to_string(),
        };
        let (whole, fraction) = whole_and_fraction(&written)?;
        let units = format!("{whole}{fraction}").parse().ok()?;
        Some(Digits { units, scale: u32::try_from(fraction.len()).ok()? })
    }

    /// The digits without the point at a scale that is no smaller than its own.
    pub(crate) fn at(&self, scale: u32) -> BigInt {
        &self.units * BigInt::from(10).pow(scale.saturating_sub(self.scale))
    }

    /// With no more digits behind the point than that; a half is rounded away from zero.
    pub(crate) fn rounded(self, scale: u32) -> Digits {
        let Some(gone @ 1..) = self.scale.checked_sub(scale) else { return self };
        let half: BigInt = BigInt::from(10).pow(gone) / 2;
        let half = if self.units < BigInt::ZERO { -half } else { half };
        Digits { units: self.units + half, ..self }.cut(scale)
    }

    /// With no more digits behind the point than that; those that go are not looked at.
    pub(crate) fn cut(self, scale: u32) -> Digits {
        match self.scale.checked_sub(scale) {
            Some(gone @ 1..) => Digits { units: self.units / BigInt::from(10).pow(gone), scale },
            _ => self,
        }
    }

    /// The float next to it.
    pub(crate) fn float(&self) -> Option<f64> {
        format!("{}e-{}", self.units, self.scale).parse().ok()
    }

    /// As SQLite keeps it; `None` with more digits than a decimal has.
    pub(crate) fn value(&self) -> Option<Value> {
        let scale = u8::try_from(self.scale).ok().filter(|scale| *scale <= 38)?;
        i128::try_from(&self.units).ok().map(|units| decimal(units, scale))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sql::types::{
        SqlType,
        convert::{convert, text},
    };

    fn text_of(value: &str) -> Value {
        Value::Text(value.to_owned())
    }

    #[test]
    fn decimals_round_half_away_from_zero() {
        assert_eq!(scaled(&Value::Real(1.005), 2), Some(101));
        assert_eq!(scaled(&Value::Real(-0.5), 0), Some(-1));
        assert_eq!(scaled(&Value::Integer(7), 3), Some(7000));
        assert_eq!(scaled(&text_of(" -.125 "), 2), Some(-13));
        assert_eq!(scaled(&text_of("1e3"), 0), Some(1000));
        assert_eq!(scaled(&text_of("."), 0), None);
    }

    #[test]
    fn a_decimal_keeps_all_of_its_digits() {
        let most = 10_i128.pow(38) - 1;
        for (number, scale) in [
            (most, 0),
            (-most, 10),
            (most, 38),
            (1, 38),
            (-9_223_372_036_854_775_808, 4),
            (i128::from(i64::MAX) + 1, 0),
            (12_345, 2),
        ] {
            let kept = decimal(number, scale);
            assert_eq!(scaled(&kept, scale), Some(number), "{kept:?}");
            assert_eq!(convert(kept.clone(), SqlType::Decimal(38, scale)), Ok(kept.clone()), "{kept:?}");
            assert!(text(kept).bytes().all(|byte| byte.is_ascii_digit() || b"-.".contains(&byte)));
        }
        assert_eq!(decimal(12_345, 2), Value::Real(123.45));
        let large = convert(text_of("12345678901234567890.50"), SqlType::Decimal(22, 2)).expect("a decimal");
        assert_eq!(large, decimal(1_234_567_890_123_456_789_050, 2));
        assert_eq!(float(&large), Some(12_345_678_901_234_567_890.5));
        assert_eq!(convert(large, SqlType::BigInt).expect_err("too large").number, 8115);
    }

    #[test]
    fn text_that_ends_with_a_control_character_stays_as_it_is() {
        for written in ["0\u{1f}", "12.5\u{1f}", "7\u{0}"] {
            for sql_type in [SqlType::VarChar(None), SqlType::NVarChar(None)] {
                assert_eq!(convert(text_of(written), sql_type), Ok(text_of(written)));
            }
        }
    }

    #[test]
    fn digits_are_rounded_half_away_from_zero() {
        let rounded =
            |text: &str, scale| Digits::of(&text_of(text)).map(|digits| digits.rounded(scale).value());
        for (text, scale, expected) in [
            ("1.005", 2, Value::Real(1.01)),
            ("-1.005", 2, Value::Real(-1.01)),
            ("-1.004", 2, Value::Integer(-1)),
            ("0.5", 0, Value::Integer(1)),
            ("7", 3, Value::Integer(7)),
            ("1e2", 0, Value::Integer(100)),
        ] {
            assert_eq!(rounded(text, scale), Some(Some(expected)), "{text}");
        }
        assert_eq!(rounded(&"9".repeat(40), 0), Some(None));
        assert_eq!(rounded("x", 0), None);
    }
}
