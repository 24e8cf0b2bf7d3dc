//! What reads the wire, on bytes of every kind: it never panics, holds no more than it was sent, and reads right.

#[path = "../../tests/fuzz/changes.rs"]
mod changes;
#[path = "../../tests/fuzz/messages.rs"]
mod messages;
#[path = "../../../tests/fuzz/over_time.rs"]
mod over_time;

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll},
};

use proptest::{collection::vec, prelude::*};
use rusqlite::types::Value;
use tokio::io::{AsyncRead, ReadBuf};

use crate::sql::{
    engine::script::parse,
    login::{
        login7::{Federation, Login7, federated_token},
        prelogin::Prelogin,
    },
    wire::{
        Bytes,
        decode::read_typed,
        encode::{write_type, write_value},
        packet::{HEADER, Message, PacketReader, packets},
        request::{Parameter, Request},
    },
};
use changes::{changed, changes};
use messages::{login, prelogin, request, typed};
use over_time::fuzz;

/// No message is longer here.
const LIMIT: usize = 2000;

/// A stream whose bytes arrive in these portions.
struct Portions(VecDeque<Vec<u8>>);

impl Portions {
    /// The bytes in portions of these lengths, and the rest in one.
    fn new(bytes: &[u8], lengths: &[usize]) -> Self {
        let mut rest = bytes;
        let mut portions = VecDeque::new();
        for length in lengths {
            let (portion, after) = rest.split_at((*length).min(rest.len()));
            portions.push_back(portion.to_vec());
            rest = after;
        }
        portions.push_back(rest.to_vec());
        portions.retain(|portion| !portion.is_empty());
        Portions(portions)
    }
}

impl AsyncRead for Portions {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if let Some(mut portion) = self.0.pop_front() {
            let rest = portion.split_off(portion.len().min(buf.remaining()));
            buf.put_slice(&portion);
            if !rest.is_empty() {
                self.0.push_front(rest);
            }
        }
        Poll::Ready(Ok(()))
    }
}

/// Every message up to the end or an error, and which of the two it was.
fn read_all(bytes: &[u8], lengths: &[usize]) -> (Vec<Message>, Result<(), String>) {
    let mut reader = PacketReader::new(Portions::new(bytes, lengths), LIMIT);
    let mut messages = Vec::new();
    let runtime = tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
    runtime.block_on(async {
        loop {
            match reader.next().await {
                Ok(Some(message)) => messages.push(message),
                Ok(None) => return (messages, Ok(())),
                Err(error) => return (messages, Err(error.to_string())),
            }
        }
    })
}

fn lengths() -> impl Strategy<Value = Vec<usize>> {
    vec(prop_oneof![1..10_usize, 1..700_usize], 0..20)
}

#[test]
fn fuzz_messages_come_out_of_packets_as_they_went_in_however_they_arrive() {
    let sent = vec((any::<u8>(), vec(any::<u8>(), 0..1500)), 0..4);
    fuzz("packets", (sent, 0..1100_usize, lengths()), |(sent, size, lengths)| {
        let wire: Vec<u8> =
            sent.iter().flat_map(|(kind, payload)| packets(*kind, 51, payload, size)).collect();
        let (messages, end) = read_all(&wire, &lengths);
        let read: Vec<_> = messages.into_iter().map(|message| (message.kind, message.payload)).collect();
        prop_assert_eq!((read, end), (sent, Ok(())));
        Ok(())
    });
}

#[test]
fn fuzz_bytes_that_are_no_packets_end_the_same_way_however_they_arrive() {
    let packets = vec((request(), 0..600_usize), 0..3).prop_map(|sent| {
        sent.iter().flat_map(|((kind, payload), size)| packets(*kind, 0, payload, *size)).collect::<Vec<u8>>()
    });
    // Any number of packets may make a message, up to the limit.
    let kind = prop_oneof![9 => Just(1), 1 => any::<u8>()];
    let status = prop_oneof![4 => Just(0), 1 => Just(1), 1 => any::<u8>()];
    let raw = (kind, status, 0..900_u16).prop_map(|(kind, status, length)| {
        let size = (length + 8).to_be_bytes();
        [&[kind, status, size[0], size[1], 0, 0, 0, 0], &vec![0; length.into()][..]].concat()
    });
    let wire = prop_oneof![
        1 => vec(any::<u8>(), 0..200),
        2 => vec(raw, 0..9).prop_map(|packets| packets.concat()),
        4 => (packets, changes()).prop_map(|(bytes, changes)| changed(bytes, &changes)),
    ];
    fuzz("broken packets", (wire, lengths()), |(wire, lengths)| {
        let whole = read_all(&wire, &[]);
        prop_assert_eq!(&whole, &read_all(&wire, &lengths));
        let held: usize = whole.0.iter().map(|message| message.payload.capacity()).sum();
        prop_assert!(whole.0.iter().all(|message| message.payload.len() <= LIMIT), "over the limit");
        prop_assert!(
            whole.0.len() * HEADER <= wire.len() && held <= 2 * wire.len() + 64,
            "{held} bytes held"
        );
        Ok(())
    });
}

#[test]
fn fuzz_prelogins_are_read_or_refused_and_the_answer_is_one() {
    let bytes = prop_oneof![
        1 => vec(any::<u8>(), 0..60),
        4 => (prelogin(), changes()).prop_map(|(bytes, changes)| changed(bytes, &changes)),
    ];
    fuzz("PRELOGIN", bytes, |bytes| {
        if let Ok(read) = Prelogin::read(&bytes) {
            let answer = Prelogin::read(&read.answer());
            prop_assert!(
                answer.is_ok_and(|answer| answer.federated == read.federated && answer.can_encrypt())
            );
        }
        Ok(())
    });
}

