//! JSON.

mod path;
mod scan;
mod text;

use arrow_array::Array;

use super::column::{Column, KernelError, Limits};
use super::writer::map_text_or_null;
use path::Path;
use scan::{Found, find};

/// What a JSON text holds at `path`; the path's form is `address.city`, `items[0].sku`, `["a name with a dot."]`, or empty
/// for the whole.
///
/// Texts come without their quotes; null for JSON's null, a missing place or a text that is no JSON; everything else is
/// JSON text, as it is written there. Where an object has a name twice, the last one counts.
pub fn json_field(text: &Column, path: &str, limits: Limits) -> Result<Column, KernelError> {
    let path = Path::new(path)?;
    let rows = text.texts()?.len();
    // Most fields are short; what is found is a part of the text, so this only spares some growing.
    map_text_or_null(text, rows.saturating_mul(16), limits, |value, out| match find(value, path.steps()) {
        None => Ok(false),
        Some(Found::Json(json)) => out.push(json.as_bytes()).map(|()| true),
        Some(Found::Text(escaped)) => {
            let mut fits = true;
            // What an escape stands for is never longer than the escape.
            out.push_with(escaped.len(), |bytes| fits = text::unescape(escaped, bytes))?;
            Ok(fits)
        }
    })
}
