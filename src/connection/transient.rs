//! Which failed logins may succeed a moment later, and how long to wait between two of them.

use std::time::Duration;

/// The login errors that pass by themselves: Azure SQL moves, wakes, scales or is busy
/// (learn.microsoft.com, "Troubleshoot transient connection errors"). Not 4060, which that list has too: a misspelt
/// database or a missing user is what it means as a rule, and that is to be said at once.
pub(crate) fn is_transient(number: u32) -> bool {
    matches!(
        number,
        20 | 64
            | 233
            | 4221
            | 10053
            | 10054
            | 10060
            | 10928
            | 10929
            | 40020
            | 40143
            | 40166
            | 40197
            | 40501
            | 40540
            | 40613
            | 42108
            | 42109
            | 49918
            | 49919
            | 49920
    )
}

/// Login failed for this user. With a token that was good a moment ago, the token may just have grown stale.
pub(crate) const LOGIN_FAILED: u32 = 18456;
/// The service is busy: come back after 10 seconds.
const BUSY: u32 = 40501;

const SHORTEST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(5);

/// How long to wait after the `attempt`th failure (from 1): 0.25 to 0.5 s, twice as much each time, 2.5 to 5 s at
/// last. It is drawn by chance, so that many clients do not come back at the same moment.
pub(crate) fn backoff(attempt: u32, error_number: Option<u32>) -> Duration {
    if error_number == Some(BUSY) {
        return Duration::from_secs(10);
    }
    let longest = SHORTEST.saturating_mul(2 << attempt.saturating_sub(1).min(10)).min(LONGEST);
    longest.mul_f64(0.5 + fastrand::f64() / 2.0)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn waits_stay_between_a_quarter_of_a_second_and_five() {
        for attempt in 1..40 {
            let wait = backoff(attempt, Some(40613));
            assert!(wait >= SHORTEST && wait <= LONGEST, "{attempt}: {wait:?}");
        }
        let first: BTreeSet<_> = (0..40).map(|_| backoff(1, Some(40613))).collect();
        assert!(first.len() > 1, "not all at the same moment");
        assert!(first.iter().all(|wait| *wait <= Duration::from_millis(500)));
        assert!((0..40).all(|_| backoff(9, None) >= LONGEST / 2), "and rarely at last");
        assert_eq!(backoff(1, Some(40501)), Duration::from_secs(10));
    }
}
