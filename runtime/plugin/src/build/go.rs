use super::{BuildError, Job};

pub fn build(job: &Job<'_>) -> Result<Vec<u8>, BuildError> {
    Err(BuildError::Missing { what: job.name.to_owned(), advice: "no recipe".to_owned() })
}
