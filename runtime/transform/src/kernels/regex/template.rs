//! What a match is replaced with.

use ::regex::{CaptureLocations, Regex};

use crate::kernels::column::KernelError;
use crate::kernels::writer::Writer;

/// A replacement, read once.
pub(super) struct Template {
    pieces: Vec<Piece>,
}

enum Piece {
    Text(String),
    Group(usize),
}

impl Template {
    /// Reads `$1`, `$name`, `${1}`, `${name}` and `$$`; any other dollar sign is one.
    pub fn new(replacement: &str, regex: &Regex) -> Result<Self, KernelError> {
        let mut pieces = Vec::new();
        let mut text = String::new();
        let mut rest = replacement;
        while let Some(place) = rest.find('$') {
            text.push_str(&rest[..place]);
            rest = &rest[place + 1..];
            if let Some(after) = rest.strip_prefix('$') {
                text.push('$');
                rest = after;
            } else if let Some((name, after)) = reference(rest) {
                pieces.push(Piece::Text(std::mem::take(&mut text)));
                pieces.push(Piece::Group(group(name, regex)?));
                rest = after;
            } else {
                text.push('$');
            }
        }
        text.push_str(rest);
        pieces.push(Piece::Text(text));
        pieces.retain(|piece| !matches!(piece, Piece::Text(text) if text.is_empty()));
        Ok(Self { pieces })
    }

    /// Whether a match has to be taken apart.
    pub fn has_groups(&self) -> bool {
        self.pieces.iter().any(|piece| matches!(piece, Piece::Group(_)))
    }

    /// Writes it for a match; a group without part in it is empty.
    pub fn write(&self, value: &str, places: &CaptureLocations, out: &mut Writer) -> Result<(), KernelError> {
        self.pieces.iter().try_for_each(|piece| match piece {
            Piece::Text(text) => out.push(text.as_bytes()),
            Piece::Group(group) => match places.get(*group) {
                Some((begin, end)) => out.push(&value.as_bytes()[begin..end]),
                None => Ok(()),
            },
        })
    }
}

/// The name of a group behind a dollar sign, and what follows it.
fn reference(text: &str) -> Option<(&str, &str)> {
    if let Some(braced) = text.strip_prefix('{') {
        return braced.split_once('}');
    }
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    if end == 0 { None } else { Some(text.split_at(end)) }
}

fn group(name: &str, regex: &Regex) -> Result<usize, KernelError> {
    let found = match name.parse::<usize>() {
        Ok(number) => Some(number).filter(|number| *number < regex.captures_len()),
        Err(_) => regex.capture_names().position(|found| found == Some(name)),
    };
    found.ok_or_else(|| {
        KernelError(format!(
            "the replacement names the group `{name}`, and the pattern has none: put the name into braces if it ends \
             earlier, and write a dollar sign as `$$`"
        ))
    })
}
