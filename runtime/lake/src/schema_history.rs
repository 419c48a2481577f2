//! The schemas that a table has had.

use serde::Serialize;

use crate::LakeTable;
use crate::table::ancestors;

/// A schema of a table, and when it was in use.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SchemaVersion {
    /// Its number within the table.
    pub id: i32,
    /// Whether it is the table's current one.
    pub current: bool,
    /// Its columns, in order.
    pub columns: Vec<SchemaColumn>,
    /// The snapshots at which it came into use, oldest first, as far as the table still keeps its snapshots.
    pub since: Vec<SchemaUse>,
}

/// A column of a schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SchemaColumn {
    /// Its identity, which outlives its name and its type.
    pub id: i32,
    /// Its name.
    pub name: String,
    /// Its type, in the words of the Iceberg specification.
    #[serde(rename = "type")]
    pub column_type: String,
    /// Whether it never is null.
    pub required: bool,
}

/// A snapshot from which on a schema was in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct SchemaUse {
    /// The snapshot.
    pub snapshot_id: i64,
    /// When it was committed, in microseconds since the epoch.
    pub committed_us: i64,
}

impl LakeTable {
    /// Every schema that the table has had, oldest first.
    pub fn schemas(&self) -> Vec<SchemaVersion> {
        let metadata = &self.stored.metadata;
        let mut snapshots: Vec<_> = ancestors(metadata, &self.context.branch).collect();
        snapshots.reverse();
        let mut uses: Vec<(i32, SchemaUse)> = Vec::new();
        let mut last = None;
        for snapshot in snapshots {
            let schema = snapshot.schema_id();
            if let Some(id) = schema.filter(|_| schema != last) {
                let committed_us = snapshot.timestamp_ms().saturating_mul(1000);
                uses.push((id, SchemaUse { snapshot_id: snapshot.snapshot_id(), committed_us }));
            }
            last = schema.or(last);
        }
        let mut versions: Vec<SchemaVersion> = metadata
            .schemas_iter()
            .map(|schema| SchemaVersion {
                id: schema.schema_id(),
                current: schema.schema_id() == metadata.current_schema_id(),
                columns: schema
                    .as_struct()
                    .fields()
                    .iter()
                    .map(|field| SchemaColumn {
                        id: field.id,
                        name: field.name.clone(),
                        column_type: field.field_type.to_string(),
                        required: field.required,
                    })
                    .collect(),
                since: uses.iter().filter(|(id, _)| *id == schema.schema_id()).map(|(_, since)| *since).collect(),
            })
            .collect();
        versions.sort_by_key(|version| version.id);
        versions
    }

    /// The name that the column has now which some schema of the table called `name`; the newest such schema counts.
    pub fn current_name(&self, name: &str) -> Option<&str> {
        let metadata = &self.stored.metadata;
        let current = metadata.current_schema();
        if let Some(field) = current.field_by_name(name) {
            return Some(&field.name);
        }
        let mut schemas: Vec<_> = metadata.schemas_iter().collect();
        schemas.sort_by_key(|schema| std::cmp::Reverse(schema.schema_id()));
        let id = schemas.into_iter().find_map(|schema| schema.field_by_name(name))?.id;
        current.field_by_id(id).map(|field| field.name.as_str())
    }
}
