//! Real services on free loopback ports, each a process of its own that ends with the test, however the test ends.

pub mod bucket;
pub(crate) mod http;
pub mod iceberg_rest;
pub mod moto;
pub mod toxiproxy;
pub mod versitygw;

use std::fs::{self, File};
use std::net::TcpListener;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};

use crate::process::{PATIENCE, until};

/// Free ports that are tried before a service counts as one that cannot be started; another program may be quicker.
const TRIES: usize = 3;
/// Bytes of a service's log that a message shows.
const TAIL: usize = 4000;

/// Runs a program until standard input ends, which it does when the test lets go of it or is no more. `$1` is its folder.
const KEEPER: &str = r#"
folder=$1
shift
exec 3<&0
"$@" 3<&- </dev/null &
server=$!
(
    read -r _ <&3
    kill "$server"
    tries=0
    while kill -0 "$server" && [ "$tries" -lt 100 ]; do sleep 0.05; tries=$((tries + 1)); done
    kill -9 "$server"
    rm -rf "$folder"
) 2>/dev/null &
keeper=$!
wait "$server"
echo "$?" 2>/dev/null >"$folder/ended"
wait "$keeper"
"#;

/// A service that runs; it ends when this is dropped, and at the latest with the test process.
#[derive(Debug)]
pub struct Service {
    name: &'static str,
    port: u16,
    folder: PathBuf,
    keeper: Child,
    lifeline: Option<ChildStdin>,
}

impl Service {
    /// Starts what `command` makes of a free port and an empty folder, and waits until `ready` answers with 200.
    pub fn start(name: &'static str, ready: &str, command: impl Fn(u16, &Path) -> Command) -> Self {
        for _ in 1..TRIES {
            if let Ok(service) = Self::attempt(name, ready, &command) {
                return service;
            }
        }
        Self::attempt(name, ready, &command).unwrap_or_else(|error| panic!("{error}"))
    }

    fn attempt(name: &'static str, ready: &str, command: &impl Fn(u16, &Path) -> Command) -> Result<Self, String> {
        let port = free_port();
        let folder = tempfile::Builder::new().prefix(&format!("sluice-{name}-")).tempdir();
        // The keeper removes it, since a service that a whole test process shares is never dropped.
        let folder = folder.expect("a folder for temporary files").keep();
        let command = command(port, &folder);
        let log = File::create(folder.join("log")).expect("a file can be made");
        let mut keeper = Command::new("sh");
        keeper.args(["-c", KEEPER, "sh"]).arg(&folder).arg(command.get_program()).args(command.get_args());
        for (name, value) in command.get_envs() {
            if let Some(value) = value {
                keeper.env(name, value);
            }
        }
        // A group of its own: Ctrl-C reaches the test, and the end of the test reaches the service.
        keeper.process_group(0).stdin(Stdio::piped()).stderr(log.try_clone().expect("a file handle")).stdout(log);
        let mut keeper = keeper.spawn().expect("there is a shell");
        let lifeline = keeper.stdin.take();
        let service = Self { name, port, folder, keeper, lifeline };
        let is_ready = || http::get(port, ready).is_ok_and(|answer| answer.status == 200);
        let mut ended = false;
        let met = until(PATIENCE, || {
            ended = service.has_ended();
            ended || is_ready()
        });
        if met && !ended { Ok(service) } else { Err(service.words("is not ready")) }
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where it is reached, `http://127.0.0.1:PORT`.
    pub fn endpoint(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Its folder, which goes with it.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&self) -> bool {
        self.folder.join("ended").exists()
    }

    /// What is wrong with it, with the end of its log.
    pub fn words(&self, what: &str) -> String {
        let log = fs::read(self.folder.join("log")).unwrap_or_default();
        let tail = String::from_utf8_lossy(&log[log.len().saturating_sub(TAIL)..]).into_owned();
        let ended = fs::read_to_string(self.folder.join("ended")).unwrap_or_else(|_| "not".into());
        format!("{} on port {} {what} (ended: {}); it says:\n{tail}", self.name, self.port, ended.trim())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("{}", self.words("is stopped because the test failed"));
        }
        self.lifeline.take();
        let _ = self.keeper.wait();
    }
}

/// A port that nobody has now.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port can be bound");
    listener.local_addr().expect("a bound port").port()
}
