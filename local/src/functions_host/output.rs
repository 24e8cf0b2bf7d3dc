//! What the host prints, with the prefix and the colours of `func start`.

use std::{
    io::{IsTerminal, Write},
    sync::{Arc, Mutex, PoisonError},
};

use time::{OffsetDateTime, macros::format_description};

/// Where the host's lines and the handler's go.
#[derive(Debug, Clone, Default)]
pub enum Output {
    /// To stdout, in colours where that is a terminal.
    #[default]
    Console,
    /// To this list, a line each; for tests.
    Captured(Arc<Mutex<Vec<String>>>),
}

/// The level of a line in the host's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Level {
    Information,
    Warning,
    Error,
}

impl Level {
    /// The level that the host gives to a line on the handler's stderr.
    pub(super) fn of_stderr(line: &str) -> Self {
        if line.to_ascii_lowercase().contains("warn") { Level::Warning } else { Level::Error }
    }
}

impl Output {
    pub(super) fn line(&self, level: Level, text: &str) {
        let format =
            format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");
        let now = OffsetDateTime::now_utc().format(&format).unwrap_or_default();
        match self {
            Output::Console => {
                let mut stdout = std::io::stdout().lock();
                let line = if stdout.is_terminal() { coloured(level, text) } else { text.to_owned() };
                // Nobody reads any more; the functions are served all the same.
                let _ = writeln!(stdout, "[{now}] {line}");
            }
            Output::Captured(lines) => {
                lines.lock().unwrap_or_else(PoisonError::into_inner).push(format!("[{now}] {text}"));
            }
        }
    }
}

fn coloured(level: Level, text: &str) -> String {
    match level {
        Level::Information => text.to_owned(),
        Level::Warning => format!("\x1b[33m{text}\x1b[0m"),
        Level::Error => format!("\x1b[31m{text}\x1b[0m"),
    }
}

#[cfg(test)]
mod tests {
    use super::{Level, coloured};

    #[test]
    fn a_line_on_stderr_is_an_error_unless_it_says_warn() {
        assert_eq!(Level::of_stderr("WARNING: disk"), Level::Warning);
        assert_eq!(Level::of_stderr("panicked at"), Level::Error);
    }

    #[test]
    fn errors_are_red_and_warnings_yellow_and_the_rest_is_plain() {
        assert_eq!(coloured(Level::Error, "x"), "\x1b[31mx\x1b[0m");
        assert_eq!(coloured(Level::Warning, "x"), "\x1b[33mx\x1b[0m");
        assert_eq!(coloured(Level::Information, "x"), "x");
    }
}
