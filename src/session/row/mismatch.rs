//! Why a row does not fit, without a value of the row.

use serde::de::{self, Expected, Unexpected};

/// A row does not fit the type that it is read into. Its text holds no value of the row: it may reach the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(super) struct Mismatch(pub(super) String);

impl Mismatch {
    pub(super) fn in_column(self, name: &str) -> Self {
        Mismatch(format!("column `{name}`: {self}"))
    }
}

/// What is said where nothing else is known to be free of values: the application's own words, and the driver's.
const DOES_NOT_FIT: &str = "it does not fit the type it is read into";

impl de::Error for Mismatch {
    fn custom<T: std::fmt::Display>(_: T) -> Self {
        Mismatch(DOES_NOT_FIT.to_owned())
    }

    fn invalid_type(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Mismatch(format!("{}, expected {expected}", kind(&found)))
    }

    fn invalid_value(found: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Mismatch(format!("{} that does not fit, expected {expected}", kind(&found)))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Mismatch(format!("unknown variant, expected {}", one_of(expected)))
    }

    fn invalid_length(_: usize, expected: &dyn Expected) -> Self {
        Mismatch(format!("another length, expected {expected}"))
    }

    fn missing_field(field: &'static str) -> Self {
        Mismatch(format!("there is no column `{field}`"))
    }

    fn duplicate_field(field: &'static str) -> Self {
        Mismatch(format!("there are two columns `{field}`"))
    }

    // Not named: text may be read as a field's name, too (`#[serde(field_identifier)]`).
    fn unknown_field(_: &str, expected: &'static [&'static str]) -> Self {
        Mismatch(format!("unknown field, expected {}", one_of(expected)))
    }
}

impl From<tiberius::error::Error> for Mismatch {
    fn from(_: tiberius::error::Error) -> Self {
        Mismatch(DOES_NOT_FIT.to_owned())
    }
}

/// What was found, without its value.
fn kind(found: &Unexpected<'_>) -> &'static str {
    match found {
        Unexpected::Bool(_) => "a bit",
        Unexpected::Unsigned(_) | Unexpected::Signed(_) => "an integer",
        Unexpected::Float(_) => "a floating point number",
        Unexpected::Char(_) | Unexpected::Str(_) => "a text",
        Unexpected::Bytes(_) => "binary data",
        Unexpected::Unit | Unexpected::Option => "NULL",
        Unexpected::Map => "a row",
        _ => "something else",
    }
}

fn one_of(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[cfg(test)]
mod tests {
    use serde::{
        Deserialize,
        de::{
            DeserializeOwned, IntoDeserializer,
            value::{BytesDeserializer, MapDeserializer, SeqDeserializer},
        },
    };

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(rename_all = "lowercase")]
    enum State {
        Open,
        Done,
    }

    #[derive(Debug, Deserialize)]
    #[serde(field_identifier, rename_all = "lowercase")]
    enum Name {
        Title,
    }

    fn said<T: DeserializeOwned + std::fmt::Debug>(
        value: impl IntoDeserializer<'static, Mismatch>,
    ) -> String {
        T::deserialize(value.into_deserializer()).unwrap_err().to_string()
    }

    #[test]
    fn an_error_says_what_was_found_and_expected_and_never_the_value() {
        for (said, expected) in [
            (said::<u8>(300_i32), "an integer that does not fit, expected u8"),
            (said::<i32>("the-secret-row"), "a text, expected i32"),
            (said::<i32>(true), "a bit, expected i32"),
            (said::<bool>(1.5_f64), "a floating point number, expected a boolean"),
            (said::<i32>(BytesDeserializer::new(b"the-secret-row")), "binary data, expected i32"),
            (said::<i32>(()), "NULL, expected i32"),
            (said::<i32>(SeqDeserializer::new([0].into_iter())), "something else, expected i32"),
            (said::<i32>(MapDeserializer::new([("the-secret-row", 1)].into_iter())), "a row, expected i32"),
            (
                said::<[i32; 3]>(SeqDeserializer::new([0].into_iter())),
                "another length, expected an array of length 3",
            ),
            (said::<char>("the-secret-row"), "a text that does not fit, expected a character"),
            (said::<State>("the-secret-row"), "unknown variant, expected `open`, `done`"),
            (said::<Name>("the-secret-row"), "unknown field, expected `title`"),
            (said::<std::net::Ipv4Addr>("the-secret-row"), DOES_NOT_FIT),
            (<Mismatch as de::Error>::custom("invalid type: x, expected y").to_string(), DOES_NOT_FIT),
            (
                Mismatch::from(tiberius::error::Error::Conversion("the-secret-row".into())).to_string(),
                DOES_NOT_FIT,
            ),
        ] {
            assert_eq!(said, expected);
        }
    }

    #[test]
    fn a_column_that_is_missing_or_there_twice_is_named() {
        #[derive(Debug, Deserialize)]
        #[expect(dead_code, reason = "only read")]
        struct Todo {
            title: String,
        }
        let none = MapDeserializer::new(std::iter::empty::<(&str, &str)>());
        assert_eq!(said::<Todo>(none), "there is no column `title`");
        let two = MapDeserializer::new([("title", "the-secret-row"), ("title", "x")].into_iter());
        assert_eq!(said::<Todo>(two), "there are two columns `title`");
    }
}
