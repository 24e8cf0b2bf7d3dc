//! The first exchange of a TDS connection: PRELOGIN (MS-TDS 2.2.6.5), and its packet header (2.2.3.1).

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// The length of a packet header.
pub(crate) const HEADER: usize = 8;
/// PRELOGIN's packet type; TLS handshake bytes travel in it too.
pub(crate) const TYPE_PRELOGIN: u8 = 0x12;
/// The packet type of a server's answers.
const TYPE_REPLY: u8 = 0x04;
/// The status bit of a message's last packet.
pub(crate) const STATUS_END_OF_MESSAGE: u8 = 0x01;

const OPTION_VERSION: u8 = 0x00;
const OPTION_ENCRYPTION: u8 = 0x01;
const OPTION_INSTANCE: u8 = 0x02;
const OPTION_THREAD: u8 = 0x03;
const OPTION_MARS: u8 = 0x04;
const OPTION_FEDAUTH_REQUIRED: u8 = 0x06;
const TERMINATOR: u8 = 0xff;

const ENCRYPT_ON: u8 = 0x01;
const ENCRYPT_NOT_SUPPORTED: u8 = 0x02;
const ENCRYPT_REQUIRED: u8 = 0x03;

/// A packet with its header.
pub(crate) fn packet(kind: u8, payload: &[u8], last: bool, id: u8) -> Vec<u8> {
    let mut packet = Vec::with_capacity(HEADER + payload.len());
    // A packet is at most 32,767 bytes (MS-TDS 2.2.3.1.3); the callers cut below that.
    let length = (HEADER + payload.len()) as u16;
    packet.extend([kind, if last { STATUS_END_OF_MESSAGE } else { 0 }]);
    packet.extend(length.to_be_bytes());
    packet.extend([0, 0, id, 0]);
    packet.extend_from_slice(payload);
    packet
}

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Prelogin {
    payload: Vec<u8>,
}

impl Prelogin {
    /// Sends the client's PRELOGIN and reads the server's.
    pub(crate) async fn exchange<S>(stream: &mut S, token_login: bool) -> io::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        stream.write_all(&packet(TYPE_PRELOGIN, &request(token_login), true, 1)).await?;
        stream.flush().await?;
        let mut payload = Vec::new();
        loop {
            let mut header = [0; HEADER];
            stream.read_exact(&mut header).await?;
            check_reply(header[0])?;
            let length = usize::from(u16::from_be_bytes([header[2], header[3]]));
            // A real answer has some 40 bytes.
            if length < HEADER || payload.len() + length > 4096 {
                return Err(invalid("the server's PRELOGIN answer has an impossible length".to_owned()));
            }
            let start = payload.len();
            payload.resize(start + length - HEADER, 0);
            stream.read_exact(&mut payload[start..]).await?;
            if header[1] & STATUS_END_OF_MESSAGE != 0 {
                break;
            }
        }
        let prelogin = Prelogin { payload };
        prelogin.encryption_offset()?;
        Ok(prelogin)
    }

    /// Whether the server goes on encrypted, as every Azure SQL does.
    pub(crate) fn encrypts(&self) -> io::Result<bool> {
        let encryption = self.payload[self.encryption_offset()?];
        Ok(matches!(encryption, ENCRYPT_ON | ENCRYPT_REQUIRED))
    }

    /// The answer as a packet for a driver that is to believe the stream below it needs no TLS.
    pub(crate) fn into_unencrypted_answer(mut self) -> io::Result<Vec<u8>> {
        let offset = self.encryption_offset()?;
        self.payload[offset] = ENCRYPT_NOT_SUPPORTED;
        Ok(packet(TYPE_REPLY, &self.payload, true, 1))
    }

    /// Where in the payload the ENCRYPTION byte is; always inside it.
    fn encryption_offset(&self) -> io::Result<usize> {
        let mut options = self.payload.chunks_exact(5);
        let option = options
            .by_ref()
            .take_while(|option| option[0] != TERMINATOR)
            .find(|option| option[0] == OPTION_ENCRYPTION);
        option
            .map(|option| usize::from(u16::from_be_bytes([option[1], option[2]])))
            .filter(|offset| *offset < self.payload.len())
            .ok_or_else(|| invalid("the server's PRELOGIN answer says nothing of encryption".to_owned()))
    }
}

fn request(token_login: bool) -> Vec<u8> {
    let mut options: Vec<(u8, &[u8])> = vec![
        // The version of the client: this is no SQL Server component, so nothing hangs on it.
        (OPTION_VERSION, &[0, 1, 0, 0, 0, 0]),
        (OPTION_ENCRYPTION, &[ENCRYPT_ON]),
        (OPTION_INSTANCE, &[0]),
        (OPTION_THREAD, &[0, 0, 0, 0]),
        (OPTION_MARS, &[0]),
    ];
    if token_login {
        options.push((OPTION_FEDAUTH_REQUIRED, &[1]));
    }
    let mut head = Vec::new();
    let mut body = Vec::new();
    let start = options.len() * 5 + 1;
    for (option, data) in options {
        head.push(option);
        head.extend(((start + body.len()) as u16).to_be_bytes());
        head.extend((data.len() as u16).to_be_bytes());
        body.extend_from_slice(data);
    }
    head.push(TERMINATOR);
    head.append(&mut body);
    head
}

