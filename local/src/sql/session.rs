//! A connection from its login to its end: requests, until the client hangs up (MS-TDS 3.3.5).

use std::{io, sync::Arc, time::Duration};

use tokio::{io::AsyncWriteExt, net::TcpStream, sync::watch, time::timeout};

use super::{
    books::Shared,
    connection::{Connection, Wire, wrong},
    engine::Engine,
    errors::error,
    login::log_in,
    packet::{Message, kind},
    request::Request,
    tokens::{Done, Tokens},
};

/// From the first byte to the login; a client that only connects holds nothing for longer.
const LOGIN_TIME: Duration = Duration::from_secs(15);

/// Serves one connection to its end.
pub(crate) async fn serve(
    socket: TcpStream,
    shared: Arc<Shared>,
    mut stopped: watch::Receiver<bool>,
) -> io::Result<()> {
    socket.set_nodelay(true)?;
    let connection = Connection::new(shared);
    let login = tokio::select! {
        login = timeout(LOGIN_TIME, log_in(socket, &connection)) => login,
        _ = stopped.wait_for(|stopped| *stopped) => return Ok(()),
    };
    let Ok(login) = login else {
        return Err(io::Error::new(io::ErrorKind::TimedOut, "no login within 15 seconds"));
    };
    let Some((mut wire, engine, place)) = login? else { return Ok(()) };
    let outcome = tokio::select! {
        outcome = requests(&mut wire, &engine) => outcome,
        _ = stopped.wait_for(|stopped| *stopped) => Ok(()),
    };
    // The order is a promise: rolled back, counted, and only then hung up.
    let open_transaction = engine.end().await;
    connection.shared.closed(place, open_transaction);
    let _ = wire.stream().shutdown().await;
    outcome
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
