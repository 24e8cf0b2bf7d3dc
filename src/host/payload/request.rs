//! The HTTP request that a payload stands for, read in one pass over what matters of it.

use std::{borrow::Cow, collections::HashMap, fmt};

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};
use serde::{
    Deserialize, Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::value::RawValue;

use crate::{
    Error, Result,
    http::{Request, RouteParams},
};

/// What is read of the payload: not its Metadata, which say the same again.
#[derive(Deserialize)]
struct Payload<'a> {
    #[serde(rename = "Data", borrow, default)]
    data: HashMap<Text<'a>, &'a RawValue>,
}

/// The HTTP request inside it, under the trigger's binding name.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct HttpData<'a> {
    #[serde(borrow)]
    url: Cow<'a, str>,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(default)]
    headers: Headers,
    #[serde(borrow, default)]
    params: Option<HashMap<Text<'a>, &'a RawValue>>,
    #[serde(borrow, default)]
    body: Option<&'a RawValue>,
}

/// A text that is copied only if it has escapes.
#[derive(Deserialize, PartialEq, Eq, Hash)]
struct Text<'a>(#[serde(borrow)] Cow<'a, str>);

/// Reads the request that a payload stands for.
///
/// `body` there is text always: as it came, or base64 where its type is `application/octet-stream` or holds
/// `multipart/`. Other binary types arrive damaged, which only forwarding avoids.
pub(crate) fn request(body: &[u8], binding: &str) -> Result<Request> {
    let payload: Payload<'_> = serde_json::from_slice(body).map_err(super::no_payload)?;
    let data = payload.data.get(&Text(binding.into())).ok_or_else(|| {
        Error::Protocol(format!("its Data has no `{binding}`, which function.json names as the trigger"))
    })?;
    let data: HttpData<'_> = serde_json::from_str(data.get())
        .map_err(|error| Error::Protocol(format!("`{binding}` in its Data is no HTTP request: {error}")))?;

    let mut request = Request::new(Bytes::new());
    *request.method_mut() = Method::from_bytes(data.method.as_bytes())
        .map_err(|_| Error::Protocol(format!("`{}` is no method", data.method)))?;
    *request.uri_mut() = path_and_query(&data.url)?;
    *request.headers_mut() = data.headers.0;
    *request.body_mut() = match data.body.map(text).transpose()?.flatten() {
        None => Bytes::new(),
        Some(text) if is_base64(request.headers()) => STANDARD
            .decode(text)
            .map_err(|_| {
                let detail =
                    "the body has a binary Content-Type, but is not what the host makes of one: base64";
                Error::BadRequest { field: None, detail: detail.to_owned() }
            })?
            .into(),
        Some(text) => text.into(),
    };
    let params = data.params.unwrap_or_default();
    let params = params.into_iter().map(|(name, value)| Ok((name.0.into_owned(), text(value)?)));
    request.extensions_mut().insert(RouteParams(params.collect::<Result<_>>()?));
    Ok(request)
}

/// A JSON value as text: a string's own, any other one's as it is written; `None` for null.
fn text(value: &RawValue) -> Result<Option<String>> {
    match value.get() {
        "null" => Ok(None),
        string if string.starts_with('"') => serde_json::from_str(string)
            .map_err(|error| Error::Protocol(format!("a string in its Data is no text: {error}"))),
        other => Ok(Some(other.to_owned())),
    }
}

/// The path and query of the URL that the caller used, as a forwarded request has it.
fn path_and_query(url: &str) -> Result<Uri> {
    let bad = || Error::Protocol("its Url is no URL".to_owned());
    let uri: Uri = url.parse().map_err(|_| bad())?;
    match uri.into_parts().path_and_query {
        Some(path) => Ok(Uri::from(path)),
        None => Err(bad()),
    }
}

fn is_base64(headers: &HeaderMap) -> bool {
    let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kind = kind.to_ascii_lowercase();
    kind.split(';').next().is_some_and(|kind| kind.trim() == "application/octet-stream")
        || kind.contains("multipart/")
}

/// Headers, each with a list of values or with one.
#[derive(Default)]
struct Headers(HeaderMap);

impl<'de> Deserialize<'de> for Headers {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByName;

