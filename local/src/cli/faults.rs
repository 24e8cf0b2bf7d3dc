//! The options of `cargo local` that have its stand-ins show faults, and what is said about them.

use std::{ops::RangeInclusive, time::Duration};

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};
use sqlscope_local::{
    identity::{IdentityEndpoint, IdentityFault},
    sql::{AtStage, Faults, SqlEndpoint, Stage, Trouble},
};

/// The error of a database that is not there for the moment: what clients have to try again after.
const NOT_AVAILABLE: u32 = 40613;
/// How late a slow identity endpoint answers.
const SLOW: Duration = Duration::from_secs(5);

/// In seconds: nobody rehearses for longer.
const MONTH: u64 = 31 * 24 * 60 * 60;

const STAGES: [(&str, Stage); 5] = [
    ("prelogin", Stage::Prelogin),
    ("tls", Stage::Tls),
    ("login", Stage::Login),
    ("query", Stage::Query),
    ("close", Stage::Close),
];

const IDENTITY_FAULTS: [(&str, IdentityFault); 3] = [
    ("429", IdentityFault::TooManyRequests),
    ("500", IdentityFault::ServerError),
    ("slow", IdentityFault::Slow(SLOW)),
];

/// What real networks and a real Azure do now and then; it begins once the migrations are applied.
#[derive(Debug, Args)]
#[command(next_help_heading = "Faults to rehearse")]
pub(super) struct FaultOptions {
    /// Milliseconds that what the SQL endpoint sends and receives takes, each way.
    #[arg(long, value_name = "MS", value_parser = whole("milliseconds", 1..=3_600_000))]
    latency: Option<u64>,
    /// Send each SQL login on to a second port, as Azure's gateway does; the other faults begin after the migrations.
    #[arg(long)]
    pub(super) redirect: bool,
    /// Refuse the next N SQL logins with this error number [default error: 40613].
    #[arg(long, value_name = "N[:ERROR]", value_parser = failing_logins)]
    fail_logins: Option<(usize, u32)>,
    /// Fall silent on every SQL connection at this stage.
    #[arg(long, value_name = "STAGE", value_parser = named(&STAGES))]
    stall: Option<Stage>,
    /// Reset each SQL connection once this many bytes have crossed it, both directions together.
    #[arg(long, value_name = "BYTES", value_parser = whole("bytes", 1..=u64::MAX))]
    drop_after: Option<u64>,
    /// A database that is asleep: logins fail with 40613 until this many seconds after the first.
    #[arg(long, value_name = "SECONDS", value_parser = whole("seconds", 1..=MONTH))]
    paused: Option<u64>,
    /// Seconds that a managed identity's token holds [default: 24 hours].
    #[arg(long, value_name = "SECONDS", value_parser = whole("seconds", 0..=MONTH))]
    token_lifetime: Option<u64>,
    /// Answer requests for a token with this status, or five seconds late.
    #[arg(long, value_name = "FAULT", value_parser = named(&IDENTITY_FAULTS))]
    identity_fault: Option<IdentityFault>,
}

impl FaultOptions {
    /// Has the endpoints show the faults from now on.
    pub(super) fn begin(&self, sql: &SqlEndpoint, identity: &IdentityEndpoint) {
        sql.set_faults(Faults {
            latency: Duration::from_millis(self.latency.unwrap_or_default()),
            fail_logins: self.fail_logins,
            at: self.stall.map(|stage| AtStage { stage, trouble: Trouble::Stall, connections: usize::MAX }),
            drop_after: self.drop_after,
            paused: self.paused.map(Duration::from_secs),
        });
        identity.set_fault(self.identity_fault);
        if let Some(seconds) = self.token_lifetime {
            identity.set_token_lifetime(Duration::from_secs(seconds));
        }
    }

    /// Which faults are on, in a line; none where none is. The redirect is the one that leads to this port.
    pub(super) fn description(&self, node_port: Option<u16>) -> Option<String> {
        let on: Vec<String> = [
            self.latency.map(|ms| format!("latency of {ms} ms each way")),
            node_port.map(|port| format!("logins redirected to port {port}")),
            self.fail_logins.map(|(count, number)| format!("the next {count} logins refused with {number}")),
            self.stall.map(|stage| format!("a stall at {}", name(&STAGES, stage))),
            self.drop_after.map(|bytes| format!("a reset after {bytes} bytes")),
            self.paused.map(|seconds| format!("a paused database that wakes in {seconds} s")),
            self.token_lifetime.map(|seconds| format!("tokens that hold for {seconds} s")),
            self.identity_fault.map(|fault| format!("identity: {}", name(&IDENTITY_FAULTS, fault))),
        ]
        .into_iter()
        .flatten()
        .collect();
        (!on.is_empty()).then(|| format!("Faults: {}", on.join(", ")))
    }
}

