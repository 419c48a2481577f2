//! The lake tables of one lane: found or made, with what each of them has stored.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::{ArrayRef, RecordBatch};
use arrow_schema::{DataType, Schema, SchemaRef};
use sluice_change::{ChangeBatch, Checkpoint, Column, Position, SchemaChange, TableSchema, WhenAdded, conform};
use sluice_index::KeyExtractor;
use sluice_lake::{LakeColumn, LakeTable, Role, TableIdent, TableSpec};
use sluice_transform::Transform;
use tracing::warn;

use crate::context::LaneContext;
use crate::error::LaneError;
use crate::index::LaneIndex;
use crate::{bronze, index, rebuild, rejects, rename, rolled_back};

/// The log of a lane.
#[derive(Debug)]
pub struct Bronze {
    /// The Iceberg table.
    pub table: LakeTable,
    /// What it says of itself.
    pub stored: Checkpoint,
}

/// The merged table of a lane.
#[derive(Debug)]
pub struct Silver {
    /// The Iceberg table.
    pub table: LakeTable,
    /// What it says of itself.
    pub stored: Checkpoint,
    /// Names of the key columns.
    pub key: Vec<String>,
    /// Their types.
    pub key_schema: SchemaRef,
    /// Encodes keys.
    pub extractor: Arc<KeyExtractor>,
    /// Where each key's row is.
    pub index: LaneIndex,
    /// What shapes its rows.
    pub transform: Arc<dyn Transform>,
}

/// All tables of a lane.
#[derive(Debug)]
pub struct Tables {
    /// The source's schema as far as it is known.
    pub schema: TableSchema,
    /// The log.
    pub bronze: Bronze,
    /// The merged table; a source table without a key has none.
    pub silver: Option<Silver>,
    /// The dead letters, once there are any.
    pub rejects: Option<LakeTable>,
}

/// Finds or makes the tables of a lane; `None` while nothing is known of the source table's columns.
pub async fn open(context: &LaneContext) -> Result<Option<Tables>, LaneError> {
    let settings = &context.settings;
    let mut found = context.lake().open(&settings.bronze, Role::Bronze).await?;
    let mut silver = context.lake().open(&settings.silver, Role::Silver).await?;
    if let Some(table) = &mut found {
        rename::rename_columns(context, table, &rename::with_images(&settings.renames)).await?;
    }
    let transformed = !settings.transform.is_empty();
    if let Some(table) = silver.as_mut().filter(|_| !transformed) {
        rename::rename_columns(context, table, &settings.renames).await?;
    }
    let rejects = context.lake().open(&settings.rejects, Role::Rejects).await?;
    let stored = found.as_ref().map(|table| bronze::source_columns(&table.columns()));
    let Some(columns) = known_columns(context, stored.as_deref()).await? else { return Ok(None) };
    // The key of a Silver that is shaped by a transform may be another than the source's.
    let key = known_key(&settings.declared.key, silver.as_ref().filter(|_| !transformed));
    let schema = TableSchema { columns, key };
    check(&schema)?;
    let table = match found {
        Some(table) => table,
        None => {
            let spec = TableSpec {
                columns: bronze::columns(&schema),
                identifier: Vec::new(),
                partition: settings.bronze_partition.clone(),
                format_version: settings.format_version,
                properties: BTreeMap::new(),
            };
            context.lake().create(&settings.bronze, &spec, Role::Bronze).await?
        }
    };
    let stored = TableSchema { columns: bronze::source_columns(&table.columns()), key: schema.key.clone() };
    let mut schema = stored.changed(&stored.change_for(&schema.columns)?);
    // Where nothing names the columns of a file, their order is the one in which they are declared.
    let declared = &settings.declared.columns;
    let place = |column: &Column| declared.iter().position(|declared| declared.name == column.name);
    schema.columns.sort_by_key(|column| place(column).unwrap_or(declared.len()));
    let silver = if schema.key.is_empty() { None } else { Some(open_silver(context, silver, &schema).await?) };
    let stored = table.checkpoint()?.unwrap_or_default();
    Ok(Some(Tables { schema, bronze: Bronze { table, stored }, silver, rejects }))
}

