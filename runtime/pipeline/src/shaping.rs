//! Changes on their way to Silver: through the table's transform and into Silver's columns.

use std::sync::Arc;

use arrow_array::UInt32Array;
use arrow_schema::{Field, Schema, SchemaRef};
use sluice_change::{ColumnType, SchemaChange, TableSchema, conform};
use sluice_transform::{Input, Rejected, Shaped, Transform};

use crate::error::LaneError;
use crate::merge::{MergePart, UnsentCells};
use crate::tables::Silver;

/// What it takes to make the rows that Silver merges.
#[derive(Debug, Clone)]
pub struct Shaping {
    transform: Arc<dyn Transform>,
    source: TableSchema,
    schema: SchemaRef,
    key_schema: SchemaRef,
}

/// Rows that Silver merges, and where they come from.
#[derive(Debug)]
pub struct ShapedPart {
    /// The rows.
    pub part: MergePart,
    /// The row that each comes from; `None` where they are the rows that were given, one for one.
    pub sources: Option<UInt32Array>,
    /// Rows that the transform rejected.
    pub rejects: Vec<Rejected>,
}

impl Shaping {
    /// For changes of a table of `source`, once Silver's schema has changed.
    pub fn of(silver: &Silver, source: &TableSchema, change: &SchemaChange) -> Result<Self, LaneError> {
        Ok(Self {
            transform: Arc::clone(&silver.transform),
            source: source.clone(),
            schema: silver.row_schema(change)?,
            key_schema: Arc::clone(&silver.key_schema),
        })
    }

    /// The same with only these of Silver's columns.
    pub fn into_columns(self, columns: &SchemaRef) -> Self {
        Self { schema: Arc::clone(columns), ..self }
    }

    /// Whether the rows may come out other than they are.
    pub fn changes_rows(&self) -> bool {
        self.transform.digest().is_some()
    }

    /// Shapes rows. It computes, so it belongs on the processor pool.
    pub fn shape(&self, input: Input) -> Result<ShapedPart, LaneError> {
        let shaped = if self.changes_rows() {
            self.transform.shape(&self.source, self.in_source_types(input)?)?
        } else {
            Shaped::untouched(input)
        };
        let rows = conform(&shaped.rows, &self.schema)?;
        let before = match &shaped.before {
            Some(before) => Some(conform(before, &self.key_schema)?.columns().to_vec()),
            None => None,
        };
        let unsent = shaped.unsent.as_ref().and_then(|unsent| UnsentCells::of(unsent, &rows));
        Ok(ShapedPart {
            part: MergePart { rows, ops: shaped.ops, before, unsent },
            sources: shaped.sources,
            rejects: shaped.rejects,
        })
    }

    /// The same rows with all columns of the source in its types, so that a transform sees a row of a file and the same
    /// row out of Bronze alike.
    fn in_source_types(&self, input: Input) -> Result<Input, LaneError> {
        let before = match &input.before {
            Some(before) => {
                let schema = before.schema();
                let known = schema.fields().iter().filter_map(|field| self.source.column(field.name()));
                let known = known.map(|column| Field::new(&column.name, column.column_type.arrow(), true));
                Some(conform(before, &Arc::new(Schema::new(known.collect::<Vec<_>>())))?)
            }
            None => None,
        };
        let times = input.times.map(|times| times.with_data_type(ColumnType::TimestampTz.arrow()));
        Ok(Input { rows: conform(&input.rows, &self.source.arrow())?, times, before, ..input })
    }
}
