//! The endpoint: its port, its connections, and the faults that it is told to show.

use std::{io, sync::Arc};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use super::{
    books::{Counts, SessionRecord, Shared},
    engine::Database,
    session,
};
use crate::{certificates::LocalCa, server::listen, token::TokenIssuer};

/// How an endpoint is started.
#[derive(Debug, Clone)]
pub struct SqlOptions {
    /// The port on 127.0.0.1; 0 picks a free one.
    pub port: u16,
    /// Where the tables are kept.
    pub database: Database,
    /// The authority whose server certificate the endpoint shows.
    pub certificates: LocalCa,
    /// Whose tokens are good.
    pub tokens: TokenIssuer,
    /// A user and password that are good as well.
    pub sql_login: Option<(String, String)>,
}

impl SqlOptions {
    /// A free port, an empty database in memory, and no login but by a token.
    pub fn new(certificates: LocalCa, tokens: TokenIssuer) -> Self {
        SqlOptions { port: 0, database: Database::Memory, certificates, tokens, sql_login: None }
    }
}

/// A running endpoint. Dropping it stops it.
#[derive(Debug)]
pub struct SqlEndpoint {
    port: u16,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    accepting: Option<JoinHandle<()>>,
}

impl SqlEndpoint {
    /// Starts to listen on 127.0.0.1.
    ///
    /// # Errors
    /// When the port is taken ([`io::ErrorKind::AddrInUse`]), or the database or the certificate cannot be opened.
    pub async fn start(options: SqlOptions) -> io::Result<SqlEndpoint> {
        let listener = listen(options.port).map_err(|error| {
            io::Error::new(
                error.kind(),
                format!("the Azure SQL endpoint cannot listen on port {}: {error}", options.port),
            )
        })?;
        let port = listener.local_addr()?.port();
        let shared = Arc::new(Shared::open(options)?);
        let (stop, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, Arc::clone(&shared), stopped));
        Ok(SqlEndpoint { port, shared, stop, accepting: Some(accepting) })
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.shared.counts()
    }

    /// Every session that logged in, in that order.
    pub fn sessions(&self) -> Vec<SessionRecord> {
        self.shared.records()
    }

    /// Answers the next `count` logins with this error.
    pub fn fail_logins(&self, count: usize, number: u32) {
        self.shared.fail_logins(count, number);
    }

    /// Sends every login to another server, as Azure SQL's gateway does.
    pub fn redirect_logins(&self, host: &str, port: u16) {
        self.shared.set_redirect(Some((host.to_owned(), port)));
    }

    /// Lets logins in again.
    pub fn stop_redirecting(&self) {
        self.shared.set_redirect(None);
    }

    /// Ends all sessions, and then itself.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        if let Some(accepting) = self.accepting.take() {
            // Nothing is left to do about a task that panicked.
            let _ = accepting.await;
        }
    }
}

impl Drop for SqlEndpoint {
    fn drop(&mut self) {
        self.stop.send_replace(true);
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
    let mut sessions = JoinSet::new();
    loop {
        let accepted = tokio::select! {
            _ = stopped.wait_for(|stopped| *stopped) => break,
            _ = sessions.join_next(), if !sessions.is_empty() => continue,
            accepted = listener.accept() => accepted,
        };
        match accepted {
            Ok((socket, _)) => {
                shared.accepted();
                sessions.spawn(serve(socket, Arc::clone(&shared), stopped.clone()));
            }
            Err(error) => {
                tracing::warn!(%error, "the Azure SQL endpoint could not accept a connection");
                // Too many open files, as a rule: a moment for some to close.
                tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            }
        }
    }
    drop(listener);
    while sessions.join_next().await.is_some() {}
}

async fn serve(socket: TcpStream, shared: Arc<Shared>, stopped: watch::Receiver<bool>) {
    if let Err(error) = session::serve(socket, shared, stopped).await {
        // Clients hang up as they please: worth a word only to who looks for it.
        tracing::debug!(%error, "an Azure SQL connection ended");
    }
}
