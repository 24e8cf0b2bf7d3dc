//! Opens connections: a place under the limit, then attempts, redirects and retries, all within one budget.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use once_cell::sync::OnceCell;
use tiberius::Client;
use tokio::time::{Instant, sleep, timeout};

use super::{
    addresses::Addresses,
    attempt::{Ended, Progress},
    limit::{Place, SessionLimit},
    open_error::{Cause, OpenError, Stage},
    settings::{Login, Server, Settings, Trust},
    stream::{Line, Stream},
    tls::Tls,
    transient::{LOGIN_FAILED, backoff},
};
use crate::{
    Error, Result,
    identity::{TokenCache, TokenSource},
};

/// Azure's gateway redirects once; more than this is a loop.
const MAX_REDIRECTS: u8 = 5;
/// One silent node must not eat the budget of all other attempts: there is time for this many.
const ATTEMPTS_AT_LEAST: u32 = 3;
/// But no attempt is cut off before this, if the budget is larger: a redirect over a distance takes its time.
const SHORTEST_LIMIT: Duration = Duration::from_secs(5);

static PROCESS_WIDE: OnceCell<Arc<Connector>> = OnceCell::new();

/// Opens connections to one database with one identity. There is one for a process.
#[derive(Debug)]
pub struct Connector {
    pub(super) settings: Settings,
    pub(super) tls: Tls,
    pub(super) tokens: Option<TokenCache>,
    pub(super) addresses: Addresses,
    /// Where the last opening was redirected to, if that is to be remembered.
    node: Mutex<Option<Server>>,
    limit: SessionLimit,
}

/// An open connection, and what its opening took.
pub(crate) struct Connection {
    pub(crate) client: Box<Client<Stream>>,
    pub(crate) line: Line,
    pub(crate) took: OpenTimes,
    /// Not to be handed to an invocation any more from then on: it is old, or its token has come to its end.
    pub(crate) until: Instant,
}

/// What the opening of a connection took: the wait for a token, and all the rest.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OpenTimes {
    pub(crate) token: Duration,
    pub(crate) open: Duration,
}

/// How an attempt failed, and where.
struct Failure {
    server: Server,
    stage: Stage,
    cause: Cause,
}

impl Connector {
    /// The process-wide connector, made from the process's environment at the first call.
    ///
    /// # Errors
    /// [`Error::Settings`](crate::Error::Settings) or [`Error::Identity`](crate::Error::Identity) when the environment does not say where and who; the next call
    /// tries again.
    pub fn from_env() -> Result<Arc<Self>> {
        PROCESS_WIDE
            .get_or_try_init(|| {
                let settings = Settings::from_environment(&|name| std::env::var(name).ok())?;
                Self::new(settings).map(Arc::new)
            })
            .cloned()
    }

    /// A connector for these settings.
    ///
    /// # Errors
    /// When the extra certificate cannot be read, or the identity that the settings name cannot be made.
    pub fn new(settings: Settings) -> Result<Self> {
        let tokens = match &settings.login {
            Login::Token(credential) => {
                Some(TokenCache::new(TokenSource::chosen(credential)?, settings.token_scope()))
            }
            Login::Password { .. } => None,
        };
        Self::with_tokens(settings, tokens)
    }

    /// A connector that logs in with the tokens of a credential of your own.
    ///
    /// # Errors
    /// When the extra certificate cannot be read.
    pub fn with_credential(
        settings: Settings,
        credential: Arc<dyn azure_core::credentials::TokenCredential>,
    ) -> Result<Self> {
        let tokens = TokenCache::new(TokenSource::of_application(credential), settings.token_scope());
        Self::with_tokens(settings, Some(tokens))
    }

    fn with_tokens(settings: Settings, tokens: Option<TokenCache>) -> Result<Self> {
        let tls = Tls::new(settings.encryption, &settings.trust)?;
        let limit = SessionLimit::new(settings.max_sessions);
        Ok(Connector {
            settings,
            tls,
            tokens,
            addresses: Addresses::default(),
            node: Mutex::new(None),
            limit,
        })
    }

    /// Where this connector connects to, and as whom.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Asks for the first token now, so that the first session does not wait for it.
    pub(crate) fn prefetch_token(&self) {
        if let Some(tokens) = &self.tokens {
            tokens.prefetch();
        }
    }

    /// Opens a connection within the budget of the settings.
    pub(crate) async fn open(&self) -> Result<Connection> {
        let started = Instant::now();
        let place = self.place().await?;
        self.open_in(place, started).await
    }

    /// Waits for a place under the limit on sessions, within the budget.
    pub(super) async fn place(&self) -> Result<Place> {
        let started = Instant::now();
        let place = timeout(self.settings.open_budget, self.limit.place()).await;
        place.map_err(|_| {
            let cause = Cause::Limit(self.settings.max_sessions);
            self.error(
                Failure { server: self.settings.server.clone(), stage: Stage::Limit, cause },
                0,
                started,
            )
        })
    }

