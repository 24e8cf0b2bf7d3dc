//! Bytes that were good, changed at some places: other values, lengths that lie, pieces lost and doubled.

use proptest::{
    collection::vec,
    prelude::*,
    sample::{Index, select},
};

use super::messages::byte;

/// What is done to good bytes.
#[derive(Debug, Clone)]
pub(crate) enum Change {
    /// Other bytes at this place, as many as these.
    Set(Index, Vec<u8>),
    Insert(Index, Vec<u8>),
    Remove(Index, usize),
    Cut(Index),
}

/// No change at all, or some.
pub(crate) fn changes() -> impl Strategy<Value = Vec<Change>> {
    // Lengths that lie: of one, two and four bytes.
    let lies = select(vec![
        vec![0],
        vec![0xFF],
        vec![0; 4],
        vec![0xFF; 2],
        vec![0xFF; 4],
        vec![0xFF, 0xFF, 0xFF, 0x7F],
        vec![0xFE, 0xFF],
        vec![0, 0x80],
        vec![0, 0, 0, 0x80],
    ]);
    let some = prop_oneof![lies, vec(byte(), 1..5)];
    let change = prop_oneof![
        4 => (any::<Index>(), some.clone()).prop_map(|(at, bytes)| Change::Set(at, bytes)),
        2 => (any::<Index>(), some).prop_map(|(at, bytes)| Change::Insert(at, bytes)),
        2 => (any::<Index>(), 1..9_usize).prop_map(|(at, count)| Change::Remove(at, count)),
        1 => any::<Index>().prop_map(Change::Cut),
    ];
    vec(change, 0..4)
}

pub(crate) fn changed(mut bytes: Vec<u8>, changes: &[Change]) -> Vec<u8> {
    for change in changes {
        let place = |index: &Index, bytes: &[u8]| index.index(bytes.len() + 1);
        match change {
            Change::Set(index, new) => {
                let at = place(index, &bytes);
                let end = (at + new.len()).min(bytes.len());
                bytes.splice(at..end, new.iter().copied());
            }
            Change::Insert(index, new) => {
                let at = place(index, &bytes);
                bytes.splice(at..at, new.iter().copied());
            }
            Change::Remove(index, count) => {
                let at = place(index, &bytes);
                let end = (at + count).min(bytes.len());
                bytes.drain(at..end);
            }
            Change::Cut(index) => bytes.truncate(place(index, &bytes)),
        }
    }
    bytes
}
