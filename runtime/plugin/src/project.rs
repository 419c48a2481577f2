//! A plugin's folder: `plugin.toml`, sources, a sample, cases with their expected rows, and the component.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::{fmt::Write, fs};

use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use sluice_change::{Column, ColumnType};
use thiserror::Error;

use crate::Language;

/// The file that makes a folder a plugin's.
pub const MANIFEST: &str = "plugin.toml";
/// What a transform is to return for a sample, beside the sample.
pub const EXPECTED: &str = "expected.jsonl";
/// The folder of what builds make.
pub const BUILD: &str = "build";
/// Endings of files with rows.
pub const ROW_FILES: [&str; 4] = ["csv", "jsonl", "ndjson", "parquet"];

/// What builds, tools and editors leave in a project.
const LEFT_BEHIND: [&str; 8] =
    [BUILD, "target", "node_modules", "dist", "__pycache__", ".venv", ".git", ".pytest_cache"];
/// Files that tools write to pin what a build reads.
const LOCKS: [&str; 4] = ["Cargo.lock", "package-lock.json", "go.sum", "uv.lock"];
/// Longest name of a plugin.
const LONGEST_NAME: usize = 64;
/// Most files of a project that are looked at.
const MOST_FILES: usize = 10_000;

/// Why a project cannot be used.
#[derive(Debug, Error)]
pub enum ProjectError {
    /// The folder is none of a plugin's.
    #[error(
        "{} is no plugin: it has no {MANIFEST}. Make a plugin with `sluice plugin new NAME --lang LANGUAGE`, or name the \
         folder of one", .0.display()
    )]
    NoProject(PathBuf),
    /// A file says something that cannot be meant.
    #[error("{}: {reason}", path.display())]
    Wrong {
        /// The file.
        path: PathBuf,
        /// What is wrong and what to do.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("cannot {action} {}", path.display())]
    File {
        /// What was tried.
        action: &'static str,
        /// The file.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The name is none that all languages can do with.
    #[error(
        "`{0}` cannot be a plugin's name: use lower-case letters, digits and single hyphens, beginning with a letter, at \
         most {LONGEST_NAME} characters"
    )]
    Name(String),
    /// There is something in the folder already.
    #[error("{} is not empty: give another name, or another folder with --dir", .0.display())]
    NotEmpty(PathBuf),
}

impl ProjectError {
    pub(crate) fn file(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> Self {
        let path = path.to_owned();
        move |source| ProjectError::File { action, path, source }
    }
}

/// What `plugin.toml` holds.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    name: String,
    language: Language,
    #[serde(default)]
    settings: toml::Table,
    #[serde(default)]
    test: TestSettings,
}

/// How a project is tested.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TestSettings {
    /// The key columns; the first column without it.
    #[serde(default)]
    pub key: Vec<String>,
    /// The file with rows; `sample.csv`, `sample.jsonl` or `sample.parquet` without it.
    pub sample: Option<PathBuf>,
    /// What the table is called; `sample.rows` without it.
    pub table: Option<String>,
    /// Types of columns, each `"name type"`; the others are told from the rows.
    #[serde(default)]
    pub columns: Vec<String>,
}

/// A plugin's folder.
#[derive(Debug, Clone)]
pub struct Project {
    /// The folder.
    pub folder: PathBuf,
    /// The plugin's name.
    pub name: String,
    /// What it is written in.
    pub language: Language,
    /// The settings that it is tested with, a JSON object.
    pub settings: Value,
    /// How it is tested.
    pub test: TestSettings,
}

/// Rows to try a plugin with, and what is to come of them.
#[derive(Debug, Clone, PartialEq)]
pub struct Case {
    /// The name of its folder below `cases`; `None` for the project's sample.
    pub name: Option<String>,
    /// The file with rows.
    pub input: PathBuf,
    /// Settings in place of the project's.
    pub settings: Option<Value>,
    /// The file with the expected rows, which need not be there.
    pub expected: PathBuf,
}

/// A look at the sources of a project.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sources {
    /// Digest of all of them.
    all: String,
    /// Digest of those that a person writes.
    by_person: String,
}

