//! The conformance guests: built once for as long as nothing changes that they are built from.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock, OnceLock};
use std::time::Duration;

use serde_json::Value;
use sluice_change::TableName;
use sluice_platform::Secret;
pub use sluice_plugin::build::WIT;
use sluice_plugin::build::{self, BuildError, Job};
use sluice_tests::tools;
use sluice_transform::host::{CodeCache, ComponentTransform, Host, HostSettings, digest};
use sluice_transform::{ComponentLimits, ComponentSettings};

/// A language with an SDK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Rust,
    Python,
    JavaScript,
    Go,
    C,
}

impl Language {
    fn folder(self) -> &'static str {
        match self {
            Language::Rust => "rust",
            Language::Python => "python",
            Language::JavaScript => "javascript",
            Language::Go => "go",
            Language::C => "c",
        }
    }

    fn is_recipe_of_another(self, file: &Path) -> bool {
        let all = [Language::Rust, Language::Python, Language::JavaScript, Language::Go, Language::C];
        let recipe = |language: &Language| file.file_stem().is_some_and(|stem| stem == language.folder());
        all.iter().any(|other| *other != self && recipe(other)) && file.extension().is_some_and(|ending| ending == "rs")
    }

    fn recipe(self) -> fn(&Job<'_>) -> Result<Vec<u8>, BuildError> {
        match self {
            Language::Rust => build::rust::build,
            Language::Python => build::python::build,
            Language::JavaScript => build::javascript::build,
            Language::Go => build::go::build,
            Language::C => build::c::build,
        }
    }
}

static HOST: LazyLock<Host> = LazyLock::new(|| {
    let threads = std::thread::available_parallelism().map_or(2, |threads| threads.get());
    // Tests run at the same time on threads of their own.
    let settings = HostSettings::for_threads(threads * 4);
    Host::new(&settings, CodeCache::open(&kept().join("code"))).expect("WebAssembly runs here")
});

/// The guest of a language; `None`, said aloud, where its toolchain cannot be had.
pub fn component(language: Language) -> Option<&'static Path> {
    static BUILT: [OnceLock<Option<PathBuf>>; 5] = [const { OnceLock::new() }; 5];
    let built = BUILT[language as usize].get_or_init(|| {
        let name = format!("the conformance guest in {language:?}");
        tools::had(&name, || made(language))
    });
    built.as_deref()
}

/// The guest with these settings as the transform of a table.
pub fn open(language: Language, settings: &Value) -> Option<Arc<ComponentTransform>> {
    let path = component(language)?.to_owned();
    let settings = ComponentSettings {
        name: format!("conformance-{}", language.folder()),
        table: TableName::new("shop", "orders").expect("a table's name"),
        path,
        settings: Secret::new(settings.to_string()),
        sha256: None,
        // Fuel is what everyone gets; time is not, on a machine that does other things too.
        limits: ComponentLimits { deadline: Duration::from_secs(240), ..ComponentLimits::default() },
    };
    Some(HOST.open(&settings).unwrap_or_else(|error| panic!("{language:?}: {error}")))
}

/// Where components are kept between runs.
fn kept() -> PathBuf {
    tools::folder().join("plugins")
}

fn made(language: Language) -> Result<PathBuf, String> {
    let repository = Path::new(env!("CARGO_MANIFEST_DIR")).parent().ok_or("the tests lie in the repository")?;
    let sources = repository.join("plugins").join(language.folder());
    let mut made_of = Vec::new();
    for part in ["sdk", "conformance"] {
        gather(&sources.join(part), &mut made_of)?;
    }
    gather(&repository.join("runtime/plugin/src/build"), &mut made_of)?;
    made_of.retain(|file| !language.is_recipe_of_another(file));
    gather(&repository.join("wit"), &mut made_of)?;
    let fingerprint = fingerprint(repository, &made_of)?;
    let component = kept().join(format!("conformance-{}-{}.wasm", language.folder(), &fingerprint[..16]));
    if component.exists() {
        return Ok(component);
    }
    let _lock = tools::Lock::take();
    if component.exists() {
        return Ok(component);
    }
    eprintln!("building the conformance guest in {language:?}");
    let project = copied(language, &sources, &made_of)?;
    let tools = kept().join("tools");
    fs::create_dir_all(&tools).map_err(|error| format!("{}: {error}", tools.display()))?;
    let job = Job { project: &project, name: "conformance", work: project.join("build").join("work"), tools: &tools };
    fs::create_dir_all(&job.work).map_err(|error| format!("{}: {error}", job.work.display()))?;
    let bytes = language.recipe()(&job).map_err(|error| format!("{error}"))?;
    let arriving = component.with_extension("arriving");
    fs::write(&arriving, bytes)
        .and_then(|()| fs::rename(&arriving, &component))
        .map_err(|error| format!("{}: {error}", component.display()))?;
    Ok(component)
}

/// Copies a language's sources, so that a build leaves nothing behind in them; the compilers' caches stay.
fn copied(language: Language, sources: &Path, made_of: &[PathBuf]) -> Result<PathBuf, String> {
    let to = kept().join("sources").join(language.folder());
    for file in made_of {
        let Ok(below) = file.strip_prefix(sources) else { continue };
        let target = to.join(below);
        let content = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        if fs::read(&target).is_ok_and(|found| found == content) {
            continue;
        }
        let folder = target.parent().ok_or("a file lies in a folder")?;
        fs::create_dir_all(folder)
            .and_then(|()| fs::write(&target, content))
            .map_err(|error| format!("{}: {error}", target.display()))?;
    }
    Ok(to.join("conformance"))
}

/// All files below a folder, in order, but for what builds leave behind.
fn gather(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let entries = fs::read_dir(folder).map_err(failed)?;
    let mut paths =
        entries.map(|entry| entry.map(|entry| entry.path())).collect::<Result<Vec<_>, _>>().map_err(failed)?;
    paths.sort();
    for path in paths {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let left_behind = ["build", "target", "node_modules", "__pycache__"].contains(&&*name);
        if path.is_dir() && !left_behind {
            gather(&path, files)?;
        } else if path.is_file() {
            files.push(path);
        }
    }
    Ok(())
}

fn fingerprint(repository: &Path, files: &[PathBuf]) -> Result<String, String> {
    let mut all = Vec::new();
    for file in files {
        let content = fs::read(file).map_err(|error| format!("{}: {error}", file.display()))?;
        let name = file.strip_prefix(repository).unwrap_or(file);
        all.extend_from_slice(name.to_string_lossy().as_bytes());
        all.extend_from_slice(&(content.len() as u64).to_le_bytes());
        all.extend(content);
    }
    Ok(digest(&all))
}
