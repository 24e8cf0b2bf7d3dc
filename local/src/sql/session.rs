//! A connection from its login to its end: requests, until the client hangs up (MS-TDS 3.3.5).

use std::{io, sync::Arc, time::Duration};

use tokio::{
    io::AsyncWriteExt,
    net::TcpStream,
    sync::watch,
    time::{sleep, timeout},
};

use crate::sql::{
    books::Shared,
    connection::{Connection, Door, Wire, wrong},
    engine::Engine,
    errors::error,
    faults::{Stage, Trouble},
    login::log_in,
    socket::Socket,
    trouble::{meet, meet_at_close},
    wire::{
        packet::{Message, kind},
        request::Request,
        tokens::{Done, Tokens},
    },
};

/// From the first byte to the login; a client that only connects holds nothing for longer.
const LOGIN_TIME: Duration = Duration::from_secs(15);
const TOO_EARLY: &str = "a request before the answer to the one before it";

/// Serves one connection to its end.
pub(crate) async fn serve(
    socket: TcpStream,
    shared: Arc<Shared>,
    door: Door,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let faults = shared.faults();
    let login_time = LOGIN_TIME.saturating_add(faults.login_delay());
    let socket = Socket::new(socket, faults.latency, faults.drop_after);
    let mut connection = Connection::new(shared, door);
    let login = tokio::select! {
        login = timeout(login_time, log_in(socket, &mut connection)) => login,
        _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
    };
    let Ok(login) = login else {
        let what = format!("no login within {} seconds", login_time.as_secs());
        return Err(io::Error::new(io::ErrorKind::TimedOut, what));
    };
    let Some((mut wire, engine, place)) = login? else { return Ok(()) };
    let outcome = tokio::select! {
        outcome = requests(&mut wire, &engine, &mut connection, place) => outcome,
        _ = stopped.wait_for(|stopped| *stopped) => Ok(()),
    };
    // The order is a promise: rolled back, counted, and only then hung up.
    let open_transaction = engine.end().await;
    connection.shared.closed(place, open_transaction);
    if let Some(trouble) = connection.trouble(Stage::Close) {
        tokio::select! {
            () = meet_at_close(trouble, wire.stream()) => {}
            _ = stopped.wait_for(|stopped| *stopped) => {}
        }
    }
    let _ = wire.stream().shutdown().await;
    outcome
}

/// Requests, one after another; an ATTENTION or the end of the stream interrupts the one that runs.
async fn requests(
    wire: &mut Wire,
    engine: &Engine,
    connection: &mut Connection,
    place: usize,
) -> io::Result<()> {
    loop {
        let message = match wire.reader.next().await {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(()),
            Err(failure) => return refuse(wire, failure).await,
        };
        if message.kind == kind::ATTENTION {
            acknowledge(wire).await?;
            continue;
        }
        connection.shared.requested(place);
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
        match connection.trouble(Stage::Query) {
            None => {}
            Some(Trouble::Slow(time)) => match still_wanted_after(time, wire).await {
                Ok(true) => {}
                Ok(false) => continue,
                Err(failure) => return refuse(wire, failure).await,
            },
            Some(trouble) => {
                meet(trouble, wire.stream()).await;
                return Ok(());
            }
        }
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
                        return refuse(wire, wrong(TOO_EARLY)).await;
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
            acknowledge(wire).await?;
        }
    }
}

/// Waits before a request is run; false when an ATTENTION came meanwhile, which ends the request.
async fn still_wanted_after(time: Duration, wire: &mut Wire) -> io::Result<bool> {
    tokio::select! {
        () = sleep(time) => Ok(true),
        next = wire.reader.next() => match next? {
            Some(Message { kind: kind::ATTENTION, .. }) => acknowledge(wire).await.map(|()| false),
            Some(_) => Err(wrong(TOO_EARLY)),
            None => Err(io::ErrorKind::UnexpectedEof.into()),
        },
    }
}

async fn acknowledge(wire: &mut Wire) -> io::Result<()> {
    let mut tokens = Tokens::default();
    tokens.attention_done();
    wire.answer(&tokens.finish()).await
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
