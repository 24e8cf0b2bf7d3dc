//! One value of a row, through serde.

use serde::{
    Deserializer,
    de::{
        DeserializeSeed, IntoDeserializer, Visitor,
        value::{SeqDeserializer, StrDeserializer},
    },
    forward_to_deserialize_any,
};
use tiberius::{ColumnData, FromSql};
use time::{
    Date, OffsetDateTime, PrimitiveDateTime, Time, format_description::well_known::Iso8601,
    format_description::well_known::Rfc3339,
};

use super::mismatch::Mismatch;

/// One value of a row.
#[derive(Clone, Copy)]
pub(super) struct Column<'a> {
    pub(super) name: &'a str,
    pub(super) data: &'a ColumnData<'static>,
}

impl<'a> Column<'a> {
    /// Reads the value; an error names the column, and no value.
    pub(super) fn read<'de, T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Mismatch> {
        seed.deserialize(self).map_err(|error| self.named(error))
    }

    pub(super) fn is_binary(self) -> bool {
        matches!(self.data, ColumnData::Binary(_))
    }

    pub(super) fn named(self, error: Mismatch) -> Mismatch {
        error.in_column(self.name)
    }

    fn typed<T: FromSql<'a>>(self) -> Result<T, Mismatch> {
        T::from_sql(self.data)?.ok_or_else(|| Mismatch("it is NULL".to_owned()))
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
        let format = |error: time::error::Format| Mismatch(error.to_string());
        match self.data {
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
            ColumnData::Time(Some(_)) => {
                let value = self.typed::<Time>()?;
                visitor.visit_string(value.format(&Iso8601::TIME).map_err(format)?)
            }
            ColumnData::Date(Some(_)) => {
                let value = self.typed::<Date>()?;
                visitor.visit_string(value.format(&Iso8601::DATE).map_err(format)?)
            }
            ColumnData::DateTime(Some(_))
            | ColumnData::SmallDateTime(Some(_))
            | ColumnData::DateTime2(Some(_)) => {
                let value = self.typed::<PrimitiveDateTime>()?;
                visitor.visit_string(format!(
                    "{}T{}",
                    value.date().format(&Iso8601::DATE).map_err(format)?,
                    value.time().format(&Iso8601::TIME).map_err(format)?
                ))
            }
            ColumnData::DateTimeOffset(Some(_)) => {
                let value = self.typed::<OffsetDateTime>()?.to_offset(time::UtcOffset::UTC);
                visitor.visit_string(value.format(&Rfc3339).map_err(format)?)
            }
            // NULL, of whatever type.
            _ => visitor.visit_none(),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        if is_null(self.data) { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    /// `Vec<u8>` asks for a sequence, as serde's derive knows no bytes.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        let ColumnData::Binary(Some(bytes)) = self.data else { return self.deserialize_any(visitor) };
        let mut bytes: SeqDeserializer<_, Mismatch> = SeqDeserializer::new(bytes.iter().copied());
        let value = visitor.visit_seq(&mut bytes)?;
        // An array takes what it needs: more is too much.
        bytes.end()?;
        Ok(value)
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, _: usize, visitor: V) -> Result<V::Value, Mismatch> {
        self.deserialize_seq(visitor)
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
        match self.data {
            ColumnData::String(Some(value)) => {
                let value: StrDeserializer<'_, Mismatch> = value.as_ref().into_deserializer();
                value.deserialize_enum(name, variants, visitor)
            }
            _ => Err(Mismatch("an enum is read from text".to_owned())),
        }
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct
        tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use serde::Deserialize;
    use tiberius::xml::XmlData;

    use super::*;

    #[test]
    fn xml_is_read_as_its_text() {
        // The local Azure SQL endpoint answers XML as nvarchar.
        let data = ColumnData::Xml(Some(Cow::Owned(XmlData::new("<a/>"))));
        assert_eq!(String::deserialize(Column { name: "x", data: &data }).unwrap(), "<a/>");
        let data = ColumnData::Xml(None);
        assert_eq!(Option::<String>::deserialize(Column { name: "x", data: &data }).unwrap(), None);
    }
}
