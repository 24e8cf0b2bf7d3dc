//! Opens connections: token, TCP, PRELOGIN, TLS, login, redirect and retry, all within one budget.

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use once_cell::sync::OnceCell;
use tiberius::{AuthMethod, Client, EncryptionLevel};
use tokio::{
    net::{TcpStream, lookup_host},
    time::timeout,
};

use super::{
    open_error::{Cause, OpenError, Stage},
    prelogin::Prelogin,
    settings::{Login, Server, Settings, Trust},
    stream::{Line, Stream},
    tls::Tls,
    transient::{LOGIN_FAILED, backoff},
};
use crate::{
    Result,
    error::ServerError,
    identity::{Token, TokenCache, TokenSource},
};

/// Azure's gateway redirects once; more than this is a loop.
const MAX_REDIRECTS: u8 = 5;
/// One silent node must not eat the budget of all other attempts: there is time for this many.
const ATTEMPTS_AT_LEAST: u32 = 3;
/// But no attempt is cut off before this, if the budget is larger: a redirect over a distance takes its time.
const SHORTEST_LIMIT: Duration = Duration::from_secs(5);
/// One address of several.
const LONGEST_DIAL: Duration = Duration::from_secs(5);

static PROCESS_WIDE: OnceCell<Arc<Connector>> = OnceCell::new();

/// Opens connections to one database with one identity. There is one for a process.
#[derive(Debug)]
pub struct Connector {
    settings: Settings,
    tls: Tls,
    tokens: Option<TokenCache>,
}

/// An open connection, and what its opening took.
pub(crate) struct Connection {
    pub(crate) client: Client<Stream>,
    pub(crate) line: Line,
    pub(crate) took: OpenTimes,
}

/// What the opening of a connection took: the wait for a token, and all the rest.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct OpenTimes {
    pub(crate) token: Duration,
    pub(crate) open: Duration,
}

/// How far an attempt got, for whoever ends it from outside.
struct Progress {
    stage: Stage,
    token: Option<Token>,
    token_time: Duration,
}

/// How an attempt ended without a connection.
enum Ended {
    Redirected(Server),
    Failed(Stage, Cause),
}

/// Marks an error with the stage that it ended.
trait At<T> {
    fn at(self, stage: Stage) -> std::result::Result<T, Ended>;
}

