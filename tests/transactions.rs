//! Transactions: an Ok commits, nothing else does.

mod common;

use std::time::Duration;

use common::Azure;
use sqlscope::{Error, Result, Session, session};

/// An endpoint with a table of numbers.
async fn numbers() -> (Azure, Session) {
    let azure = Azure::start().await;
    let session = azure.session().await;
    session.batch("CREATE TABLE dbo.number (n int NOT NULL CONSTRAINT pk_number PRIMARY KEY)").await.unwrap();
    (azure, session)
}

async fn insert(session: &Session, n: i32) -> Result<()> {
    session.execute("INSERT INTO dbo.number (n) VALUES (@P1)", &[&n]).await.map(drop)
}

/// What another session sees.
async fn committed(azure: &Azure) -> Vec<i32> {
    let session = azure.session().await;
    let rows = session.query("SELECT n FROM dbo.number ORDER BY n", &[]).await.unwrap();
    session.close().await;
    rows
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ok_commits_and_an_error_rolls_back() {
    let (azure, session) = numbers().await;
    session.transaction(insert(&session, 1)).await.unwrap();
    let failed: Result<()> = session
        .transaction(async {
            insert(&session, 2).await?;
            Err(Error::NotFound("stop".into()))
        })
        .await;
    assert!(matches!(failed, Err(Error::NotFound(_))));
    assert_eq!(committed(&azure).await, [1]);
    insert(&session, 3).await.unwrap();
    assert_eq!(committed(&azure).await, [1, 3], "after the rollback a statement commits itself again");
    session.close().await;
    azure.all_closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_inner_transaction_is_a_savepoint() {
    let (azure, session) = numbers().await;
    session
        .transaction(async {
            insert(&session, 1).await?;
            let inner: Result<()> = session
                .transaction(async {
                    insert(&session, 2).await?;
                    Err(Error::NotFound("inner".into()))
                })
                .await;
            assert!(inner.is_err());
            session.transaction(insert(&session, 3)).await?;
            insert(&session, 4).await
        })
        .await
        .unwrap();
    assert_eq!(committed(&azure).await, [1, 3, 4]);
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_two_levels_in_rolls_back_to_its_own_savepoint() {
    let (azure, session) = numbers().await;
    let innermost = async {
        insert(&session, 3).await?;
        Err::<(), _>(Error::NotFound("innermost".into()))
    };
    session
        .transaction(async {
            insert(&session, 1).await?;
            let inner = session.transaction(async {
                insert(&session, 2).await?;
                assert!(session.transaction(innermost).await.is_err());
                insert(&session, 4).await
            });
            inner.await?;
            insert(&session, 5).await
        })
        .await
        .unwrap();
    assert_eq!(committed(&azure).await, [1, 2, 4, 5]);
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn deep_code_joins_the_transaction() {
    let (azure, session) = numbers().await;
    let outcome: Result<()> = session
        .transaction(async {
            insert(&session::current()?, 1).await?;
            Err(Error::NotFound("stop".into()))
        })
        .await;
    assert!(matches!(outcome, Err(Error::NotFound(_))));
    assert_eq!(committed(&azure).await, [0; 0]);
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sibling_waits_for_the_transaction_and_does_not_slip_into_it() {
    let (azure, session) = numbers().await;
    let transaction = session.transaction(async {
        insert(&session, 1).await?;
        tokio::time::sleep(Duration::from_millis(50)).await;
        Err::<(), _>(Error::NotFound("stop".into()))
    });
    let (transaction, sibling) = tokio::join!(transaction, insert(&session, 2));
    assert!(transaction.is_err());
    sibling.unwrap();
    assert_eq!(committed(&azure).await, [2], "the sibling's row is no part of what was rolled back");
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_is_dropped_is_rolled_back_and_costs_the_connection() {
    let (azure, session) = numbers().await;
    let transaction = session.transaction(async {
        insert(&session, 1).await?;
        std::future::pending::<Result<()>>().await
    });
    assert!(tokio::time::timeout(Duration::from_millis(200), transaction).await.is_err());
    let after = insert(&session, 2).await;
    assert!(matches!(after, Err(Error::SessionBroken(_))), "{after:?}");
    common::eventually(|| azure.sql.counts().closed == 1).await;
    assert_eq!(committed(&azure).await, [0; 0]);
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_query_that_is_dropped_costs_the_connection() {
    let (azure, session) = numbers().await;
    let query = session.batch("WAITFOR DELAY '00:00:20'");
    assert!(tokio::time::timeout(Duration::from_millis(100), query).await.is_err());
    let after = session.query_one::<i32>("SELECT 1", &[]).await;
    assert!(matches!(after, Err(Error::SessionBroken(_))), "{after:?}");
    // The server stops working for nobody at once, not when the session is closed.
    common::eventually(|| azure.sql.counts().closed == 1).await;
    session.close().await;
    azure.all_closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_statement_over_its_time_is_cut_and_is_a_504() {
    let azure = Azure::start().await;
    let connector = azure.connector_with(azure.credential(), "Command Timeout=1");
    let session = Session::open(&connector).await.unwrap();
    let outcome = session.batch("WAITFOR DELAY '00:00:20'").await;
    assert!(matches!(outcome, Err(Error::StatementTimeout(_))), "{outcome:?}");
    assert_eq!(outcome.unwrap_err().status(), 504);
    session.close().await;
    azure.all_closed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_that_the_transaction_survives_leaves_it_whole() {
    let (azure, session) = numbers().await;
    session
        .transaction(async {
            insert(&session, 1).await?;
            let doubled = insert(&session, 1).await;
            assert!(matches!(&doubled, Err(Error::Server(error)) if error.number() == 2627), "{doubled:?}");
            assert_eq!(doubled.unwrap_err().status(), 409);
            insert(&session, 2).await
        })
        .await
        .unwrap();
    assert_eq!(committed(&azure).await, [1, 2]);
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_the_server_gave_up_commits_nothing_even_when_the_error_is_swallowed() {
    let (azure, session) = numbers().await;
    session.batch("SET XACT_ABORT ON").await.unwrap();
    let outcome = session
        .transaction(async {
            insert(&session, 1).await?;
            assert!(insert(&session, 1).await.is_err());
            let after = insert(&session, 2).await;
            assert!(matches!(after, Err(Error::TransactionAborted)), "{after:?}");
            Ok(())
        })
        .await;
    assert!(matches!(outcome, Err(Error::TransactionAborted)), "{outcome:?}");
    assert_eq!(committed(&azure).await, [0; 0]);
    insert(&session, 3).await.unwrap();
    assert_eq!(committed(&azure).await, [3]);
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handle_of_a_transaction_that_is_over_is_refused() {
    let (_azure, session) = numbers().await;
    let inside = session.transaction(async { session::current() }).await.unwrap();
    let late = insert(&inside, 1).await;
    assert!(matches!(late, Err(Error::TransactionEnded)), "{late:?}");
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_that_its_own_sql_ended_or_began_anew_commits_nothing_more() {
    for spoiler in
        ["ROLLBACK TRANSACTION", "COMMIT TRANSACTION; BEGIN TRANSACTION; ROLLBACK", "BEGIN TRANSACTION"]
    {
        let (azure, session) = numbers().await;
        let outcome = session
            .transaction(async {
                session.batch(spoiler).await?;
                insert(&session, 2).await
            })
            .await;
        assert!(matches!(outcome, Err(Error::TransactionAborted)), "{spoiler}: {outcome:?}");
        assert_eq!(committed(&azure).await, [0; 0], "{spoiler}");
        insert(&session, 3).await.unwrap();
        assert_eq!(committed(&azure).await, [3], "{spoiler}: nothing is left open");
        session.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn transactions_nest_as_deep_as_one_likes() {
    async fn nested(session: &Session, depth: i32) -> Result<()> {
        session
            .transaction(async {
                insert(session, depth).await?;
                if depth > 1 { Box::pin(nested(session, depth - 1)).await } else { Ok(()) }
            })
            .await
    }
    let (azure, session) = numbers().await;
    nested(&session, 8).await.unwrap();
    let deep = session.transaction(session.transaction(session.transaction(
        session.transaction(async { session.transaction(session.transaction(insert(&session, 9))).await }),
    )));
    assert!(size_of_val(&deep) < 64 << 10, "{} bytes", size_of_val(&deep));
    deep.await.unwrap();
    assert_eq!(committed(&azure).await, (1..=9).collect::<Vec<_>>());
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transaction_with_an_operation_still_under_way_elsewhere_is_neither_waited_for_nor_committed() {
    for ends_well in [true, false] {
        let (azure, session) = numbers().await;
        let outcome = session.transaction(async {
            insert(&session, 1).await?;
            let inside = session::current()?;
            let requests = || azure.sql.sessions()[0].requests;
            let before = requests();
            tokio::spawn(async move { inside.batch("WAITFOR DELAY '00:00:30'").await });
            common::eventually(|| requests() > before).await;
            if ends_well { Ok(()) } else { Err(Error::NotFound("stop".into())) }
        });
        let outcome = tokio::time::timeout(Duration::from_secs(10), outcome).await.expect("not waited for");
        match outcome {
            Err(Error::TransactionAborted) => assert!(ends_well),
            Err(Error::NotFound(_)) => assert!(!ends_well),
            other => panic!("{other:?}"),
        }
        common::eventually(|| azure.sql.counts().closed == 1).await;
        assert_eq!(committed(&azure).await, [0; 0]);
        session.close().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_operation_takes_little_of_the_stack_of_a_handler_with_many() {
    let (_azure, session) = numbers().await;
    let sizes = [
        size_of_val(&session.query::<i32>("SELECT 1", &[])),
        size_of_val(&session.execute("SELECT 1", &[])),
        size_of_val(&session.batch("SELECT 1")),
        size_of_val(&session.transaction(async { Ok(()) })),
        size_of_val(&session.with_client(|_| Box::pin(async { Ok(()) }))),
    ];
    assert!(sizes.iter().all(|size| *size < 512), "{sizes:?}");
    session.close().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_wait_for_a_turn_does_not_count_as_a_statement_s_time() {
    let azure = Azure::start().await;
    let session =
        Session::open(&azure.connector_with(azure.credential(), "Command Timeout=1")).await.unwrap();
    let long = session.transaction(async {
        for _ in 0..3 {
            session.batch("WAITFOR DELAY '00:00:00.500'").await?;
        }
        Ok(())
    });
    let (long, waiting) = tokio::join!(long, session.query_one::<i32>("SELECT 1", &[]));
    long.unwrap();
    assert_eq!(waiting.unwrap(), 1);
    session.close().await;
}
