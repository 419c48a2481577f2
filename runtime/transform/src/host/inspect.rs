//! What a component is, told from its bytes without compiling it.

use std::collections::BTreeSet;

use wasmparser::{ComponentExternalKind, ComponentTypeRef, Encoding, KnownCustom, Parser, Payload};

use super::imports::INTERFACES;

/// Interface of types alone, which components list among their imports.
const TYPES: &str = "sluice:transform/types@1.0.0";
/// Functions that a component of this contract exports.
const EXPORTS: [&str; 2] = ["configure", "transform"];
/// Components up to this size are taken for compiled code where they do not say what made them; interpreters are larger.
const COMPILED_BYTES: usize = 1 << 20;

/// What a component says of itself.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Inspection {
    /// Bytes of the component.
    pub size: usize,
    /// What it imports.
    pub imports: Vec<String>,
    /// What it exports.
    pub exports: Vec<String>,
    /// Languages and tools that made it, with their versions, as its producers section says.
    pub producers: Vec<(String, String)>,
    /// Whether it brings an interpreter of its language along, so that a row costs a hundred times the fuel.
    pub interpreted: bool,
}

impl Inspection {
    /// Why it cannot be used as a transform, and what to do; `None` if it can.
    pub fn fault(&self) -> Option<String> {
        let foreign: Vec<&str> = self.imports.iter().map(String::as_str).filter(|name| !allowed(name)).collect();
        if !foreign.is_empty() {
            let advice = if foreign.iter().any(|name| name.starts_with("wasi:")) {
                "a transform has no files, clock, randomness or network: build it with `sluice plugin build`, which \
                 leaves WASI out"
            } else if foreign.iter().any(|name| name.starts_with("sluice:transform/")) {
                "it is built for another version of the contract: use a newer sluice, or build it with this one's SDK"
            } else {
                "a transform may import columns, kernels and diagnostics of sluice:transform@1.0.0 and nothing else"
            };
            return Some(format!("it imports {}; {advice}", foreign.join(", ")));
        }
        let missing: Vec<&str> =
            EXPORTS.into_iter().filter(|wanted| !self.exports.iter().any(|found| found == wanted)).collect();
        if !missing.is_empty() {
            let found = if self.exports.is_empty() { "nothing".to_owned() } else { self.exports.join(", ") };
            return Some(format!(
                "it does not export {}, so it is a component of another world (it exports {found}); start from \
                 `sluice plugin new`",
                missing.join(" and ")
            ));
        }
        None
    }
}

fn allowed(import: &str) -> bool {
    import == TYPES || INTERFACES.contains(&import)
}

/// Reads what a component says of itself; the error is for whoever named the file.
pub fn inspect(bytes: &[u8]) -> Result<Inspection, String> {
    if !bytes.starts_with(b"\0asm") {
        return Err("it is not WebAssembly at all; name the `.wasm` file that `sluice plugin build` made".to_owned());
    }
    let mut found = Inspection { size: bytes.len(), ..Inspection::default() };
    let mut depth = 0_usize;
    let mut producers = BTreeSet::new();
    for payload in Parser::new(0).parse_all(bytes) {
        let payload = payload.map_err(|error| format!("it is damaged or cut off: {error}"))?;
        match payload {
            Payload::Version { encoding: Encoding::Module, .. } if depth == 0 => {
                return Err(
                    "it is a core module, not a component; build it with `sluice plugin build`, which makes one"
                        .to_owned(),
                );
            }
            Payload::ModuleSection { .. } | Payload::ComponentSection { .. } => depth += 1,
            Payload::End(_) => depth = depth.saturating_sub(1),
            Payload::ComponentImportSection(section) if depth == 0 => {
                for import in section {
                    let import = import.map_err(|error| format!("it is damaged: {error}"))?;
                    // Types are imported to give them names; they need nothing of the host.
                    if !matches!(import.ty, ComponentTypeRef::Type(_)) {
                        found.imports.push(import.name.name.to_owned());
                    }
                }
            }
            Payload::ComponentExportSection(section) if depth == 0 => {
                for export in section {
                    let export = export.map_err(|error| format!("it is damaged: {error}"))?;
                    if export.kind == ComponentExternalKind::Func || export.kind == ComponentExternalKind::Instance {
                        found.exports.push(export.name.name.to_owned());
                    }
                }
            }
            Payload::CustomSection(section) => {
                if let KnownCustom::Producers(fields) = section.as_known() {
                    for field in fields.into_iter().flatten() {
                        for value in field.values.into_iter().flatten() {
                            producers.insert((format!("{}: {}", field.name, value.name), value.version.to_owned()));
                        }
                    }
                }
            }
            _ => {}
        }
    }
    found.producers = producers.into_iter().collect();
    let says = |word: &str| found.producers.iter().any(|(name, _)| name.to_lowercase().contains(word));
    found.interpreted = says("componentize-") || (bytes.len() > COMPILED_BYTES && !says("language: go"));
    Ok(found)
}
