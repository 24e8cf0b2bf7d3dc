//! The body of the default `POST /{FunctionName}`: `Data` and `Metadata`, encoded the way the host does it.

use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, header, request::Parts};
use serde_json::{Map, Value, json};
use sqlscope::host::{project::Function, route::Params};
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use crate::query;

/// The payload of an HTTP request.
pub(super) fn of_request(
    function: &Function,
    parts: &Parts,
    body: &[u8],
    params: &Params,
    url: &str,
) -> Value {
    let query = query::joined(parts.uri.query().unwrap_or_default());
    let headers = title_cased(&parts.headers);
    let mut request = json!({
        "Url": url,
        "Method": parts.method.as_str(),
        "Query": strings(&query),
        "Headers": headers.iter().map(|(name, values)| (name.clone(), json!(values))).collect::<Map<_, _>>(),
        "Params": params.iter().map(|(name, value)| (name.clone(), json!(value))).collect::<Map<_, _>>(),
        "Identities": [],
    });
    // `Body` is there only where Content-Length > 0: with a chunked body the host leaves it out.
    let body = if parts.headers.contains_key(header::CONTENT_LENGTH) { body } else { &[] };
    if !body.is_empty() {
        request["Body"] = Value::String(body_text(&parts.headers, body));
    }

    // GetRequestBindingDataAsync (HttpTriggerAttributeBindingProvider): the body's own fields, then the
    // query, then the route, a later one replacing an earlier one.
    let mut metadata = fields_of(body);
    for (name, value) in &query {
        metadata.insert(name.clone(), Value::String(value.clone()));
    }
    for (name, value) in params {
        match value {
            Some(value) => metadata.insert(name.clone(), Value::String(value.clone())),
            None => metadata.remove(name),
        };
    }
    metadata.insert("Query".to_owned(), strings(&query));
    let headers: Vec<_> = headers.into_iter().map(|(name, values)| (name, values.join(","))).collect();
    metadata.insert("Headers".to_owned(), strings(&headers));
    json!({ "Data": { &function.trigger.name: request }, "Metadata": encoded(metadata, &function.name) })
}

/// The payload of another trigger that is run by hand with this input.
pub(super) fn of_input(function: &Function, input: &str) -> Value {
    let (data, metadata) = if function.trigger.kind.eq_ignore_ascii_case("timerTrigger") {
        let timer =
            json!({ "Schedule": { "AdjustForDST": true }, "ScheduleStatus": null, "IsPastDue": false });
        (timer, Map::new())
    } else {
        let mut metadata = fields_of(input.as_bytes());
        if function.trigger.kind.eq_ignore_ascii_case("queueTrigger") {
            let id = uuid::Uuid::new_v4().to_string();
            metadata.insert("DequeueCount".to_owned(), json!(1));
            metadata.insert("Id".to_owned(), Value::String(id));
            metadata.insert("PopReceipt".to_owned(), json!("local"));
        }
        (Value::String(json!(input).to_string()), metadata)
    };
    json!({ "Data": { &function.trigger.name: data }, "Metadata": encoded(metadata, &function.name) })
}

/// ScriptInvocationContextExtensions: a value other than an object is JSON inside a string, a key that ends
/// in `trigger` is left out.
fn encoded(metadata: Map<String, Value>, function: &str) -> Value {
    let mut encoded: Map<_, _> = metadata
        .into_iter()
        .filter(|(name, value)| !value.is_null() && !name.to_ascii_lowercase().ends_with("trigger"))
        .map(|(name, value)| if value.is_object() { (name, value) } else { (name, json!(value.to_string())) })
        .collect();
    let now = OffsetDateTime::now_utc().format(&Rfc3339).unwrap_or_default();
    let sys = json!({ "MethodName": function, "UtcNow": now, "RandGuid": uuid::Uuid::new_v4().to_string() });
    encoded.insert("sys".to_owned(), sys);
    Value::Object(encoded)
}

/// The top-level fields of a JSON object, arrays left out (Utility.ApplyBindingData); nothing of other text.
fn fields_of(text: &[u8]) -> Map<String, Value> {
    match serde_json::from_slice(text) {
        Ok(Value::Object(fields)) => fields.into_iter().filter(|(_, value)| !value.is_array()).collect(),
        _ => Map::new(),
    }
}

fn body_text(headers: &HeaderMap, body: &[u8]) -> String {
    let kind = headers.get(header::CONTENT_TYPE).map(|kind| String::from_utf8_lossy(kind.as_bytes()));
    let kind = kind.unwrap_or_default().to_ascii_lowercase();
    // Utility.IsMediaTypeOctetOrMultipart.
    if kind.split(';').next().is_some_and(|kind| kind.trim() == "application/octet-stream")
        || kind.contains("multipart/")
    {
        STANDARD.encode(body)
    } else {
        // The host reads any other body as UTF-8: bytes that are not are lost, as they are there.
        String::from_utf8_lossy(body).into_owned()
    }
}

fn strings(pairs: &[(String, String)]) -> Value {
    Value::Object(pairs.iter().map(|(name, value)| (name.clone(), json!(value))).collect())
}

/// The headers under the names that Kestrel gives them: `Content-Type`, whatever case the client wrote.
fn title_cased(headers: &HeaderMap) -> Vec<(String, Vec<String>)> {
    let title = |name: &str| {
        let words = name.split('-').map(|word| match word.split_at_checked(1) {
            Some((first, rest)) => first.to_ascii_uppercase() + rest,
            None => String::new(),
        });
        words.collect::<Vec<_>>().join("-")
    };
    let texts = |name| {
        let values = headers.get_all(name).iter();
        values.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned()).collect()
    };
    headers.keys().map(|name| (title(name.as_str()), texts(name))).collect()
}
