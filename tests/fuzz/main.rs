//! What comes from outside, in every shape that it should not have: each test runs for `FUZZ_SECONDS`.

mod changes;
#[path = "../common/mod.rs"]
mod common;
mod connection_strings;
mod over_time;
mod payloads;
mod routes;

use proptest::{sample::select, strategy::Strategy};

/// One of the texts that stand between the bars.
fn one_of(texts: &'static str) -> impl Strategy<Value = &'static str> {
    select(texts.split('|').collect::<Vec<_>>())
}
