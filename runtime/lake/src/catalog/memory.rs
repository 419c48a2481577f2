use std::collections::{BTreeMap, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use super::pointer::{Pointers, Swap};
use crate::{CatalogError, TableIdent};

/// How a change sent to a [`MemoryCatalog`] goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MemoryFault {
    /// It fails before anything was sent.
    Fail,
    /// It is refused as if another change had been faster.
    Conflict,
    /// It is lost, and no answer comes.
    UnknownNotLanded,
    /// It lands, and no answer comes.
    UnknownLanded,
}

/// A catalog in memory, for simulated runs, whose changes can be made to go wrong.
#[derive(Debug, Default)]
pub struct MemoryCatalog {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    pointers: BTreeMap<TableIdent, String>,
    faults: VecDeque<Option<MemoryFault>>,
    reads_fail: bool,
}

impl MemoryCatalog {
    /// An empty catalog.
    pub fn new() -> Self {
        Self::default()
    }

    /// What the next changes of tables will meet, in turn; `None` goes well. Later ones go well.
    pub fn inject(&self, faults: impl IntoIterator<Item = Option<MemoryFault>>) {
        self.state().faults.extend(faults);
    }

    /// Forgets what no change has met yet.
    pub fn calm(&self) {
        self.state().faults.clear();
    }

    /// Whether looking at tables fails from now on.
    pub fn fail_reads(&self, fail: bool) {
        self.state().reads_fail = fail;
    }

    /// Points a table at another metadata file, as a program does that drops a table and makes it again.
    pub fn point(&self, ident: &TableIdent, location: &str) {
        self.state().pointers.insert(ident.clone(), location.to_owned());
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error() -> CatalogError {
        CatalogError::Unavailable {
            catalog: "memory".to_owned(),
            operation: "be reached",
            source: "the connection was lost".into(),
        }
    }

    /// Sets a pointer from `from`, meeting the next fault if there is one.
    fn change(&self, ident: &TableIdent, from: Option<&str>, to: &str) -> Result<Swap, CatalogError> {
        let mut state = self.state();
        let fault = state.faults.pop_front().flatten();
        match fault {
            Some(MemoryFault::Fail) => return Err(Self::error()),
            Some(MemoryFault::Conflict) => return Ok(Swap::Lost),
            Some(MemoryFault::UnknownNotLanded) => return Ok(Swap::Unknown(Self::error())),
            Some(MemoryFault::UnknownLanded) | None => {}
        }
        if state.pointers.get(ident).map(String::as_str) != from {
            return Ok(Swap::Lost);
        }
        state.pointers.insert(ident.clone(), to.to_owned());
        match fault {
            Some(_) => Ok(Swap::Unknown(Self::error())),
            None => Ok(Swap::Done),
        }
    }
}

#[async_trait]
impl Pointers for MemoryCatalog {
    fn name(&self) -> &str {
        "memory"
    }

    async fn get(&self, ident: &TableIdent) -> Result<Option<String>, CatalogError> {
        let state = self.state();
        if state.reads_fail { Err(Self::error()) } else { Ok(state.pointers.get(ident).cloned()) }
    }

    async fn insert(&self, ident: &TableIdent, location: &str) -> Result<Swap, CatalogError> {
        self.change(ident, None, location)
    }

    async fn swap(&self, ident: &TableIdent, from: &str, to: &str) -> Result<Swap, CatalogError> {
        self.change(ident, Some(from), to)
    }

    async fn tables(&self) -> Result<Vec<TableIdent>, CatalogError> {
        Ok(self.state().pointers.keys().cloned().collect())
    }
}
