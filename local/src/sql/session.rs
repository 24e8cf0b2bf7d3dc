//! One connection: PRELOGIN, TLS, LOGIN7, then requests until the client hangs up (MS-TDS 3.3.5).

use std::{
    io,
    sync::Arc,
    time::{Duration, Instant},
};

use tokio::{
    io::{AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split},
    net::TcpStream,
    sync::watch,
    time::timeout,
};
use tokio_rustls::server::TlsStream;

use super::{
    engine::{Engine, Who},
    errors::{error, login_error},
    login7::{Federation, Login7, federated_token},
    packet::{MESSAGE_LIMIT, Message, PacketReader, kind, write_message},
    prelogin::Prelogin,
    request::Request,
    server::{SessionRecord, Shared},
    tls::{PreloginStream, accept},
    tokens::{Done, Tokens},
    wire::Malformed,
};
use crate::token::Claims;

type Stream = TlsStream<PreloginStream>;

/// From the first byte to the login; a client that only connects holds nothing for longer.
const LOGIN_TIME: Duration = Duration::from_secs(15);
/// No message before the login is longer.
const LOGIN_LIMIT: usize = 128 << 10;

fn wrong(what: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, what)
}

impl From<Malformed> for io::Error {
    fn from(malformed: Malformed) -> Self {
        wrong(malformed.0)
    }
}

/// A connection's two halves, and how it writes.
struct Wire {
    reader: PacketReader<ReadHalf<Stream>>,
    writer: WriteHalf<Stream>,
    spid: u16,
    packet_size: usize,
}

impl Wire {
    async fn answer(&mut self, payload: &[u8]) -> io::Result<()> {
        write_message(&mut self.writer, kind::ANSWER, self.spid, payload, self.packet_size).await
    }

    async fn expect(&mut self, wanted: u8, name: &str) -> io::Result<Vec<u8>> {
        match self.reader.next().await? {
            Some(Message { kind, payload, .. }) if kind == wanted => Ok(payload),
            Some(other) => {
                Err(wrong(format!("a message of type 0x{:02X} where {name} was expected", other.kind)))
            }
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        }
    }
}

/// Serves one connection to its end.
pub(crate) async fn serve(
    socket: TcpStream,
    shared: &Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let spid = shared.take_spid();
    let outcome = async {
        let login = tokio::select! {
            login = timeout(LOGIN_TIME, log_in(socket, shared, spid)) => login,
            _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
        };
        match login {
            Ok(Ok(Some((mut wire, engine, place)))) => {
                let outcome = tokio::select! {
                    outcome = requests(&mut wire, &engine) => outcome,
                    _ = stopped.wait_for(|stopped| *stopped) => Ok(()),
                };
                // The order is a promise: rolled back, counted, and only then hung up.
                let open_transaction = engine.end().await;
                shared.closed(place, open_transaction);
                let _ = wire.writer.shutdown().await;
                outcome
            }
            Ok(Ok(None)) => Ok(()),
            Ok(Err(error)) => Err(error),
            Err(_) => Err(io::Error::new(io::ErrorKind::TimedOut, "no login within 15 seconds")),
        }
    }
    .await;
    shared.give_spid(spid);
    outcome
}

