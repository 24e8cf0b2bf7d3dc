//! The answer to a payload: always a 200 with `Outputs`, for any other status the caller would get an empty 500.

use std::{borrow::Cow, collections::HashMap};

use http::{HeaderMap, header};
use serde::{Serialize, Serializer};
use serde_json::Value;

use crate::{Error, Result, handler::Outputs, http::Response};

/// What the host reads.
#[derive(Serialize)]
#[serde(rename_all = "PascalCase")]
struct Envelope<O, R> {
    outputs: O,
    logs: Vec<String>,
    return_value: R,
}

/// A response inside of it.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct HttpOutput<'a> {
    status_code: u16,
    #[serde(serialize_with = "joined")]
    headers: &'a HeaderMap,
    /// The host gives any text a Content-Type, an empty one too.
    body: Option<&'a str>,
}

/// A response as the host reads it.
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
    let headers = response.headers();
    if headers.get_all(header::SET_COOKIE).iter().nth(1).is_some() {
        tracing::warn!(
            "the host takes one Set-Cookie only in this mode: the others are lost; set \
             \"enableForwardingHttpRequest\": true in host.json"
        );
    }
    let body = Some(body).filter(|body| !body.is_empty());
    let response = HttpOutput { status_code: response.status().as_u16(), headers, body };
    Ok(match output {
        Some("$return") | None => envelope(HashMap::<&str, ()>::new(), logs(), response),
        Some(name) => envelope(HashMap::from([(name, response)]), logs(), ()),
    })
}

/// Each header with its values in one text; of several cookies the first one.
fn joined<S: Serializer>(headers: &&HeaderMap, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_map(headers.keys().map(|name| {
        let mut values = headers.get_all(name).iter().map(|value| String::from_utf8_lossy(value.as_bytes()));
        let first = values.next().unwrap_or_default();
        let text = values.fold(first, |text, more| match *name == header::SET_COOKIE {
            true => text,
            false => Cow::Owned(format!("{text}, {more}")),
        });
        (name.as_str(), text)
    }))
}

/// The outputs of a trigger other than HTTP as the host reads them.
pub(crate) fn outputs(outputs: Outputs, logs: Vec<String>) -> Response {
    envelope(outputs.outputs, logs, outputs.return_value.unwrap_or(Value::Null))
}

fn envelope(outputs: impl Serialize, logs: Vec<String>, return_value: impl Serialize) -> Response {
    crate::http::json(&Envelope { outputs, logs, return_value })
}