#[test]
fn fuzz_logins_are_read_as_they_were_written() {
    fuzz("LOGIN7", login(), |login| {
        let read = Login7::read(&login.message());
        if matches!(login.federation, Some((0 | 3.., _))) {
            prop_assert!(read.is_err(), "an unknown library");
            return Ok(());
        }
        let read = read.map_err(|error| TestCaseError::fail(error.to_string()))?;
        let texts = [&read.host, &read.user, &read.password, &read.application, &read.server, &read.database];
        let [host, user, password, application, server] = &login.texts;
        prop_assert_eq!(texts, [host, user, password, application, server, &login.database]);
        prop_assert_eq!(read.packet_size, login.packet_size);
        let federation = login.federation.map(|(library, token)| match library {
            1 => Federation::Token(token),
            _ => Federation::Asks,
        });
        prop_assert!(read.federation == federation);
        Ok(())
    });
}

#[test]
fn fuzz_broken_logins_are_read_or_refused_and_never_shown() {
    let secret = "zq7secret9";
    let login = login().prop_map(move |mut login| {
        login.texts[2] = secret.to_owned();
        login
    });
    let bytes = (login, changes(), any::<bool>()).prop_map(|(login, changes, mend)| {
        let mut bytes = changed(login.message(), &changes);
        // With its true length more is read than that.
        if mend && bytes.len() >= 4 {
            let length = (bytes.len() as u32).to_le_bytes();
            bytes[..4].copy_from_slice(&length);
        }
        bytes
    });
    fuzz("broken LOGIN7", prop_oneof![1 => vec(any::<u8>(), 0..120), 6 => bytes], |bytes| {
        let shown = format!("{:?}", Login7::read(&bytes));
        prop_assert!(!shown.contains(secret), "{shown}");
        let _ = federated_token(&bytes);
        Ok(())
    });
}

/// The most address space that this process ever had, in bytes; 0 where the system does not say.
fn peak() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmPeak:")?.strip_suffix("kB"));
    line.and_then(|kilobytes| kilobytes.trim().parse::<usize>().ok()).map_or(0, |kilobytes| kilobytes << 10)
}

/// How many bytes a request holds, those that it keeps in reserve among them.
fn held(request: &Request) -> usize {
    let parameter = |parameter: &Parameter| {
        let value = match &parameter.value {
            Value::Text(text) => text.capacity(),
            Value::Blob(blob) => blob.capacity(),
            _ => 0,
        };
        parameter.name.capacity() + value
    };
    match request {
        Request::Batch(text) => text.capacity(),
        Request::Transaction(_) => 0,
        Request::Bulk(rows) => rows.capacity(),
        Request::Calls(calls) => calls.iter().fold(size_of_val(&calls[..]), |sum, call| {
            let parameters: usize = call.parameters.iter().map(parameter).sum();
            sum + call.procedure.capacity() + parameters + size_of_val(&call.parameters[..])
        }),
    }
}

#[test]
fn fuzz_requests_are_read_or_refused_and_hold_no_more_than_was_sent() {
    let sent = (request(), changes()).prop_map(|((kind, bytes), changes)| (kind, changed(bytes, &changes)));
    fuzz("requests", sent, |(kind, bytes)| {
        let before = peak();
        let read = Request::read(kind, &bytes);
        // The allocator may take some hundred megabytes of addresses for other threads meanwhile.
        prop_assert!(peak() - before < 1 << 30, "{} bytes taken for a moment", peak() - before);
        if let Ok(request) = read {
            let held = held(&request);
            prop_assert!(held <= 100 * bytes.len() + 100, "{held} bytes held of {}", bytes.len());
        }
        Ok(())
    });
}

#[test]
fn fuzz_a_value_that_was_read_can_be_written_and_read_again() {
    let value = (typed(), changes()).prop_map(|(bytes, changes)| changed(bytes, &changes));
    fuzz("typed values", prop_oneof![typed().boxed(), value.boxed()], |bytes| {
        let Ok((sql_type, value)) = read_typed(&mut Bytes(&bytes)) else { return Ok(()) };
        let mut wire = Vec::new();
        write_type(&mut wire, sql_type);
        if write_value(&mut wire, sql_type, &value).is_none() {
            return Ok(());
        }
        let mut rest = Bytes(&wire);
        let again =
            read_typed(&mut rest).map_err(|error| TestCaseError::fail(format!("{value:?}: {error}")))?;
        prop_assert!(rest.is_empty(), "{value:?} was written with bytes to spare");
        // What is longer than its type says is cut.
        let may_differ = sql_type.length().is_some_and(|length| length > 0) || is_near(&value, &again.1);
        prop_assert!(again == (sql_type, value.clone()) || may_differ, "{value:?} became {again:?}");
        Ok(())
    });
}

/// A decimal is kept as an integer or as the nearest float, and NaN equals nothing.
fn is_near(one: &Value, other: &Value) -> bool {
    let number = |value: &Value| match value {
        Value::Integer(number) => Some(*number as f64),
        Value::Real(number) => Some(*number),
        _ => None,
    };
    match (number(one), number(other)) {
        _ if matches!((one, other), (Value::Integer(_), Value::Integer(_))) => false,
        (Some(one), Some(other)) if one.is_nan() => other.is_nan(),
        (Some(one), Some(other)) => (one - other).abs() <= one.abs() * 1e-14,
        _ => false,
    }
}

#[test]
fn fuzz_no_text_makes_the_reader_of_t_sql_panic() {
    let words = messages::words();
    fuzz("T-SQL", prop_oneof![any::<String>().boxed(), words.boxed()], |text| {
        let _ = parse(&text);
        Ok(())
    });
}
