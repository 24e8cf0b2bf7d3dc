//! What a Functions project says: `host.json`, each `<Function>/function.json`, and the settings that override them.

mod error;
mod function_json;
mod host_json;
mod json;

use std::{
    fs, io,
    path::{Path, PathBuf},
    time::Duration,
};

pub use error::ProjectError;
use host_json::HostJson;
use http::Method;

use super::route::RouteTemplate;

/// A Functions project, read from its folder.
#[derive(Debug, Clone)]
pub struct Project {
    /// The folder that holds `host.json`.
    pub root: PathBuf,
    /// `extensions.http.routePrefix`, without slashes around it; may be empty.
    pub route_prefix: String,
    /// `customHandler.enableForwardingHttpRequest`.
    pub forwarding: bool,
    /// `customHandler.enableProxyingHttpRequest`.
    pub proxying: bool,
    /// How the host starts the handler.
    pub handler: HandlerDescription,
    /// `functionTimeout`; `None` where it is unset (the host's plan decides) or unbounded.
    pub function_timeout: Option<Duration>,
    /// The functions that are not disabled, sorted by name.
    pub functions: Vec<Function>,
    /// The names of those that are, sorted: the host calls none of them.
    pub disabled: Vec<String>,
}

/// How the host starts the handler: `customHandler` of `host.json`, with `%X%` as it stands there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HandlerDescription {
    /// `description.defaultExecutablePath`.
    pub executable: String,
    /// `description.workingDirectory`; empty means the project's folder.
    pub working_directory: String,
    /// `description.arguments`.
    pub arguments: Vec<String>,
    /// `port`; unset means a free one.
    pub port: Option<u16>,
    /// `initializationTimeout`: how long the host waits for the handler's first answer.
    pub initialization_timeout: Duration,
}

/// One function of a project.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its name, which is its folder's.
    pub name: String,
    /// Its `function.json`.
    pub file: PathBuf,
    /// The one binding that starts it.
    pub trigger: Binding,
    /// All bindings in the file's order, the trigger among them.
    pub bindings: Vec<Binding>,
    /// What its trigger says, if that is an `httpTrigger`.
    pub http: Option<HttpTrigger>,
    /// How its invocations come to the handler.
    pub mode: Mode,
}

/// A binding of a function.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Binding {
    /// Its name; `$return` is possible for an output.
    pub name: String,
    /// Its `type`.
    pub kind: String,
    /// Which way its data goes.
    pub direction: Direction,
    /// `dataType`, if it has one.
    pub data_type: Option<String>,
}

/// Which way a binding's data goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// Into the function.
    In,
    /// Out of the function.
    Out,
    /// Both ways.
    InOut,
}

/// What an `httpTrigger` says.
#[derive(Debug, Clone)]
pub struct HttpTrigger {
    /// The methods that the function takes; empty means every method.
    pub methods: Vec<Method>,
    /// The route, without the prefix.
    pub route: RouteTemplate,
    /// `authLevel` in lower case: `anonymous`, `function` or `admin`.
    pub auth_level: String,
    /// The name of the `http` output; `$return` is possible. A project that was read always has one.
    pub output: Option<String>,
}

/// How a function's invocations come to the handler.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// `POST /{FunctionName}` with `Data` and `Metadata`.
    Payload,
    /// The caller's request, rebuilt by the host.
    Forwarded,
    /// The caller's request, streamed through by the host.
    Proxied,
}

impl Project {
    /// Reads the project in `root`; `environment` gives the app settings.
    ///
    /// # Errors
    /// [`ProjectError`] names the file, the field, and what to write.
    pub fn read(root: &Path, environment: &dyn Fn(&str) -> Option<String>) -> Result<Project, ProjectError> {
        let host_path = root.join("host.json");
        let text = fs::read_to_string(&host_path).map_err(|source| match source.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => {
                ProjectError::NoHostJson { directory: root.to_owned() }
            }
            _ => ProjectError::Unreadable { path: host_path, source },
        })?;
        let host = HostJson::parse(&text, environment)?;

        let mut project = Project {
            root: root.to_owned(),
            route_prefix: host.route_prefix()?,
            forwarding: host.flag(&["customHandler", "enableForwardingHttpRequest"])?,
            proxying: host.flag(&["customHandler", "enableProxyingHttpRequest"])?,
            handler: host.handler()?,
            function_timeout: host.function_timeout()?,
            functions: Vec::new(),
            disabled: Vec::new(),
        };
        for name in function_folders(root)? {
            project.check_name(&name)?;
            match project.read_function(&name, environment)? {
                Some(function) => project.functions.push(function),
                None => project.disabled.push(name),
            }
        }
        Ok(project)
    }

    fn check_name(&self, name: &str) -> Result<(), ProjectError> {
        let problem =
            |problem: String| ProjectError::Field { place: format!("{name}/function.json"), problem };
        let good = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '-';
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) || !name.chars().all(good) || name.len() > 128
        {
            return Err(problem(format!(
                "the folder `{name}` is no function name; start with a letter, go on with letters, digits, `-` and `_`"
            )));
        }
        match self.functions.iter().find(|other| other.name.eq_ignore_ascii_case(name)) {
            Some(other) => Err(problem(format!(
                "the name differs from {} in case only, which the host takes for one name; rename a folder",
                other.file_name()
            ))),
            None => Ok(()),
        }
    }

    /// Reads one function; `None` where it is disabled.
    fn read_function(
        &self,
        name: &str,
        environment: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Option<Function>, ProjectError> {
        let path = self.root.join(name).join("function.json");
        let text = fs::read_to_string(&path)
            .map_err(|source| ProjectError::Unreadable { path: path.clone(), source })?;
        let Some(mut function) = function_json::parse(name.to_owned(), path, &text, environment)? else {
            return Ok(None);
        };
        if let Some(http) = &function.http {
            let route = http.route.as_str();
            if route.starts_with('/') && !self.route_prefix.is_empty() {
                return Err(ProjectError::Field {
                    place: format!("{}: route", function.file_name()),
                    problem: format!(
                        "the host puts `{}/` before `{route}`, which makes two slashes in a row; write `{}`",
                        self.route_prefix,
                        route.trim_start_matches('/')
                    ),
                });
            }
        }
        function.mode = self.mode(&function);
        Ok(Some(function))
    }

    /// Only one `httpTrigger` in and one `http` out may be forwarded or proxied; proxying goes first
    /// (reference: functions-host.md, section `customHandler`).
    fn mode(&self, function: &Function) -> Mode {
        let http_out = |binding: &Binding| {
            binding.kind.eq_ignore_ascii_case("http") && binding.direction == Direction::Out
        };
        let plain = function.http.is_some()
            && function.bindings.len() == 2
            && function.bindings.iter().filter(|binding| http_out(binding)).count() == 1;
        match (plain, self.proxying, self.forwarding) {
            (true, true, _) => Mode::Proxied,
            (true, false, true) => Mode::Forwarded,
            _ => Mode::Payload,
        }
    }
}

impl Function {
    /// `<Function>/function.json`, as errors name it.
    pub fn file_name(&self) -> String {
        format!("{}/function.json", self.name)
    }
}

/// The names of the folders with a `function.json`, sorted.
fn function_folders(root: &Path) -> Result<Vec<String>, ProjectError> {
    let unreadable = |source| ProjectError::Unreadable { path: root.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(root).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        if !path.join("function.json").is_file() {
            continue;
        }
        if let Some(name) = path.file_name() {
            names.push(name.to_string_lossy().into_owned());
        }
    }
    names.sort();
    Ok(names)
}

#[cfg(test)]
pub(crate) mod tests;
