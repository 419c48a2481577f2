use std::fmt::Write;

use serde::Serialize;
use sluice_pipeline::LaneSettings;

use super::transform::TransformCheck;
use crate::config::Config;
use crate::exit::Exit;
use crate::grid::Grid;
use crate::words;

/// What a check found.
#[derive(Debug, Serialize)]
pub(super) struct CheckReport {
    /// Whether a run would get anywhere with every table.
    ready: bool,
    configuration: String,
    source: String,
    warehouse: String,
    catalog: String,
    /// What stands in the way of all tables.
    pub errors: Vec<String>,
    /// Tables that the source shows.
    pub tables_in_source: usize,
    /// Those of them that are not taken in.
    pub not_taken: Vec<String>,
    pub tables: Vec<TableCheck>,
}

/// What a check found of one table.
#[derive(Debug, Default, Serialize)]
pub(super) struct TableCheck {
    pub table: String,
    /// What keeps the table from running.
    pub errors: Vec<String>,
    /// What a person should know.
    pub warnings: Vec<String>,
    /// The columns, each with its type.
    pub columns: Vec<String>,
    pub key: Vec<String>,
    /// What shapes its Silver, if anything does.
    pub transform: Option<TransformCheck>,
    /// The key by which a Silver that is there is merged, where a transform shapes it.
    #[serde(skip)]
    pub silver_key: Option<Vec<String>>,
    pub bronze: String,
    /// Absent where there is no key: then there is no Silver.
    pub silver: Option<String>,
    pub dead_letters: String,
    /// Whether a change of the primary key would leave the old row behind.
    pub key_changes_unseen: bool,
    /// The lake's tables that are there already.
    pub lake: Vec<LakeTableCheck>,
    /// The lake's tables that a run would make.
    pub to_make: Vec<String>,
    /// Files that a run would take in now; absent where the source cannot tell.
    pub pending_files: Option<u64>,
    /// Their bytes.
    pub pending_bytes: Option<u64>,
    /// Records that were looked at.
    pub sampled_records: u64,
    /// Those of them that would become dead letters.
    pub sampled_rejects: u64,
}

/// A lake table that is there.
#[derive(Debug, Serialize)]
pub(super) struct LakeTableCheck {
    pub layer: &'static str,
    pub name: String,
    pub rows: u64,
    pub position: Option<String>,
}

impl TableCheck {
    pub fn new(lane: &LaneSettings) -> Self {
        Self {
            table: lane.table.to_string(),
            key: lane.declared.key.clone(),
            bronze: lane.bronze.to_string(),
            dead_letters: lane.rejects.to_string(),
            ..Self::default()
        }
    }

    /// Says where the table goes, once its key is known.
    pub fn settle_key(&mut self, lane: &LaneSettings, sees_key_changes: bool) {
        if self.key.is_empty() {
            self.warn("has no `key`: it goes to Bronze only");
            return;
        }
        self.silver = Some(lane.silver.to_string());
        self.key_changes_unseen = !sees_key_changes;
    }

    pub fn fail(&mut self, message: impl Into<String>) {
        self.errors.push(message.into());
    }

    pub fn warn(&mut self, message: impl Into<String>) {
        self.warnings.push(message.into());
    }
}

impl CheckReport {
    pub fn new(config: &Config) -> Self {
        Self {
            ready: true,
            configuration: config.path().display().to_string(),
            source: config.source_location.clone(),
            warehouse: config.warehouse.clone(),
            catalog: config.catalog.shown(),
            errors: Vec::new(),
            tables_in_source: 0,
            not_taken: Vec::new(),
            tables: Vec::new(),
        }
    }

    /// How the program ends; `ready` follows it.
    pub fn exit(&self) -> Exit {
        if !self.errors.is_empty() {
            Exit::Failure
        } else if self.tables.iter().any(|table| !table.errors.is_empty()) {
            Exit::Partial
        } else {
            Exit::Success
        }
    }

    /// Settles whether everything is ready.
    pub fn settle(mut self) -> Self {
        self.ready = self.exit() == Exit::Success;
        self
    }

    /// The report for people.
    pub fn render(&self) -> String {
        let mut text = String::new();
        self.write(&mut text);
        text
    }

