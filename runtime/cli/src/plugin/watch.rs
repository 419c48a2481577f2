//! Rounds that begin again whenever a file of a project is saved.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use sluice_pipeline::explain;
use sluice_plugin::{Project, Watch};
use tokio::signal::ctrl_c;
use tokio::sync::mpsc::unbounded_channel;
use tokio::task::spawn_blocking;

use super::error::PluginError;
use crate::exit::Exit;
use crate::terminal::Terminal;

/// How soon the thread that waits for files sees that nobody waits for it.
const LOOK_UP: Duration = Duration::from_millis(300);

/// What is done each time; the text is what a person is shown.
pub(super) type Round = Arc<dyn Fn() -> Result<String, PluginError> + Send + Sync>;

/// Does a round now and after every save, until Ctrl-C. What fails is shown, and the next save tries again.
pub(super) async fn rounds(
    project: &Project,
    beside: Option<PathBuf>,
    round: Round,
    terminal: &Terminal,
) -> Result<Exit, PluginError> {
    let files: Vec<&Path> = beside.iter().map(PathBuf::as_path).collect();
    let watch = Watch::start(project, &files)?;
    let (send, mut saved) = unbounded_channel();
    spawn_blocking(move || {
        while !send.is_closed() {
            if let Some(path) = watch.wait(LOOK_UP) {
                // The receiver may have gone just now.
                let _ = send.send(path);
            }
        }
    });
    loop {
        let round = Arc::clone(&round);
        let done = tokio::select! {
            done = spawn_blocking(move || round()) => done,
            _ = ctrl_c() => return Ok(Exit::Success),
        };
        match done {
            Ok(Ok(text)) => terminal.say(&text),
            Ok(Err(error)) => terminal.say(&format!("error: {}\n", explain(&error))),
            Err(error) => terminal.say(&format!("error: the round ended by itself: {error}\n")),
        }
        terminal.say(&format!("watching {}: save a file for another round, Ctrl-C ends\n", project.folder.display()));
        let path = tokio::select! {
            path = saved.recv() => path,
            _ = ctrl_c() => return Ok(Exit::Success),
        };
        let Some(path) = path else { return Ok(Exit::Success) };
        while saved.try_recv().is_ok() {}
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        terminal.say(&format!("── {name} was saved ──\n"));
    }
}
