//! What an invocation costs: the handler's start, its first answer, its pace and its memory, against the stand-ins.
//!
//! `cargo bench --bench handler`. The machine is noisy: compare the numbers of one run with each other.

#[path = "../tests/common/mod.rs"]
mod common;

use std::{
    process::Stdio,
    time::{Duration, Instant},
};

use common::{Azure, client, project};
use tokio::process::{Child, Command};

const REQUESTS: usize = 1_000;
const AT_ONCE: usize = 8;

#[tokio::main]
async fn main() {
    let azure = Azure::start().await;
    azure.migrate().await;

    // Making a client reads the system's certificates: not what is measured here.
    let client = client();
    let mut ready = Vec::new();
    let mut first = Vec::new();
    for _ in 0..10 {
        let started = Instant::now();
        let (mut handler, port) = start(&azure);
        get(&client, port, "/").await;
        ready.push(started.elapsed());
        get(&client, port, "/api/todos").await;
        first.push(started.elapsed());
        handler.kill().await.unwrap();
    }
    println!("start to ready:              {}", spread(&mut ready));
    println!("start to first SQL answer:   {}", spread(&mut first));

    let (mut handler, port) = start(&azure);
    get(&client, port, "/").await;
    let mut without = rush(port, "/").await;
    let mut with = rush(port, "/api/todos").await;
    let ratio = median(&mut with).as_secs_f64() / median(&mut without).as_secs_f64();
    println!("a ping, {AT_ONCE} at once:           {}", spread(&mut without));
    println!("an invocation, {AT_ONCE} at once:    {} ({ratio:.1} times the ping)", spread(&mut with));
    match resident_kib(&handler) {
        Some(kib) => println!("resident after {REQUESTS} invocations: {:.1} MiB", kib as f64 / 1024.0),
        None => println!("resident memory: not known on this system"),
    }
    let counts = azure.sql.counts();
    println!("sessions opened {}, closed {}", counts.opened, counts.closed);
    handler.kill().await.unwrap();
}

/// The handler on a free port, as the host starts it.
fn start(azure: &Azure) -> (Child, u16) {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let handler = Command::new(env!("CARGO_BIN_EXE_handler"))
        .env_clear()
        .envs(azure.environment())
        .env("FUNCTIONS_CUSTOMHANDLER_PORT", port.to_string())
        .current_dir(project())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    (handler, port)
}

/// Asks until the handler answers, and expects a 200.
async fn get(client: &reqwest::Client, port: u16, path: &str) {
    let url = format!("http://127.0.0.1:{port}{path}");
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        match client.get(&url).send().await {
            Ok(response) => {
                assert_eq!(response.status(), 200);
                return;
            }
            Err(error) => assert!(Instant::now() < deadline, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// How long each of the requests took.
async fn rush(port: u16, path: &'static str) -> Vec<Duration> {
    let clients = (0..AT_ONCE).map(|_| {
        tokio::spawn(async move {
            let client = common::client();
            let mut times = Vec::new();
            for _ in 0..REQUESTS / AT_ONCE {
                let started = Instant::now();
                get(&client, port, path).await;
                times.push(started.elapsed());
            }
            times
        })
    });
    let mut times = Vec::new();
    for client in clients.collect::<Vec<_>>() {
        times.extend(client.await.unwrap());
    }
    times
}

fn median(times: &mut [Duration]) -> Duration {
    times.sort();
    times[times.len() / 2]
}

fn spread(times: &mut [Duration]) -> String {
    let median = median(times);
    let ninety = times[times.len() * 9 / 10];
    let milliseconds = |time: Duration| time.as_secs_f64() * 1000.0;
    format!("median {:.1} ms, 90 % within {:.1} ms", milliseconds(median), milliseconds(ninety))
}

fn resident_kib(handler: &Child) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", handler.id()?)).ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse().ok()
}
