//! What `sluice plugin test` found, for machines and people.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;
use sluice_plugin::expected::Mismatch;
use sluice_plugin::{CellChange, Cost, Fate, Line, Mark, RowChange};

use super::paint::{Paint, Tint};
use crate::grid::Grid;
use crate::value::{cell, line};
use crate::words;

/// Differences from what was expected that are listed.
const LISTED: usize = 20;

/// What a test found.
#[derive(Debug, Serialize)]
pub(super) struct TestReport {
    pub plugin: String,
    pub component: PathBuf,
    /// Whether it was built for this test.
    pub built: bool,
    pub cases: Vec<CaseReport>,
    pub passed: bool,
}

/// What a test found of one file of rows.
#[derive(Debug, Serialize)]
pub(super) struct CaseReport {
    /// What the rows are called: their file below the project, or their table.
    pub name: String,
    pub rows: usize,
    /// Rows that came out, deletes of dropped ones not counted.
    pub kept: usize,
    pub dropped: usize,
    pub rejected: usize,
    /// Rows of which nothing came out.
    pub gone: usize,
    pub plan: Option<PlanReport>,
    /// Why the transform could not be run on the rows.
    pub error: Option<String>,
    /// The first rows, before and after.
    pub changes: Vec<RowChange>,
    /// Why the answer is not the same for the same rows.
    pub not_deterministic: Vec<String>,
    pub expected: Option<ExpectedReport>,
    pub log: Vec<Line>,
    pub log_left_out: u64,
    pub metrics: BTreeMap<String, f64>,
    pub cost: Option<Cost>,
    pub nanoseconds_per_row: Option<f64>,
    pub fuel_per_row: Option<f64>,
    /// What is not as it has to be.
    pub failures: Vec<String>,
}

/// What a transform says that it does with a table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct PlanReport {
    pub reads: Vec<String>,
    pub writes: Vec<WriteReport>,
    pub drops: Vec<String>,
    pub deletes: bool,
    pub key: Vec<String>,
    pub fan_out: bool,
}

/// A column that a transform writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(super) struct WriteReport {
    pub name: String,
    #[serde(rename = "type")]
    pub data_type: String,
    pub nullable: bool,
    pub computed_from: Vec<String>,
}

/// The comparison with what was expected.
#[derive(Debug, Serialize)]
pub(super) struct ExpectedReport {
    pub file: PathBuf,
    /// Whether the file was written just now.
    pub accepted: bool,
    pub mismatches: Vec<Mismatch>,
}

impl PlanReport {
    /// In one line.
    pub fn line(&self) -> String {
        let names = |names: &[String]| if names.is_empty() { "nothing".to_owned() } else { names.join(", ") };
        let writes: Vec<String> =
            self.writes.iter().map(|column| format!("{} {}", column.name, column.data_type)).collect();
        let mut parts = vec![format!("reads {}", names(&self.reads)), format!("writes {}", names(&writes))];
        parts.extend((!self.drops.is_empty()).then(|| format!("drops {}", self.drops.join(", "))));
        parts.extend((!self.key.is_empty()).then(|| format!("Silver's key {}", self.key.join(", "))));
        parts.extend(self.fan_out.then(|| "may return several rows for one".to_owned()));
        parts.extend(self.deletes.then(|| "sees deletes".to_owned()));
        parts.join(" · ")
    }
}

impl TestReport {
    /// The report for people. `keys` names the columns by which a row is told.
    pub fn render(&self, keys: &[String], paint: Paint) -> String {
        let built = if self.built { " (built just now)" } else { "" };
        let title = paint.text(Tint::Strong, &self.plugin);
        let mut text = format!("{title}  {}{built}\n", self.component.display());
        for case in &self.cases {
            text.push('\n');
            text.push_str(&case.render(keys, paint));
        }
        let failed = self.cases.iter().filter(|case| !case.failures.is_empty()).count();
        let cases = words::things(self.cases.len(), "case");
        text.push_str(&match failed {
            0 => format!("\n{} {cases}\n", paint.text(Tint::Added, "passed:")),
            failed => format!("\n{} {failed} of {cases}\n", paint.text(Tint::Removed, "FAILED:")),
        });
        text
    }
}

