use std::collections::HashMap;

use arrow_array::cast::AsArray;
use arrow_array::types::{Float32Type, Float64Type};
use arrow_array::{Array, RecordBatch};
use arrow_schema::DataType;
use iceberg::spec::{DataFileBuilder, Datum, NestedFieldRef, PrimitiveType};
use parquet::file::metadata::ParquetMetaData;

use super::bounds::{BoundLength, lower_bound, upper_bound};

/// What a manifest says of the columns of a file, by field id.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FileMetrics {
    pub(super) column_sizes: HashMap<i32, u64>,
    pub(super) value_counts: HashMap<i32, u64>,
    pub(super) null_value_counts: HashMap<i32, u64>,
    pub(super) nan_value_counts: HashMap<i32, u64>,
    pub(super) lower_bounds: HashMap<i32, Datum>,
    pub(super) upper_bounds: HashMap<i32, Datum>,
    pub(super) split_offsets: Vec<i64>,
}

impl FileMetrics {
    /// The metrics of a file whose columns are `fields` in order; `nans` counts those of each column that has any.
    pub(super) fn new(
        metadata: &ParquetMetaData,
        fields: &[NestedFieldRef],
        nans: HashMap<i32, u64>,
        length: BoundLength,
    ) -> Self {
        let mut metrics = FileMetrics { nan_value_counts: nans, ..FileMetrics::default() };
        for (column, field) in fields.iter().enumerate() {
            if let Some(kind) = field.field_type.as_primitive_type() {
                metrics.add_column(metadata, column, field.id, kind, length);
            }
        }
        metrics.split_offsets = metadata.row_groups().iter().filter_map(|group| group.file_offset()).collect();
        metrics
    }

    fn add_column(
        &mut self,
        metadata: &ParquetMetaData,
        column: usize,
        id: i32,
        kind: &PrimitiveType,
        length: BoundLength,
    ) {
        let (mut size, mut values, mut nulls) = (0_u64, 0_u64, 0_u64);
        let (mut lower, mut upper) = (Bound::Nothing, Bound::Nothing);
        for group in metadata.row_groups() {
            let chunk = group.column(column);
            size += chunk.compressed_size().max(0) as u64;
            values += chunk.num_values().max(0) as u64;
            let Some(stats) = chunk.statistics() else {
                (lower, upper) = (Bound::Unknown, Bound::Unknown);
                continue;
            };
            let group_nulls = stats.null_count_opt().unwrap_or(0);
            nulls += group_nulls;
            if group_nulls == chunk.num_values().max(0) as u64 {
                continue;
            }
            lower = lower.include(lower_bound(stats, kind, length), |new, old| new < old);
            upper = upper.include(upper_bound(stats, kind, length), |new, old| new > old);
        }
        self.column_sizes.insert(id, size);
        self.value_counts.insert(id, values);
        self.null_value_counts.insert(id, nulls);
        // Readers differ in where they sort NaN, so a column that has one gets no bounds.
        if self.nan_value_counts.get(&id).is_some_and(|nans| *nans > 0) {
            return;
        }
        if let (Bound::At(lower), Bound::At(upper)) = (&lower, &upper) {
            self.lower_bounds.insert(id, lower.clone());
            self.upper_bounds.insert(id, upper.clone());
        } else if let Bound::At(lower) = lower {
            self.lower_bounds.insert(id, lower);
        }
    }

    /// Hands the metrics to the builder of a manifest entry.
    pub(super) fn fill(self, builder: &mut DataFileBuilder) {
        builder
            .column_sizes(self.column_sizes)
            .value_counts(self.value_counts)
            .null_value_counts(self.null_value_counts)
            .nan_value_counts(self.nan_value_counts)
            .lower_bounds(self.lower_bounds)
            .upper_bounds(self.upper_bounds)
            .split_offsets(Some(self.split_offsets));
    }
}

/// A bound over the row groups seen so far.
enum Bound {
    /// No value yet.
    Nothing,
    /// Some row group has values and no bound.
    Unknown,
    /// All values are on the right side of this.
    At(Datum),
}

impl Bound {
    fn include(self, next: Option<Datum>, beyond: impl Fn(&Datum, &Datum) -> bool) -> Bound {
        match (self, next) {
            (Bound::Unknown, _) | (_, None) => Bound::Unknown,
            (Bound::Nothing, Some(next)) => Bound::At(next),
            (Bound::At(current), Some(next)) => Bound::At(if beyond(&next, &current) { next } else { current }),
        }
    }
}

/// Adds the NaNs of the floating-point columns of a batch whose columns are `fields` in order.
pub(super) fn count_nans(batch: &RecordBatch, fields: &[NestedFieldRef], nans: &mut HashMap<i32, u64>) {
    for (array, field) in batch.columns().iter().zip(fields) {
        let count = match array.data_type() {
            DataType::Float32 => array.as_primitive::<Float32Type>().iter().flatten().filter(|v| v.is_nan()).count(),
            DataType::Float64 => array.as_primitive::<Float64Type>().iter().flatten().filter(|v| v.is_nan()).count(),
            _ => continue,
        };
        *nans.entry(field.id).or_insert(0) += count as u64;
    }
}
