//! `cargo local` as a person runs it, with another handler in the place of the project's own.
#![cfg(unix)]

mod common;

use std::{
    io::{ErrorKind, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    time::{Duration, Instant},
};

use common::{
    local::{Local, kill, sql_port},
    log_in_at,
};
use http_body_util::{BodyExt, Empty};
use hyper_util::{client::legacy::Client, rt::TokioExecutor};
use rustix::process::Signal;
use serde_json::Value;
use tiberius::AuthMethod;

/// The URL of the function in the list that was printed.
fn url(lines: &[String]) -> String {
    let line = lines.iter().find(|line| line.trim().starts_with("HttpTrigger: ")).unwrap();
    let start = line.find("http://").unwrap();
    line[start..].split("/{").next().unwrap().replace("localhost", "127.0.0.1")
}

/// What the echo handler saw of a request; none while it is not there.
async fn seen(url: &str) -> Option<Value> {
    let client = Client::builder(TokioExecutor::new()).build_http::<Empty<bytes::Bytes>>();
    let response = client.get(url.parse().unwrap()).await.ok()?;
    let body = response.into_body().collect().await.ok()?.to_bytes();
    serde_json::from_slice(&body).ok()
}

#[tokio::test]
async fn it_ends_with_ready_serves_the_function_and_stops_the_handler_on_sigterm() {
    let mut local = Local::start("ready", &[], &[]);
    let lines = local.lines_to("ready");
    assert!(lines.iter().any(|line| line.contains("a wire-level stand-in, not SQL Server")), "{lines:?}");
    assert!(lines.contains(&"migrating".to_owned()), "{lines:?}");
    let function = lines.iter().find(|line| line.contains("HttpTrigger")).unwrap();
    assert!(function.starts_with("\tHttpTrigger: [GET,POST,PATCH,DELETE] http://localhost:"), "{function}");

    let environment = seen(&url(&lines)).await.unwrap()["environment"].take();
    let connection = environment["SqlConnectionString"].as_str().unwrap();
    let ca = local.data.join("ca.pem");
    assert!(ca.is_file());
    assert!(connection.contains(&format!("ServerCertificate={};", ca.display())), "{connection}");
    assert!(
        connection.starts_with("Server=tcp:localhost,") && !connection.contains(",1433;"),
        "{connection}"
    );
    assert!(environment["IDENTITY_ENDPOINT"].as_str().unwrap().ends_with("/msi/token"));
    assert_eq!(environment["IDENTITY_HEADER"], "local");

    local.signal(Signal::TERM);
    let (status, stdout, stderr) = local.end();
    assert!(status.success(), "{status} {stderr}");
    assert!(stdout.contains("terminated"), "{stdout}");
    assert_eq!(stderr, "");
}

#[tokio::test]
async fn without_a_host_it_serves_identity_and_sql_only_and_stops_on_ctrl_c() {
    let mut local = Local::start("no-host", &["--no-host"], &[]);
    let lines = local.lines_to("ready");
    assert!(lines.contains(&"migrating".to_owned()), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("HttpTrigger")), "{lines:?}");
    let identity = lines.iter().find_map(|line| line.strip_prefix("Managed identity: ")).unwrap();
    let answer = seen(identity).await.unwrap();
    assert_eq!(answer["statusCode"], 401, "{answer}");
    local.signal(Signal::INT);
    assert!(local.end().0.success());
}

#[tokio::test]
async fn a_sql_login_lets_in_its_user_and_no_other_and_its_password_is_never_printed() {
    let mut local = Local::start("sql-login", &["--no-host", "--sql-login", "app:Word:1"], &[]);
    let lines = local.lines_to("ready");
    assert!(lines.contains(&"SQL login: app, beside the tokens".to_owned()), "{lines:?}");
    let (ca, port) = (local.data.join("ca.pem"), sql_port(&lines));
    for (user, password, good) in [("app", "Word:1", true), ("app", "Word", false), ("sa", "Word:1", false)] {
        let login = log_in_at(&ca, port, AuthMethod::sql_server(user, password)).await;
        assert_eq!(login.is_ok(), good, "{user}");
    }
    local.signal(Signal::TERM);
    let (status, stdout, stderr) = local.end();
    assert!(status.success());
    assert!(!format!("{lines:?}{stdout}{stderr}").contains("Word"), "{lines:?} {stdout} {stderr}");
}

