//! The log's layout: what Bronze stores beside the source's own columns, how a batch becomes rows of it, and back.

use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, TimestampMicrosecondType};
use arrow_array::{
    Array, ArrayRef, DictionaryArray, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, StringArray,
    TimestampMicrosecondArray, new_null_array,
};
use arrow_schema::{ArrowError, DataType, Field, Schema, SchemaRef};
use sluice_change::{ChangeBatch, Column, ColumnType, ConformError, Op, TableSchema, Unsent, conform};
use sluice_lake::{LakeColumn, LakeTable};
use sluice_transform::Input;

/// The operation, one letter: L (full load), I, U, D or T (truncate).
pub const OP: &str = "_op";
/// When the source committed the change.
pub const COMMIT_TIME: &str = "_commit_ts";
/// The file or partition that the change came from.
pub const SOURCE_FILE: &str = "_source_file";
/// The record's number within it, from 1.
pub const SOURCE_ROW: &str = "_source_row";
/// Sorts the files of a table in the order in which their changes happened.
pub const SOURCE_ORDER: &str = "_source_order";
/// Number of the change in this table's log, in order of arrival.
pub const SEQUENCE: &str = "_seq";
/// When sluice took the change in.
pub const INGESTED_AT: &str = "_ingested_at";
/// Names the columns that the source did not send, joined by commas; there once some row needs it.
pub const UNSENT: &str = "_unsent";
/// Begins the names of the columns that hold values before the change.
pub const BEFORE_PREFIX: &str = "_before_";

const META: [(&str, ColumnType, bool, &str); 7] = [
    (OP, ColumnType::String, true, "Operation: L full load, I insert, U update, D delete, T truncate"),
    (COMMIT_TIME, ColumnType::TimestampTz, false, "Commit time at the source"),
    (SOURCE_FILE, ColumnType::String, true, "File or partition that the change came from"),
    (SOURCE_ROW, ColumnType::Long, true, "Record number within the file, from 1"),
    (SOURCE_ORDER, ColumnType::String, true, "Sorts the files in the order in which their changes happened"),
    (SEQUENCE, ColumnType::Long, true, "Number of the change in this log, in order of arrival"),
    (INGESTED_AT, ColumnType::TimestampTz, true, "When the change was taken in"),
];

/// Whether sluice itself owns a Bronze column of this name.
pub fn is_meta(name: &str) -> bool {
    name == UNSENT || META.iter().any(|(meta, ..)| *meta == name)
}

/// Bronze's columns for a source table: sluice's own first, then the source's, all of these optional.
pub fn columns(schema: &TableSchema) -> Vec<LakeColumn> {
    let meta = META.iter().map(|(name, column_type, required, doc)| LakeColumn {
        name: (*name).to_owned(),
        column_type: *column_type,
        required: *required,
        doc: Some((*doc).to_owned()),
    });
    let own = schema.columns.iter().map(|column| LakeColumn {
        name: column.name.clone(),
        column_type: column.column_type,
        required: false,
        doc: None,
    });
    meta.chain(own).collect()
}

/// The source's own columns among Bronze's.
pub fn source_columns(columns: &[LakeColumn]) -> Vec<Column> {
    let own = columns.iter().filter(|column| !is_meta(&column.name) && !column.name.starts_with(BEFORE_PREFIX));
    own.map(|column| Column::new(&column.name, column.column_type)).collect()
}

/// The columns that a batch brings, under the names that Bronze gives them.
pub fn incoming_columns(batch: &ChangeBatch) -> Result<Vec<Column>, ArrowError> {
    let named = |field: &Field, prefix: &str| {
        let column_type = ColumnType::from_arrow(field.data_type()).ok_or_else(|| {
            ArrowError::SchemaError(format!("column `{}` has type {}", field.name(), field.data_type()))
        })?;
        Ok(Column::new(format!("{prefix}{}", field.name()), column_type))
    };
    let rows = batch.rows.schema();
    let before = batch.before.as_ref().map(RecordBatch::schema);
    let own = rows.fields().iter().map(|field| named(field, ""));
    let before = before.iter().flat_map(|schema| schema.fields().iter()).map(|field| named(field, BEFORE_PREFIX));
    own.chain(before).collect()
}

