//! Waits for a person to save a file of a project.

use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use notify::{Event, EventKind, RecommendedWatcher, RecursiveMode, Watcher};
use thiserror::Error;

use crate::Project;

/// Saves come in bursts (an editor writes, renames, sets the time): the round begins once it has been quiet for so long.
const QUIET: Duration = Duration::from_millis(150);

/// Why a folder cannot be watched.
#[derive(Debug, Error)]
#[error("cannot watch {}: the system may have no watches left, or the folder is gone", path.display())]
pub struct WatchError {
    path: PathBuf,
    #[source]
    source: notify::Error,
}

/// A project that is watched.
#[derive(Debug)]
pub struct Watch {
    events: Receiver<PathBuf>,
    /// Ends the watching when it goes.
    _watcher: RecommendedWatcher,
}

impl Watch {
    /// Watches a project's folder and the files named beside it.
    pub fn start(project: &Project, files: &[&Path]) -> Result<Self, WatchError> {
        let failed = |path: &Path| {
            let path = path.to_owned();
            move |source| WatchError { path, source }
        };
        // What the system tells of are real paths.
        let real = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
        let project = Project { folder: real(&project.folder), ..project.clone() };
        let folder = project.folder.clone();
        let beside: Vec<PathBuf> = files.iter().map(|file| real(file)).collect();
        let watched = beside.clone();
        let (send, events) = channel();
        let mut watcher = notify::recommended_watcher(move |event: Result<Event, notify::Error>| {
            let Ok(event) = event else { return };
            if matches!(event.kind, EventKind::Access(_)) {
                return;
            }
            for path in event.paths {
                if project.concerns(&path) || watched.contains(&path) {
                    // Nobody waits any more once the receiver is gone.
                    let _ = send.send(path);
                }
            }
        })
        .map_err(failed(&folder))?;
        watcher.watch(&folder, RecursiveMode::Recursive).map_err(failed(&folder))?;
        for file in beside {
            // An editor that replaces the file would end the watching of it, not that of its folder.
            let parent = file.parent().unwrap_or(&file);
            watcher.watch(parent, RecursiveMode::NonRecursive).map_err(failed(parent))?;
        }
        Ok(Self { events, _watcher: watcher })
    }

    /// Waits at most so long for a change; returns the file that was changed first, once the changes have come to rest.
    pub fn wait(&self, most: Duration) -> Option<PathBuf> {
        let first = self.events.recv_timeout(most).ok()?;
        loop {
            match self.events.recv_timeout(QUIET) {
                Ok(_) => {}
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => return Some(first),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    /// Longer than any machine takes to tell of a change.
    const LONG: Duration = Duration::from_secs(30);

    #[test]
    fn a_saved_source_is_told_of_and_a_built_file_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::write(at("plugin.toml"), "name = \"a\"\nlanguage = \"c\"\n").unwrap();
        fs::create_dir(at("build")).unwrap();
        let beside = tempfile::tempdir().unwrap();
        let rows = beside.path().join("rows.csv");
        fs::write(&rows, "id\n").unwrap();
        let watch = Watch::start(&Project::open(folder.path()).unwrap(), &[&rows]).unwrap();
        fs::write(at("build/a.wasm"), "x").unwrap();
        fs::write(beside.path().join("other.csv"), "id\n").unwrap();
        fs::write(at("a.c"), "int a;").unwrap();
        assert_eq!(watch.wait(LONG).unwrap().file_name().unwrap(), "a.c");
        fs::write(&rows, "id\n1\n").unwrap();
        assert_eq!(watch.wait(LONG).unwrap().file_name().unwrap(), "rows.csv");
        assert_eq!(watch.wait(Duration::ZERO), None);
    }
}