impl<T, E: Into<Cause>> At<T> for std::result::Result<T, E> {
    fn at(self, stage: Stage) -> std::result::Result<T, Ended> {
        self.map_err(|error| Ended::Failed(stage, error.into()))
    }
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
        Ok(Connector { settings, tls, tokens })
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
        let budget = self.settings.open_budget;
        let gateway = &self.settings.server;
        let mut server = gateway.clone();
        let mut redirects = 0;
        let mut failures = 0;
        let mut may_refresh = true;
        let mut progress = Progress { stage: Stage::Token, token: None, token_time: Duration::ZERO };
        loop {
            let longest = (budget / ATTEMPTS_AT_LEAST).max(SHORTEST_LIMIT);
            let left = budget.saturating_sub(started.elapsed()).min(longest);
            progress.stage = Stage::Token;
            let attempt = self.attempt(&server, failures, &mut progress);
            let ended = match timeout(left, attempt).await {
                Ok(Ok((client, line))) => {
                    let token = progress.token_time;
                    let open = started.elapsed().saturating_sub(token);
                    return Ok(Connection { client, line, took: OpenTimes { token, open } });
                }
                Ok(Err(ended)) => ended,
                Err(_) => Ended::Failed(progress.stage, Cause::Silence(left)),
            };
            let (stage, cause) = match ended {
                Ended::Redirected(next) if self.settings.trust == Trust::Anything && !next.is_loopback() => {
                    let text = format!(
                        "the server redirects the login to {}, away from this machine, and TrustServerCertificate=yes \
                         verifies no certificate",
                        next.host
                    );
                    (Stage::Login, Cause::Protocol(text))
                }
                Ended::Redirected(next) if redirects < MAX_REDIRECTS => {
                    tracing::debug!(host = %next.host, port = next.port, "the server redirects the login");
                    redirects += 1;
                    server = next;
                    continue;
                }
                Ended::Redirected(_) => (Stage::Login, Cause::Redirects(MAX_REDIRECTS)),
                Ended::Failed(stage, cause) => (stage, cause),
            };
            failures += 1;
            let refused =
                progress.token.take().filter(|_| may_refresh && cause.number() == Some(LOGIN_FAILED));
            let stale_token = refused.is_some();
            let wait = match (&self.tokens, refused) {
                (Some(tokens), Some(refused)) => {
                    may_refresh = false;
                    tokens.forget(&refused);
                    Duration::ZERO
                }
                _ => backoff(failures, cause.number()),
            };
            let again = stale_token || cause.is_transient();
            if !again || started.elapsed() + wait >= budget {
                let server = format!("{}:{}", server.host, server.port);
                let elapsed = started.elapsed();
                let by_token = self.tokens.is_some();
                return Err(OpenError { stage, server, attempts: failures, elapsed, by_token, cause }.into());
            }
            tracing::info!(attempt = failures, %stage, cause = %crate::error::chain(&cause), "opening again");
            tokio::time::sleep(wait).await;
            // The node behind the redirect may be gone: ask the gateway again.
            server = gateway.clone();
            redirects = 0;
        }
    }

    /// One attempt, at one server.
    async fn attempt(
        &self,
        server: &Server,
        failures: u32,
        Progress { stage, token: used, token_time }: &mut Progress,
    ) -> std::result::Result<(Client<Stream>, Line), Ended> {
        let token = match &self.tokens {
            Some(tokens) => {
                let asked = Instant::now();
                let token = tokens.token().await;
                *token_time += asked.elapsed();
                Some(token.at(*stage)?)
            }
            None => None,
        };
        used.clone_from(&token);
        *stage = Stage::Tcp;
        let tcp = dial(server, failures).await.at(*stage)?;
        let name = self.certificate_name(server);
        let (secured, prelogin) = if self.tls.is_strict() {
            *stage = Stage::Tls;
            let mut secured = self.tls.secure(name, tcp).await.at(*stage)?;
            *stage = Stage::Prelogin;
            let prelogin = Prelogin::exchange(&mut secured, token.is_some()).await.at(*stage)?;
            (secured, prelogin)
        } else {
            *stage = Stage::Prelogin;
            let mut tcp = tcp;
            let prelogin = Prelogin::exchange(&mut tcp, token.is_some()).await.at(*stage)?;
            if !prelogin.encrypts().at(*stage)? {
                let text = "the server does not encrypt; no credential is sent to it".to_owned();
                return Err(Ended::Failed(*stage, Cause::Protocol(text)));
            }
            *stage = Stage::Tls;
            (self.tls.secure(name, tcp).await.at(*stage)?, prelogin)
        };
        *stage = Stage::Login;
        let line = Line::new(secured);
        let stream = Stream::new(line.clone(), prelogin).at(*stage)?;
        match Client::connect(self.config(server, token), stream).await {
            Ok(client) => Ok((client, line)),
            Err(tiberius::error::Error::Routing { host, port }) => {
                // Azure names an instance behind the host, which is of no use outside its network.
                let host = host.split('\\').next().unwrap_or_default().to_ascii_lowercase();
                Err(Ended::Redirected(Server { host, port }))
            }
            Err(error) => Err(Ended::Failed(*stage, login_cause(error))),
        }
    }

    /// The name that the server's certificate must be for. After a redirect it is the new server's own.
    fn certificate_name<'a>(&'a self, server: &'a Server) -> &'a str {
        match &self.settings.trust {
            Trust::WebPki { host_name_in_certificate: Some(name), .. } if *server == self.settings.server => {
                name
            }
            _ => &server.host,
        }
    }

    fn config(&self, server: &Server, token: Option<Token>) -> tiberius::Config {
        let settings = &self.settings;
        let mut config = tiberius::Config::new();
        config.host(&server.host);
        config.port(server.port);
        if let Some(database) = &settings.database {
            config.database(database);
        }
        if let Some(name) = &settings.workstation_id {
            config.client_name(name);
        }
        config.application_name(&settings.application_name);
        config.readonly(settings.read_only_intent);
        config.packet_size(settings.packet_size);
        // The stream is encrypted below the driver; the budgets are kept above it.
        config.encryption(EncryptionLevel::NotSupported);
        config.handshake_timeout(None);
        config.command_timeout(None);
        config.authentication(match (&settings.login, token) {
            (_, Some(token)) => AuthMethod::aad_token(token.secret()),
            (Login::Password { user, password }, None) => AuthMethod::sql_server(user, password.expose()),
            (Login::Token(_), None) => AuthMethod::None,
        });
        config
    }
}

/// Connects to the first address of the name that answers; after a failure it begins with another one.
async fn dial(server: &Server, failures: u32) -> io::Result<TcpStream> {
    let mut last = None;
    let mut addresses: Vec<_> = lookup_host((server.host.as_str(), server.port)).await?.collect();
    let first = failures as usize % addresses.len().max(1);
    addresses.rotate_left(first);
    for address in addresses {
        match timeout(LONGEST_DIAL, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => {
                stream.set_nodelay(true)?;
                return Ok(stream);
            }
            Ok(Err(error)) => last = Some(error),
            Err(_) => last = Some(io::ErrorKind::TimedOut.into()),
        }
    }
    Err(last.unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the server's name has no address")))
}

fn login_cause(error: tiberius::error::Error) -> Cause {
    match error {
        tiberius::error::Error::Server(token) => Cause::Login(ServerError::from(token)),
        tiberius::error::Error::Io { kind, message } => Cause::Io(io::Error::new(kind, message)),
        other => Cause::Protocol(other.to_string()),
    }
}
