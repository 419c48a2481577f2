//! JavaScript and TypeScript: esbuild makes one script of the SDK and the author's modules, componentize-qjs a component
//! of that script and QuickJS.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::kept::{file, kept, sdk, write};
use super::{BuildError, Job, WIT, run};

/// The versions that the SDK is written for.
const PACKAGES: [&str; 2] = ["componentize-qjs@0.4.5", "esbuild@0.28.2"];
/// Where an author's transform may be.
const SOURCES: [&str; 4] = ["transform.ts", "transform.mts", "transform.js", "transform.mjs"];

/// Builds the component of a project with `transform.ts` or `transform.js` and the SDK in `sdk/`.
pub fn build(job: &Job<'_>) -> Result<Vec<u8>, BuildError> {
    let tools = kept(job.tools, "componentize-qjs-0.4.5-esbuild-0.28.2", install)?;
    let modules = tools.join("node_modules");
    let script = bundle(job, &modules)?;
    let contract = job.work.join("wit");
    write(&contract.join("transform.wit"), WIT)?;
    let component = job.work.join("component.wasm");
    let mut command = Command::new("node");
    command.arg(modules.join("componentize-qjs/cli.mjs")).arg("--wit").arg(&contract).args([
        "--world",
        "transform",
        "--stub-wasi",
        "--sync",
    ]);
    run(command.arg("--js").arg(&script).arg("--output").arg(&component).current_dir(&job.work))?;
    fs::read(&component).map_err(|source| file(&component, source))
}

/// One script of everything, so that the engine has nothing to look for.
fn bundle(job: &Job<'_>, modules: &Path) -> Result<PathBuf, BuildError> {
    let source = SOURCES.iter().map(|name| job.project.join(name)).find(|path| path.is_file());
    let source = source.ok_or_else(|| BuildError::Missing {
        what: format!("`{}`", SOURCES.join("` or `")),
        advice: "write the transform there, beside plugin.toml".to_owned(),
    })?;
    let entry = job.work.join("entry.mjs");
    // The SDK comes first: it takes the clock away before the author's modules run.
    let text = format!(
        "import {{ exportsOf }} from {};\nimport * as author from {};\nexport const {{ configure, transform }} = exportsOf(author);\n",
        specifier(&sdk(job)?.join("component.js")),
        specifier(&source),
    );
    write(&entry, &text)?;
    let script = job.work.join("bundle.js");
    let mut command = Command::new(modules.join(".bin/esbuild"));
    command.arg(&entry).args([
        "--bundle",
        "--format=esm",
        "--target=es2023",
        "--external:sluice:*",
        "--log-level=warning",
        "--charset=utf8",
    ]);
    run(command.arg(format!("--outfile={}", script.display())).current_dir(job.project))?;
    Ok(script)
}

/// A path as a string literal of JavaScript.
fn specifier(path: &Path) -> String {
    serde_json::Value::String(path.to_string_lossy().into_owned()).to_string()
}

fn install(place: &Path) -> Result<(), BuildError> {
    let quiet = ["--no-audit", "--no-fund", "--no-package-lock", "--ignore-scripts", "--loglevel=error"];
    // Without a package.json here npm would install where it finds one further up.
    write(&place.join("package.json"), "{ \"private\": true }\n")?;
    let mut command = Command::new("npm");
    run(command.args(["install", "--save-exact"]).args(quiet).args(PACKAGES).current_dir(place)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_project_without_a_transform_says_which_file_is_missing() {
        let project = tempfile::tempdir().unwrap();
        let job = Job { project: project.path(), name: "x", work: project.path().join("build"), tools: project.path() };
        let error = bundle(&job, Path::new("nowhere")).unwrap_err().to_string();
        assert!(error.contains("transform.ts"), "{error}");
    }

    #[test]
    fn a_path_with_quotes_stays_one_literal() {
        assert_eq!(specifier(Path::new("/a \"b\"/c")), r#""/a \"b\"/c""#);
    }
}
