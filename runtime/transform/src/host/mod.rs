//! Runs WebAssembly components as transforms, within limits, and trusts nothing that they return.

mod assemble;
mod bindings;
mod buffers;
mod call;
mod code;
mod engine;
#[cfg(any(test, feature = "fuzzing"))]
pub mod forged;
mod imports;
mod inspect;
mod kernel_imports;
mod lend;
mod outcome;
mod plan;
mod said;
mod state;
mod transform;
mod voice;

pub use bindings::{OutputColumn, Plan};
pub use buffers::decode;
pub use call::Cost;
pub use code::{CodeCache, digest};
pub use engine::HostSettings;
pub use inspect::{Inspection, inspect};
pub use said::{Level, Said};
pub use transform::{ComponentTransform, Trial};

use std::collections::HashMap;
use std::fs;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use self::code::Code;
use self::engine::Engines;
use crate::{ComponentSettings, Components, Transform, TransformError};

/// Makes transforms of components. A component that several tables use is loaded once.
#[derive(Debug)]
pub struct Host {
    engines: Arc<Engines>,
    cache: Option<CodeCache>,
    loaded: Mutex<HashMap<String, Loading>>,
}

/// Code that is there, or that someone is loading.
type Loading = Arc<OnceLock<Result<Arc<Code>, String>>>;

impl Host {
    /// A host with its engines; `cache` keeps compiled code for the next process.
    pub fn new(settings: &HostSettings, cache: Option<CodeCache>) -> Result<Self, TransformError> {
        let engines = Engines::new(settings).map_err(|error| TransformError::Host {
            transform: "of any table".to_owned(),
            reason: format!("WebAssembly cannot be run on this machine: {error:#}"),
        })?;
        Ok(Self { engines: Arc::new(engines), cache, loaded: Mutex::new(HashMap::new()) })
    }

    /// The transform that a component makes for its table. Compiles it where no cache has its code, which takes seconds for
    /// components with an interpreter: call it where that may be waited for.
    pub fn open(&self, settings: &ComponentSettings) -> Result<Arc<ComponentTransform>, TransformError> {
        let unusable = |reason: String| TransformError::Unusable { component: settings.name.clone(), reason };
        let bytes = fs::read(&settings.path)
            .map_err(|error| unusable(format!("{} cannot be read: {error}", settings.path.display())))?;
        let found = digest(&bytes);
        if let Some(wanted) = settings.sha256.as_ref().filter(|wanted| **wanted != found) {
            return Err(unusable(format!(
                "its SHA-256 is {found}, and `sha256` says {wanted}: deploy the component that was meant, or correct \
                 `sha256`"
            )));
        }
        let code = self.code(settings, found, &bytes)?;
        Ok(Arc::new(ComponentTransform::new(Arc::clone(&self.engines), code, settings.clone())))
    }

    fn code(&self, settings: &ComponentSettings, digest: String, bytes: &[u8]) -> Result<Arc<Code>, TransformError> {
        let loading = {
            let mut loaded = self.loaded.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(loaded.entry(digest.clone()).or_default())
        };
        let code = loading.get_or_init(|| {
            let code = Code::load(&self.engines, self.cache.as_ref(), digest, &settings.path, bytes);
            code.map(Arc::new)
        });
        code.clone().map_err(|reason| TransformError::Unusable { component: settings.name.clone(), reason })
    }
}

impl Components for Host {
    fn load(&self, settings: &ComponentSettings) -> Result<Arc<dyn Transform>, TransformError> {
        Ok(self.open(settings)?)
    }
}
