//! A socket as a network shows it: what crosses it takes its time, and it may be reset half way.

use std::{
    collections::VecDeque,
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep, sleep},
};

/// How many bytes may be on their way in one direction.
const WINDOW: usize = 1 << 20;
/// So that no moment lies outside of the clock.
const LONGEST_LATENCY: Duration = Duration::from_secs(60 * 60);

/// A client's socket, with the network's faults.
#[derive(Debug)]
pub(crate) struct Socket {
    /// `None` once it was reset.
    stream: Option<TcpStream>,
    latency: Duration,
    /// How many bytes may still cross it.
    left: u64,
    arriving: Line,
    leaving: Line,
    /// Something has come: what does first waits for TCP's handshake too.
    begun: bool,
    /// The client's end has come; ours was sent off.
    ended: bool,
    finished: bool,
}

/// Chunks on their way, each with the moment of its arrival; an empty one is the end of the stream.
#[derive(Debug)]
struct Line {
    chunks: VecDeque<(Instant, io::Result<Bytes>)>,
    length: usize,
    timer: Pin<Box<Sleep>>,
}

impl Line {
    fn new() -> Self {
        Line { chunks: VecDeque::new(), length: 0, timer: Box::pin(sleep(Duration::ZERO)) }
    }

    fn push(&mut self, time: Duration, chunk: io::Result<Bytes>) {
        self.length += chunk.as_ref().map_or(0, Bytes::len);
        self.chunks.push_back((Instant::now() + time, chunk));
    }

    /// Takes the first chunk when it has arrived; `None` when nothing is on its way.
    fn poll_take(&mut self, cx: &mut Context<'_>) -> Poll<Option<io::Result<Bytes>>> {
        let Some((arrival, _)) = self.chunks.front() else { return Poll::Ready(None) };
        if *arrival > Instant::now() {
            if self.timer.deadline() != *arrival {
                self.timer.as_mut().reset(*arrival);
            }
            ready!(self.timer.as_mut().poll(cx));
        }
        let chunk = self.chunks.pop_front().map(|(_, chunk)| chunk);
        if let Some(Ok(chunk)) = &chunk {
            self.length -= chunk.len();
        }
        Poll::Ready(chunk)
    }

    /// Puts back what was not needed of a chunk that had arrived.
    fn put_back(&mut self, rest: Bytes) {
        self.length += rest.len();
        self.chunks.push_front((Instant::now(), Ok(rest)));
    }
}

impl Socket {
    /// What is sent takes `latency`, each way; after `drop_after` bytes, both ways together, the socket is reset.
    pub(crate) fn new(stream: TcpStream, latency: Duration, drop_after: Option<u64>) -> Self {
        Socket {
            stream: Some(stream),
            latency: latency.min(LONGEST_LATENCY),
            left: drop_after.unwrap_or(u64::MAX),
            arriving: Line::new(),
            leaving: Line::new(),
            begun: false,
            ended: false,
            finished: false,
        }
    }

    /// Waits for the next byte (or the end) and leaves it where it is; says which it is.
    pub(crate) async fn peek(&self) -> io::Result<Option<u8>> {
        if let Some((_, Ok(chunk))) = self.arriving.chunks.front() {
            return Ok(chunk.first().copied());
        }
        let Some(stream) = &self.stream else { return Err(io::ErrorKind::ConnectionReset.into()) };
        let mut first = [0];
        Ok((stream.peek(&mut first).await? == 1).then_some(first[0]))
    }

    /// Reads what the client sends, to its end, and forgets it.
    pub(crate) async fn drain(&mut self) {
        let mut forgotten = [0; 4096];
        while let Ok(1..) = self.read(&mut forgotten).await {}
    }

    /// Cuts the connection: the client sees a reset (TCP RST), not an end.
    pub(crate) fn reset(&mut self) {
        if let Some(stream) = self.stream.take() {
            // Where this fails the client sees an end all the same.
            let _ = stream.set_zero_linger();
        }
    }

    fn open(&mut self) -> io::Result<Pin<&mut TcpStream>> {
        if self.left == 0 {
            self.reset();
        }
        self.stream.as_mut().map(Pin::new).ok_or_else(|| io::ErrorKind::ConnectionReset.into())
    }

    /// At most this many of so many bytes may cross.
    fn room(&self, wanted: usize) -> usize {
        wanted.min(usize::try_from(self.left).unwrap_or(usize::MAX))
    }

    fn crossed(&mut self, count: usize) {
        self.left -= count as u64;
        if self.left == 0 {
            self.reset();
        }
    }

    fn poll_receive(&mut self, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let room = self.room(buf.remaining());
        let mut part = ReadBuf::new(buf.initialize_unfilled_to(room));
        ready!(self.open()?.poll_read(cx, &mut part))?;
        let count = part.filled().len();
        buf.advance(count);
        self.crossed(count);
        Poll::Ready(Ok(()))
    }

    fn poll_send(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let room = self.room(bytes.len());
        let count = ready!(self.open()?.poll_write(cx, &bytes[..room]))?;
        self.crossed(count);
        Poll::Ready(Ok(count))
    }

    /// Sends what has been on its way for long enough; ready when nothing is any more.
    fn poll_leaving(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        while let Some(chunk) = ready!(self.leaving.poll_take(cx)) {
            let mut chunk = chunk?;
            if chunk.is_empty() {
                ready!(self.open()?.poll_shutdown(cx))?;
            }
            while !chunk.is_empty() {
                match self.poll_send(cx, &chunk) {
                    Poll::Ready(Ok(0)) => return Poll::Ready(Err(io::ErrorKind::WriteZero.into())),
                    Poll::Ready(Ok(count)) => chunk.advance(count),
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {
                        self.leaving.put_back(chunk);
                        return Poll::Pending;
                    }
                }
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Socket {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.latency.is_zero() {
            return this.poll_receive(cx, buf);
        }
        // All that is here is taken at once: its time runs from its coming, not from its reading.
        while !this.ended && this.arriving.length < WINDOW {
            let mut chunk = [0; 4096];
            let mut chunk = ReadBuf::new(&mut chunk);
            let arrived = match this.poll_receive(cx, &mut chunk) {
                Poll::Ready(arrived) => arrived.map(|()| Bytes::copy_from_slice(chunk.filled())),
                Poll::Pending => break,
            };
            this.ended = !matches!(&arrived, Ok(chunk) if !chunk.is_empty());
            // TCP's own handshake is a round trip, and loopback does it in no time.
            let time = if this.begun { this.latency } else { this.latency * 3 };
            this.begun = true;
            this.arriving.push(time, arrived);
        }
        match ready!(this.arriving.poll_take(cx)) {
            Some(chunk) => {
                let mut chunk = chunk?;
                let part = chunk.split_to(chunk.len().min(buf.remaining()));
                buf.put_slice(&part);
                if !chunk.is_empty() {
                    this.arriving.put_back(chunk);
                }
                Poll::Ready(Ok(()))
            }
            None if this.ended => Poll::Ready(Ok(())),
            None => Poll::Pending,
        }
    }
}

impl AsyncWrite for Socket {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.latency.is_zero() {
            return this.poll_send(cx, buf);
        }
        this.open()?;
        if this.leaving.length >= WINDOW {
            ready!(this.poll_leaving(cx))?;
        }
        this.leaving.push(this.latency, Ok(Bytes::copy_from_slice(buf)));
        Poll::Ready(Ok(buf.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_leaving(cx))?;
        self.open()?.poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.finished {
            this.finished = true;
            this.leaving.push(this.latency, Ok(Bytes::new()));
        }
        this.poll_leaving(cx)
    }
}
