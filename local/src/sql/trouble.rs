//! Trouble on a connection: how a stall, a reset, garbage and slowness look to its client.

use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    time::{sleep, timeout},
};
use tokio_rustls::server::TlsStream;

use crate::sql::{
    faults::{LONGEST_STALL, Trouble},
    login::tls::PreloginStream,
    socket::Socket,
};

/// What a proxy says that takes the client for a browser.
const GARBAGE: &[u8] = b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: 0\r\n\r\n";

/// What is written to in the place of an answer: bare, or through TLS.
pub(crate) trait OnSocket: AsyncWrite + Unpin {
    /// The socket below.
    fn socket(&mut self) -> &mut Socket;
}

impl OnSocket for Socket {
    fn socket(&mut self) -> &mut Socket {
        self
    }
}

impl OnSocket for TlsStream<PreloginStream> {
    fn socket(&mut self) -> &mut Socket {
        self.get_mut().0.socket()
    }
}

/// Shows the trouble to the client, until it hangs up where the connection is at its end; says whether it goes on.
pub(crate) async fn meet(trouble: Trouble, stream: &mut impl OnSocket) -> bool {
    match trouble {
        Trouble::Slow(time) => {
            sleep(time).await;
            return true;
        }
        Trouble::Reset => stream.socket().reset(),
        Trouble::Stall => stream.socket().drain().await,
        Trouble::Garbage => {
            // The client may have gone. What it still sends is read, or its unread bytes would make the end a reset.
            let _ = stream.write_all(GARBAGE).await;
            let _ = stream.shutdown().await;
            let _ = timeout(LONGEST_STALL, stream.socket().drain()).await;
        }
    }
    false
}

/// The same where the client has hung up already, so that nothing of it can end a stall.
pub(crate) async fn meet_at_close(trouble: Trouble, stream: &mut impl OnSocket) {
    let trouble = if trouble == Trouble::Stall { Trouble::Slow(LONGEST_STALL) } else { trouble };
    meet(trouble, stream).await;
}
