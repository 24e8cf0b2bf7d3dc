//! A handler that does to its session all that a handler can do.

use std::{
    future::{Future, pending},
    time::Duration,
};

use futures_util::{TryStreamExt, poll};
use sqlscope::{Error, Request, RequestExt, Response, Result, Session, http::text, session};
use tokio::time::{sleep, timeout};

const LONG: &str = "WAITFOR DELAY '00:00:30'";

/// Leaves on the session what no other may ever see, an uncommitted row among it, and then does what the query
/// `how` says.
pub(crate) async fn misbehaves(request: Request, session: &Session) -> Result<Response> {
    let how: String = request.query("how")?.unwrap_or_default();
    assert_ne!(how, "panics before it uses the session", "as asked");
    session.batch("CREATE TABLE #mine (n int); SET LOCK_TIMEOUT 1234").await?;
    session.batch("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE").await?;
    if how.contains("transaction") {
        return session.transaction(async { in_transaction(&how, session).await }).await;
    }
    session.batch("BEGIN TRANSACTION").await?;
    session.execute("INSERT INTO dbo.seen (id) VALUES (1)", &[]).await?;
    assert_ne!(how, "panics between two queries", "as asked");
    let one: i32 = session.query_one("SELECT 1", &[]).await?;
    assert!(how != "panics after its queries", "as asked");
    match how.as_str() {
        "succeeds" => Ok(text(one)),
        "fails with an error of the server" => session.batch("SELECT 1/0").await.map(|()| text("")),
        "fails with an error of its own" => Err(Error::other("its own")),
        "returns early" => Ok(text(request.param::<i32>("absent")?)),
        "takes too long" => pending().await,
        "takes too long in a query" => session.batch(LONG).await.map(|()| text("")),
        "takes too long and panics while it is dropped" => {
            let _panics = PanicsOnDrop;
            pending().await
        }
        "lets a statement take too long" => session.batch(LONG).await.map(|()| text("")),
        "leaves a handle elsewhere" => {
            elsewhere(session, holds_on);
            Ok(text(one))
        }
        "leaves a query elsewhere" => {
            elsewhere(session, async |session| drop(session.batch(LONG).await));
            // On its way, which the server alone would know.
            sleep(Duration::from_millis(50)).await;
            Ok(text(one))
        }
        "drops a query that waits for its answer" => {
            let query = session.batch(LONG);
            assert!(timeout(Duration::from_millis(50), query).await.is_err());
            broken_from_here(session).await
        }
        "drops a query in the middle of its writing" => {
            let large = "x".repeat(8 << 20);
            let parameters: &[&dyn session::ToSql] = &[&large.as_str()];
            let mut query =
                Box::pin(session.execute("INSERT INTO dbo.seen (id) SELECT LEN(@P1)", parameters));
            // Once: a task may move so much and no more before it has to let others have their turn.
            let first = poll!(&mut query);
            assert!(first.is_pending(), "{first:?}");
            drop(query);
            broken_from_here(session).await
        }
        "drops a query in the middle of its rows" => {
            let (first_row, read) = tokio::sync::oneshot::channel();
            let rows = session.with_client(|client| {
                Box::pin(async move {
                    let mut rows = client.simple_query("SELECT text FROM dbo.large").await?.into_row_stream();
                    rows.try_next().await?;
                    let _ = first_row.send(());
                    pending::<tiberius::Result<()>>().await
                })
            });
            tokio::select! {
                _ = rows => unreachable!("it never ends"),
                read = read => read.unwrap(),
            }
            broken_from_here(session).await
        }
        "runs several queries at once" => {
            let one = || session.query_one::<i32>("SELECT 1", &[]);
            let (a, b, c) = tokio::join!(one(), one(), one());
            Ok(text(a? + b? + c?))
        }
        "loses one of several queries at once" => {
            let fails = async { session.query_one::<i32>("SELECT 1/0", &[]).await };
            let long = session.batch(LONG);
            tokio::try_join!(fails, long).map(|(n, ())| text(n))
        }
        other => panic!("{other}?"),
    }
}

async fn in_transaction(how: &str, session: &Session) -> Result<Response> {
    session.execute("INSERT INTO dbo.seen (id) VALUES (2)", &[]).await?;
    assert_ne!(how, "panics in a transaction", "as asked");
    match how {
        "panics in a transaction in a transaction" => {
            let inner = session.transaction(async {
                session.execute("INSERT INTO dbo.seen (id) VALUES (3)", &[]).await?;
                panic!("as asked")
            });
            inner.await
        }
        "fails in a transaction" => Err(Error::other("its own")),
        "takes too long in a transaction" => pending().await,
        "takes too long in a query in a transaction" => session.batch(LONG).await.map(|()| text("")),
        "leaves a query of a transaction elsewhere" => {
            elsewhere(&session::current()?, async |session| drop(session.batch(LONG).await));
            sleep(Duration::from_millis(50)).await;
            Err(Error::other("its own"))
        }
        other => panic!("{other}?"),
    }
}

/// Keeps a handle for ever.
pub(crate) async fn holds_on(session: Session) {
    pending::<()>().await;
    drop(session);
}

/// Uses the session in a task of its own.
pub(crate) fn elsewhere<Work>(session: &Session, work: impl FnOnce(Session) -> Work)
where
    Work: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(work(session.clone()));
}

/// After an operation that was given up on its way, the connection is used by nobody any more.
async fn broken_from_here(session: &Session) -> Result<Response> {
    for _ in 0..2 {
        let next = session.query_one::<i32>("SELECT 1", &[]).await;
        assert!(matches!(next, Err(Error::SessionBroken(_))), "{next:?}");
        let next = session.transaction(async { Ok(()) }).await;
        assert!(matches!(next, Err(Error::SessionBroken(_))), "{next:?}");
    }
    Ok(text("broken"))
}

struct PanicsOnDrop;

impl Drop for PanicsOnDrop {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "as asked, while dropped");
    }
}
