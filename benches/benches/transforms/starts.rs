//! How soon eighty tables are ready, and what their transforms weigh while nothing happens.

use std::path::{Path, PathBuf};
use std::time::Instant;

use rayon::prelude::*;
use sluice_benches::{Failure, usage};
use sluice_transform::host::{CodeCache, Host, HostSettings};
use sluice_transform::{ComponentSettings, Transform};

use crate::guests::{self, Guests, LANGUAGES};

const TABLES: usize = 80;

/// Starts processes' worth of transforms, each set twice: compiled, and from the cache.
pub fn measure(guests: &Guests, folder: &Path) -> Result<(), Failure> {
    println!("{TABLES} tables: loaded, configured and each with one batch of 4,096 rows behind it");
    let rust = |table: usize| distinct(guests.file("rust"), folder, "rust", table);
    let mixed = |table: usize| {
        let language = LANGUAGES[table % LANGUAGES.len()];
        distinct(guests.file(language), folder, language, table)
    };
    let shared = |_: usize| Ok(guests.file("rust").to_owned());
    let all_rust = (0..TABLES).map(rust).collect::<Result<Vec<_>, Failure>>()?;
    let all_mixed = (0..TABLES).map(mixed).collect::<Result<Vec<_>, Failure>>()?;
    let one = (0..TABLES).map(shared).collect::<Result<Vec<_>, Failure>>()?;
    for (name, files) in
        [("80 Rust components", all_rust), ("16 of each language", all_mixed), ("one Rust component for all", one)]
    {
        let cache = folder.join(format!("cache {name}"));
        let cold = start(&files, &cache)?;
        let warm = start(&files, &cache)?;
        println!(
            "  {name:28} compiled {:7.2} s, from the cache {:6.3} s; idle {:6.2} MiB each",
            cold.seconds,
            warm.seconds,
            warm.idle_bytes as f64 / TABLES as f64 / (1 << 20) as f64
        );
    }
    println!();
    Ok(())
}

struct Started {
    seconds: f64,
    idle_bytes: u64,
}

fn start(files: &[PathBuf], cache: &Path) -> Result<Started, Failure> {
    let before = usage::resident_bytes();
    let begun = Instant::now();
    let host = Host::new(&HostSettings::for_threads(2), CodeCache::open(cache))?;
    let (schema, input) = guests::nine_columns();
    let settings = files.iter().map(|file| {
        let language = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        let mode =
            if language.starts_with("python") || language.starts_with("javascript") { "kernels" } else { "bytes" };
        guests::settings(file, mode)
    });
    let settings: Vec<ComponentSettings> = settings.collect::<Result<_, _>>()?;
    let transforms = settings.par_iter().map(|settings| {
        let transform = host.open(settings)?;
        transform.output(&schema)?;
        Ok(transform)
    });
    let transforms = transforms.collect::<Result<Vec<_>, sluice_transform::TransformError>>()?;
    let seconds = begun.elapsed().as_secs_f64();
    let few = input.slice(0..4_096);
    for transform in &transforms {
        transform.shape(&schema, few.clone())?;
    }
    Ok(Started { seconds, idle_bytes: usage::resident_bytes().saturating_sub(before) })
}

/// The component with a section that makes it another one.
fn distinct(component: &Path, folder: &Path, language: &str, number: usize) -> Result<PathBuf, Failure> {
    let mut bytes = std::fs::read(component)?;
    let name = format!("copy {number:04}");
    bytes.push(0);
    bytes.push(name.len() as u8 + 1);
    bytes.push(name.len() as u8);
    bytes.extend_from_slice(name.as_bytes());
    let file = folder.join(format!("{language}-{number}.wasm"));
    std::fs::write(&file, bytes)?;
    Ok(file)
}
