//! The handler's environment: inherited, local.settings.json, the caller's overrides, the host's own variables.

use std::{collections::BTreeMap, env, ffi::OsString, io, path::Path};

use serde_json::Value;
use tokio::process::Command;

use super::HostError;

/// Every variable that the handler starts with; the same ones decide how the project is read.
#[derive(Debug, Clone)]
pub(super) struct Environment {
    variables: BTreeMap<String, String>,
    /// Names that this process has and the handler does not get.
    removed: Vec<OsString>,
}

impl Environment {
    /// This process's variables, then those of local.settings.json that are not set yet (Core Tools' order),
    /// without those of `removed`; then `overrides`, which win.
    pub(super) fn of(
        root: &Path,
        overrides: &[(String, String)],
        removed: &[String],
    ) -> Result<Self, HostError> {
        let is_removed = |name: &str| {
            removed.iter().any(|removed| match removed.strip_suffix('*') {
                Some(start) => name.starts_with(start),
                None => name == removed,
            })
        };
        // A variable that is not Unicode is inherited by the child all the same; only %X% cannot see it.
        let inherited = env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)));
        let mut variables: BTreeMap<_, _> = inherited.collect();
        for (name, value) in local_settings(root)? {
            if env::var_os(&name).is_none() {
                variables.insert(name, value);
            }
        }
        variables.retain(|name, _| !is_removed(name));
        variables.extend(overrides.iter().cloned());
        let inherited = env::vars_os().map(|(name, _)| name);
        let removed = inherited.filter(|name| is_removed(&name.to_string_lossy())).collect();
        Ok(Environment { variables, removed })
    }

    /// Sets up what a command inherits.
    pub(super) fn give(&self, command: &mut Command) {
        for name in &self.removed {
            command.env_remove(name);
        }
        command.envs(&self.variables);
    }

    /// Adds what the host tells the handler: the port to listen on, and where the app is.
    pub(super) fn host_variables(&mut self, port: u16, root: &Path, worker_id: &str) {
        let root = root.to_string_lossy();
        let port = port.to_string();
        for (name, value) in [
            ("FUNCTIONS_CUSTOMHANDLER_PORT", port.as_str()),
            ("FUNCTIONS_CUSTOMHANDLER_WORKER_ID", worker_id),
            ("FUNCTIONS_APP_ROOT_PATH", &root),
            ("FUNCTIONS_HTTPWORKER_PORT", &port),
            ("FUNCTIONS_HTTPWORKER_ID", worker_id),
        ] {
            self.variables.insert(name.to_owned(), value.to_owned());
        }
    }

    pub(super) fn get(&self, name: &str) -> Option<String> {
        self.variables.get(name).cloned()
    }
}

/// `Values` of local.settings.json; none where there is no such file.
fn local_settings(root: &Path) -> Result<Vec<(String, String)>, HostError> {
    let path = root.join("local.settings.json");
    let wrong = |problem: String| HostError::LocalSettings { path: path.clone(), problem };
    let text = match std::fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(wrong(error.to_string())),
    };
    let settings: Value = serde_json::from_str(text.trim_start_matches('\u{feff}'))
        .map_err(|error| wrong(format!("is not JSON: {error}")))?;
    if settings.get("IsEncrypted") == Some(&Value::Bool(true)) {
        return Err(wrong("is encrypted; run `func settings decrypt`".to_owned()));
    }
    let Some(values) = settings.get("Values") else { return Ok(Vec::new()) };
    let Some(values) = values.as_object() else {
        return Err(wrong("has `Values` that is not an object of strings".to_owned()));
    };
    let text = |(name, value): (&String, &Value)| match value {
        Value::String(value) => Ok((name.clone(), value.clone())),
        Value::Bool(value) => Ok((name.clone(), value.to_string())),
        Value::Number(value) => Ok((name.clone(), value.to_string())),
        _ => Err(wrong(format!("has a value of `Values.{name}` that is not a string; write a string"))),
    };
    values.iter().map(text).collect()
}
