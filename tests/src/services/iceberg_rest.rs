//! Iceberg's own REST catalog server, as its project tests clients with: v2 and v3 tables over a SQLite catalog.

use std::fmt::Write;
use std::path::Path;
use std::process::Command;
use std::sync::OnceLock;

use super::Service;
use super::bucket::{Account, Bucket};
use crate::tools::{self, Lock};

/// Group, name, version, classifier, and whether what it depends on is wanted too.
const ARTIFACTS: [(&str, &str, &str, &str, bool); 15] = [
    ("org.apache.iceberg", "iceberg-core", "1.11.0", "", true),
    ("org.apache.iceberg", "iceberg-core", "1.11.0", "tests", true),
    ("org.apache.iceberg", "iceberg-open-api", "1.11.0", "test-fixtures", false),
    ("org.apache.iceberg", "iceberg-aws", "1.11.0", "", true),
    ("org.eclipse.jetty.ee10", "jetty-ee10-servlet", "12.1.14", "", true),
    ("org.eclipse.jetty.compression", "jetty-compression-server", "12.1.14", "", true),
    ("org.eclipse.jetty.compression", "jetty-compression-gzip", "12.1.14", "", true),
    ("org.xerial", "sqlite-jdbc", "3.49.1.0", "", true),
    ("org.slf4j", "slf4j-simple", "2.0.17", "", true),
    ("org.apache.hadoop", "hadoop-client-api", "3.4.1", "", true),
    ("org.apache.hadoop", "hadoop-client-runtime", "3.4.1", "", true),
    ("software.amazon.awssdk", "s3", "2.33.0", "", true),
    ("software.amazon.awssdk", "sts", "2.33.0", "", true),
    ("software.amazon.awssdk", "kms", "2.33.0", "", true),
    ("software.amazon.awssdk", "url-connection-client", "2.33.0", "", true),
];

/// A running REST catalog. It has no authentication, and it listens on all interfaces, since its address cannot be set.
#[derive(Debug)]
pub struct IcebergRest {
    service: Service,
}

/// A catalog of its own whose warehouse is a bucket's folder `warehouse`; `None` where this machine cannot have it.
pub fn on_s3(bucket: &Bucket) -> Option<IcebergRest> {
    let account = Account::default();
    let settings = [
        ("CATALOG_WAREHOUSE", format!("s3://{}/warehouse", bucket.name())),
        ("CATALOG_IO__IMPL", "org.apache.iceberg.aws.s3.S3FileIO".into()),
        ("CATALOG_S3_ENDPOINT", bucket.endpoint().to_owned()),
        ("CATALOG_S3_PATH__STYLE__ACCESS", "true".into()),
        ("CATALOG_S3_ACCESS__KEY__ID", account.access_key),
        ("CATALOG_S3_SECRET__ACCESS__KEY", account.secret_key),
        ("CATALOG_CLIENT_REGION", account.region),
        ("CATALOG_HTTP__CLIENT_TYPE", "urlconnection".into()),
    ];
    start(|_| settings.to_vec())
}

/// The catalog on local disk that all tests of this process share, each with namespaces of its own.
pub fn shared_on_disk() -> Option<&'static IcebergRest> {
    static SHARED: OnceLock<Option<IcebergRest>> = OnceLock::new();
    let start = || start(|folder| vec![("CATALOG_WAREHOUSE", format!("file://{}/warehouse", folder.display()))]);
    SHARED.get_or_init(start).as_ref()
}

/// The catalog that all tests of this process share, each with namespaces of its own. Its warehouse is in the bucket
/// `shared-lake` of the shared versitygw.
pub fn shared() -> Option<&'static IcebergRest> {
    static SHARED: OnceLock<Option<IcebergRest>> = OnceLock::new();
    SHARED.get_or_init(|| on_s3(&super::versitygw::shared()?.bucket("shared-lake"))).as_ref()
}

/// Starts the server with what `settings` makes of its folder.
fn start(settings: impl Fn(&Path) -> Vec<(&'static str, String)>) -> Option<IcebergRest> {
    let (java, jars) = tools::had("Iceberg's REST catalog", || {
        let _lock = Lock::take();
        Ok((tools::java()?, tools::jars_of("iceberg-rest", &pom())?))
    })?;
    let service = Service::start("iceberg-rest", "/v1/config", |port, folder| {
        let mut command = Command::new(java);
        command
            .env("CATALOG_CATALOG__IMPL", "org.apache.iceberg.jdbc.JdbcCatalog")
            .env("CATALOG_URI", format!("jdbc:sqlite:{}", folder.join("catalog.db").display()))
            .env("CATALOG_JDBC_SCHEMA__VERSION", "V1")
            .env("CATALOG_REST_PORT", port.to_string())
            .envs(settings(folder))
            .args(["-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1"])
            .arg("-Dorg.slf4j.simpleLogger.defaultLogLevel=warn")
            .arg("-cp")
            .arg(jars.join("*"))
            .arg("org.apache.iceberg.rest.RESTCatalogServer");
        command
    });
    Some(IcebergRest { service })
}

fn pom() -> String {
    let mut text = String::from(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\"><modelVersion>4.0.0</modelVersion>\
         <groupId>sluice</groupId><artifactId>iceberg-rest</artifactId><version>1</version><dependencies>\n",
    );
    for (group, artifact, version, classifier, transitive) in ARTIFACTS {
        write!(
            text,
            "<dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version>"
        )
        .expect("writing to a string");
        if !classifier.is_empty() {
            write!(text, "<classifier>{classifier}</classifier>").expect("writing to a string");
        }
        if !transitive {
            text.push_str(
                "<exclusions><exclusion><groupId>*</groupId><artifactId>*</artifactId></exclusion></exclusions>",
            );
        }
        text.push_str("</dependency>\n");
    }
    text + "</dependencies></project>\n"
}

impl IcebergRest {
    /// The catalog's URI.
    pub fn uri(&self) -> String {
        self.service.endpoint()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.service.port()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::services::{http, versitygw};

    #[test]
    fn it_makes_a_namespace_and_a_v3_table_on_s3() {
        let Some(server) = versitygw::shared() else { return };
        let Some(rest) = shared() else { return };
        let made = http::ask(rest.port(), "POST", "/v1/namespaces", r#"{"namespace":["n"]}"#).expect("an answer");
        assert_eq!(made.status, 200, "{}", made.body);
        let table = r#"{"name":"t","schema":{"type":"struct","fields":[{"id":1,"name":"id","type":"long","required":false}]},
            "properties":{"format-version":"3"}}"#;
        let made = http::ask(rest.port(), "POST", "/v1/namespaces/n/tables", table).expect("an answer");
        assert_eq!(made.status, 200, "{}", made.body);
        assert!(made.body.contains("\"format-version\":3"), "{}", made.body);
        let keys = server.bucket("shared-lake").list("warehouse/n/t/metadata/");
        assert_eq!(keys.len(), 1, "{keys:?}");
    }
}
