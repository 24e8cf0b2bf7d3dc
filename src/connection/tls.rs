//! TLS for TDS: one rustls configuration for all connections, and the framing that TDS 7.4 puts round the handshake.

use std::{
    io,
    path::Path,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::{
    TlsConnector,
    client::TlsStream,
    rustls::{
        ClientConfig, DigitallySignedStruct, RootCertStore, SignatureScheme,
        client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        crypto::{CryptoProvider, ring},
        pki_types::{CertificateDer, ServerName, UnixTime, pem::PemObject},
        version::{TLS12, TLS13},
    },
};

use super::prelogin::{HEADER, TYPE_PRELOGIN, packet};
use super::settings::{Encryption, SettingsError, Trust};

/// Secures streams to the server, all with one configuration, so that TLS sessions are resumed.
#[derive(Clone)]
pub(crate) struct Tls {
    connector: TlsConnector,
    strict: bool,
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").field("strict", &self.strict).finish_non_exhaustive()
    }
}

impl Tls {
    pub(crate) fn new(encryption: Encryption, trust: &Trust) -> Result<Self, SettingsError> {
        let provider = Arc::new(ring::default_provider());
        let strict = encryption == Encryption::Strict;
        // Inside PRELOGIN there is TLS 1.2 only; see PreloginFrames.
        let versions: &[_] = if strict { &[&TLS13, &TLS12] } else { &[&TLS12] };
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_protocol_versions(versions)
            .map_err(|error| SettingsError::tls(error.to_string()))?;
        let mut config = match trust {
            Trust::WebPki { extra_ca, .. } => {
                let mut roots = RootCertStore { roots: webpki_roots::TLS_SERVER_ROOTS.to_vec() };
                if let Some(path) = extra_ca {
                    add_certificates(&mut roots, path)?;
                }
                builder.with_root_certificates(roots).with_no_client_auth()
            }
            Trust::Anything => builder
                .dangerous()
                .with_custom_certificate_verifier(Arc::new(NoVerifier(provider)))
                .with_no_client_auth(),
        };
        if strict {
            // MS-TDS 2.1: TDS 8.0 is told by ALPN.
            config.alpn_protocols = vec![b"tds/8.0".to_vec()];
        }
        Ok(Tls { connector: TlsConnector::from(Arc::new(config)), strict })
    }

    /// Whether TLS comes before PRELOGIN (TDS 8.0) rather than inside it (TDS 7.4).
    pub(crate) fn is_strict(&self) -> bool {
        self.strict
    }

    /// The TLS handshake with the server of this name.
    pub(crate) async fn secure<S>(&self, name: &str, stream: S) -> io::Result<TlsStream<PreloginFrames<S>>>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let name = ServerName::try_from(name.to_owned())
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidInput, error))?;
        let frames = PreloginFrames::new(stream, !self.strict);
        let mut secured = self.connector.connect(name, frames).await?;
        secured.get_mut().0.handshaking = false;
        Ok(secured)
    }
}

fn add_certificates(roots: &mut RootCertStore, path: &Path) -> Result<(), SettingsError> {
    let failed = |error: &dyn std::fmt::Display| SettingsError::certificate(path, error.to_string());
    let certificates: Vec<_> =
        CertificateDer::pem_file_iter(path).and_then(Iterator::collect).map_err(|error| failed(&error))?;
    if certificates.is_empty() {
        return Err(failed(&"it holds no certificate"));
    }
    for certificate in certificates {
        roots.add(certificate).map_err(|error| failed(&error))?;
    }
    Ok(())
}

/// A stream whose TLS handshake bytes travel in PRELOGIN packets (MS-TDS 2.2.6.5) until `handshaking` ends.
///
/// A TLS 1.3 server would send session tickets after its handshake, in packets that this no longer unwraps:
/// SQL Server speaks TLS 1.2 here, and so does this client.
#[derive(Debug)]
pub(crate) struct PreloginFrames<S> {
    inner: S,
    handshaking: bool,
    /// Handshake bytes that wait for a flush.
    unsent: Vec<u8>,
    /// Framed bytes on their way out, and how many of them are gone.
    framed: Vec<u8>,
    sent: usize,
    /// The header being read, and how much of it is there.
    header: [u8; HEADER],
    header_read: usize,
    /// What is left of the packet being read.
    payload_left: usize,
}

impl<S> PreloginFrames<S> {
    fn new(inner: S, handshaking: bool) -> Self {
        PreloginFrames {
            inner,
            handshaking,
            unsent: Vec::new(),
            framed: Vec::new(),
            sent: 0,
            header: [0; HEADER],
            header_read: 0,
            payload_left: 0,
        }
    }

