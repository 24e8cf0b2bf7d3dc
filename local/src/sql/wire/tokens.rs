//! The token stream of an answer (MS-TDS 2.2.7): what the server says.

use rusqlite::types::Value;

use super::{
    encode::{fixed_type, write_fixed, write_type, write_value},
    put_long_text, put_short_text,
};
use crate::sql::{errors::SqlError, types::SqlType};

const DONE_MORE: u16 = 0x01;
const DONE_ERROR: u16 = 0x02;
const DONE_IN_TRANSACTION: u16 = 0x04;
const DONE_COUNT: u16 = 0x10;
const DONE_ATTENTION: u16 = 0x20;

/// Which of the three DONE tokens ends a statement: of a batch, inside a procedure, of a procedure.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Done {
    Statement,
    InProcedure,
    Procedure,
}

/// A column of an answer.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Column {
    pub(crate) name: String,
    pub(crate) sql_type: SqlType,
    /// It cannot be NULL.
    pub(crate) required: bool,
    /// Its values come from the server: a bulk load leaves it out.
    pub(crate) identity: bool,
}

impl Column {
    fn fixed(&self) -> Option<u8> {
        fixed_type(self.sql_type).filter(|_| self.required)
    }
}

/// The answer under way.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    pub(crate) out: Vec<u8>,
    /// Where the status of the last DONE lies: only the last of an answer says that no more follows.
    last_done: Option<usize>,
    pub(crate) server: String,
}

impl Tokens {
    pub(crate) fn new(server: &str) -> Self {
        Tokens { server: server.to_owned(), ..Tokens::default() }
    }

    pub(crate) fn token(&mut self, code: u8, body: impl FnOnce(&mut Vec<u8>)) {
        let mut content = Vec::new();
        body(&mut content);
        self.out.push(code);
        self.out.extend_from_slice(&(content.len() as u16).to_le_bytes());
        self.out.extend(content);
    }

    pub(crate) fn environment(&mut self, kind: u8, body: impl FnOnce(&mut Vec<u8>)) {
        self.token(0xE3, |out| {
            out.push(kind);
            body(out);
        });
    }

    pub(crate) fn environment_texts(&mut self, kind: u8, new: &str, old: &str) {
        self.environment(kind, |out| {
            put_short_text(out, new);
            put_short_text(out, old);
        });
    }

    /// ERROR, or INFO for a class of 10 and below.
    pub(crate) fn report(&mut self, report: &SqlError, procedure: &str) {
        let server = self.server.clone();
        self.token(if report.class > 10 { 0xAA } else { 0xAB }, |out| {
            out.extend_from_slice(&report.number.to_le_bytes());
            out.extend_from_slice(&[report.state, report.class]);
            put_long_text(out, &report.message);
            put_short_text(out, &server);
            put_short_text(out, procedure);
            out.extend_from_slice(&report.line.to_le_bytes());
        });
    }

    /// The session was reset (ENVCHANGE 18).
    pub(crate) fn was_reset(&mut self) {
        self.environment(18, |out| out.extend_from_slice(&[0, 0]));
    }

    pub(crate) fn began(&mut self, descriptor: u64) {
        self.environment(8, |out| {
            out.push(8);
            out.extend_from_slice(&descriptor.to_le_bytes());
            out.push(0);
        });
    }

    pub(crate) fn ended(&mut self, committed: bool, descriptor: u64) {
        self.environment(if committed { 9 } else { 10 }, |out| {
            out.extend_from_slice(&[0, 8]);
            out.extend_from_slice(&descriptor.to_le_bytes());
        });
    }

    /// COLMETADATA (2.2.7.4).
    pub(crate) fn columns(&mut self, columns: &[Column]) {
        self.out.push(0x81);
        self.out.extend_from_slice(&(columns.len() as u16).to_le_bytes());
        for column in columns {
            self.out.extend_from_slice(&0u32.to_le_bytes());
            // Whether it is nullable, and whether it is updated: "unknown", or not, as an identity.
            let updated: u16 = if column.identity { 0x0010 } else { 0x0008 };
            self.out.extend_from_slice(&(updated | u16::from(!column.required)).to_le_bytes());
            match column.fixed() {
                Some(code) => self.out.push(code),
                None => write_type(&mut self.out, column.sql_type),
            }
            put_short_text(&mut self.out, &column.name);
        }
    }

    /// ROW (2.2.7.19), or NBCROW (2.2.7.13) where that is no longer; `None`, and nothing of it, when a value is not of
    /// its column's type.
    pub(crate) fn row(&mut self, columns: &[Column], values: &[Value]) -> Option<()> {
        let start = self.out.len();
        let nulls = values.iter().filter(|value| **value == Value::Null).count();
        // A NULL in a row takes a byte at least; a bitmap takes one for eight columns, NULL or not.
        let compressed = nulls > 0 && nulls >= columns.len().div_ceil(8);
        if compressed {
            self.out.push(0xD2);
            let bit = |(at, value): (usize, &Value)| u8::from(*value == Value::Null) << at;
            self.out.extend(values.chunks(8).map(|eight| eight.iter().enumerate().map(bit).sum::<u8>()));
        } else {
            self.out.push(0xD1);
        }
        let sent = |(_, value): &(&Column, &Value)| !(compressed && **value == Value::Null);
        let written =
            columns.iter().zip(values).filter(sent).try_for_each(|(column, value)| match column.fixed() {
                Some(_) => write_fixed(&mut self.out, column.sql_type, value),
                None => write_value(&mut self.out, column.sql_type, value),
            });
        if written.is_none() {
            // Half a row would make what follows it unreadable.
            self.out.truncate(start);
        }
        written
    }