/// Checks the type of a packet that the server has sent.
pub(super) fn check_reply(kind: u8) -> io::Result<()> {
    match kind {
        TYPE_REPLY => Ok(()),
        other => {
            Err(invalid(format!("the server answered with a packet of type {other:#04x}: that is no TDS")))
        }
    }
}

fn invalid(text: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// ENCRYPTION with this byte, as the only option.
    fn answer(encryption: u8) -> Vec<u8> {
        vec![OPTION_ENCRYPTION, 0, 6, 0, 1, TERMINATOR, encryption]
    }

    /// What becomes of these bytes of a server.
    async fn exchange(from_server: &[u8]) -> io::Result<Prelogin> {
        let (mut server, mut client) = tokio::io::duplex(64 << 10);
        server.write_all(from_server).await?;
        server.shutdown().await?;
        Prelogin::exchange(&mut client, true).await
    }

    #[tokio::test]
    async fn an_answer_in_one_packet_or_several_is_read() {
        let payload = [answer(ENCRYPT_ON), vec![0; 200]].concat();
        let (first, rest) = payload.split_at(100);
        let several = [
            packet(TYPE_REPLY, &[], false, 1),
            packet(TYPE_REPLY, first, false, 2),
            packet(TYPE_REPLY, rest, true, 3),
        ];
        for bytes in [packet(TYPE_REPLY, &payload, true, 1), several.concat()] {
            assert!(exchange(&bytes).await.unwrap().encrypts().unwrap());
        }
    }

    #[tokio::test]
    async fn only_a_server_that_encrypts_everything_is_trusted_with_a_credential() {
        for (byte, encrypts) in [
            (0, false),
            (ENCRYPT_ON, true),
            (ENCRYPT_NOT_SUPPORTED, false),
            (ENCRYPT_REQUIRED, true),
            (4, false),
        ] {
            let read = exchange(&packet(TYPE_REPLY, &answer(byte), true, 1)).await.unwrap();
            assert_eq!(read.encrypts().unwrap(), encrypts, "{byte}");
            let told = read.into_unencrypted_answer().unwrap();
            assert_eq!(told, packet(TYPE_REPLY, &answer(ENCRYPT_NOT_SUPPORTED), true, 1));
        }
    }

    #[tokio::test]
    async fn an_answer_that_cannot_be_is_refused_and_not_waited_for() {
        let long =
            [packet(TYPE_REPLY, &[0; 4000], false, 1), packet(TYPE_REPLY, &[0; 200], true, 2)].concat();
        let outside = packet(TYPE_REPLY, &[OPTION_ENCRYPTION, 0, 7, 0, 1, TERMINATOR, 1], true, 1);
        let behind_the_end = packet(TYPE_REPLY, &[TERMINATOR, OPTION_ENCRYPTION, 0, 0, 0, 1], true, 1);
        for (bytes, problem) in [
            (vec![TYPE_REPLY, 1, 0, 7, 0, 0, 1, 0], "an impossible length"),
            (long, "an impossible length"),
            (packet(TYPE_REPLY, &[TERMINATOR], true, 1), "nothing of encryption"),
            (outside, "nothing of encryption"),
            (behind_the_end, "nothing of encryption"),
            (b"HTTP/1.1 400 Bad Request\r\n\r\n".to_vec(), "a packet of type 0x48"),
        ] {
            let error = exchange(&bytes).await.unwrap_err();
            assert_eq!(error.kind(), io::ErrorKind::InvalidData);
            assert!(error.to_string().contains(problem), "{error}");
        }
        let broken_off = exchange(&[TYPE_REPLY, 1, 0]).await.unwrap_err();
        assert_eq!(broken_off.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[tokio::test]
    async fn what_is_sent_asks_for_encryption_and_says_whether_a_token_will_come() {
        for token in [false, true] {
            let payload = request(token);
            let options: Vec<_> = payload.chunks(5).take_while(|option| option[0] != TERMINATOR).collect();
            let value = |wanted: u8| {
                let option = options.iter().find(|option| option[0] == wanted)?;
                let (offset, length) = (usize::from(option[2]), usize::from(option[4]));
                Some(payload[offset..offset + length].to_vec())
            };
            assert_eq!(value(OPTION_ENCRYPTION), Some(vec![ENCRYPT_ON]));
            assert_eq!(value(OPTION_MARS), Some(vec![0]));
            assert_eq!(value(OPTION_FEDAUTH_REQUIRED), token.then(|| vec![1]));
        }
    }
}
