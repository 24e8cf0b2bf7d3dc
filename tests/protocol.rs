//! The custom handler protocol as the host speaks it: both ways in, and the answers in the form that each needs.

mod common;

use common::{App, client, json};
use serde_json::{Value, json};
use sqlscope::{
    Error, Outputs, Request, RequestExt, Response, Result, Trigger,
    http::{HeaderValue, StatusCode, header},
};

/// Says what arrived.
async fn echo(request: Request) -> Result<Response> {
    let mut response = sqlscope::http::json(&json!({
        "method": request.method().as_str(),
        "uri": request.uri().to_string(),
        "accept": request.headers().get_all("accept").iter().map(|v| v.to_str().unwrap()).collect::<Vec<_>>(),
        "body": request.body().to_vec(),
        "id": request.invocation_id(),
    }));
    response.headers_mut().insert("x-echo", HeaderValue::from_static("yes"));
    Ok(response)
}

async fn answers(request: Request) -> Result<Response> {
    let status: u16 = request.query("status")?.unwrap_or(200);
    let mut response = Response::new(vec![0, 159, 146, 150].into());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("image/x-test"));
    for cookie in ["a=1", "b=2"] {
        response.headers_mut().append(header::SET_COOKIE, HeaderValue::from_static(cookie));
    }
    Ok(response)
}

async fn queue(trigger: Trigger) -> Result<Outputs> {
    let item: Value = trigger.data("item")?;
    let count: i32 = trigger.metadata("DequeueCount")?;
    if count > 3 {
        return Err(Error::other("too often"));
    }
    tracing::info!("took one");
    Ok(Outputs::none().with("next", item["n"].as_i64().unwrap_or_default() + 1))
}

const QUEUE: &str = r#"{"bindings":[{"type":"queueTrigger","direction":"in","name":"item","queueName":"q"},
    {"type":"queue","direction":"out","name":"next","queueName":"r"}]}"#;

