use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use iceberg::spec::{FormatVersion as TableVersion, Schema, SortOrder, TableMetadataBuilder, UnboundPartitionSpec};
use iceberg::{TableRequirement, TableUpdate};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use sluice_platform::{MemoryStorage, SeededEntropy, Storage};

pub use super::super::fixture::*;
use super::super::http_server::{Handler, Reply, Seen, Server, failure};
use crate::{
    Catalog, CatalogOutcome, FormatVersion, Lake, LakeSettings, LakeTable, MemoryCatalog, NewTable, Proposal,
    RestCatalog, RestSettings, Role, Seams, StoredTable, TableIdent, io,
};

/// A lake whose catalog is a REST server on top of a catalog in memory.
pub struct Fixture {
    pub storage: Arc<MemoryStorage>,
    pub catalog: Arc<MemoryCatalog>,
    pub lake: Lake,
    _server: Server,
}

impl Fixture {
    pub fn new(seed: u64) -> Self {
        Self::with(seed, LakeSettings::default())
    }

    pub fn with(seed: u64, settings: LakeSettings) -> Self {
        let (storage, catalog) = (Arc::new(MemoryStorage::default()), Arc::new(MemoryCatalog::new()));
        let seams = Seams {
            storage: storage.clone(),
            clock: Arc::new(SteppingClock::new()),
            entropy: Arc::new(SeededEntropy::new(seed ^ 0xface)),
            role: Role::Silver,
        };
        let (clock, entropy) = (seams.clock.clone(), Arc::new(SeededEntropy::new(seed ^ 0xcafe)));
        let handler = RestServer { seams, catalog: catalog.clone(), namespaces: Mutex::default() };
        let server = Server::start(Arc::new(handler));
        let rest = RestCatalog::new(RestSettings::new(&server.uri), clock, entropy).unwrap();
        let lake = lake(storage.clone(), Arc::new(rest), "file:///lake", seed, settings);
        Self { storage, catalog, lake, _server: server }
    }

    pub async fn table(&self, version: FormatVersion) -> LakeTable {
        self.lake.create(&ident(), &spec(version, &[]), Role::Silver).await.unwrap()
    }

    pub async fn reopened(&self) -> LakeTable {
        self.lake.open(&ident(), Role::Silver).await.unwrap().unwrap()
    }

    pub async fn objects(&self, suffix: &str) -> Vec<String> {
        let listed = self.storage.list("file:///lake").await.unwrap();
        listed.into_iter().map(|object| object.location).filter(|location| location.ends_with(suffix)).collect()
    }
}

struct RestServer {
    seams: Seams,
    catalog: Arc<MemoryCatalog>,
    namespaces: Mutex<BTreeSet<Vec<String>>>,
}

impl RestServer {
    async fn load(&self, ident: &TableIdent) -> Result<Option<StoredTable>, Reply> {
        let loaded = self.catalog.load(&self.seams, ident, None).await;
        loaded.map_err(|error| failure(500, "RuntimeException", &error.to_string()))
    }

    async fn create(&self, namespace: Vec<String>, body: &Value) -> Reply {
        if !self.namespaces.lock().unwrap().contains(&namespace) {
            return failure(404, "NoSuchNamespaceException", "no such namespace");
        }
        assert_eq!(body["stage-create"], false);
        let mut properties: HashMap<String, String> = part(&body["properties"]);
        let version = match properties.remove("format-version").as_deref() {
            Some("2") => TableVersion::V2,
            Some("3") => TableVersion::V3,
            other => panic!("{other:?}"),
        };
        let (schema, spec): (Schema, UnboundPartitionSpec) = (part(&body["schema"]), part(&body["partition-spec"]));
        let location = part(&body["location"]);
        let order = SortOrder::unsorted_order();
        let builder = TableMetadataBuilder::new(schema, spec, order, location, version, properties).unwrap();
        let metadata = builder.build().unwrap().metadata;
        let new = NewTable { metadata: io::stamped(&metadata, self.seams.clock.now_us() / 1000).unwrap() };
        let ident = TableIdent { namespace, name: part(&body["name"]) };
        settled(self.catalog.create(&self.seams, &ident, new).await)
    }

