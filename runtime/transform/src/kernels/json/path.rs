//! Places in a JSON text.

use crate::kernels::column::KernelError;

/// One step into a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Step {
    /// To what an object has under a name.
    Name(String),
    /// To an array's element, from 0.
    Index(usize),
}

/// The way to a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Path {
    steps: Vec<Step>,
}

impl Path {
    /// Reads a path.
    pub fn new(path: &str) -> Result<Self, KernelError> {
        let wrong =
            |why: &str| KernelError(format!("the path `{path}` {why}: write it like `address.city` or `items[0].sku`"));
        let mut steps = Vec::new();
        let mut rest = path;
        while !rest.is_empty() {
            if let Some(inner) = rest.strip_prefix('[') {
                let (step, after) =
                    bracketed(inner).ok_or_else(|| wrong("has brackets with neither a number nor a quoted name"))?;
                steps.push(step);
                rest = after;
            } else {
                let name = match rest.strip_prefix('.') {
                    Some(name) if !steps.is_empty() => name,
                    None if steps.is_empty() => rest,
                    _ => return Err(wrong("lacks a name before or a dot between two places")),
                };
                let end = name.find(['.', '[', ']']).unwrap_or(name.len());
                if end == 0 {
                    return Err(wrong("lacks a name"));
                }
                steps.push(Step::Name(name[..end].to_owned()));
                rest = &name[end..];
            }
            if rest.starts_with(']') {
                return Err(wrong("closes a bracket that is not open"));
            }
        }
        Ok(Self { steps })
    }

    /// Its steps, from outside in.
    pub fn steps(&self) -> &[Step] {
        &self.steps
    }
}

/// `0]` or `"name"]`, and what follows.
fn bracketed(inner: &str) -> Option<(Step, &str)> {
    if inner.starts_with('"') {
        let mut names = serde_json::Deserializer::from_str(inner).into_iter::<String>();
        let name = names.next()?.ok()?;
        let after = inner[names.byte_offset()..].strip_prefix(']')?;
        return Some((Step::Name(name), after));
    }
    let (index, after) = inner.split_once(']')?;
    let plain = !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit());
    Some((Step::Index(index.parse().ok().filter(|_| plain)?), after))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_numbers_lead_to_places() {
        let name = |name: &str| Step::Name(name.to_owned());
        let steps = |path: &str| Path::new(path).unwrap().steps;
        assert_eq!(steps(""), []);
        assert_eq!(steps("address.city"), [name("address"), name("city")]);
        assert_eq!(steps("items[0].sku"), [name("items"), Step::Index(0), name("sku")]);
        assert_eq!(steps("[2][10]"), [Step::Index(2), Step::Index(10)]);
        assert_eq!(steps(r#"a["b.c"]["]\""].d e"#), [name("a"), name("b.c"), name("]\""), name("d e")]);
        assert_eq!(steps(r#"[""]"#), [name("")]);
        assert_eq!(steps("größe.0"), [name("größe"), name("0")]);
    }

    #[test]
    fn other_forms_are_refused() {
        for path in [
            ".a",
            "a.",
            "a..b",
            "a[",
            "a[]",
            "a[x]",
            "a[-1]",
            "a[+1]",
            "a]",
            "a[0]b",
            "a[\"x]",
            "a[99999999999999999999]",
        ] {
            let error = Path::new(path).unwrap_err().to_string();
            assert!(error.contains(path) && error.contains("`items[0].sku`"), "{error}");
        }
    }
}
