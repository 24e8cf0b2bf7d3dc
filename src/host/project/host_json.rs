//! Reads `host.json`, and the `AzureFunctionsJobHost__...` app settings that override it.

use std::time::Duration;

use serde_json::{Map, Value};

use super::{HandlerDescription, ProjectError, json};

/// `host.json` with its overrides.
pub(super) struct HostJson<'a> {
    object: Map<String, Value>,
    environment: &'a dyn Fn(&str) -> Option<String>,
}

/// A setting, and where it stands: in the file or in an app setting.
struct Setting {
    place: String,
    value: Value,
}

const HANDLER: &[&str] = &[
    "description",
    "enableForwardingHttpRequest",
    "enableProxyingHttpRequest",
    "http",
    "initializationTimeout",
    "port",
    "type",
];
const HTTP: &[&str] = &[
    "customHeaders",
    "dynamicThrottlesEnabled",
    "hsts",
    "maxConcurrentRequests",
    "maxOutstandingRequests",
    "routePrefix",
];
const TOP: &[&str] = &[
    "aggregator",
    "applicationInsights",
    "concurrency",
    "configurationProfile",
    "customHandler",
    "extensionBundle",
    "extensions",
    "functions",
    "functionTimeout",
    "healthMonitor",
    "id",
    "logging",
    "managedDependency",
    "retry",
    "singleton",
    "telemetryMode",
    "version",
    "watchDirectories",
    "watchFiles",
];
const DESCRIPTION: &[&str] = &["arguments", "defaultExecutablePath", "defaultWorkerPath", "workingDirectory"];

impl<'a> HostJson<'a> {
    pub(super) fn parse(
        text: &str,
        environment: &'a dyn Fn(&str) -> Option<String>,
    ) -> Result<HostJson<'a>, ProjectError> {
        let host = HostJson { object: json::object("host.json", text)?, environment };
        let version = host.setting(&["version"])?;
        if version.as_ref().and_then(|version| version.value.as_str()) != Some("2.0") {
            let place = version.map_or("host.json: version".to_owned(), |version| version.place);
            return Err(problem(place, "expected \"2.0\"; write `\"version\": \"2.0\"`"));
        }
        for (path, known) in [
            (&["customHandler"][..], HANDLER),
            (&["customHandler", "description"][..], DESCRIPTION),
            (&["extensions", "http"][..], HTTP),
            (&[][..], TOP),
        ] {
            if let Some((found, meant)) = host.section(path)?.and_then(|object| json::misspelt(object, known))
            {
                let place = [path, &[found]].concat().join(".");
                return Err(problem(
                    format!("host.json: {place}"),
                    &format!("unknown; did you mean `{meant}`?"),
                ));
            }
        }
        Ok(host)
    }

    pub(super) fn flag(&self, path: &[&str]) -> Result<bool, ProjectError> {
        let Some(setting) = self.setting(path)? else { return Ok(false) };
        match &setting.value {
            Value::Bool(flag) => Ok(*flag),
            Value::String(text) if text.trim().eq_ignore_ascii_case("true") => Ok(true),
            Value::String(text) if text.trim().eq_ignore_ascii_case("false") => Ok(false),
            other => {
                Err(problem(setting.place, &format!("expected true or false, found {}", json::kind(other))))
            }
        }
    }

    /// The route prefix, `api` where nothing says another.
    pub(super) fn route_prefix(&self) -> Result<String, ProjectError> {
        let Some((place, text)) = self.text(&["extensions", "http", "routePrefix"])? else {
            return Ok("api".to_owned());
        };
        let prefix = text.trim().trim_matches('/');
        if prefix.contains(['{', '}', '?', '*', '%', ' ']) || prefix.contains("//") {
            return Err(problem(
                place,
                &format!("`{text}` is no prefix; expected plain text such as `api` or `api/v1`, or nothing"),
            ));
        }
        Ok(prefix.to_owned())
    }

    pub(super) fn handler(&self) -> Result<HandlerDescription, ProjectError> {
        const EXECUTABLE: &[&str] = &["customHandler", "description", "defaultExecutablePath"];
        let executable = self.text(EXECUTABLE)?;
        let Some((_, executable)) = executable.filter(|(_, text)| !text.trim().is_empty()) else {
            return Err(problem(
                format!("host.json: {}", EXECUTABLE.join(".")),
                "expected the handler's file name; write `\"defaultExecutablePath\": \"handler\"`",
            ));
        };
        let directory = self.text(&["customHandler", "description", "workingDirectory"])?;
        Ok(HandlerDescription {
            executable,
            working_directory: directory.map(|(_, text)| text).unwrap_or_default(),
            arguments: self.arguments()?,
            port: self.port()?,
            initialization_timeout: self
                .time_span(&["customHandler", "initializationTimeout"])?
                .unwrap_or(Duration::from_secs(30)),
        })
    }

    /// The limit on an invocation; the host takes "-1" for none.
    pub(super) fn function_timeout(&self) -> Result<Option<Duration>, ProjectError> {
        match self.text(&["functionTimeout"])? {
            Some((_, text)) if text.trim() == "-1" => Ok(None),
            _ => self.time_span(&["functionTimeout"]),
        }
    }

    fn arguments(&self) -> Result<Vec<String>, ProjectError> {
        let path = ["customHandler", "description", "arguments"];
        let mut in_file = Vec::new();
        match self.section(&path[..2])?.and_then(|object| json::member(object, path[2])) {
            None => {}
            Some(Value::Array(array)) => in_file.extend(array.iter()),
            Some(other) => {
                let found = json::kind(other);
                return Err(problem(
                    format!("host.json: {}", path.join(".")),
                    &format!("expected an array of strings, found {found}; write `[\"--flag\"]`"),
                ));
            }
        }
        // .NET's configuration names the members of an array by their place.
        let mut arguments = Vec::new();
        loop {
            let at = arguments.len();
            let overriding = (self.environment)(&format!("{PREFIX}{}__{at}", path.join("__")));
            arguments.push(match (overriding, in_file.get(at)) {
                (Some(text), _) => text,
                (None, None) => return Ok(arguments),
                (None, Some(Value::String(text))) => text.clone(),
                (None, Some(other)) => {
                    return Err(problem(
                        format!("host.json: {}[{at}]", path.join(".")),
                        &format!("expected a string, found {}; put it in quotes", json::kind(other)),
                    ));
                }
            });
        }
    }

    fn port(&self) -> Result<Option<u16>, ProjectError> {
        let Some(setting) = self.setting(&["customHandler", "port"])? else { return Ok(None) };
        let text = setting.value.as_str().map_or_else(|| setting.value.to_string(), str::to_owned);
        match text.trim().parse() {
            Ok(port @ 1..) => Ok(Some(port)),
            _ => Err(problem(
                setting.place,
                &format!("`{text}` is no port; expected 1 to 65535, or leave it out for a free one"),
            )),
        }
    }

    fn time_span(&self, path: &[&str]) -> Result<Option<Duration>, ProjectError> {
        let Some((place, text)) = self.text(path)? else { return Ok(None) };
        match time_span(&text) {
            Some(span) if !span.is_zero() => Ok(Some(span)),
            _ => Err(problem(
                place,
                &format!(
                    "`{text}` is no time span above zero; expected `hh:mm:ss`, such as `00:05:00` for five minutes"
                ),
            )),
        }
    }

    fn text(&self, path: &[&str]) -> Result<Option<(String, String)>, ProjectError> {
        match self.setting(path)? {
            None => Ok(None),
            Some(Setting { place, value: Value::String(text) }) => Ok(Some((place, text))),
            Some(Setting { place, value }) => {
                Err(problem(place, &format!("expected a string in quotes, found {}", json::kind(&value))))
            }
        }
    }

    fn setting(&self, path: &[&str]) -> Result<Option<Setting>, ProjectError> {
        let name = format!("{PREFIX}{}", path.join("__"));
        if let Some(text) = (self.environment)(&name) {
            return Ok(Some(Setting { place: name, value: Value::String(text) }));
        }
        let Some((last, parents)) = path.split_last() else { return Ok(None) };
        let found = self.section(parents)?.and_then(|object| json::member(object, last));
        Ok(found
            .map(|value| Setting { place: format!("host.json: {}", path.join(".")), value: value.clone() }))
    }

    fn section(&self, path: &[&str]) -> Result<Option<&Map<String, Value>>, ProjectError> {
        let mut object = &self.object;
        for (depth, name) in path.iter().enumerate() {
            match json::member(object, name) {
                None => return Ok(None),
                Some(Value::Object(inner)) => object = inner,
                Some(other) => {
                    return Err(problem(
                        format!("host.json: {}", path[..=depth].join(".")),
                        &format!("expected an object `{{ ... }}`, found {}", json::kind(other)),
                    ));
                }
            }
        }
        Ok(Some(object))
    }
}

