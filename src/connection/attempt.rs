//! One attempt to open a connection, at one server: token, TCP, PRELOGIN, TLS, login.

use std::{io, time::Duration};

use tiberius::{AuthMethod, Client, EncryptionLevel};
use tokio::time::Instant;

use super::{
    Connector,
    limit::Place,
    open_error::{Cause, Stage},
    prelogin::Prelogin,
    settings::{Login, Server, Trust},
    stream::{Line, Stream},
};
use crate::{error::ServerError, identity::Token};

/// How far an attempt got, for whoever ends it from outside.
pub(super) struct Progress {
    pub(super) stage: Stage,
    pub(super) token: Option<Token>,
    pub(super) token_time: Duration,
}

/// How an attempt ended without a connection.
pub(super) enum Ended {
    Redirected(Server),
    Failed(Stage, Cause),
}

/// Marks an error with the stage that it ended.
trait At<T> {
    fn at(self, stage: Stage) -> Result<T, Ended>;
}

impl<T, E: Into<Cause>> At<T> for Result<T, E> {
    fn at(self, stage: Stage) -> Result<T, Ended> {
        self.map_err(|error| Ended::Failed(stage, error.into()))
    }
}

impl Connector {
    /// One attempt, at one server.
    pub(super) async fn attempt(
        &self,
        server: &Server,
        failures: u32,
        place: &Place,
        Progress { stage, token: used, token_time }: &mut Progress,
    ) -> Result<(Client<Stream>, Line), Ended> {
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
        let tcp = self.addresses.dial(server, failures).await.at(*stage)?;
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
                return Err(Ended::Failed(*stage, Cause::Insecure(text)));
            }
            *stage = Stage::Tls;
            (self.tls.secure(name, tcp).await.at(*stage)?, prelogin)
        };
        *stage = Stage::Login;
        let line = Line::new(secured, place.clone());
        let stream = Stream::new(line.clone(), prelogin).at(*stage)?;
        match Client::connect(self.config(server, token), stream).await {
            Ok(client) => Ok((client, line)),
            Err(tiberius::error::Error::Routing { host, port }) => {
                // Azure names an instance behind the host, which is of no use outside its network.
                let host = host.split('\\').next().unwrap_or_default().to_ascii_lowercase();
                Err(Ended::Redirected(Server { host, port }))
            }
            Err(error) => {
                line.is_tds().at(*stage)?;
                Err(Ended::Failed(*stage, login_cause(error)))
            }
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

fn login_cause(error: tiberius::error::Error) -> Cause {
    match error {
        tiberius::error::Error::Server(token) => Cause::Login(ServerError::from(token)),
        tiberius::error::Error::Io { kind, message } => Cause::Io(io::Error::new(kind, message)),
        other => Cause::Protocol(other.to_string()),
    }
}
