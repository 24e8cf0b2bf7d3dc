//! What a client asks after its login: batches, procedure calls and transaction requests (MS-TDS 2.2.6.6 to
//! 2.2.6.8), read from their messages.

use rusqlite::types::Value;

use super::{Bytes, Read, decode::read_typed, malformed, packet::kind, utf16};
use crate::sql::types::SqlType;

/// The most calls and parameters in one message. One of them takes three bytes there and twenty times that in memory,
/// and a call without a procedure has an answer of hundreds.
const MOST_PARTS: usize = 100_000;

/// A request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Request {
    /// T-SQL text.
    Batch(String),
    /// Procedures, called one after another.
    Calls(Vec<Call>),
    Transaction(TransactionRequest),
    /// The rows of a bulk load, unread: read, they can take twenty times the memory.
    Bulk(Vec<u8>),
}

/// One procedure call.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Call {
    pub(crate) procedure: String,
    pub(crate) parameters: Vec<Parameter>,
}

/// A parameter: `name` with its `@`, or empty.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Parameter {
    pub(crate) name: String,
    pub(crate) output: bool,
    pub(crate) sql_type: SqlType,
    pub(crate) value: Value,
}

/// A Transaction Manager request.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum TransactionRequest {
    Begin { isolation: u8 },
    Commit { begin_next: Option<u8> },
    Rollback { savepoint: String, begin_next: Option<u8> },
    Save { savepoint: String },
}

impl Request {
    pub(crate) fn read(message_kind: u8, payload: &[u8]) -> Read<Self> {
        let mut bytes = Bytes(payload);
        match message_kind {
            kind::BATCH => {
                skip_headers(&mut bytes)?;
                utf16(bytes.0).map(Request::Batch)
            }
            kind::RPC => {
                skip_headers(&mut bytes)?;
                let (mut calls, mut parts) = (Vec::new(), 0);
                while calls.is_empty() || !bytes.is_empty() {
                    let call = read_call(&mut bytes)?;
                    parts += 1 + call.parameters.len();
                    if parts > MOST_PARTS {
                        return malformed(format!(
                            "more than {MOST_PARTS} calls and parameters in one message"
                        ));
                    }
                    calls.push(call);
                }
                Ok(Request::Calls(calls))
            }
            kind::TRANSACTION => {
                skip_headers(&mut bytes)?;
                read_transaction(&mut bytes).map(Request::Transaction)
            }
            kind::BULK => Ok(Request::Bulk(payload.to_vec())),
            other => {
                let name = match other {
                    0x11 => "SSPI",
                    _ => "unknown",
                };
                malformed(format!(
                    "a message of type 0x{other:02X} ({name}) is not supported by the local Azure SQL endpoint"
                ))
            }
        }
    }
}

/// ALL_HEADERS (2.2.5.3): the total length counts itself.
fn skip_headers(bytes: &mut Bytes<'_>) -> Read<()> {
    match bytes.length()?.checked_sub(4) {
        Some(rest) => bytes.take(rest).map(drop),
        None => malformed("ALL_HEADERS shorter than its own length"),
    }
}

/// The procedures that are called by number (2.2.6.6, ProcID).
const NUMBERED: [&str; 16] = [
    "",
    "sp_cursor",
    "sp_cursoropen",
    "sp_cursorprepare",
    "sp_cursorexecute",
    "sp_cursorprepexec",
    "sp_cursorunprepare",
    "sp_cursorfetch",
    "sp_cursoroption",
    "sp_cursorclose",
    "sp_executesql",
    "sp_prepare",
    "sp_execute",
    "sp_prepexec",
    "sp_prepexecrpc",
    "sp_unprepare",
];

