//! Something on the way to a server that drops connections when a test says so.

use std::sync::{Arc, Mutex};

use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::{JoinHandle, JoinSet},
};

/// Hands every connection on to one port of this machine.
pub struct Proxy {
    port: u16,
    connections: Arc<Mutex<JoinSet<()>>>,
    accepting: JoinHandle<()>,
}

impl Proxy {
    pub async fn to(server: u16) -> Proxy {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let connections = Arc::new(Mutex::new(JoinSet::new()));
        let spawned = connections.clone();
        let accepting = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                spawned.lock().unwrap().spawn(async move {
                    let mut server = TcpStream::connect(("127.0.0.1", server)).await.unwrap();
                    let _ = copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Proxy { port, connections, accepting }
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// How many connections there are.
    pub fn connections(&self) -> usize {
        let mut connections = self.connections.lock().unwrap();
        while connections.try_join_next().is_some() {}
        connections.len()
    }

    /// Drops every connection that there is.
    pub async fn cut(&self) {
        let mut connections = std::mem::take(&mut *self.connections.lock().unwrap());
        connections.shutdown().await;
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}
