use std::process::Command;

use super::{BuildError, Job, componentize, run};

pub fn build(job: &Job<'_>) -> Result<Vec<u8>, BuildError> {
    let target = job.work.join("target");
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--target", "wasm32-unknown-unknown", "--target-dir"]).arg(&target);
    run(cargo.current_dir(job.project))?;
    let path = target.join(format!("wasm32-unknown-unknown/release/{}.wasm", job.name.replace('-', "_")));
    let module = std::fs::read(&path).map_err(|source| BuildError::File { path, source })?;
    componentize(&module, None)
}
