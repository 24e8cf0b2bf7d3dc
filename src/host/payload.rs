//! The default way in, `POST /{FunctionName}`: a JSON payload that stands for the trigger, and the answer to it.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use crate::{
    Error, Result,
    handler::{Outputs, Trigger},
    http::{Request, Response, RouteParams},
};

/// The payload of the host's POST.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Payload {
    #[serde(default)]
    data: Map<String, Value>,
    #[serde(default)]
    metadata: Map<String, Value>,
}

/// The HTTP request inside a payload, under the trigger's binding name.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HttpData {
    url: String,
    method: String,
    #[serde(default)]
    headers: Map<String, Value>,
    #[serde(default)]
    params: Option<Map<String, Value>>,
    #[serde(default)]
    body: Value,
}

fn parse(body: &[u8]) -> Result<Payload> {
    serde_json::from_slice(body)
        .map_err(|error| Error::Protocol(format!("the body is no payload with Data and Metadata: {error}")))
}

/// Reads the request that a payload stands for.
///
/// `body` there is text always: as it came, or base64 where its type is `application/octet-stream` or holds
/// `multipart/`. Other binary types arrive damaged, which only forwarding avoids.
pub(crate) fn request(body: &[u8], binding: &str) -> Result<Request> {
    let mut payload = parse(body)?;
    let data = payload.data.remove(binding).ok_or_else(|| {
        Error::Protocol(format!("its Data has no `{binding}`, which function.json names as the trigger"))
    })?;
    let data: HttpData = serde_json::from_value(data)
        .map_err(|error| Error::Protocol(format!("`{binding}` in its Data is no HTTP request: {error}")))?;

    let mut request = Request::new(Bytes::new());
    *request.method_mut() = Method::from_bytes(data.method.as_bytes())
        .map_err(|_| Error::Protocol(format!("`{}` is no method", data.method)))?;
    *request.uri_mut() = path_and_query(&data.url)?;
    for (name, values) in &data.headers {
        let name =
            HeaderName::try_from(name).map_err(|_| Error::Protocol("a header has a bad name".into()))?;
        let texts: Vec<&str> = match values {
            Value::Array(values) => values.iter().filter_map(Value::as_str).collect(),
            value => value.as_str().into_iter().collect(),
        };
        for text in texts {
            let value = HeaderValue::from_str(text)
                .map_err(|_| Error::Protocol(format!("the header {name} has a bad value")))?;
            request.headers_mut().append(&name, value);
        }
    }
    *request.body_mut() = match data.body {
        Value::Null => Bytes::new(),
        Value::String(text) if is_base64(request.headers()) => STANDARD
            .decode(text)
            .map_err(|_| {
                let detail =
                    "the body has a binary Content-Type, but is not what the host makes of one: base64";
                Error::BadRequest { field: None, detail: detail.to_owned() }
            })?
            .into(),
        Value::String(text) => text.into(),
        other => other.to_string().into(),
    };
    let params = data.params.unwrap_or_default().into_iter().map(|(name, value)| match value {
        Value::Null => (name, None),
        Value::String(text) => (name, Some(text)),
        other => (name, Some(other.to_string())),
    });
    request.extensions_mut().insert(RouteParams(params.collect()));
    Ok(request)
}

/// The path and query of the URL that the caller used, as a forwarded request has it.
fn path_and_query(url: &str) -> Result<Uri> {
    let bad = || Error::Protocol("its Url is no URL".to_owned());
    let uri: Uri = url.parse().map_err(|_| bad())?;
    match uri.path_and_query() {
        Some(path) => Ok(Uri::from(path.clone())),
        None => Err(bad()),
    }
}

fn is_base64(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.to_ascii_lowercase();
    kind.split(';').next().is_some_and(|kind| kind.trim() == "application/octet-stream")
        || kind.contains("multipart/")
}

/// Reads the payload of a trigger other than HTTP.
pub(crate) fn trigger(body: &[u8]) -> Result<Trigger> {
    let Payload { data, metadata } = parse(body)?;
    Ok(Trigger { data, metadata })
}

