//! What an author of transforms works with: projects made from templates, builds in five languages, trial runs.

pub mod build;
