//! The managed identity endpoint of App Service and Functions, on loopback, with tokens of the local issuer.

use std::{
    io,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use http::{Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use serde_json::{Value, json};

use crate::{
    query,
    server::{Body, HangUp, Server, Service, full, listen},
    token::{Claims, TokenIssuer},
};

const PATH: &str = "/msi/token";
const API_VERSION: &str = "2019-08-01";

/// The client id of the system-assigned identity: who a token is for when the request names no identity.
pub const SYSTEM_ASSIGNED: &str = "a1f0c2de-0000-4000-8000-000000000001";

/// The names under which App Service takes a user-assigned identity; `object_id` and `msi_res_id` are its
/// aliases, and the ones that azure_identity sends.
const SELECTORS: [&str; 5] = ["client_id", "principal_id", "object_id", "mi_res_id", "msi_res_id"];

/// What an identity endpoint does with requests for a token instead of answering them. They are counted all the
/// same.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IdentityFault {
    /// 429, with a `Retry-After` of one second.
    TooManyRequests,
    /// 500.
    ServerError,
    /// The usual answer, this much later.
    Slow(Duration),
    /// No answer, until the client hangs up or the endpoint stops.
    Stall,
    /// 200, with a body that is no JSON.
    Garbage,
    /// The connection is closed without an answer: in good order (FIN), as the HTTP server has no way to send a RST.
    Reset,
}

/// How an [`IdentityEndpoint`] is set up.
#[derive(Debug, Clone)]
pub struct IdentityOptions {
    /// The port on 127.0.0.1; 0 picks a free one.
    pub port: u16,
    /// What a caller must send as `X-IDENTITY-HEADER`; the `IDENTITY_HEADER` of the app.
    pub header: String,
    /// Who signs the tokens.
    pub tokens: TokenIssuer,
    /// How long a token holds.
    pub token_lifetime: Duration,
    /// The user-assigned identities, by client id; empty lets any through.
    pub client_ids: Vec<String>,
    /// The fault that it shows from its start.
    pub fault: Option<IdentityFault>,
}

impl IdentityOptions {
    /// A free port, tokens that hold for 24 hours as Azure's do, any user-assigned identity, and no fault.
    pub fn new(header: impl Into<String>, tokens: TokenIssuer) -> Self {
        IdentityOptions {
            port: 0,
            header: header.into(),
            tokens,
            token_lifetime: Duration::from_secs(24 * 60 * 60),
            client_ids: Vec::new(),
            fault: None,
        }
    }
}

/// A running managed identity endpoint; dropping it stops it.
#[derive(Debug)]
pub struct IdentityEndpoint {
    server: Server,
    answers: Answers,
}

impl IdentityEndpoint {
    /// Starts the endpoint on 127.0.0.1.
    ///
    /// # Errors
    /// When the port is taken.
    pub async fn start(options: IdentityOptions) -> io::Result<Self> {
        let listener = listen(options.port)?;
        let answers = Answers { options: Arc::new(Mutex::new(options)), requests: Arc::default() };
        Ok(IdentityEndpoint { server: Server::start(listener, answers.clone())?, answers })
    }

    /// The port that the endpoint listens on.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// The endpoint's address: the app's `IDENTITY_ENDPOINT`.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}{PATH}", self.port())
    }

    /// How many requests for a token there were, refused ones included.
    pub fn requests(&self) -> usize {
        self.answers.requests.load(Ordering::Relaxed)
    }

    /// Shows this fault from the next request on, or none.
    pub fn set_fault(&self, fault: Option<IdentityFault>) {
        self.answers.options().fault = fault;
    }

    /// Sets how long the tokens hold that are issued from now on.
    pub fn set_token_lifetime(&self, lifetime: Duration) {
        self.answers.options().token_lifetime = lifetime;
    }

    /// Stops the endpoint, and waits until it has stopped.
    pub async fn stop(mut self) {
        self.server.stop(Duration::from_secs(1)).await;
    }
}

#[derive(Debug, Clone)]
struct Answers {
    options: Arc<Mutex<IdentityOptions>>,
    requests: Arc<AtomicUsize>,
}

