//! Takes the host's requests: finds the function, reads the body, has it invoked, answers in the form that is needed.

use std::{sync::Arc, time::Duration};

use bytes::{Buf, Bytes};
use futures_util::{Stream, StreamExt, pin_mut};
use http::{HeaderMap, Method, StatusCode, Uri};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use warp::Filter;

use super::{
    Project, RouteTable, payload,
    project::{Function, Mode},
    route::Found,
};
use crate::{
    Error, Result,
    app::AppSettings,
    connection::pool::Pool,
    handler::AnyHandler,
    http::{InvocationId, Request, Response, RouteParams},
    invocation,
    session::{Limits, Timings},
    telemetry::Invocation,
};

/// The id that the host gives each invocation.
const INVOCATION_ID: &str = "x-azure-functions-invocationid";
/// The host takes no larger request.
const HOST_LIMIT: usize = 104_857_600;

/// Everything that an invocation needs, made once at the start.
pub(crate) struct Server {
    pub(crate) project: Project,
    pub(crate) routes: RouteTable,
    /// In the order of the project's functions.
    pub(crate) handlers: Vec<AnyHandler>,
    pub(crate) pool: Option<Pool>,
    pub(crate) settings: AppSettings,
    /// Cuts off every invocation that is still in flight when the time for stopping is over.
    pub(crate) cut: CancellationToken,
}

/// The way into the handler, as a warp filter that takes every request.
pub(crate) fn filter(
    server: Arc<Server>,
) -> impl Filter<Extract = (Response,), Error = std::convert::Infallible> + Clone {
    let query = warp::query::raw().or(warp::any().map(String::new)).unify();
    warp::any()
        .and(warp::method())
        .and(warp::path::full())
        .and(query)
        .and(warp::header::headers_cloned())
        .and(warp::body::stream())
        .and(warp::any().map(move || server.clone()))
        .then(
            |method, path: warp::path::FullPath, query: String, headers, body, server: Arc<Server>| async move {
                let target = if query.is_empty() {
                    path.as_str().to_owned()
                } else {
                    format!("{}?{query}", path.as_str())
                };
                server.answer(method, path.as_str(), &target, headers, body).await
            },
        )
        .or(warp::any().map(|| crate::http::status(StatusCode::BAD_REQUEST)))
        .unify()
}

impl Server {
    async fn answer(
        &self,
        method: Method,
        path: &str,
        target: &str,
        headers: HeaderMap,
        body: impl Stream<Item = Result<impl Buf, warp::Error>>,
    ) -> Response {
        let id = invocation_id(&headers);
        // The host asks until something answers, and again from time to time: never with an invocation id.
        if path == "/" && method == Method::GET && !headers.contains_key(INVOCATION_ID) {
            return crate::http::text("ready");
        }
        // Where the host posts payloads, a path is no caller's but the function's name.
        let named = self.named(path).filter(|_| method == Method::POST);
        if let Some(index) = named
            && self.project.functions[index].mode == Mode::Payload
        {
            return self.payload(index, body, &id).await;
        }
        match (self.routes.find(&method, path), named) {
            (Found::Function { index, params }, _) => {
                self.forwarded(index, params, method, target, headers, body, &id).await
            }
            (_, Some(index)) => self.payload(index, body, &id).await,
            (Found::MethodNotAllowed { allow }, None) => {
                self.refuse(Error::MethodNotAllowed { allow }, &id, body).await
            }
            (Found::NotFound, None) => {
                let error = Error::NotFound("No function answers at this path.".into());
                self.refuse(error, &id, body).await
            }
        }
    }

    /// The function that `/{FunctionName}` names.
    fn named(&self, path: &str) -> Option<usize> {
        let name = path.strip_prefix('/')?;
        self.project.functions.iter().position(|function| function.name == name)
    }

    /// What an invocation that arrives now may take.
    fn limits(&self, deadline: Duration) -> Limits {
        Limits { ends: Instant::now() + deadline, deadline, cut: self.cut.clone() }
    }

    /// A request as the caller sent it.
    #[expect(clippy::too_many_arguments, reason = "these are the parts of one request")]
    async fn forwarded(
        &self,
        index: usize,
        params: Vec<(String, Option<String>)>,
        method: Method,
        target: &str,
        headers: HeaderMap,
        body: impl Stream<Item = Result<impl Buf, warp::Error>>,
        id: &str,
    ) -> Response {
        let invocation = Invocation::new(id, &self.project.functions[index].name);
        let limits = self.limits(self.settings.http_deadline);
        invocation
            .scope(async {
                let request = async {
                    let body = limits.within(collect(body, self.settings.max_body)).await?;
                    let mut request = Request::new(body);
                    *request.method_mut() = method;
                    *request.uri_mut() = target.parse::<Uri>().map_err(|_| Error::BadRequest {
                        field: None,
                        detail: "the path is no valid URI".to_owned(),
                    })?;
                    *request.headers_mut() = headers;
                    request.extensions_mut().insert(RouteParams(params));
                    Ok(request)
                };
                self.invoke_http(index, request.await, &limits, id).await
            })
            .await
    }

