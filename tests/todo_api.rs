//! The todo list as its callers see it, through the Functions host in each of its modes.

mod common;

use common::{Azure, HOST_MODES, HostMode, client, json};
use serde_json::{Value, json};
use sqlscope_local::functions_host::FunctionsHost;

/// Sends a request to the host; the body, if any, as JSON.
async fn send(host: &FunctionsHost, method: &str, path: &str, body: Option<Value>) -> reqwest::Response {
    let mut request = client().request(method.parse().unwrap(), format!("{}{path}", host.url()));
    if let Some(body) = body {
        request = request.header("content-type", "application/json").body(body.to_string());
    }
    request.send().await.unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_todo_is_made_read_changed_listed_and_deleted_in_every_host_mode() {
    for mode in HOST_MODES {
        let azure = Azure::start().await;
        let (host, _) = azure.todo_host(mode, &[]).await;

        let made = send(&host, "POST", "/api/todos", Some(json!({"title": "Ä kettle ☕"}))).await;
        assert_eq!(made.status(), 201, "{mode:?}");
        assert_eq!(made.headers()["location"], "/api/todos/1");
        assert_eq!(made.headers()["content-type"], "application/json");
        let made = json(made).await;
        assert_eq!(made["id"], 1);
        assert_eq!(made["title"], "Ä kettle ☕");
        assert_eq!(made["done"], false);
        let at = made["created_at"].as_str().unwrap();
        let format = &time::format_description::well_known::Rfc3339;
        let at = time::OffsetDateTime::parse(at, format).unwrap();
        assert_eq!(at.offset(), time::UtcOffset::UTC);
        assert!((time::OffsetDateTime::now_utc() - at).abs() < time::Duration::minutes(1));

        assert_eq!(json(send(&host, "GET", "/api/todos/1", None).await).await, made);
        let changed = send(&host, "PATCH", "/api/todos/1", Some(json!({"done": true}))).await;
        assert_eq!(changed.status(), 200);
        let changed = json(changed).await;
        assert_eq!((&changed["done"], &changed["title"]), (&json!(true), &made["title"]));
        let changed = send(&host, "PATCH", "/api/todos/1", Some(json!({"title": "tea"}))).await;
        assert_eq!(json(changed).await["title"], "tea");

        let page = json(send(&host, "GET", "/api/todos?done=true", None).await).await;
        assert_eq!((page["items"].as_array().unwrap().len(), &page["next"]), (1, &Value::Null));
        let page = json(send(&host, "GET", "/api/todos?done=false", None).await).await;
        assert_eq!(page, json!({"items": [], "next": null}));

        let deleted = send(&host, "DELETE", "/api/todos/1", None).await;
        assert_eq!(deleted.status(), 204);
        assert_eq!(deleted.bytes().await.unwrap(), "");
        for method in ["GET", "DELETE"] {
            assert_eq!(send(&host, method, "/api/todos/1", None).await.status(), 404, "{mode:?} {method}");
        }
        let gone = send(&host, "PATCH", "/api/todos/1", Some(json!({"done": true}))).await;
        assert_eq!(gone.status(), 404);
        host.stop().await;

        let session = azure.session().await;
        let audit: Vec<(i32, String)> =
            session.query("SELECT todo_id, what FROM dbo.todo_audit ORDER BY id", &[]).await.unwrap();
        let expected = ["created", "changed", "changed", "deleted"].map(|what| (1, what.to_owned()));
        assert_eq!(audit, expected, "{mode:?}: one line for every write that happened, none for the others");
        session.close().await;
        azure.all_closed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_follow_one_another_without_gap_or_overlap() {
    let azure = Azure::start().await;
    let (host, _) = azure.todo_host(HostMode::Forwarding, &[]).await;
    for n in 0..7 {
        send(&host, "POST", "/api/todos", Some(json!({"title": format!("todo {n}"), "done": n % 2 == 0})))
            .await;
    }
    let mut seen = Vec::new();
    let mut path = "/api/todos?limit=3".to_owned();
    loop {
        let page = json(send(&host, "GET", &path, None).await).await;
        let ids = page["items"].as_array().unwrap().iter().map(|item| item["id"].as_i64().unwrap());
        seen.extend(ids);
        match page["next"].as_i64() {
            Some(next) => path = format!("/api/todos?limit=3&after={next}"),
            None => break,
        }
    }
    assert_eq!(seen, (1..=7).collect::<Vec<_>>());
    let done = json(send(&host, "GET", "/api/todos?done=true&limit=4", None).await).await;
    assert_eq!((done["items"].as_array().unwrap().len(), &done["next"]), (4, &Value::Null));
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_request_is_a_400_that_names_the_field_in_every_host_mode() {
    for mode in HOST_MODES {
        let azure = Azure::start().await;
        let (host, _) = azure.todo_host(mode, &[]).await;
        let long = "x".repeat(201);
        for (method, path, body, field) in [
            ("GET", "/api/todos?limit=0", None, Some("limit")),
            ("GET", "/api/todos?limit=101", None, Some("limit")),
            ("GET", "/api/todos?limit=many", None, Some("limit")),
            ("GET", "/api/todos?done=perhaps", None, Some("done")),
            ("GET", "/api/todos?after=x", None, Some("after")),
            ("POST", "/api/todos", Some(json!({})), Some("title")),
            ("POST", "/api/todos", Some(json!({"title": ""})), Some("title")),
            ("POST", "/api/todos", Some(json!({"title": long})), Some("title")),
            ("POST", "/api/todos", Some(json!({"title": 7})), Some("title")),
            ("POST", "/api/todos", Some(json!({"title": null})), Some("title")),
            ("POST", "/api/todos", Some(json!({"title": "x", "done": "yes"})), Some("done")),
            ("POST", "/api/todos", Some(json!({"title": "x", "colour": "red"})), Some("colour")),
            ("POST", "/api/todos", Some(json!(["title"])), None),
            ("POST", "/api/todos", None, None),
            ("PATCH", "/api/todos/1", Some(json!({})), Some("title")),
            ("PATCH", "/api/todos/1", Some(json!({"done": null})), Some("done")),
            ("PATCH", "/api/todos/1", Some(json!({"id": 3})), Some("id")),
        ] {
            let case = format!("{mode:?}: {method} {path} {body:?}");
            let response = send(&host, method, path, body).await;
            assert_eq!(response.status(), 400, "{case}");
            assert_eq!(response.headers()["content-type"], "application/problem+json", "{case}");
            let problem = json(response).await;
            assert_eq!(problem.get("field").and_then(Value::as_str), field, "{case}: {problem}");
            if let Some(field) = field {
                assert!(problem["detail"].as_str().unwrap().contains(&format!("`{field}`")), "{problem}");
            }
            assert!(!problem["invocationId"].as_str().unwrap().is_empty(), "{case}");
        }
        let broken = client()
            .post(format!("{}/api/todos", host.url()))
            .header("content-type", "application/json")
            .body("{\"title\": ")
            .send()
            .await
            .unwrap();
        assert_eq!(broken.status(), 400);
        let titles = [("x".repeat(200), 201), ("😀".repeat(200), 201)];
        for (title, status) in titles {
            let made = send(&host, "POST", "/api/todos", Some(json!({"title": title}))).await;
            assert_eq!(made.status(), status, "200 characters fit, whatever they are");
        }
        host.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_makes_no_sense_for_the_path_is_a_405_that_says_which_do() {
    let azure = Azure::start().await;
    let (host, _) = azure.todo_host(HostMode::Forwarding, &[]).await;
    for (method, path, allow) in
        [("DELETE", "/api/todos", "GET, POST"), ("POST", "/api/todos/1", "GET, PATCH, DELETE")]
    {
        let response = send(&host, method, path, Some(json!({"title": "x"}))).await;
        assert_eq!(
            (response.status().as_u16(), &response.headers()["allow"]),
            (405, &allow.parse().unwrap())
        );
    }
    host.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answer_says_how_long_its_parts_took_when_asked_to() {
    let azure = Azure::start().await;
    let (host, _) = azure.todo_host(HostMode::Forwarding, &[("SQLSCOPE_SERVER_TIMING", "1")]).await;
    for (path, status) in [("/api/todos", 200), ("/api/todos/99", 404), ("/api/todos?limit=0", 400)] {
        let response = send(&host, "GET", path, None).await;
        assert_eq!(response.status(), status);
        let timing = response.headers()["server-timing"].to_str().unwrap().to_owned();
        let parts: Vec<_> = timing.split(", ").map(|part| part.split_once(";dur=").unwrap()).collect();
        let names: Vec<_> = parts.iter().map(|(name, _)| *name).collect();
        assert_eq!(names, ["token", "open", "handler", "close"]);
        assert!(parts.iter().all(|(_, time)| time.parse::<f64>().unwrap() >= 0.0), "{timing}");
        assert!(parts[1].1.parse::<f64>().unwrap() > 0.0, "a session was opened: {timing}");
    }
    host.stop().await;

    let (host, _) = azure.todo_host(HostMode::Forwarding, &[]).await;
    assert!(!send(&host, "GET", "/api/todos", None).await.headers().contains_key("server-timing"));
    host.stop().await;
}
