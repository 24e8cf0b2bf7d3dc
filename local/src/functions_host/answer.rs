//! The handler's answer to a default invocation: `Outputs`, `Logs` and `ReturnValue`, turned into a reply.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderName, HeaderValue, Response, StatusCode, header};
use serde_json::{Map, Value};
use sqlscope::host::project::{Direction, Function};

use crate::server::{Body, full};

/// What a default invocation came to.
#[derive(Debug)]
pub(super) struct Answer {
    /// What the handler wants logged, as Information.
    pub(super) logs: Vec<String>,
    /// What else the host has to say: outputs that go nowhere here.
    pub(super) warnings: Vec<String>,
    /// What the caller of an HTTP function gets.
    pub(super) response: Response<Body>,
}

/// Reads the answer; an error is why the invocation failed.
pub(super) fn read(
    function: &Function,
    status: StatusCode,
    content_type: Option<&str>,
    body: &[u8],
) -> Result<Answer, String> {
    // EnsureSuccessStatusCode. The host's HTTP client follows a 3xx instead, perhaps off this machine; a
    // handler has no use for that, so here it fails loudly.
    if !status.is_success() {
        return Err(format!("the handler answered {status}; only a 2xx carries outputs and logs"));
    }
    // DefaultHttpWorkerService awaits a result that never comes, until functionTimeout; here it fails at once.
    let kind = content_type.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    if body.is_empty() {
        return Err("the handler answered 2xx with an empty body, on which the host waits until \
                    functionTimeout; answer {\"Outputs\":{},\"Logs\":[],\"ReturnValue\":null}"
            .to_owned());
    }
    if !(kind.eq_ignore_ascii_case("application/json") || kind.eq_ignore_ascii_case("text/json")) {
        let kind = if kind.is_empty() { "no Content-Type" } else { kind };
        return Err(format!("the handler answered with {kind}; the host reads application/json only"));
    }
    let answer: Value = serde_json::from_slice(body).map_err(|error| {
        format!("the handler's answer is not JSON ({error}); expected Outputs, Logs, ReturnValue")
    })?;
    let Value::Object(answer) = answer else {
        return Err(format!(
            "the handler's answer is {}; expected an object with Outputs, Logs and ReturnValue",
            brief(&answer)
        ));
    };

    let logs = match get(&answer, "Logs") {
        None => Vec::new(),
        Some(Value::Array(logs)) => logs.iter().map(text).collect(),
        Some(other) => return Err(format!("Logs is {}; expected an array of strings", brief(other))),
    };
    let none = Map::new();
    let outputs = match get(&answer, "Outputs") {
        None => &none,
        Some(Value::Object(outputs)) => outputs,
        Some(other) => return Err(format!("Outputs is {}; expected an object", brief(other))),
    };
    let returned = get(&answer, "ReturnValue");
    let http = function.http.as_ref();
    let response = match http.and_then(|http| http.output.as_deref()) {
        Some("$return") => returned.map_or_else(|| Ok(empty(StatusCode::OK)), of_return_value)?,
        Some(output) => of_output(get(outputs, output))?,
        // FunctionInvocationMiddleware: OkResult where no output set a response.
        None => empty(StatusCode::OK),
    };
    let warnings = unwritten(function, outputs, returned);
    Ok(Answer { logs, warnings, response })
}

/// HttpScriptInvocationResultExtensions.GetHttpOutputBindingResponse, then HttpBinding.ParseResponseObject.
fn of_output(output: Option<&Value>) -> Result<Response<Body>, String> {
    let output = match output {
        // Without the output the host writes the empty object that it would have filled.
        None => return Ok(with_text(StatusCode::OK, "{}")),
        Some(Value::Object(output)) => output,
        Some(other) => {
            return Err(format!(
                "the http output is {}; expected an object with statusCode, headers and body",
                brief(other)
            ));
        }
    };
    respond(output)
}

/// The http output `$return`: a response object as above, or the body itself; base64 becomes bytes.
fn of_return_value(value: &Value) -> Result<Response<Body>, String> {
    match value {
        // HttpBinding.ParseResponseObject: a response object is one that has a body.
        Value::Object(output) if output.keys().any(|name| name.eq_ignore_ascii_case("body")) => {
            respond(output)
        }
        Value::String(text) => match STANDARD.decode(text) {
            Ok(bytes) => {
                let mut response = Response::new(full(bytes));
                set_type(&mut response, "application/octet-stream");
                Ok(response)
            }
            Err(_) => Ok(with_text(StatusCode::OK, text)),
        },
        other => Ok(with_text(StatusCode::OK, &written(other))),
    }
}

