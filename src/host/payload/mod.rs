//! The default way in, `POST /{FunctionName}`: a JSON payload that stands for the trigger, and the answer to it.

mod answer;
mod request;

pub(crate) use answer::{answer, outputs};
pub(crate) use request::request;
use serde::Deserialize;
use serde_json::{Map, Value};

use crate::{Error, Result, handler::Trigger};

/// The payload of the host's POST.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Payload {
    #[serde(default)]
    data: Map<String, Value>,
    #[serde(default)]
    metadata: Map<String, Value>,
}

fn no_payload(error: serde_json::Error) -> Error {
    Error::Protocol(format!("the body is no payload with Data and Metadata: {error}"))
}

/// Reads the payload of a trigger other than HTTP.
pub(crate) fn trigger(body: &[u8]) -> Result<Trigger> {
    let Payload { data, metadata } = serde_json::from_slice(body).map_err(no_payload)?;
    Ok(Trigger { data, metadata })
}
