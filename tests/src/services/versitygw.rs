//! versitygw: an S3 server over a folder, with conditional writes that hold under a race.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::sync::OnceLock;

use super::Service;
use super::bucket::{Account, Bucket};
use crate::tools::{self, Lock};

const PACKAGE: &str = "github.com/versity/versitygw/cmd/versitygw@v1.8.0";

/// A running versitygw.
#[derive(Debug)]
pub struct Versitygw {
    service: Service,
}

/// A server of its own; `None` where this machine cannot have it.
pub fn start() -> Option<Versitygw> {
    let program = tools::had("versitygw", || {
        let _lock = Lock::take();
        tools::go_program("versitygw", PACKAGE, "versitygw")
    })?;
    let service = Service::start("versitygw", "/health", |port, folder| {
        let buckets = folder.join("buckets");
        fs::create_dir_all(&buckets).expect("a folder can be made");
        let account = Account::default();
        let mut command = Command::new(&program);
        command.env("ROOT_ACCESS_KEY", &account.access_key).env("ROOT_SECRET_KEY", &account.secret_key);
        command.args(["--port", &format!("127.0.0.1:{port}"), "--quiet", "--health", "/health", "posix"]).arg(buckets);
        command
    });
    Some(Versitygw { service })
}

/// The server that all tests of this process share, each with buckets of its own.
pub fn shared() -> Option<&'static Versitygw> {
    static SHARED: OnceLock<Option<Versitygw>> = OnceLock::new();
    SHARED.get_or_init(start).as_ref()
}

impl Versitygw {
    /// Where it is reached.
    pub fn endpoint(&self) -> String {
        self.service.endpoint()
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.service.port()
    }

    /// The folder in which a bucket's objects are files.
    pub fn bucket_folder(&self, bucket: &str) -> PathBuf {
        self.service.folder().join("buckets").join(bucket)
    }

    /// A new bucket, which is a folder; names have at least three characters.
    pub fn bucket(&self, name: &str) -> Bucket {
        fs::create_dir_all(self.bucket_folder(name)).expect("a folder can be made");
        Bucket::new(&self.endpoint(), name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_that_are_put_are_listed_read_and_deleted() {
        let Some(server) = shared() else { return };
        let bucket = server.bucket("objects");
        bucket.put("a b/LOAD00000001.csv", b"1,x\n");
        bucket.put("a b/20260101-000000000.csv", b"I,1,y\n");
        assert_eq!(bucket.list("a b/"), ["a b/20260101-000000000.csv", "a b/LOAD00000001.csv"]);
        assert_eq!(bucket.get("a b/LOAD00000001.csv").as_deref(), Some(&b"1,x\n"[..]));
        bucket.delete("a b/LOAD00000001.csv");
        assert_eq!(bucket.get("a b/LOAD00000001.csv"), None);
    }

    #[test]
    fn a_server_that_is_dropped_is_gone_with_its_folder() {
        let Some(server) = start() else { return };
        let (port, folder) = (server.port(), server.service.folder().to_owned());
        drop(server);
        assert!(super::super::http::get(port, "/health").is_err());
        assert!(!folder.exists());
    }
}
