//! Word of new objects: who is to look, and how far back.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

/// Of each of a table's folders, by number, the location that sorts first of those that were named.
pub(super) type Named = BTreeMap<usize, String>;

/// Word for one table since it looked last.
#[derive(Debug, Default)]
pub(super) struct Word {
    /// Notified with every word.
    pub arrived: Arc<Notify>,
    named: Mutex<Named>,
}

impl Word {
    /// Takes word of an object in a folder of the table; `None` where it is in none of them.
    pub fn take_in(&self, folder: Option<usize>, location: &str) {
        if let Some(folder) = folder {
            let named = BTreeMap::from([(folder, location.to_owned())]);
            join(&mut self.named.lock().unwrap_or_else(PoisonError::into_inner), named);
        }
        self.arrived.notify_one();
    }

    /// What was named since this was asked last.
    pub fn take(&self) -> Named {
        std::mem::take(&mut *self.named.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Adds what was named now to what was named before.
pub(super) fn join(named: &mut Named, more: Named) {
    for (folder, location) in more {
        match named.get_mut(&folder) {
            Some(first) if *first <= location => {}
            Some(first) => *first = location,
            None => drop(named.insert(folder, location)),
        }
    }
}
