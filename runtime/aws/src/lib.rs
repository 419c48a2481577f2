//! Amazon Web Services: objects on S3, messages of SQS, signatures.
