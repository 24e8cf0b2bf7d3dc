//! A TDS 7.4 client of the barest kind, for what tiberius does not send.

use std::{
    io::{Read, Write},
    sync::Arc,
};

use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_rustls::rustls::{
    ClientConfig, ClientConnection, RootCertStore,
    crypto::ring,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
    version::TLS12,
};

use super::Azure;

const PRELOGIN: u8 = 0x12;
/// One that asks for TLS, and for nothing else.
pub(crate) const PRELOGIN_PACKET: [u8; 15] = [PRELOGIN, 1, 0, 15, 0, 0, 1, 0, 1, 0, 6, 0, 1, 0xFF, 1];

pub(crate) struct Wire {
    socket: TcpStream,
    tls: ClientConnection,
    /// Decrypted and not yet read.
    plain: Vec<u8>,
}

impl Wire {
    /// PRELOGIN, TLS in its packets, LOGIN7 with a user and a password.
    pub(crate) async fn log_in(azure: &Azure, user: &str, password: &str) -> Wire {
        let mut wire = Self::log_in_with(azure, &login7(user, password)).await;
        let answer = wire.read().await;
        assert!(answer.contains(&0xAD), "LOGINACK in {answer:02X?}");
        wire
    }

    /// The same up to the login's answer.
    pub(crate) async fn log_in_with(azure: &Azure, login: &[u8]) -> Wire {
        let mut socket = TcpStream::connect(("127.0.0.1", azure.endpoint.port())).await.expect("a socket");
        // It writes a little at a time, which would wait for the server to acknowledge what came before.
        socket.set_nodelay(true).expect("no delay");
        socket.write_all(&PRELOGIN_PACKET).await.expect("PRELOGIN");
        packet(&mut socket, 0x04).await;
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(azure.ca.ca_path()).expect("a CA")).expect("a good CA");
        let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_protocol_versions(&[&TLS12])
            .expect("TLS 1.2")
            .with_root_certificates(roots)
            .with_no_client_auth();
        let name = ServerName::try_from("127.0.0.1").expect("a name");
        let mut tls = ClientConnection::new(Arc::new(config), name).expect("a client");
        while tls.is_handshaking() {
            let mut out = Vec::new();
            while tls.wants_write() {
                tls.write_tls(&mut out).expect("written");
            }
            if !out.is_empty() {
                let length = (out.len() as u16 + 8).to_be_bytes();
                socket.write_all(&[PRELOGIN, 1, length[0], length[1], 0, 0, 1, 0]).await.expect("a header");
                socket.write_all(&out).await.expect("a handshake");
            }
            if tls.is_handshaking() {
                let records = packet(&mut socket, PRELOGIN).await;
                tls.read_tls(&mut records.as_slice()).expect("records");
                tls.process_new_packets().expect("a verified handshake");
            }
        }
        let mut wire = Wire { socket, tls, plain: Vec::new() };
        wire.send(0x10, 0, login).await;
        wire
    }

    /// Sends a batch and reads its answer; `status` are the bits of its first packet.
    pub(crate) async fn batch(&mut self, text: &str, status: u8) -> Vec<u8> {
        self.send_batch(text, status).await;
        self.read().await
    }

    pub(crate) async fn send_batch(&mut self, text: &str, status: u8) {
        self.send(0x01, status, &batch(text)).await;
    }

    /// Sends a message in packets of 512 bytes.
    pub(crate) async fn send(&mut self, kind: u8, status: u8, payload: &[u8]) {
        let chunks: Vec<&[u8]> = if payload.is_empty() { vec![&[]] } else { payload.chunks(504).collect() };
        for (at, chunk) in chunks.iter().enumerate() {
            let end = u8::from(at + 1 == chunks.len());
            let first = if at == 0 { status } else { 0 };
            let length = (chunk.len() as u16 + 8).to_be_bytes();
            let header = [kind, end | first, length[0], length[1], 0, 0, 1, 0];
            self.tls.writer().write_all(&[&header, *chunk].concat()).expect("taken");
            let mut out = Vec::new();
            while self.tls.wants_write() {
                self.tls.write_tls(&mut out).expect("written");
            }
            self.socket.write_all(&out).await.expect("sent");
        }
    }

    /// Sends these bytes as they are, whatever they are, and ends its half of the connection if it is told to.
    pub(crate) async fn send_bytes(&mut self, bytes: &[u8], end: bool) -> std::io::Result<()> {
        self.tls.writer().write_all(bytes)?;
        if end {
            self.tls.send_close_notify();
        }
        let mut out = Vec::new();
        while self.tls.wants_write() {
            self.tls.write_tls(&mut out)?;
        }
        self.socket.write_all(&out).await?;
        if end { self.socket.shutdown().await } else { Ok(()) }
    }

    /// Makes its end a TCP reset.
    pub(crate) fn reset(&self) {
        self.socket.set_zero_linger().expect("no linger");
    }

    /// Reads one message of the server.
    pub(crate) async fn read(&mut self) -> Vec<u8> {
        self.read_or_end().await.expect("the server hung up")
    }

    /// Reads one message; `None` when the server has hung up instead.
    pub(crate) async fn read_or_end(&mut self) -> Option<Vec<u8>> {
        let mut message = Vec::new();
        loop {
            let header = self.take(8).await?;
            let length = usize::from(u16::from_be_bytes([header[2], header[3]])) - 8;
            message.extend(self.take(length).await?);
            if header[1] & 1 == 1 {
                return Some(message);
            }
        }
    }

    async fn take(&mut self, count: usize) -> Option<Vec<u8>> {
        while self.plain.len() < count {
            let mut records = [0; 8192];
            let read = self.socket.read(&mut records).await.ok().filter(|read| *read > 0)?;
            let mut records = &records[..read];
            while !records.is_empty() {
                self.tls.read_tls(&mut records).expect("records");
                let state = self.tls.process_new_packets().expect("good records");
                let start = self.plain.len();
                self.plain.resize(start + state.plaintext_bytes_to_read(), 0);
                self.tls.reader().read_exact(&mut self.plain[start..]).expect("plain bytes");
            }
        }
        Some(self.plain.drain(..count).collect())
    }
}

