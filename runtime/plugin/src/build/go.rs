//! Go: its own compiler, with a module that stands in for the WASI that its runtime asks for.

use std::process::Command;
use std::{fs, path};

use wit_component::StringEncoding;

use super::{BuildError, Job, WIT, componentize, run};

/// The first version whose exports may be called while an import is.
const OLDEST: (u32, u32) = (1, 24);

const ADAPTER: &str = include_str!("go_adapter.wat");

/// The world of what the adapter imports.
const ADAPTER_WORLD: &str = "package sluice:go-adapter; world adapter { import sluice:transform/diagnostics@1.0.0; }";

/// Builds the component of a Go project.
pub fn build(job: &Job<'_>) -> Result<Vec<u8>, BuildError> {
    check_version(job)?;
    fs::create_dir_all(&job.work).map_err(|source| BuildError::File { path: job.work.clone(), source })?;
    let module = job.work.join("core.wasm");
    // The compiler runs in the project's folder.
    let module = path::absolute(&module).unwrap_or(module);
    let mut go = Command::new("go");
    go.current_dir(job.project)
        .args(["build", "-buildmode=c-shared", "-trimpath", "-buildvcs=false", "-ldflags=-s -w -buildid=", "-o"])
        .arg(&module)
        .arg(".")
        .envs([("GOOS", "wasip1"), ("GOARCH", "wasm"), ("CGO_ENABLED", "0"), ("GOWORK", "off"), ("GOFLAGS", "")]);
    run(&mut go)?;
    let bytes = fs::read(&module).map_err(|source| BuildError::File { path: module, source })?;
    componentize(&bytes, Some(&adapter()?))
}

fn check_version(job: &Job<'_>) -> Result<(), BuildError> {
    let asked = run(Command::new("go").current_dir(job.project).args(["env", "GOVERSION"]));
    let version = match asked {
        Err(BuildError::Missing { .. }) => return Err(missing("no `go` is on the PATH")),
        other => other?,
    };
    match numbers(version.trim()) {
        Some(found) if found < OLDEST => Err(missing(&format!("the one here is {}", version.trim()))),
        _ => Ok(()),
    }
}

fn missing(found: &str) -> BuildError {
    BuildError::Missing {
        what: format!("Go {}.{} or newer", OLDEST.0, OLDEST.1),
        advice: format!("{found}; get it from https://go.dev/dl or your system's packages"),
    }
}

/// The first two numbers of a version such as `go1.26.8`.
fn numbers(version: &str) -> Option<(u32, u32)> {
    let mut parts = version.strip_prefix("go")?.split(|c: char| !c.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The adapter as a module that says which of the contract's functions it imports.
fn adapter() -> Result<Vec<u8>, BuildError> {
    let failed = |error: &dyn std::fmt::Display| BuildError::Component(format!("Go's adapter: {error:#}"));
    let mut module = wat::parse_str(ADAPTER).map_err(|error| failed(&error))?;
    let mut resolve = wit_parser::Resolve::default();
    resolve.push_str("transform.wit", WIT).map_err(|error| failed(&error))?;
    let package = resolve.push_str("adapter.wit", ADAPTER_WORLD).map_err(|error| failed(&error))?;
    let world = resolve.select_world(&[package], Some("adapter")).map_err(|error| failed(&error))?;
    wit_component::embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8)
        .map_err(|error| failed(&error))?;
    Ok(module)
}

#[cfg(test)]
mod tests {
    use super::{adapter, numbers};

    #[test]
    fn the_adapter_is_a_module() {
        adapter().unwrap();
    }

    #[test]
    fn versions_are_read_with_and_without_a_patch_number() {
        assert_eq!(numbers("go1.26.8"), Some((1, 26)));
        assert_eq!(numbers("go1.27"), Some((1, 27)));
        assert_eq!(numbers("go1.25rc1"), Some((1, 25)));
        assert_eq!(numbers("devel +abc"), None);
    }
}
