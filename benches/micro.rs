//! Micro-benchmarks of what a request crosses and the public API reaches; `cargo bench -p sqlscope-benches`.

use std::{hint::black_box, path::Path};

use criterion::{Criterion, criterion_group, criterion_main};
use sqlscope::{
    Request, RequestExt,
    connection::Settings,
    host::{Project, RouteTable},
    http::{Bytes, Method, json},
};

/// As the portal hands it out.
const CONNECTION_STRING: &str = "Server=tcp:x.database.windows.net,1433;Initial Catalog=db;Encrypt=True;\
     TrustServerCertificate=False;Connection Timeout=30;Authentication=\"Active Directory Default\"";

#[derive(serde::Serialize, serde::Deserialize)]
struct Todo {
    id: i32,
    title: String,
    done: bool,
}

fn settings(criterion: &mut Criterion) {
    let environment =
        |name: &str| (name == "SqlConnectionString").then(|| black_box(CONNECTION_STRING).to_owned());
    criterion.bench_function("settings: a connection string read", |bencher| {
        bencher.iter(|| Settings::from_environment(&environment));
    });
}

fn routes(criterion: &mut Criterion) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("app");
    let project = Project::read(&folder, &|_| None).expect("the project in benches/app");
    let table = RouteTable::new(&project).expect("its routes");
    criterion.bench_function("project: host.json and two functions read", |bencher| {
        bencher.iter(|| Project::read(black_box(&folder), &|_| None));
    });
    criterion.bench_function("route: a path with a number found", |bencher| {
        bencher.iter(|| table.find(&Method::GET, black_box("/api/todo/7")));
    });
    criterion.bench_function("route: a path that nobody answers", |bencher| {
        bencher.iter(|| table.find(&Method::GET, black_box("/api/nothing/here")));
    });
}

fn bodies(criterion: &mut Criterion) {
    let text = Bytes::from_static(br#"{"id":7,"title":"water the plants","done":false}"#);
    let request = Request::new(text);
    criterion.bench_function("request: a JSON body read", |bencher| {
        bencher.iter(|| black_box(&request).json::<Todo>());
    });
    let todo = Todo { id: 7, title: "water the plants".into(), done: false };
    criterion.bench_function("reply: a JSON body written", |bencher| {
        bencher.iter(|| json(black_box(&todo)));
    });
}

criterion_group!(benches, settings, routes, bodies);
criterion_main!(benches);