/// Declared columns come first, then those of the existing table, then what the source shows.
async fn known_columns(context: &LaneContext, stored: Option<&[Column]>) -> Result<Option<Vec<Column>>, LaneError> {
    let settings = &context.settings;
    if !settings.declared.columns.is_empty() {
        return Ok(Some(settings.declared.columns.clone()));
    }
    if let Some(stored) = stored {
        return Ok(Some(stored.to_vec()));
    }
    Ok(context.services.source.describe(&settings.table, settings.guess_types).await?)
}

pub fn known_key(declared: &[String], silver: Option<&LakeTable>) -> Vec<String> {
    match silver {
        Some(table) if declared.is_empty() => {
            table.columns().into_iter().filter(|column| column.required).map(|column| column.name).collect()
        }
        _ => declared.to_vec(),
    }
}

fn check(schema: &TableSchema) -> Result<(), LaneError> {
    for column in &schema.columns {
        if bronze::is_meta(&column.name) || column.name.starts_with(bronze::BEFORE_PREFIX) {
            return Err(LaneError::Settings(format!(
                "the source column `{}` has a name that Bronze uses for its own: rename it at the source",
                column.name
            )));
        }
    }
    for key in &schema.key {
        if schema.column(key).is_none() {
            let names: Vec<&str> = schema.columns.iter().map(|column| column.name.as_str()).collect();
            return Err(LaneError::Settings(format!(
                "the key column `{key}` is not among the columns ({}): correct `key`",
                names.join(", ")
            )));
        }
    }
    Ok(())
}

async fn open_silver(
    context: &LaneContext,
    found: Option<LakeTable>,
    source: &TableSchema,
) -> Result<Silver, LaneError> {
    let settings = &context.settings;
    let (transform, wanted) = build_transform(context, source).await?;
    let table = match found {
        Some(mut table) if transform.digest().is_some() => {
            rename::rename_columns(context, &mut table, &renames_after(&settings.renames, &wanted)).await?;
            table
        }
        Some(table) => table,
        None => {
            let column = |column: &Column| LakeColumn {
                name: column.name.clone(),
                column_type: column.column_type,
                required: wanted.is_key(&column.name),
                doc: None,
            };
            let spec = TableSpec {
                columns: wanted.columns.iter().map(column).collect(),
                identifier: wanted.key.clone(),
                partition: settings.silver_partition.clone(),
                format_version: settings.format_version,
                properties: BTreeMap::new(),
            };
            context.lake().create(&settings.silver, &spec, Role::Silver).await?
        }
    };
    same_key(&settings.silver, &table, &wanted.key)?;
    let key_schema = Arc::new(key_schema(&bronze::plain_schema(&table.arrow_schema()), &wanted.key)?);
    let extractor = Arc::new(key_extractor(&key_schema)?);
    let stored = rolled_back::of_silver(&table)?;
    note_other_transform(context, &table, &stored, transform.digest())?;
    let index = context.index.clone();
    let mut silver = Silver { table, stored, key: wanted.key, key_schema, extractor, index, transform };
    index::attach(context, &mut silver).await?;
    Ok(silver)
}

/// What shapes the rows of this lane's Silver, and the schema that it gives it. A component may have to be compiled first.
async fn build_transform(
    context: &LaneContext,
    source: &TableSchema,
) -> Result<(Arc<dyn Transform>, TableSchema), LaneError> {
    let (settings, table, source) = (context.settings.transform.clone(), context.table().clone(), source.clone());
    let components = Arc::clone(&context.services.components);
    let build = move || {
        let transform = settings.build(&table, components.as_ref())?;
        let wanted = transform.output(&source)?;
        Ok((transform, wanted))
    };
    context.services.cpu.run(build).await
}

/// The renames of source columns that come out of a transform under their own names.
fn renames_after(renames: &BTreeMap<String, String>, output: &TableSchema) -> BTreeMap<String, String> {
    let goes_through = |(from, to): &(&String, &String)| output.column(to).is_some() && output.column(from).is_none();
    renames.iter().filter(goes_through).map(|(from, to)| (from.clone(), to.clone())).collect()
}