fn respond(output: &Map<String, Value>) -> Result<Response<Body>, String> {
    let status = match get(output, "statusCode").or_else(|| get(output, "status")) {
        None => StatusCode::OK,
        Some(value) => {
            let number = match value {
                Value::String(text) => text.trim().parse().ok(),
                value => value.as_u64().and_then(|number| u16::try_from(number).ok()),
            };
            // A status that is no number counts as none; hyper answers an informational one by an error.
            match number.map(StatusCode::from_u16) {
                None => StatusCode::OK,
                Some(Ok(status)) if !status.is_informational() => status,
                Some(_) => return Err(format!("statusCode is {}; expected 200 to 999", text(value))),
            }
        }
    };
    let mut response = match get(output, "body") {
        None => empty(status),
        Some(Value::String(text)) => with_text(status, text),
        Some(body) => with_text(status, &written(body)),
    };
    match get(output, "headers") {
        None => {}
        Some(Value::Object(headers)) => {
            for (name, value) in headers.iter().filter(|(_, value)| !value.is_null()) {
                // One string for each name: that is why several Set-Cookie are impossible in this mode.
                let header = HeaderName::from_bytes(name.as_bytes())
                    .ok()
                    .zip(HeaderValue::from_str(&text(value)).ok());
                let Some((name, value)) = header else {
                    return Err(format!("header {name:?} with the value {} cannot be sent", brief(value)));
                };
                if name != header::CONTENT_LENGTH && name != header::TRANSFER_ENCODING {
                    response.headers_mut().insert(name, value);
                }
            }
        }
        Some(other) => return Err(format!("headers is {}; expected an object", brief(other))),
    }
    Ok(response)
}

/// The outputs for which the real host has a service, and the stand-in has none.
fn unwritten(function: &Function, outputs: &Map<String, Value>, returned: Option<&Value>) -> Vec<String> {
    let others = function
        .bindings
        .iter()
        .filter(|binding| binding.direction != Direction::In && !binding.kind.eq_ignore_ascii_case("http"));
    let mut lines = Vec::new();
    for binding in others {
        let value = if binding.name == "$return" { returned } else { get(outputs, &binding.name) };
        let Some(value) = value else { continue };
        // GetBindingValue: whatever happens to be base64 is decoded, unless dataType says binary.
        let binary = binding.data_type.as_deref().is_some_and(|kind| kind.eq_ignore_ascii_case("binary"));
        let decoded = value.as_str().filter(|_| !binary).and_then(|text| STANDARD.decode(text).ok());
        let what = match decoded {
            Some(bytes) => {
                format!("is valid base64: the host writes its {} bytes, not the text", bytes.len())
            }
            None => format!("is {}", brief(value)),
        };
        lines.push(format!(
            "output '{}' ({}) {what}; the local host has nowhere to write it",
            binding.name, binding.kind
        ));
    }
    let declared =
        |name: &str| function.bindings.iter().any(|binding| binding.name.eq_ignore_ascii_case(name));
    let stray = outputs.keys().filter(|name| !declared(name));
    lines.extend(stray.map(|name| {
        format!("output '{name}' is no binding in function.json; the host drops it, add it there")
    }));
    lines
}

/// A field by its name in any case, as Newtonsoft.Json finds it; null counts as absent.
fn get<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let found = object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name));
    found.map(|(_, value)| value).filter(|value| !value.is_null())
}

fn empty(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(full(""));
    *response.status_mut() = status;
    response
}

fn with_text(status: StatusCode, text: &str) -> Response<Body> {
    let mut response = Response::new(full(text.to_owned()));
    *response.status_mut() = status;
    set_type(&mut response, "text/plain; charset=utf-8");
    response
}

fn set_type(response: &mut Response<Body>, kind: &'static str) {
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
}

/// A body that is no string: indented JSON.
fn written(value: &Value) -> String {
    serde_json::to_string_pretty(value).unwrap_or_else(|_| value.to_string())
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn brief(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}
