//! The handler process: its environment, its output, and what its exits lead to.

use std::time::Duration;

use serde_json::json;
use tokio::net::TcpStream;

use crate::support::{TestHost, TestProject, eventually};

async fn started(project: &TestProject) -> TestHost {
    project.start(&[], |_| ()).await.unwrap()
}

#[tokio::test]
async fn the_handler_gets_local_settings_the_overrides_and_the_hosts_own_variables() {
    let project = TestProject::new(json!({}));
    let values = json!({ "FROM_FILE": "file", "BOTH": "file", "PATH": "never", "FLAG": true });
    project.write("local.settings.json", &json!({ "IsEncrypted": false, "Values": values }));
    let host = project.start(&[("BOTH", "override")], |_| ()).await.unwrap();
    let shown = host.get("/api/any/x").await.json();
    let variables = &shown["environment"];
    let port = host.host.handler_port().to_string();
    for (name, expected) in [
        ("FROM_FILE", "file"),
        ("BOTH", "override"),
        ("FLAG", "true"),
        ("FUNCTIONS_CUSTOMHANDLER_PORT", &port),
        ("FUNCTIONS_HTTPWORKER_PORT", &port),
        ("FUNCTIONS_APP_ROOT_PATH", project.root.to_str().unwrap()),
    ] {
        assert_eq!(variables[name], expected, "{name}");
    }
    assert_ne!(variables["PATH"], "never", "a variable that is set already wins over local.settings.json");
    assert!(variables["FUNCTIONS_CUSTOMHANDLER_WORKER_ID"].as_str().unwrap().len() == 36);
    // Joined with spaces, unquoted: so the second argument became two.
    host.lines.wait_for(&format!("arguments --port={port}|two|words")).await;
}

#[tokio::test]
async fn every_line_of_the_handler_and_the_host_has_a_timestamp_before_it() {
    let project = TestProject::new(json!({}));
    let host = project.start(&[("ECHO_STDERR", "warning: one|two")], |_| ()).await.unwrap();
    let line = host.lines.wait_for("warning: one").await;
    let (stamp, rest) = line.split_once("] ").unwrap();
    assert_eq!(rest, "warning: one");
    assert_eq!((stamp.len(), &stamp[..1], &stamp[24..]), (25, "[", "Z"), "{stamp}");
}

#[tokio::test]
async fn the_function_list_names_methods_and_urls_as_func_start_does() {
    let project = TestProject::new(json!({}));
    let host = started(&project).await;
    let port = host.host.port();
    let list = host.host.function_list();
    for expected in [
        "Functions:".to_owned(),
        format!("\tAny: http://localhost:{port}/api/any/{{*rest}}"),
        format!("\tTodos: [GET,POST] http://localhost:{port}/api/todos/{{id:int?}}"),
        "\tCleanup: timerTrigger".to_owned(),
    ] {
        assert!(list.contains(&expected), "{expected:?} in {list:?}");
    }
}

#[tokio::test]
async fn a_failed_handler_is_restarted_on_its_port_and_the_third_failure_stops_the_host() {
    let project = TestProject::new(json!({}));
    let host = project.start(&[("ECHO_STDERR", "one|two|three|four")], |_| ()).await.unwrap();
    let port = host.host.handler_port();
    for restarts in 1..=2 {
        let pid = host.host.handler_pid();
        assert_eq!(host.get("/api/any/exit/7").await.status, 500, "the invocation that died fails");
        eventually("a restart", || host.host.restarts() == restarts).await;
        // Waits for the new handler, as the host does.
        assert_eq!(host.get("/api/any/x").await.status, 200);
        assert_eq!(host.host.handler_port(), port);
        assert_ne!(host.host.handler_pid(), pid);
    }
    assert_eq!(host.get("/api/any/exit/7").await.status, 500);
    let reason = tokio::time::timeout(Duration::from_secs(20), host.host.wait()).await.unwrap().to_string();
    assert!(reason.contains("exit status: 7"), "{reason}");
    assert!(reason.contains("two | three | four") && !reason.contains("one"), "{reason}");
    assert!(reason.contains("third time"), "{reason}");
    assert_eq!(host.get("/api/any/x").await.status, 500);
}

#[tokio::test]
async fn exit_code_200_asks_for_a_restart_and_is_never_counted() {
    let project = TestProject::new(json!({}));
    let host = started(&project).await;
    for restarts in 1..=4 {
        assert_eq!(host.get("/api/any/exit/200").await.status, 500);
        eventually("a restart", || host.host.restarts() == restarts).await;
        assert_eq!(host.get("/api/any/x").await.status, 200);
    }
}