    fn write(&self, text: &mut String) {
        let mut lines = |line: std::fmt::Arguments<'_>| {
            // Writing to a string does not fail.
            let _ = text.write_fmt(line).and_then(|()| text.write_char('\n'));
        };
        lines(format_args!("configuration  {}", self.configuration));
        lines(format_args!("source         {} ({})", self.source, words::things(self.tables_in_source, "table")));
        lines(format_args!("warehouse      {}", self.warehouse));
        lines(format_args!("catalog        {}\n", self.catalog));
        for error in &self.errors {
            lines(format_args!("error: {error}"));
        }
        lines(format_args!("{}", self.grid().render()));
        for table in &self.tables {
            if let Some(transform) = &table.transform {
                lines(format_args!("transform of {}: {}", table.table, transform.steps.join(" → ")));
                lines(format_args!("  Silver: {}; key ({})", transform.output.join(", "), transform.key.join(", ")));
                lines(format_args!("  digest: {}\n", transform.digest));
            }
        }
        for table in &self.tables {
            for error in &table.errors {
                lines(format_args!("error: {}: {error}", table.table));
            }
            for warning in &table.warnings {
                lines(format_args!("warning: {}: {warning}", table.table));
            }
        }
        if !self.not_taken.is_empty() {
            lines(format_args!(
                "note: not configured and so not taken in: {} (`source.tables = \"all\"` takes all)",
                self.not_taken.join(", ")
            ));
        }
        if let Some(advice) = self.key_change_advice() {
            lines(format_args!("{advice}"));
        }
        lines(format_args!("{}", self.plan()));
        let failed = self.tables.iter().filter(|table| !table.errors.is_empty()).count();
        match self.exit() {
            Exit::Success => lines(format_args!("ready: {} can run", words::things(self.tables.len(), "table"))),
            Exit::Partial => {
                lines(format_args!("not ready: {failed} of {} cannot run", words::things(self.tables.len(), "table")))
            }
            _ => lines(format_args!("not ready: no table can run")),
        }
    }

    /// What a run would do, in one line.
    fn plan(&self) -> String {
        let new = self.tables.iter().filter(|table| table.lake.is_empty()).count();
        let files: u64 = self.tables.iter().filter_map(|table| table.pending_files).sum();
        let bytes: u64 = self.tables.iter().filter_map(|table| table.pending_bytes).sum();
        let made: usize = self.tables.iter().map(|table| table.to_make.len()).sum();
        format!(
            "a run takes in {} ({}): {} for the first time, {} from where they stand; it makes {} in the lake",
            words::things(usize::try_from(files).unwrap_or(usize::MAX), "file"),
            words::bytes(bytes),
            words::things(new, "table"),
            words::count((self.tables.len() - new) as u64),
            words::things(made, "table"),
        )
    }

    fn grid(&self) -> Grid {
        let mut grid =
            Grid::new(&["table", "state", ">columns", "key", "Bronze", "Silver", ">to take in", "consumed up to"]);
        for table in &self.tables {
            let state = match (table.errors.is_empty(), table.warnings.is_empty()) {
                (false, _) => "error",
                (true, false) => "warning",
                // What stands in the way of all tables hides what there is to say of each.
                (true, true) if !self.errors.is_empty() => "–",
                (true, true) => "ok",
            };
            let dash = || "–".to_owned();
            let position = table.lake.iter().find(|lake| lake.layer == "Bronze").and_then(|lake| lake.position.clone());
            grid.row(vec![
                table.table.clone(),
                state.to_owned(),
                if table.columns.is_empty() { dash() } else { table.columns.len().to_string() },
                if table.key.is_empty() { dash() } else { table.key.join(", ") },
                table.bronze.clone(),
                table.silver.clone().unwrap_or_else(dash),
                match (table.pending_files, table.pending_bytes) {
                    (Some(files), Some(bytes)) => {
                        format!("{} ({})", words::things(files as usize, "file"), words::bytes(bytes))
                    }
                    _ => dash(),
                },
                position.unwrap_or_else(dash),
            ]);
        }
        grid
    }

    /// What to do so that key changes are seen, for the first of the tables where they are not.
    fn key_change_advice(&self) -> Option<String> {
        let blind: Vec<&TableCheck> = self.tables.iter().filter(|table| table.key_changes_unseen).collect();
        let (schema, table) = blind.first()?.table.split_once('.')?;
        let names: Vec<&str> = blind.iter().map(|table| table.table.as_str()).collect();
        let rule = serde_json::json!({
            "rule-type": "transformation", "rule-id": "101", "rule-name": "before-image-of-keys",
            "rule-target": "column", "rule-action": "add-before-image-columns",
            "object-locator": { "schema-name": schema, "table-name": table },
            "before-image-def": { "column-filter": "pk-only", "column-prefix": "BI_" },
        });
        Some(format!(
            "note: a change of a primary key leaves the old row behind in Silver, since no before image is configured \
             for {}.\n      Add this rule to the DMS task's table mappings and set `before_image_prefix = \"BI_\"`:\n      \
             {rule}",
            names.join(", ")
        ))
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn report() -> CheckReport {
        let text = "source.location = '/dms'\nlake.warehouse = '/lake'\n\
                    [tables.'public.orders']\nkey = ['id']\n[tables.'public.log']\n";
        let config = Config::parse(Path::new("sluice.toml"), Path::new("/"), text.to_owned(), &|_| None).unwrap();
        let mut report = CheckReport::new(&config);
        for lane in config.lanes(&[]).unwrap() {
            let mut check = TableCheck::new(&lane);
            check.settle_key(&lane, true);
            report.tables.push(check);
        }
        report
    }

    #[test]
    fn a_table_without_a_key_is_a_warning_and_everything_can_run() {
        let report = report().settle();
        assert_eq!(report.exit(), Exit::Success);
        let text = report.render();
        assert!(text.contains("warning: public.log: has no `key`: it goes to Bronze only"), "{text}");
        assert!(text.ends_with("ready: 2 tables can run\n"));
        assert!(report.ready);
    }

    #[test]
    fn unseen_key_changes_come_with_the_rule_to_add() {
        let mut report = report();
        report.tables[1].key_changes_unseen = true;
        let text = report.render();
        assert!(text.contains("\"rule-action\":\"add-before-image-columns\""), "{text}");
        assert!(text.contains("\"column-filter\":\"pk-only\""));
        assert!(text.contains("\"table-name\":\"orders\""));
        assert_eq!(report.exit(), Exit::Success);
    }

    #[test]
    fn one_table_that_cannot_run_is_a_partial_failure_and_no_source_a_whole_one() {
        let mut report = report();
        report.tables[0].fail("its folder cannot be listed");
        assert_eq!(report.exit(), Exit::Partial);
        assert!(report.render().contains("not ready: 1 of 2 tables cannot run"));
        report.errors.push("nothing is there".to_owned());
        assert_eq!(report.exit(), Exit::Failure);
    }
}