/// Up to the login's answer; `None` when the login was refused or sent elsewhere.
async fn log_in(
    socket: TcpStream,
    shared: &Arc<Shared>,
    spid: u16,
) -> io::Result<Option<(Wire, Engine, usize)>> {
    let mut first = [0];
    socket.peek(&mut first).await?;
    // A TLS record first is TDS 8 (MS-TDS 2.2.6.5, Encrypt=Strict).
    let strict = first[0] == 0x16;
    let (stream, asked) = if strict {
        (accept(socket, Arc::clone(&shared.strict_tls), false).await?, None)
    } else {
        let mut reader = PacketReader::new(socket, LOGIN_LIMIT);
        let asked = prelogin(reader.next().await?)?;
        let mut socket = reader.into_stream()?;
        write_message(&mut socket, kind::ANSWER, spid, &asked.answer(), 4096).await?;
        if !asked.can_encrypt() {
            tracing::warn!(
                "a client that cannot encrypt (ENCRYPT_NOT_SUP) was hung up on, as Azure SQL does"
            );
            shared.tally.refused.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            return Ok(None);
        }
        (accept(socket, Arc::clone(&shared.wrapped_tls), true).await?, Some(asked))
    };
    let secured = stream.get_ref().1;
    let tls_version = secured.protocol_version().map(|version| format!("{version:?}")).unwrap_or_default();
    let tls_server_name = secured.server_name().map(str::to_owned);
    let (reader, writer) = split(stream);
    let mut wire = Wire { reader: PacketReader::new(reader, LOGIN_LIMIT), writer, spid, packet_size: 4096 };
    if asked.is_none() {
        let asked = prelogin(wire.reader.next().await?)?;
        wire.answer(&asked.answer()).await?;
    }
    let payload = wire.expect(kind::LOGIN7, "LOGIN7").await?;
    let login = Login7::read(&payload)?;
    let name = match authenticate(&mut wire, shared, &login).await? {
        Ok(name) => name,
        Err(number) => {
            shared.tally.refused.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let user = if login.federation.is_some() { "<token-identified principal>" } else { &login.user };
            let mut tokens = Tokens::new(&login.server);
            tokens.report(&login_error(number, user, &login.server, &login.database), "");
            tokens.done(Done::Statement, None, true, false);
            wire.answer(&tokens.finish()).await?;
            hang_up(&mut wire.writer).await;
            return Ok(None);
        }
    };
    let database = if login.database.is_empty() { "master".to_owned() } else { login.database.clone() };
    let size = if login.packet_size == 0 { 4096 } else { login.packet_size.clamp(512, 32_767) } as usize;
    let mut tokens = Tokens::new(&login.server);
    tokens.login(&database, size, login.tds_version, login.federation.is_some());
    if let Some((host, port)) = shared.redirect() {
        tokens.routing(&host, port);
        tokens.done(Done::Statement, None, false, false);
        wire.answer(&tokens.finish()).await?;
        hang_up(&mut wire.writer).await;
        return Ok(None);
    }
    let who = Who {
        spid,
        login: name.clone(),
        application: login.application.clone(),
        host: login.host.clone(),
        database: database.clone(),
        server: login.server.clone(),
    };
    let engine = {
        let (store, tally) = (Arc::clone(&shared.store), Arc::clone(&shared.tally));
        tokio::task::spawn_blocking(move || Engine::start(store, who, tally))
            .await
            .map_err(io::Error::other)??
    };
    tokens.done(Done::Statement, None, false, false);
    let place = shared.opened(SessionRecord {
        spid,
        login: name,
        application: login.application,
        database,
        server: login.server,
        tds_version: login.tds_version,
        tls_version,
        tls_server_name,
        opened_at: Instant::now(),
        closed_at: None,
        open_transaction: false,
    });
    if let Err(error) = wire.answer(&tokens.finish()).await {
        shared.closed(place, engine.end().await);
        return Err(error);
    }
    wire.packet_size = size;
    wire.reader.set_limit(MESSAGE_LIMIT);
    Ok(Some((wire, engine, place)))
}

