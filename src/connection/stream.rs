//! The stream under the driver: already secured, and it can be hung up from outside at any moment.

use std::{
    future::poll_fn,
    io,
    mem::MaybeUninit,
    net::Shutdown,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::io::{AsyncRead, AsyncWrite};
use socket2::SockRef;
use tokio::{
    io::{AsyncRead as _, AsyncWrite as _, ReadBuf},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::client::TlsStream;

use super::exchange::Exchange;
use super::limit::Place;
use super::prelogin::{HEADER, Prelogin, check_reply};
use super::tls::PreloginFrames;

/// How long the server may take to hang up.
const LONGEST_GOODBYE: Duration = Duration::from_secs(1);

/// A server that has answered within this is near.
const NEAR: Duration = Duration::from_millis(2);

/// A secured connection to the server.
pub(crate) type Secured = TlsStream<PreloginFrames<TcpStream>>;

/// The one owner of the socket, shared by the driver's [`Stream`] and whoever has to end the connection.
#[derive(Clone)]
pub(crate) struct Line(Arc<Mutex<State>>);

/// The socket with its place under the limit on sessions: the one is closed when the other is free.
struct Held {
    secured: Secured,
    exchange: Exchange,
    _place: Place,
}

impl Held {
    fn poll_read(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        self.exchange.poll_read(cx, Pin::new(&mut self.secured), buffer)
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.exchange.poll_write(cx, Pin::new(&mut self.secured), bytes)
    }

    fn tcp(&self) -> SockRef<'_> {
        SockRef::from(self.secured.get_ref().0.get_ref())
    }
}

enum State {
    Open(Box<Held>),
    /// Nobody reads or writes any more; the server has been told, and its own goodbye is still to come.
    Abandoned(Box<Held>),
    Cut,
    /// What answered was a packet of this type: no SQL Server.
    Foreign(u8),
}

impl Line {
    pub(super) fn new(secured: Secured, place: Place) -> Self {
        Line(Arc::new(Mutex::new(State::Open(Box::new(Held {
            secured,
            exchange: Exchange::default(),
            _place: place,
        })))))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing inside can panic halfway through a change: a poisoned lock still guards a sound state.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Polls the open line; one that is abandoned or cut is `NotConnected`.
    fn poll<T>(&self, poll: impl FnOnce(&mut Held) -> Poll<io::Result<T>>) -> Poll<io::Result<T>> {
        match &mut *self.state() {
            State::Open(held) => poll(held),
            _ => Poll::Ready(Err(io::Error::new(io::ErrorKind::NotConnected, "the connection was cut"))),
        }
    }

    /// Takes note of the type of the server's first packet, and ends the line if that is no TDS.
    fn begins_with(&self, kind: u8) -> io::Result<()> {
        check_reply(kind).inspect_err(|_| *self.state() = State::Foreign(kind))
    }

    /// An error if what answered was no SQL Server. The driver, which has met it too, reports it as one of the network.
    pub(super) fn is_tds(&self) -> io::Result<()> {
        match *self.state() {
            State::Foreign(kind) => check_reply(kind),
            _ => Ok(()),
        }
    }

    /// Says goodbye. Whoever cannot be told any more is gone already.
    async fn say_goodbye(&self) {
        let _ = poll_fn(|cx| self.poll(|held| Pin::new(&mut held.secured).poll_shutdown(cx))).await;
    }

    /// Says goodbye and waits until the server has hung up too, which it does once it has rolled back what was open;
    /// after a second at most the socket is closed all the same.
    pub(crate) async fn hang_up(&self) {
        if timeout(LONGEST_GOODBYE, self.hung_up()).await.is_err() {
            tracing::warn!("the server did not hang up within {LONGEST_GOODBYE:?}; the socket was cut");
        }
        self.cut();
    }

    /// Whether its goodbye is soon there.
    pub(crate) fn is_near(&self) -> bool {
        match &*self.state() {
            State::Open(held) => held.exchange.fastest().is_some_and(|fastest| fastest <= NEAR),
            _ => false,
        }
    }

    /// As [`hang_up`](Self::hang_up), for a session of which the server has nothing to roll back: once it is told, the
    /// rest, which is returned, needs nobody to wait for it.
    pub(super) async fn leave(self) -> impl Future<Output = ()> + Send + 'static {
        let told = timeout(LONGEST_GOODBYE, self.say_goodbye()).await.is_ok();
        async move {
            if told {
                self.hang_up().await;
            }
            self.cut();
        }
    }

    async fn hung_up(&self) {
        self.say_goodbye().await;
        let mut rest = [0; 1024];
        poll_fn(|cx| {
            let mut state = self.state();
            let (State::Open(held) | State::Abandoned(held)) = &mut *state else {
                return Poll::Ready(());
            };
            loop {
                let mut buffer = ReadBuf::new(&mut rest);
                let read = ready!(Pin::new(&mut held.secured).poll_read(cx, &mut buffer));
                if read.is_err() || buffer.filled().is_empty() {
                    return Poll::Ready(());
                }
            }
        })
        .await;
    }

    /// Tells the server at once that nobody is there any more, which ends what it is doing; the driver gets
    /// `NotConnected` from here on. [`hang_up`](Self::hang_up) waits for the server.
    pub(crate) fn abandon(&self) {
        let mut state = self.state();
        *state = match std::mem::replace(&mut *state, State::Cut) {
            State::Open(held) => {
                // Not even TLS's goodbye: the driver may have stopped in the middle of a record.
                match held.tcp().shutdown(Shutdown::Write) {
                    Ok(()) => State::Abandoned(held),
                    Err(_) => State::Cut,
                }
            }
            // Told already.
            told => told,
        };
    }

    /// Whether the server is still there and has nothing to say, as it should between two requests. It is seen without
    /// a round trip; a goodbye that has not arrived yet is not seen.
    pub(crate) fn is_idle(&self) -> bool {
        let State::Open(held) = &*self.state() else { return false };
        // Asked of the system, not of the runtime, which may not have looked at the socket since.
        let seen = held.tcp().peek(&mut [MaybeUninit::uninit()]);
        held.exchange.is_quiet() && matches!(seen, Err(error) if error.kind() == io::ErrorKind::WouldBlock)
    }

    /// Lets the next request reset the session.
    pub(super) fn reset_next(&self) {
        if let State::Open(held) = &mut *self.state() {
            held.exchange.reset_next();
        }
    }

    /// Closes the socket at once.
    pub(crate) fn cut(&self) {
        *self.state() = State::Cut;
    }
}

/// What the driver reads and writes.
///
/// PRELOGIN and TLS are behind this stream already, so the driver's own PRELOGIN is swallowed and answered from
/// memory; all that follows goes over the line.
pub struct Stream {
    line: Line,
    /// The driver's PRELOGIN packet as far as it is written; `None` once it is whole.
    swallowed: Option<Vec<u8>>,
    answer: io::Cursor<Vec<u8>>,
    /// The server's first packet, the answer to the login, has begun.
    begun: bool,
}

impl Stream {
    pub(crate) fn new(line: Line, prelogin: Prelogin) -> io::Result<Self> {
        let answer = io::Cursor::new(prelogin.into_unencrypted_answer()?);
        Ok(Stream { line, swallowed: Some(Vec::new()), answer, begun: false })
    }
}

impl std::fmt::Debug for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Stream")
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let from_memory = io::Read::read(&mut self.answer, bytes)?;
        if from_memory > 0 {
            return Poll::Ready(Ok(from_memory));
        }
        let mut buffer = ReadBuf::new(bytes);
        ready!(self.line.poll(|held| held.poll_read(cx, &mut buffer)))?;
        // The driver reads a length out of anything.
        if !self.begun
            && let Some(kind) = buffer.filled().first()
        {
            self.line.begins_with(*kind)?;
            self.begun = true;
        }
        Poll::Ready(Ok(buffer.filled().len()))
    }
}

impl AsyncWrite for Stream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let Some(packet) = &mut self.swallowed else {
            return self.line.poll(|held| held.poll_write(cx, bytes));
        };
        let length = match packet.get(2..4) {
            Some(length) => usize::from(u16::from_be_bytes([length[0], length[1]])).max(HEADER),
            None => HEADER,
        };
        let taken = bytes.len().min(length - packet.len());
        packet.extend_from_slice(&bytes[..taken]);
        let whole = packet.get(2..4).is_some_and(|length| {
            packet.len() >= usize::from(u16::from_be_bytes([length[0], length[1]])).max(HEADER)
        });
        if whole {
            self.swallowed = None;
        }
        Poll::Ready(Ok(taken))
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.line.poll(|held| Pin::new(&mut held.secured).poll_flush(cx))
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.line.poll(|held| Pin::new(&mut held.secured).poll_shutdown(cx))
    }
}
