use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

use iceberg::spec::{FormatVersion as TableVersion, SortOrder, TableMetadata, TableMetadataBuilder};
use sluice_platform::{Clock, CpuPool, Entropy, Storage, failpoint};

use crate::branch::MAIN;
use crate::catalog::NewTable;
use crate::deletes::DeleteCaches;
use crate::files::FileSettings;
use crate::{Catalog, CatalogOutcome, FormatVersion, LakeError, LakeTable, Seams, TableIdent, TableSpec, io, schema};

/// How often making a table is tried when the catalog does not answer.
const CREATE_ATTEMPTS: u32 = 4;
/// Properties that sluice gives to a table it makes, unless the specification of the table says otherwise.
const DEFAULT_PROPERTIES: [(&str, &str); 3] = [
    ("write.metadata.previous-versions-max", "20"),
    ("write.metadata.delete-after-commit.enabled", "true"),
    ("write.parquet.compression-codec", "zstd"),
];

/// What a table is to its lane. It names the failpoints, and says what is kept in memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// The append-only log: its files are looked at only when they are read.
    Bronze,
    /// The merged table: its live files and deletes are kept in memory.
    Silver,
    /// The dead letters: like Bronze.
    Rejects,
    /// Any of them, for someone who only looks: like Bronze.
    Reader,
}

/// Places within a commit at which a crash test may end the process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    AfterDataFile,
    AfterDeleteFile,
    BeforeManifest,
    BeforeMetadata,
    BeforeSwap,
    AfterSwap,
}

/// Settings of all tables of a lake.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LakeSettings {
    /// How data files are written.
    pub files: FileSettings,
    /// Bytes of delete bitmaps that all tables together keep in memory between commits.
    pub delete_cache_bytes: usize,
    /// How often one commit is tried when other programs are faster.
    pub commit_attempts: u32,
    /// How far back a commit of ours is looked for below the commits of others.
    pub inspected_ancestors: usize,
    /// Small manifests of one kind above which they are merged.
    pub small_data_manifests: usize,
    /// Small delete manifests above which they are merged.
    pub small_delete_manifests: usize,
    /// Bytes from which a manifest is no longer small.
    pub manifest_bytes: u64,
    /// Deletion vectors in one Puffin file.
    pub vectors_per_file: usize,
    /// Files that are read or written at the same time for one table.
    pub parallel_files: usize,
}

impl Default for LakeSettings {
    fn default() -> Self {
        Self {
            files: FileSettings::default(),
            delete_cache_bytes: 16 << 20,
            commit_attempts: 8,
            inspected_ancestors: 256,
            small_data_manifests: 64,
            small_delete_manifests: 8,
            manifest_bytes: 1 << 20,
            vectors_per_file: 1,
            parallel_files: 4,
        }
    }
}

/// The tables of one warehouse, in one catalog.
#[derive(Clone)]
pub struct Lake {
    storage: Arc<dyn Storage>,
    catalog: Arc<dyn Catalog>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    cpu: CpuPool,
    warehouse: Arc<str>,
    settings: Arc<LakeSettings>,
    caches: Arc<DeleteCaches>,
}

/// What a table needs of its lake.
#[derive(Debug, Clone)]
pub(crate) struct Context {
    pub ident: TableIdent,
    pub seams: Seams,
    pub catalog: Arc<dyn Catalog>,
    pub cpu: CpuPool,
    pub settings: Arc<LakeSettings>,
    pub caches: Arc<DeleteCaches>,
    /// The branch that is read and written.
    pub branch: Arc<str>,
}

impl Lake {
    /// The tables below `warehouse`, a location such as `file:///data/lake`.
    pub fn new(
        storage: Arc<dyn Storage>,
        catalog: Arc<dyn Catalog>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        cpu: CpuPool,
        warehouse: &str,
        settings: LakeSettings,
    ) -> Self {
        let warehouse = warehouse.trim_end_matches('/').into();
        let caches = Arc::new(DeleteCaches::new(settings.delete_cache_bytes));
        Self { storage, catalog, clock, entropy, cpu, warehouse, settings: Arc::new(settings), caches }
    }

    /// The name of the catalog, under which other programs must open it.
    pub fn catalog_name(&self) -> &str {
        self.catalog.name()
    }

    /// All tables of the catalog, in name order.
    pub async fn list(&self) -> Result<Vec<TableIdent>, LakeError> {
        self.catalog.list().await
    }

    /// Opens a table at its current snapshot; `None` where there is no such table.
    pub async fn open(&self, ident: &TableIdent, role: Role) -> Result<Option<LakeTable>, LakeError> {
        let context = self.context(ident, role);
        match self.catalog.load(&context.seams, ident, None).await? {
            Some(stored) => Ok(Some(LakeTable::open(context, stored).await?)),
            None => Ok(None),
        }
    }

    /// Opens a table at the head of one of its branches; empty where there is no such branch, which the first commit makes.
    pub async fn open_branch(
        &self,
        ident: &TableIdent,
        role: Role,
        branch: &str,
    ) -> Result<Option<LakeTable>, LakeError> {
        let context = Context { branch: branch.into(), ..self.context(ident, role) };
        match self.catalog.load(&context.seams, ident, None).await? {
            Some(stored) => Ok(Some(LakeTable::open(context, stored).await?)),
            None => Ok(None),
        }
    }

    /// Opens a table to look at: nothing but its metadata is read before it is asked for rows.
    pub async fn open_metadata(&self, ident: &TableIdent) -> Result<Option<LakeTable>, LakeError> {
        self.open(ident, Role::Reader).await
    }

