//! The addresses of servers' names, remembered for a moment: a resolver's answer costs more than a connection does.

use std::{
    io,
    net::SocketAddr,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{
    net::{TcpStream, lookup_host},
    time::{Instant, timeout},
};

use super::settings::Server;

/// As short as Azure's own records live: a database that moved is found again after that.
const REMEMBERED: Duration = Duration::from_secs(30);
/// One address of several.
const LONGEST_DIAL: Duration = Duration::from_secs(5);

/// What the resolver said of late.
#[derive(Debug, Default)]
pub(super) struct Addresses(Mutex<Vec<Entry>>);

#[derive(Debug)]
struct Entry {
    server: Server,
    addresses: Vec<SocketAddr>,
    until: Instant,
}

impl Addresses {
    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        // Every change under the lock is one call: a poisoned lock still guards sound entries.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Connects to the first address of the server that answers; after a failure it begins with another one.
    pub(super) async fn dial(&self, server: &Server, failures: u32) -> io::Result<TcpStream> {
        let mut addresses = self.of(server).await?;
        let first = failures as usize % addresses.len().max(1);
        addresses.rotate_left(first);
        let mut last = None;
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
        self.entries().retain(|entry| entry.server != *server);
        Err(last
            .unwrap_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the server's name has no address")))
    }

    async fn of(&self, server: &Server) -> io::Result<Vec<SocketAddr>> {
        let now = Instant::now();
        let known = |entry: &&Entry| entry.server == *server && entry.until > now;
        if let Some(entry) = self.entries().iter().find(known) {
            return Ok(entry.addresses.clone());
        }
        let addresses: Vec<_> = lookup_host((server.host.as_str(), server.port)).await?.collect();
        let entry = Entry { server: server.clone(), addresses: addresses.clone(), until: now + REMEMBERED };
        let mut entries = self.entries();
        entries.retain(|entry| entry.server != *server && entry.until > now);
        entries.push(entry);
        Ok(addresses)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn addresses_are_remembered_until_a_dial_to_them_fails() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = Server { host: "localhost".into(), port };
        let addresses = Addresses::default();
        addresses.dial(&server, 0).await.unwrap();
        let remembered =
            |addresses: &Addresses| addresses.entries().iter().any(|entry| entry.server == server);
        assert!(remembered(&addresses));
        // A name that leads nowhere any more: what is remembered is what is used.
        for entry in addresses.entries().iter_mut() {
            entry.addresses = vec![listener.local_addr().unwrap()];
        }
        addresses.dial(&server, 0).await.unwrap();
        drop(listener);
        addresses.dial(&server, 0).await.unwrap_err();
        assert!(!remembered(&addresses), "the next dial asks the resolver again");
    }
}
