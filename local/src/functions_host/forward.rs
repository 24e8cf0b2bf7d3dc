//! HTTP requests as they reach the handler when the host forwards (buffered) or proxies (streamed) them.

use http::{HeaderMap, HeaderName, HeaderValue, Request, Response, header, request::Parts};
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::HOST_VERSION;
use crate::{query, server::Body};

pub(super) const INVOCATION_ID: HeaderName = HeaderName::from_static("x-azure-functions-invocationid");
pub(super) const VERSION: HeaderName = HeaderName::from_static("x-azure-functions-hostversion");

/// What belongs to one connection and never goes through (RFC 9110, section 7.6.1).
const HOP_BY_HOP: [HeaderName; 6] = [
    header::CONNECTION,
    HeaderName::from_static("keep-alive"),
    header::TE,
    header::TRAILER,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
];

/// The original path, raw; the query read and written anew.
pub(super) fn forwarded_path(parts: &Parts) -> String {
    let path = parts.uri.path();
    match parts.uri.query().map(query::rebuilt).filter(|query| !query.is_empty()) {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    }
}

/// A forwarded request: the client's headers with its `Host`, the host's own beside them.
pub(super) fn forwarded(parts: &Parts, body: Body, invocation_id: &str) -> Request<Body> {
    let mut headers = passed_on(&parts.headers);
    // The body is whole in memory; hyper gives its length.
    headers.remove(header::CONTENT_LENGTH);
    beside(&mut headers, VERSION, HOST_VERSION, ", ");
    beside(&mut headers, INVOCATION_ID, invocation_id, ", ");
    beside(&mut headers, header::USER_AGENT, &format!("Azure-Functions-Host/{HOST_VERSION}"), " ");
    request(parts, headers, body)
}

/// A proxied request: `Host` is the handler's own address, the client's is in `X-Forwarded-*`.
pub(super) fn proxied(parts: &Parts, body: Body, invocation_id: &str) -> Request<Body> {
    let mut headers = passed_on(&parts.headers);
    if let Some(host) = headers.remove(header::HOST) {
        headers.insert("x-forwarded-host", host);
    }
    // Only loopback can reach the host.
    headers.insert("x-forwarded-for", HeaderValue::from_static("127.0.0.1"));
    headers.insert("x-forwarded-proto", HeaderValue::from_static("http"));
    headers.insert(VERSION, HeaderValue::from_static(HOST_VERSION));
    if let Ok(id) = HeaderValue::from_str(invocation_id) {
        headers.insert(INVOCATION_ID, id);
    }
    request(parts, headers, body)
}

fn request(parts: &Parts, headers: HeaderMap, body: Body) -> Request<Body> {
    let mut request = Request::new(body);
    request.method_mut().clone_from(&parts.method);
    *request.headers_mut() = headers;
    request
}

/// The handler's response for the client: every header and status; `body` whole or streamed.
pub(super) fn reply(parts: http::response::Parts, body: Body) -> Response<Body> {
    let mut response = Response::new(body);
    *response.status_mut() = parts.status;
    for (name, value) in &parts.headers {
        if !HOP_BY_HOP.contains(name) {
            response.headers_mut().append(name, value.clone());
        }
    }
    response
}

/// A body that goes through as it comes.
pub(super) fn streamed(body: Incoming) -> Body {
    body.map_err(Into::into).boxed_unsync()
}

/// The headers that go through, equal names on one line: so .NET's HttpClient writes them.
fn passed_on(headers: &HeaderMap) -> HeaderMap {
    let mut passed = HeaderMap::new();
    for name in headers.keys().filter(|name| !HOP_BY_HOP.contains(name)) {
        let separator: &[u8] = if name == header::COOKIE { b"; " } else { b", " };
        let values: Vec<_> = headers.get_all(name).iter().map(HeaderValue::as_bytes).collect();
        // Values that were valid one by one are valid together.
        if let Ok(value) = HeaderValue::from_bytes(&values.join(separator)) {
            passed.insert(name, value);
        }
    }
    passed
}

/// Adds a value to what the client sent under this name, on the same line.
fn beside(headers: &mut HeaderMap, name: HeaderName, added: &str, separator: &str) {
    let mut value = Vec::new();
    if let Some(sent) = headers.get(&name) {
        value.extend_from_slice(sent.as_bytes());
        value.extend_from_slice(separator.as_bytes());
    }
    value.extend_from_slice(added.as_bytes());
    if let Ok(value) = HeaderValue::from_bytes(&value) {
        headers.insert(name, value);
    }
}