    /// Makes a table, or opens the one that is there, whoever made it.
    pub async fn create(&self, ident: &TableIdent, spec: &TableSpec, role: Role) -> Result<LakeTable, LakeError> {
        let context = self.context(ident, role);
        let mut unanswered = None;
        for _ in 0..CREATE_ATTEMPTS {
            if let Some(stored) = self.catalog.load(&context.seams, ident, None).await? {
                return LakeTable::open(context, stored).await;
            }
            let new = NewTable { metadata: self.new_metadata(ident, spec)? };
            match self.catalog.create(&context.seams, ident, new).await? {
                CatalogOutcome::Committed(stored) => return LakeTable::open(context, stored).await,
                CatalogOutcome::Conflict => {}
                CatalogOutcome::Unknown(error) => unanswered = Some(error),
            }
        }
        Err(unanswered.unwrap_or(LakeError::Contention { table: ident.to_string(), attempts: CREATE_ATTEMPTS }))
    }

    fn context(&self, ident: &TableIdent, role: Role) -> Context {
        Context {
            ident: ident.clone(),
            seams: Seams {
                storage: Arc::clone(&self.storage),
                clock: Arc::clone(&self.clock),
                entropy: Arc::clone(&self.entropy),
                role,
            },
            catalog: Arc::clone(&self.catalog),
            cpu: self.cpu.clone(),
            settings: Arc::clone(&self.settings),
            caches: Arc::clone(&self.caches),
            branch: MAIN.into(),
        }
    }

    fn new_metadata(&self, ident: &TableIdent, spec: &TableSpec) -> Result<TableMetadata, LakeError> {
        let schema = schema::new_schema(ident, spec)?;
        let partition = schema::new_partition_spec(ident, &schema, &spec.partition)?;
        let mut properties: HashMap<String, String> =
            DEFAULT_PROPERTIES.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        properties.extend(spec.properties.iter().map(|(key, value)| (key.clone(), value.clone())));
        let folders = ident.namespace.iter().chain([&ident.name]).map(|part| format!("/{}", folder_name(part)));
        let location = format!("{}{}", self.warehouse, folders.collect::<String>());
        let version = spec.format_version.into();
        let refused = || LakeError::metadata(ident, "make the table's first metadata");
        let order = SortOrder::unsorted_order();
        let metadata = TableMetadataBuilder::new(schema, partition, order, location, version, properties)
            .map_err(refused())?
            .assign_uuid(self.entropy.uuid())
            .build()
            .map_err(refused())?
            .metadata;
        // The builder takes the time from the machine; a simulated run needs its own.
        io::stamped(&metadata, self.clock.now_us() / 1000).map_err(refused())
    }
}

impl fmt::Debug for Lake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lake").field("warehouse", &self.warehouse).field("catalog", &self.catalog).finish()
    }
}

impl From<FormatVersion> for TableVersion {
    fn from(version: FormatVersion) -> Self {
        match version {
            FormatVersion::V2 => TableVersion::V2,
            FormatVersion::V3 => TableVersion::V3,
        }
    }
}

impl Role {
    /// Ends the process here if a crash test asks for it.
    pub(crate) fn hit(self, point: Point) {
        let name = match (self, point) {
            (Role::Rejects, Point::BeforeSwap) => "rejects.before-commit",
            (Role::Rejects, Point::AfterSwap) => "rejects.after-commit",
            (Role::Rejects | Role::Reader, _) | (Role::Bronze, Point::AfterDeleteFile) => return,
            (Role::Bronze, Point::AfterDataFile) => "bronze.after-data-file",
            (Role::Bronze, Point::BeforeManifest) => "bronze.before-manifest",
            (Role::Bronze, Point::BeforeMetadata) => "bronze.before-metadata",
            (Role::Bronze, Point::BeforeSwap) => "bronze.before-swap",
            (Role::Bronze, Point::AfterSwap) => "bronze.after-swap",
            (Role::Silver, Point::AfterDataFile) => "silver.after-data-file",
            (Role::Silver, Point::AfterDeleteFile) => "silver.after-delete-file",
            (Role::Silver, Point::BeforeManifest) => "silver.before-manifest",
            (Role::Silver, Point::BeforeMetadata) => "silver.before-metadata",
            (Role::Silver, Point::BeforeSwap) => "silver.before-swap",
            (Role::Silver, Point::AfterSwap) => "silver.after-swap",
        };
        failpoint::hit(name);
    }

    /// Whether the table's live files are kept in memory.
    pub(crate) fn keeps_files(self) -> bool {
        self == Role::Silver
    }
}

/// A folder's name that means the same in a path and in a URI: other characters become `~` and their code.
fn folder_name(part: &str) -> String {
    let mut name = String::with_capacity(part.len());
    for byte in part.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') {
            name.push(char::from(byte));
        } else {
            name.push_str(&format!("~{byte:02x}"));
        }
    }
    name
}

/// The folder of a table's metadata files.
pub(crate) fn metadata_folder(metadata: &TableMetadata) -> String {
    folder(metadata, "write.metadata.path", "metadata")
}

/// The folder of a table's data and delete files.
pub(crate) fn data_folder(metadata: &TableMetadata) -> String {
    folder(metadata, "write.data.path", "data")
}

fn folder(metadata: &TableMetadata, property: &str, name: &str) -> String {
    match metadata.properties().get(property) {
        Some(path) => path.trim_end_matches('/').to_owned(),
        None => format!("{}/{name}", metadata.location()),
    }
}
