//! Follows the packets on a line: whether every request has been answered, and the reset of a session that was used.
//!
//! A connection that served one invocation may serve another one only if the server resets its session before. TDS has
//! a bit for that, RESETCONNECTION, in the first packet of a request (MS-TDS 2.2.3.1.2), so the reset costs no round
//! trip; the server confirms it by an ENVCHANGE of type 18 before it answers the request itself (2.2.7.9). The driver
//! never sets that bit. So it is set here, in plaintext, on its way from the driver to TLS; and no byte of the answer
//! reaches the driver before the confirmation has been read.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Instant,
};

use super::prelogin::{HEADER, STATUS_END_OF_MESSAGE};

/// Where a packet's status is in its header (MS-TDS 2.2.3.1).
const STATUS: usize = 1;
const STATUS_RESET_CONNECTION: u8 = 0x08;

const TOKEN_ENVCHANGE: u8 = 0xe3;
const TOKEN_INFO: u8 = 0xab;
const ENVCHANGE_RESET_CONNECTION: u8 = 18;

/// What has crossed a line, as far as it matters to whoever wants to use it again.
#[derive(Debug, Default)]
pub(super) struct Exchange {
    requests: Packets,
    answers: Packets,
    /// Requests that went out whole and were not answered to their end.
    unanswered: u32,
    /// When the last request went out whole, until its answer begins.
    asked: Option<Instant>,
    fastest: Option<Duration>,
    reset: Reset,
}

#[derive(Debug, Default, PartialEq)]
enum Reset {
    #[default]
    None,
    /// The next request is to carry it.
    Due,
    /// It went out; the answer has to begin with its confirmation.
    Asked(Confirmation),
}

impl Exchange {
    /// Lets the next request reset the session before anything else.
    pub(super) fn reset_next(&mut self) {
        self.reset = Reset::Due;
    }

    /// Whether nothing is under way: no half of a request, no answer to come, no reset to be confirmed.
    pub(super) fn is_quiet(&self) -> bool {
        let between = self.requests.is_between_messages() && self.answers.is_between_messages();
        between && self.unanswered == 0 && !matches!(self.reset, Reset::Asked(_))
    }

    /// The shortest time from a request to its answer: a round trip, and the server's work.
    pub(super) fn fastest(&self) -> Option<Duration> {
        self.fastest
    }

    /// Writes what the driver has to say.
    pub(super) fn poll_write(
        &mut self,
        cx: &mut Context<'_>,
        stream: Pin<&mut impl AsyncWrite>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let header = self.requests.header_read;
        let due = self.reset == Reset::Due && self.requests.is_first_header();
        let written = if due && header <= STATUS && bytes.len() > STATUS - header {
            let mut marked = bytes.to_vec();
            marked[STATUS - header] |= STATUS_RESET_CONNECTION;
            ready!(stream.poll_write(cx, &marked))?
        } else {
            ready!(stream.poll_write(cx, bytes))?
        };
        if due && header <= STATUS && header + written > STATUS {
            self.reset = Reset::Asked(Confirmation::default());
        }
        let ended = self.requests.follow(&bytes[..written], |_| {});
        self.unanswered += ended;
        if ended > 0 {
            self.asked = Some(Instant::now());
        }
        Poll::Ready(Ok(written))
    }

    /// Reads what the server has to say.
    pub(super) fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        stream: Pin<&mut impl AsyncRead>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(stream.poll_read(cx, buffer))?;
        if let Some(asked) = self.asked.take() {
            let took = asked.elapsed();
            self.fastest = Some(self.fastest.map_or(took, |fastest| fastest.min(took)));
        }
        let Exchange { answers, reset, .. } = self;
        let ended = answers.follow(&buffer.filled()[before..], |payload| {
            if let Reset::Asked(confirmation) = reset {
                confirmation.follow(payload);
            }
        });
        if let Reset::Asked(confirmation) = &self.reset {
            match confirmation.state {
                State::Confirmed => self.reset = Reset::None,
                State::Missing => return Poll::Ready(Err(unconfirmed())),
                _ if ended > 0 => return Poll::Ready(Err(unconfirmed())),
                _ => {}
            }
        }
        self.unanswered = self.unanswered.saturating_sub(ended);
        Poll::Ready(Ok(()))
    }
}

fn unconfirmed() -> io::Error {
    let text = "the server did not confirm that it reset the session, so its answer was not used; set \
                SQLSCOPE_SESSIONS=fresh for a server that cannot";
    io::Error::new(io::ErrorKind::InvalidData, text)
}

/// The packets of one direction, and the messages that they make up.
#[derive(Debug, Default)]
struct Packets {
    header: [u8; HEADER],
    header_read: usize,
    payload_left: usize,
    /// Inside a message of which packets are to come.
    in_message: bool,
}

