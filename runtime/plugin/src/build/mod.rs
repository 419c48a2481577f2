//! From a project's sources to a component.
//!
//! Each language has a recipe. A recipe fetches what it needs of its language's registry into [`Job::tools`], once; what a
//! machine must have by itself is a compiler or interpreter of the language.

mod kept;

pub mod c;
pub mod go;
pub mod javascript;
pub mod python;
pub mod rust;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

use sha2::{Digest, Sha256};
use thiserror::Error;

use crate::project::{BUILD, hex};
use crate::{Language, Project, ProjectError};

/// What a project is built from and where to.
#[derive(Debug)]
pub struct Job<'a> {
    /// The folder with `plugin.toml`.
    pub project: &'a Path,
    /// The plugin's name, which is also the file name of the component.
    pub name: &'a str,
    /// A folder of the project's for what the build leaves behind.
    pub work: PathBuf,
    /// Where tools are kept between builds, shared by all projects.
    pub tools: &'a Path,
}

/// A component that was built.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Built {
    /// The file.
    pub component: PathBuf,
    /// Its length.
    pub bytes: u64,
    /// Its SHA-256 as hexadecimal digits, by which a configuration may pin it.
    pub sha256: String,
}

/// A build that failed.
#[derive(Debug, Error)]
pub enum BuildError {
    /// The project cannot be read or written.
    #[error(transparent)]
    Project(#[from] ProjectError),
    /// Something that the machine has to bring is not there.
    #[error("{what} is needed to build this plugin and was not found: {advice}")]
    Missing {
        /// The program or target.
        what: String,
        /// How to get it.
        advice: String,
    },
    /// A command failed.
    #[error("`{command}` failed:\n{output}")]
    Command {
        /// The command line.
        command: String,
        /// The end of what it wrote.
        output: String,
    },
    /// What the compiler made is not a transform.
    #[error("what was built is not a transform: {0}")]
    Component(String),
    /// A file cannot be read or written.
    #[error("{}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What went wrong.
        #[source]
        source: io::Error,
    },
}

/// Most of a failed command's output that is kept.
const KEPT_OUTPUT: usize = 16_000;

/// Builds a project's component, whether or not there is one.
pub fn build(project: &Project, tools: &Path) -> Result<Built, BuildError> {
    let file = |path: &Path| {
        let path = path.to_owned();
        move |source| BuildError::File { path, source }
    };
    // What is changed while the build goes on is not in the component, and has to make it stale.
    let before = project.look()?;
    let project_folder = project.folder.canonicalize().map_err(file(&project.folder))?;
    let work = project_folder.join(BUILD).join("work");
    fs::create_dir_all(&work).map_err(file(&work))?;
    fs::create_dir_all(tools).map_err(file(tools))?;
    let tools = tools.canonicalize().map_err(file(tools))?;
    let job = Job { project: &project_folder, name: &project.name, work, tools: &tools };
    let bytes = match project.language {
        Language::Rust => rust::build(&job),
        Language::Python => python::build(&job),
        Language::JavaScript | Language::TypeScript => javascript::build(&job),
        Language::Go => go::build(&job),
        Language::C => c::build(&job),
    }?;
    // A reader sees the old component or the new one, never a part.
    let (component, partial) = (project.component(), project.component().with_extension("wasm.partial"));
    fs::write(&partial, &bytes).map_err(file(&partial))?;
    fs::rename(&partial, &component).map_err(file(&component))?;
    project.note_built(&before)?;
    Ok(Built { component, bytes: bytes.len() as u64, sha256: digest(&bytes) })
}

/// The SHA-256 of a component, as hexadecimal digits.
pub fn digest(component: &[u8]) -> String {
    hex(&Sha256::digest(component))
}

/// Where tools are kept on this machine: `SLUICE_PLUGIN_TOOLS`, else below the user's cache folder.
pub fn tools_folder() -> PathBuf {
    let named = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = || named("XDG_CACHE_HOME").or_else(|| Some(named("HOME")?.join(".cache")));
    named("SLUICE_PLUGIN_TOOLS")
        .or_else(|| Some(cache()?.join("sluice").join("plugin-tools")))
        .unwrap_or_else(|| env::temp_dir().join("sluice-plugin-tools"))
}

/// Runs a command to its end; its output goes into the error if it fails.
pub fn run(command: &mut Command) -> Result<String, BuildError> {
    let line = line(command);
    let output = command.output().map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => BuildError::Missing {
            what: format!("`{}`", command.get_program().to_string_lossy()),
            advice: "install it and have it on the PATH".to_owned(),
        },
        _ => BuildError::Command { command: line.clone(), output: error.to_string() },
    })?;
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    if output.status.success() {
        return Ok(text(&output.stdout));
    }
    let all = text(&output.stdout) + &text(&output.stderr);
    let from = all.len().saturating_sub(KEPT_OUTPUT);
    let from = (from..all.len()).find(|at| all.is_char_boundary(*at)).unwrap_or(all.len());
    Err(BuildError::Command { command: line, output: all[from..].trim().to_owned() })
}

fn line(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy().into_owned()).collect::<Vec<_>>().join(" ")
}

/// Makes a component of a core module whose exports follow the canonical ABI; `adapter` stands in for
/// `wasi_snapshot_preview1`, for languages whose runtime asks for it.
pub fn componentize(module: &[u8], adapter: Option<&[u8]>) -> Result<Vec<u8>, BuildError> {
    let failed = |error: &dyn std::fmt::Display| BuildError::Component(format!("{error:#}"));
    let mut resolve = wit_parser::Resolve::default();
    let package = resolve.push_str("transform.wit", WIT).map_err(|error| failed(&error))?;
    let world = resolve.select_world(&[package], Some("transform")).map_err(|error| failed(&error))?;
    let mut module = module.to_vec();
    // Bindings of a generator bring the world along; those written by hand do not.
    if !matches!(wit_component::metadata::decode(&module), Ok((Some(_), _))) {
        wit_component::embed_component_metadata(&mut module, &resolve, world, wit_component::StringEncoding::UTF8)
            .map_err(|error| failed(&error))?;
    }
    let mut encoder = wit_component::ComponentEncoder::default().module(&module).map_err(|error| failed(&error))?;
    if let Some(adapter) = adapter {
        encoder = encoder.adapter("wasi_snapshot_preview1", adapter).map_err(|error| failed(&error))?;
    }
    encoder.validate(true).encode().map_err(|error| failed(&error))
}

/// The contract that every component is built against.
pub const WIT: &str = include_str!("../../../../wit/transform/v1/transform.wit");
