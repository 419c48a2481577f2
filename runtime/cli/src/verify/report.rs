//! What `sluice verify` tells.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write;

use arrow_array::cast::AsArray;
use arrow_array::types::Int64Type;
use arrow_array::{ArrayRef, BooleanArray, RecordBatch};
use arrow_schema::ArrowError;
use arrow_select::filter::filter_record_batch;
use serde::Serialize;
use serde_json::Value;
use sluice_lake::{LakeTable, ScanFilter};
use sluice_pipeline::{Difference, Kind, LaneSettings, Verdict, VerifyReport};

use crate::exit::Exit;
use crate::grid::Grid;
use crate::history::{self, Change, Key, plain};
use crate::services::StartError;
use crate::{value, words};

/// Rows read at a time.
const SCAN_ROWS: usize = 65_536;
/// Changes of one key that are told, the newest ones.
const SHOWN_CHANGES: usize = 100;

/// What became of all tables.
#[derive(Debug, Serialize)]
pub(super) struct VerifyOutcome {
    pub tables: Vec<TableOutcome>,
}

/// What became of one.
#[derive(Debug, Serialize)]
pub(super) struct TableOutcome {
    pub table: String,
    /// Why it could not be verified.
    pub error: Option<String>,
    /// What was found; absent where it could not be verified.
    #[serde(flatten)]
    report: Option<Report>,
    /// The first differences, in the order of their keys.
    first: Vec<Shown>,
    /// Whether the reason lies in what was asked for.
    #[serde(skip)]
    is_asked: bool,
}

/// A report without the name of its table.
#[derive(Debug, Serialize)]
struct Report {
    #[serde(flatten)]
    report: VerifyReport,
}

/// One difference.
#[derive(Debug, Serialize)]
pub(super) struct Shown {
    kind: Kind,
    key: BTreeMap<String, Value>,
    /// The columns that differ.
    columns: Vec<String>,
    /// The row that the key has to have; absent where it has none.
    expected: Option<BTreeMap<String, Value>>,
    /// The rows that Silver has.
    silver: Vec<Held>,
    /// Changes of the key in Bronze, in the order in which they happened.
    changes: Vec<Change>,
    /// Older ones that are left out.
    changes_left_out: usize,
    #[serde(skip)]
    history: String,
}

/// A row of Silver.
#[derive(Debug, Serialize)]
struct Held {
    file: String,
    position: u32,
    row: BTreeMap<String, Value>,
}

impl Shown {
    /// A difference with the changes of its key. Where a transform shapes the rows, those changes that it did not reject.
    pub async fn of(
        difference: &Difference,
        lane: &LaneSettings,
        key: &[String],
        bronze: &LakeTable,
    ) -> Result<Self, StartError> {
        let row = difference.expected.as_ref().or(difference.actual.first().map(|actual| &actual.row));
        let column = |name: &String| Some((name.clone(), row?.column_by_name(name)?.clone()));
        let key = Key { columns: key.iter().filter_map(column).collect::<Vec<(String, ArrayRef)>>() };
        let mut changes = match lane.transform.is_empty() {
            true => history::changes(bronze, &key).await?,
            false => numbered(bronze, &difference.sequences).await?,
        };
        history::put_in_order(&mut changes);
        let changes_left_out = changes.len().saturating_sub(SHOWN_CHANGES);
        changes.drain(..changes_left_out);
        let held = difference
            .actual
            .iter()
            .map(|actual| Ok(Held { file: actual.file.clone(), position: actual.position, row: json(&actual.row)? }));
        Ok(Self {
            kind: difference.kind,
            key: key.json()?,
            columns: difference.columns.clone(),
            expected: difference.expected.as_ref().map(json).transpose()?,
            silver: held.collect::<Result<_, ArrowError>>()?,
            history: history::render_changes(&changes, &key),
            changes,
            changes_left_out,
        })
    }

