//! The host's side of the connections to the handler.

use bytes::Bytes;
use http::{Request, Response, Uri};
use hyper::body::Incoming;
use hyper_util::{
    client::legacy::{self, connect::HttpConnector},
    rt::TokioExecutor,
};

use crate::server::{Body, full};

/// Sends requests to the handler on 127.0.0.1; clones share their kept connections.
#[derive(Debug, Clone)]
pub(super) struct Client {
    http: legacy::Client<HttpConnector, Body>,
    port: u16,
}

impl Client {
    pub(super) fn new(port: u16) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        let http =
            legacy::Client::builder(TokioExecutor::new()).http1_title_case_headers(true).build(connector);
        Client { http, port }
    }

    /// Asks `GET /`; any answer at all is a success.
    pub(super) async fn ping(&self) -> Result<(), String> {
        self.send("/", Request::new(full(Bytes::new()))).await.map(drop)
    }

    /// Sends a request to this path and query. A `Host` header that it has is kept.
    pub(super) async fn send(
        &self,
        path_and_query: &str,
        mut request: Request<Body>,
    ) -> Result<Response<Incoming>, String> {
        let uri = format!("http://127.0.0.1:{}{path_and_query}", self.port);
        *request.uri_mut() = uri.parse::<Uri>().map_err(|error| format!("{uri} is not a URI: {error}"))?;
        *request.version_mut() = http::Version::HTTP_11;
        self.http
            .request(request)
            .await
            .map_err(|error| format!("the handler gave no answer on port {}: {}", self.port, causes(&error)))
    }
}

/// An error with all that lies below it.
pub(super) fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
