//! Why no connection could be opened: the stage, the cause, and what to check.

use std::{fmt, io, time::Duration};

use tokio_rustls::rustls;

use super::transient::is_transient;
use crate::{error::ServerError, identity::IdentityError};

/// How far an attempt to open a connection got.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Waiting for a place under the limit on sessions.
    Limit,
    /// Getting the access token.
    Token,
    /// Looking up the server's name and connecting to one of its addresses.
    Tcp,
    /// The first TDS exchange.
    Prelogin,
    /// The TLS handshake.
    Tls,
    /// The login itself, until the server has acknowledged it.
    Login,
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Stage::Limit => "the wait for a free session",
            Stage::Token => "getting the access token",
            Stage::Tcp => "connecting",
            Stage::Prelogin => "the first exchange (PRELOGIN)",
            Stage::Tls => "the TLS handshake",
            Stage::Login => "the login",
        })
    }
}

/// What ended one attempt.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Cause {
    #[error(transparent)]
    Token(#[from] IdentityError),
    #[error("{0}")]
    Io(#[from] io::Error),
    #[error("{0}")]
    Login(ServerError),
    /// What the driver makes of an answer that it does not understand.
    #[error("{0}")]
    Protocol(String),
    /// What would work, and is refused.
    #[error("{0}")]
    Insecure(String),
    #[error("no answer within {:.1}s", .0.as_secs_f32())]
    Silence(Duration),
    #[error("the server redirected the login more than {0} times")]
    Redirects(u8),
    #[error("all {0} sessions of this process are in use")]
    Limit(usize),
}

impl Cause {
    pub(crate) fn number(&self) -> Option<u32> {
        match self {
            Cause::Login(error) => Some(error.number()),
            _ => None,
        }
    }

    /// Whether another attempt may succeed.
    pub(crate) fn is_transient(&self) -> bool {
        match self {
            Cause::Token(error) => error.is_transient(),
            // rustls reports a certificate or protocol failure as InvalidData; all else is the network's.
            Cause::Io(error) => {
                !matches!(error.kind(), io::ErrorKind::InvalidData | io::ErrorKind::InvalidInput)
            }
            Cause::Login(error) => is_transient(error.number()),
            Cause::Protocol(_) | Cause::Insecure(_) | Cause::Redirects(_) => false,
            Cause::Silence(_) | Cause::Limit(_) => true,
        }
    }
}

/// No connection could be opened.
#[derive(Debug)]
pub struct OpenError {
    pub(crate) stage: Stage,
    pub(crate) server: String,
    pub(crate) attempts: u32,
    pub(crate) elapsed: Duration,
    pub(crate) by_token: bool,
    pub(crate) cause: Cause,
}

impl OpenError {
    /// How far the last attempt got.
    pub fn stage(&self) -> Stage {
        self.stage
    }

    /// Whether a later try may succeed: the caller got 503, not 500.
    pub fn is_transient(&self) -> bool {
        self.cause.is_transient()
    }

    /// The number of the server's error, when the server refused the login.
    pub fn number(&self) -> Option<u32> {
        self.cause.number()
    }

    /// How long the caller is told to wait.
    pub(crate) fn retry_after(&self) -> Duration {
        match self.cause.number() {
            Some(40501) => Duration::from_secs(10),
            _ => Duration::from_secs(5),
        }
    }

    /// What to check, in the log only.
    fn advice(&self) -> &'static str {
        match (self.stage, &self.cause) {
            (_, Cause::Limit(_)) => {
                "; raise SQLSCOPE_MAX_SESSIONS if the database's tier has more, or shorten what the handlers do \
                 while they hold one"
            }
            (_, Cause::Token(_)) => "",
            (Stage::Token, _) => {
                "; check that the identity endpoint (IDENTITY_ENDPOINT), or `az` on your machine, answers"
            }
            (Stage::Tcp, _) => {
                "; check the server's name and port, its firewall (\"Allow Azure services\", virtual network rules, \
                 a private endpoint) and that nothing blocks outbound 1433 and 11000 to 11999"
            }
            (Stage::Tls, Cause::Io(error)) if is_certificate(error) => {
                "; the certificate must be valid for the server's name: use its full name \
                 (*.database.windows.net), or ServerCertificate=<pem> for a server with a CA of its own"
            }
            (_, Cause::Io(error)) if error.kind() == io::ErrorKind::InvalidData => NO_SQL_SERVER,
            (_, Cause::Protocol(_)) => NO_SQL_SERVER,
            (_, Cause::Redirects(_)) => {
                "; check the server's connection policy, and that the name leads to one server"
            }
            (_, Cause::Login(error)) => match error.number() {
                18456 if !self.by_token => "; check the user and the password",
                18456 => {
                    "; check that the identity is a user of this database (CREATE USER [app] FROM EXTERNAL PROVIDER), \
                     that it is the identity you mean (its client id), and the tenant of the server"
                }
                4060 => "; check the database's name, and that the identity has a user in it",
                40615 | 47073 => "; the server's firewall refuses this address",
                40532 | 40531 => "; use the server's full name, such as x.database.windows.net",
                40613 | 42108 | 42109 => {
                    "; a serverless database that was paused needs up to a minute: raise \
                     SQLSCOPE_OPEN_TIMEOUT_SECONDS if the callers can wait"
                }
                10928 | 10929 => "; the tier's limit of logins or sessions is reached",
                _ => "",
            },
            _ => "",
        }
    }
}