    fn render(&self, text: &mut String) {
        let key: Vec<String> = self.key.iter().map(|(name, value)| format!("{name} = {}", plain(value))).collect();
        let what = match self.kind {
            Kind::Missing => "Silver has no row".to_owned(),
            Kind::Unexpected => "Silver has a row and should have none".to_owned(),
            Kind::Different => format!("Silver's row differs in {}", self.columns.join(", ")),
            Kind::Duplicate => format!("Silver has {}", words::things(self.silver.len(), "row")),
        };
        // Writing to a string does not fail.
        let _ = writeln!(text, "\n{}: {what}", key.join(", "));
        for held in &self.silver {
            let _ = writeln!(text, "  {} at position {}", held.file, held.position);
        }
        text.push('\n');
        text.push_str(&self.rows().render());
        let left_out = match self.changes_left_out {
            0 => String::new(),
            count => format!(" ({} older ones are left out)", words::count(count as u64)),
        };
        let _ = writeln!(text, "\nIts changes in Bronze{left_out}:\n\n{}", self.history);
    }

    /// The row that has to be there beside those that are.
    fn rows(&self) -> Grid {
        let mut header = vec!["column", "expected"];
        header.extend(self.silver.iter().map(|_| "Silver"));
        let mut grid = Grid::new(&header);
        let names = self.expected.iter().chain(self.silver.iter().map(|held| &held.row)).next();
        let cell = |row: Option<&BTreeMap<String, Value>>, name: &String| {
            row.and_then(|row| row.get(name)).map_or_else(|| "–".to_owned(), |value| value::line(&plain(value)))
        };
        for name in names.iter().flat_map(|row| row.keys()) {
            let mark = if self.columns.contains(name) { format!("{name} *") } else { name.clone() };
            let mut cells = vec![mark, cell(self.expected.as_ref(), name)];
            cells.extend(self.silver.iter().map(|held| cell(Some(&held.row), name)));
            grid.row(cells);
        }
        grid
    }
}

/// The only row of a batch.
fn json(row: &RecordBatch) -> Result<BTreeMap<String, Value>, ArrowError> {
    let fields = row.schema_ref().fields().iter().zip(row.columns());
    fields.map(|(field, array)| Ok((field.name().clone(), value::json(array, 0)?))).collect()
}

/// The changes of these numbers in the log.
async fn numbered(bronze: &LakeTable, numbers: &[i64]) -> Result<Vec<Change>, StartError> {
    let newest: HashSet<i64> = numbers.iter().rev().take(SHOWN_CHANGES).copied().collect();
    let (Some(from), Some(to)) = (newest.iter().min(), newest.iter().max()) else { return Ok(Vec::new()) };
    let filter = ScanFilter::Between { column: "_seq".to_owned(), from: *from, to: *to };
    let mut found = Vec::new();
    let mut scan = bronze.scan(&[], filter, SCAN_ROWS).await?;
    while let Some(batch) = scan.next().await? {
        let rows = match &batch.live {
            Some(live) => filter_record_batch(&batch.batch, &BooleanArray::new(live.clone(), None))?,
            None => batch.batch,
        };
        let Some(sequences) = rows.column_by_name("_seq") else { continue };
        let sequences = sequences.as_primitive::<Int64Type>();
        for row in (0..rows.num_rows()).filter(|row| newest.contains(&sequences.value(*row))) {
            found.push(history::change(&rows, row, false)?);
        }
    }
    Ok(found)
}

impl TableOutcome {
    pub fn of(report: VerifyReport, first: Vec<Shown>) -> Self {
        let table = report.table.clone();
        Self { table, error: None, report: Some(Report { report }), first, is_asked: false }
    }

    /// The same where the histories cannot be read.
    pub fn with_error(self, error: String) -> Self {
        Self { error: Some(error), ..self }
    }

    pub fn failed(table: String, error: String, is_asked: bool) -> Self {
        Self { table, error: Some(error), report: None, first: Vec::new(), is_asked }
    }

    /// Whether Silver is what it has to be, or there is none.
    pub fn is_fine(&self) -> bool {
        let verdict = self.report.as_ref().map(|report| &report.report.verdict);
        self.error.is_none() && verdict.is_some_and(|verdict| *verdict != Verdict::Different)
    }

