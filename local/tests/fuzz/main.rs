//! Clients of the Azure SQL endpoint that send anything at all: it answers or hangs up, and serves the others.

mod changes;
#[path = "../common/mod.rs"]
mod common;
mod messages;
#[path = "../../../tests/fuzz/over_time.rs"]
mod over_time;

use std::{
    panic,
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::Duration,
};

use changes::{changed, changes};
use common::{
    Azure, azure,
    wire::{Wire, sa_login},
};
use messages::{login, prelogin, request};
use over_time::fuzz;
use proptest::{collection::vec, option, prelude::*};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    runtime::Runtime,
    time::timeout,
};

/// How long the endpoint may think about anything that is sent here: a lock is waited for, but not for ever.
const PATIENCE: Duration = Duration::from_secs(20);

/// One endpoint for all tests here, in a runtime of its own: the properties are no futures.
struct Target {
    runtime: Runtime,
    azure: Azure,
    /// A session of somebody else, who must notice nothing.
    other: Mutex<Option<Wire>>,
}

/// What the endpoint's threads and tasks have said in panic since the last look.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl Target {
    fn get() -> &'static Target {
        static TARGET: OnceLock<Target> = OnceLock::new();
        TARGET.get_or_init(|| {
            let before = panic::take_hook();
            panic::set_hook(Box::new(move |info| {
                // The tests' own are failures that are reported anyway.
                if info.location().is_none_or(|location| !location.file().contains("tests/")) {
                    lock(&PANICS).push(info.to_string());
                }
                before(info);
            }));
            let runtime = Runtime::new().expect("a runtime");
            let azure = runtime.block_on(azure());
            let other = Mutex::new(Some(runtime.block_on(Wire::log_in(&azure, "sa", "Local-1"))));
            Target { runtime, azure, other }
        })
    }

    /// Nothing has panicked, and the other session is served.
    fn is_well(&self) -> Result<(), TestCaseError> {
        let panics = std::mem::take(&mut *lock(&PANICS));
        prop_assert!(panics.is_empty(), "the endpoint panicked: {panics:?}");
        let mut other = lock(&self.other);
        let session = other.as_mut().ok_or_else(|| TestCaseError::fail("the other session is gone"))?;
        let answer = self.runtime.block_on(async {
            session.send_batch("SELECT 1", 0).await;
            timeout(PATIENCE, session.read_or_end()).await
        });
        match answer {
            Ok(Some(answer)) if answer[0] == 0x81 => Ok(()),
            answer => Err(TestCaseError::fail(format!("the other session is not served: {answer:?}"))),
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Reads to the end of the connection; fails if that does not come.
async fn to_the_end(wire: &mut Wire) -> Result<Vec<Vec<u8>>, TestCaseError> {
    let mut answers = Vec::new();
    let end = timeout(PATIENCE, async {
        while let Some(answer) = wire.read_or_end().await {
            answers.push(answer);
        }
    });
    end.await.map_err(|_| TestCaseError::fail(format!("no end after {} answers", answers.len())))?;
    Ok(answers)
}

/// A packet's header around each part of a message, with what a client may get wrong in it.
fn packets() -> impl Strategy<Value = Vec<u8>> {
    let part = (request(), 0..=0xFF_u8, any::<bool>());
    vec(part, 0..3).prop_map(|parts| {
        let mut wire = Vec::new();
        for ((kind, payload), status, whole) in parts {
            let length = ((payload.len() + 8) as u16).to_be_bytes();
            // Mostly a message of one packet.
            let status = if whole { 1 } else { status };
            wire.extend([&[kind, status, length[0], length[1], 0, 0, 1, 0], &payload[..]].concat());
        }
        wire
    })
}

#[test]
fn fuzz_what_a_stranger_sends_is_answered_or_hung_up_on() {
    let wrapped = |payload: Vec<u8>| {
        let length = ((payload.len() + 8) as u16).to_be_bytes();
        [&[0x12, 1, length[0], length[1], 0, 0, 1, 0], &payload[..]].concat()
    };
    let hello = (prelogin(), changes()).prop_map(move |(bytes, changes)| wrapped(changed(bytes, &changes)));
    let record = (0..4_usize, vec(any::<u8>(), 0..60))
        .prop_map(|(kind, data)| [&[0x14 + kind as u8, 3, 3, 0, data.len() as u8], &data[..]].concat());
    let good = Just(vec![0x12, 1, 0, 15, 0, 0, 1, 0, 1, 0, 6, 0, 1, 0xFF, 1]);
    let bytes = prop_oneof![
        vec(any::<u8>(), 1..100).boxed(),
        record.clone().boxed(),
        (hello, changes()).prop_map(|(bytes, changes)| changed(bytes, &changes)).boxed(),
        (good.clone(), record.prop_map(wrapped)).prop_map(|(hello, rest)| [hello, rest].concat()).boxed(),
        (good, packets()).prop_map(|(hello, rest)| [hello, rest].concat()).boxed(),
    ];
    fuzz("strangers", bytes, |bytes| {
        let target = Target::get();
        let ended = target.runtime.block_on(async {
            let port = target.azure.endpoint.port();
            let mut socket = TcpStream::connect(("127.0.0.1", port)).await.expect("a socket");
            // It may hang up before it has read everything.
            let _ = socket.write_all(&bytes).await;
            let _ = socket.shutdown().await;
            timeout(PATIENCE, socket.read_to_end(&mut Vec::new())).await
        });
        prop_assert!(ended.is_ok(), "neither an end nor an answer");
        target.is_well()
    });
}

#[test]
fn fuzz_a_login_is_let_in_or_refused_and_nothing_else() {
    let logins = prop_oneof![
        (login(), changes()).prop_map(|(login, changes)| changed(login.message(), &changes)),
        changes().prop_map(|changes| changed(sa_login(), &changes)),
    ];
    fuzz("logins", (logins, any::<bool>()), |(mut bytes, mend)| {
        if mend && bytes.len() >= 4 {
            let length = (bytes.len() as u32).to_le_bytes();
            bytes[..4].copy_from_slice(&length);
        }
        let target = Target::get();
        target.runtime.block_on(async {
            let mut wire = Wire::log_in_with(&target.azure, &bytes).await;
            let _ = wire.send_bytes(&[], true).await;
            to_the_end(&mut wire).await
        })?;
        target.is_well()
    });
}

#[test]
fn fuzz_whole_requests_are_answered_and_broken_ones_end_the_session() {
    let session = Mutex::new(None);
    let sent = (request(), changes(), 0..4_u8);
    fuzz("whole requests", sent, |((kind, payload), changes, status)| {
        let payload = changed(payload, &changes);
        let target = Target::get();
        let mut session = lock(&session);
        target.runtime.block_on(async {
            let mut wire: Wire = match session.take() {
                Some(wire) => wire,
                None => Wire::log_in(&target.azure, "sa", "Local-1").await,
            };
            // Nobody else is kept waiting for what this one left open.
            let status = status << 3;
            wire.send(kind, status, &payload).await;
            let answer = timeout(PATIENCE, wire.read_or_end()).await;
            let answer = answer.map_err(|_| TestCaseError::fail("neither an answer nor an end"))?;
            let answer = answer.ok_or_else(|| TestCaseError::fail("an end without a word"))?;
            let done = answer.len().checked_sub(13).map(|at| answer[at]);
            prop_assert!(matches!(done, Some(0xFD..=0xFF)), "no DONE at the end of {answer:02X?}");
            // 4002 is what it says before it hangs up.
            if answer[0] == 0xAA && answer[3..7] == 4002_u32.to_le_bytes() {
                let rest = to_the_end(&mut wire).await?;
                prop_assert!(rest.is_empty(), "more after the last word");
            } else {
                *session = Some(wire);
            }
            Ok(())
        })?;
        target.is_well()
    });
}

#[test]
fn fuzz_requests_that_break_off_end_the_session() {
    let bytes = (packets(), changes()).prop_map(|(bytes, changes)| changed(bytes, &changes));
    let attention = option::of(Just([6_u8, 1, 0, 8, 0, 0, 1, 0]));
    fuzz("broken requests", (bytes, attention), |(bytes, attention)| {
        let target = Target::get();
        target.runtime.block_on(async {
            let mut wire = Wire::log_in(&target.azure, "sa", "Local-1").await;
            let bytes = [&bytes[..], &attention.unwrap_or_default()[..attention.map_or(0, |_| 8)]].concat();
            let _ = wire.send_bytes(&bytes, true).await;
            to_the_end(&mut wire).await
        })?;
        target.is_well()
    });
}
