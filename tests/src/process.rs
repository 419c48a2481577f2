//! The real program as a process: started, waited for with a deadline, killed, its words kept.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use crate::config::Scenario;

/// Longest wait for anything in a scenario; far beyond what a loaded machine needs.
pub const PATIENCE: Duration = Duration::from_secs(120);
/// Pause between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(4);

/// Exit codes of the program.
pub mod exit {
    /// All is well.
    pub const SUCCESS: i32 = 0;
    /// Some table failed.
    pub const PARTIAL: i32 = 3;
    /// The configuration is wrong.
    pub const CONFIGURATION: i32 = 2;
    /// Another process took a table over.
    pub const FENCED: i32 = 4;
    /// All tables failed.
    pub const ALL_FAILED: i32 = 5;
}

/// The program under test.
#[derive(Debug, Clone)]
pub struct Program {
    executable: PathBuf,
}

/// A process that runs.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: PathBuf,
    stderr: PathBuf,
}

/// A process that has ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Its exit code, if it exited.
    pub code: Option<i32>,
    /// The signal that ended it, if one did.
    pub signal: Option<i32>,
    /// What it printed.
    pub stdout: String,
    /// What it said beside that.
    pub stderr: String,
}

impl Program {
    /// The program at a path; tests know it as `env!("CARGO_BIN_EXE_sluice-under-test")`.
    pub fn new(executable: impl Into<PathBuf>) -> Self {
        Self { executable: executable.into() }
    }

    /// Its path.
    pub fn path(&self) -> &Path {
        &self.executable
    }

    /// A command of it, to be changed before it is started.
    pub fn command<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Command {
        let mut command = Command::new(&self.executable);
        command.args(arguments).env_remove("SLUICE_FAILPOINT").stdin(Stdio::null());
        command
    }

    /// `sluice run` on a scenario, to be changed before it is started.
    pub fn run_command(&self, scenario: &Scenario, once: bool) -> Command {
        let mut command = self.command(&["run", "--config"]);
        command.arg(scenario.config()).current_dir(scenario.path());
        if once {
            command.arg("--once");
        }
        command
    }

    /// Runs it in a folder to its end.
    pub fn run_in(&self, folder: &Path, arguments: &[&str]) -> Finished {
        let mut command = self.command(arguments);
        command.current_dir(folder);
        Running::start(command, folder).wait()
    }

    /// Starts it in a folder.
    pub fn start_in(&self, folder: &Path, arguments: &[&str]) -> Running {
        let mut command = self.command(arguments);
        command.current_dir(folder);
        Running::start(command, folder)
    }

    /// Runs `sluice run --once` on a scenario to its end.
    pub fn run_once(&self, scenario: &Scenario) -> Finished {
        Running::start(self.run_command(scenario, true), scenario.path()).wait()
    }

    /// Starts `sluice run` on a scenario.
    pub fn start(&self, scenario: &Scenario) -> Running {
        Running::start(self.run_command(scenario, false), scenario.path())
    }
}

impl Running {
    /// Starts a command; its output goes to files in `folder`, so that it never waits for a reader.
    pub fn start(mut command: Command, folder: &Path) -> Self {
        static STARTED: AtomicU64 = AtomicU64::new(0);
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let stdout = folder.join(format!("{number}.stdout"));
        let stderr = folder.join(format!("{number}.stderr"));
        let create = |path: &Path| File::create(path).expect("a file for the output can be made");
        command.stdout(create(&stdout)).stderr(create(&stderr));
        let child = command.spawn().unwrap_or_else(|error| panic!("{command:?} does not start: {error}"));
        Self { child, stdout, stderr }
    }

    /// What it has printed so far.
    pub fn stdout(&self) -> String {
        text(&self.stdout)
    }

    /// What it has said so far beside that.
    pub fn stderr(&self) -> String {
        text(&self.stderr)
    }

