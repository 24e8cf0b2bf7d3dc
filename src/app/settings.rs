//! The settings of the app itself, all named `SQLSCOPE_…`, read once at the start.

use std::{collections::BTreeMap, time::Duration};

use crate::{Error, Result};

/// The environment as it was at the start.
#[derive(Clone)]
pub(crate) struct Environment(BTreeMap<String, String>);

impl Environment {
    /// The process's own; a variable that is not Unicode counts as absent.
    pub(crate) fn of_process() -> Self {
        let variables = std::env::vars_os();
        Environment(
            variables
                .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
                .collect(),
        )
    }

    pub(crate) fn new(variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Environment(variables.into_iter().collect())
    }

    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }

    /// A variable; one that is set to nothing counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<String> {
        self.0.get(name).filter(|value| !value.is_empty()).cloned()
    }
}

impl std::fmt::Debug for Environment {
    /// The names alone: values are secrets as often as not.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

/// Every setting that starts with `SQLSCOPE_`.
const NAMES: &[&str] = &[
    "SQLSCOPE_COMMAND_TIMEOUT_SECONDS",
    "SQLSCOPE_CONNECTION_AGE_SECONDS",
    "SQLSCOPE_INVOCATION_TIMEOUT_SECONDS",
    "SQLSCOPE_LOG",
    "SQLSCOPE_MAX_BODY_BYTES",
    "SQLSCOPE_MAX_SESSIONS",
    "SQLSCOPE_OPEN_TIMEOUT_SECONDS",
    "SQLSCOPE_REMEMBER_REDIRECT",
    "SQLSCOPE_SERVER_TIMING",
    "SQLSCOPE_SESSIONS",
    "SQLSCOPE_SHUTDOWN_SECONDS",
    "SQLSCOPE_SPARES",
];

/// Azure's front end gives up after 230 s; an answer after that reaches nobody.
const FRONT_END: Duration = Duration::from_secs(230);
/// The host's own limit on the Consumption plan, where host.json names none.
const HOST_DEFAULT: Duration = Duration::from_secs(300);
/// The host kills the whole handler at `functionTimeout`: an invocation ends this much before.
const MARGIN: Duration = Duration::from_secs(5);

/// The app's settings.
#[derive(Debug, Clone)]
pub(crate) struct AppSettings {
    pub(crate) port: u16,
    pub(crate) max_body: usize,
    pub(crate) http_deadline: Duration,
    pub(crate) trigger_deadline: Duration,
    pub(crate) server_timing: bool,
    pub(crate) shutdown: Duration,
}

impl AppSettings {
    /// Refuses a name that looks like a setting and is none.
    pub(crate) fn check_names(environment: &Environment) -> Result<()> {
        for name in environment.names().filter(|name| name.to_ascii_uppercase().starts_with("SQLSCOPE_")) {
            if !NAMES.contains(&name) {
                let near = crate::spelling::did_you_mean(name, NAMES.iter().copied());
                return Err(Error::Startup(format!(
                    "the setting {name} is unknown{near}; the settings are {}",
                    NAMES.join(", ")
                )));
            }
        }
        Ok(())
    }

