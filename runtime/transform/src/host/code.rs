//! Compiled components, kept in memory by their digest and on disk from one process to the next.

use std::borrow::Cow;
use std::fs;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::thread;

use sha2::{Digest, Sha256};
use tracing::debug;
use wasmtime::Engine;
use wasmtime::component::{Component, InstancePre};

use super::engine::Engines;
use super::imports;
use super::inspect::{Inspection, inspect};
use super::state::State;

/// Where compiled code is kept between processes.
#[derive(Debug, Clone)]
pub struct CodeCache {
    folder: PathBuf,
}

impl CodeCache {
    /// A cache in `folder`, which is made if need be, for this user alone; `None` where that cannot be had, which costs
    /// compiling again and nothing else.
    pub fn open(folder: &Path) -> Option<Self> {
        let made = fs::create_dir_all(folder).and_then(|()| private(folder));
        match made {
            Ok(true) => Some(Self { folder: folder.to_owned() }),
            Ok(false) => {
                debug!(folder = %folder.display(), "others may write the folder for compiled components: it is not used");
                None
            }
            Err(error) => {
                debug!(folder = %folder.display(), %error, "the folder for compiled components cannot be used");
                None
            }
        }
    }

    fn file(&self, engine: &Engine, digest: &str) -> PathBuf {
        let mut settings = DefaultHasher::new();
        engine.precompile_compatibility_hash().hash(&mut settings);
        self.folder.join(format!("{digest}-{:016x}.cwasm", settings.finish()))
    }

    #[allow(unsafe_code)]
    fn load(&self, engine: &Engine, digest: &str) -> Option<Component> {
        let file = self.file(engine, digest);
        if !file.exists() {
            return None;
        }
        // SAFETY: `deserialize_file` wants a file that wasmtime wrote and nobody changed. The folder is owned by this user
        // and nobody else may write to it (`open` checks), files get their final name only once they are whole (`store`),
        // and their name is made of the engine's version and settings, which wasmtime checks again. Whoever can change
        // the file regardless can change this program as well.
        match unsafe { Component::deserialize_file(engine, &file) } {
            Ok(component) => Some(component),
            Err(error) => {
                debug!(file = %file.display(), %error, "compiled code cannot be used, and is compiled again");
                None
            }
        }
    }

    fn store(&self, engine: &Engine, digest: &str, component: &Component) {
        let file = self.file(engine, digest);
        let written = component.serialize().map_err(|error| error.to_string()).and_then(|bytes| {
            let mut temporary = tempfile::Builder::new()
                .prefix(".writing-")
                .tempfile_in(&self.folder)
                .map_err(|error| error.to_string())?;
            temporary.write_all(&bytes).map_err(|error| error.to_string())?;
            temporary.persist(&file).map_err(|error| error.to_string())?;
            Ok(())
        });
        if let Err(error) = written {
            debug!(file = %file.display(), error, "compiled code is not kept");
        }
    }
}

/// Whether only this user can write to a folder.
#[cfg(unix)]
fn private(folder: &Path) -> std::io::Result<bool> {
    use std::os::unix::fs::{MetadataExt, PermissionsExt};
    let found = fs::metadata(folder)?;
    // Whoever made a file there owns it; that tells who this process runs as.
    let own = tempfile::tempfile_in(folder)?.metadata()?.uid();
    if found.uid() != own {
        return Ok(false);
    }
    if found.mode() & 0o022 != 0 {
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    Ok(true)
}

#[cfg(not(unix))]
fn private(_folder: &Path) -> std::io::Result<bool> {
    Ok(false)
}

/// The code of one component, shared by all tables that use it.
pub(super) struct Code {
    /// SHA-256 of its bytes, as hexadecimal digits.
    pub digest: String,
    /// What it says of itself.
    pub inspection: Inspection,
    /// The component, which is read again if the metered code has to be made: interpreters are large.
    file: PathBuf,
    quick: InstancePre<State>,
    metered: OnceLock<Result<InstancePre<State>, String>>,
    cache: Option<CodeCache>,
}

impl std::fmt::Debug for Code {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Code").field("digest", &self.digest).finish_non_exhaustive()
    }
}

/// SHA-256 as hexadecimal digits.
pub fn digest(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}

impl Code {
    /// Compiles a component, or takes its code from the cache.
    pub fn load(
        engines: &Engines,
        cache: Option<&CodeCache>,
        digest: String,
        file: &Path,
        bytes: &[u8],
    ) -> Result<Self, String> {
        let inspection = inspect(bytes)?;
        if let Some(fault) = inspection.fault() {
            return Err(fault);
        }
        let quick = prepared(&engines.quick, cache, &digest, || Ok(Cow::Borrowed(bytes)))?;
        let cache = cache.cloned();
        Ok(Self { digest, inspection, file: file.to_owned(), quick, metered: OnceLock::new(), cache })
    }

    /// Ready for the engine that only has deadlines.
    pub fn quick(&self) -> &InstancePre<State> {
        &self.quick
    }

    /// Ready for the engine that counts fuel; compiled when first asked for, since few batches need it.
    pub fn metered(&self, engines: &Engines) -> Result<&InstancePre<State>, String> {
        let made = self.metered.get_or_init(|| {
            prepared(&engines.metered, self.cache.as_ref(), &self.digest, || self.read_again().map(Cow::Owned))
        });
        made.as_ref().map_err(String::clone)
    }
}

impl Code {
    fn read_again(&self) -> Result<Vec<u8>, String> {
        let bytes = fs::read(&self.file).map_err(|error| format!("{} cannot be read: {error}", self.file.display()))?;
        if digest(&bytes) != self.digest {
            return Err(format!(
                "{} was exchanged while it is in use: restart, so that it is taken",
                self.file.display()
            ));
        }
        Ok(bytes)
    }
}

/// Compiles on threads of its own. The caller holds a lock for which the threads of the processor pool may wait, so it must
/// neither wait for them nor, while it waits, take on other work of theirs that wants the same lock.
fn compile(engine: &Engine, bytes: &[u8]) -> Result<Component, String> {
    thread::scope(|scope| {
        let compiling = scope.spawn(|| {
            let pool = rayon::ThreadPoolBuilder::new().build().map_err(|error| error.to_string())?;
            pool.install(|| Component::new(engine, bytes)).map_err(|error| format!("{error:#}"))
        });
        compiling.join().unwrap_or_else(|_| Err("the compiler panicked".to_owned()))
    })
}

fn prepared<'a>(
    engine: &Engine,
    cache: Option<&CodeCache>,
    digest: &str,
    bytes: impl FnOnce() -> Result<Cow<'a, [u8]>, String>,
) -> Result<InstancePre<State>, String> {
    let component = match cache.and_then(|cache| cache.load(engine, digest)) {
        Some(component) => component,
        None => {
            let compiled = compile(engine, &bytes()?).map_err(|error| format!("it does not compile: {error}"))?;
            if let Some(cache) = cache {
                cache.store(engine, digest, &compiled);
            }
            compiled
        }
    };
    let linker = imports::linker(engine).map_err(|error| format!("{error:#}"))?;
    linker.instantiate_pre(&component).map_err(|error| {
        format!("it does not fit the contract sluice:transform@1.0.0: {error:#}; build it against this version's SDK")
    })
}
