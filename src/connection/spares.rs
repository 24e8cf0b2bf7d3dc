//! How many connections are worth having ready: as many as arrive while one is being opened.

use std::time::Duration;

use tokio::time::Instant;

/// Without an invocation for this long no connection is kept: a serverless database pauses when nobody is connected.
const QUIET: Duration = Duration::from_secs(60);
/// Over how long arrivals are counted: the one notices a burst, the other remembers it.
const SHORT: Duration = Duration::from_secs(5);
const LONG: Duration = Duration::from_secs(120);
/// What the last opening weighs in the time that one takes.
const WEIGHT: f64 = 0.2;
/// After an opening that failed, no spare one is opened for this long at first, and twice as long each time, up to
/// [`QUIET`].
const FIRST_PAUSE: Duration = Duration::from_secs(1);

/// What the last minutes needed.
#[derive(Debug)]
pub(super) struct Demand {
    /// No more than these, whatever comes.
    most: usize,
    last: Instant,
    short: Rate,
    long: Rate,
    /// How long an opening takes, in seconds.
    opening: f64,
    failures: u32,
    paused_until: Instant,
}

impl Demand {
    /// At the start an invocation is expected.
    pub(super) fn new(most: usize, now: Instant) -> Self {
        let rate = |over| Rate { over, at: now, per_second: 0.0 };
        let (short, long) = (rate(SHORT), rate(LONG));
        Demand { most, last: now, short, long, opening: 0.0, failures: 0, paused_until: now }
    }

    /// An invocation wants a session.
    pub(super) fn arrived(&mut self, now: Instant) {
        self.last = now;
        self.short.count(now);
        self.long.count(now);
    }

    /// A connection was opened, by whomever, which took so long.
    pub(super) fn opened(&mut self, took: Duration) {
        let took = took.as_secs_f64();
        self.opening = if self.opening == 0.0 { took } else { self.opening + WEIGHT * (took - self.opening) };
        self.failures = 0;
    }

    /// No spare connection could be opened. Returns how long none is tried.
    pub(super) fn failed(&mut self, now: Instant) -> Duration {
        let pause = FIRST_PAUSE.saturating_mul(1 << self.failures.min(10)).min(QUIET);
        self.failures += 1;
        self.paused_until = now + pause;
        pause
    }

    /// How many connections should be ready. Little's law says how many invocations arrive while one connection is
    /// opened, on average; that many and a standard deviation of it, for they do not come evenly.
    pub(super) fn wanted(&self, now: Instant) -> usize {
        if now >= self.quiet_from() {
            return 0;
        }
        let rate = self.short.at(now).max(self.long.at(now));
        let meanwhile = rate * self.opening;
        let wanted = (meanwhile + meanwhile.sqrt()).ceil() as usize;
        // While the database fails, one at a time finds out when it is back.
        let most = if self.failures > 0 { self.most.min(1) } else { self.most };
        wanted.max(1).min(most)
    }

    /// When openings may be tried, after one that failed.
    pub(super) fn paused_until(&self) -> Option<Instant> {
        (self.failures > 0).then_some(self.paused_until)
    }

    /// When the app counts as quiet, if no invocation comes until then.
    pub(super) fn quiet_from(&self) -> Instant {
        self.last + QUIET
    }
}

/// Arrivals per second, of which older ones count ever less.
#[derive(Debug)]
struct Rate {
    over: Duration,
    at: Instant,
    per_second: f64,
}

impl Rate {
    fn at(&self, now: Instant) -> f64 {
        let age = now.saturating_duration_since(self.at).as_secs_f64() / self.over.as_secs_f64();
        self.per_second * (-age).exp()
    }

    fn count(&mut self, now: Instant) {
        self.per_second = self.at(now) + 1.0 / self.over.as_secs_f64();
        self.at = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// The demand after arrivals at this pace for so long, each opening taking so long.
    fn after(per_second: u32, seconds: u32, opening: Duration) -> (Demand, Instant) {
        let mut now = Instant::now();
        let mut demand = Demand::new(100, now);
        for _ in 0..per_second * seconds {
            now += Duration::from_secs(1) / per_second;
            demand.arrived(now);
            demand.opened(opening);
        }
        (demand, now)
    }

    #[test]
    fn as_many_are_wanted_as_arrive_while_one_is_opened_and_a_deviation() {
        for (per_second, opening, wanted) in [(20, 55 * MS, 3), (1, 2 * MS, 1), (100, 100 * MS, 14)] {
            let (demand, now) = after(per_second, 60, opening);
            assert_eq!(demand.wanted(now), wanted, "{per_second} a second, {opening:?} each");
        }
    }

    #[test]
    fn a_burst_is_noticed_within_seconds_and_remembered_for_minutes() {
        let (demand, now) = after(20, 5, 55 * MS);
        assert_eq!(demand.wanted(now), 2);
        let (mut demand, now) = after(20, 120, 100 * MS);
        let later = now + Duration::from_secs(50);
        demand.arrived(later);
        assert_eq!(demand.wanted(later), 2);
    }

    #[test]
    fn one_is_wanted_at_the_start_and_none_after_a_minute_without_an_invocation() {
        let now = Instant::now();
        let mut demand = Demand::new(4, now);
        assert_eq!(demand.wanted(now), 1);
        assert_eq!(demand.wanted(now + QUIET), 0);
        demand.arrived(now + 2 * QUIET);
        assert_eq!(demand.wanted(now + 2 * QUIET), 1);
        assert_eq!(Demand::new(0, now).wanted(now), 0, "switched off");
    }

    #[test]
    fn never_more_than_the_setting_are_wanted() {
        let (mut demand, now) = after(1000, 30, 100 * MS);
        assert_eq!(demand.wanted(now), 100);
        demand.most = 4;
        assert_eq!(demand.wanted(now), 4);
    }

    #[test]
    fn while_openings_fail_one_is_tried_after_ever_longer_pauses() {
        let (mut demand, now) = after(100, 30, 100 * MS);
        let pauses: Vec<_> = (0..8).map(|_| demand.failed(now).as_secs()).collect();
        assert_eq!(pauses, [1, 2, 4, 8, 16, 32, 60, 60]);
        assert_eq!(demand.wanted(now), 1);
        assert_eq!(demand.paused_until(), Some(now + QUIET));
        demand.opened(100 * MS);
        assert_eq!(demand.paused_until(), None);
        assert!(demand.wanted(now) > 1);
    }
}
