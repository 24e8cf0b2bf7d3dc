//! The connections that are ready: whoever waits for one gets the next that comes.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use tokio::{sync::Semaphore, time::Instant};

use super::connector::Connection;

/// Connections that nobody uses at the moment, the one that has waited longest in front.
pub(super) struct Idle {
    queue: Mutex<Queue>,
    /// One permit for each connection in the queue that is not promised to somebody.
    ready: Semaphore,
}

#[derive(Default)]
struct Queue {
    connections: VecDeque<Waiting>,
    closed: bool,
}

struct Waiting {
    connection: Connection,
    /// Kept no longer than this.
    until: Instant,
}

impl Idle {
    pub(super) fn new() -> Self {
        Idle { queue: Mutex::default(), ready: Semaphore::new(0) }
    }

    fn queue(&self) -> MutexGuard<'_, Queue> {
        // Every change under the lock is one call: a poisoned lock still guards a sound queue.
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// How many are ready.
    pub(super) fn len(&self) -> usize {
        self.queue().connections.len()
    }

    /// Keeps a connection until then, or gives it back once the store is closed.
    pub(super) fn put(&self, connection: Connection, until: Instant) -> Result<(), Connection> {
        let mut queue = self.queue();
        if queue.closed {
            return Err(connection);
        }
        queue.connections.push_back(Waiting { connection, until });
        drop(queue);
        self.ready.add_permits(1);
        Ok(())
    }

    /// The one that came last: what is not needed grows old in front.
    pub(super) fn try_take(&self) -> Option<Connection> {
        self.ready.try_acquire().ok()?.forget();
        self.take_promised()
    }

    /// As [`try_take`](Self::try_take); waits for one, in order.
    pub(super) async fn take(&self) -> Connection {
        loop {
            match self.ready.acquire().await {
                Ok(promise) => promise.forget(),
                // Nobody closes the semaphore. Were it so, none would come ever.
                Err(_) => std::future::pending().await,
            }
            if let Some(connection) = self.take_promised() {
                return connection;
            }
        }
    }

    fn take_promised(&self) -> Option<Connection> {
        self.queue().connections.pop_back().map(|waiting| waiting.connection)
    }

    /// Drops what has waited too long or is no longer connected, and says when to look again.
    pub(super) fn prune(&self, now: Instant) -> Option<Instant> {
        let mut queue = self.queue();
        let (keep, drop) = std::mem::take(&mut queue.connections)
            .into_iter()
            .partition::<VecDeque<_>, _>(|waiting| waiting.until > now && waiting.connection.line.is_idle());
        queue.connections = keep;
        self.ready.forget_permits(drop.len());
        queue.connections.iter().map(|waiting| waiting.until).min()
    }

    /// Takes all of them.
    pub(super) fn drain(&self) -> Vec<Connection> {
        let mut queue = self.queue();
        self.ready.forget_permits(queue.connections.len());
        queue.connections.drain(..).map(|waiting| waiting.connection).collect()
    }

    /// Takes all of them, and keeps none any more.
    pub(super) fn close(&self) -> Vec<Connection> {
        self.queue().closed = true;
        self.drain()
    }
}
