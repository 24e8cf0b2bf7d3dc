//! The rows of a bulk load: COLMETADATA, ROW and NBCROW as a client sends them (MS-TDS 2.2.6.1).

use rusqlite::types::Value;

use super::{
    Bytes, Read,
    decode::{Layout, read_data, read_type},
    malformed,
};
use crate::sql::types::SqlType;

const COLMETADATA: u8 = 0x81;
const ROW: u8 = 0xD1;
const NBCROW: u8 = 0xD2;
const DONE: u8 = 0xFD;

/// A bulk load under way: its columns, and the rows not yet read.
pub(crate) struct BulkRows<'a> {
    columns: Vec<(SqlType, Layout)>,
    bytes: Bytes<'a>,
}

impl<'a> BulkRows<'a> {
    pub(crate) fn read(payload: &'a [u8]) -> Read<Self> {
        let mut bytes = Bytes(payload);
        if bytes.u8()? != COLMETADATA {
            return malformed("a bulk load that does not begin with its columns");
        }
        let count = bytes.u16()?;
        let mut columns = Vec::new();
        for _ in 0..count {
            bytes.take(6)?; // user type and flags
            let code = bytes.u8()?;
            let (sql_type, layout) = read_type(code, &mut bytes)?;
            if layout == Layout::Long {
                // The old text types name their table, part by part.
                for _ in 0..bytes.u8()? {
                    let units = bytes.u16()?;
                    bytes.text(units.into())?;
                }
            }
            bytes.short_text()?;
            columns.push((sql_type, layout));
        }
        Ok(BulkRows { columns, bytes })
    }

    pub(crate) fn width(&self) -> usize {
        self.columns.len()
    }

    /// The next row; `None` at the end.
    pub(crate) fn next_row(&mut self) -> Read<Option<Vec<Value>>> {
        if self.bytes.is_empty() {
            return Ok(None);
        }
        // One bit for each column, lowest first: whether it is NULL and so not sent (2.2.7.14).
        let nulls = match self.bytes.u8()? {
            ROW => None,
            NBCROW => Some(self.bytes.take(self.columns.len().div_ceil(8))?),
            DONE => return Ok(None),
            other => return malformed(format!("a token 0x{other:02X} among the rows of a bulk load")),
        };
        let mut row = Vec::with_capacity(self.columns.len());
        for (at, &(sql_type, layout)) in self.columns.iter().enumerate() {
            let is_null = nulls.is_some_and(|bits| bits[at / 8] >> (at % 8) & 1 != 0);
            row.push(if is_null {
                Value::Null
            } else if layout == Layout::Long {
                read_long(&mut self.bytes, sql_type)?
            } else {
                read_data(&mut self.bytes, sql_type, layout)?
            });
        }
        Ok(Some(row))
    }
}

/// A value of an old text type in a row: behind a pointer and a timestamp, which say nothing here (2.2.7.19).
fn read_long(bytes: &mut Bytes<'_>, sql_type: SqlType) -> Read<Value> {
    match bytes.u8()? {
        0 => Ok(Value::Null),
        pointer => {
            bytes.take(usize::from(pointer) + 8)?;
            read_data(bytes, sql_type, Layout::Long)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Columns `a int` and `b varchar(5)`.
    const COLUMNS: [u8; 33] = [
        0x81, 2, 0, // two columns
        0, 0, 0, 0, 9, 0, 0x26, 4, 1, b'a', 0, // a
        0, 0, 0, 0, 9, 0, 0xA7, 5, 0, 9, 4, 0xD0, 0, 0x34, 1, b'b', 0, // b
        0xD1, 4,
    ];

    #[test]
    fn rows_are_read_with_their_nulls() {
        let payload = [
            &COLUMNS[..],
            &[7, 0, 0, 0, 2, 0, b'x', b'y', 0xD1, 0, 0xFF, 0xFF, 0xD2, 1, 1, 0, b'z', 0xFD],
            &[0; 12],
        ]
        .concat();
        let mut rows = BulkRows::read(&payload).expect("columns");
        let text = |text: &str| Value::Text(text.to_owned());
        assert_eq!(rows.next_row(), Ok(Some(vec![Value::Integer(7), text("xy")])));
        assert_eq!(rows.next_row(), Ok(Some(vec![Value::Null, Value::Null])));
        assert_eq!(rows.next_row(), Ok(Some(vec![Value::Null, text("z")])));
        assert_eq!(rows.next_row(), Ok(None));
    }

    #[test]
    fn a_load_cut_anywhere_is_refused_and_never_panics() {
        for length in 0..COLUMNS.len() {
            let found = BulkRows::read(&COLUMNS[..length]).and_then(|mut rows| rows.next_row());
            assert!(found.is_err() || length == 31, "{length}");
        }
    }
}
