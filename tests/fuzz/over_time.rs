//! Runs a property on ever new values until `FUZZ_SECONDS` are over; both packages' fuzz tests are made with it.

use std::time::{Duration, Instant};

use proptest::{
    strategy::Strategy,
    test_runner::{Config, RngSeed, TestCaseResult, TestError, TestRunner},
};

/// Every batch has a seed of its own, by which it can be run again.
const BATCH: u32 = 64;

/// Tries the property for as many seconds as `FUZZ_SECONDS` says, 2 where it says nothing.
///
/// A failure names the smallest value that shows it, and the seed: with `PROPTEST_RNG_SEED` set to that, the first
/// values of the next run are the ones that failed.
pub(crate) fn fuzz<S: Strategy>(name: &str, strategy: S, property: impl Fn(S::Value) -> TestCaseResult) {
    let seconds = std::env::var("FUZZ_SECONDS").ok().and_then(|text| text.trim().parse().ok()).unwrap_or(2);
    let (start, time) = (Instant::now(), Duration::from_secs(seconds));
    // The seed of the environment, if there is one.
    let first = match Config::default().rng_seed {
        RngSeed::Fixed(seed) => seed,
        RngSeed::Random => uuid::Uuid::new_v4().as_u64_pair().0,
    };
    let mut cases = 0_u64;
    for batch in 0.. {
        let seed = first.wrapping_add(batch);
        let config = Config {
            cases: BATCH,
            failure_persistence: None,
            rng_seed: RngSeed::Fixed(seed),
            // A value of some kilobytes is small after these; without a limit a slow property would take minutes.
            max_shrink_iters: 20_000,
            ..Config::default()
        };
        match TestRunner::new(config).run(&strategy, &property) {
            Ok(()) => cases += u64::from(BATCH),
            Err(TestError::Fail(reason, value)) => {
                panic!("{name}: {reason}\nminimal input: {value:?}\nseed: PROPTEST_RNG_SEED={seed}")
            }
            Err(TestError::Abort(reason)) => panic!("{name} was given up: {reason}"),
        }
        if start.elapsed() >= time {
            break;
        }
    }
    println!("{name}: {cases} cases, {:.0} a second", cases as f64 / start.elapsed().as_secs_f64());
}
