//! An event's turn among those that are evaluated.

use tokio::sync::{RwLockReadGuard, RwLockWriteGuard, SemaphorePermit};

use crate::app::App;

/// A place among the events that are evaluated at once. What was tried before has its turn alone:
/// should it end the process, nothing else is suspected.
pub(crate) struct Turn<'a> {
    app: &'a App,
    is_suspect: bool,
    held: Option<Held<'a>>,
}

struct Held<'a> {
    _place: Option<SemaphorePermit<'a>>,
    _alone: Option<RwLockWriteGuard<'a, ()>>,
    _beside: Option<RwLockReadGuard<'a, ()>>,
}

impl<'a> Turn<'a> {
    /// Waits for it.
    pub(crate) async fn begin(app: &'a App, is_suspect: bool) -> Self {
        let mut turn = Self {
            app,
            is_suspect,
            held: None,
        };
        turn.resume().await;
        turn
    }

    /// Gives the place away while `wait` waits for something outside of this process, which cannot
    /// end it.
    pub(crate) async fn lend<T>(&mut self, wait: impl Future<Output = T>) -> T {
        self.held = None;
        let answer = wait.await;
        self.resume().await;
        answer
    }

    async fn resume(&mut self) {
        // The semaphore is never closed.
        let place = self.app.places.acquire().await.ok();
        let (alone, beside) = match self.is_suspect {
            true => (Some(self.app.suspicion.write().await), None),
            false => (None, Some(self.app.suspicion.read().await)),
        };
        self.held = Some(Held {
            _place: place,
            _alone: alone,
            _beside: beside,
        });
    }
}
