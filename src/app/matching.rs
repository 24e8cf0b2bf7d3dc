//! Matches the registered handlers with the project's functions: each function one handler, of the right kind.

use crate::{Error, Result, handler::AnyHandler, host::Project};

/// The handlers in the order of the project's functions, each function with one of the right kind.
pub(super) fn in_order(
    mut handlers: Vec<(String, AnyHandler)>,
    project: &Project,
) -> Result<Vec<AnyHandler>> {
    let mut ordered = Vec::new();
    for function in &project.functions {
        let file = function.file_name();
        let Some(at) = handlers.iter().position(|(name, _)| *name == function.name) else {
            let near =
                crate::spelling::did_you_mean(&function.name, handlers.iter().map(|(name, _)| name.as_str()));
            return Err(Error::Startup(format!(
                "{file}: no handler is registered for the function `{name}`{near}; add \
                 `.http(\"{name}\", …)` or `.on(\"{name}\", …)` in src/main.rs, or delete the folder",
                name = function.name
            )));
        };
        let (name, handler) = handlers.remove(at);
        match (&handler, &function.http) {
            (AnyHandler::Http(_), None) => {
                return Err(Error::Startup(format!(
                    "{file}: the trigger of `{name}` is a {}, but its handler is registered with `.http`; use \
                     `.on(\"{name}\", …)` in src/main.rs",
                    function.trigger.kind
                )));
            }
            (AnyHandler::Trigger(_), Some(_)) => {
                return Err(Error::Startup(format!(
                    "{file}: the trigger of `{name}` is an httpTrigger, but its handler is registered with `.on`; use \
                     `.http(\"{name}\", …)` in src/main.rs"
                )));
            }
            _ => ordered.push(handler),
        }
    }
    // One whose function is switched off waits for it.
    handlers.retain(|(name, _)| !project.disabled.contains(name));
    match handlers.first() {
        Some((name, _)) if project.functions.iter().any(|function| function.name == *name) => {
            Err(Error::Startup(format!("the function `{name}` has two handlers; remove one in src/main.rs")))
        }
        Some((name, _)) => {
            let names = project.functions.iter().map(|function| function.name.as_str());
            let near = crate::spelling::did_you_mean(name, names);
            Err(Error::Startup(format!(
                "a handler is registered for `{name}`, but there is no enabled function in {name}/function.json{near}; \
                 add the file, or remove the handler in src/main.rs"
            )))
        }
        None => Ok(ordered),
    }
}