impl Packets {
    fn is_between_messages(&self) -> bool {
        !self.in_message && self.header_read == 0 && self.payload_left == 0
    }

    /// Whether the next byte belongs to the header of a message's first packet.
    fn is_first_header(&self) -> bool {
        !self.in_message && self.payload_left == 0
    }

    /// Shows the payloads in these bytes to `payload`, and returns how many messages end in them.
    fn follow(&mut self, mut bytes: &[u8], mut payload: impl FnMut(&[u8])) -> u32 {
        let mut ended = 0;
        while !bytes.is_empty() {
            if self.payload_left == 0 {
                let taken = bytes.len().min(HEADER - self.header_read);
                self.header[self.header_read..][..taken].copy_from_slice(&bytes[..taken]);
                self.header_read += taken;
                bytes = &bytes[taken..];
                if self.header_read < HEADER {
                    break;
                }
                let length = usize::from(u16::from_be_bytes([self.header[2], self.header[3]]));
                self.header_read = 0;
                self.payload_left = length.saturating_sub(HEADER);
            }
            let taken = bytes.len().min(self.payload_left);
            payload(&bytes[..taken]);
            self.payload_left -= taken;
            bytes = &bytes[taken..];
            self.in_message = self.payload_left > 0 || self.header[STATUS] & STATUS_END_OF_MESSAGE == 0;
            ended += u32::from(!self.in_message);
        }
        ended
    }
}

/// Looks for the confirmation among what stands before the answer proper: changes of the environment, and messages.
#[derive(Debug, Default, PartialEq)]
struct Confirmation {
    state: State,
}

#[derive(Debug, Default, PartialEq, Clone, Copy)]
enum State {
    #[default]
    Token,
    /// In the length of such a token: its type, and the low byte if that is there.
    Length(u8, Option<u8>),
    /// In its data, of which so many bytes are left; the first one of an ENVCHANGE is its kind.
    Data {
        kind_of: Option<u8>,
        left: u16,
    },
    Confirmed,
    Missing,
}

