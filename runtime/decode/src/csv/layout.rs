//! Which value of a record is what.
//!
//! Records are `Op`, commit time, business columns, before-image columns; the first two and the last may be missing.
//! With a header line, names decide, in any order. Without one, places do, against the columns that are known (n of
//! them, k in the key), and the width of a record tells what it has:
//!
//! * **Changes.** `Op` is there (unless the settings say that it never is), the commit time and the k before-image
//!   columns are there if they are configured. What is left is m business columns, and those are the first m known
//!   ones: a file written before columns were added to the table is narrower. m is at least what the key needs and at
//!   most n.
//! * **Full load.** As above, but whether `Op` is there may be open, and before-image columns are there only at full
//!   width (n + k), as a load leaves them empty. Where a record can be read with and without `Op`, the reading in
//!   which every value is of its column's type counts; if both are such, the one with all n columns, then the one with `Op`.
//! * **Within a file** the first record that has a possible width sets the file's (in a full load whose `Op` is open, the
//!   first of which every value fits; those before it are rejects). A later record that is wider, and
//!   still possible, widens the file from there on (a column was added while the task ran). Every other width is a
//!   reject.

use sluice_change::{Column, ColumnType, TableSchema};

use super::nulls::NullStrings;
use super::settings::{CsvSettings, HeaderMode, OpColumn};
use super::split::Field;
use crate::parse;
use crate::reject::quoted;
use crate::renames::current;

/// Name of the column of operations in a header line.
const OP: &str = "Op";

/// A column and its place in a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) field: usize,
    pub(super) column: Column,
    pub(super) key: bool,
}

/// What the values of a record are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Layout {
    /// Values of a record.
    pub(super) width: usize,
    /// Whether names decided.
    pub(super) named: bool,
    pub(super) op: Option<usize>,
    pub(super) time: Option<usize>,
    pub(super) columns: Vec<Place>,
    /// Before-image columns, under the names of the columns that they are of.
    pub(super) before: Vec<Place>,
}

/// What the first record of a file turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum First {
    /// A line of names.
    Header(Layout),
    /// A record like those that follow.
    Record(Layout),
    /// Nothing that the table can have.
    Misfit(String),
}

/// What decides the layout of a file, apart from its first record.
#[derive(Debug, Clone, Copy)]
pub(super) struct Plan<'a> {
    pub(super) settings: &'a CsvSettings,
    pub(super) full_load: bool,
    pub(super) schema: &'a TableSchema,
}

impl<'a> Plan<'a> {
    /// Looks at the first record. An error means that the file as a whole cannot be read.
    pub(super) fn decide(&self, fields: &[Field], text: &[u8], nulls: &NullStrings) -> Result<First, String> {
        let readings: Vec<Layout> =
            self.op_readings().iter().filter_map(|&op| self.by_places(fields.len(), op)).collect();
        let fitting = |layout: &&Layout| fits(layout, fields, text, nulls);
        let header = match self.settings.header {
            HeaderMode::Present => true,
            HeaderMode::Absent => false,
            HeaderMode::Auto => {
                self.looks_like_names(&values(fields, text), || readings.iter().any(|one| fitting(&one)))
            }
        };
        if header {
            return Ok(First::Header(self.by_names(&values(fields, text))?));
        }
        if self.schema.columns.is_empty() {
            return Err("its columns are not known, for no header line is seen in it; declare them as `columns`".into());
        }
        Ok(match readings.as_slice() {
            [] => First::Misfit(self.misfit(fields.len())),
            [only] if self.op_readings().len() == 1 => First::Record(only.clone()),
            [first, ..] => {
                let all_columns = |layout: &&Layout| layout.columns.len() == self.schema.columns.len();
                match readings.iter().filter(fitting).max_by_key(|layout| all_columns(layout)) {
                    Some(best) => First::Record(best.clone()),
                    // A bad record must not decide how the good ones after it are read.
                    None => {
                        let likely = readings.iter().find(all_columns).unwrap_or(first);
                        First::Misfit(unfit(likely, fields, text, nulls))
                    }
                }
            }
        })
    }

    /// The layout of a wider record in a file that has been read as `current`, if there may be one.
    pub(super) fn widened(&self, current: &Layout, width: usize) -> Option<Layout> {
        if current.named || width <= current.width {
            return None;
        }
        self.by_places(width, current.op.is_some())
    }

