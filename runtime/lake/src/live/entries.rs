use iceberg::spec::{
    Literal, Manifest, ManifestEntry, ManifestFile, PrimitiveLiteral, PrimitiveType, Struct, StructType, TableMetadata,
    Type,
};

use crate::lake::Context;
use crate::{LakeError, TableIdent, io, schema};

pub(super) async fn load<'a>(
    context: &Context,
    listed: &'a ManifestFile,
) -> Result<(&'a ManifestFile, Manifest), LakeError> {
    Ok((listed, read_manifest(context, listed).await?))
}

/// Reads a manifest and fills in what its entries inherit, row ids excepted.
pub(crate) async fn read_manifest(context: &Context, listed: &ManifestFile) -> Result<Manifest, LakeError> {
    let what = format!("read the manifest {}", listed.manifest_path);
    if listed.key_metadata.is_some() {
        let what = "its manifests are encrypted, which sluice does not read: use a table without encryption".to_owned();
        return Err(LakeError::Unsupported { table: context.ident.to_string(), what });
    }
    let bytes =
        io::read(&context.seams.storage, &listed.manifest_path).await.map_err(LakeError::storage(&context.ident))?;
    let listed = listed.clone();
    let decoded = context.cpu.run(move || io::decode_manifest(&bytes, &listed)).await;
    decoded.map_err(LakeError::metadata(&context.ident, what))
}

/// The entries of a manifest with the row id of each file's first row.
///
/// Files without an id of their own are numbered through from the manifest's (Iceberg specification, "First Row ID
/// Inheritance").
pub(crate) fn with_row_ids(
    manifest: &Manifest,
    first_row_id: Option<u64>,
) -> impl Iterator<Item = (&ManifestEntry, Option<i64>)> {
    let mut next = first_row_id.and_then(|id| i64::try_from(id).ok());
    manifest.entries().iter().map(move |entry| {
        let own = entry.data_file().first_row_id();
        let id = match (own, next) {
            _ if !entry.is_alive() => own,
            (None, Some(id)) => {
                next = Some(id.saturating_add_unsigned(entry.record_count()));
                Some(id)
            }
            (own, Some(_)) => own,
            (_, None) => None,
        };
        (&**entry, id)
    })
}

/// The types of the partition values of a spec, in the newest schema that has its columns.
pub(crate) fn partition_type(
    ident: &TableIdent,
    metadata: &TableMetadata,
    spec_id: i32,
) -> Result<StructType, LakeError> {
    let what = format!("find partition spec {spec_id}");
    let spec = metadata
        .partition_spec_by_id(spec_id)
        .ok_or_else(|| LakeError::inconsistent(ident, what.clone(), "the table's metadata does not have it"))?;
    let schema = schema::schema_for_spec(metadata, metadata.current_schema(), spec)
        .ok_or_else(|| LakeError::inconsistent(ident, what.clone(), "no schema of the table has its columns"))?;
    spec.partition_type(&schema).map_err(LakeError::metadata(ident, what))
}

/// Partition values in the types that they have now: a column that was widened has wider partition values.
pub(crate) fn promoted(partition: &Struct, types: &StructType) -> Struct {
    let values = partition.iter().zip(types.fields()).map(|(value, field)| {
        Some(match (value?, field.field_type.as_ref()) {
            (Literal::Primitive(PrimitiveLiteral::Int(value)), Type::Primitive(PrimitiveType::Long)) => {
                Literal::long(i64::from(*value))
            }
            (Literal::Primitive(PrimitiveLiteral::Float(value)), Type::Primitive(PrimitiveType::Double)) => {
                Literal::double(f64::from(value.0))
            }
            (value, _) => value.clone(),
        })
    });
    values.collect()
}
