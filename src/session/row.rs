//! Rows as values of the application's types, through serde.

use serde::{
    Deserializer,
    de::{
        self, DeserializeOwned, DeserializeSeed, Expected, IntoDeserializer, Unexpected, Visitor,
        value::StrDeserializer,
    },
    forward_to_deserialize_any,
};
use tiberius::{ColumnData, FromSql, Row};
use time::{
    Date, OffsetDateTime, PrimitiveDateTime, Time, format_description::well_known::Iso8601,
    format_description::well_known::Rfc3339,
};

use crate::{Error, Result};

/// A row as a `T`: a struct or map by column names, a tuple or array by position, else its single column.
///
/// Text, numbers, bit and binary come as themselves; uniqueidentifier, decimal, date and time as text:
/// datetimeoffset as RFC 3339 in UTC (`time::serde::rfc3339` reads it), the others in ISO 8601.
pub(super) fn deserialize<T: DeserializeOwned>(row: &Row) -> Result<T> {
    T::deserialize(RowDeserializer { row }).map_err(|Mismatch(text)| Error::Value(text))
}

/// A row does not fit the type that it is read into. Its text holds no value of the row: it may reach the log.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Mismatch(String);

impl Mismatch {
    fn in_column(self, name: &str) -> Self {
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
        Unexpected::Seq => "a sequence",
        Unexpected::Map => "a row",
        _ => "something else",
    }
}

fn one_of(names: &[&str]) -> String {
    let names: Vec<_> = names.iter().map(|name| format!("`{name}`")).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

#[derive(Clone, Copy)]
struct RowDeserializer<'a> {
    row: &'a Row,
}

impl<'a> RowDeserializer<'a> {
    /// The row's only column.
    fn single(self) -> Result<Column<'a>, Mismatch> {
        match self.row.columns().len() {
            1 => Ok(Column { row: self.row, index: 0 }),
            count => Err(Mismatch(format!(
                "a row of {count} columns cannot become a single value: read it into a struct or a tuple"
            ))),
        }
    }
}

macro_rules! single_column {
    ($($method:ident)*) => {
        $(fn $method<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
            let column = self.single()?;
            column.$method(visitor).map_err(|error| column.named(error))
        })*
    };
}

impl<'de> Deserializer<'de> for RowDeserializer<'_> {
    type Error = Mismatch;

    single_column! {
        deserialize_bool deserialize_i8 deserialize_i16 deserialize_i32 deserialize_i64 deserialize_i128
        deserialize_u8 deserialize_u16 deserialize_u32 deserialize_u64 deserialize_u128 deserialize_f32
        deserialize_f64 deserialize_char deserialize_str deserialize_string deserialize_bytes
        deserialize_byte_buf deserialize_option deserialize_unit
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_map(Columns { row: self.row, next: 0 })
    }

    fn deserialize_map<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_any(visitor)
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.deserialize_any(visitor)
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        visitor.visit_seq(Columns { row: self.row, next: 0 })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Mismatch> {
        let count = self.row.columns().len();
        if count != length {
            return Err(Mismatch(format!("a row of {count} columns cannot become a tuple of {length}")));
        }
        self.deserialize_seq(visitor)
    }

    fn deserialize_tuple_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        length: usize,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        self.deserialize_tuple(length, visitor)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        let column = self.single()?;
        column.deserialize_enum(name, variants, visitor).map_err(|error| column.named(error))
    }

    forward_to_deserialize_any! { unit_struct identifier ignored_any }
}

/// The columns of a row, as a map by name or a sequence.
struct Columns<'a> {
    row: &'a Row,
    next: usize,
}

impl<'de> de::MapAccess<'de> for Columns<'_> {
    type Error = Mismatch;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mismatch> {
        let Some(column) = self.row.columns().get(self.next) else { return Ok(None) };
        let name: StrDeserializer<'_, Mismatch> = column.name().into_deserializer();
        seed.deserialize(name).map(Some).map_err(|error| error.in_column(column.name()))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mismatch> {
        let column = Column { row: self.row, index: self.next };
        self.next += 1;
        column.read(seed)
    }
}

impl<'de> de::SeqAccess<'de> for Columns<'_> {
    type Error = Mismatch;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Mismatch> {
        if self.next == self.row.columns().len() {
            return Ok(None);
        }
        let column = Column { row: self.row, index: self.next };
        self.next += 1;
        column.read(seed).map(Some)
    }
}

/// One value of a row.
#[derive(Clone, Copy)]
struct Column<'a> {
    row: &'a Row,
    index: usize,
}

