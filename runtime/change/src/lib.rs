//! The vocabulary of sluice: what a change is, where it stands in its table's order, and what has been consumed.
//!
//! No I/O and no async here. Every other room builds on these types and none of them is known here.

mod batch;
mod checkpoint;
mod conform;
mod op;
mod position;
mod schema;
mod table_name;
mod unsent;

pub use batch::{ChangeBatch, Origin, Reject};
pub use checkpoint::{ChangeCounts, Checkpoint, CheckpointError, SourceTimes};
pub use conform::{ConformError, conform};
pub use op::Op;
pub use position::{FileMark, FileProgress, FileVersion, FilesMark, Generation, Mark, Position, RECENT_FILES};
pub use schema::{
    Column, ColumnType, Renamed, SchemaChange, SchemaConflict, SchemaPolicy, TableSchema, WhenAdded, WhenWidened,
};
pub use table_name::{InvalidTableName, TableName};
pub use unsent::{Unsent, UnsentBuilder};
