//! SIGTERM and Ctrl-C, from a person, a container or the local host; the Functions host sends neither: it kills.

use crate::{Error, Result};

/// Listens from when it is made: no signal after that is lost, and none ends the process by itself.
pub(super) struct Signals {
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(windows)]
    interrupt: tokio::signal::windows::CtrlC,
}

impl Signals {
    #[cfg(unix)]
    pub(super) fn listen() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let terminate = signal(SignalKind::terminate()).map_err(Error::other)?;
        let interrupt = signal(SignalKind::interrupt()).map_err(Error::other)?;
        Ok(Signals { terminate, interrupt })
    }

    #[cfg(windows)]
    pub(super) fn listen() -> Result<Self> {
        Ok(Signals { interrupt: tokio::signal::windows::ctrl_c().map_err(Error::other)? })
    }

    /// Waits for the next signal.
    pub(super) async fn next(&mut self) {
        #[cfg(unix)]
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
        #[cfg(windows)]
        self.interrupt.recv().await;
    }
}
