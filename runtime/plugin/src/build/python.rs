//! Python: componentize-py puts an interpreter, the SDK and the author's modules into one component.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::kept::{file, kept, sdk, write};
use super::{BuildError, Job, WIT, run};

/// The version that the SDK is written for.
const COMPONENTIZE: &str = "componentize-py==0.25.1";
/// The interpreter in the component, for which packages are chosen.
const GUEST_PYTHON: &str = "3.14";
/// The module that the component is made of. The author's is called `transform`.
const ENTRY: &str = "sluice_component";
/// The interpreter in the component sees the author's folders while it is prepared, and is to leave nothing there.
const ENTRY_SOURCE: &str = "import sys

sys.dont_write_bytecode = True

from sluice.component import WitWorld as WitWorld
";

/// Builds the component of a project with `transform.py`, the SDK in `sdk/` and, where there is one, `requirements.txt`.
pub fn build(job: &Job<'_>) -> Result<Vec<u8>, BuildError> {
    let tool = kept(job.tools, "componentize-py-0.25.1", |place| {
        run(pip().args(["--no-deps", "--target"]).arg(place).arg(COMPONENTIZE)).map(drop)
    })?;
    let contract = job.work.join("wit");
    write(&contract.join("transform.wit"), WIT)?;
    let entry = job.work.join("entry");
    write(&entry.join(ENTRY).with_extension("py"), ENTRY_SOURCE)?;
    let packages = packages(job)?;
    let component = job.work.join("component.wasm");
    let mut command = python();
    command
        .args(["-c", "import sys; from componentize_py import script; sys.argv[0] = 'componentize-py'; script()"])
        .env("PYTHONPATH", &tool)
        // Its packages are the component's; those of an environment that happens to be active are not.
        .env("VIRTUAL_ENV", &packages)
        .arg("-q")
        .arg("-d")
        .arg(&contract)
        .args(["-w", "transform", "componentize", "--stub-wasi"]);
    for folder in [entry.as_path(), job.project, &sdk(job)?] {
        command.arg("-p").arg(folder);
    }
    run(command.arg(ENTRY).arg("-o").arg(&component))?;
    fs::read(&component).map_err(|source| file(&component, source))
}

/// An environment with the packages of the project's `requirements.txt`, made anew when that file changes.
fn packages(job: &Job<'_>) -> Result<PathBuf, BuildError> {
    let wanted = job.project.join("requirements.txt");
    let text = match wanted.exists() {
        true => fs::read_to_string(&wanted).map_err(|source| file(&wanted, source))?,
        false => String::new(),
    };
    let environment = job.work.join("packages");
    let place = environment.join("lib").join(format!("python{GUEST_PYTHON}")).join("site-packages");
    let marker = environment.join("requirements.txt");
    if fs::read_to_string(&marker).is_ok_and(|installed| installed == text) {
        return Ok(environment);
    }
    if environment.exists() {
        fs::remove_dir_all(&environment).map_err(|source| file(&environment, source))?;
    }
    fs::create_dir_all(&place).map_err(|source| file(&place, source))?;
    if !text.trim().is_empty() {
        install(&wanted, &place)?;
    }
    write(&marker, &text)?;
    Ok(environment)
}

/// Packages without native code: the component has an interpreter of its own.
fn install(wanted: &Path, place: &Path) -> Result<(), BuildError> {
    let pure = ["--only-binary=:all:", "--platform", "any", "--implementation", "py", "--abi", "none"];
    let mut command = pip();
    command.args(pure).args(["--python-version", GUEST_PYTHON, "--target"]).arg(place).arg("-r").arg(wanted);
    run(&mut command).map(drop)
}

fn pip() -> Command {
    let mut command = python();
    command.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-input"]);
    command
}

fn python() -> Command {
    Command::new("python3")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_without_requirements_gets_an_empty_environment() {
        let project = tempfile::tempdir().unwrap();
        let work = project.path().join("build/python");
        let job = Job { project: project.path(), name: "x", work, tools: project.path() };
        let environment = packages(&job).unwrap();
        assert_eq!(fs::read_dir(environment.join("lib/python3.14/site-packages")).unwrap().count(), 0);
        // A leftover goes when the requirements change, here from none known to none wanted.
        fs::remove_file(environment.join("requirements.txt")).unwrap();
        write(&environment.join("lib/python3.14/site-packages/old.py"), "").unwrap();
        assert_eq!(fs::read_dir(packages(&job).unwrap().join("lib/python3.14/site-packages")).unwrap().count(), 0);
    }
}