/// One of these values, by its name.
fn named<T: Copy + Send + Sync + 'static>(
    values: &'static [(&'static str, T)],
) -> impl TypedValueParser<Value = T> {
    PossibleValuesParser::new(values.iter().map(|(name, _)| *name)).try_map(|given| {
        let found = values.iter().find(|(name, _)| *name == given);
        found.map(|(_, value)| *value).ok_or("there is no such value")
    })
}

fn name<T: PartialEq>(values: &'static [(&'static str, T)], wanted: T) -> &'static str {
    values.iter().find(|(_, value)| *value == wanted).map_or("", |(name, _)| name)
}

/// A whole number of these in a range.
fn whole(
    unit: &'static str,
    range: RangeInclusive<u64>,
) -> impl Fn(&str) -> Result<u64, String> + Clone + Send + Sync + 'static {
    move |given| {
        given.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| {
            let (from, to) = (range.start(), range.end());
            let bounds =
                if *to == u64::MAX { format!("from {from}") } else { format!("from {from} to {to}") };
            format!("expected a whole number of {unit}, {bounds}")
        })
    }
}

fn failing_logins(given: &str) -> Result<(usize, u32), String> {
    let (count, number) = match given.split_once(':') {
        Some((count, number)) => (count, number.parse().ok()),
        None => (given, Some(NOT_AVAILABLE)),
    };
    match (count.parse().ok(), number) {
        (Some(count), Some(number)) => Ok((count, number)),
        _ => Err("expected a count, or a count and an error number, as in 3 or 3:40501".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory, Parser};

    use super::*;

    #[derive(Debug, Parser)]
    struct Command {
        #[command(flatten)]
        faults: FaultOptions,
    }

    fn parsed(options: &[&str]) -> Result<FaultOptions, String> {
        let given = ["cargo local"].iter().chain(options);
        Command::try_parse_from(given).map(|command| command.faults).map_err(|error| error.to_string())
    }

    #[test]
    fn every_option_is_read_and_said() {
        Command::command().debug_assert();
        let options = [
            "--latency=40",
            "--redirect",
            "--fail-logins=3:40501",
            "--stall=tls",
            "--drop-after=900",
            "--paused=30",
            "--token-lifetime=60",
            "--identity-fault=slow",
        ];
        assert_eq!(
            parsed(&options).unwrap().description(Some(11_000)).unwrap(),
            "Faults: latency of 40 ms each way, logins redirected to port 11000, the next 3 logins refused with 40501, \
             a stall at tls, a reset after 900 bytes, a paused database that wakes in 30 s, tokens that hold for 60 s, \
             identity: slow"
        );
        assert_eq!(parsed(&[]).unwrap().description(None), None);
        assert!(parsed(&options).unwrap().redirect && !parsed(&[]).unwrap().redirect);
        assert_eq!(parsed(&["--fail-logins", "2"]).unwrap().fail_logins, Some((2, 40613)));
        for (name, stage) in STAGES {
            assert_eq!(parsed(&["--stall", name]).unwrap().stall, Some(stage));
        }
        for (name, fault) in IDENTITY_FAULTS {
            assert_eq!(parsed(&["--identity-fault", name]).unwrap().identity_fault, Some(fault));
        }
    }

    #[test]
    fn a_bad_value_is_an_error_that_names_the_option_and_what_was_expected() {
        for (option, value, expected) in [
            ("--latency", "fast", "a whole number of milliseconds, from 1 to 3600000"),
            ("--latency", "0", "a whole number of milliseconds"),
            ("--fail-logins", "many", "as in 3 or 3:40501"),
            ("--fail-logins", "3:", "as in 3 or 3:40501"),
            ("--stall", "tcp", "prelogin, tls, login, query, close"),
            ("--drop-after", "0", "a whole number of bytes, from 1\n"),
            ("--paused", "-1", "a whole number of seconds, from 1 to"),
            ("--token-lifetime", "1h", "a whole number of seconds, from 0 to"),
            ("--identity-fault", "404", "429, 500, slow"),
        ] {
            let error = parsed(&[&format!("{option}={value}")]).unwrap_err();
            assert!(error.contains(&format!("'{option} <")) && error.contains(expected), "{error}");
        }
    }
}