    /// `function_timeout` is host.json's.
    pub(crate) fn read(environment: &Environment, function_timeout: Option<Duration>) -> Result<Self> {
        Self::check_names(environment)?;
        let host = function_timeout.unwrap_or(HOST_DEFAULT);
        let trigger_deadline = host.saturating_sub(MARGIN).max(host / 2);
        let asked = number(environment, "SQLSCOPE_INVOCATION_TIMEOUT_SECONDS", 1..=86_400)?;
        let asked = asked.map(Duration::from_secs);
        if let (Some(asked), Some(host)) = (asked, function_timeout)
            && asked >= host
        {
            return Err(Error::Startup(format!(
                "SQLSCOPE_INVOCATION_TIMEOUT_SECONDS is {}, and host.json's functionTimeout is {}s: the host would \
                 kill the handler first; make the setting smaller than functionTimeout",
                asked.as_secs(),
                host.as_secs()
            )));
        }
        let body = number(environment, "SQLSCOPE_MAX_BODY_BYTES", 0..=104_857_600)?;
        let shutdown = number(environment, "SQLSCOPE_SHUTDOWN_SECONDS", 0..=3_600)?;
        Ok(AppSettings {
            port: port(environment)?,
            max_body: body.map_or(10 << 20, |bytes| bytes as usize),
            http_deadline: asked.unwrap_or(trigger_deadline).min(FRONT_END),
            trigger_deadline: asked.unwrap_or(trigger_deadline),
            server_timing: flag(environment, "SQLSCOPE_SERVER_TIMING")?,
            shutdown: Duration::from_secs(shutdown.unwrap_or(10)),
        })
    }
}

fn port(environment: &Environment) -> Result<u16> {
    for name in ["FUNCTIONS_CUSTOMHANDLER_PORT", "FUNCTIONS_HTTPWORKER_PORT"] {
        if let Some(text) = environment.get(name) {
            return text.parse().map_err(|_| {
                Error::Startup(format!("{name} is `{text}`: a port from 0 to 65535 is expected"))
            });
        }
    }
    Err(Error::Startup(
        "FUNCTIONS_CUSTOMHANDLER_PORT is not set: the Functions host sets it when it starts the handler. On your \
         machine, run `cargo local` or `func start`"
            .to_owned(),
    ))
}

fn number(
    environment: &Environment,
    name: &str,
    range: std::ops::RangeInclusive<u64>,
) -> Result<Option<u64>> {
    let Some(text) = environment.get(name) else { return Ok(None) };
    match text.parse() {
        Ok(number) if range.contains(&number) => Ok(Some(number)),
        _ => Err(Error::Startup(format!(
            "{name} is `{text}`: a whole number from {} to {} is expected",
            range.start(),
            range.end()
        ))),
    }
}

fn flag(environment: &Environment, name: &str) -> Result<bool> {
    match environment.get(name).as_deref() {
        None | Some("0" | "false") => Ok(false),
        Some("1" | "true") => Ok(true),
        Some(text) => Err(Error::Startup(format!("{name} is `{text}`: 1 or 0 is expected"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The deadlines of HTTP and other invocations, in seconds, under this host.json and setting.
    fn deadlines(function_timeout: Option<u64>, setting: Option<&str>) -> Result<(f32, f32)> {
        let port = ("FUNCTIONS_CUSTOMHANDLER_PORT", "0");
        let setting = setting.map(|text| ("SQLSCOPE_INVOCATION_TIMEOUT_SECONDS", text));
        let variables = [port].into_iter().chain(setting).map(|(name, value)| (name.into(), value.into()));
        let settings =
            AppSettings::read(&Environment::new(variables), function_timeout.map(Duration::from_secs))?;
        Ok((settings.http_deadline.as_secs_f32(), settings.trigger_deadline.as_secs_f32()))
    }

    #[test]
    fn an_invocation_ends_before_the_host_kills_and_before_the_front_end_gives_up() {
        for (function_timeout, setting, expected) in [
            (None, None, (230.0, 295.0)),
            (Some(60), None, (55.0, 55.0)),
            (Some(1800), None, (230.0, 1795.0)),
            (Some(4), None, (2.0, 2.0)),
            (Some(1800), Some("20"), (20.0, 20.0)),
            (None, Some("900"), (230.0, 900.0)),
        ] {
            assert_eq!(
                deadlines(function_timeout, setting).unwrap(),
                expected,
                "{function_timeout:?} {setting:?}"
            );
        }
        let error = deadlines(Some(60), Some("60")).unwrap_err().to_string();
        assert!(error.contains("functionTimeout is 60s"), "{error}");
    }
}
