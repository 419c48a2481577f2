//! C: clang for WebAssembly, from the machine if it has one with a C library, else as part of zig.

use std::env;
use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf, absolute};
use std::process::Command;

use super::kept::{file, kept, sdk, write};
use super::{BuildError, Job, componentize, run};

/// Brings clang, its linker and a C library.
const ZIG: &str = "ziglang==0.17.1";
/// The module has nothing else below its heap, and deep calls are the host's to stop.
const STACK_BYTES: u32 = 256 * 1024;
/// Nothing of WASI may be left in a module, so the probe asks for what needs none.
const PROBE: &str = "#include <string.h>\nint probe(const char *text) { return (int)strlen(text); }\n";

/// Builds a project of C files, in its folder or its folder `src`, with the SDK in `sdk` or beside the project.
pub fn build(job: &Job<'_>) -> Result<Vec<u8>, BuildError> {
    fs::create_dir_all(&job.work).map_err(|source| file(&job.work, source))?;
    let sdk = sdk(job)?;
    let module = job.work.join("core.wasm");
    let mut command = compiler(job)?;
    command.args(flags()).args(["-O2", "-std=gnu17", "-Wall", "-Wextra", "-s"]);
    for folder in [job.project, &job.project.join("src"), &sdk] {
        command.arg("-I").arg(folder);
    }
    command.args(sources(job.project)?).arg(sdk.join("sluice.c")).arg("-o").arg(&module);
    run(&mut command)?;
    let bytes = fs::read(&module).map_err(|source| file(&module, source))?;
    componentize(&bytes, None).map_err(|error| match error {
        BuildError::Component(reason) if reason.contains("wasi_snapshot_preview1") => BuildError::Component(format!(
            "it uses files, the clock or the standard streams of the C library, which a transform does not have (log with \
             `sluice_log`): {reason}"
        )),
        other => other,
    })
}

fn flags() -> [OsString; 3] {
    let stack = format!("-Wl,-z,stack-size={STACK_BYTES}");
    ["--target=wasm32-wasi".into(), "-mexec-model=reactor".into(), stack.into()]
}

/// The project's own files, in an order that is always the same. Tests have folders of their own.
fn sources(project: &Path) -> Result<Vec<PathBuf>, BuildError> {
    let mut sources = Vec::new();
    for folder in [project.to_owned(), project.join("src")].iter().filter(|folder| folder.is_dir()) {
        let entries = fs::read_dir(folder).map_err(|source| file(folder, source))?;
        for entry in entries {
            let path = entry.map_err(|source| file(folder, source))?.path();
            if path.extension().is_some_and(|extension| extension == "c") {
                sources.push(path);
            }
        }
    }
    sources.sort();
    match sources.is_empty() {
        true => Err(BuildError::Component("there is no file `*.c` in the project or in its folder `src`".to_owned())),
        false => Ok(sources),
    }
}

fn compiler(job: &Job<'_>) -> Result<Command, BuildError> {
    let sdk_clang = env::var_os("WASI_SDK_PATH").map(|place| Path::new(&place).join("bin/clang"));
    for program in sdk_clang.into_iter().chain([PathBuf::from("clang")]) {
        // Debian keeps its C library for WebAssembly beside the machine's own.
        for root in [None, Some("--sysroot=/usr")] {
            let command = || {
                let mut command = Command::new(&program);
                command.args(root);
                command
            };
            if works(command(), job)? {
                return Ok(command());
            }
        }
    }
    zig(job)
}

/// Whether the compiler can make a module that uses the C library.
fn works(mut command: Command, job: &Job<'_>) -> Result<bool, BuildError> {
    let (source, module) = (job.work.join("probe/probe.c"), job.work.join("probe/probe.wasm"));
    write(&source, PROBE)?;
    command.args(flags()).args(["-O2", "-s"]).arg(&source).arg("-o").arg(&module);
    Ok(run(&mut command).is_ok())
}

fn zig(job: &Job<'_>) -> Result<Command, BuildError> {
    let place = kept(job.tools, "ziglang-0.17.1", |place| {
        let mut pip = Command::new("python3");
        pip.args([
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
            "--no-input",
            "--no-deps",
            "--target",
        ]);
        run(pip.arg(place).arg(ZIG)).map(drop).map_err(|error| match error {
            BuildError::Missing { .. } => BuildError::Missing {
                what: "clang with a C library for WebAssembly, or Python to get it".to_owned(),
                advice: "install Python 3 with pip, or the WASI SDK and set WASI_SDK_PATH to its folder".to_owned(),
            },
            other => other,
        })
    })?;
    let cache = job.tools.join("ziglang-0.17.1-cache");
    let mut command = Command::new(place.join("ziglang/zig"));
    command.arg("cc");
    for name in ["ZIG_GLOBAL_CACHE_DIR", "ZIG_LOCAL_CACHE_DIR"] {
        command.env(name, absolute(&cache).map_err(|source| file(&cache, source))?);
    }
    Ok(command)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_and_the_sdk_are_no_sources_of_the_module() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["b.c", "a.c", "a.h", "src/c.c", "tests/d.c", "sdk/sluice.c"] {
            write(&folder.path().join(name), "").unwrap();
        }
        let found = sources(folder.path()).unwrap();
        let expected = ["a.c", "b.c", "src/c.c"].map(|name| folder.path().join(name));
        assert_eq!(found, expected);
    }

    #[test]
    fn a_project_without_sources_or_sdk_is_told_so() {
        let folder = tempfile::tempdir().unwrap();
        let job = Job { project: folder.path(), name: "x", work: folder.path().join("build"), tools: folder.path() };
        assert!(build(&job).unwrap_err().to_string().contains("the folder `sdk`"));
        assert!(sources(folder.path()).unwrap_err().to_string().contains("*.c"));
    }
}