#[test]
fn a_sql_login_without_a_user_is_an_error_that_does_not_show_it() {
    for given in ["Secret-1", ":Secret-1", "Secret-1:"] {
        let (status, stdout, stderr) = Local::start("half-login", &["--sql-login", given], &[]).end();
        assert!(!status.success());
        assert_eq!(stdout, "");
        assert_eq!(stderr, "error: --sql-login takes a user and a password with a colon between them\n");
    }
}

#[test]
fn a_taken_port_is_an_error_that_names_the_port_and_the_option() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    for option in ["--port", "--sql-port", "--identity-port"] {
        let mut local = Local::start(option.trim_start_matches('-'), &[option, &port], &[]);
        let (status, stdout, stderr) = local.end();
        assert!(!status.success());
        assert_eq!(stdout, "", "nothing is built or migrated before");
        let expected = format!(
            "error: port {port} is taken: stop what listens there, or choose another with {option}\n"
        );
        assert!(stderr.ends_with(&expected), "{stderr}");
    }
}

#[tokio::test]
async fn neither_the_handler_nor_its_migrations_see_settings_that_lead_elsewhere() {
    let elsewhere = [
        ("AZURE_SQL_SERVER", "elsewhere.database.windows.net"),
        ("AZURE_SQL_CONNECTIONSTRING", "Server=elsewhere"),
        ("AZURE_TOKEN_CREDENTIALS", "dev"),
        ("AZURE_CLIENT_ID", "me"),
        ("AZURE_FEDERATED_TOKEN_FILE", "/nowhere"),
        ("SQLCONNSTR_SqlConnectionString", "Server=elsewhere"),
        ("SQLAZURECONNSTR_SqlConnectionString", "Server=elsewhere"),
    ];
    let mut given = elsewhere.to_vec();
    given.extend([("AZURE_SUBSCRIPTION", "kept"), ("ECHO_MIGRATE_WITHOUT", "AZURE_SQL_SERVER")]);
    let mut local = Local::start("elsewhere", &[], &given);
    let url = url(&local.lines_to("ready"));
    let environment = seen(&url).await.unwrap()["environment"].take();
    assert_eq!(environment["AZURE_SUBSCRIPTION"], "kept");
    for (name, _) in elsewhere {
        assert!(environment[name].is_null(), "{name} is there");
    }
}

#[test]
fn a_data_folder_is_for_one_at_a_time_and_free_again_after_it() {
    let mut first = Local::start("lock", &["--no-host"], &[]);
    first.lines_to("ready");
    let (status, _, stderr) = Local::start("lock", &["--no-host"], &[]).keeping_data().end();
    assert!(!status.success());
    let expected = format!(
        "error: {} is in use by another cargo local; stop it, or choose another with --data\n",
        first.data.display()
    );
    assert_eq!(stderr, expected);
    first.signal(Signal::TERM);
    assert!(first.end().0.success());
    Local::start("lock", &["--no-host"], &[]).lines_to("ready");
}

