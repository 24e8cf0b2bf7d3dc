//! Reads one `<Function>/function.json`.

use std::path::PathBuf;

use http::Method;
use serde_json::{Map, Value};

use super::{Binding, Direction, Function, HttpTrigger, Mode, ProjectError, json};
use crate::{host::route::RouteTemplate, spelling};

const METHODS: [Method; 9] = [
    Method::GET,
    Method::HEAD,
    Method::POST,
    Method::PUT,
    Method::PATCH,
    Method::DELETE,
    Method::OPTIONS,
    Method::TRACE,
    Method::CONNECT,
];
const BINDING: &[&str] = &["type", "direction", "name", "dataType"];
const HTTP_BINDING: &[&str] =
    &["type", "direction", "name", "dataType", "authLevel", "methods", "route", "webHookType"];
/// The binding types of the host and of Microsoft's extensions. Others pass: anybody can write an extension.
#[rustfmt::skip]
const KINDS: &[&str] = &[
    "activityTrigger", "apiHubFile", "apiHubFileTrigger", "assistantCreate", "assistantPost", "assistantQuery",
    "assistantSkillTrigger", "blob", "blobTrigger", "cosmosDB", "cosmosDBTrigger", "daprBinding",
    "daprBindingTrigger", "daprInvoke", "daprPublish", "daprSecret", "daprServiceInvocationTrigger", "daprState",
    "daprTopicTrigger", "documentDB", "durableClient", "embeddings", "embeddingsStore", "entityTrigger",
    "eventGrid", "eventGridTrigger", "eventHub", "eventHubTrigger", "http", "httpTrigger", "kafka", "kafkaTrigger",
    "kusto", "manualTrigger", "mcpResourceTrigger", "mcpToolTrigger", "mobileTable", "mysql", "mysqlTrigger",
    "notificationHub", "orchestrationClient", "orchestrationTrigger", "queue", "queueTrigger", "rabbitMQ",
    "rabbitMQTrigger", "redis", "redisListTrigger", "redisPubSubTrigger", "redisStreamTrigger", "semanticSearch",
    "sendGrid", "serviceBus", "serviceBusTrigger", "signalR", "signalRConnectionInfo", "signalREndpoints",
    "signalRNegotiation", "signalRTrigger", "sql", "sqlTrigger", "table", "textCompletion", "timerTrigger",
    "twilioSms", "warmupTrigger", "webPubSub", "webPubSubConnection", "webPubSubContext", "webPubSubRequest",
    "webPubSubTrigger",
];

/// Reads a function; `None` where it is disabled. Its mode is for the project to say.
pub(super) fn parse(
    name: String,
    path: PathBuf,
    text: &str,
    environment: &dyn Fn(&str) -> Option<String>,
) -> Result<Option<Function>, ProjectError> {
    let file = File { name: format!("{name}/function.json") };
    let object = json::object(&file.name, text)?;
    if file.is_disabled(&name, &object, environment)? {
        return Ok(None);
    }
    // This one name the host compares exactly.
    let items = match object.get("bindings") {
        Some(Value::Array(items)) => items,
        Some(other) => {
            return Err(file.problem("bindings", format!("expected an array, found {}", json::kind(other))));
        }
        None => {
            let hint = spelling::did_you_mean("bindings", object.keys().map(String::as_str));
            let hint = hint.replace("did you mean", "write `bindings` for");
            return Err(
                file.problem("bindings", format!("expected an array of bindings, found nothing{hint}"))
            );
        }
    };
    let mut bindings = Vec::new();
    for (at, item) in items.iter().enumerate() {
        let binding = file.binding(at, item)?;
        if bindings.iter().any(|other: &Binding| other.name.eq_ignore_ascii_case(&binding.name)) {
            let place = format!("bindings[{at}].name");
            return Err(
                file.problem(&place, format!("`{}` is there twice; rename one of them", binding.name))
            );
        }
        bindings.push(binding);
    }

    let mut triggers = bindings.iter().zip(items).filter(|(binding, _)| binding.is_trigger());
    let (trigger, item) = match (triggers.next(), triggers.next()) {
        (Some(trigger), None) => trigger,
        (None, _) => {
            let problem =
                "has no trigger; add a binding whose `type` ends with `Trigger`, such as `httpTrigger`";
            return Err(file.problem("bindings", problem.to_owned()));
        }
        (Some((one, _)), Some((other, _))) => {
            return Err(file.problem(
                "bindings",
                format!(
                    "has two triggers, `{}` and `{}`; keep one, make a second function of the other",
                    one.name, other.name
                ),
            ));
        }
    };
    if trigger.direction != Direction::In {
        let place = format!("binding `{}`: direction", trigger.name);
        return Err(file.problem(&place, "a trigger goes in; write `\"direction\": \"in\"`".to_owned()));
    }
    let http = match item {
        Value::Object(object) if trigger.kind.eq_ignore_ascii_case("httpTrigger") => {
            Some(file.http_trigger(&name, object, &bindings)?)
        }
        _ => None,
    };
    let trigger = trigger.clone();
    Ok(Some(Function { name, file: path, trigger, bindings, http, mode: Mode::Payload }))
}