impl Project {
    /// The project in this folder.
    pub fn open(folder: &Path) -> Result<Self, ProjectError> {
        let path = folder.join(MANIFEST);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                return Err(ProjectError::NoProject(folder.to_owned()));
            }
            text => text.map_err(ProjectError::file("read", &path))?,
        };
        let wrong = |reason: String| ProjectError::Wrong { path: path.clone(), reason };
        let manifest: Manifest = toml::from_str(&text).map_err(|error| wrong(error.to_string()))?;
        check_name(&manifest.name).map_err(|error| wrong(error.to_string()))?;
        parse_columns(manifest.test.columns.iter().map(String::as_str))
            .map_err(|reason| wrong(format!("`test.columns`: {reason}")))?;
        Ok(Self {
            folder: folder.to_owned(),
            name: manifest.name,
            language: manifest.language,
            settings: Value::Object(manifest.settings.into_iter().map(|(key, value)| (key, json(value))).collect()),
            test: manifest.test,
        })
    }

    /// Where the component is, once it is built.
    pub fn component(&self) -> PathBuf {
        self.folder.join(BUILD).join(format!("{}.wasm", self.name))
    }

    /// Where it is kept what the component was built from.
    fn stamp(&self) -> PathBuf {
        self.folder.join(BUILD).join(format!("{}.sources", self.name))
    }

    /// Whether the component is missing or was built from other sources than there are now.
    pub fn is_stale(&self) -> Result<bool, ProjectError> {
        if !self.component().is_file() {
            return Ok(true);
        }
        let built_from = fs::read_to_string(self.stamp()).unwrap_or_default();
        Ok(built_from.trim() != self.sources()?)
    }

    /// Notes what the component was built from, given a look at the sources before the build. A build may write lock
    /// files; what a person changed meanwhile is not in the component, and makes it stale.
    pub(crate) fn note_built(&self, before: &Sources) -> Result<(), ProjectError> {
        let (path, after) = (self.stamp(), self.look()?);
        let sources = if after.by_person == before.by_person { &after.all } else { &before.all };
        fs::write(&path, format!("{sources}\n")).map_err(ProjectError::file("write", &path))
    }

    /// A digest of everything that a build may read: all files but those of tests and of earlier builds.
    pub fn sources(&self) -> Result<String, ProjectError> {
        Ok(self.look()?.all)
    }

    /// The sources as they are now.
    pub(crate) fn look(&self) -> Result<Sources, ProjectError> {
        let mut files = BTreeMap::new();
        collect(&self.folder, &self.folder, &mut files)?;
        let (mut all, mut by_person) = (Sha256::new(), Sha256::new());
        for (name, path) in files.iter().filter(|(name, _)| !self.is_test_file(Path::new(name))) {
            let content = fs::read(path).map_err(ProjectError::file("read", path))?;
            let lengths = [name.len() as u64, content.len() as u64].map(u64::to_le_bytes);
            for part in [lengths.as_flattened(), name.as_bytes(), &content] {
                all.update(part);
                if !is_lock(Path::new(name)) {
                    by_person.update(part);
                }
            }
        }
        Ok(Sources { all: hex(&all.finalize()), by_person: hex(&by_person.finalize()) })
    }

    /// Whether a file says how the plugin is tested and not what it does, by its name below the project's folder.
    fn is_test_file(&self, name: &Path) -> bool {
        let at_top = name.components().count() == 1;
        let ending = name.extension().map(|ending| ending.to_string_lossy().into_owned()).unwrap_or_default();
        name.starts_with("cases")
            || self.test.sample.as_deref() == Some(name)
            || (at_top && (name == Path::new(MANIFEST) || ROW_FILES.contains(&ending.as_str()) || ending == "md"))
    }

    /// Whether a change of the file at `path` asks for another build or another test.
    pub fn concerns(&self, path: &Path) -> bool {
        let Ok(below) = path.strip_prefix(&self.folder) else { return false };
        let name = below.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let temporary =
            name.ends_with('~') || name.ends_with(".swp") || name.ends_with(".pyc") || name.starts_with(".#");
        !temporary
            && !is_lock(below)
            && !below.components().any(|part| is_left_behind(&part.as_os_str().to_string_lossy()))
    }

    /// The rows that the plugin is tested with: its sample, then the folders below `cases`, by name.
    pub fn cases(&self) -> Result<Vec<Case>, ProjectError> {
        let mut cases = Vec::new();
        let sample = match &self.test.sample {
            Some(sample) => Some(self.folder.join(sample)),
            None => row_file(&self.folder, "sample"),
        };
        if let Some(input) = sample {
            cases.push(Case { name: None, input, settings: None, expected: self.folder.join(EXPECTED) });
        }
        let folder = self.folder.join("cases");
        if folder.is_dir() {
            let mut folders = Vec::new();
            for entry in fs::read_dir(&folder).map_err(ProjectError::file("list", &folder))? {
                let path = entry.map_err(ProjectError::file("list", &folder))?.path();
                folders.extend(path.is_dir().then_some(path));
            }
            folders.sort();
            for folder in folders {
                cases.push(case(&folder)?);
            }
        }
        if cases.is_empty() {
            return Err(ProjectError::Wrong {
                path: self.folder.clone(),
                reason: "there are no rows to test with: put some into sample.csv or sample.jsonl, or give them with \
                         --sample FILE or --table SCHEMA.TABLE"
                    .to_owned(),
            });
        }
        Ok(cases)
    }
}

