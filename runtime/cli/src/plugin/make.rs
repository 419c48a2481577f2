//! `sluice plugin new` and `sluice plugin build`.

use std::path::{Path, PathBuf};

use serde::Serialize;
use sluice_platform::Clock;
use sluice_plugin::build::{build, tools_folder};
use sluice_plugin::{Project, template};

use super::arguments::{BuildArguments, NewArguments};
use super::component::Component;
use super::error::PluginError;
use crate::exit::Exit;
use crate::terminal::Terminal;
use crate::words;

/// Makes a project and says what comes next.
pub(super) fn new(arguments: &NewArguments, terminal: &Terminal) -> Result<Exit, PluginError> {
    let folder = arguments.dir.clone().unwrap_or_else(|| PathBuf::from(&arguments.name));
    let project = template::create(&arguments.name, arguments.lang, &folder)?;
    terminal.say(&format!(
        "{} is a plugin in {} now, in {}. README.md says what is where.\n\nNext:\n  cd {}\n  sluice plugin test --watch     \
         edit, save, see what it does\n  sluice plugin build            build/{}.wasm, for the configuration\n",
        project.name,
        project.language,
        folder.display(),
        shell_word(&folder),
        project.name
    ));
    Ok(Exit::Success)
}

/// A path as a shell reads it.
fn shell_word(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = text.chars().all(|c| c.is_alphanumeric() || "/._-~".contains(c));
    if plain { text } else { format!("'{}'", text.replace('\'', "'\\''")) }
}

/// What a build made.
#[derive(Debug, Serialize)]
struct BuildReport {
    name: String,
    language: &'static str,
    component: PathBuf,
    bytes: u64,
    sha256: String,
    imports: Vec<String>,
    /// Why it cannot be used.
    unusable: Option<String>,
    took_ms: i64,
}

/// Builds a project's component once.
pub(super) fn once(arguments: &BuildArguments, terminal: &Terminal, clock: &dyn Clock) -> Result<Exit, PluginError> {
    let report = built(&arguments.project, clock)?;
    if arguments.json {
        terminal.say_json(&report);
    } else {
        terminal.say(&render(&report));
    }
    Ok(if report.unusable.is_none() { Exit::Success } else { Exit::Failure })
}

/// Builds a project's component, and says so.
pub(super) fn text(project: &Path, clock: &dyn Clock) -> Result<String, PluginError> {
    Ok(render(&built(project, clock)?))
}

fn built(folder: &Path, clock: &dyn Clock) -> Result<BuildReport, PluginError> {
    let project = Project::open(folder)?;
    let from = clock.now_us();
    let built = build(&project, &tools_folder())?;
    let took_ms = (clock.now_us() - from) / 1_000;
    let inspection = Component::read(&built.component)?.inspect();
    let (imports, unusable) = match inspection {
        Ok(found) => (found.imports.clone(), found.fault()),
        Err(reason) => (Vec::new(), Some(reason)),
    };
    Ok(BuildReport {
        name: project.name,
        language: project.language.word(),
        component: built.component,
        bytes: built.bytes,
        sha256: built.sha256,
        imports,
        unusable,
        took_ms,
    })
}

fn render(report: &BuildReport) -> String {
    let imports = if report.imports.is_empty() { "nothing".to_owned() } else { report.imports.join(", ") };
    let mut text = format!(
        "{}\nsize     {} ({} bytes)\nsha256   {}\nimports  {imports}\ntook     {}\n",
        report.component.display(),
        words::bytes(report.bytes),
        words::count(report.bytes),
        report.sha256,
        seconds(report.took_ms),
    );
    if let Some(reason) = &report.unusable {
        text.push_str(&format!("\nIt cannot be used: {reason}\n"));
    }
    text
}

pub(super) fn seconds(milliseconds: i64) -> String {
    format!("{}.{} s", milliseconds / 1_000, milliseconds % 1_000 / 100)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_survive_a_shell() {
        assert_eq!(shell_word(Path::new("plugins/mask-it")), "plugins/mask-it");
        assert_eq!(shell_word(Path::new("it's mine")), "'it'\\''s mine'");
        assert_eq!(seconds(1_250), "1.2 s");
    }
}
