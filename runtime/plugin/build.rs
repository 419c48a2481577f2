//! Puts the SDKs and templates of `plugins/` into the program, without what builds leave among them.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs, io};

const FOLDERS: [&str; 11] = [
    "c/sdk",
    "c/template",
    "go/sdk",
    "go/template",
    "javascript/sdk",
    "javascript/template",
    "javascript/template-typescript",
    "python/sdk",
    "python/template",
    "rust/sdk",
    "rust/template",
];
/// What builds and editors leave behind.
const LEFT_BEHIND: [&str; 7] = ["target", "node_modules", "build", "dist", "__pycache__", ".venv", ".git"];

fn main() -> io::Result<()> {
    let plugins = PathBuf::from(variable("CARGO_MANIFEST_DIR")?).join("../../plugins").canonicalize()?;
    let mut list = String::from("&[\n");
    for folder in FOLDERS {
        let mut files = Vec::new();
        collect(&plugins.join(folder), &mut files)?;
        files.sort();
        for file in files {
            let relative = file.strip_prefix(&plugins).map_err(io::Error::other)?;
            let name = relative.components().map(|part| part.as_os_str().to_string_lossy()).collect::<Vec<_>>();
            let _ = writeln!(list, "    ({:?}, include_bytes!({:?})),", name.join("/"), file);
        }
    }
    list.push_str("]\n");
    fs::write(PathBuf::from(variable("OUT_DIR")?).join("embedded.rs"), list)
}

fn variable(name: &str) -> io::Result<String> {
    env::var(name).map_err(io::Error::other)
}

/// The files below a folder; cargo looks at each of them, and at the folders for files that are new.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    println!("cargo::rerun-if-changed={}", folder.display());
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        if LEFT_BEHIND.contains(&name.as_str()) || name.ends_with(".pyc") {
            continue;
        }
        if path.is_dir() {
            collect(&path, files)?;
        } else {
            println!("cargo::rerun-if-changed={}", path.display());
            files.push(path);
        }
    }
    Ok(())
}