    /// The most memory that it has had so far, in bytes; `None` once it has ended.
    pub fn peak_memory(&self) -> Option<u64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.child.id())).ok()?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
        Some(line.trim().strip_suffix(" kB")?.parse::<u64>().ok()? << 10)
    }

    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child can be looked at").is_some()
    }

    /// Asks it to stop, as `kill` does.
    pub fn terminate(&self) {
        self.signal("TERM");
    }

    /// Sends a signal by name.
    pub fn signal(&self, name: &str) {
        let sent = Command::new("kill").arg(format!("-{name}")).arg(self.child.id().to_string()).status();
        assert!(sent.expect("there is a `kill`").success(), "SIG{name} cannot be sent");
    }

    /// Ends it at once, as `kill -9` does. Returns whether it was still alive.
    pub fn kill(mut self) -> bool {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a child can be waited for").signal() == Some(9)
    }

    /// Waits for its end; after [`PATIENCE`] the scenario fails.
    pub fn wait(mut self) -> Finished {
        let Some(status) = self.ended_within(PATIENCE) else {
            // What it said helps more than its end.
            let _ = self.child.kill();
            panic!("it did not end within {PATIENCE:?}\n{}{}", self.stdout(), self.stderr());
        };
        self.finished(status)
    }

    /// Waits for its end for some time.
    pub fn ended_within(&mut self, time: Duration) -> Option<ExitStatus> {
        let mut status = None;
        until(time, || {
            status = self.child.try_wait().expect("a child can be looked at");
            status.is_some()
        });
        status
    }

    /// Waits until something holds while it runs; its end or the end of patience fails the scenario.
    #[track_caller]
    pub fn wait_until(&mut self, what: &str, mut holds: impl FnMut() -> bool) {
        let mut ended = false;
        let met = until(PATIENCE, || {
            let holds = holds();
            ended = !holds && self.has_ended();
            holds || ended
        });
        assert!(met && !ended, "{what}: not while it ran (ended: {ended})\n{}{}", self.stdout(), self.stderr());
    }

    /// Waits until it says something beside what it prints.
    #[track_caller]
    pub fn wait_until_it_says(&mut self, words: &str) {
        let stderr = self.stderr.clone();
        self.wait_until(words, || text(&stderr).contains(words));
    }

    /// Waits until it prints something.
    #[track_caller]
    pub fn wait_until_it_prints(&mut self, words: &str) {
        let stdout = self.stdout.clone();
        self.wait_until(words, || text(&stdout).contains(words));
    }

    fn finished(&self, status: ExitStatus) -> Finished {
        Finished { code: status.code(), signal: status.signal(), stdout: self.stdout(), stderr: self.stderr() }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // A scenario that fails leaves no process behind; one that has ended needs nothing.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

impl Finished {
    /// Fails unless it ended with this code.
    #[track_caller]
    pub fn expect_code(&self, code: i32) -> &Self {
        assert_eq!(self.code, Some(code), "signal {:?}\n{}{}", self.signal, self.stdout, self.stderr);
        self
    }

    /// Fails unless all of these words are in what it said.
    #[track_caller]
    pub fn expect_words(&self, words: &[&str]) -> &Self {
        for word in words {
            let said = self.stderr.contains(word) || self.stdout.contains(word);
            assert!(said, "it does not say `{word}`:\n{}{}", self.stdout, self.stderr);
        }
        self
    }
}

/// What it printed, as JSON.
pub fn json(finished: &Finished) -> serde_json::Value {
    serde_json::from_str(&finished.stdout)
        .unwrap_or_else(|error| panic!("{error}\n{}{}", finished.stdout, finished.stderr))
}

/// Looks until something holds or the time is over. Returns whether it held.
pub fn until(time: Duration, mut holds: impl FnMut() -> bool) -> bool {
    let start = Instant::now();
    loop {
        if holds() {
            return true;
        }
        if start.elapsed() > time {
            return false;
        }
        thread::sleep(LOOK_EVERY);
    }
}

fn text(path: &Path) -> String {
    String::from_utf8_lossy(&fs::read(path).unwrap_or_default()).into_owned()
}
