//! Regular expressions.

mod pattern;
mod template;

use super::column::{Column, KernelError, Limits};
use super::text::test;
use super::writer::{extent_bytes, map_text, map_text_or_null};
use pattern::compiled;
use template::Template;

/// Whether the regular expression matches anywhere in the text.
pub fn regex_matches(text: &Column, pattern: &str) -> Result<Column, KernelError> {
    let regex = compiled(pattern)?;
    test(text, |value| regex.is_match(value))
}

/// What group number `group` (0 is the whole match) of the first match holds; null without a match, or if the group has no
/// part in it.
pub fn regex_extract(text: &Column, pattern: &str, group: u32, limits: Limits) -> Result<Column, KernelError> {
    let regex = compiled(pattern)?;
    let group = group as usize;
    if group >= regex.captures_len() {
        return Err(KernelError(format!("the pattern has {} groups and no number {group}", regex.captures_len() - 1)));
    }
    let bytes = extent_bytes(text.texts()?.offsets());
    let mut places = regex.capture_locations();
    map_text_or_null(text, bytes, limits, |value, out| {
        let found = match group {
            0 => regex.find(value).map(|found| found.range()),
            _ => regex.captures_read(&mut places, value).and_then(|_| places.get(group)).map(|(begin, end)| begin..end),
        };
        match found {
            Some(range) => out.push(&value.as_bytes()[range]).map(|()| true),
            None => Ok(false),
        }
    })
}

/// Every match replaced, from left to right; `$1` or `${name}` in `replacement` stand for groups, `$$` for a dollar sign.
pub fn regex_replace(text: &Column, pattern: &str, replacement: &str, limits: Limits) -> Result<Column, KernelError> {
    let regex = compiled(pattern)?;
    let template = Template::new(replacement, &regex)?;
    let bytes = extent_bytes(text.texts()?.offsets());
    let mut places = regex.capture_locations();
    map_text(text, bytes, limits, |value, out| {
        let mut done = 0;
        for found in regex.find_iter(value) {
            out.push(&value.as_bytes()[done..found.start()])?;
            if template.has_groups() {
                regex.captures_read_at(&mut places, value, found.start());
            }
            template.write(value, &places, out)?;
            done = found.end();
        }
        out.push(&value.as_bytes()[done..])
    })
}
