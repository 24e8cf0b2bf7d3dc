//! `POST /{FunctionName}`: every body is answered as the host can take it, and a valid one is the request it stands for.

use std::{
    panic,
    sync::{
        Arc, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use base64::{Engine, engine::general_purpose::STANDARD};
use proptest::{
    collection::{btree_map, vec},
    option,
    prelude::*,
};
use serde_json::{Value, json};
use sqlscope::{Outputs, Request, RequestExt, Response, Result, Trigger};
use tokio::runtime::Runtime;

use crate::{
    changes::{any_json, change, changed},
    common::{App, client},
    one_of,
    over_time::fuzz,
};

/// Names of route parameters; the handler says what it got for each.
const NAMES: &str = "id|more|x-y|é";

/// The request as the handler got it.
async fn echo(request: Request) -> Result<Response> {
    let headers = request.headers().iter().map(|(name, value)| json!([name.as_str(), value.as_bytes()]));
    let mut params = serde_json::Map::new();
    for name in NAMES.split('|') {
        params.insert(name.to_owned(), json!(request.param_opt::<String>(name)?));
    }
    Ok(sqlscope::http::json(&json!({
        "method": request.method().as_str(),
        "uri": request.uri().to_string(),
        "headers": headers.collect::<Vec<_>>(),
        "params": params,
        "body": request.body().to_vec(),
    })))
}

async fn queue(trigger: Trigger) -> Result<Outputs> {
    let item: Value = trigger.data("item")?;
    let count: i64 = trigger.metadata("DequeueCount")?;
    Ok(Outputs::none().with("next", json!([item, count])))
}

/// One app for all tests here, in a runtime of its own: the properties are no futures.
struct Target {
    runtime: Runtime,
    app: App,
    client: reqwest::Client,
    /// How many threads and tasks have panicked.
    panics: Arc<AtomicUsize>,
}

impl Target {
    fn get() -> &'static Target {
        static TARGET: OnceLock<Target> = OnceLock::new();
        TARGET.get_or_init(|| {
            let panics = Arc::new(AtomicUsize::new(0));
            let (counter, before) = (panics.clone(), panic::take_hook());
            panic::set_hook(Box::new(move |info| {
                // Those of a test's own thread are failures that proptest reports.
                if info.location().is_some_and(|location| !location.file().starts_with("tests")) {
                    counter.fetch_add(1, Ordering::SeqCst);
                }
                before(info);
            }));
            let runtime = Runtime::new().unwrap();
            let app = runtime.block_on(async {
                let (project, app) = App::project(&["Echo"]);
                project.write(
                    "Returns/function.json",
                    r#"{"bindings":[{"type":"httpTrigger","direction":"in","name":"other1","methods":["get","post"]},
                    {"type":"http","direction":"out","name":"$return"}]}"#,
                );
                project.write(
                    "Queue/function.json",
                    r#"{"bindings":[{"type":"queueTrigger","direction":"in","name":"item","queueName":"q"},
                    {"type":"queue","direction":"out","name":"next","queueName":"r"}]}"#,
                );
                let app = app.http("Echo", echo).http("Returns", echo).on("Queue", queue);
                App::start(project, app).await
            });
            let client = runtime.block_on(async {
                let _ = client();
                reqwest::Client::builder().no_proxy().build().unwrap()
            });
            Target { runtime, app, client, panics }
        })
    }

    /// The status and the body of the answer to a payload.
    fn post(&self, function: &str, body: Vec<u8>) -> (u16, Vec<u8>) {
        let url = self.app.url(&format!("/{function}"));
        self.runtime.block_on(async {
            let request = self.client.post(url).header("content-type", "application/json; charset=utf-8");
            let response = request.body(body).send().await.expect("an answer");
            (response.status().as_u16(), response.bytes().await.expect("a whole answer").to_vec())
        })
    }
}

/// What the host needs of any answer. For an HTTP function the response in it is returned.
fn checked(function: &str, body: Vec<u8>) -> Result<Value, TestCaseError> {
    let target = Target::get();
    let (status, answer) = target.post(function, body);
    prop_assert_eq!(target.panics.load(Ordering::SeqCst), 0, "a panic");
    let answer: Value =
        serde_json::from_slice(&answer).map_err(|error| TestCaseError::fail(format!("{status}: {error}")))?;
    if function == "Queue" && status != 200 {
        // The host takes the invocation as failed.
        prop_assert!(status >= 400 && answer["status"] == status, "{status} {answer}");
        return Ok(Value::Null);
    }
    prop_assert_eq!(status, 200);
    prop_assert!(answer["Outputs"].is_object() && answer["Logs"].is_array(), "{answer}");
    let response = match function {
        "Queue" => return Ok(Value::Null),
        "Echo" => &answer["Outputs"]["res"],
        _ => &answer["ReturnValue"],
    };
    let status = response["statusCode"].as_u64().unwrap_or_default();
    let text = response["body"].as_str().unwrap_or_default();
    let body: Value = serde_json::from_str(text).unwrap_or_default();
    prop_assert!(status == 200 || (400..600).contains(&status) && body["status"] == status, "{answer}");
    Ok(response.clone())
}

/// A request, as its caller sent it.
#[derive(Debug, Clone)]
struct Sent {
    method: String,
    target: String,
    headers: Vec<(String, Vec<String>)>,
    params: Vec<(String, Option<String>)>,
    binary: bool,
    body: Vec<u8>,
}

