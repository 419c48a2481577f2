//! The sample that ships with sluice, built into the program.

use std::fs;
use std::io;
use std::path::Path;

/// One file of the sample: where it goes, and what is in it.
pub(super) struct SampleFile {
    pub path: &'static str,
    pub content: &'static [u8],
}

macro_rules! sample {
    ($($path:literal),* $(,)?) => {
        [$( SampleFile {
            path: $path,
            content: include_bytes!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../sample/", $path)),
        } ),*]
    };
}

pub(super) const CONFIGURATION: [SampleFile; 1] = sample!["sluice.toml"];

pub(super) const FULL_LOAD: [SampleFile; 4] = sample![
    "dms/shop/customers/LOAD00000001.csv",
    "dms/shop/order_items/LOAD00000001.csv.gz",
    "dms/shop/orders/LOAD00000001.csv",
    "dms/shop/products/LOAD00000001.parquet",
];

pub(super) const CHANGES: [SampleFile; 7] = sample![
    "dms/shop/customers/20260302-101500342.csv",
    "dms/shop/customers/20260302-111501007.csv",
    "dms/shop/order_items/20260302-100001250.csv.gz",
    "dms/shop/order_items/20260302-110001004.csv.gz",
    "dms/shop/orders/20260302-094500118.csv",
    "dms/shop/orders/20260302-104500873.csv",
    "dms/shop/products/20260302-101500519.parquet",
];

/// Puts files below `folder`. A file that is there already stays as it is, so that nobody's edits are lost.
pub(super) fn unpack(folder: &Path, files: &[SampleFile]) -> io::Result<()> {
    for file in files {
        let path = folder.join(file.path);
        if path.exists() {
            continue;
        }
        if let Some(parent) = path.parent() {
            fs::create_dir_all(parent)?;
        }
        // Under another name first: a run that watches the folder never sees half a file.
        let unfinished = path.with_extension("unfinished");
        fs::write(&unfinished, file.content)?;
        fs::rename(&unfinished, &path)?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::path::PathBuf;

    use super::*;

    fn files_below(folder: &Path) -> Vec<PathBuf> {
        let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        entries.flat_map(|path| if path.is_dir() { files_below(&path) } else { vec![path] }).collect()
    }

    #[test]
    fn every_file_of_the_sample_is_built_in() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sample");
        let there: BTreeSet<String> = files_below(&root.join("dms"))
            .iter()
            .map(|path| path.strip_prefix(&root).unwrap().display().to_string())
            .collect();
        let built_in: BTreeSet<String> = FULL_LOAD.iter().chain(&CHANGES).map(|file| file.path.to_owned()).collect();
        assert_eq!(there, built_in);
        let size: usize = FULL_LOAD.iter().chain(&CHANGES).map(|file| file.content.len()).sum();
        assert!(size < 100_000, "{size} bytes");
    }
}