/// A response as the host reads it: always a 200 with `Outputs`, for any other status the caller would get an empty
/// 500.
///
/// # Errors
/// When the body is binary: this way in carries text only.
pub(crate) fn answer(
    response: &Response,
    output: Option<&str>,
    logs: impl FnOnce() -> Vec<String>,
) -> Result<Response> {
    let body = std::str::from_utf8(response.body()).map_err(|_| {
        Error::other(
            "the handler answered with a binary body, and the host takes text only in this mode: set \
             \"enableForwardingHttpRequest\": true in host.json",
        )
    })?;
    let mut headers = Map::new();
    for name in response.headers().keys() {
        let values = response.headers().get_all(name);
        let texts: Vec<_> = values.iter().map(|value| String::from_utf8_lossy(value.as_bytes())).collect();
        if name == header::SET_COOKIE && texts.len() > 1 {
            tracing::warn!(
                "the host takes one Set-Cookie only in this mode: the others are lost; set \
                 \"enableForwardingHttpRequest\": true in host.json"
            );
            headers.insert(name.to_string(), json!(texts[0]));
        } else {
            headers.insert(name.to_string(), json!(texts.join(", ")));
        }
    }
    // The host gives any text a Content-Type, an empty one too.
    let body = Some(body).filter(|body| !body.is_empty());
    let value = json!({ "statusCode": response.status().as_u16(), "headers": headers, "body": body });
    Ok(match output {
        Some("$return") | None => envelope(Map::new(), logs(), value),
        Some(name) => envelope(Map::from_iter([(name.to_owned(), value)]), logs(), Value::Null),
    })
}

/// The outputs of a trigger other than HTTP as the host reads them.
pub(crate) fn outputs(outputs: Outputs, logs: Vec<String>) -> Response {
    envelope(outputs.outputs, logs, outputs.return_value.unwrap_or(Value::Null))
}

fn envelope(outputs: Map<String, Value>, logs: Vec<String>, return_value: Value) -> Response {
    crate::http::json(&json!({ "Outputs": outputs, "Logs": logs, "ReturnValue": return_value }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::http::RequestExt;

    #[test]
    fn a_payload_becomes_the_request_that_the_caller_sent() {
        let body = json!({"Data": {"req": {
            "Url": "http://localhost:7071/api/todos/7?done=true&done=false", "Method": "POST",
            "Query": {"done": "true,false"},
            "Headers": {"Content-Type": ["application/json"], "Accept": ["a", "b"]},
            "Params": {"id": "7", "more": null}, "Identities": [], "Body": "{\"title\":\"x\"}"
        }}, "Metadata": {"id": "\"7\""}});
        let request = request(body.to_string().as_bytes(), "req").unwrap();
        assert_eq!(request.method(), Method::POST);
        assert_eq!(request.uri(), "/api/todos/7?done=true&done=false");
        assert_eq!(request.headers().get_all("accept").iter().count(), 2);
        assert_eq!(request.param::<i32>("id").unwrap(), 7);
        assert_eq!(request.param_opt::<i32>("more").unwrap(), None);
        assert_eq!(request.body(), &Bytes::from_static(b"{\"title\":\"x\"}"));
    }

    #[test]
    fn a_binary_body_arrives_as_base64_and_is_decoded() {
        for kind in ["application/octet-stream", "multipart/form-data; boundary=x"] {
            let body = json!({"Data": {"req": {"Url": "http://h/api/x", "Method": "POST",
                "Headers": {"Content-Type": [kind]}, "Body": "AP8="}}});
            let request = request(body.to_string().as_bytes(), "req").unwrap();
            assert_eq!(request.body().as_ref(), [0x00, 0xff]);
        }
    }

    #[test]
    fn text_that_looks_like_base64_stays_text() {
        let body = json!({"Data": {"req": {"Url": "http://h/api/x", "Method": "POST",
            "Headers": {"Content-Type": ["text/plain"]}, "Body": "AP8="}}});
        assert_eq!(request(body.to_string().as_bytes(), "req").unwrap().body().as_ref(), b"AP8=");
    }
}
