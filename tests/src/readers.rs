//! Readers that share nothing with the product: PyIceberg and Spark, installed once into the target folder.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::lake_files::CATALOG_NAME;
use crate::table::TableRows;

const PYICEBERG: &str = "pyiceberg[sql-sqlite,pyarrow]==0.12.0";
const PYSPARK: &str = "pyspark==4.1.1";
const JARS: [(&str, &str); 2] = [
    ("org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0", "iceberg-spark-runtime-4.1_2.13-1.12.0.jar"),
    ("org.xerial:sqlite-jdbc:3.50.3.0", "sqlite-jdbc-3.50.3.0.jar"),
];
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy";
/// Set where a reader that cannot be had is a failure, not something to do without.
const REQUIRED: &str = "SLUICE_REQUIRE_READERS";

/// Tables of one catalog that are to be read.
#[derive(Debug, Clone)]
pub struct Job {
    /// The SQLite catalog.
    pub catalog: PathBuf,
    /// The warehouse.
    pub warehouse: PathBuf,
    /// Namespace and name of each table.
    pub tables: Vec<(String, String)>,
}

/// A reader that is installed and ready.
#[derive(Debug, Clone)]
pub struct Reader {
    name: &'static str,
    script: &'static str,
    python: PathBuf,
    jars: Vec<PathBuf>,
}

/// PyIceberg; `None` where this machine cannot have it.
pub fn pyiceberg() -> Option<Reader> {
    ready("PyIceberg", || {
        let _lock = Lock::take();
        let python = python_with(PYICEBERG)?;
        Ok(Reader { name: "PyIceberg", script: "read_pyiceberg.py", python, jars: Vec::new() })
    })
}

/// Spark; `None` where this machine cannot have it.
pub fn spark() -> Option<Reader> {
    ready("Spark", || {
        let _lock = Lock::take();
        run(Command::new("java").arg("-version"))?;
        // The scripts share their Arrow code, so both need what PyIceberg brings.
        python_with(PYICEBERG)?;
        let python = python_with(PYSPARK)?;
        let jars = JARS.iter().map(|(artifact, file)| jar(artifact, file)).collect::<Result<_, _>>()?;
        Ok(Reader { name: "Spark", script: "read_spark.py", python, jars })
    })
}

impl Reader {
    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// All rows of all tables, in the order of the jobs and of their tables. One process reads them all.
    pub fn read(&self, jobs: &[Job]) -> Vec<TableRows> {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let out = |job: usize, table: usize| folder.path().join(format!("{job}-{table}.jsonl"));
        let request: Vec<Value> = jobs
            .iter()
            .enumerate()
            .map(|(index, job)| {
                let tables: Vec<Value> = job
                    .tables
                    .iter()
                    .enumerate()
                    .map(|(table, (namespace, name))| {
                        json!({ "namespace": namespace, "table": name, "out": out(index, table) })
                    })
                    .collect();
                json!({
                    "catalog_name": CATALOG_NAME,
                    "catalog": job.catalog,
                    "warehouse": job.warehouse,
                    "tables": tables,
                })
            })
            .collect();
        let request_file = folder.path().join("request.json");
        fs::write(&request_file, Value::from(request).to_string()).expect("a file can be written");
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("readers").join(self.script);
        let mut command = Command::new(&self.python);
        command.env("PYTHONDONTWRITEBYTECODE", "1").arg(script).arg(&request_file).args(&self.jars);
        run(&mut command).unwrap_or_else(|error| panic!("{} cannot read the tables: {error}", self.name));
        let tables = jobs.iter().enumerate().flat_map(|(job, it)| (0..it.tables.len()).map(move |table| (job, table)));
        tables.map(|(job, table)| parse(&out(job, table))).collect()
    }
}

fn parse(path: &Path) -> TableRows {
    let mut lines = BufReader::new(File::open(path).expect("the reader wrote its file")).lines();
    let mut line = || lines.next().map(|line| line.expect("the reader's file reads"));
    let about: Value = serde_json::from_str(&line().expect("a first line")).expect("JSON");
    let columns = serde_json::from_value(about["columns"].clone()).expect("names of columns");
    let snapshots = about["snapshots"].as_u64().and_then(|count| usize::try_from(count).ok()).expect("a count");
    let mut rows = Vec::new();
    while let Some(line) = line() {
        rows.push(serde_json::from_str(&line).expect("a row of text"));
    }
    TableRows { columns, rows, snapshots }
}

fn ready(name: &str, make: impl FnOnce() -> Result<Reader, String>) -> Option<Reader> {
    match make() {
        Ok(reader) => Some(reader),
        Err(error) if std::env::var_os(REQUIRED).is_some_and(|value| value != "0") => {
            panic!("{name} is required here ({REQUIRED}) and cannot be had: {error}")
        }
        Err(error) => {
            eprintln!("\n*** {name} CANNOT BE HAD AND CHECKS NOTHING HERE ***\n{error}\n");
            None
        }
    }
}

/// The folder in which readers are installed: beside what cargo builds, so that it lives as long.
fn folder() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own path");
    // target/<profile>/deps/<test>
    test.ancestors().nth(3).expect("a target folder").join("readers")
}

fn python_with(package: &str) -> Result<PathBuf, String> {
    let environment = folder().join("python");
    let python = environment.join("bin").join("python");
    if !python.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    }
    let installed = environment.join(format!("{}.installed", package.replace(['[', ']', ',', '='], "-")));
    if !installed.exists() {
        eprintln!("installing {package} into {}", environment.display());
        run(Command::new(&python).args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", package]))?;
        fs::write(installed, "").map_err(|error| error.to_string())?;
    }
    Ok(python)
}

fn jar(artifact: &str, file: &str) -> Result<PathBuf, String> {
    let jars = folder().join("jars");
    let path = jars.join(file);
    if !path.exists() {
        eprintln!("fetching {artifact} into {}", jars.display());
        let arriving = folder().join("arriving");
        let output = format!("-DoutputDirectory={}", arriving.display());
        run(Command::new("mvn").args(["-B", "-q", COPY, &format!("-Dartifact={artifact}"), &output]))?;
        fs::create_dir_all(&jars)
            .and_then(|()| fs::rename(arriving.join(file), &path))
            .map_err(|error| format!("{artifact} did not come as {file}: {error}"))?;
    }
    Ok(path)
}

/// Runs a command to its end; its words are the error if it fails.
fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{:?}: {error}", command.get_program()))?;
    if output.status.success() {
        return Ok(());
    }
    let words = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Err(format!("{command:?} ended with {}\n{}{}", output.status, words[0], words[1]))
}

/// Held by the one test process that installs.
struct Lock {
    _file: File,
}

impl Lock {
    fn take() -> Self {
        fs::create_dir_all(folder()).expect("a folder can be made");
        let file = File::create(folder().join("lock")).expect("a file can be made");
        file.lock().expect("a file can be locked");
        Self { _file: file }
    }
}
