//! The default `POST /{FunctionName}`: the payload, and what becomes of the handler's answer.

use http::Request;
use serde_json::{Value, json};

use crate::support::{Reply, TestHost, TestProject};

async fn host() -> (TestProject, TestHost) {
    let project = TestProject::new(json!({}));
    let host = project.start(&[], |options| options.forwarding = Some(false)).await.unwrap();
    (project, host)
}

#[tokio::test]
async fn the_payload_is_the_request_with_its_metadata_encoded_twice() {
    let (_project, host) = host().await;
    let request = Request::post("/api/todos/7?show=1&tag=x&tag=y+z")
        .header("host", "localhost:7071")
        .header("content-type", "application/json");
    let reply = host.send(request, r#"{"title":"x","n":1,"list":[1],"deep":{"a":1}}"#).await;
    assert_eq!(reply.status, 200);
    let payload = &reply.json()["payload"];
    let call = &payload["Data"]["req"];
    assert_eq!(call["Url"], "http://localhost:7071/api/todos/7?show=1&tag=x&tag=y+z");
    assert_eq!(call["Method"], "POST");
    assert_eq!(call["Query"], json!({ "show": "1", "tag": "x,y z" }));
    assert_eq!(call["Params"], json!({ "id": "7" }));
    assert_eq!(call["Identities"], json!([]));
    assert_eq!(call["Body"], r#"{"title":"x","n":1,"list":[1],"deep":{"a":1}}"#);
    assert_eq!(call["Headers"]["Content-Type"], json!(["application/json"]));
    let metadata = &payload["Metadata"];
    for (name, expected) in [
        ("id", json!("\"7\"")),
        ("tag", json!("\"x,y z\"")),
        ("title", json!("\"x\"")),
        ("n", json!("1")),
        ("deep", json!({ "a": 1 })),
        ("list", Value::Null),
        ("Query", json!({ "show": "1", "tag": "x,y z" })),
    ] {
        assert_eq!(metadata[name], expected, "{name}");
    }
    assert_eq!(metadata["Headers"]["Content-Type"], "application/json");
    assert_eq!(metadata["sys"]["MethodName"], "Todos");
    assert!(metadata["sys"]["UtcNow"].as_str().unwrap().ends_with('Z'));
    assert!(metadata["sys"]["RandGuid"].is_string());
}

#[tokio::test]
async fn the_handler_gets_the_headers_of_the_host_and_not_the_callers() {
    let (_project, host) = host().await;
    let reply = host.send(Request::get("/api/todos?show=1").header("x-mine", "1"), "").await;
    let headers = reply.json()["headers"].to_string();
    for expected in [
        "content-type: application/json; charset=utf-8",
        "x-azure-functions-invocationid: ",
        "x-azure-functions-hostversion: 4.",
        "user-agent: Azure-Functions-Host/4.",
    ] {
        assert!(headers.contains(expected), "{expected} in {headers}");
    }
    assert!(!headers.contains("x-mine"));
}

#[tokio::test]
async fn an_absent_optional_parameter_is_null_and_an_absent_body_is_absent() {
    let (_project, host) = host().await;
    let payload = host.get("/api/todos?show=1").await.json()["payload"].take();
    let call = payload["Data"]["req"].as_object().unwrap();
    assert_eq!(call["Params"], json!({ "id": null }));
    assert!(!call.contains_key("Body"));
    assert!(!payload["Metadata"].as_object().unwrap().contains_key("id"));
}

#[tokio::test]
async fn octets_and_multipart_are_base64_and_everything_else_is_text() {
    let (_project, host) = host().await;
    for (kind, body, expected) in [
        ("application/octet-stream", &b"\x00\xff"[..], "AP8="),
        ("multipart/form-data; boundary=x", b"--x", "LS14"),
        ("text/plain", "gr\u{fc}n".as_bytes(), "gr\u{fc}n"),
        ("image/png", b"\x89PNG", "\u{fffd}PNG"),
    ] {
        let request = Request::post("/api/todos?show=1").header("content-type", kind);
        let reply = host.send(request, body).await;
        assert_eq!(reply.json()["payload"]["Data"]["req"]["Body"], expected, "{kind}");
    }
}

/// What the caller gets when the handler answers this.
async fn answered(host: &TestHost, status: u16, kind: &str, body: &str) -> Reply {
    let uri = format!("/api/todos?status={status}&type={}", kind.replace('/', "%2F"));
    host.send(Request::post(uri).header("content-type", "text/plain"), body.to_owned()).await
}

#[tokio::test]
async fn an_answer_that_the_host_cannot_use_is_500_with_an_empty_body_and_a_line_that_says_why() {
    let (_project, host) = host().await;
    for (status, kind, body, why) in [
        (404, "application/json", "{}", "the handler answered 404"),
        (302, "application/json", "{}", "the handler answered 302"),
        (200, "text/plain", "{}", "the handler answered with text/plain"),
        (200, "", "{}", "the handler answered with no Content-Type"),
        (200, "application/json", "{", "is not JSON"),
        (200, "application/json", "null", "the handler's answer is null"),
        (200, "application/json", "", "the handler answered 2xx with an empty body"),
        (200, "application/json", r#"{"Outputs":{"res":"text"}}"#, "the http output is a string"),
        (200, "application/json", r#"{"Outputs":{"res":{"statusCode":99}}}"#, "statusCode is 99"),
    ] {
        let reply = answered(&host, status, kind, body).await;
        assert_eq!((reply.status, reply.text()), (500, ""), "{body}");
        let line = host.lines.wait_for(why).await;
        assert!(line.contains("Functions.Todos"), "{line}");
    }
}

#[tokio::test]
async fn an_answer_becomes_the_reply_by_the_hosts_rules() {
    let (_project, host) = host().await;
    let text = "text/plain; charset=utf-8";
    for (outputs, status, kind, body) in [
        (json!({ "res": { "statusCode": 201, "body": "made" } }), 201, text, "made"),
        (json!({ "res": { "statusCode": "404", "body": "none" } }), 404, text, "none"),
        (json!({ "res": { "status": 202 } }), 202, "", ""),
        (json!({ "RES": { "Body": "any case" } }), 200, text, "any case"),
        (json!({ "res": { "body": { "a": 1 } } }), 200, text, "{\n  \"a\": 1\n}"),
        (json!({ "res": { "body": "AP8=" } }), 200, text, "AP8="),
        (json!({ "other": 1 }), 200, text, "{}"),
        (
            json!({ "res": { "headers": { "Content-Type": "application/json", "X-N": 7 }, "body": "{}" } }),
            200,
            "application/json",
            "{}",
        ),
    ] {
        let answer = json!({ "Outputs": outputs, "Logs": ["said"], "ReturnValue": null });
        let reply = answered(&host, 200, "application/json", &answer.to_string()).await;
        assert_eq!(
            (reply.status, reply.header("content-type"), reply.text()),
            (status, kind, body),
            "{answer}"
        );
    }
    host.lines.wait_for("] said").await;
    host.lines.wait_for("output 'other' is no binding in function.json").await;
}

#[tokio::test]
async fn a_returned_value_is_the_reply_where_the_output_is_named_return() {
    let project = TestProject::new(json!({}));
    project.write(
        "Todos/function.json",
        &json!({ "bindings": [
            { "type": "httpTrigger", "direction": "in", "name": "req", "route": "todos" },
            { "type": "http", "direction": "out", "name": "$return" },
        ] }),
    );
    let host = project.start(&[], |options| options.forwarding = Some(false)).await.unwrap();
    for (returned, status, body) in [
        (json!("plain text"), 200, "plain text"),
        (json!("aGVsbG8="), 200, "hello"),
        (json!({ "statusCode": 409, "body": "no" }), 409, "no"),
        (json!({ "a": 1 }), 200, "{\n  \"a\": 1\n}"),
        (json!({ "statusCode": 409 }), 200, "{\n  \"statusCode\": 409\n}"),
        (Value::Null, 200, ""),
    ] {
        let answer = json!({ "ReturnValue": returned }).to_string();
        let reply = answered(&host, 200, "application/json", &answer).await;
        assert_eq!((reply.status, reply.text()), (status, body), "{answer}");
    }
}

#[tokio::test]
async fn other_triggers_are_run_through_admin_with_their_own_payloads() {
    let (_project, host) = host().await;
    let run = async |name: &str, body: &'static str| {
        host.send(Request::post(format!("/admin/functions/{name}")), body).await.status
    };
    assert_eq!(run("Cleanup", r#"{"input":""}"#).await, 202);
    let line = host.lines.wait_for("payload /Cleanup").await;
    let payload: Value = serde_json::from_str(&line[line.find('{').unwrap()..]).unwrap();
    let timer = json!({ "Schedule": { "AdjustForDST": true }, "ScheduleStatus": null, "IsPastDue": false });
    assert_eq!(payload["Data"], json!({ "myTimer": timer }));
    host.lines.wait_for("] cleaned").await;
    host.lines.wait_for("output 'note' (queue) is valid base64: the host writes its 5 bytes").await;

    assert_eq!(run("inbox", r#"{"input":"hello"}"#).await, 202);
    let line = host.lines.wait_for("payload /Inbox").await;
    let payload: Value = serde_json::from_str(&line[line.find('{').unwrap()..]).unwrap();
    assert_eq!(payload["Data"], json!({ "queueItem": "\"hello\"" }));
    assert_eq!(payload["Metadata"]["DequeueCount"], "1");

    assert_eq!(run("Nope", r#"{"input":""}"#).await, 404);
    assert_eq!(run("Todos", r#"{"input":""}"#).await, 400);
    assert_eq!(run("Inbox", "hello").await, 400);
}
