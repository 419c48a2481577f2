//! `sluice schemas`: every schema that a table has had.

use serde::Serialize;
use sluice_lake::SchemaVersion;

use crate::args::{Layer, SchemasArguments};
use crate::config::Config;
use crate::exit::Exit;
use crate::grid::Grid;
use crate::services::StartError;
use crate::target::Target;
use crate::terminal::Terminal;
use crate::words;

/// The schemas of one table of the lake.
#[derive(Debug, Serialize)]
struct SchemasReport {
    /// The table at the source.
    table: String,
    layer: Layer,
    /// The table in the lake.
    lake_table: String,
    /// Oldest first.
    schemas: Vec<SchemaVersion>,
}

/// Shows the schemas of one table.
pub(crate) async fn command(
    config: &Config,
    arguments: &SchemasArguments,
    terminal: &Terminal,
) -> Result<Exit, StartError> {
    let target = Target::find(config, &arguments.table).await?;
    let ident = match arguments.layer {
        Layer::Bronze => &target.lane.bronze,
        Layer::Silver => &target.lane.silver,
        Layer::DeadLetters => &target.lane.rejects,
    };
    let Some(table) = target.lake.open_metadata(ident).await? else {
        let made = match arguments.layer {
            Layer::Bronze => "it is made with the first records",
            Layer::Silver => "it is made with the first records of a table that has a `key`",
            Layer::DeadLetters => "it is made with the first dead letter",
        };
        return Err(StartError::Asked(format!("there is no table {ident} in the lake: {made}")));
    };
    let report = SchemasReport {
        table: arguments.table.clone(),
        layer: arguments.layer,
        lake_table: ident.to_string(),
        schemas: table.schemas(),
    };
    if arguments.json {
        terminal.say_json(&report);
    } else {
        terminal.say(&render(&report));
    }
    Ok(Exit::Success)
}

fn render(report: &SchemasReport) -> String {
    let versions = report.schemas.iter().enumerate().map(|(number, schema)| {
        let before = number.checked_sub(1).map(|before| &report.schemas[before]);
        format!("\n{}{}", title(schema), columns(schema, before).render())
    });
    format!(
        "{}: {}\n{}",
        report.lake_table,
        words::things(report.schemas.len(), "schema"),
        versions.collect::<String>()
    )
}

fn title(schema: &SchemaVersion) -> String {
    let current = if schema.current { ", the current one" } else { "" };
    let since = match schema.since.last() {
        Some(used) => format!(", in use since {}", words::instant(used.committed_us)),
        None => String::new(),
    };
    format!("schema {}{current}{since}\n", schema.id)
}

/// The columns, each with what is new about it since the schema before.
fn columns(schema: &SchemaVersion, before: Option<&SchemaVersion>) -> Grid {
    let mut grid = Grid::new(&[">id", "column", "type", "required", "change"]);
    for column in &schema.columns {
        let old = before.and_then(|before| before.columns.iter().find(|old| old.id == column.id));
        let change = match (before, old) {
            (None, _) => String::new(),
            (Some(_), None) => "added".to_owned(),
            (Some(_), Some(old)) if old.name != column.name => format!("renamed from {}", old.name),
            (Some(_), Some(old)) if old.column_type != column.column_type => format!("was {}", old.column_type),
            _ => String::new(),
        };
        let required = if column.required { "yes" } else { "" };
        grid.row(vec![
            column.id.to_string(),
            column.name.clone(),
            column.column_type.clone(),
            required.to_owned(),
            change,
        ]);
    }
    grid
}

#[cfg(test)]
mod tests {
    use sluice_lake::{SchemaColumn, SchemaUse};

    use super::*;

    fn version(id: i32, columns: &[(i32, &str, &str)]) -> SchemaVersion {
        let column = |(id, name, column_type): &(i32, &str, &str)| SchemaColumn {
            id: *id,
            name: (*name).to_owned(),
            column_type: (*column_type).to_owned(),
            required: *id == 1,
        };
        SchemaVersion {
            id,
            current: id == 1,
            columns: columns.iter().map(column).collect(),
            since: vec![SchemaUse { snapshot_id: 1, committed_us: 1_700_000_000_000_000 }],
        }
    }

    #[test]
    fn each_schema_says_what_changed() {
        let report = SchemasReport {
            table: "public.orders".into(),
            layer: Layer::Silver,
            lake_table: "silver.public_orders".into(),
            schemas: vec![
                version(0, &[(1, "id", "int"), (2, "nick", "string")]),
                version(1, &[(1, "id", "long"), (2, "name", "string"), (3, "email", "string")]),
            ],
        };
        let text = render(&report);
        assert!(
            text.contains("2 schemas") && text.contains("schema 1, the current one, in use since 2023-11-14"),
            "{text}"
        );
        for words in ["was int", "renamed from nick", "added"] {
            assert!(text.contains(words), "{words}: {text}");
        }
    }
}