/// Rows of Bronze for a batch whose first change has the number `first`. `table` is Bronze's Arrow schema.
pub fn rows(batch: &ChangeBatch, first: u64, ingested_us: i64, table: &Schema) -> Result<RecordBatch, ConformError> {
    let length = batch.len();
    let own: Vec<&Field> = table.fields().iter().map(Arc::as_ref).filter(|field| !is_meta(field.name())).collect();
    let own = own_columns(batch, &own)?;
    let mut own = own.columns().iter();
    let mut fields = Vec::with_capacity(table.fields().len());
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(table.fields().len());
    for field in table.fields() {
        let column = match field.name().as_str() {
            OP => ops(&batch.ops),
            COMMIT_TIME => match &batch.commit_times {
                Some(times) => Arc::new(times.clone().with_timezone("+00:00")),
                None => new_null_array(field.data_type(), length),
            },
            SOURCE_FILE => constant(&batch.origin.name, length),
            SOURCE_ROW => Arc::new(batch.row_numbers.clone()),
            SOURCE_ORDER => constant(&batch.origin.order, length),
            SEQUENCE => Arc::new(Int64Array::from_iter_values(first as i64..(first + length as u64) as i64)),
            UNSENT => match &batch.unsent {
                Some(unsent) => unsent_names(unsent),
                None => new_null_array(field.data_type(), length),
            },
            INGESTED_AT => Arc::new(TimestampMicrosecondArray::from_value(ingested_us, length).with_timezone("+00:00")),
            _ => own.next().cloned().unwrap_or_else(|| new_null_array(field.data_type(), length)),
        };
        fields.push(field.as_ref().clone().with_data_type(column.data_type().clone()));
        columns.push(column);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(length));
    Ok(RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)?)
}

/// The source's columns and the before image, in the order and types of `fields`.
fn own_columns(batch: &ChangeBatch, fields: &[&Field]) -> Result<RecordBatch, ConformError> {
    let plain = Schema::new(fields.iter().map(|field| plain(field)).collect::<Vec<_>>());
    let Some(before) = &batch.before else { return conform(&batch.rows, &Arc::new(plain)) };
    let rows = batch.rows.schema();
    let mut joined_fields: Vec<Field> = rows.fields().iter().map(|field| field.as_ref().clone()).collect();
    let mut joined = batch.rows.columns().to_vec();
    for (field, column) in before.schema().fields().iter().zip(before.columns()) {
        joined_fields.push(field.as_ref().clone().with_name(format!("{BEFORE_PREFIX}{}", field.name())));
        joined.push(Arc::clone(column));
    }
    let options = RecordBatchOptions::new().with_row_count(Some(batch.len()));
    let joined = RecordBatch::try_new_with_options(Arc::new(Schema::new(joined_fields)), joined, &options)?;
    conform(&joined, &Arc::new(plain))
}

/// A field without what a lake table adds to it.
fn plain(field: &Field) -> Field {
    Field::new(field.name(), field.data_type().clone(), true)
}

fn constant(value: &str, length: usize) -> ArrayRef {
    let keys = Int32Array::from_value(0, length);
    let values: ArrayRef = Arc::new(StringArray::from_iter_values([value]));
    dictionary(keys, values)
}

fn ops(ops: &[Op]) -> ArrayRef {
    let index = |op: &Op| Op::ALL.iter().position(|other| other == op).unwrap_or_default() as i32;
    let keys = Int32Array::from_iter_values(ops.iter().map(index));
    let values: ArrayRef = Arc::new(StringArray::from_iter_values(Op::ALL.iter().map(|op| op.code())));
    dictionary(keys, values)
}

fn unsent_names(unsent: &Unsent) -> ArrayRef {
    let keys = Int32Array::from_iter(unsent.rows().iter().map(|pattern| (*pattern != 0).then_some(*pattern as i32)));
    dictionary(keys, Arc::new(StringArray::from_iter_values(unsent.patterns().iter().map(|names| join_names(names)))))
}

