//! The way into a session: PRELOGIN, TLS, LOGIN7, and who may log in (MS-TDS 3.3.5).

pub(crate) mod login7;
pub(crate) mod prelogin;
pub(crate) mod tls;
mod tokens;

use std::{io, ops::Range, sync::Arc, time::Instant};

use tokio::io::AsyncWriteExt;

use crate::sql::{
    books::{SessionRecord, Shared},
    connection::{Connection, Wire, wrong},
    engine::{Engine, Who},
    errors::{error, login_error},
    faults::Stage,
    socket::Socket,
    wire::{
        packet::{MESSAGE_LIMIT, Message, PacketReader, kind, write_message},
        tokens::{Done, Tokens},
    },
};
use crate::token::Claims;
use login7::{Federation, Login7, federated_token};
use prelogin::Prelogin;
use tls::accept;

/// Versions before TDS 7.3. (8.0 is a smaller number than all of 7.)
const TOO_OLD: Range<u32> = 0x7000_0000..0x730A_0003;

/// No message before the login is longer.
const LOGIN_LIMIT: usize = 128 << 10;

/// Up to the login's answer; `None` when the login was refused or sent elsewhere, or met trouble.
pub(crate) async fn log_in(
    mut socket: Socket,
    connection: &mut Connection,
) -> io::Result<Option<(Wire, Engine, usize)>> {
    let (shared, spid) = (Arc::clone(&connection.shared), connection.spid);
    // A TLS record first is TDS 8 (MS-TDS 2.2.6.5, Encrypt=Strict).
    let strict = socket.peek().await? == Some(0x16);
    let (stream, asked) = if strict {
        if !connection.passes(Stage::Tls, &mut socket).await {
            return Ok(None);
        }
        (accept(socket, Arc::clone(&shared.strict_tls), false).await?, None)
    } else {
        let mut reader = PacketReader::new(socket, LOGIN_LIMIT);
        let asked = prelogin(reader.next().await?)?;
        let mut socket = reader.into_stream()?;
        if !connection.passes(Stage::Prelogin, &mut socket).await {
            return Ok(None);
        }
        write_message(&mut socket, kind::ANSWER, spid, &asked.answer(), 4096).await?;
        if !asked.can_encrypt() {
            tracing::warn!(
                "a client that cannot encrypt (ENCRYPT_NOT_SUP) was hung up on, as Azure SQL does"
            );
            shared.refused();
            return Ok(None);
        }
        socket.peek().await?;
        if !connection.passes(Stage::Tls, &mut socket).await {
            return Ok(None);
        }
        (accept(socket, Arc::clone(&shared.wrapped_tls), true).await?, Some(asked))
    };
    let secured = stream.get_ref().1;
    let tls_version = secured.protocol_version().map(|version| format!("{version:?}")).unwrap_or_default();
    let tls_server_name = secured.server_name().map(str::to_owned);
    let mut wire = Wire { reader: PacketReader::new(stream, LOGIN_LIMIT), spid, packet_size: 4096 };
    if asked.is_none() {
        let asked = prelogin(wire.reader.next().await?)?;
        if !connection.passes(Stage::Prelogin, wire.stream()).await {
            return Ok(None);
        }
        wire.answer(&asked.answer()).await?;
    }
    let payload = wire.expect(kind::LOGIN7, "LOGIN7").await?;
    let login = Login7::read(&payload)?;
    if !connection.passes(Stage::Login, wire.stream()).await {
        return Ok(None);
    }
    if TOO_OLD.contains(&login.tds_version) {
        shared.refused();
        let mut tokens = Tokens::new(&login.server);
        let message =
            "The client speaks a TDS version that is older than 7.3, the oldest that Azure SQL takes.";
        tokens.report(&error(4002, message), "");
        tokens.done(Done::Statement, None, true, false);
        wire.answer(&tokens.finish()).await?;
        hang_up(&mut wire).await;
        return Ok(None);
    }
    let name = match authenticate(&mut wire, &shared, &login).await? {
        Ok(name) => name,
        Err(number) => {
            shared.refused();
            let user = if login.federation.is_some() { "<token-identified principal>" } else { &login.user };
            let mut tokens = Tokens::new(&login.server);
            tokens.report(&login_error(number, user, &login.server, &login.database), "");
            tokens.done(Done::Statement, None, true, false);
            wire.answer(&tokens.finish()).await?;
            hang_up(&mut wire).await;
            return Ok(None);
        }
    };
    let database = if login.database.is_empty() { "master".to_owned() } else { login.database.clone() };
    let size = if login.packet_size == 0 { 4096 } else { login.packet_size.clamp(512, 32_767) } as usize;
    let mut tokens = Tokens::new(&login.server);
    tokens.login(&database, size, login.tds_version, login.federation.is_some());
    if let Some((host, port)) = connection.redirect() {
        tokens.routing(&host, port);
        tokens.done(Done::Statement, None, false, false);
        wire.answer(&tokens.finish()).await?;
        hang_up(&mut wire).await;
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
        requests: 0,
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
    if let Some(number) = shared.next_refusal() {
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
async fn hang_up(wire: &mut Wire) {
    let _ = wire.stream().shutdown().await;
}
