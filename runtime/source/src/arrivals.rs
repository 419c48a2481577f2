use std::sync::Arc;

use tokio::sync::Notify;

/// Word that new data of a table may be there. It only makes looking prompt: what is there is told by looking.
#[derive(Debug, Clone, Default)]
pub struct Arrivals(Option<Arc<Notify>>);

impl Arrivals {
    /// No word ever comes; looking now and then has to do.
    pub fn never() -> Self {
        Self(None)
    }

    /// Word comes when `notify` is notified; one that came while nobody waited is kept.
    pub fn of(notify: Arc<Notify>) -> Self {
        Self(Some(notify))
    }

    /// Waits for word.
    pub async fn next(&self) {
        match &self.0 {
            Some(notify) => notify.notified().await,
            None => std::future::pending().await,
        }
    }
}