#[test]
fn a_project_without_a_migrations_folder_has_nothing_to_apply() {
    let name = format!("bare-project-{}", std::process::id());
    let project = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    std::fs::create_dir_all(&project).unwrap();
    std::fs::write(project.join("host.json"), r#"{ "version": "2.0" }"#).unwrap();
    let mut local = Local::start_in(&project, "bare", &["--no-host"], &[("ECHO_MIGRATE", "3")]);
    let lines = local.lines_to("ready");
    std::fs::remove_dir_all(&project).unwrap();
    assert!(!lines.contains(&"migrating".to_owned()), "{lines:?}");
}

#[tokio::test]
async fn faults_begin_after_the_migrations_and_are_said_before_ready() {
    let options = "--stall prelogin --redirect --fail-logins 2 --identity-fault 500 --latency 1";
    let options: Vec<&str> = options.split(' ').collect();
    let mut local = Local::start("faults", &options, &[("ECHO_MIGRATE", "really")]);
    let lines = local.lines_to("ready");
    let place = |start: &str| {
        lines
            .iter()
            .position(|line| line.starts_with(start))
            .unwrap_or_else(|| panic!("no {start}: {lines:?}"))
    };
    assert!(place("Applying the migrations") < place("Faults: "), "{lines:?}");
    assert!(place("Faults: ") < place("Starting the handler"), "{lines:?}");
    let faults = &lines[place("Faults: ")];
    let port = faults.split("redirected to port ").nth(1).unwrap().split(',').next().unwrap();
    let expected = format!(
        "Faults: latency of 1 ms each way, logins redirected to port {port}, the next 2 logins refused with 40613, \
         a stall at prelogin, identity: 500"
    );
    assert_eq!(*faults, expected);
    TcpStream::connect(("127.0.0.1", port.parse().unwrap())).unwrap();
    let identity = lines[place("Managed identity: ")].rsplit(' ').next().unwrap();
    assert_eq!(seen(identity).await.unwrap()["statusCode"], 500);

    let port = lines[place("Azure SQL: ")].split([',', ' ']).nth(3).unwrap().parse::<u16>().unwrap();
    let mut socket = TcpStream::connect(("127.0.0.1", port)).unwrap();
    socket.write_all(&[0x12, 1, 0, 15, 0, 0, 1, 0, 1, 0, 6, 0, 1, 0xFF, 1]).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    let silence = socket.read(&mut [0]).unwrap_err().kind();
    assert!(matches!(silence, ErrorKind::WouldBlock | ErrorKind::TimedOut), "{silence}");
}

#[test]
fn without_faults_nothing_is_said_of_them() {
    let lines = Local::start("no-faults", &["--no-host"], &[]).lines_to("ready");
    assert!(!lines.iter().any(|line| line.starts_with("Faults")), "{lines:?}");
}

#[test]
fn a_fault_s_bad_value_is_an_error_that_names_the_option_and_what_was_expected() {
    let (status, stdout, stderr) = Local::start("bad-fault", &["--stall", "tcp"], &[]).end();
    assert!(!status.success());
    assert_eq!(stdout, "");
    assert!(stderr.contains("'--stall <STAGE>'"), "{stderr}");
    assert!(stderr.contains("prelogin, tls, login, query, close"), "{stderr}");
}

#[test]
fn migrations_that_fail_stop_the_start() {
    let mut local = Local::start("migrate", &[], &[("ECHO_MIGRATE", "3")]);
    let (status, stdout, stderr) = local.end();
    assert!(!status.success() && !stdout.contains("ready"), "{stdout}");
    assert!(stderr.contains("migrate` ended with exit status: 3"), "{stderr}");
}

#[test]
fn a_handler_that_does_not_start_is_an_error_with_its_last_lines() {
    let environment = [("ECHO_START", "exit:78"), ("ECHO_STDERR", "no such setting")];
    let mut local = Local::start("fails", &[], &environment);
    let (status, stdout, stderr) = local.end();
    assert!(!status.success() && !stdout.contains("ready"), "{stdout}");
    assert!(stderr.contains("exit status: 78; its last lines on stderr: no such setting"), "{stderr}");
}

#[tokio::test]
async fn a_host_that_stops_by_its_rules_ends_the_command_with_an_error() {
    let mut local = Local::start("stops", &[], &[]);
    let url = url(&local.lines_to("ready"));
    let mut killed = 0;
    for _ in 0..3 {
        let deadline = Instant::now() + Duration::from_secs(20);
        let pid = loop {
            let pid = seen(&url).await.and_then(|seen| seen["pid"].as_u64()).filter(|pid| *pid != killed);
            match pid {
                Some(pid) => break pid,
                None => assert!(Instant::now() < deadline, "the handler was not restarted"),
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        };
        kill(u32::try_from(pid).unwrap(), Signal::KILL);
        killed = pid;
    }
    let (status, _, stderr) = local.end();
    assert!(!status.success());
    assert!(stderr.contains("signal: 9") && stderr.contains("third time"), "{stderr}");
}