fn case(folder: &Path) -> Result<Case, ProjectError> {
    let input = row_file(folder, "input").ok_or_else(|| ProjectError::Wrong {
        path: folder.to_owned(),
        reason: "this case has no rows: put them into input.csv, input.jsonl or input.parquet".to_owned(),
    })?;
    let path = folder.join("settings.json");
    let settings = match fs::read_to_string(&path) {
        Ok(text) => Some(parse_settings(&text).map_err(|reason| ProjectError::Wrong { path, reason })?),
        Err(error) if error.kind() == io::ErrorKind::NotFound => None,
        Err(error) => return Err(ProjectError::file("read", &path)(error)),
    };
    let name = folder.file_name().map(|name| name.to_string_lossy().into_owned());
    Ok(Case { name, input, settings, expected: folder.join(EXPECTED) })
}

/// The file with rows of this name in a folder, whatever its ending.
fn row_file(folder: &Path, name: &str) -> Option<PathBuf> {
    ROW_FILES.iter().map(|ending| folder.join(format!("{name}.{ending}"))).find(|path| path.is_file())
}

/// Settings, which are a JSON object.
pub fn parse_settings(text: &str) -> Result<Value, String> {
    match serde_json::from_str::<Value>(text) {
        Ok(settings @ Value::Object(_)) => Ok(settings),
        Ok(_) => Err("settings are a JSON object, such as {\"key\": \"value\"}".to_owned()),
        Err(error) => Err(format!("settings are no JSON: {error}")),
    }
}

/// Columns, each written as `name type`.
pub fn parse_columns<'a>(texts: impl IntoIterator<Item = &'a str>) -> Result<Vec<Column>, String> {
    let mut columns: Vec<Column> = Vec::new();
    for text in texts {
        let (name, column_type) = text.trim().rsplit_once(char::is_whitespace).ok_or_else(|| {
            format!("`{}` is no column: write its name and its type, such as \"id long\"", text.trim())
        })?;
        let column_type = column_type.parse::<ColumnType>().map_err(|error| error.to_string())?;
        if columns.iter().any(|column| column.name == name.trim()) {
            return Err(format!("column `{}` is there twice", name.trim()));
        }
        columns.push(Column::new(name.trim(), column_type));
    }
    Ok(columns)
}

pub(crate) fn check_name(name: &str) -> Result<(), ProjectError> {
    let letter = |c: char| c.is_ascii_lowercase();
    let sound = name.len() <= LONGEST_NAME
        && name.starts_with(letter)
        && !name.ends_with('-')
        && !name.contains("--")
        && name.chars().all(|c| letter(c) || c.is_ascii_digit() || c == '-');
    if sound { Ok(()) } else { Err(ProjectError::Name(name.to_owned())) }
}

fn json(value: toml::Value) -> Value {
    match value {
        toml::Value::String(text) => Value::String(text),
        toml::Value::Integer(number) => number.into(),
        toml::Value::Float(number) => number.into(),
        toml::Value::Boolean(truth) => truth.into(),
        toml::Value::Datetime(time) => time.to_string().into(),
        toml::Value::Array(values) => values.into_iter().map(json).collect(),
        toml::Value::Table(table) => Value::Object(table.into_iter().map(|(key, value)| (key, json(value))).collect()),
    }
}

/// Whether builds write a file of this name, which pins what they read.
fn is_lock(path: &Path) -> bool {
    path.file_name().is_some_and(|name| LOCKS.iter().any(|lock| name == *lock))
}

fn is_left_behind(name: &str) -> bool {
    LEFT_BEHIND.contains(&name)
}

