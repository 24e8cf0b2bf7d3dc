//! What is logged on this thread, which is all of it where the runtime has no other.

use std::{
    io,
    sync::{Arc, Mutex},
};

use super::eventually;

/// Collects the lines until it is dropped.
pub struct Log(Lines, #[expect(dead_code, reason = "ends with the log")] tracing::subscriber::DefaultGuard);

#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl io::Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Log {
    pub fn new() -> Log {
        let lines = Lines::default();
        let writer = lines.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::DEBUG)
            .with_writer(move || writer.clone())
            .finish();
        Log(lines, tracing::subscriber::set_default(subscriber))
    }

    pub fn text(&self) -> String {
        String::from_utf8(self.0.0.lock().unwrap().clone()).unwrap()
    }

    /// Waits until this was said so many times.
    pub async fn says(&self, text: &str, times: usize) {
        eventually(|| self.text().matches(text).count() >= times).await;
    }
}
