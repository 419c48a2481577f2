use std::sync::Arc;

use arrow_schema::{Field, Schema as ArrowSchema, SchemaRef as ArrowSchemaRef};
use iceberg::spec::{
    NestedField, PartitionSpec, PrimitiveType, Schema, SchemaRef, TableMetadata, Transform, Type, UnboundPartitionSpec,
};
use sluice_change::{Column, ColumnType, Renamed, SchemaChange};

use crate::{LakeColumn, LakeError, PartitionField, PartitionTransform, TableIdent, TableSpec};

fn to_primitive(column_type: ColumnType) -> PrimitiveType {
    match column_type {
        ColumnType::Boolean => PrimitiveType::Boolean,
        ColumnType::Int => PrimitiveType::Int,
        ColumnType::Long => PrimitiveType::Long,
        ColumnType::Float => PrimitiveType::Float,
        ColumnType::Double => PrimitiveType::Double,
        ColumnType::Decimal { precision, scale } => {
            PrimitiveType::Decimal { precision: u32::from(precision), scale: u32::from(scale) }
        }
        ColumnType::Date => PrimitiveType::Date,
        ColumnType::Time => PrimitiveType::Time,
        ColumnType::Timestamp => PrimitiveType::Timestamp,
        ColumnType::TimestampTz => PrimitiveType::Timestamptz,
        ColumnType::String => PrimitiveType::String,
        ColumnType::Binary => PrimitiveType::Binary,
    }
}

/// The column type of a field; `None` where sluice has none for it.
fn column_type(field_type: &Type) -> Option<ColumnType> {
    let Type::Primitive(primitive) = field_type else { return None };
    Some(match primitive {
        PrimitiveType::Boolean => ColumnType::Boolean,
        PrimitiveType::Int => ColumnType::Int,
        PrimitiveType::Long => ColumnType::Long,
        PrimitiveType::Float => ColumnType::Float,
        PrimitiveType::Double => ColumnType::Double,
        PrimitiveType::Decimal { precision, scale } => {
            ColumnType::Decimal { precision: u8::try_from(*precision).ok()?, scale: u8::try_from(*scale).ok()? }
        }
        PrimitiveType::Date => ColumnType::Date,
        PrimitiveType::Time => ColumnType::Time,
        PrimitiveType::Timestamp => ColumnType::Timestamp,
        PrimitiveType::Timestamptz => ColumnType::TimestampTz,
        PrimitiveType::String => ColumnType::String,
        PrimitiveType::Binary => ColumnType::Binary,
        PrimitiveType::TimestampNs | PrimitiveType::TimestamptzNs | PrimitiveType::Uuid | PrimitiveType::Fixed(_) => {
            return None;
        }
    })
}

/// The columns of a schema that sluice reads and writes; others stay null in the rows it writes.
pub(crate) fn columns(schema: &Schema) -> Vec<LakeColumn> {
    let fields = schema.as_struct().fields().iter();
    fields
        .filter_map(|field| {
            Some(LakeColumn {
                name: field.name.clone(),
                column_type: column_type(&field.field_type)?,
                required: field.required,
                doc: field.doc.clone(),
            })
        })
        .collect()
}

/// The Arrow schema of those columns.
pub(crate) fn arrow(schema: &Schema) -> ArrowSchemaRef {
    let fields: Vec<Field> = columns(schema)
        .iter()
        .map(|column| Field::new(&column.name, column.column_type.arrow(), !column.required))
        .collect();
    Arc::new(ArrowSchema::new(fields))
}

/// The part of a schema that sluice can write; optional columns of other types are left out.
pub(crate) fn writable(ident: &TableIdent, schema: &SchemaRef) -> Result<SchemaRef, LakeError> {
    let fields = schema.as_struct().fields();
    let other = |field: &&Arc<NestedField>| column_type(&field.field_type).is_none();
    if let Some(field) = fields.iter().filter(other).find(|field| field.required) {
        let reason = format!(
            "column `{}` is required and of type {}, which sluice cannot fill: make it optional",
            field.name, field.field_type
        );
        return Err(LakeError::schema(ident, reason));
    }
    if !fields.iter().any(|field| other(&field)) {
        return Ok(Arc::clone(schema));
    }
    let kept = fields.iter().filter(|field| !other(field)).cloned();
    let built = Schema::builder().with_schema_id(schema.schema_id()).with_fields(kept).build();
    built.map(Arc::new).map_err(LakeError::metadata(ident, "leave out the columns that sluice cannot write"))
}

