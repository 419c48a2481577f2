//! Readers that share nothing with the product: PyIceberg and Spark, installed once.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::config::{Scenario, lake_name};
use crate::generator::History;
use crate::lake_files::CATALOG_NAME;
use crate::place::Place;
use crate::services::bucket::Account;
use crate::table::{TableRows, assert_same};
use crate::tools::{self, Lock};

const PYICEBERG: &str = "pyiceberg[sql-sqlite,pyarrow]==0.12.0";
const PYSPARK: &str = "pyspark==4.1.1";
const JARS: [(&str, &str); 2] = [
    ("org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0", "iceberg-spark-runtime-4.1_2.13-1.12.0.jar"),
    ("org.xerial:sqlite-jdbc:3.50.3.0", "sqlite-jdbc-3.50.3.0.jar"),
];
/// The environment of both readers.
const ENVIRONMENT: &str = "python";

/// Tables of one catalog that are to be read.
#[derive(Debug, Clone)]
pub struct Job {
    /// Where the catalog is.
    pub catalog: Catalog,
    /// Namespace and name of each table.
    pub tables: Vec<(String, String)>,
}

/// A catalog as a reader reaches it.
#[derive(Debug, Clone)]
pub enum Catalog {
    /// A SQLite file and the warehouse on local disk.
    Sqlite {
        /// The file.
        file: PathBuf,
        /// The warehouse.
        warehouse: PathBuf,
    },
    /// A REST server, which only PyIceberg is taught to ask.
    Rest {
        /// Its address.
        uri: String,
        /// The S3 server, where the tables are on S3.
        s3: Option<String>,
    },
}

impl Catalog {
    /// The catalog of a scenario.
    pub fn of(scenario: &Scenario) -> Self {
        match scenario.place() {
            Place::Local => Catalog::Sqlite { file: scenario.catalog(), warehouse: scenario.warehouse() },
            Place::Cloud(cloud) => {
                Catalog::Rest { uri: cloud.catalog().uri(), s3: Some(cloud.bucket().endpoint().to_owned()) }
            }
        }
    }

    /// How a script is told of it.
    pub(crate) fn request(&self) -> Value {
        match self {
            Catalog::Sqlite { file, warehouse } => json!({ "file": file, "warehouse": warehouse }),
            Catalog::Rest { uri, s3: None } => json!({ "uri": uri }),
            Catalog::Rest { uri, s3: Some(endpoint) } => {
                let account = Account::default();
                json!({
                    "uri": uri,
                    "s3.endpoint": endpoint,
                    "s3.region": account.region,
                    "s3.access-key-id": account.access_key,
                    "s3.secret-access-key": account.secret_key,
                })
            }
        }
    }
}

impl Job {
    /// Bronze and Silver of each history of a scenario.
    pub fn of(scenario: &Scenario, histories: &[History]) -> Self {
        let names = histories.iter().map(|history| lake_name(&history.spec.name));
        let tables = names.flat_map(|name| ["bronze", "silver"].map(|layer| (layer.to_owned(), name.clone())));
        Self { catalog: Catalog::of(scenario), tables: tables.collect() }
    }

    /// How a script is told of it: the rows of each table go to a file of the folder, which starts with `number`.
    pub(crate) fn request(&self, folder: &Path, number: usize) -> Value {
        let tables: Vec<Value> = (0..)
            .zip(&self.tables)
            .map(|(table, (namespace, name))| {
                json!({ "namespace": namespace, "table": name, "out": out(folder, number, table) })
            })
            .collect();
        json!({ "catalog_name": CATALOG_NAME, "catalog": self.catalog.request(), "tables": tables })
    }

    /// What a script wrote when it was told so.
    pub(crate) fn found(&self, folder: &Path, number: usize) -> Vec<TableRows> {
        (0..self.tables.len()).map(|table| parse(&out(folder, number, table))).collect()
    }
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
    tools::had("PyIceberg", || {
        let _lock = Lock::take();
        let python = tools::python_with(ENVIRONMENT, &[PYICEBERG])?;
        Ok(Reader { name: "PyIceberg", script: "read_pyiceberg.py", python, jars: Vec::new() })
    })
}

/// Spark; `None` where this machine cannot have it.
pub fn spark() -> Option<Reader> {
    tools::had("Spark", || {
        let _lock = Lock::take();
        tools::java()?;
        // The scripts share their Arrow code, so both need what PyIceberg brings.
        tools::python_with(ENVIRONMENT, &[PYICEBERG])?;
        let python = tools::python_with(ENVIRONMENT, &[PYSPARK])?;
        let jars = JARS.iter().map(|(artifact, file)| tools::jar(artifact, file)).collect::<Result<_, _>>()?;
        Ok(Reader { name: "Spark", script: "read_spark.py", python, jars })
    })
}

impl Reader {
    /// Its name.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Fails unless it finds in the tables of [`Job::of`] scenario and histories what the model says. Returns the most
    /// snapshots of a Silver table.
    pub fn assert_exact(&self, all: &[(&Scenario, &[History])]) -> usize {
        let tables = self.read(&jobs_of(all));
        assert_found(self.name, all, &tables)
    }

    /// All rows of all tables, in the order of the jobs and of their tables. One process reads them all.
    pub fn read(&self, jobs: &[Job]) -> Vec<TableRows> {
        let folder = tempfile::tempdir().expect("a folder for temporary files");
        let request: Vec<Value> = (0..).zip(jobs).map(|(number, job)| job.request(folder.path(), number)).collect();
        let request_file = folder.path().join("request.json");
        fs::write(&request_file, Value::from(request).to_string()).expect("a file can be written");
        let mut command = self.command(self.script);
        command.arg(&request_file).args(&self.jars);
        tools::run(&mut command).unwrap_or_else(|error| panic!("{} cannot read the tables: {error}", self.name));
        (0..).zip(jobs).flat_map(|(number, job)| job.found(folder.path(), number)).collect()
    }

    /// A command that runs one of the scripts, without its arguments.
    pub(crate) fn command(&self, script: &str) -> Command {
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("readers").join(script);
        let mut command = Command::new(&self.python);
        command.env("PYTHONDONTWRITEBYTECODE", "1").arg(script);
        command
    }

    /// What it needs beside Python.
    pub(crate) fn jars(&self) -> &[PathBuf] {
        &self.jars
    }
}

/// The job of each scenario.
pub(crate) fn jobs_of(all: &[(&Scenario, &[History])]) -> Vec<Job> {
    all.iter().map(|(scenario, histories)| Job::of(scenario, histories)).collect()
}

/// Fails unless the tables of [`jobs_of`] hold what the model says. Returns the most snapshots of a Silver table.
#[track_caller]
pub(crate) fn assert_found(reader: &str, all: &[(&Scenario, &[History])], tables: &[TableRows]) -> usize {
    let histories = all.iter().flat_map(|(_, histories)| *histories);
    let mut most_snapshots = 0;
    for (history, layers) in histories.zip(tables.chunks(2)) {
        let (name, schema) = (&history.spec.name, &history.spec.schema);
        assert_same(&format!("Bronze of {name} by {reader}"), &history.bronze(), &layers[0].bronze(schema));
        let silver = layers[1].silver(schema);
        assert_same(&format!("Silver of {name} by {reader}"), &history.model().canonical_rows(), &silver);
        most_snapshots = most_snapshots.max(layers[1].snapshots);
    }
    eprintln!("{reader} agrees on {} tables; most snapshots of one: {most_snapshots}", tables.len());
    most_snapshots
}

fn out(folder: &Path, number: usize, table: usize) -> PathBuf {
    folder.join(format!("{number}-{table}.jsonl"))
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
