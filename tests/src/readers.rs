//! Readers that share nothing with the product: PyIceberg and Spark, installed once.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Value, json};

use crate::lake_files::CATALOG_NAME;
use crate::table::TableRows;
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
        tools::run(&mut command).unwrap_or_else(|error| panic!("{} cannot read the tables: {error}", self.name));
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
