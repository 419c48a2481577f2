use std::collections::BTreeMap;

/// Columns that have another name now: data may still use the old one.
pub type Renames = BTreeMap<String, String>;

/// The name that a column has now.
pub(crate) fn current<'n>(renames: &'n Renames, name: &'n str) -> &'n str {
    renames.get(name).map_or(name, String::as_str)
}