    /// Whether there may be records of more than one value, so that a blank line is none.
    pub(super) fn has_several_values(&self) -> bool {
        let leading =
            usize::from(self.op_readings() != [false]) + usize::from(self.settings.timestamp_column.is_some());
        self.schema.columns.len() + leading + self.before_count() != 1
    }

    /// Says why a record of this width is a reject.
    pub(super) fn misfit(&self, width: usize) -> String {
        let leading =
            usize::from(self.op_readings() != [false]) + usize::from(self.settings.timestamp_column.is_some());
        let expected = leading + self.schema.columns.len() + self.before_count();
        width_reason(width, expected, "declare them at the end of `columns`")
    }

    /// Whether `Op` may lead a record without header; the likelier first.
    fn op_readings(&self) -> &'static [bool] {
        match self.settings.op_column {
            OpColumn::Absent => &[false],
            OpColumn::Present => &[true],
            OpColumn::Auto if self.full_load => &[false, true],
            OpColumn::Auto => &[true],
        }
    }

    fn before_count(&self) -> usize {
        if self.settings.before_prefix.is_some() { self.schema.key.len() } else { 0 }
    }

    fn by_places(&self, width: usize, op: bool) -> Option<Layout> {
        let leading = usize::from(op) + usize::from(self.settings.timestamp_column.is_some());
        let rest = width.checked_sub(leading)?;
        let (all, images) = (self.schema.columns.len(), self.before_count());
        let has_images = images > 0 && (!self.full_load || rest == all + images);
        let count = if has_images { rest.checked_sub(images)? } else { rest };
        let place_of_key = |key: &String| self.schema.columns.iter().position(|column| column.name == *key);
        let needed = self.schema.key.iter().filter_map(place_of_key).max().map_or(1, |place| place + 1);
        if count < needed || count > all {
            return None;
        }
        let columns: Vec<Place> = self.schema.columns[..count]
            .iter()
            .enumerate()
            .map(|(n, column)| self.place(leading + n, column.clone()))
            .collect();
        let before = if has_images { self.schema.key.as_slice() } else { &[] };
        let before = before.iter().enumerate().filter_map(|(n, name)| {
            let column = self.schema.column(name)?.clone();
            Some(Place { field: leading + count + n, column, key: false })
        });
        Some(Layout {
            width,
            named: false,
            op: op.then_some(0),
            time: self.settings.timestamp_column.is_some().then_some(usize::from(op)),
            before: before.collect(),
            columns,
        })
    }

    fn place(&self, field: usize, column: Column) -> Place {
        let key = self.schema.is_key(&column.name);
        Place { field, column, key }
    }

    /// Whether the first record is a line of names: no two alike, none empty, all key columns among them (or, in a table
    /// without key, at least half of them known), unless it could be values too. If every name is known, or the
    /// operation's name leads, it is one all the same.
    fn looks_like_names(&self, names: &[&[u8]], could_be_values: impl FnOnce() -> bool) -> bool {
        let once = |(n, name): (usize, &&[u8])| !name.is_empty() && !names[..n].contains(name);
        if !names.iter().enumerate().all(once) {
            return false;
        }
        if names.len() > 1 && names.first() == Some(&OP.as_bytes()) {
            return true;
        }
        let named = |name: &str| names.contains(&name.as_bytes());
        let old = |name: &str| self.settings.renames.iter().any(|(from, to)| to == name && named(from));
        let named = |name: &str| named(name) || old(name);
        let time = self.settings.timestamp_column.as_deref();
        let known = self.schema.columns.iter().map(|column| column.name.as_str()).chain([OP]).chain(time);
        let known = known.filter(|name| named(name)).count();
        let candidate = match self.schema.key.as_slice() {
            [] => known * 2 >= names.len(),
            key => key.iter().all(|key| named(key)),
        };
        candidate && (known == names.len() || !could_be_values())
    }

    fn by_names(&self, names: &[&[u8]]) -> Result<Layout, String> {
        let mut layout =
            Layout { width: names.len(), named: true, op: None, time: None, columns: Vec::new(), before: Vec::new() };
        let texts: Vec<&str> = names
            .iter()
            .map(|name| std::str::from_utf8(name).map_err(|_| "its header line is not valid UTF-8".to_owned()))
            .map(|name| name.map(|name| current(&self.settings.renames, name)))
            .collect::<Result<_, _>>()?;
        let has_op = self.settings.op_column != OpColumn::Absent;
        for (field, &name) in texts.iter().enumerate() {
            if texts[..field].contains(&name) {
                return Err(format!("its header line has the column `{name}` twice"));
            }
            if has_op && name == OP && (field == 0 || self.schema.column(OP).is_none()) {
                layout.op = Some(field);
            } else if self.settings.timestamp_column.as_deref() == Some(name) {
                layout.time = Some(field);
            } else if let Some(of) = self.image_of(name, &texts) {
                let column = self.column_named(of);
                layout.before.push(Place { field, column, key: false });
            } else {
                layout.columns.push(self.place(field, self.column_named(name)));
            }
        }
        if let Some(missing) = self.schema.key.iter().find(|key| !texts.contains(&key.as_str())) {
            return Err(format!(
                "its header line does not have the key column `{missing}` (it has {}); correct `key`, or set \
                 `csv.header = false` if its first line is data",
                texts.join(", ")
            ));
        }
        if layout.op.is_none() && !self.full_load && has_op {
            return Err(format!(
                "its header line has no column `{OP}`; if the task replicates inserts only, set `csv.op = false`"
            ));
        }
        Ok(layout)
    }

    /// The column of whose values before the change this is a column, if it is one.
    fn image_of<'n>(&'n self, name: &'n str, names: &[&str]) -> Option<&'n str> {
        let of = current(&self.settings.renames, name.strip_prefix(self.settings.before_prefix.as_deref()?)?);
        (self.schema.column(of).is_some() || names.contains(&of)).then_some(of)
    }

    /// A column as it is known, or text if it is not.
    fn column_named(&self, name: &str) -> Column {
        self.schema.column(name).cloned().unwrap_or_else(|| Column::new(name, ColumnType::String))
    }
}

