//! Amazon Web Services: objects on S3, messages of SQS, signatures. One chain of credentials and one HTTP client for all.

mod context;
mod gate;
mod s3;
mod settings;
mod signer;
mod sqs;

pub use context::AwsContext;
pub use s3::{S3Fault, S3Storage, SCHEMES};
pub use settings::{AwsSettings, StaticCredentials};
pub use signer::{SigV4Signer, SignError};
pub use sqs::{Foreign, Message, Notifications, QueueSettings, parse_message};
