//! What an endpoint withstands: many sessions at once, clients that die, and its own death in mid write.
#![cfg(unix)]

mod common;

use std::{
    collections::HashSet,
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicU32, Ordering},
    },
    time::Duration,
};

use common::{
    Sql, attempt, azure,
    local::{Local, sql_port},
    log_in_at, rows, run, until,
    wire::Wire,
};
use rustix::process::Signal;
use tiberius::AuthMethod;
use tokio::sync::{Barrier, Semaphore};

const LOGIN: [&str; 3] = ["--no-host", "--sql-login", "app:Word-1"];

/// Where a process of its own serves, and the authority that vouches for it.
#[derive(Clone)]
struct Place {
    ca: PathBuf,
    port: u16,
}

impl Place {
    fn of(local: &mut Local) -> Place {
        let lines = local.lines_to("ready");
        Place { ca: local.data.join("ca.pem"), port: sql_port(&lines) }
    }

    async fn connect(&self) -> Sql {
        log_in_at(&self.ca, self.port, AuthMethod::sql_server("app", "Word-1")).await.expect("a login")
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn five_hundred_sessions_at_once_are_served_by_a_process_with_a_shell_s_limit_of_files() {
    const SESSIONS: usize = 500;
    let mut local = Local::start("many", &LOGIN, &[]);
    let place = Place::of(&mut local);
    run(
        &mut place.connect().await,
        "CREATE TABLE counter (id int PRIMARY KEY, n int); INSERT counter VALUES (1, 0)",
    )
    .await;
    // As many logins at a time as two processors get through in the time that a login has.
    let (logins, barrier) = (Arc::new(Semaphore::new(16)), Arc::new(Barrier::new(SESSIONS)));
    let tasks: Vec<_> = (0..SESSIONS)
        .map(|_| {
            let (place, logins, barrier) = (place.clone(), Arc::clone(&logins), Arc::clone(&barrier));
            tokio::spawn(async move {
                let turn = logins.acquire().await.expect("a turn");
                let mut sql = place.connect().await;
                drop(turn);
                barrier.wait().await;
                let spid = rows(&mut sql, "SELECT @@SPID").await;
                run(&mut sql, "UPDATE counter SET n = n + 1 WHERE id = 1").await;
                // All stay until all have written.
                barrier.wait().await;
                spid
            })
        })
        .collect();
    let mut spids = HashSet::new();
    for task in tasks {
        spids.insert(task.await.expect("served"));
    }
    assert_eq!(spids.len(), SESSIONS);
    assert_eq!(rows(&mut place.connect().await, "SELECT n FROM counter").await, "500");
}

/// Writes until its server is gone, and counts what was acknowledged.
async fn write(place: Place, writer: usize, acknowledged: Arc<AtomicU32>) -> u32 {
    let mut sql = place.connect().await;
    let mut done = 0;
    loop {
        // Two rows together, in a transaction of its own every other time.
        let text = match done % 2 {
            0 => format!("INSERT written VALUES ({writer}, {done}, 1), ({writer}, {done}, 2)"),
            _ => format!(
                "BEGIN TRAN; INSERT written VALUES ({writer}, {done}, 1); INSERT written VALUES ({writer}, {done}, 2); COMMIT"
            ),
        };
        if attempt(&mut sql, &text).await.is_err() {
            return done;
        }
        done += 1;
        acknowledged.fetch_add(1, Ordering::Relaxed);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_data_file_survives_a_kill_in_mid_write_with_every_committed_row() {
    const WRITERS: usize = 4;
    let mut local = Local::start("killed", &LOGIN, &[]);
    let place = Place::of(&mut local);
    let table = "CREATE TABLE written (writer int, turn int, part int, CONSTRAINT pk PRIMARY KEY (writer, turn, part))";
    run(&mut place.connect().await, table).await;
    let mut open = place.connect().await;
    let acknowledged = Arc::new(AtomicU32::new(0));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| tokio::spawn(write(place.clone(), writer, Arc::clone(&acknowledged))))
        .collect();
    until("the writers write", || acknowledged.load(Ordering::Relaxed) > 200).await;
    // And one more, whose transaction is never committed.
    run(&mut open, "BEGIN TRAN; INSERT written VALUES (99, 0, 1)").await;
    let before = acknowledged.load(Ordering::Relaxed);
    drop(open);
    until("the writers go on", || acknowledged.load(Ordering::Relaxed) > before + 20).await;
    local.signal(Signal::KILL);
    let mut done = Vec::new();
    for writer in writers {
        done.push(writer.await.expect("ended"));
    }
    let data = local.data.clone();
    let _ = local.keeping_data().end();

    let check = rusqlite::Connection::open(data.join("sqlscope.db")).expect("opened");
    let integrity: String = check.query_row("PRAGMA integrity_check", [], |row| row.get(0)).expect("checked");
    assert_eq!(integrity, "ok");
    drop(check);
    let mut local = Local::start("killed", &LOGIN, &[]);
    let mut sql = Place::of(&mut local).connect().await;
    let halves =
        "SELECT COUNT(*) FROM (SELECT writer FROM written GROUP BY writer, turn HAVING COUNT(*) <> 2) AS h";
    assert_eq!(rows(&mut sql, halves).await, "0", "no turn is there by half");
    for (writer, done) in done.into_iter().enumerate() {
        let select = format!("SELECT COUNT(*) / 2 FROM written WHERE writer = {writer}");
        let found: u32 = rows(&mut sql, &select).await.parse().expect("a count");
        // The last one may be committed and not acknowledged.
        assert!(found == done || found == done + 1, "{found} of {done}");
    }
    run(&mut sql, "IF EXISTS (SELECT * FROM written WHERE writer = 99) THROW 50000, 'not committed', 1")
        .await;
    run(&mut sql, "INSERT written VALUES (99, 0, 1)").await;
}

/// The ways in which a client can die.
#[derive(Debug, Clone, Copy)]
enum Death {
    BetweenRequests,
    InAMessage,
    WhileAStatementRuns,
    ByReset,
}

#[tokio::test]
async fn a_session_that_dies_rolls_back_however_it_dies() {
    let azure = azure().await;
    let mut other = azure.connect().await;
    run(&mut other, "CREATE TABLE t (n int)").await;
    let deaths = [Death::BetweenRequests, Death::InAMessage, Death::WhileAStatementRuns, Death::ByReset];
    for (at, death) in deaths.into_iter().enumerate() {
        let mut wire = Wire::log_in(&azure, "sa", "Local-1").await;
        wire.batch("BEGIN TRAN; INSERT t VALUES (1)", 0).await;
        match death {
            Death::BetweenRequests => {}
            Death::InAMessage => wire.send_bytes(&[1, 1, 2, 0, 0, 0, 1, 0, 22], false).await.expect("sent"),
            Death::WhileAStatementRuns => wire.send_batch("WAITFOR DELAY '00:05:00'", 0).await,
            Death::ByReset => wire.reset(),
        }
        drop(wire);
        until("the session is closed", || azure.endpoint.counts().closed as usize == at + 1).await;
        // One by the session that died before, one by the other each time.
        assert_eq!(azure.endpoint.counts().rollbacks as usize, 2 * at + 1, "{death:?}");
        // Neither its row nor its lock is there.
        let insert = "SET LOCK_TIMEOUT 0; BEGIN TRAN; INSERT t VALUES (2); SELECT COUNT(*) FROM t; ROLLBACK";
        let waited = tokio::time::timeout(Duration::from_secs(10), other.simple_query(insert)).await;
        let results = waited.expect("at once").expect("sent").into_results().await.expect("not locked");
        assert_eq!(results[0][0].get::<i32, _>(0), Some(1), "{death:?}");
    }
}
