//! What a caller of the host gets: which function a request is for, and the course of its invocation.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header, request::Parts};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};
use sqlscope::host::{
    project::{Function, Mode, Project},
    route::{Found, Params, RouteTable},
};
use tokio::time::{Instant, timeout};

use super::{
    HOST_VERSION, REQUEST_LIMIT, answer,
    client::{Client, causes},
    forward,
    handler::Handler,
    output::{Level, Output},
    payload,
};
use crate::server::{Body, Service, full};

/// The functions of a project, behind the host's port.
#[derive(Debug, Clone)]
pub(super) struct Functions(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    project: Arc<Project>,
    routes: RouteTable,
    client: Client,
    handler: Arc<Handler>,
    output: Output,
}

/// What is sent to the handler for one invocation.
enum Call {
    Payload(Value),
    Forward(Parts, Bytes),
    Proxy(Parts, Incoming),
}

impl Service for Functions {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let path = request.uri().path();
        if path == "/" {
            return home();
        }
        // The host's own paths compare without case, as ASP.NET's do.
        let lower = path.to_ascii_lowercase();
        if lower == "/admin/host/status" && request.method() == Method::GET {
            return of_json(&json!({ "state": "Running", "version": HOST_VERSION, "id": "sqlscope-local" }));
        }
        if let Some(name) = lower.strip_prefix("/admin/functions/") {
            let name = name.to_owned();
            return self.run_by_hand(&name, request).await;
        }
        match self.0.routes.find(request.method(), path) {
            Found::Function { index, params } => self.http(index, params, request).await,
            // The real host's routes carry their methods: another method is another route, which is not there.
            Found::MethodNotAllowed { .. } | Found::NotFound => status(StatusCode::NOT_FOUND),
        }
    }
}

impl Functions {
    pub(super) fn new(
        project: Arc<Project>,
        routes: RouteTable,
        client: Client,
        handler: Arc<Handler>,
        output: Output,
    ) -> Self {
        Functions(Arc::new(Inner { project, routes, client, handler, output }))
    }

    async fn http(&self, index: usize, params: Params, request: Request<Incoming>) -> Response<Body> {
        let function = &self.0.project.functions[index];
        let (parts, body) = request.into_parts();
        if declared_length(&parts).is_some_and(|length| length > REQUEST_LIMIT) {
            return status(StatusCode::PAYLOAD_TOO_LARGE);
        }
        if function.mode == Mode::Proxied {
            // Not in a task of its own: when the caller leaves, this is dropped, and the connection to the
            // handler closes.
            return self.invoke(index, Call::Proxy(parts, body)).await;
        }
        let body = match Limited::new(body, REQUEST_LIMIT).collect().await {
            Ok(body) => body.to_bytes(),
            Err(error) if error.is::<LengthLimitError>() => return status(StatusCode::PAYLOAD_TOO_LARGE),
            Err(_) => return status(StatusCode::BAD_REQUEST),
        };
        let call = match function.mode {
            Mode::Forwarded => Call::Forward(parts, body),
            _ => {
                let host = parts.headers.get(header::HOST).and_then(|host| host.to_str().ok());
                let url = format!("http://{}{}", host.unwrap_or("localhost"), parts.uri);
                Call::Payload(payload::of_request(function, &parts, &body, &params, &url))
            }
        };
        // In a task of its own: a caller that leaves is nothing that the handler gets to know.
        let functions = self.clone();
        let invocation = tokio::spawn(async move { functions.invoke(index, call).await });
        invocation.await.unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR))
    }

    /// `POST /admin/functions/{name}` with `{"input": "..."}`: how a person runs a function that is no HTTP one.
    async fn run_by_hand(&self, name: &str, request: Request<Incoming>) -> Response<Body> {
        let functions = &self.0.project.functions;
        let index = functions.iter().position(|function| function.name.eq_ignore_ascii_case(name));
        let Some(index) = index else { return status(StatusCode::NOT_FOUND) };
        if request.method() != Method::POST {
            return status(StatusCode::METHOD_NOT_ALLOWED);
        }
        let function = &functions[index];
        if function.http.is_some() {
            return bad_request(format!("{} is an HTTP function; call its URL", function.name));
        }
        let body = match Limited::new(request.into_body(), REQUEST_LIMIT).collect().await {
            Ok(body) => body.to_bytes(),
            Err(_) => return status(StatusCode::BAD_REQUEST),
        };
        let input = match serde_json::from_slice::<Value>(&body) {
            Ok(Value::Object(invocation)) => match invocation.get("input") {
                None | Some(Value::Null) => String::new(),
                Some(Value::String(input)) => input.clone(),
                Some(other) => other.to_string(),
            },
            _ => return bad_request(r#"expected a body like {"input": "..."}"#.to_owned()),
        };
        let call = Call::Payload(payload::of_input(function, &input));
        let functions = self.clone();
        tokio::spawn(async move { functions.invoke(index, call).await });
        status(StatusCode::ACCEPTED)
    }

    /// One invocation from its first line in the log to its last.
    async fn invoke(&self, index: usize, call: Call) -> Response<Body> {
        let Inner { project, handler, output, .. } = &*self.0;
        let function = &project.functions[index];
        let (id, started) = (uuid::Uuid::new_v4().to_string(), Instant::now());
        let name = format!("Functions.{}", function.name);
        let reason = if function.http.is_some() {
            "This function was programmatically called via the host APIs."
        } else {
            "This function was called by hand through /admin."
        };
        output.line(Level::Information, &format!("Executing '{name}' (Reason='{reason}', Id={id})"));
        let mut last_line = LastLine { output, name: &name, id: &id, started, written: false };
        let result = match handler.ready().await {
            Err(reason) => Err(reason),
            Ok(pid) => {
                let limit = project.function_timeout.unwrap_or(Duration::MAX);
                match timeout(limit, self.call(function, call, &id)).await {
                    Ok(result) => result,
                    Err(_) => {
                        handler.restart(pid).await;
                        Err(format!(
                            "it passed functionTimeout ({limit:?}), so the handler is killed and restarted"
                        ))
                    }
                }
            }
        };
        last_line.write(result.as_ref().err().map(String::as_str));
        result.unwrap_or_else(|_| status(StatusCode::INTERNAL_SERVER_ERROR))
    }

    async fn call(&self, function: &Function, call: Call, id: &str) -> Result<Response<Body>, String> {
        let client = &self.0.client;
        match call {
            Call::Proxy(parts, body) => {
                let path = parts.uri.path_and_query().map_or("/", |path| path.as_str());
                let limited = Limited::new(body, REQUEST_LIMIT).boxed_unsync();
                let response = client.send(path, forward::proxied(&parts, limited, id)).await?;
                let (parts, body) = response.into_parts();
                Ok(forward::reply(parts, forward::streamed(body)))
            }
            Call::Forward(parts, body) => {
                // The host makes no content of a body without a length, and its HTTP client then refuses.
                if parts.headers.contains_key(header::TRANSFER_ENCODING) {
                    return Err("the request has a chunked body, which the host cannot forward; send a \
                                Content-Length, or switch host.json to enableProxyingHttpRequest"
                        .to_owned());
                }
                let request = forward::forwarded(&parts, full(body), id);
                let response = client.send(&forward::forwarded_path(&parts), request).await?;
                let (parts, body) = whole(response).await?;
                Ok(forward::reply(parts, full(body)))
            }
            Call::Payload(payload) => self.call_default(function, &payload, id).await,
        }
    }

    async fn call_default(
        &self,
        function: &Function,
        payload: &Value,
        id: &str,
    ) -> Result<Response<Body>, String> {
        let request = Request::post("/")
            .header(header::CONTENT_TYPE, "application/json; charset=utf-8")
            .header(forward::VERSION, HOST_VERSION)
            .header(forward::INVOCATION_ID, id)
            .header(header::USER_AGENT, format!("Azure-Functions-Host/{HOST_VERSION}"))
            .body(full(payload.to_string()))
            .map_err(|error| error.to_string())?;
        let response = self.0.client.send(&format!("/{}", function.name), request).await?;
        let (parts, body) = whole(response).await?;
        let kind = parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok());
        let answer = answer::read(function, parts.status, kind, &body)?;
        for log in &answer.logs {
            self.0.output.line(Level::Information, log);
        }
        for warning in &answer.warnings {
            self.0.output.line(Level::Warning, warning);
        }
        Ok(answer.response)
    }
}