/// The files below a folder, by their names from `top` on.
fn collect(top: &Path, folder: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<(), ProjectError> {
    for entry in fs::read_dir(folder).map_err(ProjectError::file("list", folder))? {
        let entry = entry.map_err(ProjectError::file("list", folder))?;
        let path = entry.path();
        if is_left_behind(&entry.file_name().to_string_lossy()) {
            continue;
        }
        // A link may lead anywhere, also in a circle: what it names is no source.
        let kind = entry.file_type().map_err(ProjectError::file("read", &path))?;
        if kind.is_dir() {
            collect(top, &path, files)?;
        } else if kind.is_file() {
            let name = path.strip_prefix(top).unwrap_or(&path).to_string_lossy().into_owned();
            files.insert(name, path);
        }
        if files.len() > MOST_FILES {
            return Err(ProjectError::Wrong {
                path: top.to_owned(),
                reason: format!("there are more than {MOST_FILES} files in this project: name the folder of a plugin"),
            });
        }
    }
    Ok(())
}

pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(manifest: &str) -> (tempfile::TempDir, Result<Project, ProjectError>) {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(MANIFEST), manifest).unwrap();
        let project = Project::open(folder.path());
        (folder, project)
    }

    #[test]
    fn a_manifest_says_what_the_plugin_is_and_how_it_is_tested() {
        let (folder, project) = project(
            "name = \"mask\"\nlanguage = \"rust\"\n[settings]\nn = 1\nday = 2024-02-29\n[test]\nkey = [\"id\"]\n",
        );
        let project = project.unwrap();
        assert_eq!((project.name.as_str(), project.language), ("mask", Language::Rust));
        assert_eq!(project.settings, serde_json::json!({ "n": 1, "day": "2024-02-29" }));
        assert_eq!(project.component(), folder.path().join("build/mask.wasm"));
        assert_eq!(project.test.key, ["id"]);
    }

    #[test]
    fn errors_name_the_file_the_place_and_what_to_do() {
        let message = |manifest: &str| project(manifest).1.unwrap_err().to_string();
        let unknown = message("name = \"a\"\nlanguage = \"rust\"\ncolour = 1\n");
        assert!(
            unknown.contains("plugin.toml") && unknown.contains("line 3") && unknown.contains("colour"),
            "{unknown}"
        );
        assert!(message("name = \"A b\"\nlanguage = \"rust\"").contains("lower-case letters"));
        assert!(message("name = \"a\"\nlanguage = \"cobol\"").contains("cobol"));
        let folder = tempfile::tempdir().unwrap();
        let none = Project::open(folder.path()).unwrap_err().to_string();
        assert!(none.contains("sluice plugin new"), "{none}");
    }

    #[test]
    fn a_component_is_stale_once_a_source_changes_and_not_when_a_sample_does() {
        let (folder, project) = project("name = \"a\"\nlanguage = \"c\"\n");
        let (project, at) = (project.unwrap(), |name: &str| folder.path().join(name));
        fs::write(at("a.c"), "int a;").unwrap();
        assert!(project.is_stale().unwrap());
        fs::create_dir(at("build")).unwrap();
        fs::write(project.component(), "wasm").unwrap();
        assert!(project.is_stale().unwrap());
        let before = project.look().unwrap();
        fs::write(at("Cargo.lock"), "what the build pinned").unwrap();
        project.note_built(&before).unwrap();
        assert!(!project.is_stale().unwrap());
        fs::write(at("sample.csv"), "id\n1\n").unwrap();
        fs::write(at("build/left.o"), "").unwrap();
        assert!(!project.is_stale().unwrap());
        fs::write(at("a.c"), "int b;").unwrap();
        assert!(project.is_stale().unwrap());
        project.note_built(&before).unwrap();
        assert!(project.is_stale().unwrap(), "it was changed while the build went on");
    }

    #[test]
    fn the_sample_and_every_folder_of_cases_is_a_case() {
        let (folder, project) = project("name = \"a\"\nlanguage = \"c\"\n");
        let project = project.unwrap();
        assert!(project.cases().unwrap_err().to_string().contains("sample.csv"));
        fs::write(folder.path().join("sample.jsonl"), "{}").unwrap();
        for name in ["nulls", "empty"] {
            let case = folder.path().join("cases").join(name);
            fs::create_dir_all(&case).unwrap();
            fs::write(case.join("input.csv"), "id\n").unwrap();
        }
        fs::write(folder.path().join("cases/nulls/settings.json"), "{\"a\": 1}").unwrap();
        let cases = project.cases().unwrap();
        let names: Vec<Option<&str>> = cases.iter().map(|case| case.name.as_deref()).collect();
        assert_eq!(names, [None, Some("empty"), Some("nulls")]);
        assert_eq!(cases[2].settings, Some(serde_json::json!({ "a": 1 })));
    }

    #[test]
    fn columns_are_names_and_types() {
        let columns = parse_columns(["id long", " total  decimal(12,2)"]).unwrap();
        assert_eq!(columns[1], Column::new("total", ColumnType::Decimal { precision: 12, scale: 2 }));
        assert!(parse_columns(["id"]).unwrap_err().contains("`id` is no column"));
        assert!(parse_columns(["id integer"]).unwrap_err().contains("not a column type"));
        assert!(parse_columns(["id long", "id int"]).unwrap_err().contains("twice"));
    }

    #[test]
    fn only_files_that_a_person_writes_ask_for_a_new_round() {
        let (folder, project) = project("name = \"a\"\nlanguage = \"c\"\n");
        let project = project.unwrap();
        let concerns = |name: &str| project.concerns(&folder.path().join(name));
        assert!(concerns("a.c") && concerns("plugin.toml") && concerns("cases/x/input.csv") && concerns("src/lib.rs"));
        assert!(
            !concerns("build/a.wasm") && !concerns("a.c~") && !concerns("target/x/y") && !concerns("p/__pycache__/x")
        );
        assert!(!project.concerns(Path::new("/elsewhere/a.c")));
    }
}
