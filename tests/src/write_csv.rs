//! Records as DMS writes them to CSV.

use std::io::Write;

use flate2::Compression;
use flate2::write::GzEncoder;
use rand::Rng;
use rand::rngs::StdRng;

use crate::datum::{self, Cell};
use crate::generator::{Record, Slot};
use crate::spec::{Quoting, TableSpec};

/// Whether a record has an `Op` field.
pub(crate) fn has_op(spec: &TableSpec, load: bool) -> bool {
    spec.layout.op_in_load || !(load || spec.layout.inserts_only)
}

/// The prefix of before-image columns, if the file has any.
pub(crate) fn before_prefix(spec: &TableSpec, load: bool) -> Option<&str> {
    spec.layout.before_prefix.as_deref().filter(|_| !load)
}

/// The names of the columns in file order: `Op`, commit time, the table's own, before images.
pub(crate) fn names(spec: &TableSpec, width: usize, load: bool) -> Vec<String> {
    let layout = &spec.layout;
    let mut names = Vec::new();
    if has_op(spec, load) {
        names.push("Op".to_owned());
    }
    names.extend(layout.time_column.clone());
    names.extend(spec.schema.columns[..width].iter().map(|column| column.name.clone()));
    names.extend(layout.change_sequence.clone());
    if let Some(prefix) = before_prefix(spec, load) {
        names.extend(spec.schema.key.iter().map(|key| format!("{prefix}{key}")));
    }
    names
}

/// One record's fields, quoted where they have to be (and sometimes where they need not).
pub(crate) fn fields(spec: &TableSpec, width: usize, record: &Record, load: bool, rng: &mut StdRng) -> Vec<Vec<u8>> {
    let layout = &spec.layout;
    let mut fields = Vec::with_capacity(width + 4);
    if has_op(spec, load) {
        fields.push(record.change.op.code().into());
    }
    if layout.time_column.is_some() {
        fields.push(datum::timestamp(record.commit_us).into());
    }
    for index in 0..width {
        fields.push(field(spec, record.change.cells.get(index).unwrap_or(&None), rng));
    }
    if layout.change_sequence.is_some() {
        fields.push(change_sequence(record, load).unwrap_or_default().into_bytes());
    }
    if before_prefix(spec, load).is_some() {
        for key in &spec.schema.key {
            let index = spec.schema.columns.iter().position(|column| column.name == *key).expect("a key column");
            let before = record.change.before.as_ref().and_then(|before| before.get(index)).unwrap_or(&None);
            fields.push(field(spec, before, rng));
        }
    }
    fields
}

/// The change sequence as DMS writes it: sixteen digits of time, nineteen that count; nothing in a full load.
pub(crate) fn change_sequence(record: &Record, load: bool) -> Option<String> {
    let digits = datum::timestamp(record.commit_us).chars().filter(char::is_ascii_digit).take(16).collect::<String>();
    (!load).then(|| format!("{digits}{:019}", record.file as u64 * 1_000_000 + record.row))
}

/// A whole file.
pub(crate) fn file(spec: &TableSpec, width: usize, slots: &[Slot], load: bool, rng: &mut StdRng) -> Vec<u8> {
    let layout = &spec.layout;
    let mut lines: Vec<Vec<u8>> = Vec::with_capacity(slots.len() + 1);
    if layout.header {
        lines.push(names(spec, width, load).join(&char::from(layout.delimiter).to_string()).into_bytes());
    }
    for slot in slots {
        lines.push(match slot {
            Slot::Good(record) => fields(spec, width, record, load, rng).join(&layout.delimiter),
            Slot::Bad(bad) => bad.raw.clone(),
        });
    }
    let end = layout.row_end.as_bytes();
    let mut bytes = lines.join(end);
    // The last row's end may be missing.
    if !bytes.is_empty() && rng.random_bool(0.9) {
        bytes.extend_from_slice(end);
    }
    if layout.gzip { gzip(&bytes) } else { bytes }
}

/// The bytes, gzipped.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).expect("writing to memory");
    encoder.finish().expect("writing to memory")
}

fn field(spec: &TableSpec, cell: &Cell, rng: &mut StdRng) -> Vec<u8> {
    let layout = &spec.layout;
    let Some(datum) = cell else { return layout.null.text().into() };
    let text = datum.csv();
    if layout.quoting == Quoting::Never {
        return text.into();
    }
    let special = |byte: u8| byte == layout.delimiter || matches!(byte, b'"' | b'\n' | b'\r');
    let must = text.is_empty()
        || text == layout.null.text()
        || text.bytes().any(special)
        || text.contains(layout.row_end)
        || layout.quoting == Quoting::All;
    if must || rng.random_bool(0.03) { format!("\"{}\"", text.replace('"', "\"\"")).into_bytes() } else { text.into() }
}
