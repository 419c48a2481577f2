use arrow_array::{RecordBatch, UInt32Array};
use arrow_ord::sort::{SortColumn, lexsort_to_indices};
use arrow_schema::SortOptions;
use iceberg::spec::{NullOrder, SortDirection, TableMetadata, Transform};

use crate::files::FilesError;

/// The order that a table wants its rows in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Sorting {
    /// Its number among the table's sort orders.
    pub id: i32,
    /// Columns by field id, most significant first.
    pub columns: Vec<(i32, SortOptions)>,
}

impl Sorting {
    /// The table's sort order; `None` where it has none, or one by something else than the values of columns.
    pub fn of(metadata: &TableMetadata) -> Option<Self> {
        let order = metadata.default_sort_order();
        let column = |field: &iceberg::spec::SortField| {
            metadata.current_schema().field_by_id(field.source_id)?;
            let options = SortOptions {
                descending: field.direction == SortDirection::Descending,
                nulls_first: field.null_order == NullOrder::First,
            };
            (field.transform == Transform::Identity).then_some((field.source_id, options))
        };
        let columns: Vec<_> = order.fields.iter().map(column).collect::<Option<_>>()?;
        if columns.is_empty() {
            return None;
        }
        Some(Self { id: i32::try_from(order.order_id).ok()?, columns })
    }

    /// The rows of a batch in this order; `place` finds a column by field id.
    pub fn order(&self, batch: &RecordBatch, place: impl Fn(i32) -> Option<usize>) -> Result<UInt32Array, FilesError> {
        let columns = self.columns.iter().filter_map(|(field, options)| {
            let values = batch.column(place(*field)?).clone();
            Some(SortColumn { values, options: Some(*options) })
        });
        let mut columns: Vec<SortColumn> = columns.collect();
        // Rows that are alike stay in their order, so that the same rows give the same file.
        let numbers = UInt32Array::from_iter_values(0..batch.num_rows() as u32);
        columns.push(SortColumn { values: std::sync::Arc::new(numbers), options: None });
        lexsort_to_indices(&columns, None).map_err(FilesError::sort)
    }
}