impl CaseReport {
    fn render(&self, keys: &[String], paint: Paint) -> String {
        let mut counts = vec![format!("{} in", words::things(self.rows, "row")), format!("{} out", self.kept)];
        counts.extend((self.dropped > 0).then(|| format!("{} dropped", self.dropped)));
        counts.extend((self.gone > 0).then(|| format!("{} gone", self.gone)));
        counts.extend((self.rejected > 0).then(|| format!("{} rejected", self.rejected)));
        let mut text = format!("{}: {}\n", paint.text(Tint::Strong, &self.name), counts.join(", "));
        if let Some(plan) = &self.plan {
            text.push_str(&format!("{}\n", paint.text(Tint::Faint, &plan.line())));
        }
        if !self.changes.is_empty() {
            text.push_str(&format!("\n{}\n", changes(&self.changes, keys, paint)));
            let shown = self.changes.iter().map(|change| change.row).max().unwrap_or_default();
            if shown < self.rows {
                let left = words::things(self.rows - shown, "row");
                text.push_str(&format!("and {left} more (--show {} shows all)\n\n", self.rows));
            }
        }
        for line in &self.log {
            text.push_str(&format!("log       {} {}\n", line.level, line.message));
        }
        if self.log_left_out > 0 {
            text.push_str(&format!(
                "log       {} more were left out\n",
                words::things(self.log_left_out as usize, "line")
            ));
        }
        for (name, value) in &self.metrics {
            text.push_str(&format!("metric    {name} {value}\n"));
        }
        text.push_str(&self.cost_line());
        if self.error.is_none() && self.not_deterministic.is_empty() {
            text.push_str("same      run again and cut in two, the answer is the same, byte for byte\n");
        }
        match &self.expected {
            Some(expected) if expected.accepted => {
                text.push_str(&format!("expected  accepted: written to {}\n", expected.file.display()));
            }
            Some(expected) if expected.mismatches.is_empty() => {
                text.push_str(&format!("expected  as in {}\n", expected.file.display()));
            }
            _ => {}
        }
        for failure in &self.failures {
            text.push_str(&format!("{} {failure}\n", paint.text(Tint::Removed, "✗")));
        }
        text
    }

    fn cost_line(&self) -> String {
        let (Some(cost), Some(time)) = (self.cost, self.nanoseconds_per_row) else { return String::new() };
        let fuel = self.fuel_per_row.map(|fuel| format!(" and {} fuel", words::count(fuel.round() as u64)));
        format!(
            "cost      {} ns{} a row with the start of the instance, {} of memory (`sluice plugin bench` measures)\n",
            words::count(time.round() as u64),
            fuel.unwrap_or_default(),
            words::bytes(cost.memory_bytes as u64)
        )
    }
}

/// The differences from what was expected, as failures.
pub(super) fn mismatch_failures(expected: &ExpectedReport) -> Vec<String> {
    let file = expected.file.display();
    let mut found: Vec<String> = expected
        .mismatches
        .iter()
        .take(LISTED)
        .map(|mismatch| match mismatch.line {
            Some(line) => format!("{file} line {line}: {}", mismatch.what),
            None => format!("{file}: {}", mismatch.what),
        })
        .collect();
    let left = expected.mismatches.len().saturating_sub(LISTED);
    if left > 0 {
        found.push(format!("{file}: {left} other differences"));
    }
    if !found.is_empty() {
        found.push("if what came out is right, `sluice plugin test --accept` writes it there".to_owned());
    }
    found
}