fn read_call(bytes: &mut Bytes<'_>) -> Read<Call> {
    let procedure = match bytes.u16()? {
        0xFFFF => match bytes.u16()? {
            number @ 1..=15 => NUMBERED[usize::from(number)].to_owned(),
            other => return malformed(format!("there is no system procedure number {other}")),
        },
        units => bytes.text(units.into())?,
    };
    bytes.u16()?; // options: recompilation and metadata, which change nothing here
    let mut parameters = Vec::new();
    while !bytes.is_empty() {
        // A flag between two calls of one request (2.2.6.6, BatchFlag).
        if matches!(bytes.0[0], 0x80 | 0xFF | 0xFE) {
            bytes.u8()?;
            break;
        }
        let name = bytes.short_text()?;
        let flags = bytes.u8()?;
        let (sql_type, value) = read_typed(bytes)?;
        parameters.push(Parameter { name, output: flags & 0x01 != 0, sql_type, value });
        if parameters.len() > 2200 {
            return malformed("more than 2100 parameters");
        }
    }
    Ok(Call { procedure, parameters })
}

fn read_transaction(bytes: &mut Bytes<'_>) -> Read<TransactionRequest> {
    let request = bytes.u16()?;
    let next = |bytes: &mut Bytes<'_>| -> Read<Option<u8>> {
        if bytes.is_empty() || bytes.u8()? & 1 == 0 {
            return Ok(None);
        }
        let isolation = bytes.u8()?;
        read_name(bytes)?;
        Ok(Some(isolation))
    };
    Ok(match request {
        5 => {
            let isolation = bytes.u8()?;
            read_name(bytes)?;
            TransactionRequest::Begin { isolation }
        }
        7 => {
            read_name(bytes)?;
            TransactionRequest::Commit { begin_next: next(bytes)? }
        }
        8 => {
            let savepoint = read_name(bytes)?;
            TransactionRequest::Rollback { savepoint, begin_next: next(bytes)? }
        }
        9 => TransactionRequest::Save { savepoint: read_name(bytes)? },
        other => {
            return malformed(format!(
                "Transaction Manager request {other} (distributed transactions) is not supported by the local Azure \
                 SQL endpoint"
            ));
        }
    })
}

/// A transaction's name. MS-TDS 2.2.6.8 counts it in bytes, and some clients in characters: what is there decides.
fn read_name(bytes: &mut Bytes<'_>) -> Read<String> {
    let count = usize::from(bytes.u8()?);
    let in_characters = bytes.0.len() >= count * 2 && (count % 2 != 0 || bytes.0.len() <= count * 2 + 1);
    utf16(bytes.take(if in_characters { count * 2 } else { count })?)
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADERS: [u8; 22] = [22, 0, 0, 0, 18, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];

    fn message(rest: &[u8]) -> Vec<u8> {
        [&HEADERS, rest].concat()
    }

    #[test]
    fn a_numbered_call_reads_its_parameters() {
        let payload = message(&[0xFF, 0xFF, 10, 0, 0, 0, 2, b'@', 0, b'n', 0, 0, 0x26, 4, 4, 7, 0, 0, 0]);
        let Request::Calls(calls) = Request::read(kind::RPC, &payload).expect("a call") else {
            panic!("a call")
        };
        assert_eq!(calls[0].procedure, "sp_executesql");
        assert_eq!(
            (calls[0].parameters[0].name.as_str(), &calls[0].parameters[0].value),
            ("@n", &Value::Integer(7))
        );
    }

    #[test]
    fn a_name_counted_in_bytes_or_in_characters_is_the_same_name() {
        for count in [2, 4] {
            let payload = message(&[8, 0, count, b's', 0, b'1', 0, 0]);
            let request = Request::read(kind::TRANSACTION, &payload).expect("a request");
            let Request::Transaction(TransactionRequest::Rollback { savepoint, .. }) = request else {
                panic!("a rollback")
            };
            assert_eq!(savepoint, "s1");
        }
    }

    #[test]
    fn a_message_of_nothing_but_calls_is_refused_before_it_fills_the_memory() {
        for (count, good) in [(1000, true), (200_000, false)] {
            let calls = [0, 0, 0, 0, 0xFF].repeat(count);
            assert_eq!(Request::read(kind::RPC, &message(&calls)).is_ok(), good, "{count} calls");
        }
    }

    #[test]
    fn what_is_not_known_is_named() {
        let error = Request::read(0x11, &[]).expect_err("SSPI");
        assert!(error.to_string().contains("0x11 (SSPI)"), "{error}");
        assert!(Request::read(kind::BATCH, &[3, 0, 0, 0]).is_err());
        assert!(Request::read(kind::TRANSACTION, &message(&[0, 0])).is_err());
    }
}