/// What answers there, or stands in the way, speaks another language.
const NO_SQL_SERVER: &str = "; check that the port is the server's (1433), that nothing between (a proxy, a firewall \
                             that inspects TLS) answers in its place, and that Encrypt=Strict is wanted where it is set";

fn is_certificate(error: &io::Error) -> bool {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    matches!(cause, Some(rustls::Error::InvalidCertificate(_)))
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let OpenError { server, stage, attempts, cause, .. } = self;
        write!(f, "no connection to {server} could be opened: {stage} failed (")?;
        if *attempts > 0 {
            write!(f, "attempt {attempts}, ")?;
        }
        let (seconds, cause) = (self.elapsed.as_secs_f32(), crate::error::chain(cause));
        write!(f, "{seconds:.1}s): {cause}{}", self.advice())
    }
}

impl std::error::Error for OpenError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        // The text already has the whole chain of the cause.
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advice(stage: Stage, cause: Cause, by_token: bool) -> &'static str {
        let server = "x.database.windows.net:1433".to_owned();
        OpenError { stage, server, attempts: 1, elapsed: Duration::ZERO, by_token, cause }.advice()
    }

    fn login(number: u32) -> Cause {
        Cause::Login(ServerError::of_test(number, "m"))
    }

    #[test]
    fn each_failure_comes_with_what_to_check_for_it() {
        let invalid = |error: rustls::Error| Cause::Io(io::Error::new(io::ErrorKind::InvalidData, error));
        let expired = rustls::Error::InvalidCertificate(rustls::CertificateError::Expired);
        let silence = || Cause::Silence(Duration::from_secs(1));
        for (stage, cause, check) in [
            (Stage::Limit, Cause::Limit(100), "SQLSCOPE_MAX_SESSIONS"),
            (Stage::Token, silence(), "IDENTITY_ENDPOINT"),
            (Stage::Tcp, silence(), "firewall"),
            (Stage::Tcp, Cause::Io(io::ErrorKind::ConnectionRefused.into()), "firewall"),
            (Stage::Prelogin, Cause::Io(io::ErrorKind::InvalidData.into()), "that the port is the server's"),
            (Stage::Tls, invalid(expired), "the certificate must be valid"),
            (Stage::Tls, invalid(rustls::Error::DecryptError), "that the port is the server's"),
            (Stage::Login, Cause::Protocol("x".into()), "that the port is the server's"),
            (Stage::Login, Cause::Redirects(5), "connection policy"),
            (Stage::Login, login(18456), "CREATE USER"),
            (Stage::Login, login(4060), "the database's name"),
            (Stage::Login, login(40615), "firewall"),
            (Stage::Login, login(40532), "full name"),
            (Stage::Login, login(40613), "SQLSCOPE_OPEN_TIMEOUT_SECONDS"),
            (Stage::Login, login(10928), "limit of logins or sessions"),
        ] {
            let text = format!("{stage}: {cause}");
            let advice = advice(stage, cause, true);
            assert!(advice.starts_with("; ") && advice.contains(check), "{text}{advice}");
        }
        assert!(advice(Stage::Login, login(18456), false).contains("the user and the password"));
    }

    #[test]
    fn what_says_it_all_by_itself_comes_with_no_advice() {
        let refused = Cause::Insecure("the server does not encrypt".into());
        let reset = Cause::Io(io::ErrorKind::ConnectionReset.into());
        let no_token = Cause::Token(IdentityError::new("the managed identity gave no token"));
        for (stage, cause) in [
            (Stage::Prelogin, refused),
            (Stage::Token, no_token),
            (Stage::Login, login(40197)),
            (Stage::Login, reset),
        ] {
            let text = cause.to_string();
            assert_eq!(advice(stage, cause, true), "", "{text}");
        }
    }
}