impl Column<'_> {
    fn data(&self) -> Result<&ColumnData<'static>, Mismatch> {
        let data = self.row.cells().nth(self.index).map(|(_, data)| data);
        data.ok_or_else(|| Mismatch(format!("the row has no column {}", self.index + 1)))
    }

    /// Reads the value; an error names the column, and no value.
    fn read<'de, T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Mismatch> {
        seed.deserialize(self).map_err(|error| self.named(error))
    }

    fn named(&self, error: Mismatch) -> Mismatch {
        error.in_column(self.row.columns().get(self.index).map_or("", |column| column.name()))
    }

    fn typed<'r, T: FromSql<'r>>(&'r self, data: &'r ColumnData<'static>) -> Result<T, Mismatch> {
        T::from_sql(data)?.ok_or_else(|| Mismatch("it is NULL".to_owned()))
    }
}

fn is_null(data: &ColumnData<'_>) -> bool {
    match data {
        ColumnData::U8(value) => value.is_none(),
        ColumnData::I16(value) => value.is_none(),
        ColumnData::I32(value) => value.is_none(),
        ColumnData::I64(value) => value.is_none(),
        ColumnData::F32(value) => value.is_none(),
        ColumnData::F64(value) => value.is_none(),
        ColumnData::Bit(value) => value.is_none(),
        ColumnData::String(value) => value.is_none(),
        ColumnData::Guid(value) => value.is_none(),
        ColumnData::Binary(value) => value.is_none(),
        ColumnData::Numeric(value) => value.is_none(),
        ColumnData::Xml(value) => value.is_none(),
        ColumnData::DateTime(value) => value.is_none(),
        ColumnData::SmallDateTime(value) => value.is_none(),
        ColumnData::Time(value) => value.is_none(),
        ColumnData::Date(value) => value.is_none(),
        ColumnData::DateTime2(value) => value.is_none(),
        ColumnData::DateTimeOffset(value) => value.is_none(),
    }
}

impl<'de> Deserializer<'de> for Column<'_> {
    type Error = Mismatch;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        let data = self.data()?;
        let format = |error: time::error::Format| Mismatch(error.to_string());
        match data {
            data if is_null(data) => visitor.visit_none(),
            ColumnData::U8(Some(value)) => visitor.visit_u8(*value),
            ColumnData::I16(Some(value)) => visitor.visit_i16(*value),
            ColumnData::I32(Some(value)) => visitor.visit_i32(*value),
            ColumnData::I64(Some(value)) => visitor.visit_i64(*value),
            ColumnData::F32(Some(value)) => visitor.visit_f32(*value),
            ColumnData::F64(Some(value)) => visitor.visit_f64(*value),
            ColumnData::Bit(Some(value)) => visitor.visit_bool(*value),
            ColumnData::String(Some(value)) => visitor.visit_str(value),
            ColumnData::Guid(Some(value)) => visitor.visit_string(value.to_string()),
            ColumnData::Binary(Some(value)) => visitor.visit_bytes(value),
            ColumnData::Numeric(Some(value)) => visitor.visit_string(value.to_string()),
            ColumnData::Xml(Some(value)) => visitor.visit_string(value.to_string()),
            ColumnData::Time(_) => {
                let value = self.typed::<Time>(data)?;
                visitor.visit_string(value.format(&Iso8601::TIME).map_err(format)?)
            }
            ColumnData::Date(_) => {
                let value = self.typed::<Date>(data)?;
                visitor.visit_string(value.format(&Iso8601::DATE).map_err(format)?)
            }
            ColumnData::DateTime(_) | ColumnData::SmallDateTime(_) | ColumnData::DateTime2(_) => {
                let value = self.typed::<PrimitiveDateTime>(data)?;
                visitor.visit_string(format!(
                    "{}T{}",
                    value.date().format(&Iso8601::DATE).map_err(format)?,
                    value.time().format(&Iso8601::TIME).map_err(format)?
                ))
            }
            ColumnData::DateTimeOffset(_) => {
                let value = self.typed::<OffsetDateTime>(data)?.to_offset(time::UtcOffset::UTC);
                visitor.visit_string(value.format(&Rfc3339).map_err(format)?)
            }
            _ => visitor.visit_none(),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        if is_null(self.data()?) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Mismatch> {
        match self.data()? {
            ColumnData::String(Some(value)) => {
                let value: StrDeserializer<'_, Mismatch> = value.as_ref().into_deserializer();
                value.deserialize_enum(name, variants, visitor)
            }
            _ => Err(Mismatch("an enum is read from text".to_owned())),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        seq tuple tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

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
            (said::<bool>(1.5_f64), "a floating point number, expected a boolean"),
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
    fn a_missing_column_is_named() {
        #[derive(Debug, Deserialize)]
        #[expect(dead_code, reason = "only read")]
        struct Todo {
            title: String,
        }
        let none = de::value::MapDeserializer::<_, Mismatch>::new(std::iter::empty::<(&str, &str)>());
        assert_eq!(Todo::deserialize(none).unwrap_err().to_string(), "there is no column `title`");
    }
}