const PREFIX: &str = "AzureFunctionsJobHost__";

fn problem(place: String, problem: &str) -> ProjectError {
    ProjectError::Field { place, problem: problem.to_owned() }
}

/// .NET's `TimeSpan`: `[d.]hh:mm[:ss[.fffffff]]`.
fn time_span(text: &str) -> Option<Duration> {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let number = |text: &str, limit: u64| {
        (digits(text)).then(|| text.parse::<u64>().ok()).flatten().filter(|number| *number < limit)
    };
    let (clock, seconds) = match text.trim().splitn(3, ':').collect::<Vec<_>>()[..] {
        [hours, minutes] => ((hours, minutes), "0"),
        [hours, minutes, seconds] => ((hours, minutes), seconds),
        _ => return None,
    };
    let (days, hours) = clock.0.split_once('.').unwrap_or(("0", clock.0));
    let (seconds, fraction) = seconds.split_once('.').unwrap_or((seconds, "0"));
    let whole = ((number(days, 10_000_000)? * 24 + number(hours, 24)?) * 60 + number(clock.1, 60)?) * 60
        + number(seconds, 60)?;
    let nanos = (digits(fraction) && fraction.len() <= 7).then(|| format!("{fraction:0<9}"))?;
    Some(Duration::new(whole, nanos.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn time_spans_read_as_dotnet_reads_them() {
        for (text, seconds) in [
            ("00:05:00", Some(300.0)),
            ("1:00", Some(3600.0)),
            ("00:00:01.5", Some(1.5)),
            ("1.02:00:00", Some(93_600.0)),
            ("5", None),
            ("00:90:00", None),
            ("24:00:00", None),
            ("00:00:+5", None),
            ("five", None),
        ] {
            assert_eq!(time_span(text).map(|span| span.as_secs_f64()), seconds, "{text}");
        }
    }
}
