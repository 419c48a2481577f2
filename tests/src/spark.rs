//! One Spark that lives as long as the tests of a process, to do to their tables what other programs do.

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::config::Scenario;
use crate::generator::History;
use crate::lake_files::CATALOG_NAME;
use crate::process::PATIENCE;
use crate::readers::{self, Catalog, Job};
use crate::table::{Row, TableRows};

/// Pause between two looks for an answer.
const LOOK_EVERY: Duration = Duration::from_millis(4);
/// How often something is tried that comes into conflict with a stream.
const TRIES: usize = 10;
/// How often of these the stream goes on meanwhile; then it comes to rest.
const BESIDE_STREAM: usize = 3;
/// What Spark says where another program was faster. Trying again is the answer.
const CONFLICTS: [&str; 5] = [
    "CommitFailedException",
    "ValidationException",
    "conflicted with another concurrent",
    "Cannot commit",
    "SQLITE_BUSY",
];
/// Lines of what it says beside its answers that a failure shows.
const SHOWN: usize = 60;

/// A Spark process that takes requests.
#[derive(Debug)]
pub struct Spark {
    child: Child,
    input: ChildStdin,
    answers: Receiver<String>,
    said: Arc<Mutex<VecDeque<String>>>,
}

/// The Spark of this process, for one test at a time; `None` where this machine cannot have it.
pub fn spark() -> Option<MutexGuard<'static, Spark>> {
    static SHARED: OnceLock<Option<Mutex<Spark>>> = OnceLock::new();
    let shared = SHARED.get_or_init(|| readers::spark().map(|reader| Mutex::new(Spark::start(&reader))));
    // A test that failed while it had it has no answer outstanding: the next request takes those out first.
    shared.as_ref().map(|spark| spark.lock().unwrap_or_else(PoisonError::into_inner))
}

impl Spark {
    fn start(reader: &readers::Reader) -> Self {
        let mut command = reader.command("serve_spark.py");
        command.args(reader.jars()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("Python starts");
        let input = child.stdin.take().expect("it has an input");
        let (send, answers) = channel();
        let output = BufReader::new(child.stdout.take().expect("it has an output"));
        thread::spawn(move || output.lines().map_while(Result::ok).try_for_each(|line| send.send(line)));
        let said = Arc::new(Mutex::new(VecDeque::new()));
        let (errors, keep) = (BufReader::new(child.stderr.take().expect("it has errors")), Arc::clone(&said));
        thread::spawn(move || {
            for line in errors.lines().map_while(Result::ok) {
                let mut kept = keep.lock().unwrap_or_else(PoisonError::into_inner);
                kept.push_back(line);
                if kept.len() > SHOWN {
                    kept.pop_front();
                }
            }
        });
        Self { child, input, answers, said }
    }

    /// What a statement gives; a failure of it fails the test.
    #[track_caller]
    pub fn run(&mut self, catalog: &Catalog, sql: &str) -> Vec<Row> {
        self.beside(catalog, sql, || ())
    }

    /// The same while `feed` is called all the time, so that a stream goes on. Where the stream gets in its way it is
    /// tried again.
    #[track_caller]
    pub fn beside(&mut self, catalog: &Catalog, sql: &str, mut feed: impl FnMut()) -> Vec<Row> {
        for attempt in 1..=TRIES {
            self.ask(&json!({ "catalog_name": CATALOG_NAME, "catalog": catalog.request(), "sql": sql }));
            match self.answer(|| {
                if attempt <= BESIDE_STREAM {
                    feed()
                }
            }) {
                Ok(rows) => return rows,
                Err(error) if attempt < TRIES && CONFLICTS.iter().any(|words| error.contains(words)) => {
                    let first = error.lines().next().unwrap_or_default();
                    eprintln!("Spark was not fast enough, attempt {attempt}: {sql}: {first}");
                }
                Err(error) => panic!("Spark cannot do `{sql}`: {error}"),
            }
        }
        unreachable!("the last attempt returns or fails")
    }

    /// As [`readers::Reader::assert_exact`].
    #[track_caller]
    pub fn assert_exact(&mut self, all: &[(&Scenario, &[History])]) {
        let tables = readers::jobs_of(all).iter().flat_map(|job| self.read(job)).collect::<Vec<_>>();
        readers::assert_found("Spark", all, &tables);
    }

    /// All rows of the tables of a job.
    #[track_caller]
    pub fn read(&mut self, job: &Job) -> Vec<TableRows> {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        self.ask(&job.request(folder.path(), 0));
        self.answer(|| ()).unwrap_or_else(|error| panic!("Spark cannot read the tables: {error}"));
        job.found(folder.path(), 0)
    }

    fn ask(&mut self, request: &Value) {
        while self.answers.try_recv().is_ok() {}
        if let Err(error) = writeln!(self.input, "{request}").and_then(|()| self.input.flush()) {
            panic!("Spark takes no requests: {error}\n{}", self.words());
        }
    }

    fn answer(&mut self, mut meanwhile: impl FnMut()) -> Result<Vec<Row>, String> {
        let asked = Instant::now();
        let line = loop {
            match self.answers.recv_timeout(LOOK_EVERY) {
                Ok(line) => break line,
                Err(RecvTimeoutError::Timeout) if asked.elapsed() < PATIENCE => meanwhile(),
                Err(error) => panic!("Spark does not answer: {error}\n{}", self.words()),
            }
        };
        let mut answer: Value = serde_json::from_str(&line).expect("an answer is JSON");
        match answer["error"].as_str() {
            Some(error) => Err(error.to_owned()),
            None => Ok(serde_json::from_value(answer["rows"].take()).expect("rows of text")),
        }
    }

    fn words(&self) -> String {
        let said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        said.iter().map(|line| format!("{line}\n")).collect()
    }
}

impl Drop for Spark {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
