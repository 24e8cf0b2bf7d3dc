//! A small Functions project on disk, a host for it, and a client.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use serde_json::{Value, json};
use sqlscope_local::functions_host::{FunctionsHost, HostError, HostOptions, Output};

/// A project in a folder of its own, removed at the end.
pub(crate) struct TestProject {
    pub(crate) root: PathBuf,
}

impl Drop for TestProject {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.root);
    }
}

impl TestProject {
    /// Four functions, and a host.json with these fields besides.
    pub(crate) fn new(host_json: Value) -> Self {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let name = format!("project-{}-{number}", std::process::id());
        let project = TestProject { root: Path::new(env!("CARGO_TARGET_TMPDIR")).join(name) };
        let mut host = json!({
            "version": "2.0",
            "customHandler": {
                "description": {
                    "defaultExecutablePath": "%ECHO_HANDLER%",
                    "arguments": ["--port=%FUNCTIONS_CUSTOMHANDLER_PORT%", "two words"],
                },
                "enableForwardingHttpRequest": true,
            },
        });
        for (field, value) in host_json.as_object().unwrap() {
            if let (Some(known), Value::Object(more)) = (host[field].as_object_mut(), value) {
                known.extend(more.clone());
            } else {
                host[field] = value.clone();
            }
        }
        project.write("host.json", &host);
        let http_out = json!({ "type": "http", "direction": "out", "name": "res" });
        let http = |route: &str, methods: Value| {
            let mut trigger = json!({
                "type": "httpTrigger", "direction": "in", "name": "req", "authLevel": "function", "route": route,
            });
            if !methods.is_null() {
                trigger["methods"] = methods;
            }
            json!({ "bindings": [trigger, http_out] })
        };
        project.write("Any/function.json", &http("any/{*rest}", Value::Null));
        project.write("Todos/function.json", &http("todos/{id:int?}", json!(["get", "post"])));
        let timer = json!({ "type": "timerTrigger", "direction": "in", "name": "myTimer", "schedule": "0 0 * * * *" });
        let note = json!({ "type": "queue", "direction": "out", "name": "note", "queueName": "notes" });
        project.write("Cleanup/function.json", &json!({ "bindings": [timer, note] }));
        let inbox =
            json!({ "type": "queueTrigger", "direction": "in", "name": "queueItem", "queueName": "inbox" });
        project.write("Inbox/function.json", &json!({ "bindings": [inbox] }));
        project
    }

    pub(crate) fn write(&self, path: &str, content: &Value) {
        let path = self.root.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content.to_string()).unwrap();
    }

    /// Starts a host; `environment` goes to the handler.
    pub(crate) async fn start(
        &self,
        environment: &[(&str, &str)],
        change: impl FnOnce(&mut HostOptions),
    ) -> Result<TestHost, HostError> {
        let lines = Lines::default();
        let own = [("ECHO_HANDLER", env!("CARGO_BIN_EXE_echo-handler"))];
        let environment = own.iter().chain(environment);
        let mut options = HostOptions {
            environment: environment.map(|(name, value)| ((*name).into(), (*value).into())).collect(),
            output: Output::Captured(Arc::clone(&lines.0)),
            ..HostOptions::new(&self.root)
        };
        change(&mut options);
        Ok(TestHost { host: FunctionsHost::start(options).await?, lines })
    }
}

/// A host that forwards, with what it printed.
pub(crate) struct TestHost {
    pub(crate) host: FunctionsHost,
    pub(crate) lines: Lines,
}

/// What a host printed.
#[derive(Clone, Default)]
pub(crate) struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    pub(crate) fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    /// The first line with this in it, as soon as there is one.
    pub(crate) async fn wait_for(&self, wanted: &str) -> String {
        let found = || self.all().into_iter().find(|line| line.contains(wanted));
        eventually(&format!("a line with {wanted:?} in {:?}", self.all()), || found().is_some()).await;
        found().unwrap()
    }
}

/// Waits until a condition holds, 20 seconds at most.
pub(crate) async fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "there never was {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A reply, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Reply {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.body).unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }
}

impl TestHost {
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Request::get(path), "").await
    }

    /// Sends a request; its URI is a path.
    pub(crate) async fn send(&self, request: http::request::Builder, body: impl Into<Bytes>) -> Reply {
        let mut request = request.body(Full::new(body.into())).unwrap();
        *request.uri_mut() = format!("{}{}", self.host.url(), request.uri()).parse().unwrap();
        let client = Client::builder(TokioExecutor::new()).build_http();
        let (parts, body) = client.request(request).await.unwrap().into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        Reply { status: parts.status.as_u16(), headers: parts.headers, body }
    }
}