/// Names joined by commas; a comma or backslash within a name follows a backslash.
fn join_names(names: &[String]) -> String {
    let escaped = names.iter().map(|name| name.replace('\\', "\\\\").replace(',', "\\,"));
    escaped.collect::<Vec<_>>().join(",")
}

fn split_names(text: &str) -> Vec<String> {
    let mut names = vec![String::new()];
    let mut letters = text.chars();
    while let Some(letter) = letters.next() {
        match (letter, names.last_mut()) {
            (',', _) => names.push(String::new()),
            ('\\', Some(name)) => name.extend(letters.next()),
            (letter, Some(name)) => name.push(letter),
            (_, None) => {}
        }
    }
    names
}

/// Takes the column of unsent names apart; `now` gives the name that a column has now.
fn unsent_of(column: &StringArray, now: impl Fn(&str) -> Option<String>) -> Option<Unsent> {
    if column.null_count() == column.len() {
        return None;
    }
    let mut numbers: HashMap<&str, u32> = HashMap::new();
    let mut patterns = vec![Vec::new()];
    let rows = column.iter().map(|text| {
        let Some(text) = text else { return 0 };
        *numbers.entry(text).or_insert_with(|| {
            patterns.push(split_names(text).iter().filter_map(|name| now(name)).collect());
            patterns.len() as u32 - 1
        })
    });
    let rows = rows.collect();
    Unsent::new(rows, patterns)
}

fn dictionary(keys: Int32Array, values: ArrayRef) -> ArrayRef {
    // Every key lies within the values by construction; a null column keeps the type honest should that ever change.
    match DictionaryArray::<Int32Type>::try_new(keys, values) {
        Ok(array) => Arc::new(array),
        Err(_) => new_null_array(&DataType::Utf8, 0),
    }
}

/// Changes read back from Bronze.
#[derive(Debug, Clone)]
pub struct LoggedChanges {
    /// Their numbers.
    pub sequences: Int64Array,
    /// What each does.
    pub ops: Vec<Op>,
    /// The file that each came from.
    pub files: StringArray,
    /// The order of that file.
    pub orders: StringArray,
    /// The number of each within its file.
    pub numbers: Int64Array,
    /// When the source committed each.
    pub times: TimestampMicrosecondArray,
    /// The source's own columns.
    pub rows: RecordBatch,
    /// Values before the change, under the source's names, where Bronze holds any.
    pub before: Option<RecordBatch>,
    /// Cells of `rows` that the source did not send.
    pub unsent: Option<Unsent>,
}

impl LoggedChanges {
    /// Number of changes.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Some of the changes, in their order.
    pub fn slice(&self, start: usize, length: usize) -> Self {
        Self {
            sequences: self.sequences.slice(start, length),
            ops: self.ops[start..start + length].to_vec(),
            files: self.files.slice(start, length),
            orders: self.orders.slice(start, length),
            numbers: self.numbers.slice(start, length),
            times: self.times.slice(start, length),
            rows: self.rows.slice(start, length),
            before: self.before.as_ref().map(|before| before.slice(start, length)),
            unsent: self.unsent.as_ref().and_then(|unsent| unsent.slice(start, length)),
        }
    }

    /// The place of a change: the order of its file and its number there.
    pub fn place(&self, row: usize) -> (&str, i64) {
        (self.orders.value(row), self.numbers.value(row))
    }

    /// The changes as a transform takes them.
    pub fn input(&self) -> Input {
        Input {
            rows: self.rows.clone(),
            ops: self.ops.clone(),
            ordinals: self.sequences.clone(),
            times: Some(self.times.clone()),
            before: self.before.clone(),
            unsent: self.unsent.clone(),
        }
    }
}

