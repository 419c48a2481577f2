//! The content files of an Iceberg table as bytes: data files, deletion vectors, position deletes.
//!
//! Everything here is a pure function of its arguments and runs on the processor pool; who stores or fetches the
//! bytes is somebody else's matter.

mod bounds;
mod conform;
mod deletion_vector;
mod dictionary;
mod encode;
mod error;
mod layout;
mod lineage;
mod metrics;
mod partition;
mod partition_path;
mod position_deletes;
mod puffin;
mod rewrite;
mod row_groups;
mod scan;
mod scan_columns;
mod transform;

pub use deletion_vector::{DeletionVector, decode_deletion_vector, deletion_vector_file, encode_deletion_vectors};
pub use encode::{EncodedDataFile, encode_data_files};
pub use error::FilesError;
pub use layout::{FileLayout, FileSettings};
pub use lineage::{Inherited, inherit};
pub use partition_path::partition_path;
pub use position_deletes::{encode_position_deletes, read_position_deletes};
pub use rewrite::{DataFileWriter, RewriteLayout};
pub use row_groups::GroupFilter;
pub use scan::{ParquetScan, Step};
pub use scan_columns::ScanColumn;