    /// A place for a connection that is opened ahead, if the next invocation has one all the same.
    pub(super) fn spare_place(&self) -> Option<Place> {
        self.limit.spare_place()
    }

    fn error(&self, Failure { server, stage, cause }: Failure, attempts: u32, started: Instant) -> Error {
        let server = format!("{}:{}", server.host, server.port);
        let by_token = self.tokens.is_some();
        OpenError { stage, server, attempts, elapsed: started.elapsed(), by_token, cause }.into()
    }

    /// Opens a connection in its place, within what is left of the budget since then.
    pub(super) async fn open_in(&self, place: Place, started: Instant) -> Result<Connection> {
        let budget = self.settings.open_budget;
        let gateway = &self.settings.server;
        let node = self.node().clone();
        let mut from_memory = node.is_some();
        let mut server = node.unwrap_or_else(|| gateway.clone());
        let mut redirects = 0;
        let mut failures = 0;
        let mut may_refresh = true;
        let mut earlier = None;
        let mut progress = Progress { stage: Stage::Token, token: None, token_time: Duration::ZERO };
        loop {
            let longest = (budget / ATTEMPTS_AT_LEAST).max(SHORTEST_LIMIT);
            let left = budget.saturating_sub(started.elapsed()).min(longest);
            progress.stage = Stage::Token;
            let attempt = Box::pin(self.attempt(&server, failures, &place, &mut progress));
            let ended = match timeout(left, attempt).await {
                Ok(Ok((client, line))) => {
                    let token = progress.token_time;
                    let took = OpenTimes { token, open: started.elapsed().saturating_sub(token) };
                    if self.settings.remember_redirect && server != *gateway {
                        *self.node() = Some(server);
                    }
                    let aged = Instant::now() + self.settings.max_age;
                    let until = progress.token.map_or(aged, |token| aged.min(token.expires()));
                    return Ok(Connection { client: Box::new(client), line, took, until });
                }
                Ok(Err(ended)) => ended,
                Err(_) => Ended::Failed(progress.stage, Cause::Silence(left)),
            };
            let (stage, cause) = match ended {
                Ended::Redirected(next) => match self.redirect(&next, redirects) {
                    Ok(()) => {
                        redirects += 1;
                        server = next;
                        from_memory = false;
                        continue;
                    }
                    Err(cause) => (Stage::Login, cause),
                },
                Ended::Failed(_, cause) if from_memory => {
                    let cause = crate::error::chain(&cause);
                    tracing::info!(node = %server.host, %cause, "the remembered node failed; asking the gateway");
                    from_memory = false;
                    *self.node() = None;
                    server = gateway.clone();
                    continue;
                }
                Ended::Failed(stage, cause) => (stage, cause),
            };
            failures += 1;
            // What the end of the budget cut off says less than what came before it.
            let failure = match earlier.take() {
                Some(earlier) if matches!(cause, Cause::Silence(_)) && left < longest => earlier,
                _ => Failure { server, stage, cause },
            };
            let refused = progress.token.take();
            let refused = refused.filter(|_| may_refresh && failure.cause.number() == Some(LOGIN_FAILED));
            let stale_token = refused.is_some();
            let wait = match (&self.tokens, refused) {
                (Some(tokens), Some(refused)) => {
                    may_refresh = false;
                    tokens.forget(&refused);
                    Duration::ZERO
                }
                _ => backoff(failures, failure.cause.number()),
            };
            let again = stale_token || failure.cause.is_transient();
            if !again || started.elapsed() + wait >= budget {
                return Err(self.error(failure, failures, started));
            }
            let cause = crate::error::chain(&failure.cause);
            tracing::info!(attempt = failures, stage = %failure.stage, %cause, "opening again");
            earlier = Some(failure);
            sleep(wait).await;
            // The node behind the redirect may be gone: ask the gateway again.
            server = gateway.clone();
            redirects = 0;
        }
    }

    fn node(&self) -> MutexGuard<'_, Option<Server>> {
        // Every change under the lock is one assignment: a poisoned lock still guards a sound state.
        self.node.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a redirect is followed, after so many others.
    fn redirect(&self, next: &Server, redirects: u8) -> Result<(), Cause> {
        if self.settings.trust == Trust::Anything && !next.is_loopback() {
            return Err(Cause::Insecure(format!(
                "the server redirects the login to {}, away from this machine, and TrustServerCertificate=yes verifies \
                 no certificate",
                next.host
            )));
        }
        if redirects >= MAX_REDIRECTS {
            return Err(Cause::Redirects(MAX_REDIRECTS));
        }
        tracing::debug!(host = %next.host, port = next.port, "the server redirects the login");
        Ok(())
    }
}