/// Takes rows of Bronze apart again. `now` gives the name that a column has now which once had another.
pub fn read_back(batch: &RecordBatch, now: impl Fn(&str) -> Option<String>) -> Result<LoggedChanges, ArrowError> {
    let column = |name: &str| {
        batch.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("Bronze has no column `{name}`")))
    };
    let codes = column(OP)?.as_string::<i32>();
    let ops = (0..codes.len()).map(|row| {
        Op::from_code(codes.value(row).as_bytes())
            .ok_or_else(|| ArrowError::ParseError(format!("Bronze holds the operation `{}`", codes.value(row))))
    });
    let ops = ops.collect::<Result<Vec<Op>, ArrowError>>()?;
    Ok(LoggedChanges {
        sequences: sequences(batch)?,
        ops,
        files: column(SOURCE_FILE)?.as_string::<i32>().clone(),
        orders: column(SOURCE_ORDER)?.as_string::<i32>().clone(),
        numbers: column(SOURCE_ROW)?.as_primitive().clone(),
        times: column(COMMIT_TIME)?.as_primitive::<TimestampMicrosecondType>().clone(),
        rows: pick(batch, false)?,
        before: before_columns(batch)?,
        unsent: batch.column_by_name(UNSENT).and_then(|names| unsent_of(names.as_string::<i32>(), now)),
    })
}

/// The names of the columns that [`read_back`] takes apart.
pub fn logged_columns(log: &LakeTable) -> Vec<String> {
    log.columns().into_iter().map(|column| column.name).filter(|name| name != INGESTED_AT).collect()
}

/// The numbers of rows of Bronze.
pub fn sequences(batch: &RecordBatch) -> Result<Int64Array, ArrowError> {
    let column = batch.column_by_name(SEQUENCE);
    let column = column.ok_or_else(|| ArrowError::SchemaError(format!("Bronze has no column `{SEQUENCE}`")))?;
    Ok(column.as_primitive().clone())
}

/// Values before the change, under the source's names, where the rows hold any.
pub fn before_columns(batch: &RecordBatch) -> Result<Option<RecordBatch>, ArrowError> {
    let before = pick(batch, true)?;
    Ok((before.num_columns() > 0).then_some(before))
}

/// The source's own columns, or those before the change.
fn pick(batch: &RecordBatch, before: bool) -> Result<RecordBatch, ArrowError> {
    let schema = batch.schema();
    let chosen = schema
        .fields()
        .iter()
        .zip(batch.columns())
        .filter(|(field, _)| !is_meta(field.name()) && field.name().starts_with(BEFORE_PREFIX) == before);
    let (fields, columns): (Vec<Field>, Vec<ArrayRef>) = chosen
        .map(|(field, column)| {
            let name = field.name().strip_prefix(BEFORE_PREFIX).unwrap_or(field.name());
            (Field::new(name, field.data_type().clone(), true), Arc::clone(column))
        })
        .unzip();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    RecordBatch::try_new_with_options(Arc::new(Schema::new(fields)), columns, &options)
}

/// Silver's Arrow schema without what the lake adds: what rows are brought into before they are merged.
pub fn plain_schema(table: &Schema) -> SchemaRef {
    Arc::new(Schema::new(table.fields().iter().map(|field| plain(field)).collect::<Vec<_>>()))
}

/// The columns of a batch that Bronze is to have beside the source's own.
pub fn unsent_column() -> Column {
    Column::new(UNSENT, ColumnType::String)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unsent_names_come_back_even_with_commas_and_renamed() {
        let names = vec!["a".to_owned(), "b,c".to_owned(), "d\\".to_owned()];
        let unsent = Unsent::new(vec![0, 1, 0], vec![vec![], names.clone()]).unwrap();
        let column = arrow_cast_to_text(&unsent_names(&unsent));
        assert_eq!(unsent_of(&column, |name| Some(name.to_owned())), Some(unsent));
        let renamed = unsent_of(&column, |name| (name != "a").then(|| name.to_uppercase())).unwrap();
        assert_eq!(renamed.patterns()[1], ["B,C", "D\\"]);
    }

    fn arrow_cast_to_text(column: &ArrayRef) -> StringArray {
        let column = column.as_dictionary::<Int32Type>();
        column.downcast_dict::<StringArray>().unwrap().into_iter().collect()
    }
}
