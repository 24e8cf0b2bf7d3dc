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

/// Starts logging, once for the process; a subscriber that the application has installed stays.
///
/// `filter` is the setting `SQLSCOPE_LOG`: a level, or `target=level` pairs with commas (default `info`). The
/// driver stays silent whatever the filter says: its lines hold SQL Server's messages and rows.
///
/// # Errors
/// A text that says what is wrong with the filter.
pub(crate) fn init(filter: Option<&str>) -> Result<(), String> {
    let filter = filter.unwrap_or("info");
    let targets: Targets = filter.parse().map_err(|error| {
        format!("SQLSCOPE_LOG is `{filter}`: a level (error, warn, info, debug, trace) or target=level is expected ({error})")
    })?;
    let capped =
        ["azure_core", "azure_identity", "hyper", "hyper_util", "reqwest", "rustls", "typespec_client_core"];
    let targets = targets
        .with_targets(capped.map(|target| (target, LevelFilter::ERROR)))
        .with_target("tiberius", LevelFilter::OFF);
    let layer = tracing_subscriber::fmt::layer().event_format(Line).with_writer(Streams);
    // An error means that there is a subscriber already.
    let _ = tracing_subscriber::registry().with(targets).with(layer).try_init();
    Ok(())
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
