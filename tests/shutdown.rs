//! Stopping: no more is accepted, what is in flight may finish within the grace, then it is cut; every session ends.
#![cfg(unix)]

mod common;

use std::{
    process::ExitStatus,
    time::{Duration, Instant},
};

use common::{Azure, Served, eventually};
use sqlscope_local::sql::{AtStage, Faults, Stage, Trouble};
use tokio::{net::TcpStream, task::JoinHandle};

/// The real handler, and requests in flight whose sessions are open.
struct Scene {
    azure: Azure,
    handler: Served,
}

/// The next queries are answered late.
fn slow_queries(azure: &Azure, delay: Duration) {
    let at = AtStage { stage: Stage::Query, trouble: Trouble::Slow(delay), connections: usize::MAX };
    azure.sql.set_faults(Faults { at: Some(at), ..Faults::default() });
}

impl Scene {
    async fn start(grace: &str) -> Scene {
        let azure = Azure::start().await;
        azure.migrate().await;
        let handler = Served::start(&azure, &[("SQLSCOPE_SHUTDOWN_SECONDS", grace)]).await;
        Scene { azure, handler }
    }

    /// Starts a request and waits until its query is under way; gives the answer's status, 0 for none.
    async fn request(&self) -> JoinHandle<u16> {
        let before = self.azure.sql.counts().opened;
        let url = self.handler.url("/api/todos");
        let reply = tokio::spawn(async move {
            common::client().get(url).send().await.map_or(0, |reply| reply.status().as_u16())
        });
        let sessions = || self.azure.sql.sessions();
        eventually(|| sessions().len() as u64 > before && sessions().last().unwrap().requests > 0).await;
        reply
    }

    async fn ended(&mut self) -> ExitStatus {
        let status = self.handler.ended().await;
        self.azure.all_closed().await;
        status
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn sigterm_and_ctrl_c_let_what_is_in_flight_finish_and_accept_nothing_more() {
    for signal in ["-TERM", "-INT"] {
        let mut scene = Scene::start("30").await;
        slow_queries(&scene.azure, Duration::from_secs(1));
        let reply = scene.request().await;
        scene.handler.signal(signal);
        let port = scene.handler.port;
        let mut refused = false;
        while !reply.is_finished() && !refused {
            refused = TcpStream::connect(("127.0.0.1", port)).await.is_err();
        }
        assert!(refused, "{signal}: nobody is let in while the last one is served");
        assert_eq!(reply.await.unwrap(), 200, "{signal}");
        assert_eq!(scene.ended().await.code(), Some(0), "{signal}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn when_the_grace_is_over_what_is_still_in_flight_is_cut_with_a_503_and_its_session_closed() {
    let mut scene = Scene::start("1").await;
    slow_queries(&scene.azure, Duration::from_secs(50));
    let replies = [scene.request().await, scene.request().await];
    let before = scene.azure.sql.counts();
    let port = scene.handler.port;
    let third = tokio::spawn(async move { common::first_byte(port, "/api/todos").await });
    eventually(|| scene.azure.sql.counts().opened > before.opened).await;
    scene.handler.signal("-TERM");
    let third = third.await.unwrap();
    assert!(scene.azure.sql.counts().closed > before.closed, "closed when the reply begins");
    assert_eq!(third.rest().await.status, 503);
    for reply in replies {
        assert_eq!(reply.await.unwrap(), 503);
    }
    assert_eq!(scene.ended().await.code(), Some(0));
    assert!(scene.handler.lines.all().iter().any(|line| line.contains("cut off after 1s")));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_signal_cuts_at_once() {
    let mut scene = Scene::start("600").await;
    slow_queries(&scene.azure, Duration::from_secs(50));
    let reply = scene.request().await;
    scene.handler.signal("-INT");
    scene.handler.lines.with("stopping").await;
    assert!(!reply.is_finished());
    let began = Instant::now();
    scene.handler.signal("-INT");
    assert_eq!(scene.ended().await.code(), Some(0));
    assert!(began.elapsed() < Duration::from_secs(30), "not after the grace, nor after the query");
    assert_ne!(reply.await.unwrap(), 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_handler_stops_at_once_though_the_host_keeps_its_connection_open() {
    let mut scene = Scene::start("600").await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    assert_eq!(client.get(scene.handler.url("/")).send().await.unwrap().status(), 200);
    scene.handler.signal("-TERM");
    assert_eq!(scene.ended().await.code(), Some(0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stop_in_the_middle_of_an_opening_leaves_no_session() {
    let mut scene = Scene::start("0").await;
    let at = AtStage { stage: Stage::Login, trouble: Trouble::Stall, connections: usize::MAX };
    scene.azure.sql.set_faults(Faults { at: Some(at), ..Faults::default() });
    let before = scene.azure.sql.counts();
    let url = scene.handler.url("/api/todos");
    let reply = tokio::spawn(async move { common::client().get(url).send().await.unwrap().status() });
    eventually(|| scene.azure.sql.counts().connections > before.connections).await;
    scene.handler.signal("-TERM");
    assert_eq!(reply.await.unwrap(), 503);
    assert_eq!(scene.ended().await.code(), Some(0));
    assert_eq!(scene.azure.sql.counts().opened, before.opened);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_handler_that_the_host_kills_leaves_no_session_and_no_half_done_work() {
    let mut scene = Scene::start("600").await;
    // POST writes the todo and its audit row in a transaction.
    slow_queries(&scene.azure, Duration::from_millis(300));
    let url = scene.handler.url("/api/todos");
    let migrations = scene.azure.sql.counts();
    let post = common::client().post(url).header("content-type", "application/json");
    let reply = tokio::spawn(post.body(r#"{"title":"half"}"#).send());
    let last = |azure: &Azure| azure.sql.sessions().pop().unwrap();
    let opened = |azure: &Azure| azure.sql.counts().opened > migrations.opened;
    // BEGIN and an INSERT are done, another one is to come.
    eventually(|| opened(&scene.azure) && last(&scene.azure).requests >= 3).await;
    scene.handler.signal("-KILL");
    assert!(reply.await.unwrap().is_err());
    assert!(!scene.ended().await.success());
    assert!(last(&scene.azure).open_transaction);
    assert_eq!(scene.azure.sql.counts().commits, migrations.commits);
}