    pub fn render(&self) -> String {
        let mut text = String::new();
        let mut line = |words: &str| {
            // Writing to a string does not fail.
            let _ = writeln!(text, "{}: {words}", self.table);
        };
        if let Some(error) = &self.error {
            line(error);
        }
        if let Some(Report { report }) = &self.report {
            match &report.verdict {
                Verdict::NothingToVerify { reason } => line(reason),
                Verdict::Equal => line(&format!("equal. {}", checked(report))),
                Verdict::Different => line(&format!("NOT equal: {}. {}", found(report), checked(report))),
            }
            remarks(report).iter().for_each(|remark| line(remark));
        }
        for shown in &self.first {
            shown.render(&mut text);
        }
        text
    }
}

/// What was looked at.
fn checked(report: &VerifyReport) -> String {
    let scope = match report.share {
        share if share >= 1.0 => "All keys".to_owned(),
        share => format!("A sample of {} % of the keys (seed {})", share * 100.0, report.seed),
    };
    format!(
        "{scope}: {} with {} and {} compared, up to change {}; {} read in {}",
        words::things(report.keys_checked as usize, "key"),
        words::things(report.changes_checked as usize, "change"),
        words::things(report.rows_checked as usize, "row"),
        words::count(report.next_sequence),
        words::bytes(report.bytes_read),
        seconds(report.took_us),
    )
}

fn seconds(micros: i64) -> String {
    format!("{:.1}s", micros as f64 / 1e6)
}

/// What was found.
fn found(report: &VerifyReport) -> String {
    let counts = &report.differences;
    let each = [
        (counts.missing, "missing"),
        (counts.unexpected, "unexpected"),
        (counts.different, "different"),
        (counts.duplicate, "held several times"),
    ];
    let found: Vec<String> = each
        .iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, word)| format!("{} {word}", words::things(*count as usize, "key")))
        .collect();
    if found.is_empty() { "Bronze is not whole".to_owned() } else { found.join(", ") }
}

fn remarks(report: &VerifyReport) -> Vec<String> {
    let mut remarks = Vec::new();
    if matches!(report.verdict, Verdict::NothingToVerify { .. }) {
        return remarks;
    }
    if !report.bronze_is_whole() {
        remarks.push(format!(
            "Bronze holds {} changes below number {}, and there were {} of them",
            words::count(report.bronze_rows),
            words::count(report.next_sequence),
            words::count(report.next_sequence)
        ));
    }
    if report.rejected > 0 {
        let count = words::count(report.rejected);
        remarks.push(format!("{count} changes are rejected by the transform and leave their keys as they were"));
    }
    if report.cells_unknown > 0 {
        remarks.push(format!(
            "{} cells were not compared: the source did not send them, and changes of their keys came late",
            words::count(report.cells_unknown)
        ));
    }
    if report.keys_open > 0 {
        remarks.push(format!(
            "{} keys differ and have changes that Silver does not include yet; verify again later",
            words::count(report.keys_open)
        ));
    }
    if report.closer_looks_left_out {
        remarks.push("more keys had to be looked at closer than fit into memory: give more --memory".to_owned());
    }
    if report.other_transform {
        remarks.push("another transform wrote Silver last: rows that it shaped may differ and be right".to_owned());
    } else if report.has_transform && report.differences.total() > 0 {
        remarks.push(
            "if the transform was changed since Silver was made, rows that the older one shaped may differ and be right"
                .to_owned(),
        );
    }
    remarks
}

impl VerifyOutcome {
    /// How the program ends because of it.
    pub fn exit(&self) -> Exit {
        let failed = self.tables.iter().filter(|table| table.error.is_some()).count();
        if self.tables.iter().all(TableOutcome::is_fine) {
            Exit::Success
        } else if failed < self.tables.len() {
            Exit::Partial
        } else if self.tables.iter().all(|table| table.is_asked) {
            Exit::Configuration
        } else {
            Exit::AllFailed
        }
    }

    pub fn render(&self) -> String {
        self.tables.iter().map(TableOutcome::render).collect()
    }
}