    fn namespaces(&self) -> BTreeSet<Vec<String>> {
        self.namespaces.lock().unwrap().clone()
    }

    async fn tables(&self, namespace: Vec<String>) -> Reply {
        let tables = Catalog::list(&*self.catalog).await.unwrap();
        let tables = tables.into_iter().filter(|ident| ident.namespace == namespace);
        let listed = tables.map(|ident| json!({"namespace": ident.namespace, "name": ident.name}));
        Reply::Json(200, json!({"identifiers": listed.collect::<Vec<_>>()}))
    }

    async fn commit(&self, ident: &TableIdent, body: &Value) -> Reply {
        let current = match self.load(ident).await {
            Ok(Some(current)) => current,
            Ok(None) => return failure(404, "NoSuchTableException", "no such table"),
            Err(reply) => return reply,
        };
        let requirements: Vec<TableRequirement> = part(&body["requirements"]);
        let updates: Vec<TableUpdate> = part(&body["updates"]);
        if let Some(error) = requirements.iter().find_map(|required| required.check(Some(&current.metadata)).err()) {
            return failure(409, "CommitFailedException", &error.to_string());
        }
        settled(self.catalog.commit(&self.seams, ident, &current, Proposal { requirements, updates }).await)
    }
}

#[async_trait]
impl Handler for RestServer {
    async fn answer(&self, seen: &Seen) -> Reply {
        let parts: Vec<&str> = seen.target.split('/').collect();
        let body: Value = serde_json::from_slice(&seen.body).unwrap_or_default();
        let levels = |text: &str| text.split("%1F").map(str::to_owned).collect::<Vec<_>>();
        match (seen.method.as_str(), &parts[1..]) {
            ("GET", ["v1", "config"]) => Reply::Json(200, json!({"defaults": {}, "overrides": {}})),
            ("POST", ["v1", "namespaces"]) => {
                let levels: Vec<String> = part(&body["namespace"]);
                match self.namespaces.lock().unwrap().insert(levels) {
                    true => Reply::Json(200, body),
                    false => failure(409, "AlreadyExistsException", "it exists"),
                }
            }
            ("GET", ["v1", namespaces]) if namespaces.starts_with("namespaces") => {
                let all = if namespaces.contains("parent=") { BTreeSet::new() } else { self.namespaces() };
                Reply::Json(200, json!({"namespaces": all}))
            }
            ("GET", ["v1", "namespaces", namespace, tables]) if tables.starts_with("tables") => {
                self.tables(levels(namespace)).await
            }
            ("POST", ["v1", "namespaces", namespace, "tables"]) => self.create(levels(namespace), &body).await,
            (method, ["v1", "namespaces", namespace, "tables", name]) => {
                let ident = TableIdent { namespace: levels(namespace), name: (*name).to_owned() };
                match method {
                    "POST" => self.commit(&ident, &body).await,
                    _ => match self.load(&ident).await {
                        Ok(Some(stored)) => shown(&stored),
                        Ok(None) => failure(404, "NoSuchTableException", "no such table"),
                        Err(reply) => reply,
                    },
                }
            }
            other => panic!("{other:?}"),
        }
    }
}

fn part<T: DeserializeOwned>(value: &Value) -> T {
    serde_json::from_value(value.clone()).unwrap()
}

fn shown(stored: &StoredTable) -> Reply {
    Reply::Json(200, json!({"metadata-location": *stored.location, "metadata": *stored.metadata}))
}

fn settled(outcome: Result<CatalogOutcome, crate::LakeError>) -> Reply {
    match outcome {
        Ok(CatalogOutcome::Committed(stored)) => shown(&stored),
        Ok(CatalogOutcome::Conflict) => failure(409, "CommitFailedException", "another was faster"),
        Ok(CatalogOutcome::Unknown(error)) => failure(500, "CommitStateUnknownException", &error.to_string()),
        Err(error) => failure(400, "BadRequestException", &error.to_string()),
    }
}
