//! The list of functions and their URLs, as `func start` prints it.

use sqlscope::host::project::{Function, Project};

/// The list, a line each; HTTP functions first.
pub(super) fn lines(project: &Project, port: u16) -> Vec<String> {
    let mut lines = vec![String::new(), "Functions:".to_owned(), String::new()];
    let (http, others): (Vec<_>, Vec<_>) =
        project.functions.iter().partition(|function| function.http.is_some());
    for function in http.into_iter().chain(others) {
        lines.push(line(function, &project.route_prefix, port));
        lines.push(String::new());
    }
    lines
}

fn line(function: &Function, prefix: &str, port: u16) -> String {
    let name = &function.name;
    let Some(http) = &function.http else { return format!("\t{name}: {}", function.trigger.kind) };
    let methods = match http.methods.iter().map(http::Method::as_str).collect::<Vec<_>>().join(",") {
        all if all.is_empty() => String::new(),
        some => format!("[{some}] "),
    };
    let slash = if prefix.is_empty() { "" } else { "/" };
    let route = http.route.as_str().trim_start_matches("~/").trim_start_matches('/');
    format!("\t{name}: {methods}http://localhost:{port}/{prefix}{slash}{route}")
}
