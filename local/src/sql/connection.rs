//! One connection: what it has of its endpoint, and how messages go over it once TLS stands.

use std::{io, sync::Arc};

use tokio_rustls::server::TlsStream;

use super::{
    books::Shared,
    packet::{Message, PacketReader, kind, write_message},
    tls::PreloginStream,
    wire::Malformed,
};

pub(crate) fn wrong(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl From<Malformed> for io::Error {
    fn from(malformed: Malformed) -> Self {
        wrong(malformed.0)
    }
}

/// A connection's place at its endpoint.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) shared: Arc<Shared>,
    pub(crate) spid: u16,
}

impl Connection {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let spid = shared.take_spid();
        Connection { shared, spid }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.shared.give_spid(self.spid);
    }
}

/// A connection that TLS secures.
pub(crate) struct Wire {
    pub(crate) reader: PacketReader<TlsStream<PreloginStream>>,
    pub(crate) spid: u16,
    pub(crate) packet_size: usize,
}

impl Wire {
    pub(crate) fn stream(&mut self) -> &mut TlsStream<PreloginStream> {
        &mut self.reader.stream
    }

    pub(crate) async fn answer(&mut self, payload: &[u8]) -> io::Result<()> {
        let (spid, size) = (self.spid, self.packet_size);
        write_message(self.stream(), kind::ANSWER, spid, payload, size).await
    }

    pub(crate) async fn expect(&mut self, wanted: u8, name: &str) -> io::Result<Vec<u8>> {
        match self.reader.next().await? {
            Some(Message { kind, payload, .. }) if kind == wanted => Ok(payload),
            Some(other) => {
                Err(wrong(format!("a message of type 0x{:02X} where {name} was expected", other.kind)))
            }
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}