impl Confirmation {
    fn follow(&mut self, payload: &[u8]) {
        for &byte in payload {
            self.state = match self.state {
                State::Token if matches!(byte, TOKEN_ENVCHANGE | TOKEN_INFO) => State::Length(byte, None),
                State::Token => State::Missing,
                State::Length(token, None) => State::Length(token, Some(byte)),
                State::Length(token, Some(low)) => match u16::from_le_bytes([low, byte]) {
                    0 => State::Token,
                    left => State::Data { kind_of: Some(token), left },
                },
                State::Data { kind_of: Some(TOKEN_ENVCHANGE), .. } if byte == ENVCHANGE_RESET_CONNECTION => {
                    State::Confirmed
                }
                State::Data { left: 1, .. } => State::Token,
                State::Data { left, .. } => State::Data { kind_of: None, left: left - 1 },
                ended @ (State::Confirmed | State::Missing) => ended,
            };
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connection::prelogin::packet;

    const RPC: u8 = 0x03;
    const REPLY: u8 = 0x04;
    const CONFIRMED: [u8; 6] = [TOKEN_ENVCHANGE, 3, 0, 18, 0, 0];
    const DATABASE: [u8; 8] = [TOKEN_ENVCHANGE, 5, 0, 1, 18, 0, 18, 0];
    const INFO: [u8; 5] = [TOKEN_INFO, 2, 0, 18, 18];
    const DONE: [u8; 13] = [0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

    /// Takes so many bytes at a time.
    struct Piecemeal<'a>(Vec<u8>, usize, &'a [u8]);

    impl AsyncWrite for Piecemeal<'_> {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            bytes: &[u8],
        ) -> Poll<io::Result<usize>> {
            let taken = bytes.len().min(self.1);
            self.0.extend_from_slice(&bytes[..taken]);
            Poll::Ready(Ok(taken))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    impl AsyncRead for Piecemeal<'_> {
        fn poll_read(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buffer: &mut ReadBuf<'_>,
        ) -> Poll<io::Result<()>> {
            let taken = self.2.len().min(self.1).min(buffer.remaining());
            buffer.put_slice(&self.2[..taken]);
            self.2 = &self.2[taken..];
            Poll::Ready(Ok(()))
        }
    }

    /// What goes out when the driver writes this, so many bytes at a time.
    fn written(exchange: &mut Exchange, mut bytes: &[u8], at_once: usize) -> Vec<u8> {
        let mut stream = Piecemeal(Vec::new(), at_once, &[]);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        while !bytes.is_empty() {
            let Poll::Ready(Ok(taken)) = exchange.poll_write(&mut cx, Pin::new(&mut stream), bytes) else {
                panic!("never full");
            };
            bytes = &bytes[taken..];
        }
        stream.0
    }

    /// What the driver reads of this answer, so many bytes at a time.
    fn read(exchange: &mut Exchange, bytes: &[u8], at_once: usize) -> io::Result<Vec<u8>> {
        let mut stream = Piecemeal(Vec::new(), at_once, bytes);
        let mut cx = Context::from_waker(std::task::Waker::noop());
        let mut whole = Vec::new();
        while whole.len() < bytes.len() {
            let mut room = [0; 64];
            let mut buffer = ReadBuf::new(&mut room);
            match exchange.poll_read(&mut cx, Pin::new(&mut stream), &mut buffer) {
                Poll::Ready(outcome) => outcome?,
                Poll::Pending => panic!("never empty"),
            }
            whole.extend_from_slice(buffer.filled());
        }
        Ok(whole)
    }

    fn request() -> Vec<u8> {
        [packet(RPC, b"first", false, 1), packet(RPC, b"second", true, 2)].concat()
    }

    #[test]
    fn the_next_request_alone_carries_the_reset_in_its_first_packet() {
        for at_once in [1, 2, 3, 7, 8, 9, 100] {
            let mut exchange = Exchange::default();
            exchange.reset_next();
            let mut marked = request();
            marked[STATUS] = STATUS_RESET_CONNECTION;
            assert_eq!(written(&mut exchange, &request(), at_once), marked, "{at_once} at once");
            let answer = packet(REPLY, &[&CONFIRMED[..], &DONE].concat(), true, 1);
            assert_eq!(read(&mut exchange, &answer, at_once).unwrap(), answer);
            assert_eq!(written(&mut exchange, &request(), at_once), request());
        }
    }

    #[test]
    fn a_confirmation_is_found_behind_other_changes_and_across_packets() {
        let payload = [&DATABASE[..], &INFO, &CONFIRMED, &DONE].concat();
        for cut in 1..payload.len() {
            let (first, second) = payload.split_at(cut);
            let answer = [packet(REPLY, first, false, 1), packet(REPLY, second, true, 2)].concat();
            for at_once in [1, 5, 64] {
                let mut exchange = Exchange::default();
                exchange.reset_next();
                written(&mut exchange, &request(), 100);
                assert_eq!(read(&mut exchange, &answer, at_once).unwrap(), answer);
                assert!(exchange.is_quiet());
            }
        }
    }

    #[test]
    fn an_answer_without_a_confirmation_is_an_error_before_its_last_byte_is_read() {
        for payload in
            [&DONE[..], &[&DATABASE[..], &DONE].concat(), &[&DONE[..], &CONFIRMED].concat(), &DATABASE]
        {
            let mut exchange = Exchange::default();
            exchange.reset_next();
            written(&mut exchange, &request(), 100);
            let error = read(&mut exchange, &packet(REPLY, payload, true, 1), 64).unwrap_err();
            assert!(error.to_string().contains("did not confirm"), "{error}");
            assert!(!exchange.is_quiet());
        }
    }

    #[test]
    fn a_line_is_quiet_when_every_request_has_its_whole_answer() {
        let mut exchange = Exchange::default();
        assert!(exchange.is_quiet());
        let request = request();
        written(&mut exchange, &request[..10], 100);
        assert!(!exchange.is_quiet(), "half a request");
        written(&mut exchange, &request[10..], 100);
        assert!(!exchange.is_quiet(), "no answer yet");
        let answer = [packet(REPLY, &DONE, false, 1), packet(REPLY, &DONE, true, 2)].concat();
        read(&mut exchange, &answer[..answer.len() - 1], 64).unwrap();
        assert!(!exchange.is_quiet(), "half an answer");
        read(&mut exchange, &answer[answer.len() - 1..], 64).unwrap();
        assert!(exchange.is_quiet());
        exchange.reset_next();
        assert!(exchange.is_quiet(), "a reset that is due is not under way");
    }

    #[tokio::test(start_paused = true)]
    async fn the_fastest_answer_is_remembered_from_the_request_to_the_answers_first_byte() {
        let mut exchange = Exchange::default();
        let answer = packet(REPLY, &DONE, true, 1);
        for (took, fastest) in [(30, 30), (10, 10), (20, 10)] {
            let request = request();
            written(&mut exchange, &request[..10], 100);
            tokio::time::advance(Duration::from_millis(7)).await;
            written(&mut exchange, &request[10..], 100);
            tokio::time::advance(Duration::from_millis(took)).await;
            read(&mut exchange, &answer[..1], 64).unwrap();
            tokio::time::advance(Duration::from_millis(7)).await;
            read(&mut exchange, &answer[1..], 64).unwrap();
            assert_eq!(exchange.fastest(), Some(Duration::from_millis(fastest)));
        }
    }
}