/// The binding type that was meant, if one letter is wrong, or two of a long one. `spelling` is more generous, which
/// would refuse extensions: `ftpTrigger` is no `httpTrigger`.
fn misspelt_kind(kind: &str) -> Option<&'static str> {
    let kind = kind.to_ascii_lowercase();
    let edits = |known: &&str| strsim::damerau_levenshtein(&kind, &known.to_ascii_lowercase());
    let nearest = KINDS.iter().copied().min_by_key(edits)?;
    let most = match nearest.len() {
        ..4 => 0,
        4..12 => 1,
        _ => 2,
    };
    (1..=most).contains(&edits(&nearest)).then_some(nearest)
}

impl Binding {
    fn is_trigger(&self) -> bool {
        self.kind.to_ascii_lowercase().ends_with("trigger")
    }
}

/// The file that is being read, to name it in errors.
struct File {
    name: String,
}

impl File {
    fn problem(&self, field: &str, problem: String) -> ProjectError {
        ProjectError::Field { place: format!("{}: {field}", self.name), problem }
    }

    fn text<'a>(
        &self,
        object: &'a Map<String, Value>,
        place: &str,
        field: &str,
    ) -> Result<Option<&'a str>, ProjectError> {
        match json::member(object, field) {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(other) => Err(self.problem(
                &format!("{place}{field}"),
                format!("expected a string in quotes, found {}", json::kind(other)),
            )),
        }
    }

    /// `"disabled"`: true, or the name of an app setting; or the app setting `AzureWebJobs.<name>.Disabled`,
    /// which App Service on Linux passes on with `_` for the dots.
    fn is_disabled(
        &self,
        name: &str,
        object: &Map<String, Value>,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<bool, ProjectError> {
        let mut settings =
            vec![format!("AzureWebJobs.{name}.Disabled"), format!("AzureWebJobs_{name}_Disabled")];
        match json::member(object, "disabled") {
            None | Some(Value::Bool(false)) => {}
            Some(Value::Bool(true)) => return Ok(true),
            Some(Value::String(setting)) => settings.push(setting.trim_matches('%').to_owned()),
            Some(other) => {
                return Err(
                    self.problem("disabled", format!("expected true or false, found {}", json::kind(other)))
                );
            }
        }
        for setting in settings {
            match environment(&setting).unwrap_or_default().trim().to_ascii_lowercase().as_str() {
                "true" | "1" => return Ok(true),
                "" | "false" | "0" => {}
                other => {
                    return Err(ProjectError::Field {
                        place: setting,
                        problem: format!("expected true or false, found `{other}`"),
                    });
                }
            }
        }
        Ok(false)
    }

    fn binding(&self, at: usize, item: &Value) -> Result<Binding, ProjectError> {
        let place = format!("bindings[{at}].");
        let Value::Object(object) = item else {
            let place = format!("bindings[{at}]");
            return Err(
                self.problem(&place, format!("expected an object `{{ ... }}`, found {}", json::kind(item)))
            );
        };
        let kind = self.text(object, &place, "type")?.filter(|kind| !kind.is_empty());
        let known = match kind.map(str::to_ascii_lowercase).as_deref() {
            Some("httptrigger" | "http") => HTTP_BINDING,
            _ => BINDING,
        };
        if let Some((found, meant)) = json::misspelt(object, known) {
            return Err(self.problem(&format!("{place}{found}"), format!("unknown; did you mean `{meant}`?")));
        }
        let missing = |field: &str, example: &str| {
            self.problem(
                &format!("{place}{field}"),
                format!("is missing; write `\"{field}\": \"{example}\"`"),
            )
        };
        let kind = kind.ok_or_else(|| missing("type", "httpTrigger"))?;
        if let Some(meant) = misspelt_kind(kind) {
            let place = format!("{place}type");
            return Err(self.problem(&place, format!("`{kind}` is unknown; did you mean `{meant}`?")));
        }
        let name = self.text(object, &place, "name")?.ok_or_else(|| missing("name", "req"))?;
        // The host's default is `in` (BindingMetadata.Direction).
        let direction = match self.text(object, &place, "direction")? {
            None => Direction::In,
            Some(text) => match text.to_ascii_lowercase().as_str() {
                "in" => Direction::In,
                "out" => Direction::Out,
                "inout" => Direction::InOut,
                _ => {
                    let place = format!("{place}direction");
                    return Err(
                        self.problem(&place, format!("`{text}` is unknown; expected in, out or inout"))
                    );
                }
            },
        };
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_';
        let plain = name.starts_with(|c: char| c.is_ascii_alphabetic()) && name.chars().all(good);
        let returned = name == "$return" && direction != Direction::In;
        if !plain && !returned {
            return Err(self.problem(
                &format!("{place}name"),
                format!("`{name}` is no binding name; start with a letter, go on with letters and digits"),
            ));
        }
        Ok(Binding {
            name: name.to_owned(),
            kind: kind.to_owned(),
            direction,
            data_type: self.text(object, &place, "dataType")?.map(str::to_owned),
        })
    }

    fn http_trigger(
        &self,
        function: &str,
        object: &Map<String, Value>,
        bindings: &[Binding],
    ) -> Result<HttpTrigger, ProjectError> {
        let auth_level = self.text(object, "", "authLevel")?.unwrap_or("function").to_ascii_lowercase();
        let levels = ["anonymous", "function", "admin"];
        if !levels.contains(&auth_level.as_str()) {
            let hint = spelling::did_you_mean(&auth_level, levels);
            return Err(self.problem(
                "authLevel",
                format!("`{auth_level}` is unknown; expected anonymous, function or admin{hint}"),
            ));
        }
        // The host takes an empty route for an absent one (WebScriptHostHttpRoutesManager).
        let route = self.text(object, "", "route")?.filter(|route| !route.is_empty()).unwrap_or(function);
        let route = RouteTemplate::parse(route)
            .map_err(|source| ProjectError::Route { file: self.name.clone(), source })?;
        let is_output = |binding: &&Binding| {
            binding.kind.eq_ignore_ascii_case("http") && binding.direction == Direction::Out
        };
        let methods = self.methods(object)?;
        let Some(output) = bindings.iter().find(is_output) else {
            let problem = "has no `http` output, so every answer would be an empty 200; add \
                           `{\"type\":\"http\",\"direction\":\"out\",\"name\":\"res\"}`";
            return Err(self.problem("bindings", problem.to_owned()));
        };
        Ok(HttpTrigger { methods, route, auth_level, output: Some(output.name.clone()) })
    }

    fn methods(&self, object: &Map<String, Value>) -> Result<Vec<Method>, ProjectError> {
        let items = match json::member(object, "methods") {
            None => return Ok(Vec::new()),
            Some(Value::Array(items)) if !items.is_empty() => items,
            Some(Value::Array(_)) => {
                let problem =
                    "is empty, so nobody could call the function; list a method, or leave it out for all";
                return Err(self.problem("methods", problem.to_owned()));
            }
            Some(other) => {
                let found = json::kind(other);
                return Err(
                    self.problem("methods", format!("expected an array such as [\"get\"], found {found}"))
                );
            }
        };
        let mut methods = Vec::new();
        for (at, item) in items.iter().enumerate() {
            let place = format!("methods[{at}]");
            let Value::String(text) = item else {
                return Err(self.problem(&place, format!("expected a string, found {}", json::kind(item))));
            };
            match METHODS.iter().find(|method| method.as_str().eq_ignore_ascii_case(text)) {
                Some(method) if methods.contains(method) => {}
                Some(method) => methods.push(method.clone()),
                None => {
                    let hint = spelling::did_you_mean(text, METHODS.iter().map(Method::as_str));
                    return Err(self.problem(&place, format!("`{text}` is no HTTP method{hint}")));
                }
            }
        }
        Ok(methods)
    }
}
