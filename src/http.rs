//! Requests and responses: the `http` crate's types with whole bodies, and what a handler needs to read and write them.

use std::{any::type_name, fmt::Display, str::FromStr};

pub use bytes::Bytes;
pub use http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, Uri, header};
use serde::{
    Deserializer, Serialize,
    de::{DeserializeOwned, MapAccess, Visitor},
};

use crate::{Error, Result};

/// A request with its whole body. `uri()` is the path and query that the caller asked for.
pub type Request = http::Request<Bytes>;

/// A response with its whole body.
pub type Response = http::Response<Bytes>;

/// The values of the route's parameters, in a request's extensions.
#[derive(Debug, Clone, Default)]
pub(crate) struct RouteParams(pub(crate) Vec<(String, Option<String>)>);

/// The invocation's id, in a request's extensions.
#[derive(Debug, Clone)]
pub(crate) struct InvocationId(pub(crate) String);

/// What a handler asks a [`Request`].
pub trait RequestExt {
    /// A route parameter, parsed.
    ///
    /// # Errors
    /// 400 that names the parameter, when it is absent or does not parse.
    fn param<T: FromStr>(&self, name: &str) -> Result<T>;

    /// An optional route parameter (`{id?}`), parsed; `None` when the path has none.
    ///
    /// # Errors
    /// 400 that names the parameter, when it does not parse.
    fn param_opt<T: FromStr>(&self, name: &str) -> Result<Option<T>>;

    /// A query value, parsed; `None` when the key is absent or its value empty. Several are one with commas between
    /// them, as the host forwards them.
    ///
    /// # Errors
    /// 400 that names the key, when the value does not parse.
    fn query<T: FromStr>(&self, name: &str) -> Result<Option<T>>;

    /// The body as JSON.
    ///
    /// # Errors
    /// 400 that names the field, when the body is no JSON or not of this shape.
    fn json<T: DeserializeOwned>(&self) -> Result<T>;

    /// The id that the host gave this invocation.
    fn invocation_id(&self) -> &str;
}

impl RequestExt for Request {
    fn param<T: FromStr>(&self, name: &str) -> Result<T> {
        self.param_opt(name)?.ok_or_else(|| {
            Error::bad_request(name, format!("`{name}` is missing in the path: {} is expected", kind::<T>()))
        })
    }

    fn param_opt<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        let params = self.extensions().get::<RouteParams>();
        let value = params
            .and_then(|params| params.0.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)))
            .and_then(|(_, value)| value.as_deref());
        value.map(|value| parse(name, value)).transpose()
    }

    fn query<T: FromStr>(&self, name: &str) -> Result<Option<T>> {
        let query = self.uri().query().unwrap_or_default();
        let values = form_urlencoded::parse(query.as_bytes()).filter(|(key, _)| key == name);
        let value = values.map(|(_, value)| value).collect::<Vec<_>>().join(",");
        if value.is_empty() { Ok(None) } else { parse(name, &value).map(Some) }
    }

    fn json<T: DeserializeOwned>(&self) -> Result<T> {
        if self.body().is_empty() {
            let detail = "a JSON body is expected; this request has none".to_owned();
            return Err(Error::BadRequest { field: None, detail });
        }
        let mut deserializer = serde_json::Deserializer::from_slice(self.body());
        let mut track = serde_path_to_error::Track::new();
        let tracked = serde_path_to_error::Deserializer::new(&mut deserializer, &mut track);
        let value = T::deserialize(ObjectForStruct(tracked)).map_err(|error| {
            let path = track.path().to_string();
            let field = (path != ".").then_some(path);
            json_error(field, &error)
        })?;
        deserializer.end().map_err(|error| json_error(None, &error))?;
        Ok(value)
    }

    fn invocation_id(&self) -> &str {
        self.extensions().get::<InvocationId>().map_or("", |id| &id.0)
    }
}

/// Takes no array for the body's struct, unlike serde_json: `["x"]` is no `{"title":"x"}`.
struct ObjectForStruct<D>(D);

struct ObjectVisitor<V>(V);