        impl<'de> Visitor<'de> for ByName {
            type Value = Headers;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("headers")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Headers, A::Error> {
                let mut headers = HeaderMap::new();
                while let Some(Text(name)) = map.next_key()? {
                    let name = HeaderName::from_bytes(name.as_bytes())
                        .map_err(|_| serde::de::Error::custom("a header has a bad name"))?;
                    let values: Values = map.next_value()?;
                    let values = values.0.ok_or_else(|| {
                        serde::de::Error::custom(format!("the header {name} has a bad value"))
                    })?;
                    for value in values {
                        headers.append(&name, value);
                    }
                }
                Ok(Headers(headers))
            }
        }

        deserializer.deserialize_map(ByName)
    }
}

/// The values of a header, without those that are no text; `None` if one cannot be a header's.
struct Values(Option<Vec<HeaderValue>>);

impl<'de> Deserialize<'de> for Values {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Values;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of texts, or one")
            }

            fn visit_str<E>(self, text: &str) -> Result<Values, E> {
                Ok(Values(HeaderValue::from_str(text).ok().map(|value| vec![value])))
            }

            fn visit_unit<E>(self) -> Result<Values, E> {
                Ok(Values(Some(Vec::new())))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Values, A::Error> {
                let mut all = Some(Vec::new());
                while let Some(Values(more)) = seq.next_element()? {
                    all = all.zip(more).map(|(mut all, more)| {
                        all.extend(more);
                        all
                    });
                }
                Ok(Values(all))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Values, E> {
                Ok(Values(Some(Vec::new())))
            }

            fn visit_i64<E>(self, _: i64) -> Result<Values, E> {
                Ok(Values(Some(Vec::new())))
            }

            fn visit_u64<E>(self, _: u64) -> Result<Values, E> {
                Ok(Values(Some(Vec::new())))
            }

            fn visit_f64<E>(self, _: f64) -> Result<Values, E> {
                Ok(Values(Some(Vec::new())))
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Values, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Values(Some(Vec::new())))
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

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

    #[test]
    fn a_header_may_have_one_value_without_a_list_and_what_is_no_text_is_none() {
        let body = json!({"Data": {"req": {"Url": "http://h/api/x", "Method": "GET",
            "Headers": {"A": "one", "B": ["two", 3, null, {"c": 4}, "five"], "D": null, "E": true}}}});
        let request = request(body.to_string().as_bytes(), "req").unwrap();
        assert_eq!(request.headers()["a"], "one");
        let of_b: Vec<_> = request.headers().get_all("b").iter().collect();
        assert_eq!(of_b, ["two", "five"]);
        assert_eq!(request.headers().len(), 3);
    }

    #[test]
    fn a_header_that_none_can_be_is_an_error_that_says_so() {
        for (name, value, problem) in
            [("a b", "x", "bad name"), ("a", "x\ny", "the header a has a bad value")]
        {
            let body =
                json!({"Data": {"req": {"Url": "http://h/", "Method": "GET", "Headers": {name: [value]}}}});
            let error = request(body.to_string().as_bytes(), "req").unwrap_err().to_string();
            assert!(error.contains(problem), "{error}");
        }
    }

    #[test]
    fn a_text_with_half_a_character_is_an_error_and_not_taken_as_it_is_written() {
        for place in [r#""Body": "\ud800""#, r#""Params": {"id": "\ud800"}"#] {
            let body = format!(r#"{{"Data": {{"req": {{"Url": "http://h/", "Method": "GET", {place}}}}}}}"#);
            let error = request(body.as_bytes(), "req").unwrap_err().to_string();
            assert!(error.contains("is no text"), "{error}");
        }
    }

    #[test]
    fn a_body_or_parameter_that_is_no_text_arrives_as_it_is_written() {
        let body = r#"{"Data": {"req": {"Url": "http://h/", "Method": "GET", "Body": {"a": [1, 2]},
            "Params": {"n": 7, "text": "a\u0062c"}}}}"#;
        let request = request(body.as_bytes(), "req").unwrap();
        assert_eq!(request.body().as_ref(), br#"{"a": [1, 2]}"#);
        assert_eq!(request.param::<i32>("n").unwrap(), 7);
        assert_eq!(request.param::<String>("text").unwrap(), "abc");
    }
}