/// The fields of a schema that sluice can read.
pub(crate) fn readable(schema: &Schema) -> Vec<Arc<NestedField>> {
    let fields = schema.as_struct().fields().iter();
    fields.filter(|field| column_type(&field.field_type).is_some()).cloned().collect()
}

/// The schema of a table that is to be made.
pub(crate) fn new_schema(ident: &TableIdent, spec: &TableSpec) -> Result<Schema, LakeError> {
    let mut fields = Vec::with_capacity(spec.columns.len());
    for (id, column) in (1..).zip(&spec.columns) {
        let field_type = Type::Primitive(to_primitive(column.column_type));
        let field = NestedField::new(id, &column.name, field_type, column.required);
        fields.push(Arc::new(match &column.doc {
            Some(doc) => field.with_doc(doc),
            None => field,
        }));
    }
    let mut identifier = Vec::with_capacity(spec.identifier.len());
    for name in &spec.identifier {
        let field = fields.iter().find(|field| field.name == *name);
        let field = field.ok_or_else(|| LakeError::schema(ident, format!("key column `{name}` is not a column")))?;
        // The specification allows no floating-point identifier; such a key stays a matter of the merge alone.
        let floating = Type::is_floating_type(&field.field_type);
        if field.required && !floating {
            identifier.push(field.id);
        }
    }
    if identifier.len() < spec.identifier.len() {
        identifier.clear();
    }
    let built = Schema::builder().with_fields(fields).with_identifier_field_ids(identifier).build();
    built.map_err(|error| LakeError::schema(ident, format!("its columns do not make a table: {}", error.message())))
}

/// The partition spec of a table that is to be made.
pub(crate) fn new_partition_spec(
    ident: &TableIdent,
    schema: &Schema,
    partition: &[PartitionField],
) -> Result<UnboundPartitionSpec, LakeError> {
    let mut builder = UnboundPartitionSpec::builder();
    for field in partition {
        let source = schema.field_by_name(&field.column).ok_or_else(|| {
            LakeError::schema(ident, format!("partition field {field} names no column: use one that the table has"))
        })?;
        let transform = match field.transform {
            PartitionTransform::Identity => Transform::Identity,
            PartitionTransform::Bucket(buckets) => Transform::Bucket(buckets),
            PartitionTransform::Truncate(width) => Transform::Truncate(width),
            PartitionTransform::Year => Transform::Year,
            PartitionTransform::Month => Transform::Month,
            PartitionTransform::Day => Transform::Day,
            PartitionTransform::Hour => Transform::Hour,
        };
        let refused = |error: iceberg::Error| {
            LakeError::schema(ident, format!("partition field {field} is not possible: {}", error.message()))
        };
        transform.result_type(&source.field_type).map_err(refused)?;
        builder = builder.add_partition_field(source.id, field.name(), transform).map_err(refused)?;
    }
    Ok(builder.build())
}

/// The fields of a partition spec that sluice has words for.
pub(crate) fn partition_fields(spec: &PartitionSpec, schema: &Schema) -> Vec<PartitionField> {
    let fields = spec.fields().iter();
    fields
        .filter_map(|field| {
            let transform = match field.transform {
                Transform::Identity => PartitionTransform::Identity,
                Transform::Bucket(buckets) => PartitionTransform::Bucket(buckets),
                Transform::Truncate(width) => PartitionTransform::Truncate(width),
                Transform::Year => PartitionTransform::Year,
                Transform::Month => PartitionTransform::Month,
                Transform::Day => PartitionTransform::Day,
                Transform::Hour => PartitionTransform::Hour,
                Transform::Void | Transform::Unknown => return None,
            };
            Some(PartitionField { column: schema.name_by_field_id(field.source_id)?.to_owned(), transform })
        })
        .collect()
}