impl Sent {
    /// The payload that the host makes of it.
    fn payload(&self, origin: &str, binding: &str) -> Value {
        let body = match std::str::from_utf8(&self.body) {
            _ if self.binary => json!(STANDARD.encode(&self.body)),
            Ok("") => Value::Null,
            Ok(text) => json!(text),
            Err(_) => Value::Null,
        };
        json!({
            "Data": {binding: {
                "Url": format!("{origin}{}", self.target),
                "Method": self.method,
                "Query": {},
                "Headers": self.headers.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
                "Params": self.params.iter().cloned().collect::<std::collections::BTreeMap<_, _>>(),
                "Identities": [{"AuthenticationType": null, "IsAuthenticated": false, "Claims": []}],
                "Body": body,
            }},
            "Metadata": {"sys": {"MethodName": "Echo", "UtcNow": "2026-01-01T00:00:00Z", "RandGuid": ""}},
        })
    }
}

fn sent() -> impl Strategy<Value = Sent> {
    let method = prop_oneof![
        one_of("GET|POST|PUT|PATCH|DELETE|OPTIONS|HEAD").prop_map(String::from),
        "[A-Z!#$%&'*+.^_`|~-]{1,9}"
    ];
    // RFC 3986; the host has escaped the rest. .NET leaves brackets as they are.
    let path = "(/([a-zA-Z0-9._~!$&'()*+,;=:@-]|%[0-9A-F]{2}|[\\[\\]]){0,6}){1,4}";
    let query = "(\\?([a-zA-Z0-9._~!$&'()*+,;=:@/?-]|%[0-9A-F]{2}|[\\[\\]]){0,12})?";
    let value = prop_oneof!["[ -~]{0,12}", "[!-~]([ -~]|\t){0,12}", "[!-~\u{a0}-\u{2fff}😀]{0,6}"];
    let headers = btree_map("[a-z0-9!#$%&'*+.^_`|~-]{1,9}", vec(value, 1..3), 0..5);
    let params =
        option::of(btree_map(one_of(NAMES).prop_map(String::from), option::of(any::<String>()), 0..4));
    let kind = prop_oneof![
        Just(None),
        one_of("application/octet-stream|Application/Octet-Stream; a=b|multipart/form-data; boundary=x")
            .prop_map(Some),
    ];
    let body = prop_oneof![any::<String>().prop_map(String::into_bytes), vec(any::<u8>(), 0..200)];
    let all = (method, path, query, headers, params, kind, body);
    all.prop_map(|(method, path, query, mut headers, params, kind, body)| {
        headers.remove("content-type");
        if let Some(kind) = kind {
            headers.insert("content-type".to_owned(), vec![kind.to_owned()]);
        }
        Sent {
            method,
            target: format!("{path}{query}"),
            headers: headers.into_iter().collect(),
            params: params.unwrap_or_default().into_iter().collect(),
            binary: kind.is_some(),
            body: if kind.is_some() {
                body
            } else {
                String::from_utf8_lossy(&body).into_owned().into_bytes()
            },
        }
    })
}

#[test]
fn fuzz_a_valid_payload_becomes_the_request_that_was_sent() {
    let origin = one_of("http://localhost:7071|https://x.azurewebsites.net|http://[::1]:80|http://127.0.0.1");
    fuzz("valid payloads", (origin, sent()), |(origin, sent)| {
        let payload = sent.payload(origin, "req").to_string();
        let response = checked("Echo", payload.into_bytes())?;
        prop_assert_eq!(&response["statusCode"], 200, "{}", &response);
        let echoed: Value =
            serde_json::from_str(response["body"].as_str().unwrap_or_default()).unwrap_or_default();
        prop_assert_eq!(&echoed["method"], &json!(sent.method));
        prop_assert_eq!(&echoed["uri"], &json!(sent.target));
        prop_assert_eq!(&echoed["body"], &json!(sent.body));
        let given =
            |name: &str| sent.params.iter().find(|(given, _)| given == name).and_then(|(_, v)| v.clone());
        for name in NAMES.split('|') {
            prop_assert_eq!(&echoed["params"][name], &json!(given(name)), "{}", name);
        }
        let headers = sent
            .headers
            .iter()
            .flat_map(|(name, values)| values.iter().map(move |value| json!([name, value.as_bytes()])));
        prop_assert_eq!(&echoed["headers"], &json!(headers.collect::<Vec<_>>()));
        Ok(())
    });
}

#[test]
fn fuzz_every_payload_is_answered_as_the_host_can_take_it() {
    let function = one_of("Echo|Returns|Queue");
    let queue = json!({"Data": {"item": "{\"n\":1}"}, "Metadata": {"DequeueCount": "1", "sys": {}}});
    let changes = vec(change(), 1..4);
    let near = (sent(), changes).prop_map(move |(sent, changes)| {
        let http = |binding| changed(sent.payload("http://h", binding), &changes);
        [http("req"), http("other1"), changed(queue.clone(), &changes)]
    });
    let same = |bytes: Vec<u8>| [bytes.clone(), bytes.clone(), bytes];
    let body = prop_oneof![
        1 => vec(any::<u8>(), 0..100).prop_map(same),
        1 => any_json().prop_map(move |text| same(text.into_bytes())),
        6 => near,
    ];
    fuzz("payloads", (function, body), |(function, bodies)| {
        let body = match function {
            "Echo" => &bodies[0],
            "Returns" => &bodies[1],
            _ => &bodies[2],
        };
        checked(function, body.clone()).map(drop)
    });
}
