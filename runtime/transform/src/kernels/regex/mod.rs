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

#[cfg(test)]
mod tests {
    use ::regex::Regex;
    use proptest::prelude::*;

    use super::*;
    use crate::kernels::samples::{ROOMY, against_model, any_texts, read_booleans, read_texts, words};

    const PATTERNS: [&str; 9] =
        ["a", "^", r"\b", "a*", "(a)|(?<other>[b-c]+)", r"(?i)A(.?)", "ä|(€)", r"(\w)\s*(\w)", r"^([^@]+)@(.*)$"];

    proptest! {
        #[test]
        fn patterns_match_what_the_library_matches(values in any_texts()) {
            for pattern in PATTERNS {
                let regex = Regex::new(pattern).unwrap();
                against_model(&values, |text| regex_matches(text, pattern), read_booleans, |text| Some(regex.is_match(text)));
                for group in 0..regex.captures_len() {
                    against_model(&values, |text| regex_extract(text, pattern, group as u32, ROOMY), read_texts, |text| {
                        Some(regex.captures(text)?.get(group)?.as_str().to_owned())
                    });
                }
                for replacement in ["", "x", "$$1", "$", "<$0>", "${0}a"] {
                    against_model(&values, |text| regex_replace(text, pattern, replacement, ROOMY), read_texts, |text| {
                        Some(regex.replace_all(text, replacement).into_owned())
                    });
                }
                if regex.captures_len() == 3 {
                    against_model(&values, |text| regex_replace(text, pattern, "$2-$1.", ROOMY), read_texts, |text| {
                        Some(regex.replace_all(text, "$2-$1.").into_owned())
                    });
                }
            }
        }
    }

    #[test]
    fn groups_have_numbers_and_names() {
        let text = words(["Doe, Jane", "nobody"]);
        let found = regex_replace(&text, r"(?<last>\w+), (\w+)", "$2 ${last}s", ROOMY).unwrap();
        assert_eq!(read_texts(&found), [Some("Jane Does".to_owned()), Some("nobody".to_owned())]);
    }

    #[test]
    fn what_is_no_pattern_or_group_is_told() {
        let text = words(["a"]);
        let error = |result: Result<Column, KernelError>| result.unwrap_err().to_string();
        assert!(error(regex_matches(&text, "(a")).contains("unclosed group"));
        assert!(error(regex_matches(&text, r"(a)\1")).contains("backreferences are not supported"));
        assert!(error(regex_matches(&text, r"\w{1000}{1000}")).contains("too complex"));
        assert!(error(regex_matches(&text, &"a".repeat(5000))).contains("4096 are the most"));
        assert_eq!(error(regex_extract(&text, "(a)", 2, ROOMY)), "the pattern has 1 groups and no number 2");
        assert!(error(regex_replace(&text, "(a)", "$1b", ROOMY)).contains("names the group `1b`"));
    }

    #[test]
    fn a_replacement_that_grows_beyond_the_limit_is_refused() {
        assert!(regex_replace(&words(["aaaa"]), "", &"b".repeat(1000), Limits { bytes: 4000 }).is_err());
    }
}
