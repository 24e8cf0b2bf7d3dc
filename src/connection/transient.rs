//! Which failed logins may succeed a moment later, and how long to wait between two of them.

use std::time::Duration;

/// The login errors that pass by themselves: Azure SQL moves, wakes, scales or is busy
/// (learn.microsoft.com, "Troubleshoot transient connection errors").
pub(crate) fn is_transient(number: u32) -> bool {
    matches!(
        number,
        20 | 64
            | 233
            | 4060
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

const FIRST: Duration = Duration::from_millis(250);
const LONGEST: Duration = Duration::from_secs(5);

/// How long to wait after the `attempt`th failure (from 1): twice as long each time from 0.25 s to 5 s, less a
/// random part of up to a half, so that many clients do not come back at the same moment.
pub(crate) fn backoff(attempt: u32, error_number: Option<u32>) -> Duration {
    if error_number == Some(BUSY) {
        return Duration::from_secs(10);
    }
    let full = FIRST.saturating_mul(1 << attempt.saturating_sub(1).min(10)).min(LONGEST);
    full.mul_f64(1.0 - fastrand::f64() / 2.0).max(FIRST)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_stay_between_a_quarter_of_a_second_and_five() {
        for attempt in 1..40 {
            let wait = backoff(attempt, Some(40613));
            assert!(wait >= FIRST && wait <= LONGEST, "{attempt}: {wait:?}");
        }
        assert_eq!(backoff(1, Some(40501)), Duration::from_secs(10));
    }
}
