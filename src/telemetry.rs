//! Logs for this host: one line an event, WARN and above to stderr, the invocation on every line, nothing secret.

use std::{
    fmt::{self, Write as _},
    io,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::{Event, Level, Metadata, Subscriber, level_filters::LevelFilter};
use tracing_subscriber::{
    filter::Targets,
    fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter, format::Writer},
    layer::SubscriberExt,
    registry::LookupSpan,
    util::SubscriberInitExt,
};

tokio::task_local! {
    static INVOCATION: Arc<Invocation>;
}

/// The invocation that a log line belongs to.
#[derive(Debug)]
pub(crate) struct Invocation {
    id: String,
    function: String,
    /// The lines for the `Logs` of a payload answer, where the host correlates them with the invocation.
    lines: Mutex<Vec<String>>,
}

impl Invocation {
    pub(crate) fn new(id: &str, function: &str) -> Arc<Self> {
        Arc::new(Invocation { id: id.to_owned(), function: function.to_owned(), lines: Mutex::default() })
    }

    /// Runs `work` as this invocation: every line that it logs carries the id and the function.
    pub(crate) async fn scope<T>(self: &Arc<Self>, work: impl Future<Output = T>) -> T {
        INVOCATION.scope(self.clone(), work).await
    }

    /// The lines logged so far.
    pub(crate) fn take_lines(&self) -> Vec<String> {
        std::mem::take(&mut *self.lines.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Libraries that log more than their failures at no level.
const CAPPED: [&str; 7] =
    ["azure_core", "azure_identity", "hyper", "hyper_util", "reqwest", "rustls", "typespec_client_core"];
/// The driver, whose lines hold SQL Server's messages, and rows.
const SILENT: &str = "tiberius";

/// Starts logging, once for the process; a subscriber that the application has installed stays.
///
/// `filter` is the setting `SQLSCOPE_LOG`: a level, or `target=level` pairs with commas (default `info`). The
/// driver stays silent whatever the filter says.
///
/// # Errors
/// A text that says what is wrong with the filter.
pub(crate) fn init(filter: Option<&str>) -> Result<(), String> {
    let targets = targets(filter.unwrap_or("info"))?;
    let layer = tracing_subscriber::fmt::layer().event_format(Line).with_writer(Streams);
    // An error means that there is a subscriber already.
    let _ = tracing_subscriber::registry().with(targets).with(layer).try_init();
    Ok(())
}

fn targets(filter: &str) -> Result<Targets, String> {
    let wrong = |part: &str| {
        format!(
            "SQLSCOPE_LOG is `{filter}`: `{part}` is neither a level (error, warn, info, debug, trace, off) nor \
             target=level"
        )
    };
    for part in filter.split(',') {
        // A word that is no level would be a target at its most talkative, and all else silent.
        if !part.contains('=') && part.trim().parse::<LevelFilter>().is_err() {
            return Err(wrong(part));
        }
    }
    let asked: Targets = filter.parse().map_err(|_| wrong(filter))?;
    let capped = CAPPED.iter().copied().chain([SILENT]);
    let is_capped = |target: &str| {
        capped.clone().any(|capped| target == capped || target.starts_with(&format!("{capped}::")))
    };
    let targets = Targets::new().with_default(asked.default_level().unwrap_or(LevelFilter::OFF));
    // The more specific directive wins: one for a part of the driver would beat the cap.
    let targets = targets.with_targets(asked.into_iter().filter(|(target, _)| !is_capped(target)));
    let targets = targets.with_targets(CAPPED.map(|target| (target, LevelFilter::ERROR)));
    Ok(targets.with_target(SILENT, LevelFilter::OFF))
}

/// stderr for WARN and ERROR, which the host takes as such; stdout for the rest.
struct Streams;

impl<'a> MakeWriter<'a> for Streams {
    type Writer = Box<dyn io::Write>;

    fn make_writer(&'a self) -> Self::Writer {
        Box::new(io::stdout())
    }

    fn make_writer_for(&'a self, metadata: &Metadata<'_>) -> Self::Writer {
        match *metadata.level() {
            Level::WARN | Level::ERROR => Box::new(io::stderr()),
            _ => Box::new(io::stdout()),
        }
    }
}

/// One event in one line: `warn: text key=value invocation=… function=…`.
///
/// The host takes a line of stderr as an error unless it contains `warn`, and stamps the time itself.
struct Line;

impl<S, N> FormatEvent<S, N> for Line
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let mut line = event.metadata().level().as_str().to_ascii_lowercase();
        line.push_str(": ");
        context.field_format().format_fields(Writer::new(&mut line), event)?;
        let mut line: String = line.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        let _ = INVOCATION.try_with(|invocation| {
            let mut lines = invocation.lines.lock().unwrap_or_else(PoisonError::into_inner);
            lines.push(line.clone());
            write!(line, " invocation={} function={}", invocation.id, invocation.function)
        });
        writeln!(writer, "{line}")
    }
}

/// Logs a panic as one line, under its invocation, instead of the standard hook's several.
pub(crate) fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let location = panic.location().map(ToString::to_string).unwrap_or_default();
        let text = crate::error::panic_text(panic.payload());
        tracing::error!(%location, "panic: {text}");
    }));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_filter_makes_the_driver_talk() {
        for filter in
            ["trace", "tiberius=trace", "info,tiberius::tds=trace", "tiberius::client::connection=debug"]
        {
            let targets = targets(filter).unwrap();
            for target in ["tiberius", "tiberius::tds::stream", "tiberius::client::connection"] {
                assert!(!targets.would_enable(target, &Level::ERROR), "{filter}: {target}");
            }
        }
    }

    #[test]
    fn a_word_that_is_no_level_is_an_error_that_names_it() {
        for filter in ["inof", "loud", "info,verbose", "sqlscope=loud"] {
            assert!(targets(filter).unwrap_err().contains("neither a level"), "{filter}");
        }
        assert!(targets("warn,sqlscope=debug").unwrap().would_enable("sqlscope::app", &Level::DEBUG));
    }
}
