//! Rust: cargo makes a core module whose exports follow the canonical ABI.

use std::fs;
use std::path::{Path, PathBuf, absolute};
use std::process::Command;

use serde_json::Value;

use super::kept::file;
use super::{BuildError, Job, componentize, run};

/// It imports nothing that its code does not ask for.
const TARGET: &str = "wasm32-unknown-unknown";

/// Builds a project with a `Cargo.toml`.
pub fn build(job: &Job<'_>) -> Result<Vec<u8>, BuildError> {
    // Cargo runs in the project's folder.
    let target = absolute(job.work.join("cargo")).map_err(|source| file(&job.work, source))?;
    let mut built = run(&mut cargo(job, &target));
    let missing = matches!(&built, Err(BuildError::Command { output, .. }) if target_is_missing(output));
    // Without rustup the target is a matter of the distribution's packages, and the first error says so.
    if missing && run(Command::new("rustup").args(["target", "add", TARGET]).current_dir(job.project)).is_ok() {
        built = run(&mut cargo(job, &target));
    }
    let messages = built.map_err(|error| match error {
        BuildError::Missing { what, .. } => {
            BuildError::Missing { what, advice: "install Rust from https://rustup.rs".to_owned() }
        }
        BuildError::Command { output, .. } if target_is_missing(&output) => BuildError::Missing {
            what: format!("Rust's target {TARGET}"),
            advice: format!("install it with `rustup target add {TARGET}`"),
        },
        BuildError::Command { command, output } => BuildError::Command { command, output: errors(&output) },
        other => other,
    })?;
    let module = module(&messages, job.project).ok_or_else(|| {
        BuildError::Component(
            "cargo made no module: `[lib]` in Cargo.toml needs `crate-type = [\"cdylib\"]`".to_owned(),
        )
    })?;
    let bytes = fs::read(&module).map_err(|source| file(&module, source))?;
    componentize(&bytes, None)
}

fn cargo(job: &Job<'_>, target: &Path) -> Command {
    let mut command = Command::new("cargo");
    command
        .args(["build", "--release", "--lib", "--message-format", "json-render-diagnostics", "--target", TARGET])
        .arg("--target-dir")
        .arg(target)
        // There the project's own `.cargo/config.toml` counts.
        .current_dir(job.project)
        // Flags for the machine's own code, such as its linker, are of no use to the module.
        .env_remove("RUSTFLAGS")
        .env_remove("CARGO_ENCODED_RUSTFLAGS");
    command
}

fn target_is_missing(output: &str) -> bool {
    output.contains("E0463") && output.contains(TARGET)
}

/// What cargo and the compiler say to a person: the rest of the output are messages for programs.
fn errors(output: &str) -> String {
    let lines = output.lines().filter(|line| !line.starts_with("{\""));
    lines.collect::<Vec<_>>().join("\n")
}

/// The module that cargo made of the project's own crate.
fn module(messages: &str, project: &Path) -> Option<PathBuf> {
    let manifest = project.join("Cargo.toml");
    let manifest = manifest.canonicalize().unwrap_or(manifest);
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let own = artifacts.filter(|message| {
        let path = message["manifest_path"].as_str().map(PathBuf::from);
        message["reason"] == "compiler-artifact"
            && path.and_then(|path| path.canonicalize().ok()) == Some(manifest.clone())
    });
    let files = own.flat_map(|message| message["filenames"].as_array().cloned().unwrap_or_default());
    let mut modules = files.filter_map(|file| file.as_str().map(PathBuf::from));
    modules.find(|file| file.extension().is_some_and(|extension| extension == "wasm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn project(files: &[(&str, &str)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        }
        folder
    }

    fn build_in(folder: &Path) -> Result<Vec<u8>, BuildError> {
        build(&Job { project: folder, name: "sample", work: folder.join("build"), tools: &folder.join("tools") })
    }

    fn manifest(crate_type: &str) -> String {
        format!(
            "[package]\nname = \"a-sample\"\nversion = \"1.0.0\"\nedition = \"2024\"\n[lib]\ncrate-type = \
             [\"{crate_type}\"]\n[workspace]\n"
        )
    }

    #[test]
    fn a_crate_that_is_no_cdylib_is_told_what_is_missing() {
        let folder = project(&[("Cargo.toml", &manifest("rlib")), ("src/lib.rs", "")]);
        let error = build_in(folder.path()).unwrap_err().to_string();
        assert!(error.contains("crate-type = [\"cdylib\"]"), "{error}");
    }

    #[test]
    fn what_the_compiler_says_reaches_the_author() {
        let folder = project(&[("Cargo.toml", &manifest("cdylib")), ("src/lib.rs", "fn broken() -> u8 { \"text\" }")]);
        let error = build_in(folder.path()).unwrap_err().to_string();
        assert!(error.contains("mismatched types") && error.contains("src/lib.rs:1"), "{error}");
        assert!(!error.contains("\"reason\""), "{error}");
    }

    #[test]
    fn a_module_without_the_exports_is_no_transform() {
        let folder = project(&[("Cargo.toml", &manifest("cdylib")), ("src/lib.rs", "")]);
        let error = build_in(folder.path()).unwrap_err();
        assert!(matches!(&error, BuildError::Component(_)), "{error}");
    }
}
