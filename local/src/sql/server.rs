//! The endpoint: its port, its connections, and the faults that it is told to show.

use std::{io, sync::Arc};

use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

use crate::sql::{
    books::{Counts, SessionRecord, Shared},
    connection::Door,
    engine::Database,
    faults::Faults,
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
    /// The faults that it shows from its start.
    pub faults: Faults,
    /// Whether logins are sent on to a second port of the endpoint, as Azure SQL's gateway sends them to the node
    /// that has the database. Both ports have the same store, books and faults.
    pub redirect: bool,
}

impl SqlOptions {
    /// A free port, an empty database in memory, no login but by a token, no faults and no
    /// redirect.
    pub fn new(certificates: LocalCa, tokens: TokenIssuer) -> Self {
        SqlOptions {
            port: 0,
            database: Database::Memory,
            certificates,
            tokens,
            sql_login: None,
            faults: Faults::default(),
            redirect: false,
        }
    }
}

/// A running endpoint. Dropping it stops it.
#[derive(Debug)]
pub struct SqlEndpoint {
    port: u16,
    node_port: Option<u16>,
    shared: Arc<Shared>,
    stop: watch::Sender<bool>,
    accepting: Vec<JoinHandle<()>>,
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
        let node = options.redirect.then(|| listen(0)).transpose()?;
        let node_port =
            node.as_ref().map(|node| node.local_addr()).transpose()?.map(|address| address.port());
        let shared = Arc::new(Shared::open(options)?);
        shared.set_redirect(node_port.map(|port| ("localhost".to_owned(), port)));
        let (stop, stopped) = watch::channel(false);
        let doors = [(Door::Gateway, Some(listener)), (Door::Node, node)];
        let accepting = doors.into_iter().filter_map(|(door, listener)| {
            Some(tokio::spawn(accept(listener?, door, Arc::clone(&shared), stopped.clone())))
        });
        Ok(SqlEndpoint { port, node_port, accepting: accepting.collect(), shared, stop })
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The port of the node that logins are sent on to, where [`SqlOptions::redirect`] is set.
    pub fn node_port(&self) -> Option<u16> {
        self.node_port
    }

    /// What happened so far.
    pub fn counts(&self) -> Counts {
        self.shared.counts()
    }

    /// Every session that logged in, in that order.
    pub fn sessions(&self) -> Vec<SessionRecord> {
        self.shared.records()
    }

    /// Shows these faults instead of the ones before: connections from then on meet them, and those that are open
    /// already at [`Stage::Query`](super::Stage::Query) and [`Stage::Close`](super::Stage::Close).
    pub fn set_faults(&self, faults: Faults) {
        self.shared.set_faults(faults);
    }

    /// Answers the next `count` logins with this error: sets [`Faults::fail_logins`], and leaves the rest.
    pub fn fail_logins(&self, count: usize, number: u32) {
        self.shared.fail_logins(count, number);
    }

    /// Sends every login at [`SqlEndpoint::port`] to another server, as Azure SQL's gateway does.
    pub fn redirect_logins(&self, host: &str, port: u16) {
        self.shared.set_redirect(Some((host.to_owned(), port)));
    }

    /// Lets logins in again, at [`SqlEndpoint::port`] too.
    pub fn stop_redirecting(&self) {
        self.shared.set_redirect(None);
    }

    /// Ends all sessions, and then itself.
    pub async fn stop(mut self) {
        self.stop.send_replace(true);
        for accepting in self.accepting.drain(..) {
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

async fn accept(listener: TcpListener, door: Door, shared: Arc<Shared>, mut stopped: watch::Receiver<bool>) {
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
                sessions.spawn(serve(socket, Arc::clone(&shared), door, stopped.clone()));
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

async fn serve(socket: TcpStream, shared: Arc<Shared>, door: Door, stopped: watch::Receiver<bool>) {
    if let Err(error) = session::serve(socket, shared, door, stopped).await {
        // Clients hang up as they please: worth a word only to who looks for it.
        tracing::debug!(%error, "an Azure SQL connection ended");
    }
}
