//! Programs that the tests need and that are fetched once: kept beside what cargo builds, so that they live as long.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Set where a reader or service that cannot be had is a failure, not something to do without.
const REQUIRED: &str = "SLUICE_REQUIRE_SERVICES";
/// Another folder for the tools, which several target folders may share.
const SHARED: &str = "SLUICE_TOOLS";
const COPY: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy";
const COPY_ALL: &str = "org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy-dependencies";

/// What `make` gives; where it fails, `None` and loud words, or a failure where everything has to be had.
pub fn had<T>(name: &str, make: impl FnOnce() -> Result<T, String>) -> Option<T> {
    match make() {
        Ok(tool) => Some(tool),
        Err(error) if std::env::var_os(REQUIRED).is_some_and(|value| value != "0") => {
            panic!("{name} is required here ({REQUIRED}) and cannot be had: {error}")
        }
        Err(error) => {
            eprintln!("\n*** {name} CANNOT BE HAD AND CHECKS NOTHING HERE ***\n{error}\n");
            None
        }
    }
}

/// The folder in which tools are installed.
pub fn folder() -> PathBuf {
    if let Some(shared) = std::env::var_os(SHARED) {
        return shared.into();
    }
    let test = std::env::current_exe().expect("a test knows its own path");
    // target/<profile>/deps/<test>
    test.ancestors().nth(3).expect("a target folder").join("readers")
}

/// The Python of an environment that has these packages.
pub fn python_with(environment: &str, packages: &[&str]) -> Result<PathBuf, String> {
    let environment = folder().join(environment);
    let python = environment.join("bin").join("python");
    if !python.exists() {
        run(Command::new("python3").args(["-m", "venv"]).arg(&environment))?;
    }
    let name = packages.join("-").replace(['[', ']', ',', '='], "-");
    let installed = environment.join(format!("{name}.installed"));
    if !installed.exists() {
        eprintln!("installing {packages:?} into {}", environment.display());
        let mut pip = Command::new(&python);
        run(pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check"]).args(packages))?;
        fs::write(installed, "").map_err(|error| error.to_string())?;
    }
    Ok(python)
}

/// A single jar, without what it depends on.
pub fn jar(artifact: &str, file: &str) -> Result<PathBuf, String> {
    let jars = folder().join("jars");
    let path = jars.join(file);
    if !path.exists() {
        eprintln!("fetching {artifact} into {}", jars.display());
        let arriving = folder().join("arriving");
        let output = format!("-DoutputDirectory={}", arriving.display());
        run(Command::new("mvn").args(["-B", "-q", COPY, &format!("-Dartifact={artifact}"), &output]))?;
        fs::create_dir_all(&jars)
            .and_then(|()| fs::rename(arriving.join(file), &path))
            .map_err(|error| format!("{artifact} did not come as {file}: {error}"))?;
    }
    Ok(path)
}

/// The folder of all jars that a Maven project needs at run time. Another text of the project is another folder.
pub fn jars_of(name: &str, pom: &str) -> Result<PathBuf, String> {
    let jars = folder().join(name).join("jars");
    let noted = folder().join(name).join("pom.xml");
    if jars.exists() && fs::read_to_string(&noted).is_ok_and(|text| text == pom) {
        return Ok(jars);
    }
    eprintln!("fetching the jars of {name} into {}", jars.display());
    let arriving = folder().join(name).join("arriving");
    let failed = |error: std::io::Error| format!("{}: {error}", arriving.display());
    for old in [&arriving, &jars] {
        let _ = fs::remove_dir_all(old);
    }
    fs::create_dir_all(&arriving).and_then(|()| fs::write(&noted, pom)).map_err(failed)?;
    let output = format!("-DoutputDirectory={}", arriving.display());
    let mut maven = Command::new("mvn");
    run(maven.args(["-B", "-q", "-f"]).arg(&noted).args([COPY_ALL, "-DincludeScope=runtime", &output]))?;
    fs::rename(&arriving, &jars).map_err(failed)?;
    Ok(jars)
}

/// A program built by Go from `package@version`; `built` is the name that Go gives it.
pub fn go_program(name: &str, package: &str, built: &str) -> Result<PathBuf, String> {
    let version = package.rsplit_once('@').map_or("", |(_, version)| version);
    let program = folder().join("bin").join(format!("{name}-{version}"));
    if !program.exists() {
        eprintln!("building {package} into {}", program.display());
        let arriving = folder().join("go");
        fs::create_dir_all(&arriving).map_err(|error| error.to_string())?;
        run(Command::new("go").env("GOBIN", &arriving).args(["install", package]))?;
        fs::create_dir_all(folder().join("bin"))
            .and_then(|()| fs::rename(arriving.join(built), &program))
            .map_err(|error| format!("{package} did not come as {built}: {error}"))?;
    }
    Ok(program)
}

/// Fails unless there is a Java to run.
pub fn java() -> Result<&'static Path, String> {
    run(Command::new("java").arg("-version"))?;
    Ok(Path::new("java"))
}

/// Runs a command to its end; its words are the error if it fails.
pub fn run(command: &mut Command) -> Result<(), String> {
    let output = command.output().map_err(|error| format!("{:?}: {error}", command.get_program()))?;
    if output.status.success() {
        return Ok(());
    }
    let words = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Err(format!("{command:?} ended with {}\n{}{}", output.status, words[0], words[1]))
}

/// Held by the one test process that installs.
#[derive(Debug)]
pub struct Lock {
    _file: File,
}

impl Lock {
    /// Waits until no other process installs.
    pub fn take() -> Self {
        fs::create_dir_all(folder()).expect("a folder can be made");
        let file = File::create(folder().join("lock")).expect("a file can be made");
        file.lock().expect("a file can be locked");
        Self { _file: file }
    }
}