macro_rules! forward {
    ($($method:ident($($name:ident: $kind:ty),*))*) => {
        $(fn $method<V: Visitor<'de>>(self, $($name: $kind,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.$method($($name,)* visitor)
        })*
    };
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for ObjectForStruct<D> {
    type Error = D::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_struct(name, fields, ObjectVisitor(visitor))
    }

    forward! {
        deserialize_any() deserialize_bool() deserialize_i8() deserialize_i16() deserialize_i32()
        deserialize_i64() deserialize_i128() deserialize_u8() deserialize_u16() deserialize_u32()
        deserialize_u64() deserialize_u128() deserialize_f32() deserialize_f64() deserialize_char()
        deserialize_str() deserialize_string() deserialize_bytes() deserialize_byte_buf()
        deserialize_option() deserialize_unit() deserialize_seq() deserialize_map()
        deserialize_identifier() deserialize_ignored_any()
        deserialize_unit_struct(name: &'static str) deserialize_newtype_struct(name: &'static str)
        deserialize_tuple(length: usize) deserialize_tuple_struct(name: &'static str, length: usize)
        deserialize_enum(name: &'static str, variants: &'static [&'static str])
    }
}

impl<'de, V: Visitor<'de>> Visitor<'de> for ObjectVisitor<V> {
    type Value = V::Value;

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(map)
    }
}

fn parse<T: FromStr>(name: &str, value: &str) -> Result<T> {
    value.parse().map_err(|_| Error::bad_request(name, format!("`{name}` must be {}", kind::<T>())))
}

/// The type in a caller's words.
fn kind<T>() -> &'static str {
    match type_name::<T>() {
        "bool" => "true or false",
        "u8" | "u16" | "u32" | "u64" | "usize" => "a whole number that is not negative",
        "i8" | "i16" | "i32" | "i64" | "isize" => "a whole number",
        "f32" | "f64" => "a number",
        "uuid::Uuid" => "a UUID",
        _ => "a value of another form",
    }
}

/// serde's words without its position when a field is named: `title: invalid type: integer, expected a string`.
fn json_error(field: Option<String>, error: &serde_json::Error) -> Error {
    if !error.is_data() {
        return Error::BadRequest { field: None, detail: format!("the body is not valid JSON: {error}") };
    }
    let text = error.to_string();
    let text = text.split(" at line ").next().unwrap_or_default();
    // Messages such as "missing field `title`" and "unknown field `x`, expected …" name the field themselves.
    let named = text
        .strip_prefix("unknown field `")
        .or_else(|| text.strip_prefix("missing field `"))
        .or_else(|| text.strip_prefix("duplicate field `"))
        .and_then(|rest| rest.split('`').next())
        .map(str::to_owned);
    match (named, field) {
        (Some(named), _) => Error::BadRequest { field: Some(named), detail: text.to_owned() },
        (None, Some(field)) => {
            let detail = format!("`{field}`: {}", without_value(text));
            Error::BadRequest { field: Some(field), detail }
        }
        (None, None) => {
            Error::BadRequest { field: None, detail: format!("the body: {}", without_value(text)) }
        }
    }
}

/// Leaves out the value that serde quotes: ``invalid type: string "x", expected a boolean``.
fn without_value(text: &str) -> String {
    let kinds = ["invalid type", "invalid value", "unknown variant"];
    let kind = kinds.into_iter().find(|kind| text.starts_with(kind));
    match (kind, text.rfind(", expected ")) {
        (Some(kind), Some(at)) => format!("{kind}{}", &text[at..]),
        (Some(kind), None) => kind.to_owned(),
        (None, _) => text.to_owned(),
    }
}

/// A 200 with this value as JSON.
///
/// A value that has no JSON form (a map whose keys are no strings, say) becomes a 500.
pub fn json<T: Serialize + ?Sized>(value: &T) -> Response {
    json_with(StatusCode::OK, value)
}

/// A response with this status and this value as JSON; see [`json`].
pub fn json_with<T: Serialize + ?Sized>(status: StatusCode, value: &T) -> Response {
    match serde_json::to_vec(value) {
        Ok(body) => {
            let mut response = Response::new(body.into());
            *response.status_mut() = status;
            let content_type = HeaderValue::from_static("application/json");
            response.headers_mut().insert(header::CONTENT_TYPE, content_type);
            response
        }
        Err(error) => {
            tracing::error!(%error, "the answer has no JSON form");
            Error::other(error).to_response("")
        }
    }
}

/// A 200 with this text as `text/plain`.
pub fn text(text: impl Display) -> Response {
    let mut response = Response::new(text.to_string().into());
    let content_type = HeaderValue::from_static("text/plain; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, content_type);
    response
}

/// A response with this status and no body.
pub fn status(status: StatusCode) -> Response {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = status;
    response
}