/// Says that rows which are there were shaped by another transform: they stay as they are.
fn note_other_transform(
    context: &LaneContext,
    table: &LakeTable,
    stored: &Checkpoint,
    digest: Option<&str>,
) -> Result<(), LaneError> {
    if stored.commit_id.is_empty() || stored.transform.as_deref() == digest {
        return Ok(());
    }
    let named = |digest: Option<&str>| digest.unwrap_or("none").to_owned();
    let by_rebuild = table.was_made_anew()?.is_some_and(|id| id.starts_with(rebuild::PUBLICATION));
    if stored.writer == context.writer && by_rebuild {
        return Err(LaneError::Settings(format!(
            "{} was made anew with another transform ({}) than this process has ({}): start this process again with the \
             present configuration",
            table.ident(),
            named(stored.transform.as_deref()),
            named(digest)
        )));
    }
    warn!(
        table = %table.ident(), was = named(stored.transform.as_deref()), now = named(digest),
        "the transform has changed: rows that Silver holds stay as they were shaped, new changes are shaped anew; to have \
         all of them shaped anew, run `sluice rebuild {}`", context.table()
    );
    Ok(())
}

/// A table merged by one key cannot go on by another.
pub fn same_key(ident: &TableIdent, table: &LakeTable, key: &[String]) -> Result<(), LaneError> {
    let mut stored: Vec<String> =
        table.columns().into_iter().filter(|column| column.required).map(|column| column.name).collect();
    let mut wanted = key.to_vec();
    stored.sort_unstable();
    wanted.sort_unstable();
    if stored == wanted {
        return Ok(());
    }
    Err(LaneError::Settings(format!(
        "{ident} is merged by ({}), and the configuration says ({}): correct `key` (or `silver_key` and the transform, \
         where there is one), or remove that table, which is then made anew from Bronze",
        stored.join(", "),
        wanted.join(", ")
    )))
}

pub fn key_extractor(key_schema: &Schema) -> Result<KeyExtractor, LaneError> {
    let types: Vec<DataType> = key_schema.fields().iter().map(|field| field.data_type().clone()).collect();
    Ok(KeyExtractor::new(&types)?)
}

pub fn key_schema(schema: &Schema, key: &[String]) -> Result<Schema, LaneError> {
    let places = key.iter().map(|name| schema.index_of(name)).collect::<Result<Vec<usize>, _>>()?;
    Ok(schema.project(&places)?)
}

/// Makes the dead-letter table of a lane.
pub async fn create_rejects(context: &LaneContext) -> Result<LakeTable, LaneError> {
    let spec = TableSpec {
        columns: rejects::columns(),
        identifier: Vec::new(),
        partition: Vec::new(),
        format_version: context.settings.format_version,
        properties: BTreeMap::new(),
    };
    Ok(context.lake().create(&context.settings.rejects, &spec, Role::Rejects).await?)
}

/// What the schemas of both layers have to become before a batch fits, in the same commits as its rows.
#[derive(Debug, Default)]
pub struct SchemaChanges {
    /// Of Bronze.
    pub bronze: SchemaChange,
    /// Of Silver.
    pub silver: SchemaChange,
}

impl Tables {
    /// What has been consumed of the source.
    pub fn position(&self) -> &Position {
        &self.bronze.stored.position
    }