impl Layout {
    /// The layout of a file of which no record could be read.
    pub(super) fn empty() -> Self {
        Layout { width: 0, named: false, op: None, time: None, columns: Vec::new(), before: Vec::new() }
    }

    /// Says why a record of another width is a reject in a file with this layout.
    pub(super) fn misfit(&self, width: usize) -> String {
        match self.named {
            true => format!("the record has {width} values, but the header line names {}", self.width),
            false => width_reason(width, self.width, "declare them at the end of `columns`"),
        }
    }
}

fn width_reason(width: usize, expected: usize, remedy: &str) -> String {
    let reason = format!("the record has {width} values, expected {expected}");
    if width > expected { format!("{reason}; if columns were added to the table, {remedy}") } else { reason }
}

fn values<'t>(fields: &[Field], text: &'t [u8]) -> Vec<&'t [u8]> {
    fields.iter().map(|field| field.of(text)).collect()
}

/// Why a record that fits no reading is a reject, by its likeliest one.
fn unfit(layout: &Layout, fields: &[Field], text: &[u8], nulls: &NullStrings) -> String {
    let bad = layout.columns.iter().find(|place| {
        let only =
            Layout { op: None, time: None, columns: vec![(*place).clone()], before: Vec::new(), ..(*layout).clone() };
        !fits(&only, fields, text, nulls)
    });
    let value = bad.and_then(|place| Some((place, fields.get(place.field)?.of(text))));
    match value {
        Some((place, value)) => {
            format!("{} is no {} (column `{}`)", quoted(value), place.column.column_type, place.column.name)
        }
        None => "its operation or its commit time cannot be read".to_owned(),
    }
}

/// Whether every value of the record is one of the column at its place.
fn fits(layout: &Layout, fields: &[Field], text: &[u8], nulls: &NullStrings) -> bool {
    let value = |place: usize| fields.get(place).map(|&field| (nulls.hold(field, text), field.of(text)));
    let op = layout.op.is_none_or(|place| value(place).is_some_and(|(_, op)| matches!(op, b"I" | b"U" | b"D")));
    let time = layout.time.is_none_or(|place| value(place).is_some_and(|(_, time)| parse::timestamptz(time).is_ok()));
    let column = |place: &Place| match value(place.field) {
        Some((true, _)) => !place.key,
        Some((false, value)) => parse::fits(place.column.column_type, value),
        None => false,
    };
    op && time && layout.columns.iter().all(column) && layout.before.iter().all(column)
}