#[tokio::test]
async fn exit_code_0_is_never_followed_by_a_restart() {
    let project = TestProject::new(json!({}));
    let host = started(&project).await;
    assert_eq!(host.get("/api/any/exit/0").await.status, 500);
    host.lines.wait_for("exited with code 0").await;
    assert_eq!(host.get("/api/any/x").await.status, 500);
    host.lines.wait_for("never starts it again").await;
    assert_eq!((host.host.restarts(), host.host.handler_pid()), (0, None));
}

#[tokio::test]
async fn a_function_that_passes_function_timeout_gets_the_whole_handler_killed_and_restarted() {
    let project = TestProject::new(json!({ "functionTimeout": "00:00:01" }));
    let host = started(&project).await;
    let pid = host.host.handler_pid();
    assert_eq!(host.get("/api/any/hang").await.status, 500);
    host.lines.wait_for("passed functionTimeout").await;
    eventually("a restart", || host.host.restarts() == 1).await;
    assert_eq!(host.get("/api/any/x").await.status, 200);
    assert_ne!(host.host.handler_pid(), pid);
}

#[tokio::test]
async fn a_handler_that_does_not_answer_in_time_is_an_error_that_names_the_setting() {
    let project = TestProject::new(json!({ "customHandler": { "initializationTimeout": "00:00:01" } }));
    let error = project.start(&[("ECHO_START", "silent:")], |_| ()).await.err().unwrap().to_string();
    assert!(error.contains("did not answer GET /") && error.contains("initializationTimeout"), "{error}");
}

#[tokio::test]
async fn a_handler_that_fails_at_its_start_is_an_error_with_its_last_three_lines() {
    let project = TestProject::new(json!({}));
    let environment = [("ECHO_START", "exit:78"), ("ECHO_STDERR", "a1|b2|c3|no setting")];
    let error = project.start(&environment, |_| ()).await.err().unwrap().to_string();
    assert!(error.contains("exit status: 78") && error.contains("b2 | c3 | no setting"), "{error}");
    assert!(!error.contains("a1"), "{error}");
}

#[tokio::test]
async fn a_handler_that_is_not_there_is_an_error_that_names_it() {
    let project = TestProject::new(json!({}));
    let nowhere = project.root.join("nowhere");
    let error =
        project.start(&[], |options| options.handler = Some(nowhere)).await.err().unwrap().to_string();
    assert!(error.contains("nowhere") && error.contains("could not be started"), "{error}");
}

#[tokio::test]
async fn a_stop_sends_sigterm_and_a_drop_kills() {
    let project = TestProject::new(json!({}));
    let host = started(&project).await;
    let port = host.host.port();
    host.host.stop().await;
    assert!(host.lines.all().iter().any(|line| line.ends_with("terminated")), "{:?}", host.lines.all());
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_err());

    let host = started(&project).await;
    let port = host.host.handler_port();
    assert!(TcpStream::connect(("127.0.0.1", port)).await.is_ok());
    drop(host.host);
    let deadline = tokio::time::Instant::now() + Duration::from_secs(20);
    while TcpStream::connect(("127.0.0.1", port)).await.is_ok() {
        assert!(tokio::time::Instant::now() < deadline, "the handler lives on");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    assert!(!host.lines.all().iter().any(|line| line.ends_with("terminated")));
}

#[tokio::test]
async fn a_taken_port_is_an_error_that_names_it() {
    let project = TestProject::new(json!({}));
    let host = started(&project).await;
    let port = host.host.port();
    let error = project.start(&[], |options| options.port = port).await.err().unwrap().to_string();
    assert!(error.contains(&format!("port {port} cannot be listened on")), "{error}");
}

#[tokio::test]
async fn a_removed_variable_of_local_settings_does_not_reach_the_handler_and_an_override_of_it_does() {
    let project = TestProject::new(json!({}));
    let values = json!({ "GONE_ONE": "1", "GONE_TWO": "2", "GONE": "3", "STAYS": "4" });
    project.write("local.settings.json", &json!({ "Values": values }));
    let removed = || vec!["GONE_*".to_owned()];
    let host = project.start(&[("GONE_TWO", "mine")], |options| options.removed = removed()).await.unwrap();
    let environment = host.get("/api/any/x").await.json()["environment"].take();
    assert!(environment["GONE_ONE"].is_null());
    assert_eq!(environment["GONE_TWO"], "mine");
    assert_eq!((&environment["GONE"], &environment["STAYS"]), (&json!("3"), &json!("4")));
}