/// One packet of that type, as it lies on the stream.
pub(crate) async fn packet(socket: &mut (impl AsyncRead + Unpin), kind: u8) -> Vec<u8> {
    let mut header = [0; 8];
    socket.read_exact(&mut header).await.expect("a header");
    assert_eq!(header[0], kind);
    let mut payload = vec![0; usize::from(u16::from_be_bytes([header[2], header[3]])) - 8];
    socket.read_exact(&mut payload).await.expect("a payload");
    payload
}

/// A batch outside of any transaction.
pub(crate) fn batch(text: &str) -> Vec<u8> {
    let mut payload = vec![22, 0, 0, 0, 18, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0];
    payload.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    payload
}

/// A call of a procedure by its name, with one text.
pub(crate) fn rpc(procedure: &str, text: &str) -> Vec<u8> {
    let mut payload = batch("");
    payload.extend((procedure.encode_utf16().count() as u16).to_le_bytes());
    payload.extend(procedure.encode_utf16().flat_map(u16::to_le_bytes));
    payload.extend([0, 0]);
    payload.extend(text_parameter(text));
    payload
}

/// A parameter without a name, nvarchar(4000).
pub(crate) fn text_parameter(text: &str) -> Vec<u8> {
    let mut parameter = vec![0, 0, 0xE7, 0x40, 0x1F, 9, 4, 0xD0, 0, 0x34];
    parameter.extend((2 * text.encode_utf16().count() as u16).to_le_bytes());
    parameter.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
    parameter
}

pub(crate) fn login7(user: &str, password: &str) -> Vec<u8> {
    let mut login = vec![0; 94];
    login[4..8].copy_from_slice(&0x7400_0004_u32.to_le_bytes());
    login[8..12].copy_from_slice(&4096_u32.to_le_bytes());
    for (field, text) in [(1, user), (2, password)] {
        let at = 36 + field * 4;
        let start = login.len();
        login[at..at + 2].copy_from_slice(&(start as u16).to_le_bytes());
        login[at + 2..at + 4].copy_from_slice(&(text.len() as u16).to_le_bytes());
        login.extend(text.encode_utf16().flat_map(u16::to_le_bytes));
        if field == 2 {
            login[start..].iter_mut().for_each(|byte| *byte = byte.rotate_left(4) ^ 0xA5);
        }
    }
    let length = (login.len() as u32).to_le_bytes();
    login[..4].copy_from_slice(&length);
    login
}

/// A login with a password that is good.
pub(crate) fn sa_login() -> Vec<u8> {
    login7("sa", "Local-1")
}

/// A login whose FEDAUTH feature asks where to get a token (library 2, ADAL).
pub(crate) fn asking_login() -> Vec<u8> {
    let mut login = login7("", "");
    login[27] = 0x10;
    let at = login.len() as u32;
    login[56..58].copy_from_slice(&(at as u16).to_le_bytes());
    login.extend((at + 4).to_le_bytes());
    login.extend([0x02, 2, 0, 0, 0, 2 << 1 | 1, 0x01, 0xFF]);
    let length = (login.len() as u32).to_le_bytes();
    login[..4].copy_from_slice(&length);
    login
}