impl Service for Answers {
    async fn answer(&self, request: Request<Incoming>) -> Response<Body> {
        let options = self.options().clone();
        let answer = match self.asks_for_a_token(&request) {
            Ok(()) => match options.fault {
                Some(IdentityFault::TooManyRequests) => {
                    Err((StatusCode::TOO_MANY_REQUESTS, "Too many requests; try again later.".to_owned()))
                }
                Some(IdentityFault::ServerError) => {
                    Err((StatusCode::INTERNAL_SERVER_ERROR, "An unexpected error occurred.".to_owned()))
                }
                Some(IdentityFault::Garbage) => {
                    return Response::new(full("<html>a token, as it were</html>"));
                }
                Some(IdentityFault::Stall) => std::future::pending().await,
                Some(IdentityFault::Reset) => {
                    let mut response = Response::new(full(""));
                    response.extensions_mut().insert(HangUp);
                    return response;
                }
                Some(IdentityFault::Slow(time)) => {
                    tokio::time::sleep(time).await;
                    options.token(&request)
                }
                None => options.token(&request),
            },
            Err(refusal) => Err(refusal),
        };
        let (status, answer) = match answer {
            Ok(answer) => (StatusCode::OK, answer),
            // The shape of App Service's own refusals.
            Err((status, message)) => (
                status,
                json!({
                    "statusCode": status.as_u16(),
                    "message": message,
                    "correlationId": uuid::Uuid::new_v4().to_string(),
                }),
            ),
        };
        let mut response = Response::new(full(answer.to_string()));
        *response.status_mut() = status;
        let json = header::HeaderValue::from_static("application/json; charset=utf-8");
        response.headers_mut().insert(header::CONTENT_TYPE, json);
        if status == StatusCode::TOO_MANY_REQUESTS {
            response.headers_mut().insert(header::RETRY_AFTER, header::HeaderValue::from_static("1"));
        }
        response
    }
}

type Refusal = (StatusCode, String);

impl Answers {
    fn options(&self) -> MutexGuard<'_, IdentityOptions> {
        self.options.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts the request if it is one for a token.
    fn asks_for_a_token(&self, request: &Request<Incoming>) -> Result<(), Refusal> {
        if request.uri().path() != PATH {
            return Err((StatusCode::NOT_FOUND, format!("there is only {PATH} here")));
        }
        if request.method() != Method::GET {
            return Err((StatusCode::METHOD_NOT_ALLOWED, format!("{PATH} takes GET only")));
        }
        self.requests.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

impl IdentityOptions {
    fn token(&self, request: &Request<Incoming>) -> Result<Value, Refusal> {
        match request.headers().get("x-identity-header") {
            None => {
                let message = "the X-IDENTITY-HEADER header is missing; send the value of IDENTITY_HEADER";
                return Err((StatusCode::UNAUTHORIZED, message.to_owned()));
            }
            Some(header) if header.as_bytes() != self.header.as_bytes() => {
                let message = "the X-IDENTITY-HEADER header is not the value of IDENTITY_HEADER";
                return Err((StatusCode::FORBIDDEN, message.to_owned()));
            }
            Some(_) => {}
        }
        let bad = |message: String| (StatusCode::BAD_REQUEST, message);
        let query = query::joined(request.uri().query().unwrap_or_default());
        let parameter = |name: &str| {
            query
                .iter()
                .find(|(key, value)| key == name && !value.is_empty())
                .map(|(_, value)| value.as_str())
        };
        match parameter("api-version") {
            Some(API_VERSION) => {}
            Some(other) => {
                return Err(bad(format!("api-version {other:?} is not supported; send {API_VERSION}")));
            }
            None => return Err(bad(format!("the query has no api-version; send api-version={API_VERSION}"))),
        }
        let Some(resource) = parameter("resource") else {
            return Err(bad("the query has no resource; send the URI of what the token is for".to_owned()));
        };
        let claims = self.claims(resource, &parameter).map_err(bad)?;
        let token = self.tokens.issue(&claims);
        let token = token.map_err(|error| (StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
        Ok(json!({
            "access_token": token,
            // A string, as App Service sends it; a number breaks its clients.
            "expires_on": claims.exp.to_string(),
            "resource": resource,
            "token_type": "Bearer",
            "client_id": claims.appid,
        }))
    }

    fn claims<'q>(
        &self,
        resource: &str,
        parameter: &impl Fn(&str) -> Option<&'q str>,
    ) -> Result<Claims, String> {
        let lifetime = i64::try_from(self.token_lifetime.as_secs()).unwrap_or(i64::MAX / 2);
        let named: Vec<_> =
            SELECTORS.iter().filter_map(|name| parameter(name).map(|id| (*name, id))).collect();
        let mut claims = match named[..] {
            [] => Claims::new(SYSTEM_ASSIGNED, lifetime),
            [(selector, id)] => self.user_assigned(selector, id, lifetime)?,
            [(first, _), (second, _), ..] => {
                return Err(format!("{first} and {second} exclude each other; name the identity once"));
            }
        };
        resource.clone_into(&mut claims.aud);
        Ok(claims)
    }

    /// The identity with this client id, object id or resource id.
    fn user_assigned(&self, selector: &str, id: &str, lifetime: i64) -> Result<Claims, String> {
        if self.client_ids.is_empty() {
            let mut claims = Claims::new(id, lifetime);
            if matches!(selector, "principal_id" | "object_id") {
                id.clone_into(&mut claims.oid);
                id.clone_into(&mut claims.sub);
            }
            return Ok(claims);
        }
        let mut known = self.client_ids.iter().map(|client_id| Claims::new(client_id, lifetime));
        known.find(|claims| claims.appid == id || claims.oid == id).ok_or_else(|| {
            format!(
                "No User Assigned or Delegated Managed Identity found for specified \
                 ClientId/ResourceId/PrincipalId ({selector}={id})."
            )
        })
    }
}
