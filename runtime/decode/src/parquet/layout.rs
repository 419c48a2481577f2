use std::sync::Arc;

use parquet::arrow::arrow_reader::{ArrowReaderMetadata, ArrowReaderOptions};
use parquet::file::metadata::ParquetMetaData;
use sluice_change::{Column, ColumnType, TableSchema};

use super::coerce::can_coerce;
use super::contained;
use super::footer::damaged;
use super::natural::natural_type;
use super::settings::ParquetSettings;
use crate::{DecodeError, OpColumn};

/// A column of the file, and what it becomes.
#[derive(Debug, Clone)]
pub(super) struct Place {
    /// Where it is in the file.
    pub(super) field: usize,
    /// The type that holds its values exactly.
    pub(super) natural: ColumnType,
    /// Its name and the type in which it is given out.
    pub(super) column: Column,
    pub(super) key: bool,
}

/// What the columns of a file are.
pub(super) struct Layout {
    pub(super) reader: ArrowReaderMetadata,
    pub(super) op: Option<Place>,
    pub(super) time: Option<Place>,
    pub(super) columns: Vec<Place>,
    /// Before-image columns, under the names of the columns that they are of.
    pub(super) before: Vec<Place>,
}

impl Layout {
    /// Decides from the Parquet schema. An Arrow schema that the writer embedded is not looked at: it could give other
    /// meanings to the values than the schema that other readers go by.
    pub(super) fn of_file(
        file: &str,
        metadata: &Arc<ParquetMetaData>,
        settings: &ParquetSettings,
        op_may_lack: bool,
        schema: &TableSchema,
    ) -> Result<Layout, DecodeError> {
        let refuse = |reason: String| DecodeError::Columns { file: file.to_owned(), reason };
        let options = ArrowReaderOptions::new().with_skip_arrow_metadata(true);
        let reader = contained(|| ArrowReaderMetadata::try_new(Arc::clone(metadata), options))
            .map_err(|source| damaged(file, 0, source))?;
        let root = metadata.file_metadata().schema_descr().root_schema();
        let fields = reader.schema().fields();
        let names: Vec<String> = fields.iter().map(|field| settings.current_name(field.name())).collect();
        let mut places = Vec::with_capacity(fields.len());
        for (n, (field, parquet)) in fields.iter().zip(root.get_fields()).enumerate() {
            let name = &names[n];
            if names[..n].contains(name) {
                return Err(refuse(format!("it has the column `{name}` twice")));
            }
            let natural = natural_type(field.data_type(), parquet).ok_or_else(|| {
                refuse(format!("its column `{name}` is of the type {}, which no column type holds", field.data_type()))
            })?;
            places.push((n, natural));
        }
        let mut layout = Layout { reader, op: None, time: None, columns: Vec::new(), before: Vec::new() };
        for (n, natural) in places {
            layout.assign(n, natural, &names, settings, schema).map_err(refuse)?;
        }
        if let Some(missing) = schema.key.iter().find(|key| !names.contains(key)) {
            return Err(refuse(format!("it does not have the key column `{missing}` (it has {})", names.join(", "))));
        }
        if layout.op.is_none() && !op_may_lack {
            return Err(refuse(format!("it holds changes, but has no column `{}`", settings.op_column)));
        }
        Ok(layout)
    }

    fn assign(
        &mut self,
        field: usize,
        natural: ColumnType,
        names: &[String],
        settings: &ParquetSettings,
        schema: &TableSchema,
    ) -> Result<(), String> {
        let name = names[field].as_str();
        let place = |of: &str, column_type: ColumnType| -> Result<Place, String> {
            if !can_coerce(natural, column_type) {
                return Err(format!(
                    "its column `{name}` is {natural}, which cannot become the {column_type} that the table has; \
                     declare the column as {natural}, or rebuild the table"
                ));
            }
            Ok(Place { field, natural, column: Column::new(of, column_type), key: false })
        };
        let known = |of: &str| match schema.column(of).map(|column| column.column_type) {
            Some(fixed) if settings.declared.contains(of) => fixed,
            Some(current) => current.widest(natural).unwrap_or(current),
            None => natural,
        };
        let image = settings.before_prefix.as_deref().and_then(|prefix| name.strip_prefix(prefix));
        let image = image.filter(|of| schema.column(of).is_some() || names.iter().any(|name| name == of));
        if name == settings.op_column && settings.op != OpColumn::Absent {
            self.op = Some(place(name, ColumnType::String)?);
        } else if settings.timestamp_column.as_deref() == Some(name) {
            self.time = Some(place(name, ColumnType::TimestampTz)?);
        } else if let Some(of) = image {
            self.before.push(place(of, known(of))?);
        } else {
            self.columns.push(Place { key: schema.is_key(name), ..place(name, known(name))? });
        }
        Ok(())
    }
}