/// `Echo` takes GET and POST at `echo/{id:int?}`; `Answers` and `Any` every method.
async fn app(more: &[(&str, &str)]) -> App {
    let (project, app) = App::project_with(&["Answers"], more);
    project.write(
        "Echo/function.json",
        r#"{"bindings":[{"type":"httpTrigger","direction":"in","name":"req","methods":["get","post"],
            "route":"echo/{id:int?}"},{"type":"http","direction":"out","name":"out"}]}"#,
    );
    project.write("Queue/function.json", QUEUE);
    App::start(project, app.http("Echo", echo).http("Answers", answers).on("Queue", queue)).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_request_arrives_as_it_was_sent_chunked_or_not() {
    let app = app(&[]).await;
    let url = app.url("/API/Echo/7?a=1&a=2&b=%20");
    let request = client().post(&url).header("accept", "x").header("accept", "y").body(vec![0, 255, 10]);
    let echoed = json(request.send().await.unwrap()).await;
    assert_eq!(echoed["method"], "POST");
    assert_eq!(echoed["uri"], "/API/Echo/7?a=1&a=2&b=%20");
    assert_eq!(echoed["accept"], json!(["x", "y"]));
    assert_eq!(echoed["body"], json!([0, 255, 10]));

    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", app.app.port())).await.unwrap();
    let chunked = "POST /api/echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
                   3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n";
    tokio::io::AsyncWriteExt::write_all(&mut stream, chunked.as_bytes()).await.unwrap();
    let mut reply = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut reply).await.unwrap();
    assert!(reply.contains(r#""body":[97,98,99,100,101]"#), "{reply}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_forwarded_answer_keeps_its_status_bytes_and_equal_headers() {
    let app = app(&[]).await;
    for status in [200, 201, 301, 404, 418, 500, 503] {
        let no_redirects = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        let _ = client();
        let url = app.url(&format!("/api/Answers?status={status}"));
        let response = no_redirects.build().unwrap().get(url).send().await.unwrap();
        assert_eq!(response.status(), status);
        let cookies: Vec<_> = response.headers().get_all("set-cookie").iter().cloned().collect();
        assert_eq!(cookies, ["a=1", "b=2"]);
        assert_eq!(response.bytes().await.unwrap().as_ref(), [0, 159, 146, 150]);
    }
}

/// Posts a payload as the host does.
async fn post(app: &App, function: &str, payload: &Value) -> reqwest::Response {
    let request = client()
        .post(app.url(&format!("/{function}")))
        .header("content-type", "application/json; charset=utf-8")
        .header("X-Azure-Functions-InvocationId", "5b7ee6d2-0000-4000-8000-000000000001");
    request.body(payload.to_string()).send().await.unwrap()
}

fn http_payload(method: &str, url: &str, more: Value) -> Value {
    let mut request =
        json!({"Url": url, "Method": method, "Query": {}, "Headers": {}, "Params": {}, "Identities": []});
    request.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"Data": {"req": request}, "Metadata": {"sys": {"MethodName": "Echo"}}})
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_handler_serves_a_payload_and_answers_with_outputs() {
    let app = app(&[]).await;
    let more = json!({"Headers": {"Accept": ["x", "y"]}, "Params": {"id": "7"}, "Body": "{\"a\": 1}"});
    let payload = http_payload("POST", "http://localhost:7071/api/echo/7?a=1", more);
    let response = post(&app, "Echo", &payload).await;
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "application/json");
    let answer = json(response).await;
    let output = &answer["Outputs"]["out"];
    assert_eq!(output["statusCode"], 200);
    assert_eq!(output["headers"]["x-echo"], "yes");
    assert!(answer["Logs"].is_array() && answer["ReturnValue"].is_null());
    let echoed: Value = serde_json::from_str(output["body"].as_str().unwrap()).unwrap();
    assert_eq!(echoed["uri"], "/api/echo/7?a=1");
    assert_eq!(echoed["accept"], json!(["x", "y"]));
    assert_eq!(echoed["body"], json!(b"{\"a\": 1}"));
    assert_eq!(echoed["id"], "5b7ee6d2-0000-4000-8000-000000000001");

    let more = json!({"Headers": {"Content-Type": ["application/octet-stream"]}, "Body": "AP8K"});
    let answer = json(post(&app, "Echo", &http_payload("POST", "http://h/api/echo", more)).await).await;
    let echoed: Value = serde_json::from_str(answer["Outputs"]["out"]["body"].as_str().unwrap()).unwrap();
    assert_eq!(echoed["body"], json!([0, 255, 10]), "base64 was decoded");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_payload_is_always_answered_with_200_for_the_host_would_hide_anything_else() {
    let app = app(&[]).await;
    let payload = http_payload("DELETE", "http://h/api/echo", json!({}));
    let answer = json(post(&app, "Echo", &payload).await).await;
    let output = &answer["Outputs"]["out"];
    assert_eq!((&output["statusCode"], &output["headers"]["allow"]), (&json!(405), &json!("GET, POST")));

    // A binary body cannot go this way.
    let answer =
        json(post(&app, "Answers", &http_payload("GET", "http://h/api/Answers", json!({}))).await).await;
    assert_eq!(answer["Outputs"]["res"]["statusCode"], 500);

    let response = post(&app, "Echo", &json!({"Data": {"wrong": {}}, "Metadata": {}})).await;
    assert_eq!(response.status(), 200);
    let answer = json(response).await;
    assert_eq!(answer["Outputs"]["out"]["statusCode"], 500);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_trigger_gets_its_data_and_gives_its_outputs() {
    let app = app(&[]).await;
    let payload = |count: &str| json!({"Data": {"item": "{\"n\": 41}"}, "Metadata": {"DequeueCount": count}});
    let response = post(&app, "Queue", &payload("1")).await;
    assert_eq!(response.status(), 200);
    let answer = json(response).await;
    assert_eq!(answer["Outputs"], json!({"next": 42}));
    let failed = post(&app, "Queue", &payload("9")).await;
    assert_eq!(failed.status(), 500, "the host takes a failure from the status");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_function_takes_is_a_problem_that_says_so() {
    let app = app(&[]).await;
    for (method, path, status, allow) in [
        ("DELETE", "/api/echo/1", 405, Some("GET, POST")),
        ("GET", "/api/echo/x", 404, None),
        ("GET", "/api/nothing", 404, None),
        ("GET", "/echo/1", 404, None),
        ("GET", "/Queue", 404, None),
        ("POST", "/", 404, None),
    ] {
        let url = app.url(path);
        let response = client().request(method.parse().unwrap(), url).body("x").send().await.unwrap();
        assert_eq!(response.status(), status, "{method} {path}");
        assert_eq!(response.headers().get("allow").map(|v| v.to_str().unwrap()), allow, "{method} {path}");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        assert_eq!(json(response).await["status"], status);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_over_the_limit_is_a_413_whether_its_length_is_announced_or_not() {
    let app = app(&[("SQLSCOPE_MAX_BODY_BYTES", "1000")]).await;
    let url = app.url("/api/echo");
    assert_eq!(client().post(&url).body(vec![1; 1000]).send().await.unwrap().status(), 200);
    let response = client().post(&url).body(vec![1; 1001]).send().await.unwrap();
    assert_eq!(response.status(), 413);
    assert!(json(response).await["detail"].as_str().unwrap().contains("1000 bytes"));

    let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", app.app.port())).await.unwrap();
    let chunk = format!("400\r\n{}\r\n", "x".repeat(0x400));
    let chunked = format!(
        "POST /api/echo HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n{chunk}0\r\n\r\n"
    );
    tokio::io::AsyncWriteExt::write_all(&mut stream, chunked.as_bytes()).await.unwrap();
    let mut reply = String::new();
    tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut reply).await.unwrap();
    assert!(reply.starts_with("HTTP/1.1 413"), "{reply}");

    let payload = http_payload("POST", "http://h/api/echo", json!({"Body": "x".repeat(1001)}));
    let answer = json(post(&app, "Echo", &payload).await).await;
    assert_eq!(answer["Outputs"]["out"]["statusCode"], 413);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invocation_id_that_a_caller_made_up_is_not_taken() {
    let app = app(&[]).await;
    for (sent, taken) in [
        (vec!["forged", "5b7ee6d2"], Some("5b7ee6d2")),
        (vec!["forged, 5b7ee6d2"], Some("5b7ee6d2")),
        (vec!["x\" function=\"Other"], None),
        (vec![], None),
    ] {
        let mut request = client().get(app.url("/api/echo"));
        for value in &sent {
            request = request.header("X-Azure-Functions-InvocationId", *value);
        }
        let id = json(request.send().await.unwrap()).await["id"].as_str().unwrap().to_owned();
        match taken {
            Some(taken) => assert_eq!(id, taken),
            None => assert_eq!(id.len(), 36, "{sent:?}: {id}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_that_does_not_come_ends_with_the_deadline() {
    let app = app(&[("SQLSCOPE_INVOCATION_TIMEOUT_SECONDS", "1")]).await;
    for path in ["/api/echo", "/Echo", "/api/nothing"] {
        let mut stream = tokio::net::TcpStream::connect(("127.0.0.1", app.app.port())).await.unwrap();
        let request =
            format!("POST {path} HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\nConnection: close\r\n\r\n{{");
        tokio::io::AsyncWriteExt::write_all(&mut stream, request.as_bytes()).await.unwrap();
        let mut reply = String::new();
        let read = tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut reply);
        tokio::time::timeout(std::time::Duration::from_secs(10), read).await.unwrap().unwrap();
        assert!(reply.contains("\"status\":504") || reply.contains("\\\"status\\\":504"), "{path}: {reply}");
    }
}
