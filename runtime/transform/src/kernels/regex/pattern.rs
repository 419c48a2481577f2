//! Patterns, compiled once.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use ::regex::{Regex, RegexBuilder};

use crate::kernels::column::KernelError;

/// Longest pattern, in bytes.
const MOST_PATTERN_BYTES: usize = 4096;
/// What a compiled pattern may take.
const MOST_PROGRAM_BYTES: usize = 1 << 20;
/// What a search may remember of the states that it went through.
const MOST_STATE_BYTES: usize = 1 << 20;
/// Groups, loops and the like within each other.
const MOST_NESTED: u32 = 50;
/// Patterns kept for the next batch: they come again and again, and compiling one takes as long as matching many rows.
const KEPT: usize = 64;

static COMPILED: Mutex<VecDeque<(String, Regex)>> = Mutex::new(VecDeque::new());

/// The pattern, from those kept if it was asked for before.
pub(super) fn compiled(pattern: &str) -> Result<Regex, KernelError> {
    if let Some(regex) = kept(pattern) {
        return Ok(regex);
    }
    let regex = compile(pattern)?;
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    compiled.truncate(KEPT - 1);
    compiled.push_front((pattern.to_owned(), regex.clone()));
    Ok(regex)
}

fn kept(pattern: &str) -> Option<Regex> {
    let mut compiled = COMPILED.lock().unwrap_or_else(PoisonError::into_inner);
    let place = compiled.iter().position(|(text, _)| text == pattern)?;
    let found = compiled.remove(place)?;
    let regex = found.1.clone();
    compiled.push_front(found);
    Some(regex)
}

fn compile(pattern: &str) -> Result<Regex, KernelError> {
    if pattern.len() > MOST_PATTERN_BYTES {
        return Err(KernelError(format!(
            "the pattern is {} bytes long, and {MOST_PATTERN_BYTES} are the most",
            pattern.len()
        )));
    }
    RegexBuilder::new(pattern)
        .size_limit(MOST_PROGRAM_BYTES)
        .dfa_size_limit(MOST_STATE_BYTES)
        .nest_limit(MOST_NESTED)
        .build()
        .map_err(|error| match error {
            ::regex::Error::CompiledTooBig(_) => {
                KernelError(format!("the pattern `{pattern}` is too complex: use fewer or smaller repetitions"))
            }
            error => KernelError(format!("the pattern cannot be read: {error}")),
        })
}
