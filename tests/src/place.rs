//! Where source and lake of a scenario are: in its folder, or on S3 behind a REST catalog.

use std::sync::Arc;

use bytes::Bytes;
use iceberg::spec::TableMetadata;
use serde_json::Value;

use crate::generator::SourceFile;
use crate::services::bucket::{Account, Bucket};
use crate::services::http;
use crate::services::iceberg_rest::{self, IcebergRest};
use crate::services::toxiproxy::{self, Toxiproxy, Way};
use crate::services::versitygw;

/// Where source and lake are. Several scenarios may be at one place if their tables have different names.
#[derive(Debug, Clone)]
pub enum Place {
    /// In the scenario's folder, with a SQLite catalog.
    Local,
    /// On S3, behind a REST catalog.
    Cloud(Arc<Cloud>),
}

/// A bucket with source and warehouse, the catalog that all tests of this process share, and ways to both on which
/// things go wrong.
#[derive(Debug)]
pub struct Cloud {
    bucket: Bucket,
    catalog: &'static IcebergRest,
    storage_way: Way,
    catalog_way: Way,
    _proxy: Toxiproxy,
}

impl Place {
    /// A place on S3 with a bucket of this name; `None` where this machine cannot have the services. Tables of all
    /// places of a process are in one catalog, so they need different names.
    pub fn cloud(bucket: &str) -> Option<Place> {
        let server = versitygw::shared()?;
        let bucket = server.bucket(bucket);
        let catalog = iceberg_rest::shared()?;
        let proxy = toxiproxy::start()?;
        let (storage_way, catalog_way) = (proxy.way_to(server.port()), proxy.way_to(catalog.port()));
        Some(Place::Cloud(Arc::new(Cloud { bucket, catalog, storage_way, catalog_way, _proxy: proxy })))
    }

    /// The sections of the configuration that say where everything is.
    pub fn sections(&self) -> String {
        let Place::Cloud(cloud) = self else {
            return "[source]\nlocation = \"source\"\n\n[lake]\nwarehouse = \"lake\"\n\n".into();
        };
        let (name, account) = (cloud.bucket.name(), Account::default());
        format!(
            "[s3]\nendpoint = \"{}\"\nregion = \"{}\"\npath_style = true\naccess_key_id = \"{}\"\n\
             secret_access_key = \"{}\"\n\n[source]\nlocation = \"s3://{name}/source\"\n\n\
             [lake]\nwarehouse = \"s3://{name}/warehouse\"\n\n[lake.catalog]\ntype = \"rest\"\nuri = \"{}\"\n\n",
            cloud.storage_way.endpoint(),
            account.region,
            account.access_key,
            account.secret_key,
            cloud.catalog_way.endpoint(),
        )
    }
}

impl Cloud {
    /// The way of the program to S3.
    pub fn storage_way(&self) -> &Way {
        &self.storage_way
    }

    /// The way of the program to the catalog.
    pub fn catalog_way(&self) -> &Way {
        &self.catalog_way
    }

    /// The bucket, reached without the way.
    pub fn bucket(&self) -> &Bucket {
        &self.bucket
    }

    /// Lets a file arrive.
    pub fn deliver(&self, file: &SourceFile) {
        self.bucket.put(&format!("source/{}", file.path), &file.bytes);
    }

    /// The catalog, reached without the way.
    pub fn catalog(&self) -> &IcebergRest {
        self.catalog
    }

    /// The metadata of a table, by the catalog; `None` where there is no such table.
    pub fn metadata(&self, namespace: &str, table: &str) -> Option<TableMetadata> {
        let path = format!("/v1/namespaces/{namespace}/tables/{table}");
        let answer = http::get(self.catalog.port(), &path).expect("the catalog answers");
        if answer.status == 404 {
            return None;
        }
        assert_eq!(answer.status, 200, "{path}: {}", answer.body);
        let answer: Value = serde_json::from_str(&answer.body).expect("JSON");
        let location = answer["metadata-location"].as_str().expect("where the metadata lies");
        Some(serde_json::from_slice(&self.load(location)).expect("the metadata reads"))
    }

    /// The bytes at an `s3://` location.
    pub fn load(&self, location: &str) -> Bytes {
        let prefix = format!("s3://{}/", self.bucket.name());
        let key = location.strip_prefix(&prefix).unwrap_or_else(|| panic!("{location} is in another bucket"));
        self.bucket.get(key).unwrap_or_else(|| panic!("the table refers to {location}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cloud_has_a_source_to_deliver_to_and_a_catalog_without_tables() {
        let Some(place) = Place::cloud("a-place") else { return };
        assert!(place.sections().contains("s3://a-place/warehouse"));
        let Place::Cloud(cloud) = place else { panic!("a cloud was asked for") };
        cloud.deliver(&SourceFile { path: "s/t/LOAD00000001.csv".into(), bytes: b"1\n".to_vec() });
        assert_eq!(&cloud.load("s3://a-place/source/s/t/LOAD00000001.csv")[..], b"1\n");
        assert!(cloud.metadata("bronze", "a_place").is_none());
    }
}
