//! Forwarding and proxying: what reaches the handler, and what comes back.

use bytes::Bytes;
use http::Request;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Frame;
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::support::{Reply, TestHost, TestProject};

async fn forwarding() -> (TestProject, TestHost) {
    let project = TestProject::new(json!({}));
    let host = project.start(&[], |_| ()).await.unwrap();
    (project, host)
}

async fn proxying() -> (TestProject, TestHost) {
    let project = TestProject::new(json!({}));
    let host = project.start(&[], |options| options.proxying = Some(true)).await.unwrap();
    (project, host)
}

fn lines_of(reply: &Reply) -> Vec<String> {
    let lines = reply.json()["headers"].as_array().unwrap().clone();
    lines.iter().map(|line| line.as_str().unwrap().to_owned()).collect()
}

fn line<'a>(lines: &'a [String], name: &str) -> &'a str {
    let start = format!("{name}: ");
    let mut found = lines.iter().filter_map(|line| line.strip_prefix(&start));
    let line = found.next().unwrap_or_else(|| panic!("no {name} in {lines:?}"));
    assert_eq!(found.next(), None, "{name} is there twice");
    line
}

#[tokio::test]
async fn a_forwarded_request_keeps_its_path_host_key_and_body_and_its_query_is_rebuilt() {
    let (_project, host) = forwarding().await;
    let request = Request::put("/api/any/a%20b/%2Fc?tag=x&tag=y&code=key")
        .header("x-functions-key", "key")
        .header("x-many", "1")
        .header("x-many", "2")
        .header("user-agent", "test/1");
    let reply = host.send(request, "body").await;
    let shown = reply.json();
    assert_eq!(shown["method"], "PUT");
    assert_eq!(shown["uri"], "/api/any/a%20b/%2Fc?tag=x,y&code=key");
    assert_eq!(shown["body"], json!(b"body"));
    let lines = lines_of(&reply);
    assert_eq!(line(&lines, "host"), format!("127.0.0.1:{}", host.host.port()));
    assert_eq!(line(&lines, "x-functions-key"), "key");
    assert_eq!(line(&lines, "x-many"), "1, 2");
    assert_eq!(line(&lines, "content-length"), "4");
    assert!(line(&lines, "user-agent").starts_with("test/1 Azure-Functions-Host/4."));
    assert!(line(&lines, "x-azure-functions-hostversion").starts_with("4."));
    host.lines.wait_for(line(&lines, "x-azure-functions-invocationid")).await;
}

#[tokio::test]
async fn a_clients_own_invocation_id_stays_beside_the_hosts_when_forwarded_and_not_when_proxied() {
    let request = || Request::get("/api/any/x").header("x-azure-functions-invocationid", "mine");
    let (_project, host) = forwarding().await;
    let lines = lines_of(&host.send(request(), "").await);
    let id = line(&lines, "x-azure-functions-invocationid").strip_prefix("mine, ").unwrap();
    host.lines.wait_for(&format!("Id={id}")).await;

    let (_project, host) = proxying().await;
    let lines = lines_of(&host.send(request(), "").await);
    let id = line(&lines, "x-azure-functions-invocationid");
    assert!(!id.contains("mine"));
    host.lines.wait_for(&format!("Id={id}")).await;
}

#[tokio::test]
async fn any_status_binary_bodies_and_several_cookies_come_back_in_both_ways() {
    for (_project, host) in [forwarding().await, proxying().await] {
        let reply = host.get("/api/any/odd").await;
        assert_eq!(reply.status, 418);
        assert_eq!(&reply.body[..], b"\x00\xff\x80binary");
        let cookies: Vec<_> = reply.headers.get_all("set-cookie").iter().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
    }
}

#[tokio::test]
async fn head_keeps_the_length_that_a_get_would_have() {
    for (_project, host) in [forwarding().await, proxying().await] {
        let reply = host.send(Request::head("/api/any/odd"), "").await;
        assert_eq!((reply.status, reply.header("content-length"), reply.body.len()), (418, "9", 0));
    }
}

#[tokio::test]
async fn a_path_without_a_function_and_a_method_that_is_not_listed_are_404_with_an_empty_body() {
    let (_project, host) = forwarding().await;
    for request in [
        Request::get("/api/nope"),
        Request::get("/todos"),
        Request::get("/api/todos/x"),
        Request::delete("/api/todos/1"),
    ] {
        let reply = host.send(request, "").await;
        assert_eq!((reply.status, reply.text()), (404, ""));
    }
    assert_eq!(host.get("/API/Todos/1").await.status, 200);
    assert_eq!(host.get("/").await.status, 200);
}

/// A request body whose length nobody knows beforehand.
fn chunked(
    pieces: tokio::sync::mpsc::Receiver<&'static str>,
) -> impl hyper::body::Body<Data = Bytes, Error = std::io::Error> {
    let next = |mut pieces: tokio::sync::mpsc::Receiver<&'static str>| async {
        let piece = pieces.recv().await?;
        Some((Ok(Frame::data(Bytes::from_static(piece.as_bytes()))), pieces))
    };
    StreamBody::new(Box::pin(futures_util::stream::unfold(pieces, next)))
}