fn prelogin(message: Option<Message>) -> io::Result<Prelogin> {
    match message {
        Some(Message { kind: kind::PRELOGIN, payload, .. }) => Ok(Prelogin::read(&payload)?),
        Some(other) => {
            Err(wrong(format!("a message of type 0x{:02X} where PRELOGIN was expected", other.kind)))
        }
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Whose login it is, or the number of the error that it is refused with.
async fn authenticate(wire: &mut Wire, shared: &Shared, login: &Login7) -> io::Result<Result<String, u32>> {
    let token = match &login.federation {
        None => None,
        Some(Federation::Token(token)) => Some(token.clone()),
        Some(Federation::Asks) => {
            let mut tokens = Tokens::new(&login.server);
            tokens
                .federation_info("https://login.microsoftonline.com/common", "https://database.windows.net/");
            wire.answer(&tokens.out).await?;
            let payload = wire.expect(kind::FEDERATED_TOKEN, "a federated authentication token").await?;
            Some(federated_token(&payload)?)
        }
    };
    if let Some(number) = shared.next_failure() {
        return Ok(Err(number));
    }
    Ok(match (token, &shared.sql_login) {
        (Some(token), _) => match shared.tokens.verify(&token) {
            Ok(Claims { oid, .. }) => Ok(oid),
            Err(refused) => {
                tracing::warn!(%refused, "a login was refused");
                Err(18456)
            }
        },
        (None, Some((user, password))) if *user == login.user && *password == login.password => {
            Ok(user.clone())
        }
        (None, _) => Err(18456),
    })
}

/// Ends the stream in good order: the client reads the answer, and then the end.
async fn hang_up(writer: &mut (impl AsyncWrite + Unpin)) {
    let _ = writer.shutdown().await;
}

/// Requests, one after another; an ATTENTION or the end of the stream interrupts the one that runs.
async fn requests(wire: &mut Wire, engine: &Engine) -> io::Result<()> {
    loop {
        let message = match wire.reader.next().await {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(()),
            Err(failure) => return refuse(wire, failure).await,
        };
        if message.kind == kind::ATTENTION {
            let mut tokens = Tokens::default();
            tokens.attention_done();
            wire.answer(&tokens.finish()).await?;
            continue;
        }
        if message.ignored {
            let mut tokens = Tokens::default();
            tokens.done(Done::Statement, None, true, false);
            wire.answer(&tokens.finish()).await?;
            continue;
        }
        let request = match Request::read(message.kind, &message.payload) {
            Ok(request) => request,
            Err(malformed) => return refuse(wire, malformed.into()).await,
        };
        let mut answer = engine.run(request, message.reset);
        let mut attention = false;
        let answer = loop {
            tokio::select! {
                answer = &mut answer => break answer,
                next = wire.reader.next() => match next {
                    Ok(Some(Message { kind: kind::ATTENTION, .. })) if !attention => {
                        attention = true;
                        engine.interrupt();
                    }
                    Ok(Some(_)) => {
                        engine.interrupt();
                        return refuse(wire, wrong("a request before the answer to the one before it")).await;
                    }
                    Ok(None) => {
                        engine.interrupt();
                        return Ok(());
                    }
                    Err(failure) => {
                        engine.interrupt();
                        return Err(failure);
                    }
                },
            }
        };
        let answer = answer.map_err(|_| wrong("the session's engine has ended"))?;
        wire.answer(&answer).await?;
        if attention && !ends_with_attention(&answer) {
            // It came when the work was done: its acknowledgement is an answer of its own.
            let mut tokens = Tokens::default();
            tokens.attention_done();
            wire.answer(&tokens.finish()).await?;
        }
    }
}

/// Whether the last DONE of an answer acknowledges an ATTENTION.
fn ends_with_attention(answer: &[u8]) -> bool {
    answer.len() >= 13 && answer[answer.len() - 13] == 0xFD && answer[answer.len() - 12] & 0x20 != 0
}

/// Tells the client what was wrong with what it sent, and hangs up.
async fn refuse(wire: &mut Wire, failure: io::Error) -> io::Result<()> {
    if failure.kind() == io::ErrorKind::InvalidData {
        let mut tokens = Tokens::default();
        let message = format!(
            "The incoming tabular data stream (TDS) protocol stream is incorrect: {failure}. The session is terminated."
        );
        let mut found = error(4002, message);
        found.line = 1;
        tokens.report(&found, "");
        tokens.done(Done::Statement, None, true, false);
        wire.answer(&tokens.finish()).await?;
    }
    Err(failure)
}
