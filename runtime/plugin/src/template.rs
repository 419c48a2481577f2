//! New projects: a language's template with its SDK, which are part of the program.

use std::fs;
use std::path::Path;

use crate::project::{MANIFEST, ProjectError, check_name};
use crate::{Language, Project};

/// Every file of the SDKs and templates: its name below `plugins`, and its content.
const EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/embedded.rs"));

/// Files in which a name stands for the project even if it is an everyday word.
const MANIFESTS: [&str; 8] = [
    MANIFEST,
    "Cargo.toml",
    "Cargo.lock",
    "package.json",
    "package-lock.json",
    "go.mod",
    "pyproject.toml",
    "README.md",
];

/// Makes a project of this name and language in `folder`, which has to be empty or not there.
pub fn create(name: &str, language: Language, folder: &Path) -> Result<Project, ProjectError> {
    check_name(name)?;
    if folder.exists() {
        let mut entries = fs::read_dir(folder).map_err(ProjectError::file("list", folder))?;
        if entries.next().is_some() {
            return Err(ProjectError::NotEmpty(folder.to_owned()));
        }
    }
    for (path, content) in files(name, language) {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent).map_err(ProjectError::file("make the folder", parent))?;
        }
        fs::write(&path, content).map_err(ProjectError::file("write", &path))?;
    }
    Project::open(folder)
}

/// The files of a new project: the template, and the SDK below `sdk`.
fn files(name: &str, language: Language) -> Vec<(String, Vec<u8>)> {
    let below = |part: &str| {
        let prefix = format!("{part}/");
        EMBEDDED.iter().filter_map(move |(path, content)| Some((path.strip_prefix(prefix.as_str())?, *content)))
    };
    let (sdk, template) = (format!("{}/sdk", language.folder()), language.template());
    let manifest = below(template).find(|(path, _)| *path == MANIFEST).map(|(_, content)| content);
    let placeholder = manifest.and_then(placeholder).unwrap_or_default();
    let own = below(template).map(|(path, content)| {
        let path = fill(path, &placeholder, name);
        let content = match std::str::from_utf8(content) {
            Ok(text) if is_distinct(&placeholder) || MANIFESTS.contains(&file_name(&path)) => {
                fill(text, &placeholder, name).into_bytes()
            }
            _ => content.to_vec(),
        };
        (path, content)
    });
    own.chain(below(&sdk).map(|(path, content)| (format!("sdk/{path}"), content.to_vec()))).collect()
}

/// The name that the template has for itself.
fn placeholder(manifest: &[u8]) -> Option<String> {
    let manifest: toml::Table = toml::from_str(std::str::from_utf8(manifest).ok()?).ok()?;
    manifest.get("name")?.as_str().map(str::to_owned)
}

/// Whether a name can stand for nothing else in prose or code.
fn is_distinct(name: &str) -> bool {
    name.contains('-')
}

/// A text with the project's name in place of the template's, also where a language wants underscores.
fn fill(text: &str, placeholder: &str, name: &str) -> String {
    if placeholder.is_empty() {
        return text.to_owned();
    }
    let filled = replace_words(text, placeholder, name);
    let (with_underscores, name) = (placeholder.replace('-', "_"), name.replace('-', "_"));
    if with_underscores == placeholder { filled } else { replace_words(&filled, &with_underscores, &name) }
}

/// Replaces `word` where it is not a part of a longer name.
fn replace_words(text: &str, word: &str, by: &str) -> String {
    let within_name = |c: char| c.is_alphanumeric() || c == '_' || c == '-';
    let (mut out, mut rest) = (String::with_capacity(text.len()), text);
    while let Some(at) = rest.find(word) {
        let (before, after) = (&rest[..at], &rest[at + word.len()..]);
        out.push_str(before);
        let part = out.chars().next_back().is_some_and(within_name) || after.starts_with(within_name);
        out.push_str(if part { word } else { by });
        rest = after;
    }
    out + rest
}

fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_filled_in_where_it_stands_alone() {
        assert_eq!(
            fill("my-plugin my_plugin my-plugins not_my_plugin", "my-plugin", "mask-it"),
            "mask-it mask_it my-plugins not_my_plugin"
        );
        assert_eq!(fill("text", "", "x"), "text");
    }

    #[test]
    fn a_folder_with_something_in_it_is_left_alone() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("notes"), "mine").unwrap();
        let error = create("mask", Language::Rust, folder.path()).unwrap_err().to_string();
        assert!(error.contains("not empty") && error.contains("--dir"), "{error}");
        assert!(create("Mask", Language::Rust, folder.path()).unwrap_err().to_string().contains("lower-case"));
    }

    #[test]
    fn every_language_has_a_template_that_becomes_a_project() {
        for language in Language::ALL {
            let folder = tempfile::tempdir().unwrap();
            let project = create("mask-customers", language, &folder.path().join("new")).unwrap();
            assert_eq!((project.name.as_str(), project.language), ("mask-customers", language), "{language}");
            assert!(project.folder.join("sdk").is_dir(), "{language}");
            assert!(!project.cases().unwrap().is_empty(), "{language}");
        }
    }
}
