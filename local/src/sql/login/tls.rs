//! The TLS handshake inside PRELOGIN packets (MS-TDS 3.2.5.2), after which TLS records lie bare on the wire.

use std::{
    io,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{TlsAcceptor, rustls::ServerConfig, server::TlsStream};

use crate::sql::{
    socket::Socket,
    wire::packet::{HEADER, kind, packets},
};

/// The type of a TLS record that is no part of a handshake (RFC 5246, 6.2.1).
const APPLICATION_DATA: u8 = 0x17;

/// A socket whose bytes lie in PRELOGIN packets until [`PreloginStream::wrapped`] is switched off.
#[derive(Debug)]
pub(crate) struct PreloginStream {
    socket: Socket,
    wrapped: bool,
    header: [u8; HEADER],
    header_read: usize,
    remaining: usize,
    /// What TLS wrote since the last flush, and then the packets on their way.
    pending: Vec<u8>,
    packets: Vec<u8>,
    sent: usize,
}

/// Shakes hands: inside packets (TDS 7.4), or bare (TDS 8).
pub(crate) async fn accept(
    socket: Socket,
    config: Arc<ServerConfig>,
    wrapped: bool,
) -> io::Result<TlsStream<PreloginStream>> {
    let mut stream = TlsAcceptor::from(config).accept(PreloginStream::new(socket, wrapped)).await?;
    stream.get_mut().0.wrapped = false;
    Ok(stream)
}

impl PreloginStream {
    fn new(socket: Socket, wrapped: bool) -> Self {
        PreloginStream {
            socket,
            wrapped,
            header: [0; HEADER],
            header_read: 0,
            remaining: 0,
            pending: Vec::new(),
            packets: Vec::new(),
            sent: 0,
        }
    }

    pub(crate) fn socket(&mut self) -> &mut Socket {
        &mut self.socket
    }
}

impl AsyncRead for PreloginStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.wrapped {
            return Pin::new(&mut this.socket).poll_read(cx, buf);
        }
        while this.remaining == 0 {
            let mut header = ReadBuf::new(&mut this.header[this.header_read..]);
            ready!(Pin::new(&mut this.socket).poll_read(cx, &mut header))?;
            if header.filled().is_empty() {
                return Poll::Ready(Ok(()));
            }
            this.header_read += header.filled().len();
            // In a resumed session the client has the last word, and its first record may come right behind: the
            // TLS library reads on into it before the handshake is said to be over.
            if this.header[0] == APPLICATION_DATA && buf.remaining() >= this.header_read {
                this.wrapped = false;
                buf.put_slice(&this.header[..this.header_read]);
                return Poll::Ready(Ok(()));
            }
            if this.header_read == HEADER {
                let length = usize::from(u16::from_be_bytes([this.header[2], this.header[3]]));
                if this.header[0] != kind::PRELOGIN || length < HEADER {
                    let what = "the TLS handshake must lie in packets of type 0x12 (PRELOGIN)";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, what)));
                }
                this.remaining = length - HEADER;
                this.header_read = 0;
            }
        }
        let mut chunk = [0; 2048];
        let room = chunk.len().min(this.remaining).min(buf.remaining());
        let mut part = ReadBuf::new(&mut chunk[..room]);
        ready!(Pin::new(&mut this.socket).poll_read(cx, &mut part))?;
        buf.put_slice(part.filled());
        this.remaining -= part.filled().len();
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for PreloginStream {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        if this.wrapped {
            this.pending.extend_from_slice(buf);
            return Poll::Ready(Ok(buf.len()));
        }
        Pin::new(&mut this.socket).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        loop {
            if this.sent < this.packets.len() {
                let sent = ready!(Pin::new(&mut this.socket).poll_write(cx, &this.packets[this.sent..]))?;
                if sent == 0 {
                    return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
                }
                this.sent += sent;
            } else if this.pending.is_empty() {
                return Pin::new(&mut this.socket).poll_flush(cx);
            } else {
                this.packets = packets(kind::PRELOGIN, 0, &this.pending, 4096);
                this.pending.clear();
                this.sent = 0;
            }
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.as_mut().poll_flush(cx))?;
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::{TcpListener, TcpStream},
    };

    use super::*;

    #[tokio::test]
    async fn a_record_right_behind_the_last_packet_of_the_handshake_is_read_bare() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let socket = Socket::new(listener.accept().await.unwrap().0, Duration::ZERO, None);
        let mut stream = PreloginStream::new(socket, true);
        let record = b"\x17\x03\x03\x00\x0cand then bare";
        let sent = [&packets(kind::PRELOGIN, 0, b"wrapped", 4096)[..], record].concat();
        client.write_all(&sent).await.unwrap();
        drop(client);
        let mut read = Vec::new();
        stream.read_to_end(&mut read).await.unwrap();
        assert_eq!(read, [&b"wrapped"[..], record].concat());
    }
}