#[tokio::test]
async fn a_chunked_body_is_500_when_forwarded() {
    let (_project, host) = forwarding().await;
    let (pieces, body) = tokio::sync::mpsc::channel(1);
    pieces.send("x").await.unwrap();
    drop(pieces);
    let request = Request::post(format!("{}/api/any/x", host.host.url())).body(chunked(body)).unwrap();
    let response = Client::builder(TokioExecutor::new()).build_http().request(request).await.unwrap();
    assert_eq!(response.status(), 500);
    assert!(response.into_body().collect().await.unwrap().to_bytes().is_empty());
    host.lines.wait_for("chunked body").await;
}

#[tokio::test]
async fn a_proxied_request_goes_through_raw_with_the_clients_host_in_x_forwarded() {
    let (_project, host) = proxying().await;
    let reply =
        host.send(Request::get("/api/any/a%20b?tag=x&tag=%79").header("host", "app.example"), "").await;
    assert_eq!(reply.json()["uri"], "/api/any/a%20b?tag=x&tag=%79");
    let lines = lines_of(&reply);
    assert_eq!(line(&lines, "host"), format!("127.0.0.1:{}", host.host.handler_port()));
    assert_eq!(line(&lines, "x-forwarded-host"), "app.example");
    assert_eq!(line(&lines, "x-forwarded-proto"), "http");
    assert_eq!(line(&lines, "x-forwarded-for"), "127.0.0.1");
}

#[tokio::test]
async fn a_proxied_body_streams_both_ways() {
    let (_project, host) = proxying().await;
    let (pieces, body) = tokio::sync::mpsc::channel(1);
    let request = Request::post(format!("{}/api/any/stream", host.host.url())).body(chunked(body)).unwrap();
    let mut response = Client::builder(TokioExecutor::new()).build_http().request(request).await.unwrap();
    for piece in ["one", "two"] {
        // The next piece leaves only when this one is back: a buffer in between would hang here.
        pieces.send(piece).await.unwrap();
        let frame = response.body_mut().frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), piece);
    }
    drop(pieces);
    assert!(response.body_mut().frame().await.is_none());
}

async fn leave_while_it_hangs(host: &TestHost) {
    let mut caller = TcpStream::connect(("127.0.0.1", host.host.port())).await.unwrap();
    caller.write_all(b"GET /api/any/hang HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    host.lines.wait_for("hanging").await;
}

#[tokio::test]
async fn a_handler_learns_that_the_caller_left_when_proxied() {
    let (_project, host) = proxying().await;
    leave_while_it_hangs(&host).await;
    host.lines.wait_for("the caller left").await;
}

#[tokio::test]
async fn the_log_says_that_an_invocation_ended_whose_proxied_caller_left() {
    let (_project, host) = proxying().await;
    leave_while_it_hangs(&host).await;
    let executing = host.lines.wait_for("Executing 'Functions.Any'").await;
    let id = executing.split_once("Id=").unwrap().1.trim_end_matches(')');
    host.lines.wait_for(&format!("Executed 'Functions.Any' (Failed, Id={id}, ")).await;
    host.lines.wait_for("its caller left").await;
}

#[tokio::test]
async fn a_handler_never_learns_that_the_caller_left_when_forwarded() {
    let (_project, host) = forwarding().await;
    leave_while_it_hangs(&host).await;
    assert_eq!(host.get("/api/any/x").await.status, 200);
    let lines = host.lines.clone();
    host.host.stop().await;
    assert!(lines.all().iter().any(|line| line.ends_with("terminated")), "{:?}", lines.all());
    assert!(!lines.all().iter().any(|line| line.contains("the caller left")));
}

#[tokio::test]
async fn a_body_over_the_hosts_limit_is_413_in_every_way() {
    for (_project, host) in [forwarding().await, proxying().await] {
        let mut caller = TcpStream::connect(("127.0.0.1", host.host.port())).await.unwrap();
        let head = "POST /api/any/x HTTP/1.1\r\nHost: x\r\nContent-Length: 104857601\r\n\r\n";
        caller.write_all(head.as_bytes()).await.unwrap();
        let mut answer = [0; 12];
        caller.read_exact(&mut answer).await.unwrap();
        assert_eq!(&answer, b"HTTP/1.1 413");
    }
}

#[tokio::test]
async fn a_hundred_requests_at_once_each_get_their_own_answer() {
    let (_project, host) = forwarding().await;
    let paths: Vec<_> = (0..100).map(|n| format!("/api/any/{n}")).collect();
    let replies = futures_util::future::join_all(paths.iter().map(|path| host.get(path))).await;
    for (path, reply) in paths.iter().zip(replies) {
        assert_eq!(reply.json()["uri"], Value::from(path.as_str()));
    }
}