/// What the log says at an invocation's end; dropping it unwritten means that nobody waited for the end.
struct LastLine<'a> {
    output: &'a Output,
    name: &'a str,
    id: &'a str,
    started: Instant,
    written: bool,
}

impl LastLine<'_> {
    fn write(&mut self, problem: Option<&str>) {
        self.written = true;
        let LastLine { output, name, id, started, .. } = self;
        let (outcome, level) = match problem {
            None => ("Succeeded", Level::Information),
            Some(_) => ("Failed", Level::Error),
        };
        let took = started.elapsed().as_millis();
        output.line(level, &format!("Executed '{name}' ({outcome}, Id={id}, Duration={took}ms)"));
        if let Some(problem) = problem {
            output.line(Level::Error, &format!("Exception while executing function: {name}. {problem}"));
        }
    }
}

impl Drop for LastLine<'_> {
    fn drop(&mut self) {
        if !self.written {
            self.write(Some("It was cancelled: its caller left, or the host stopped."));
        }
    }
}

async fn whole(response: Response<Incoming>) -> Result<(http::response::Parts, Bytes), String> {
    let (parts, body) = response.into_parts();
    let body = body
        .collect()
        .await
        .map_err(|error| format!("the handler's answer broke off: {}", causes(&error)))?;
    Ok((parts, body.to_bytes()))
}

fn declared_length(parts: &Parts) -> Option<usize> {
    parts.headers.get(header::CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

fn status(status: StatusCode) -> Response<Body> {
    let mut response = Response::new(full(Bytes::new()));
    *response.status_mut() = status;
    response
}

fn bad_request(message: String) -> Response<Body> {
    let mut response = Response::new(full(message));
    *response.status_mut() = StatusCode::BAD_REQUEST;
    response
}

fn of_json(value: &Value) -> Response<Body> {
    let mut response = Response::new(full(value.to_string()));
    let json = header::HeaderValue::from_static("application/json; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// The page of a running function app.
fn home() -> Response<Body> {
    let page = "<!DOCTYPE html><title>Functions</title><h1>Your Functions 4.0 app is up and running</h1>\n";
    let mut response = Response::new(full(page));
    let html = header::HeaderValue::from_static("text/html; charset=utf-8");
    response.headers_mut().insert(header::CONTENT_TYPE, html);
    response
}
