//! Row lineage (Iceberg specification, version 3, "Row Lineage"): ids that rows keep when they move to other files.

use std::sync::{Arc, LazyLock};

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{Array, ArrayRef, Int64Array, RecordBatch, RecordBatchOptions};
use arrow_schema::Schema as ArrowSchema;
use iceberg::spec::{NestedField, NestedFieldRef, PrimitiveType, Type};

use super::error::FilesError;

/// Reserved field id of a row's id (Iceberg specification, "Reserved Field IDs").
const ROW_ID: i32 = 2_147_483_540;
/// Reserved field id of the sequence number of the snapshot that last changed a row.
const LAST_UPDATED: i32 = 2_147_483_539;

/// The two columns, in the order in which files written here have them: after all columns of the table.
pub static LINEAGE_FIELDS: LazyLock<[NestedFieldRef; 2]> = LazyLock::new(|| {
    let field = |id, name| Arc::new(NestedField::optional(id, name, Type::Primitive(PrimitiveType::Long)));
    [field(ROW_ID, "_row_id"), field(LAST_UPDATED, "_last_updated_sequence_number")]
});

/// What the rows of a file inherit from its manifest entry where the file itself does not say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inherited {
    /// Id of the file's first row.
    pub first_row_id: i64,
    /// Data sequence number of the file.
    pub sequence: i64,
}

/// Fills in what is null in the last two columns of a batch, which are [`LINEAGE_FIELDS`]; `first_position` is the place
/// of its first row in the file.
pub fn inherit(batch: &RecordBatch, first_position: u64, from: Inherited) -> Result<RecordBatch, FilesError> {
    let mut columns = batch.columns().to_vec();
    let rows = batch.num_rows();
    let places = columns.len().checked_sub(2).map(|first| (first, first + 1));
    let Some((ids, updates)) = places else { return Err(FilesError::MissingColumn("_row_id".to_owned())) };
    let first = from.first_row_id.saturating_add_unsigned(first_position);
    columns[ids] = filled(&columns[ids], |row| first.saturating_add_unsigned(row as u64));
    columns[updates] = filled(&columns[updates], |_| from.sequence);
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    let schema: Arc<ArrowSchema> = batch.schema();
    RecordBatch::try_new_with_options(schema, columns, &options).map_err(FilesError::arrow("fill in row ids"))
}

fn filled(array: &ArrayRef, value: impl Fn(usize) -> i64) -> ArrayRef {
    let Some(given) = array.as_primitive_opt::<Int64Type>() else { return Arc::clone(array) };
    match given.nulls() {
        None => Arc::clone(array),
        Some(nulls) => Arc::new(Int64Array::from_iter_values(
            (0..given.len()).map(|row| if nulls.is_valid(row) { given.value(row) } else { value(row) }),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_inherit_only_what_their_file_does_not_say() {
        let batch = RecordBatch::try_from_iter_with_nullable([
            ("x", Arc::new(Int64Array::from(vec![1, 2, 3])) as ArrayRef, true),
            ("_row_id", Arc::new(Int64Array::from(vec![None, Some(7), None])) as ArrayRef, true),
            ("_last", Arc::new(Int64Array::from(vec![Some(4), None, None])) as ArrayRef, true),
        ]);
        let from = Inherited { first_row_id: 100, sequence: 9 };
        let filled = inherit(&batch.unwrap(), 50, from).unwrap();
        assert_eq!(filled.column(1).as_primitive::<Int64Type>().values(), &[150, 7, 152]);
        assert_eq!(filled.column(2).as_primitive::<Int64Type>().values(), &[4, 9, 9]);
        assert_eq!(filled.column(1).null_count() + filled.column(2).null_count(), 0);
    }
}
