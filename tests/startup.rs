//! What keeps the handler from starting: an error that names the thing and the fix, and never the exit code 0.

mod common;

use common::{App, Folder, handler};
use sqlscope::{FunctionApp, Outputs, Request, Response, Result, Trigger, http::text};

async fn http(_: Request) -> Result<Response> {
    Ok(text("ok"))
}

async fn timer(_: Trigger) -> Result<Outputs> {
    Ok(Outputs::none())
}

/// The error that an app of this project does not start with.
async fn start_error(app: FunctionApp) -> String {
    app.start().await.expect_err("it must not start").to_string()
}

const TIMER: &str =
    r#"{"bindings":[{"type":"timerTrigger","direction":"in","name":"t","schedule":"0 * * * * *"}]}"#;

#[tokio::test]
async fn a_handler_without_a_function_json_is_an_error_that_names_the_file() {
    let (_project, app) = App::project(&["Todos"]);
    let error = start_error(app.http("Todos", http).http("Tods", http)).await;
    assert!(error.contains("Tods/function.json") && error.contains("did you mean `Todos`"), "{error}");
}

#[tokio::test]
async fn a_function_json_without_a_handler_is_an_error_that_shows_the_line_to_add() {
    let (_project, app) = App::project(&["Todos", "More"]);
    let error = start_error(app.http("Todos", http)).await;
    assert!(error.contains("More/function.json") && error.contains(".http(\"More\""), "{error}");
}

#[tokio::test]
async fn a_handler_of_the_wrong_kind_is_an_error() {
    let (project, app) = App::project(&[]);
    project.write("Cleanup/function.json", TIMER);
    let error = start_error(app.http("Cleanup", http)).await;
    assert!(error.contains("timerTrigger") && error.contains(".on(\"Cleanup\""), "{error}");
    let (_project, app) = App::project(&["Todos"]);
    let error = start_error(app.on("Todos", timer)).await;
    assert!(error.contains("httpTrigger") && error.contains(".http(\"Todos\""), "{error}");
}

#[tokio::test]
async fn a_function_that_is_switched_off_leaves_the_others_serving() {
    let (project, app) = App::project_with(&["Todos", "Off"], &[("AzureWebJobs.Off.Disabled", "true")]);
    let app = App::start(project, app.http("Todos", http).http("Off", http)).await;
    assert_eq!(app.get("/api/Todos").await.status(), 200);
    assert_eq!(app.get("/api/Off").await.status(), 404);
}

#[tokio::test]
async fn two_handlers_for_one_function_are_an_error() {
    let (_project, app) = App::project(&["Todos"]);
    let error = start_error(app.http("Todos", http).http("Todos", http)).await;
    assert!(error.contains("`Todos` has two handlers"), "{error}");
}

#[tokio::test]
async fn a_broken_route_is_an_error_that_names_the_file_and_the_fix() {
    let (project, app) = App::project(&[]);
    project.write(
        "Todos/function.json",
        r#"{"bindings":[{"type":"httpTrigger","direction":"in","name":"req","route":"todos/{id:itn}"},
            {"type":"http","direction":"out","name":"res"}]}"#,
    );
    let error = start_error(app.http("Todos", http)).await;
    for part in ["Todos/function.json", "todos/{id:itn}", "itn", "`int`"] {
        assert!(error.contains(part), "{error}");
    }
}

#[tokio::test]
async fn a_setting_that_is_unknown_or_impossible_is_an_error_that_names_it() {
    for (name, value, parts) in [
        ("SQLSCOPE_MAX_BODY_BYTE", "1", ["SQLSCOPE_MAX_BODY_BYTE ", "SQLSCOPE_MAX_BODY_BYTES"]),
        ("SQLSCOPE_MAX_BODY_BYTES", "ten", ["SQLSCOPE_MAX_BODY_BYTES", "a whole number"]),
        ("SQLSCOPE_SERVER_TIMING", "maybe", ["SQLSCOPE_SERVER_TIMING", "1 or 0"]),
        ("SQLSCOPE_INVOCATION_TIMEOUT_SECONDS", "0", ["SQLSCOPE_INVOCATION_TIMEOUT_SECONDS", "from 1"]),
        ("FUNCTIONS_CUSTOMHANDLER_PORT", "70000", ["FUNCTIONS_CUSTOMHANDLER_PORT", "70000"]),
    ] {
        let (_project, app) = App::project_with(&["Todos"], &[(name, value)]);
        let error = start_error(app.http("Todos", http)).await;
        assert!(parts.iter().all(|part| error.contains(part)), "{name}: {error}");
    }
}

#[tokio::test]
async fn a_port_that_is_taken_is_an_error_that_names_it() {
    let taken = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let (_project, app) = App::project_with(&["Todos"], &[("FUNCTIONS_CUSTOMHANDLER_PORT", &port)]);
    let error = start_error(app.http("Todos", http)).await;
    assert!(error.contains(&port) && error.contains("FUNCTIONS_CUSTOMHANDLER_PORT"), "{error}");
}

/// Runs the handler to its failure; what it wrote to stderr.
async fn fails(arguments: &[&str], environment: &[(&str, &str)], directory: &std::path::Path) -> String {
    let environment = environment.iter().map(|(name, value)| (name.to_string(), value.to_string()));
    let output = handler(arguments, environment.collect(), directory).await;
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.lines().count(), 1, "one line for one error: {stderr}");
    stderr
}

#[tokio::test]
async fn the_handler_exits_with_1_and_one_line_that_says_what_to_do() {
    let port = ("FUNCTIONS_CUSTOMHANDLER_PORT", "0");
    let empty = Folder::new();
    let error = fails(&[], &[port], empty.path()).await;
    assert!(error.contains("host.json") && error.contains("FUNCTIONS_APP_ROOT_PATH"), "{error}");

    let error = fails(&[], &[], common::project()).await;
    assert!(error.contains("FUNCTIONS_CUSTOMHANDLER_PORT") && error.contains("cargo local"), "{error}");

    let error = fails(&[], &[port], common::project()).await;
    assert!(error.contains("SqlConnectionString"), "{error}");

    let misspelt = ("SqlConnectionString", "Server=localhost;Databse=x;Password=hidden-word");
    let error = fails(&[], &[port, misspelt], common::project()).await;
    assert!(error.contains("`Databse`") && error.contains("`Database`"), "{error}");
    assert!(!error.contains("hidden-word"), "{error}");

    let misspelt = ("SQLSCOPE_OPEN_TIMEOUT_SECOND", "3");
    let error = fails(&["migrate"], &[misspelt], common::project()).await;
    assert!(error.contains("`SQLSCOPE_OPEN_TIMEOUT_SECONDS`"), "{error}");

    let error = fails(&[], &[port, ("SQLSCOPE_LOG", "off")], common::project()).await;
    assert!(error.contains("SqlConnectionString"), "what ends the process is said all the same: {error}");

    let server = ("AZURE_SQL_SERVER", "localhost");
    let error = fails(&[], &[port, server, ("AZURE_SQL_DATBASE", "x")], common::project()).await;
    assert!(error.contains("AZURE_SQL_DATBASE") && error.contains("AZURE_SQL_DATABASE"), "{error}");

    let error = fails(&["migrat"], &[port], common::project()).await;
    assert!(error.contains("`migrat`") && error.contains("`handler migrate`"), "{error}");

    let log = ("SQLSCOPE_LOG", "sqlscope=loud");
    let error = fails(&[], &[port, log], common::project()).await;
    assert!(error.contains("SQLSCOPE_LOG"), "{error}");
}
