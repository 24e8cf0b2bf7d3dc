//! One connection: what it has of its endpoint, and how messages go over it once TLS stands.

use std::{io, sync::Arc};

use tokio_rustls::server::TlsStream;

use crate::sql::{
    books::Shared,
    faults::{Stage, Trouble},
    login::tls::PreloginStream,
    trouble::{OnSocket, meet},
    wire::{
        Malformed,
        packet::{Message, PacketReader, kind, write_message},
    },
};

pub(crate) fn wrong(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl From<Malformed> for io::Error {
    fn from(malformed: Malformed) -> Self {
        wrong(malformed.0)
    }
}

/// Which of an endpoint's two ports a connection came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Door {
    /// The one that clients know, and that may send them elsewhere.
    Gateway,
    /// The one that the gateway sends them to.
    Node,
}

/// A connection's place at its endpoint.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) shared: Arc<Shared>,
    pub(crate) spid: u16,
    door: Door,
    /// The set of faults whose trouble it has met.
    met: Option<u64>,
}

impl Connection {
    pub(crate) fn new(shared: Arc<Shared>, door: Door) -> Self {
        let spid = shared.take_spid();
        Connection { shared, spid, door, met: None }
    }

    /// Where its login is sent instead.
    pub(crate) fn redirect(&self) -> Option<(String, u16)> {
        (self.door == Door::Gateway).then(|| self.shared.redirect()).flatten()
    }

    /// The trouble that it meets at this stage.
    pub(crate) fn trouble(&mut self, stage: Stage) -> Option<Trouble> {
        self.shared.next_trouble(stage, &mut self.met)
    }

    /// Meets the trouble of this stage, if there is any; says whether the connection goes on.
    pub(crate) async fn passes(&mut self, stage: Stage, stream: &mut impl OnSocket) -> bool {
        match self.trouble(stage) {
            Some(trouble) => meet(trouble, stream).await,
            None => true,
        }
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