    /// Takes on the columns that new data brings, under Bronze's names, within the policy.
    pub async fn follow(&mut self, context: &LaneContext, batches: &[ChangeBatch]) -> Result<SchemaChanges, LaneError> {
        let mut schema = self.schema.clone();
        let mut images = TableSchema::default();
        for batch in batches {
            let incoming = bronze::incoming_columns(batch)?;
            let is_image = |column: &Column| column.name.starts_with(bronze::BEFORE_PREFIX);
            let (before, own): (Vec<Column>, Vec<Column>) = incoming.into_iter().partition(is_image);
            let refused = |source| LaneError::SchemaOf { file: batch.origin.name.clone(), source };
            let change = schema.change_within(&own, context.settings.schema).map_err(refused)?;
            note_left_out(context, &schema, &own, batch);
            schema = schema.changed(&change);
            images = images.changed(&images.change_for(&before).map_err(refused)?);
        }
        check(&schema)?;
        // What a column was before its change goes with the column.
        let known = |image: &&Column| {
            image.name.strip_prefix(bronze::BEFORE_PREFIX).is_some_and(|name| schema.column(name).is_some())
        };
        let mut wanted: Vec<Column> =
            schema.columns.iter().chain(images.columns.iter().filter(known)).cloned().collect();
        let mut log = TableSchema { columns: log_columns(&self.bronze.table), key: Vec::new() };
        if batches.iter().any(|batch| batch.unsent.is_some()) {
            wanted.push(bronze::unsent_column());
            let held = self.bronze.table.columns().iter().any(|column| column.name == bronze::UNSENT);
            log.columns.extend(held.then(bronze::unsent_column));
        }
        let bronze = log.change_for(&wanted)?;
        let silver = match &self.silver {
            Some(silver) => silver.change_for(context, &schema).await?,
            None => SchemaChange::default(),
        };
        self.schema = schema;
        Ok(SchemaChanges { bronze, silver })
    }
}

/// Says once for each file which of its columns the policy leaves out.
fn note_left_out(context: &LaneContext, schema: &TableSchema, own: &[Column], batch: &ChangeBatch) {
    if context.settings.schema.added != WhenAdded::Ignore {
        return;
    }
    let left_out = own.iter().filter(|column| schema.column(&column.name).is_none());
    let left_out: Vec<&str> = left_out.map(|column| column.name.as_str()).collect();
    if !left_out.is_empty() {
        tracing::debug!(
            table = %context.table(), file = batch.origin.name, columns = left_out.join(", "),
            "new columns are left out, as `schema.added` says"
        );
    }
}

impl Silver {
    /// What this table's schema has to become for a source table of `source`.
    ///
    /// Promoting a column of a key of several columns changes how keys compare; the index is then built anew.
    pub async fn change_for(&self, context: &LaneContext, source: &TableSchema) -> Result<SchemaChange, LaneError> {
        let output = if self.transform.digest().is_some() {
            // A component is asked anew for a schema that it has not seen.
            let (transform, source) = (Arc::clone(&self.transform), source.clone());
            context.services.cpu.run(move || transform.output(&source)).await?
        } else {
            source.clone()
        };
        let columns = self.table.columns();
        let columns = columns.iter().map(|column| Column::new(&column.name, column.column_type)).collect();
        let stored = TableSchema { columns, key: self.key.clone() };
        Ok(stored.change_for(&output.columns)?)
    }

    /// Compares keys in the types that they have once `change` is made; the index has to follow the table after this.
    pub async fn rekey(&mut self, context: &LaneContext, change: &SchemaChange) -> Result<(), LaneError> {
        let schema = self.row_schema(change)?;
        self.key_schema = Arc::new(key_schema(&schema, &self.key)?);
        self.extractor = Arc::new(key_extractor(&self.key_schema)?);
        index::attach(context, self).await
    }

    /// Silver's columns as rows are brought into before they are merged, once `change` is made.
    pub fn row_schema(&self, change: &SchemaChange) -> Result<SchemaRef, LaneError> {
        let schema = self.table.arrow_schema_after(change)?;
        Ok(bronze::plain_schema(&schema))
    }

    /// The key columns of `rows`, in key order and in the types in which Silver compares them; null where absent.
    pub fn key_columns(&self, rows: &RecordBatch) -> Result<Vec<ArrayRef>, LaneError> {
        Ok(conform(rows, &self.key_schema)?.columns().to_vec())
    }
}

/// Bronze's columns that follow the source: its own and their before images.
fn log_columns(table: &LakeTable) -> Vec<Column> {
    let own = table.columns().into_iter().filter(|column| !bronze::is_meta(&column.name));
    own.map(|column| Column::new(column.name, column.column_type)).collect()
}
