//! What can be wrong with a Functions project; every message names the file, the field and the fix.

use std::{io, path::PathBuf};

use crate::host::route::RouteError;

/// A Functions project that cannot be served as it stands.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ProjectError {
    /// The folder is no Functions project.
    #[error(
        "there is no host.json in {}; start the handler in the folder that holds it, or set FUNCTIONS_APP_ROOT_PATH to that folder",
        directory.display()
    )]
    NoHostJson {
        /// The folder that was looked in.
        directory: PathBuf,
    },
    /// A file is there and cannot be read.
    #[error("{} cannot be read ({source}); check that it is a UTF-8 text file with read permission", path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// A file is no JSON.
    #[error("{file}: line {line}, column {column}: {reason}; correct the JSON there")]
    Json {
        /// The file, from the project's folder.
        file: String,
        /// The line, from 1.
        line: usize,
        /// The column, from 1.
        column: usize,
        /// What the parser says.
        reason: String,
    },
    /// A field says something that is not possible.
    #[error("{place}: {problem}")]
    Field {
        /// The file and the field, or the environment variable that overrides it.
        place: String,
        /// What is wrong, what was expected, what to write.
        problem: String,
    },
    /// A route cannot be read.
    #[error("{file}: {source}")]
    Route {
        /// The file, from the project's folder.
        file: String,
        /// What is wrong with the route.
        source: RouteError,
    },
    /// Two routes are one to the host.
    #[error(
        "{first} and {second}: the routes `{first_route}` and `{second_route}` are the same to the Functions host, \
         and share a method; change a literal or a constraint in one of them, or divide their methods"
    )]
    SameRoute {
        /// One file.
        first: String,
        /// Its route.
        first_route: String,
        /// The other file.
        second: String,
        /// Its route.
        second_route: String,
    },
    /// A caller from outside could invoke a function that is not meant for callers.
    #[error(
        "{file}: route `{route}` (routePrefix `{prefix}`) matches `{path}`, by which the host invokes {target}: a caller \
         from outside could invoke it too; set extensions.http.routePrefix in host.json (its default is `api`), or \
         begin the route with a literal"
    )]
    RouteReachesFunction {
        /// The file with the route.
        file: String,
        /// The route.
        route: String,
        /// The project's route prefix.
        prefix: String,
        /// The file of the function that could be reached.
        target: String,
        /// The path that reaches it.
        path: String,
    },
}
