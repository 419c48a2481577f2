//! Reads single rows back by file and position.

use std::sync::Arc;

use arrow_array::{RecordBatch, RecordBatchOptions};
use arrow_schema::{Schema as ArrowSchema, SchemaRef as ArrowSchemaRef};
use arrow_select::concat::concat_batches;
use futures::{FutureExt, StreamExt, TryStreamExt, stream};

use crate::files::{ParquetScan, ScanColumn, Step};
use crate::lake::Context;
use crate::scan::fetch;
use crate::{FileId, LakeError, LakeTable, LiveFile, schema};

/// Rows decoded at a time.
const TAKE_ROWS: usize = 65_536;

impl LakeTable {
    /// The named columns of single rows of a merged table: file by file as given, each at its positions, which ascend.
    ///
    /// All of it is held in memory, and deletes are not looked at: the caller knows that the rows are live.
    pub async fn take(&self, rows: &[(FileId, Vec<u32>)], columns: &[&str]) -> Result<RecordBatch, LakeError> {
        let ident = &self.context.ident;
        let table_schema = schema::readable(self.stored.metadata.current_schema());
        let find = |name: &&str| {
            let field = table_schema.iter().find(|field| field.name == **name);
            let field =
                field.ok_or_else(|| LakeError::schema(ident, format!("there is no column `{name}` to read")))?;
            ScanColumn::new(field).map_err(LakeError::files(ident, "choose the columns to read"))
        };
        let scanned = columns.iter().map(find).collect::<Result<Vec<_>, _>>()?;
        let plain = scanned.iter().map(|column| column.field.as_ref().clone().with_metadata(Default::default()));
        let schema: ArrowSchemaRef = Arc::new(ArrowSchema::new(plain.collect::<Vec<_>>()));
        let mut reads = Vec::with_capacity(rows.len());
        for (id, positions) in rows {
            let missing = || LakeError::inconsistent(ident, "read rows back", format!("data file {id} is not its own"));
            let file = self.live_file(*id).ok_or_else(missing)?;
            reads.push(take_from(&self.context, &scanned, file, positions.clone()).boxed());
        }
        let batches: Vec<Vec<RecordBatch>> =
            stream::iter(reads).buffered(self.context.settings.parallel_files).try_collect().await?;
        self.context
            .cpu
            .run(move || {
                let plain = batches.into_iter().flatten().map(|batch| {
                    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
                    RecordBatch::try_new_with_options(Arc::clone(&schema), batch.columns().to_vec(), &options)
                });
                let plain = plain.collect::<Result<Vec<_>, _>>()?;
                concat_batches(&schema, &plain)
            })
            .await
            .map_err(|source| LakeError::Files {
                table: ident.to_string(),
                what: "put rows together that were read back".to_owned(),
                source: source.into(),
            })
    }
}

async fn take_from(
    context: &Context,
    columns: &[ScanColumn],
    file: &LiveFile,
    positions: Vec<u32>,
) -> Result<Vec<RecordBatch>, LakeError> {
    let what = format!("read rows of the data file {}", file.path);
    let refused = |error| LakeError::files(&context.ident, what.clone())(error);
    let mut scan = ParquetScan::new(file.bytes, columns.to_vec(), TAKE_ROWS).map_err(refused)?.with_rows(positions);
    let mut batches = Vec::new();
    loop {
        let (back, step) = context
            .cpu
            .run(move || {
                let step = scan.step();
                (scan, step)
            })
            .await;
        scan = back;
        match step.map_err(refused)? {
            Step::Need(ranges) => {
                let parts = fetch(context, &file.path, ranges).await?;
                scan.supply(parts).map_err(refused)?;
            }
            Step::Batch { batch, .. } => batches.push(batch),
            Step::End => return Ok(batches),
        }
    }
}