/// The table's schema after `change`; `None` where it already allows everything that the change asks for.
///
/// New columns get the ids after the table's last one, so the same change of the same table gives the same ids.
pub(crate) fn changed(
    ident: &TableIdent,
    metadata: &TableMetadata,
    change: &SchemaChange,
) -> Result<Option<Schema>, LakeError> {
    let schema = metadata.current_schema();
    let mut fields: Vec<Arc<NestedField>> = schema.as_struct().fields().to_vec();
    let mut differs = false;
    let mut last_id = metadata.last_column_id();
    for Renamed { from, to } in &change.renamed {
        // Where the old name is gone, the rename has been made before.
        let Some(place) = fields.iter().position(|field| field.name == *from) else { continue };
        if fields.iter().any(|field| field.name == *to) {
            let reason = format!("column `{from}` cannot be renamed to `{to}`, for there is a column of that name");
            return Err(LakeError::schema(ident, reason));
        }
        let mut named = NestedField::clone(&fields[place]);
        named.name.clone_from(to);
        fields[place] = Arc::new(named);
        differs = true;
    }
    for Column { name, column_type: wanted } in change.added.iter().chain(&change.widened) {
        let Some(field) = fields.iter_mut().find(|field| field.name == *name) else {
            last_id += 1;
            fields.push(Arc::new(NestedField::optional(last_id, name, Type::Primitive(to_primitive(*wanted)))));
            differs = true;
            continue;
        };
        let widest = column_type(&field.field_type).and_then(|current| current.widest(*wanted)).ok_or_else(|| {
            let found = &field.field_type;
            let reason = format!(
                "column `{name}` is {found} and cannot become {wanted}: declare its type in the configuration, or \
                 rebuild the table"
            );
            LakeError::schema(ident, reason)
        })?;
        if column_type(&field.field_type) != Some(widest) {
            let mut wider = NestedField::clone(field);
            wider.field_type = Box::new(Type::Primitive(to_primitive(widest)));
            *field = Arc::new(wider);
            differs = true;
        }
    }
    if !differs {
        return Ok(None);
    }
    let next_id = metadata.schemas_iter().map(|schema| schema.schema_id()).max().unwrap_or(0) + 1;
    let built = Schema::builder()
        .with_schema_id(next_id)
        .with_fields(fields)
        .with_identifier_field_ids(schema.identifier_field_ids())
        .build();
    built.map(Some).map_err(LakeError::metadata(ident, "change the table's schema"))
}

/// Whether files written with the schema `of_files` can be part of the table with `schema`.
///
/// A column that another program removed or renamed meanwhile is no obstacle; an id that means another column is.
pub(crate) fn accepts(metadata: &TableMetadata, schema: &Schema, of_files: &Schema) -> bool {
    of_files.as_struct().fields().iter().all(|field| match schema.field_by_id(field.id) {
        Some(now) => now.name == field.name || ever_named(metadata, field),
        None => ever_named(metadata, field),
    })
}

/// Whether some schema of the table has this id under this name.
fn ever_named(metadata: &TableMetadata, field: &NestedField) -> bool {
    metadata.schemas_iter().any(|schema| schema.field_by_id(field.id).is_some_and(|then| then.name == field.name))
}

/// A schema of the table in which a partition spec makes sense: the current one, else the newest that has its columns.
pub(crate) fn schema_for_spec(
    metadata: &TableMetadata,
    current: &SchemaRef,
    spec: &PartitionSpec,
) -> Option<SchemaRef> {
    if spec.partition_type(current).is_ok() {
        return Some(Arc::clone(current));
    }
    let fitting = metadata.schemas_iter().filter(|schema| spec.partition_type(schema).is_ok());
    fitting.max_by_key(|schema| schema.schema_id()).cloned()
}
