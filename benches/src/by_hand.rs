//! Connections opened one after another for the cost of one, and many at once for their memory: the same code for
//! sqlscope's sessions and for bare tiberius.

use std::{
    error::Error,
    time::{Duration, Instant},
};

use futures_util::{StreamExt, TryStreamExt, stream};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

pub(crate) type Outcome<T> = Result<T, Box<dyn Error + Send + Sync>>;

/// Opens these many, each after the one before it is closed; prints what each took, as a line of JSON.
pub(crate) async fn opens<C>(
    count: &str,
    open: impl AsyncFn() -> Outcome<C>,
    close: impl AsyncFn(C),
) -> Outcome<()> {
    let count: usize = count.parse()?;
    // What is only once: the token, the first use of TLS.
    close(open().await?).await;
    let (mut wall, mut used) = (Vec::new(), Vec::new());
    let before = cpu();
    for _ in 0..count {
        let (started, cpu_before) = (Instant::now(), cpu());
        let connection = open().await?;
        wall.push(started.elapsed().as_secs_f64());
        used.push((cpu() - cpu_before).as_secs_f64());
        close(connection).await;
    }
    let with_close = (cpu() - before).as_secs_f64() / count as f64;
    println!("{}", json!({ "wall": wall, "cpu": used, "cpu_with_close": with_close }));
    Ok(())
}

/// Has as many open as each count says, one count after another; prints a line of JSON for each.
pub(crate) async fn holds<C>(
    counts: &[&str],
    open: impl AsyncFn() -> Outcome<C>,
    close: impl AsyncFn(C),
) -> Outcome<()> {
    let mut held: Vec<C> = Vec::new();
    for count in counts {
        let count: usize = count.parse()?;
        let closing = stream::iter(held.split_off(count.min(held.len())));
        closing.for_each_concurrent(8, |connection| close(connection)).await;
        let more = count - held.len();
        let started = Instant::now();
        let opened: Vec<C> = stream::iter(0..more).map(|_| open()).buffer_unordered(8).try_collect().await?;
        held.extend(opened);
        let each = started.elapsed().as_secs_f64() / more.max(1) as f64;
        println!("{}", json!({ "open": count, "seconds_each": each, "resident": resident() }));
    }
    Ok(())
}

/// The processor time of this process so far.
fn cpu() -> Duration {
    let time = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(time.tv_sec as u64, time.tv_nsec as u32)
}

/// The resident memory of this process in bytes, where the system tells.
fn resident() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim().strip_suffix(" kB")?.trim().parse::<u64>().ok().map(|kib| kib * 1024)
}