    pub(crate) fn return_status(&mut self, status: i32) {
        self.out.push(0x79);
        self.out.extend_from_slice(&status.to_le_bytes());
    }

    /// RETURNVALUE (2.2.7.18): an output parameter.
    pub(crate) fn return_value(&mut self, ordinal: u16, name: &str, sql_type: SqlType, value: &Value) {
        self.out.push(0xAC);
        self.out.extend_from_slice(&ordinal.to_le_bytes());
        put_short_text(&mut self.out, name);
        self.out.push(0x01);
        self.out.extend_from_slice(&[0; 6]);
        let kept = self.out.len();
        write_type(&mut self.out, sql_type);
        if write_value(&mut self.out, sql_type, value).is_none() {
            self.out.truncate(kept);
            let sql_type = SqlType::of_values([value].into_iter());
            write_type(&mut self.out, sql_type);
            // A value always is of the type that was made for it.
            let _ = write_value(&mut self.out, sql_type, value);
        }
    }

    /// DONE, DONEINPROC or DONEPROC (2.2.7.6), which says for now that more follows.
    pub(crate) fn done(&mut self, done: Done, count: Option<u64>, failed: bool, in_transaction: bool) {
        let mut status = DONE_MORE;
        for (on, bit) in
            [(count.is_some(), DONE_COUNT), (failed, DONE_ERROR), (in_transaction, DONE_IN_TRANSACTION)]
        {
            if on {
                status |= bit;
            }
        }
        self.out.push(match done {
            Done::Statement => 0xFD,
            Done::Procedure => 0xFE,
            Done::InProcedure => 0xFF,
        });
        self.last_done = Some(self.out.len());
        self.out.extend_from_slice(&status.to_le_bytes());
        // The current command's kind, which no client needs.
        self.out.extend_from_slice(&[0, 0]);
        self.out.extend_from_slice(&count.unwrap_or(0).to_le_bytes());
    }

    /// DONE that acknowledges an ATTENTION.
    pub(crate) fn attention_done(&mut self) {
        self.done(Done::Statement, None, false, false);
        self.set_last(|status| status | DONE_ATTENTION);
    }

    /// The whole answer; its last DONE says that nothing follows.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        if self.last_done.is_none() {
            self.done(Done::Statement, None, false, false);
        }
        self.set_last(|status| status & !DONE_MORE);
        self.out
    }

    fn set_last(&mut self, change: impl Fn(u16) -> u16) {
        if let Some(at) = self.last_done {
            let status = change(u16::from_le_bytes([self.out[at], self.out[at + 1]]));
            self.out[at..at + 2].copy_from_slice(&status.to_le_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_last_done_says_that_nothing_follows() {
        let mut tokens = Tokens::new("s");
        tokens.done(Done::Statement, Some(3), false, false);
        tokens.done(Done::Statement, None, true, true);
        let out = tokens.finish();
        assert_eq!(out.len(), 26);
        assert_eq!((out[1], out[5]), (0x11, 3));
        assert_eq!(out[14], 0x06);
    }

    #[test]
    fn a_row_that_cannot_be_written_leaves_nothing_behind() {
        let mut tokens = Tokens::new("s");
        let column = |sql_type| Column { name: String::new(), sql_type, required: false, identity: false };
        let columns = [column(SqlType::Int), column(SqlType::Guid)];
        assert_eq!(tokens.row(&columns, &[Value::Integer(1), Value::Integer(2)]), None);
        assert_eq!(tokens.out, Vec::<u8>::new());
    }

    #[test]
    fn a_column_that_is_never_null_has_a_type_without_a_length() {
        for (required, expected) in [
            (true, &[0x81, 1, 0, 0, 0, 0, 0, 0x08, 0, 0x38, 0, 0xD1, 7, 0, 0, 0][..]),
            (false, &[0x81, 1, 0, 0, 0, 0, 0, 0x09, 0, 0x26, 4, 0, 0xD1, 4, 7, 0, 0, 0][..]),
        ] {
            let mut tokens = Tokens::new("s");
            let columns = [Column { name: String::new(), sql_type: SqlType::Int, required, identity: false }];
            tokens.columns(&columns);
            assert_eq!(tokens.row(&columns, &[Value::Integer(7)]), Some(()));
            assert_eq!(tokens.out, expected);
        }
    }

    #[test]
    fn nulls_are_bits_where_a_bitmap_takes_no_more_room_than_they_do() {
        let column =
            Column { name: String::new(), sql_type: SqlType::TinyInt, required: false, identity: false };
        let row = |values: &[Option<i64>]| {
            let mut tokens = Tokens::new("s");
            let columns = vec![column.clone(); values.len()];
            let values: Vec<Value> =
                values.iter().map(|value| value.map_or(Value::Null, Value::Integer)).collect();
            assert_eq!(tokens.row(&columns, &values), Some(()));
            tokens.out
        };
        assert_eq!(row(&[Some(7), Some(8)]), [0xD1, 1, 7, 1, 8]);
        assert_eq!(row(&[Some(7), None]), [0xD2, 0b10, 1, 7]);
        assert_eq!(row(&[None]), [0xD2, 1]);
        // Nine columns need two bytes of bits: one NULL is shorter as what it is, two are not longer.
        let mut nine = [Some(1); 9];
        nine[8] = None;
        assert_eq!(row(&nine)[0], 0xD1);
        nine[0] = None;
        assert_eq!(row(&nine)[..4], [0xD2, 1, 1, 1]);
    }
}
