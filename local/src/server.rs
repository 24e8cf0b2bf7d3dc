//! A small HTTP/1.1 server on loopback, for the identity endpoint and the Functions host.

use std::{convert::Infallible, error::Error, io, net::SocketAddr, time::Duration};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full, combinators::UnsyncBoxBody};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::{
    net::{TcpListener, TcpSocket, TcpStream},
    sync::watch,
    task::{JoinHandle, JoinSet},
};

/// A body whose kind is known only when it runs: whole in memory, or streamed from the handler.
pub(crate) type Body = UnsyncBoxBody<Bytes, Box<dyn Error + Send + Sync>>;

/// A body that is whole in memory.
pub(crate) fn full(bytes: impl Into<Bytes>) -> Body {
    Full::new(bytes.into()).map_err(|never: Infallible| match never {}).boxed_unsync()
}

/// How many connections may wait to be accepted: of a burst, the rest would be reset or tried again a second later.
const BACKLOG: u32 = 4096;

/// Takes a port on 127.0.0.1; 0 picks a free one.
pub(crate) fn listen(port: u16) -> io::Result<TcpListener> {
    let socket = TcpSocket::new_v4()?;
    // So that a port is free again at once; on Windows it would let two listen on one.
    #[cfg(not(windows))]
    socket.set_reuseaddr(true)?;
    socket.bind(SocketAddr::from(([127, 0, 0, 1], port)))?;
    socket.listen(BACKLOG)
}

/// In a response's extensions: the connection is closed, and the response is not sent.
#[derive(Debug, Clone, Copy)]
pub(crate) struct HangUp;

/// What answers a request; dropped when the client hangs up first.
pub(crate) trait Service: Send + Sync + Clone + 'static {
    /// Answers one request.
    fn answer(&self, request: Request<Incoming>) -> impl Future<Output = Response<Body>> + Send;
}

/// A running server; dropping it closes its port and its connections.
#[derive(Debug)]
pub(crate) struct Server {
    port: u16,
    stopping: watch::Sender<bool>,
    accepting: JoinHandle<()>,
}

impl Server {
    /// Serves on a port taken by [`listen`].
    pub(crate) fn start(listener: TcpListener, service: impl Service) -> io::Result<Self> {
        let port = listener.local_addr()?.port();
        let (stopping, stopped) = watch::channel(false);
        let accepting = tokio::spawn(accept(listener, service, stopped));
        Ok(Server { port, stopping, accepting })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Closes the port and the idle connections; requests that are in flight go on.
    pub(crate) fn refuse(&self) {
        self.stopping.send_replace(true);
    }

    /// [`Server::refuse`], then waits up to `grace` for the requests in flight.
    pub(crate) async fn stop(&mut self, grace: Duration) {
        self.refuse();
        // Whatever is left after the grace is cut off by drop.
        let _ = tokio::time::timeout(grace, &mut self.accepting).await;
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

async fn accept(listener: TcpListener, service: impl Service, mut stopped: watch::Receiver<bool>) {
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok((stream, _)) => {
                    connections.spawn(converse(stream, service.clone(), stopped.clone()));
                }
                // Out of file descriptors, or a client that left already: the next one may fare better.
                Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
            },
            Some(_) = connections.join_next() => {}
            _ = stopped.changed() => break,
        }
    }
    drop(listener);
    while connections.join_next().await.is_some() {}
}

async fn converse(stream: TcpStream, service: impl Service, mut stopped: watch::Receiver<bool>) {
    // Small answers leave at once; without this only latency would be lost.
    let _ = stream.set_nodelay(true);
    let answer = service_fn(move |request| {
        let service = service.clone();
        async move {
            let response = service.answer(request).await;
            match response.extensions().get::<HangUp>() {
                None => Ok(response),
                // hyper closes a connection whose service fails.
                Some(HangUp) => Err(io::Error::from(io::ErrorKind::ConnectionAborted)),
            }
        }
    });
    let mut connection = std::pin::pin!(
        http1::Builder::new()
            .timer(TokioTimer::new())
            .title_case_headers(true)
            .serve_connection(TokioIo::new(stream), answer)
    );
    tokio::select! {
        // An error here is the client's, if it is no HangUp: it hung up, or did not speak HTTP. hyper has answered
        // what can be.
        _ = connection.as_mut() => return,
        _ = stopped.wait_for(|stopping| *stopping) => connection.as_mut().graceful_shutdown(),
    }
    let _ = connection.await;
}

#[cfg(test)]
mod tests {
    use super::*;

    // Elsewhere the system's own bound may be lower.
    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_burst_of_connections_waits_to_be_accepted() {
        let listener = listen(0).expect("a port");
        let address = listener.local_addr().expect("an address");
        let burst = (0..400).map(|_| TcpStream::connect(address));
        let burst = tokio::time::timeout(Duration::from_secs(10), futures_util::future::try_join_all(burst));
        assert_eq!(burst.await.expect("within ten seconds").expect("connected").len(), 400);
    }
}
