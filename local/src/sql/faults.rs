//! The faults that an Azure SQL endpoint is told to show, and what is left of them.

use std::time::{Duration, Instant};

/// The longest that a connection is held in a stall that its client's hanging up does not end.
pub(crate) const LONGEST_STALL: Duration = Duration::from_secs(60);
/// The error of a database that is not there for the moment.
const NOT_AVAILABLE: u32 = 40613;

/// The faults that an Azure SQL endpoint shows; none by default.
#[derive(Debug, Clone, Default)]
pub struct Faults {
    /// How long what is sent takes, each way: a round trip takes twice this. The first bytes of a connection come
    /// one more round trip late, for TCP's own handshake. Zero by default.
    pub latency: Duration,
    /// The next this many logins are refused, with this error number.
    pub fail_logins: Option<(usize, u32)>,
    /// Trouble at one stage of the next connections.
    pub at: Option<AtStage>,
    /// Each connection is reset once this many bytes have crossed it: those on the socket, TLS and all, both
    /// directions counted together.
    pub drop_after: Option<u64>,
    /// A serverless database that is asleep: the first login wakes it, and logins are refused with 40613 until
    /// this long after that. Such logins use up none of `fail_logins`.
    pub paused: Option<Duration>,
}

/// Trouble at one stage of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AtStage {
    /// Where it is met.
    pub stage: Stage,
    /// What is met there.
    pub trouble: Trouble,
    /// How many connections meet it; `usize::MAX` is every one. One that has met it goes on meeting it, at each of
    /// its requests where the stage is [`Stage::Query`].
    pub connections: usize,
}

/// A stage of a connection. Trouble is met there in the place of what the server would send.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// The client's PRELOGIN has come (under TLS with TDS 8, bare with TDS 7.4).
    Prelogin,
    /// The client's part of the TLS handshake has come.
    Tls,
    /// LOGIN7 has come.
    Login,
    /// A request after the login has come; in a trouble that ends the connection it is not run.
    Query,
    /// The client has hung up; its session is rolled back and counted as closed, and the server hangs up too.
    Close,
}

/// What is met at a stage.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing is sent any more, until the client hangs up or the endpoint stops; before the login, and after the
    /// client has hung up, for at most 60 seconds.
    Stall,
    /// The connection is reset (TCP RST).
    Reset,
    /// Bytes that are no TDS, the text of an HTTP answer, and an orderly end; inside TLS where that stands.
    Garbage,
    /// It takes this much longer.
    Slow(Duration),
}

impl Faults {
    /// How much longer a login may take than without these faults.
    pub(crate) fn login_delay(&self) -> Duration {
        let trouble = match self.at {
            Some(AtStage { trouble: Trouble::Slow(time), .. }) => time,
            Some(AtStage { trouble: Trouble::Stall | Trouble::Garbage, .. }) => LONGEST_STALL,
            _ => Duration::ZERO,
        };
        // A login is fewer than ten round trips.
        trouble.saturating_add(self.latency.saturating_mul(20))
    }
}

/// The faults as they stand: some are used up by those who meet them.
#[derive(Debug, Default)]
pub(crate) struct Standing {
    faults: Faults,
    /// Counts the sets of faults, so that a connection knows which trouble it has met.
    set: u64,
    woken: Option<Instant>,
}

impl Standing {
    pub(crate) fn new(faults: Faults) -> Self {
        Standing { faults, set: 1, woken: None }
    }

    pub(crate) fn replace(&mut self, faults: Faults) {
        *self = Standing { set: self.set + 1, ..Standing::new(faults) };
    }

    pub(crate) fn fail_logins(&mut self, count: usize, number: u32) {
        self.faults.fail_logins = Some((count, number));
    }

    pub(crate) fn faults(&self) -> &Faults {
        &self.faults
    }

    /// The error that the login which has just come is refused with, if it is.
    pub(crate) fn next_refusal(&mut self) -> Option<u32> {
        if let Some(time) = self.faults.paused {
            let woken = *self.woken.get_or_insert_with(Instant::now);
            if woken.elapsed() < time {
                return Some(NOT_AVAILABLE);
            }
        }
        let (left, number) = self.faults.fail_logins.as_mut()?;
        *left = left.checked_sub(1)?;
        Some(*number)
    }

    /// The trouble that a connection meets at this stage; `met` is the set of faults whose trouble it has met.
    pub(crate) fn next_trouble(&mut self, stage: Stage, met: &mut Option<u64>) -> Option<Trouble> {
        let at = self.faults.at.as_mut().filter(|at| at.stage == stage)?;
        if *met != Some(self.set) {
            let left = at.connections.checked_sub(1)?;
            if at.connections != usize::MAX {
                at.connections = left;
            }
            *met = Some(self.set);
        }
        Some(at.trouble)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn trouble_is_for_so_many_connections_and_one_that_has_met_it_keeps_it() {
        let at = AtStage { stage: Stage::Query, trouble: Trouble::Reset, connections: 1 };
        let mut standing = Standing::new(Faults { at: Some(at), ..Faults::default() });
        let (mut first, mut second) = (None, None);
        assert_eq!(standing.next_trouble(Stage::Login, &mut first), None);
        assert_eq!(standing.next_trouble(Stage::Query, &mut first), Some(Trouble::Reset));
        assert_eq!(standing.next_trouble(Stage::Query, &mut second), None);
        assert_eq!(standing.next_trouble(Stage::Query, &mut first), Some(Trouble::Reset));
        standing.replace(Faults { at: Some(at), ..Faults::default() });
        assert_eq!(standing.next_trouble(Stage::Query, &mut second), Some(Trouble::Reset));
        assert_eq!(standing.next_trouble(Stage::Query, &mut first), None, "another set of faults");
    }
}
