//! Tools of a language's registry, fetched once and kept.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use super::{BuildError, Job};

/// The folder `name` under `tools`, which `make` fills the first time.
///
/// It is filled beside its place and moved there when it is whole, so a build that was cut short leaves nothing behind
/// that looks like a tool, and of two builds at once one wins.
pub fn kept(
    tools: &Path,
    name: &str,
    make: impl FnOnce(&Path) -> Result<(), BuildError>,
) -> Result<PathBuf, BuildError> {
    let place = tools.join(name);
    if place.is_dir() {
        return Ok(place);
    }
    static BUILDS: AtomicU32 = AtomicU32::new(0);
    let number = BUILDS.fetch_add(1, Ordering::Relaxed);
    let making = tools.join(format!(".{name}.{}.{number}", std::process::id()));
    if making.exists() {
        // An older process of this number left it.
        fs::remove_dir_all(&making).map_err(|source| file(&making, source))?;
    }
    fs::create_dir_all(&making).map_err(|source| file(&making, source))?;
    make(&making)?;
    match fs::rename(&making, &place) {
        Err(source) if !place.is_dir() => Err(file(&place, source)),
        Err(_) => {
            // Another build was first; a leftover of ours harms nobody.
            let _ = fs::remove_dir_all(&making);
            Ok(place)
        }
        Ok(()) => Ok(place),
    }
}

/// The SDK of a project: its own copy, or, among sluice's sources, the one beside it.
pub fn sdk(job: &Job<'_>) -> Result<PathBuf, BuildError> {
    let places = [job.project.join("sdk"), job.project.join("../sdk")];
    places.into_iter().find(|place| place.is_dir()).ok_or_else(|| BuildError::Missing {
        what: "the folder `sdk`".to_owned(),
        advice: "`sluice plugin new` puts the SDK into a project; copy it from there".to_owned(),
    })
}

/// Writes a text, with the folders above it.
pub fn write(path: &Path, text: &str) -> Result<(), BuildError> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(|source| file(folder, source))?;
    }
    fs::write(path, text).map_err(|source| file(path, source))
}

/// An error with the file's name.
pub fn file(path: &Path, source: std::io::Error) -> BuildError {
    BuildError::File { path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_made_once_and_only_when_it_is_whole() {
        let tools = tempfile::tempdir().unwrap();
        let refused = kept(tools.path(), "tool", |_| Err(BuildError::Component("no".to_owned())));
        assert!(refused.is_err());
        assert!(!tools.path().join("tool").exists());
        let place = kept(tools.path(), "tool", |place| write(&place.join("bin/tool"), "1")).unwrap();
        let again = kept(tools.path(), "tool", |_| panic!("made twice")).unwrap();
        assert_eq!(place, again);
        assert_eq!(fs::read_to_string(place.join("bin/tool")).unwrap(), "1");
    }

    #[test]
    fn of_builds_at_once_one_wins_and_none_fails() {
        let tools = tempfile::tempdir().unwrap();
        let make = || kept(tools.path(), "tool", |place| write(&place.join("bin/tool"), "1")).unwrap();
        std::thread::scope(|scope| {
            let builds: Vec<_> = (0..8).map(|_| scope.spawn(make)).collect();
            builds.into_iter().for_each(|build| assert_eq!(build.join().unwrap(), tools.path().join("tool")));
        });
        assert_eq!(fs::read_dir(tools.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_projects_own_sdk_goes_before_the_one_beside_it() {
        let plugins = tempfile::tempdir().unwrap();
        let project = plugins.path().join("example");
        let job = Job { project: &project, name: "x", work: project.join("build"), tools: plugins.path() };
        assert!(sdk(&job).unwrap_err().to_string().contains("sluice plugin new"));
        fs::create_dir_all(plugins.path().join("sdk")).unwrap();
        fs::create_dir_all(&project).unwrap();
        assert_eq!(sdk(&job).unwrap(), project.join("../sdk"));
        fs::create_dir_all(project.join("sdk")).unwrap();
        assert_eq!(sdk(&job).unwrap(), project.join("sdk"));
    }
}
