//! TDS packets (MS-TDS 2.2.3): messages read from them, messages cut into them.

use std::io;

use bytes::{Buf, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The length of a packet's header.
pub(crate) const HEADER: usize = 8;
/// A message longer than this is refused: nothing on a laptop needs it, and memory stays bounded.
pub(crate) const MESSAGE_LIMIT: usize = 64 << 20;

/// The kinds of messages that this endpoint reads or writes (MS-TDS 2.2.3.1.1).
pub(crate) mod kind {
    pub(crate) const BATCH: u8 = 0x01;
    pub(crate) const RPC: u8 = 0x03;
    pub(crate) const BULK: u8 = 0x07;
    pub(crate) const ANSWER: u8 = 0x04;
    pub(crate) const ATTENTION: u8 = 0x06;
    pub(crate) const FEDERATED_TOKEN: u8 = 0x08;
    pub(crate) const TRANSACTION: u8 = 0x0E;
    pub(crate) const LOGIN7: u8 = 0x10;
    pub(crate) const PRELOGIN: u8 = 0x12;
}

/// What a client asks by a status bit in a request's first packet: a session as good as new.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Reset {
    /// RESETCONNECTION: an open transaction is rolled back.
    All,
    /// RESETCONNECTIONSKIPTRAN: an open transaction stays.
    KeepTransaction,
}

/// One message, its packets put together.
#[derive(Debug, PartialEq)]
pub(crate) struct Message {
    pub(crate) kind: u8,
    pub(crate) reset: Option<Reset>,
    /// The client gave it up while sending it (status bit 0x02): to be answered, not to be run.
    pub(crate) ignored: bool,
    pub(crate) payload: Vec<u8>,
}

/// Reads messages. [`PacketReader::next`] can be dropped half way and called again: what has arrived is kept.
#[derive(Debug)]
pub(crate) struct PacketReader<R> {
    pub(crate) stream: R,
    limit: usize,
    buffer: BytesMut,
    message: Option<Message>,
}

impl<R: AsyncRead + Unpin> PacketReader<R> {
    pub(crate) fn new(stream: R, limit: usize) -> Self {
        PacketReader { stream, limit, buffer: BytesMut::with_capacity(4096), message: None }
    }

    pub(crate) fn set_limit(&mut self, limit: usize) {
        self.limit = limit;
    }

    /// The next message; `None` when the client has hung up between two messages.
    pub(crate) async fn next(&mut self) -> io::Result<Option<Message>> {
        loop {
            if let Some(message) = self.take()? {
                return Ok(Some(message));
            }
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return if self.buffer.is_empty() && self.message.is_none() {
                    Ok(None)
                } else {
                    Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the client hung up inside a message"))
                };
            }
        }
    }

    /// The stream, when no byte of a further message has been read from it.
    pub(crate) fn into_stream(self) -> io::Result<R> {
        if self.buffer.is_empty() {
            Ok(self.stream)
        } else {
            Err(wrong("the client sent more before the answer to its PRELOGIN"))
        }
    }

    fn take(&mut self) -> io::Result<Option<Message>> {
        while self.buffer.len() >= HEADER {
            let (kind, status) = (self.buffer[0], self.buffer[1]);
            let length = usize::from(u16::from_be_bytes([self.buffer[2], self.buffer[3]]));
            if length < HEADER {
                return Err(wrong(format!("a packet of {length} bytes is shorter than its header")));
            }
            if self.buffer.len() < length {
                self.buffer.reserve(length - self.buffer.len());
                return Ok(None);
            }
            let message = self.message.get_or_insert_with(|| Message {
                kind,
                reset: match status & 0x18 {
                    0 => None,
                    0x10 => Some(Reset::KeepTransaction),
                    _ => Some(Reset::All),
                },
                ignored: false,
                payload: Vec::new(),
            });
            if message.kind != kind {
                return Err(wrong(format!(
                    "a packet of type {kind} inside a message of type {}",
                    message.kind
                )));
            }
            if message.payload.len() + length - HEADER > self.limit {
                return Err(wrong(format!("a message of more than {} bytes", self.limit)));
            }
            message.payload.extend_from_slice(&self.buffer[HEADER..length]);
            message.ignored |= status & 0x02 != 0;
            self.buffer.advance(length);
            if status & 0x01 != 0 {
                return Ok(self.message.take());
            }
        }
        Ok(None)
    }
}

fn wrong(what: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what.into())
}

/// Writes one message in packets of at most `size` bytes.
pub(crate) async fn write_message<W: AsyncWrite + Unpin>(
    stream: &mut W,
    kind: u8,
    spid: u16,
    payload: &[u8],
    size: usize,
) -> io::Result<()> {
    let packets = packets(kind, spid, payload, size);
    stream.write_all(&packets).await?;
    stream.flush().await
}

/// The packets of one message.
pub(crate) fn packets(kind: u8, spid: u16, payload: &[u8], size: usize) -> Vec<u8> {
    let room = size.clamp(512, 32767) - HEADER;
    let count = payload.len().div_ceil(room).max(1);
    let mut out = Vec::with_capacity(payload.len() + count * HEADER);
    for number in 0..count {
        let chunk = &payload[number * room..payload.len().min((number + 1) * room)];
        // It fits: a chunk has at most 32767 - 8 bytes.
        let length = (chunk.len() + HEADER) as u16;
        out.push(kind);
        out.push(u8::from(number + 1 == count));
        out.extend_from_slice(&length.to_be_bytes());
        out.extend_from_slice(&spid.to_be_bytes());
        out.push((number as u8).wrapping_add(1));
        out.push(0);
        out.extend_from_slice(chunk);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_message_survives_being_cut_into_packets() {
        let payload: Vec<u8> = (0..5000u32).map(|n| n as u8).collect();
        let wire = packets(kind::BATCH, 51, &payload, 512);
        assert_eq!(wire.len(), 5000 + 10 * HEADER);
        let mut reader = PacketReader::new(wire.as_slice(), 5000);
        let message = reader.next().await.expect("read").expect("a message");
        assert_eq!((message.kind, message.payload), (kind::BATCH, payload));
        assert_eq!(reader.next().await.expect("the end"), None);
    }

    #[tokio::test]
    async fn a_message_over_the_limit_is_refused() {
        let wire = packets(kind::BATCH, 51, &[0; 5000], 4096);
        let error = PacketReader::new(wire.as_slice(), 4999).next().await.expect_err("too long");
        assert!(error.to_string().contains("more than 4999 bytes"), "{error}");
    }

    #[tokio::test]
    async fn a_length_below_the_header_is_refused_at_once() {
        let error = PacketReader::new(&[1u8, 1, 0, 7, 0, 0, 0, 0][..], 10).next().await.expect_err("wrong");
        assert!(error.to_string().contains("shorter than its header"), "{error}");
    }
}
