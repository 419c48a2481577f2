//! The components that are measured, built from `plugins/<language>/bench`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Int64Array, RecordBatch, StringArray};
use sluice_benches::Failure;
use sluice_change::{Column, ColumnType, Op, TableSchema};
use sluice_platform::Secret;
use sluice_plugin::build::{Job, c, go, javascript, python, rust};
use sluice_transform::host::{ComponentTransform, Host};
use sluice_transform::{ComponentLimits, ComponentSettings, Input, Transform};

/// Rows of a batch.
pub const ROWS: usize = 65_536;
/// The languages, in the order in which they are told.
pub const LANGUAGES: [&str; 5] = ["rust", "c", "go", "javascript", "python"];

/// The components by language.
pub struct Guests {
    files: BTreeMap<&'static str, PathBuf>,
}

impl Guests {
    /// Builds all of them into `folder`.
    pub fn build(folder: &Path) -> Result<Self, Failure> {
        let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../plugins");
        let tools = sluice_tests::tools::folder();
        let mut files = BTreeMap::new();
        for language in LANGUAGES {
            eprintln!("building the {language} component");
            let project = plugins.join(language).join("bench").canonicalize()?;
            let job = Job { project: &project, name: language, work: folder.join(language), tools: &tools };
            std::fs::create_dir_all(&job.work)?;
            let component = match language {
                "rust" => rust::build(&job)?,
                "c" => c::build(&job)?,
                "go" => go::build(&job)?,
                "javascript" => javascript::build(&job)?,
                _ => python::build(&job)?,
            };
            let file = folder.join(format!("{language}.wasm"));
            std::fs::write(&file, component)?;
            files.insert(language, file);
        }
        Ok(Self { files })
    }

    /// The component of a language.
    pub fn file(&self, language: &str) -> &Path {
        &self.files[language]
    }

    /// A component in one of its modes, for a table of this schema.
    pub fn transform(
        &self,
        host: &Host,
        language: &str,
        mode: &str,
        schema: &TableSchema,
    ) -> Result<Arc<ComponentTransform>, Failure> {
        let transform = host.open(&settings(self.file(language), mode)?)?;
        transform.output(schema)?;
        Ok(transform)
    }
}

/// Settings for a component in one of its modes.
pub fn settings(path: &Path, mode: &str) -> Result<ComponentSettings, Failure> {
    Ok(ComponentSettings {
        name: "bench".to_owned(),
        table: "bench.people".parse()?,
        path: path.to_owned(),
        settings: Secret::new(format!("{{\"mode\":\"{mode}\"}}")),
        sha256: None,
        limits: ComponentLimits::default(),
    })
}

/// A key, e-mail addresses and eight numbers.
pub fn nine_columns() -> (TableSchema, Input) {
    let ids = Int64Array::from_iter_values(0..ROWS as i64);
    let hosts = ["example.com", "mail.example.org", "corp.example.net"];
    let emails = (0..ROWS).map(|row| format!("person.{:06}@{}", row * 7919 % 1_000_000, hosts[row % hosts.len()]));
    let mut columns = vec![Column::new("id", ColumnType::Long), Column::new("email", ColumnType::String)];
    let mut arrays: Vec<(String, ArrayRef)> = vec![
        ("id".to_owned(), Arc::new(ids.clone())),
        ("email".to_owned(), Arc::new(StringArray::from_iter_values(emails))),
    ];
    for n in 0..8_i64 {
        let values = Int64Array::from_iter_values((0..ROWS as i64).map(|row| row.wrapping_mul(0x9E37_79B9 + n)));
        columns.push(Column::new(format!("n{n}"), ColumnType::Long));
        arrays.push((format!("n{n}"), Arc::new(values)));
    }
    let rows =
        RecordBatch::try_from_iter(arrays).unwrap_or_else(|error| unreachable!("columns of one length: {error}"));
    let input = Input { rows, ops: vec![Op::Insert; ROWS], ordinals: ids, times: None, before: None, unsent: None };
    (TableSchema { columns, key: vec!["id".to_owned()] }, input)
}
