//! Rows as values of the application's types, through serde.

mod column;
mod mismatch;

use serde::{
    Deserializer,
    de::{self, DeserializeOwned, DeserializeSeed, IntoDeserializer, Visitor, value::StrDeserializer},
    forward_to_deserialize_any,
};
use tiberius::Row;

use crate::{Error, Result};
use column::Column;
use mismatch::Mismatch;

/// A row as a `T`: a struct or map by column names, a tuple or array by position, else its single column.
///
/// What each type of column is read into: [`Session::query`](super::Session::query).
pub(super) fn deserialize<T: DeserializeOwned>(row: &Row) -> Result<T> {
    T::deserialize(RowDeserializer { row }).map_err(|Mismatch(text)| Error::Value(text))
}

#[derive(Clone, Copy)]
struct RowDeserializer<'a> {
    row: &'a Row,
}

impl<'a> RowDeserializer<'a> {
    fn columns(self) -> impl Iterator<Item = Column<'a>> {
        self.row.cells().map(|(column, data)| Column { name: column.name(), data })
    }

    fn count(self) -> usize {
        self.row.columns().len()
    }

    /// The row's only column.
    fn single(self) -> Result<Column<'a>, Mismatch> {
        let mut columns = self.columns();
        match (columns.next(), columns.next()) {
            (Some(column), None) => Ok(column),
            _ => Err(Mismatch(format!(
                "a row of {} columns cannot become a single value: read it into a struct or a tuple",
                self.count()
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
        visitor.visit_map(Columns::of(self.columns()))
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

    /// The columns in their order; but the bytes of a single binary column, which is what a `Vec<u8>` asks for.
    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Mismatch> {
        match self.columns().next() {
            Some(only) if self.count() == 1 && only.is_binary() => {
                only.deserialize_seq(visitor).map_err(|error| only.named(error))
            }
            _ => visitor.visit_seq(Columns::of(self.columns())),
        }
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, length: usize, visitor: V) -> Result<V::Value, Mismatch> {
        let count = self.count();
        if count != length {
            return Err(Mismatch(format!("a row of {count} columns cannot become a tuple of {length}")));
        }
        visitor.visit_seq(Columns::of(self.columns()))
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
struct Columns<'a, I> {
    rest: I,
    /// The column whose name was read last: its value comes next.
    named: Option<Column<'a>>,
}

impl<'a, I: Iterator<Item = Column<'a>>> Columns<'a, I> {
    fn of(columns: I) -> Self {
        Columns { rest: columns, named: None }
    }
}

impl<'a, 'de, I: Iterator<Item = Column<'a>>> de::MapAccess<'de> for Columns<'a, I> {
    type Error = Mismatch;

    fn next_key_seed<K: DeserializeSeed<'de>>(&mut self, seed: K) -> Result<Option<K::Value>, Mismatch> {
        self.named = self.rest.next();
        let Some(column) = self.named else { return Ok(None) };
        let name: StrDeserializer<'_, Mismatch> = column.name.into_deserializer();
        seed.deserialize(name).map(Some).map_err(|error| column.named(error))
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Mismatch> {
        // serde asks for a name before each value.
        let column = self.named.ok_or_else(|| Mismatch("a value without a name".to_owned()))?;
        column.read(seed)
    }
}

impl<'a, 'de, I: Iterator<Item = Column<'a>>> de::SeqAccess<'de> for Columns<'a, I> {
    type Error = Mismatch;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Mismatch> {
        self.rest.next().map(|column| column.read(seed)).transpose()
    }
}