    pub(crate) fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S: AsyncWrite + Unpin> PreloginFrames<S> {
    /// Frames what waits, and writes what is framed.
    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if !self.unsent.is_empty() {
            let unsent = std::mem::take(&mut self.unsent);
            // 4,096 bytes is the packet size before a login has agreed on another (MS-TDS 2.2.6.4).
            let chunks = unsent.chunks(4096 - HEADER);
            let last = chunks.len() - 1;
            for (id, chunk) in chunks.enumerate() {
                self.framed.extend(packet(TYPE_PRELOGIN, chunk, id == last, id as u8));
            }
        }
        while self.sent < self.framed.len() {
            let written = ready!(Pin::new(&mut self.inner).poll_write(cx, &self.framed[self.sent..]))?;
            if written == 0 {
                return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
            }
            self.sent += written;
        }
        self.framed.clear();
        self.sent = 0;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for PreloginFrames<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if !this.handshaking {
            return Pin::new(&mut this.inner).poll_read(cx, buffer);
        }
        while this.payload_left == 0 {
            let mut rest = ReadBuf::new(&mut this.header[this.header_read..]);
            ready!(Pin::new(&mut this.inner).poll_read(cx, &mut rest))?;
            let read = rest.filled().len();
            if read == 0 {
                return Poll::Ready(Ok(()));
            }
            this.header_read += read;
            if this.header_read == HEADER {
                this.header_read = 0;
                let length = usize::from(u16::from_be_bytes([this.header[2], this.header[3]]));
                if this.header[0] != TYPE_PRELOGIN || length < HEADER {
                    let text = "the server answered the TLS handshake with something else";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, text)));
                }
                this.payload_left = length - HEADER;
            }
        }
        // Initialized first, so that what `part` fills may be advanced over, whoever's buffer this is.
        let room = buffer.remaining().min(this.payload_left);
        let mut part = ReadBuf::new(buffer.initialize_unfilled_to(room));
        ready!(Pin::new(&mut this.inner).poll_read(cx, &mut part))?;
        let read = part.filled().len();
        buffer.advance(read);
        this.payload_left -= read;
        Poll::Ready(Ok(()))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PreloginFrames<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.handshaking {
            self.unsent.extend_from_slice(bytes);
            return Poll::Ready(Ok(bytes.len()));
        }
        Pin::new(&mut self.inner).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(self.poll_send(cx))?;
        Pin::new(&mut self.inner).poll_shutdown(cx)
    }
}

/// Takes any certificate; the settings allow it for a loopback server only.
#[derive(Debug)]
struct NoVerifier(Arc<CryptoProvider>);

impl ServerCertVerifier for NoVerifier {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, tokio_rustls::rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, tokio_rustls::rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, tokio_rustls::rustls::Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        tokio_rustls::rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::{AsyncReadExt, AsyncWriteExt, duplex};

    use super::*;

    #[tokio::test]
    async fn handshake_bytes_are_unwrapped_into_a_buffer_that_nobody_initialized() {
        let (mut server, client) = duplex(64);
        server.write_all(&packet(TYPE_PRELOGIN, b"hand", false, 0)).await.unwrap();
        server.write_all(&packet(TYPE_PRELOGIN, &[], false, 1)).await.unwrap();
        server.write_all(&packet(TYPE_PRELOGIN, b"shake", true, 2)).await.unwrap();
        drop(server);
        let mut frames = PreloginFrames::new(client, true);
        let mut read = Vec::with_capacity(32);
        while frames.read_buf(&mut read).await.unwrap() > 0 {}
        assert_eq!(read, b"handshake");
    }

    #[tokio::test]
    async fn handshake_bytes_leave_in_packets_of_4096_bytes_at_most_however_few_the_socket_takes() {
        let sent: Vec<u8> = (0..10_000).map(|n| n as u8).collect();
        let bytes = sent.clone();
        // The socket takes 100 bytes at a time.
        let (mut server, client) = duplex(100);
        let mut frames = PreloginFrames::new(client, true);
        // It drops its end when it is through.
        let sends = async move {
            for message in [&bytes[..9_000], &bytes[9_000..]] {
                frames.write_all(message).await.unwrap();
                frames.flush().await.unwrap();
            }
            frames.write_all(b"bye").await.unwrap();
            frames.shutdown().await.unwrap();
        };
        let mut read = Vec::new();
        tokio::join!(sends, async { server.read_to_end(&mut read).await.unwrap() });
        let expected = [
            packet(TYPE_PRELOGIN, &sent[..4088], false, 0),
            packet(TYPE_PRELOGIN, &sent[4088..8176], false, 1),
            packet(TYPE_PRELOGIN, &sent[8176..9000], true, 2),
            packet(TYPE_PRELOGIN, &sent[9000..], true, 0),
            packet(TYPE_PRELOGIN, b"bye", true, 0),
        ];
        assert_eq!(read, expected.concat());
    }

    #[tokio::test]
    async fn after_the_handshake_bytes_pass_as_they_are() {
        let passes = async {
            let (mut server, client) = duplex(64);
            let mut frames = PreloginFrames::new(client, false);
            frames.write_all(b"question").await.unwrap();
            server.write_all(b"answer").await.unwrap();
            let mut read = [0; 8];
            server.read_exact(&mut read).await.unwrap();
            assert_eq!(&read, b"question");
            frames.read_exact(&mut read[..6]).await.unwrap();
            assert_eq!(&read[..6], b"answer");
            frames.shutdown().await.unwrap();
            assert_eq!(server.read(&mut read).await.unwrap(), 0);
        };
        tokio::time::timeout(Duration::from_secs(10), passes).await.expect("all that was sent, and the end");
    }

    #[tokio::test]
    async fn what_is_no_packet_of_a_handshake_is_an_error_and_not_waited_for() {
        for header in [[0x04, 1, 0, 9, 0, 0, 1, 0], [TYPE_PRELOGIN, 1, 0, 7, 0, 0, 1, 0]] {
            let (mut server, client) = duplex(64);
            server.write_all(&header).await.unwrap();
            let error = PreloginFrames::new(client, true).read(&mut [0; 8]).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
        }
    }

    #[tokio::test]
    async fn a_socket_that_takes_nothing_is_an_error_and_not_tried_for_ever() {
        let mut room = [0; 10];
        let mut frames = PreloginFrames::new(io::Cursor::new(&mut room[..]), true);
        frames.write_all(b"hello").await.unwrap();
        assert_eq!(frames.flush().await.unwrap_err().kind(), io::ErrorKind::WriteZero);
    }
}
