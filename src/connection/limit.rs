//! The limit on the sessions of a process: a place for each, given in order, held for as long as its socket is open.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// One session's place under the limit; free again when its last clone is dropped.
pub(super) type Place = Arc<OwnedSemaphorePermit>;

/// The places of one connector.
#[derive(Debug)]
pub(super) struct SessionLimit(Arc<Semaphore>);

impl SessionLimit {
    pub(super) fn new(most: usize) -> Self {
        SessionLimit(Arc::new(Semaphore::new(most.min(Semaphore::MAX_PERMITS))))
    }

    /// Waits for a place; whoever came first gets the first one that is free.
    pub(super) async fn place(&self) -> Place {
        match self.0.clone().acquire_owned().await {
            Ok(place) => Arc::new(place),
            // Nobody closes the semaphore. Were it so, there would be no place ever.
            Err(_) => std::future::pending().await,
        }
    }

    /// A place for a connection that nobody waits for yet, if another one stays free for whoever comes next.
    pub(super) fn spare_place(&self) -> Option<Place> {
        if self.0.available_permits() < 2 {
            return None;
        }
        self.0.clone().try_acquire_owned().ok().map(Arc::new)
    }
}
