//! Components in the host, as what is tried and measured.

use sluice_change::TableSchema;
use sluice_transform::host::{ComponentTransform, Level};
use sluice_transform::{Input, Transform, TransformError};

use crate::{Cost, Line, Run, Subject};

impl Subject for ComponentTransform {
    fn output(&self, input: &TableSchema) -> Result<TableSchema, TransformError> {
        Transform::output(self, input)
    }

    fn run(&self, schema: &TableSchema, input: Input, count_fuel: bool) -> Result<Run, TransformError> {
        let trial = self.try_rows(schema, input, count_fuel)?;
        let line = |(level, message): (Level, String)| Line { level: word(level).to_owned(), message };
        Ok(Run {
            shaped: trial.shaped,
            cost: Cost {
                fuel: trial.cost.fuel,
                nanoseconds: trial.cost.nanoseconds,
                memory_bytes: trial.cost.peak_memory_bytes,
            },
            lines: trial.said.lines.into_iter().map(line).collect(),
            lines_left_out: trial.said.lines_left_out,
            metrics: trial.said.metrics,
        })
    }
}

fn word(level: Level) -> &'static str {
    match level {
        Level::Debug => "debug",
        Level::Info => "info",
        Level::Warn => "warn",
        Level::Error => "error",
    }
}