/// Rows before and after, each with the cells that are not as they were.
fn changes(rows: &[RowChange], keys: &[String], paint: Paint) -> String {
    let mut grid = Grid::new(&[">row", "key", "op", "", "column", "before", "after"]);
    let mut tints = Vec::new();
    let mut last = 0;
    for row in rows {
        let key: Vec<String> = keys
            .iter()
            .filter_map(|key| row.cells.iter().find(|cell| cell.column == *key))
            .map(|found| cell(found.before.as_deref().or(found.after.as_deref())))
            .collect();
        let op = match row.op_after {
            Some(after) if after != row.op => format!("{}→{after}", row.op),
            _ => row.op.to_owned(),
        };
        // A row that became several is told once.
        let number = if row.row == last { String::new() } else { row.row.to_string() };
        last = row.row;
        let mut head = vec![number, key.join(", "), op];
        for (tint, cells) in lines(row) {
            let first = std::mem::replace(&mut head, vec![String::new(); 3]);
            grid.row(first.into_iter().chain(cells).collect());
            tints.push(tint);
        }
    }
    let rendered = grid.render();
    let mut lines = rendered.lines();
    let mut text: String = lines.by_ref().take(2).map(|line| format!("{line}\n")).collect();
    for (line, tint) in lines.zip(tints) {
        text.push_str(&tint.map_or_else(|| line.to_owned(), |tint| paint.text(tint, line)));
        text.push('\n');
    }
    text
}

/// The lines of a row: a mark, a column, and its value before and after.
fn lines(row: &RowChange) -> Vec<(Option<Tint>, [String; 4])> {
    let words = |mark: &str, column: &str, after: &str| [mark.into(), column.into(), String::new(), after.into()];
    match row.fate {
        Fate::Rejected => {
            vec![(Some(Tint::Removed), words("✗", "rejected:", row.reason.as_deref().unwrap_or_default()))]
        }
        Fate::Dropped => vec![(Some(Tint::Removed), words("-", "dropped", ""))],
        Fate::Gone => vec![(Some(Tint::Removed), words("-", "nothing came out", ""))],
        Fate::Kept => {
            let changed: Vec<(Option<Tint>, [String; 4])> = row.cells.iter().filter_map(cell_line).collect();
            if changed.is_empty() { vec![(Some(Tint::Faint), words("=", "as it was", ""))] } else { changed }
        }
    }
}

fn cell_line(change: &CellChange) -> Option<(Option<Tint>, [String; 4])> {
    let (before, after) = (cell(change.before.as_deref()), cell(change.after.as_deref()));
    let (tint, mark, before, after) = match change.mark {
        Mark::Same => return None,
        Mark::Changed => (Tint::Changed, "~", before, after),
        Mark::Added => (Tint::Added, "+", String::new(), after),
        Mark::Removed => (Tint::Removed, "-", before, String::new()),
    };
    Some((Some(tint), [mark.to_owned(), line(&change.column), before, after]))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(row: usize, fate: Fate, cells: Vec<CellChange>) -> RowChange {
        RowChange { row, fate, op: "I", op_after: Some("I"), reason: Some("no address".into()), cells }
    }

    fn cell(column: &str, mark: Mark, before: Option<&str>, after: Option<&str>) -> CellChange {
        CellChange { column: column.into(), mark, before: before.map(str::to_owned), after: after.map(str::to_owned) }
    }

    fn rows() -> Vec<RowChange> {
        let id = || cell("id", Mark::Same, Some("7"), Some("7"));
        vec![
            row(
                1,
                Fate::Kept,
                vec![
                    id(),
                    cell("email", Mark::Changed, Some("Ada@x"), Some("ada@x")),
                    cell("domain", Mark::Added, None, None),
                    cell("phone", Mark::Removed, Some("1"), None),
                ],
            ),
            row(2, Fate::Kept, vec![id()]),
            row(3, Fate::Rejected, vec![id()]),
        ]
    }

    #[test]
    fn cells_that_changed_stand_before_and_after_each_other() {
        let text = changes(&rows(), &["id".to_owned()], Paint::new(false));
        let lines: Vec<&str> = text.lines().map(str::trim_end).collect();
        assert_eq!(lines[0], "row  key  op     column     before  after");
        assert_eq!(lines[2], "  1  7    I   ~  email      Ada@x   ada@x");
        assert_eq!(lines[3], "              +  domain             NULL");
        assert_eq!(lines[4], "              -  phone      1");
        assert_eq!(lines[5], "  2  7    I   =  as it was");
        assert_eq!(lines[6], "  3  7    I   ✗  rejected:          no address");
    }

    #[test]
    fn a_terminal_gets_colours() {
        let text = changes(&rows(), &["id".to_owned()], Paint::new(true));
        assert!(text.contains("\x1b[33m  1  7    I   ~  email"), "{text}");
    }
}