    /// A payload, for an HTTP function or any other.
    async fn payload(
        &self,
        index: usize,
        body: impl Stream<Item = Result<impl Buf, warp::Error>>,
        id: &str,
    ) -> Response {
        let function = &self.project.functions[index];
        let invocation = Invocation::new(id, &function.name);
        let limits = self.limits(match &self.handlers[index] {
            AnyHandler::Http(_) => self.settings.http_deadline,
            AnyHandler::Trigger(_) => self.settings.trigger_deadline,
        });
        invocation
            .scope(async {
                // A character may take six in JSON, and the body comes twice where the metadata repeat it.
                let largest = self.settings.max_body.saturating_mul(6).clamp(HOST_LIMIT / 10, HOST_LIMIT * 2);
                let body = limits.within(collect(body, largest)).await;
                match &self.handlers[index] {
                    AnyHandler::Http(_) => {
                        let request = body.and_then(|body| self.payload_request(function, &body));
                        let response = self.invoke_http(index, request, &limits, id).await;
                        let output = function.http.as_ref().and_then(|http| http.output.as_deref());
                        let logs = || invocation.take_lines();
                        payload::answer(&response, output, logs).unwrap_or_else(|error| {
                            tracing::error!("{}", error.chain());
                            let response = error.to_response(id);
                            // A problem is JSON text, which this mode carries.
                            payload::answer(&response, output, logs).unwrap_or(response)
                        })
                    }
                    AnyHandler::Trigger(handler) => {
                        let trigger = body.and_then(|body| payload::trigger(&body));
                        let pool = self.pool.as_ref().filter(|_| handler.takes_session());
                        match Box::pin(invocation::run(handler, trigger, pool, &limits)).await.0 {
                            Ok(outputs) => payload::outputs(outputs, invocation.take_lines()),
                            // The host takes the invocation as failed, and tries it again where it has a policy.
                            Err(error) => error.to_response(id),
                        }
                    }
                }
            })
            .await
    }

    fn payload_request(&self, function: &Function, body: &[u8]) -> Result<Request> {
        let request = payload::request(body, &function.trigger.name)?;
        let allow = function.http.as_ref().map(|http| http.methods.clone()).unwrap_or_default();
        if !allow.is_empty() && !allow.contains(request.method()) {
            return Err(Error::MethodNotAllowed { allow });
        }
        match request.body().len() > self.settings.max_body {
            true => Err(Error::TooLarge { limit: self.settings.max_body }),
            false => Ok(request),
        }
    }

    async fn invoke_http(
        &self,
        index: usize,
        request: Result<Request>,
        limits: &Limits,
        id: &str,
    ) -> Response {
        let AnyHandler::Http(handler) = &self.handlers[index] else {
            return Error::Protocol("this function has no HTTP handler".to_owned()).to_response(id);
        };
        let request = request.map(|mut request| {
            request.extensions_mut().insert(InvocationId(id.to_owned()));
            request
        });
        let pool = self.pool.as_ref().filter(|_| handler.takes_session());
        // Boxed, as what waits for a body is moved about before its first poll: that shall not weigh much.
        let run = Box::pin(invocation::run(handler, request, pool, limits));
        let (outcome, timings) = run.await;
        let mut response = outcome.unwrap_or_else(|error| error.to_response(id));
        if self.settings.server_timing {
            timings.write_to(response.headers_mut());
        }
        response
    }

    /// Answers what never becomes an invocation.
    async fn refuse(
        &self,
        error: Error,
        id: &str,
        body: impl Stream<Item = Result<impl Buf, warp::Error>>,
    ) -> Response {
        let limits = self.limits(self.settings.http_deadline);
        let drained = limits.within(async {
            drain(body).await;
            Ok(())
        });
        let error = drained.await.err().unwrap_or(error);
        tracing::info!(status = error.status().as_u16(), invocation = id, "{error}");
        let mut response = error.to_response(id);
        if self.settings.server_timing {
            Timings::default().write_to(response.headers_mut());
        }
        response
    }
}

/// The whole body, up to the limit, whether its length is announced or it comes in chunks.
async fn collect(body: impl Stream<Item = Result<impl Buf, warp::Error>>, limit: usize) -> Result<Bytes> {
    pin_mut!(body);
    let mut whole = Vec::new();
    while let Some(part) = body.next().await {
        let mut part = part.map_err(|error| {
            let detail = format!("the body broke off: {error}");
            Error::BadRequest { field: None, detail }
        })?;
        if whole.len() + part.remaining() > limit {
            // Read on to its end: the host may take a reply before that for a broken connection.
            drain(body).await;
            return Err(Error::TooLarge { limit });
        }
        while part.has_remaining() {
            let chunk = part.chunk();
            whole.extend_from_slice(chunk);
            let length = chunk.len();
            part.advance(length);
        }
    }
    Ok(whole.into())
}

/// Reads a body to its end and drops it; gives up where the host itself would have.
async fn drain(body: impl Stream<Item = Result<impl Buf, warp::Error>>) {
    pin_mut!(body);
    let mut read = 0;
    while let Some(Ok(part)) = body.next().await {
        read += part.remaining();
        if read > HOST_LIMIT {
            return;
        }
    }
}

/// The host's id of the invocation. A caller can send one too, which then stands before the host's; and it is text to
/// trace by, so anything but a short plain word is replaced.
fn invocation_id(headers: &HeaderMap) -> String {
    let values = headers.get_all(INVOCATION_ID);
    let last = values.iter().next_back().and_then(|value| value.to_str().ok());
    let id = last.and_then(|value| value.rsplit(',').next()).map(str::trim).unwrap_or_default();
    let plain = id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    match plain && (1..=64).contains(&id.len()) {
        true => id.to_owned(),
        false => uuid::Uuid::new_v4().to_string(),
    }
}
