//! Builds the handler with cargo, and runs its `migrate`.

use std::{
    ffi::OsString,
    path::{Path, PathBuf},
    process::Stdio,
};

use serde_json::Value;
use sqlscope_local::functions_host::{self, HostOptions};
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Command,
};

use super::Result;

/// Builds the binary `handler` of the workspace in `root`, and says where cargo put it.
pub(super) async fn build(root: &Path, release: bool) -> Result<PathBuf> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| OsString::from("cargo"));
    let failed = |problem: String| format!("the handler was not built: {problem}");
    let mut command = Command::new(&cargo);
    command
        .current_dir(root)
        // Both packages, though one of them has the binary: so cargo unifies features as it did for this
        // program, and builds nothing twice.
        .args(["build", "--package", "sqlscope", "--package", "sqlscope-local", "--bin", "handler"])
        .arg("--message-format=json-render-diagnostics")
        .args(release.then_some("--release"))
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .kill_on_drop(true);
    // `cargo run` sets these for this program. Some build scripts (ring's) watch them, and would run again, in
    // this build and then in the next `cargo run`.
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("CARGO_PKG_") || text.starts_with("CARGO_MANIFEST_") {
            command.env_remove(&name);
        }
    }
    let mut child = command
        .spawn()
        .map_err(|error| failed(format!("{} could not be run: {error}", cargo.to_string_lossy())))?;
    let mut built = None;
    if let Some(stdout) = child.stdout.take() {
        let mut messages = BufReader::new(stdout).lines();
        while let Ok(Some(message)) = messages.next_line().await {
            built = executable(&message).or(built);
        }
    }
    let status = child.wait().await.map_err(|error| failed(error.to_string()))?;
    if !status.success() {
        return Err(failed(format!("cargo ended with {status}; its messages are above")));
    }
    built.ok_or_else(|| failed("cargo named no executable of the binary `handler`".to_owned()))
}

/// The path in cargo's message about the handler's executable; none in any other message.
fn executable(message: &str) -> Option<PathBuf> {
    let message: Value = serde_json::from_str(message).ok()?;
    let target = &message["target"];
    let is_handler = message["reason"] == "compiler-artifact"
        && target["name"] == "handler"
        && target["kind"].as_array()?.iter().any(|kind| kind == "bin");
    is_handler.then(|| message["executable"].as_str().map(PathBuf::from))?
}

/// Runs `handler migrate` with the variables that the handler will have.
pub(super) async fn migrate(handler: &Path, host: &HostOptions) -> Result<()> {
    let status = functions_host::handler_command(host, handler)
        .map_err(|error| error.to_string())?
        .arg("migrate")
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .status()
        .await
        .map_err(|error| format!("{} could not be run: {error}", handler.display()))?;
    if status.success() {
        Ok(())
    } else {
        Err(format!("`{} migrate` ended with {status}; its messages are above", handler.display()))
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::executable;

    #[test]
    fn the_executable_is_the_one_of_the_binary_named_handler() {
        let message = |reason: &str, kind: &str, name: &str| {
            format!(
                r#"{{"reason":"{reason}","target":{{"kind":["{kind}"],"name":"{name}"}},"executable":"/t/{name}"}}"#
            )
        };
        let handler = message("compiler-artifact", "bin", "handler");
        assert_eq!(executable(&handler), Some(PathBuf::from("/t/handler")));
        for other in [
            message("compiler-artifact", "bin", "other"),
            message("compiler-artifact", "test", "handler"),
            message("build-finished", "bin", "handler"),
            "no JSON".to_owned(),
        ] {
            assert_eq!(executable(&other), None, "{other}");
        }
    }
}
