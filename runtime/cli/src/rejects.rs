//! `sluice rejects`: a table's dead letters, listed, shown as they came, or replayed.

use std::collections::BTreeMap;
use std::io::Write;
use std::time::Duration;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, RecordBatch};
use serde::Serialize;
use sluice_lake::{LakeTable, Role, ScanFilter};
use sluice_pipeline::{ReplayOutcome, ReplayRequest};

use crate::args::RejectsArguments;
use crate::config::Config;
use crate::exit::Exit;
use crate::grid::Grid;
use crate::outputs::Outputs;
use crate::services::StartError;
use crate::standing::Standing;
use crate::target::Target;
use crate::terminal::Terminal;
use crate::{value, words};

/// Rows read at a time.
const SCAN_ROWS: usize = 4_096;
/// Letters that are held at a time to be written as they came.
const STRETCH_LETTERS: usize = 100_000;
/// Their bytes, a single larger one excepted.
const STRETCH_BYTES: usize = 32 << 20;
/// Groups that the list for people shows.
const SHOWN_GROUPS: usize = 10;
/// How often `--wait` looks whether the replay is done.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// The dead letters of a table.
#[derive(Debug, Serialize)]
struct RejectsReport {
    table: String,
    dead_letters: String,
    /// How many there are that were asked for.
    count: u64,
    /// How many of each column and kind of reason, most first.
    groups: Vec<Group>,
    /// The newest of them, in their original order.
    letters: Vec<Letter>,
    /// The replay that is asked for and not done.
    replay_requested: Option<ReplayRequest>,
    /// What became of the last replay.
    last_replay: Option<ReplayOutcome>,
}

/// Dead letters of one column and one kind of reason.
#[derive(Debug, Clone, Serialize)]
struct Group {
    column: Option<String>,
    /// The reason, with `…` in place of what it quotes.
    reason: String,
    count: u64,
}

/// A dead letter.
#[derive(Debug, Clone, Serialize)]
struct Letter {
    /// Its number among those that were asked for, in their original order, from 1.
    number: u64,
    file: String,
    row: i64,
    column: Option<String>,
    reason: String,
    /// When it was set aside, microseconds since the epoch.
    rejected_us: i64,
    /// The record as text; bytes that are no text are replaced.
    raw: String,
    #[serde(skip)]
    order: String,
    #[serde(skip)]
    bytes: Vec<u8>,
}

/// Lists, shows or replays.
pub(crate) async fn command(
    config: &Config,
    arguments: &RejectsArguments,
    outputs: &Outputs,
) -> Result<Exit, StartError> {
    let terminal = &outputs.terminal;
    let target = Target::find(config, &arguments.table).await?;
    let Some(mut letters) = target.lake.open(&target.lane.rejects, Role::Rejects).await? else {
        return nothing(arguments, &target, terminal);
    };
    let filter =
        ReplayRequest { file: arguments.file.clone(), reason: arguments.reason.clone(), ..ReplayRequest::default() };
    if arguments.replay {
        return replay(config, arguments, &target, &mut letters, filter, outputs).await;
    }
    if arguments.raw {
        return raw(&letters, &filter).await;
    }
    let report = list(arguments, &target, &letters, &filter).await?;
    match (arguments.show, arguments.json) {
        (Some(number), json) => return show(&report, number, json, terminal),
        (None, true) => terminal.say_json(&report),
        (None, false) => terminal.say(&render(&report)),
    }
    Ok(Exit::Success)
}

fn nothing(arguments: &RejectsArguments, target: &Target, terminal: &Terminal) -> Result<Exit, StartError> {
    if let Some(number) = arguments.show {
        return Err(StartError::Asked(format!("there is no dead letter {number}: {} has none", arguments.table)));
    }
    let report = RejectsReport {
        table: arguments.table.clone(),
        dead_letters: target.lane.rejects.to_string(),
        count: 0,
        groups: Vec::new(),
        letters: Vec::new(),
        replay_requested: None,
        last_replay: None,
    };
    if arguments.json {
        terminal.say_json(&report);
    } else if !arguments.raw {
        let (table, letters) = (&report.table, &report.dead_letters);
        terminal.say(&format!("{table}: no dead letters ({letters} is made with the first one)"));
    }
    Ok(Exit::Success)
}

/// What letters are sorted by: their original order, and among equals that in which they were set aside.
type Place = (String, i64, i64);

/// Counts all letters that are asked for, and keeps the newest in memory, or the one that is to be shown.
async fn list(
    arguments: &RejectsArguments,
    target: &Target,
    table: &LakeTable,
    filter: &ReplayRequest,
) -> Result<RejectsReport, StartError> {
    let mut kept: BTreeMap<Place, Letter> = BTreeMap::new();
    let mut groups: BTreeMap<(Option<String>, String), u64> = BTreeMap::new();
    let mut count = 0;
    let keep = arguments.show.map_or(arguments.limit, |number| usize::try_from(number).unwrap_or(usize::MAX));
    let mut scan = table.scan(&COLUMNS, ScanFilter::All, SCAN_ROWS).await?;
    while let Some(found) = scan.next().await? {
        for row in 0..found.batch.num_rows() {
            let Some(letter) = letter(&found.batch, found.live.as_ref(), row, filter) else { continue };
            count += 1;
            *groups.entry((letter.column.clone(), kind(&letter.reason))).or_default() += 1;
            kept.insert((letter.order.clone(), letter.row, letter.rejected_us), letter);
            if kept.len() > keep {
                // Of the list the newest are wanted; the one to be shown is counted from the oldest.
                if arguments.show.is_some() {
                    kept.pop_last()
                } else {
                    kept.pop_first()
                };
            }
        }
    }
    let first = if arguments.show.is_some() { 1 } else { count - kept.len() as u64 + 1 };
    let letters = kept.into_values().zip(first..).map(|(letter, number)| Letter { number, ..letter }).collect();
    let mut groups: Vec<Group> =
        groups.into_iter().map(|((column, reason), count)| Group { column, reason, count }).collect();
    groups.sort_by_key(|group| std::cmp::Reverse(group.count));
    Ok(RejectsReport {
        table: arguments.table.clone(),
        dead_letters: target.lane.rejects.to_string(),
        count,
        groups,
        letters,
        replay_requested: ReplayRequest::of(table),
        last_replay: ReplayOutcome::of(table),
    })
}

const COLUMNS: [&str; 7] = ["source_file", "source_row", "source_order", "column", "reason", "raw", "rejected_at"];

fn letter(
    rows: &RecordBatch,
    live: Option<&arrow_buffer::BooleanBuffer>,
    row: usize,
    filter: &ReplayRequest,
) -> Option<Letter> {
    if live.is_some_and(|live| !live.value(row)) {
        return None;
    }
    let text = |column: usize| rows.column(column).as_string::<i32>();
    let (file, reason) = (text(0).value(row), text(4).value(row));
    if !filter.asks_for(file, reason) {
        return None;
    }
    let bytes = rows.column(5).as_binary::<i32>().value(row).to_vec();
    Some(Letter {
        number: 0,
        file: file.to_owned(),
        row: rows.column(1).as_primitive::<Int64Type>().value(row),
        order: text(2).value(row).to_owned(),
        column: text(3).is_valid(row).then(|| text(3).value(row).to_owned()),
        reason: reason.to_owned(),
        rejected_us: rows.column(6).as_primitive::<TimestampMicrosecondType>().value(row),
        raw: String::from_utf8_lossy(&bytes).into_owned(),
        bytes,
    })
}

/// A reason without what it quotes, so that the same fault of different values is one kind.
fn kind(reason: &str) -> String {
    let mut parts = reason.split('`');
    let mut text = parts.next().unwrap_or_default().to_owned();
    while let Some(quoted) = parts.next() {
        // The setting that reasons name is no value.
        text.push_str(if quoted == "columns" { "`columns`" } else { "…" });
        text.push_str(parts.next().unwrap_or_default());
    }
    text
}

fn show(report: &RejectsReport, number: u64, json: bool, terminal: &Terminal) -> Result<Exit, StartError> {
    let letter = report.letters.iter().find(|letter| letter.number == number).ok_or_else(|| {
        StartError::Asked(format!("there is no dead letter {number}: there are {}", words::count(report.count)))
    })?;
    if json {
        terminal.say_json(letter);
        return Ok(Exit::Success);
    }
    let column = letter.column.as_deref().unwrap_or("–");
    terminal.say(&format!(
        "{} record {}\ncolumn     {column}\nreason     {}\nset aside  {}\n\n{}",
        letter.file,
        words::count(letter.row.unsigned_abs()),
        letter.reason,
        words::instant(letter.rejected_us),
        letter.raw
    ));
    Ok(Exit::Success)
}

/// Writes records as they came, byte for byte, in their original order, a bounded stretch at a time.
async fn raw(table: &LakeTable, filter: &ReplayRequest) -> Result<Exit, StartError> {
    let mut after: Option<Place> = None;
    loop {
        let stretch = next_stretch(table, filter, after.as_ref()).await?;
        let Some((last, _)) = stretch.last_key_value() else { return Ok(Exit::Success) };
        after = Some(last.clone());
        let mut out = std::io::stdout().lock();
        for bytes in stretch.values() {
            // A reader that has gone away is no error.
            if out.write_all(bytes).and_then(|()| out.write_all(b"\n")).is_err() {
                return Ok(Exit::Success);
            }
        }
        let _ = out.flush();
    }
}

/// The records that come next after a place.
async fn next_stretch(
    table: &LakeTable,
    filter: &ReplayRequest,
    after: Option<&Place>,
) -> Result<BTreeMap<Place, Vec<u8>>, StartError> {
    let mut found: BTreeMap<Place, Vec<u8>> = BTreeMap::new();
    let mut bytes = 0;
    let mut scan = table.scan(&COLUMNS, ScanFilter::All, SCAN_ROWS).await?;
    while let Some(batch) = scan.next().await? {
        for row in 0..batch.batch.num_rows() {
            let Some(letter) = letter(&batch.batch, batch.live.as_ref(), row, filter) else { continue };
            let place = (letter.order, letter.row, letter.rejected_us);
            if after.is_some_and(|after| place <= *after) {
                continue;
            }
            bytes += letter.bytes.len();
            bytes -= found.insert(place, letter.bytes).map_or(0, |twice| twice.len());
            while found.len() > STRETCH_LETTERS || (bytes > STRETCH_BYTES && found.len() > 1) {
                bytes -= found.pop_last().map_or(0, |(_, last)| last.len());
            }
        }
    }
    Ok(found)
}

/// What `--replay` did.
#[derive(Debug, Serialize)]
struct ReplayReport {
    table: String,
    /// Dead letters that were asked for.
    requested: u64,
    request: Option<ReplayRequest>,
    /// What became of it, with `--wait`.
    outcome: Option<ReplayOutcome>,
}

async fn replay(
    config: &Config,
    arguments: &RejectsArguments,
    target: &Target,
    table: &mut LakeTable,
    filter: ReplayRequest,
    outputs: &Outputs,
) -> Result<Exit, StartError> {
    let requested = list(arguments, target, table, &filter).await?.count;
    let mut report = ReplayReport { table: arguments.table.clone(), requested, request: None, outcome: None };
    if requested > 0 {
        let request = ReplayRequest {
            id: target.machine.entropy.uuid().to_string(),
            requested_us: target.machine.clock.now_us(),
            ..filter
        };
        request.place(table).await?;
        if arguments.wait {
            report.outcome = Some(wait(config, target, table, &request.id, outputs).await?);
        }
        report.request = Some(request);
    }
    let stays = report.outcome.as_ref().is_some_and(|outcome| outcome.remaining > 0);
    if arguments.json {
        outputs.terminal.say_json(&report);
    } else {
        outputs.terminal.say(&replayed(&report));
    }
    Ok(if stays { Exit::Partial } else { Exit::Success })
}

/// Waits until the process that runs the table has carried the request out.
async fn wait(
    config: &Config,
    target: &Target,
    table: &mut LakeTable,
    id: &str,
    outputs: &Outputs,
) -> Result<ReplayOutcome, StartError> {
    if !Standing::read(config).is_some_and(|standing| standing.is_alive(target.machine.clock.now_us())) {
        outputs.terminal.complain(
            "waiting: no running process is seen; the next `sluice run` carries the replay out (Ctrl-C leaves the request)",
        );
    }
    loop {
        table.refresh().await?;
        if let Some(outcome) = ReplayOutcome::of(table).filter(|outcome| outcome.id == id) {
            return Ok(outcome);
        }
        target.machine.clock.sleep(LOOK_EVERY).await;
    }
}

fn replayed(report: &ReplayReport) -> String {
    let Some(outcome) = &report.outcome else {
        return match report.requested {
            0 => format!("{}: there are no such dead letters\n", report.table),
            count => format!(
                "{}: a replay of {} is asked for. The process that runs the table carries it out within a \
                 few seconds, else the next `sluice run` does; `sluice rejects {}` shows what came of it.\n",
                report.table,
                words::things(count as usize, "dead letter"),
                report.table
            ),
        };
    };
    format!("{}: {}", report.table, outcome_words(outcome))
}

fn outcome_words(outcome: &ReplayOutcome) -> String {
    let mut text = format!("{} replayed", words::count(outcome.replayed));
    if outcome.held > 0 {
        text.push_str(&format!(", {} in Bronze already", words::count(outcome.held)));
    }
    text.push_str(&format!(", {} stay\n", words::count(outcome.remaining)));
    for (reason, place) in &outcome.reasons {
        text.push_str(&format!("  {reason} (for example {place})\n"));
    }
    text
}

fn render(report: &RejectsReport) -> String {
    let mut text = format!(
        "{}: {} in {}\n",
        report.table,
        words::things(report.count as usize, "dead letter"),
        report.dead_letters
    );
    if !report.groups.is_empty() {
        let mut grid = Grid::new(&[">count", "column", "reason"]);
        for group in report.groups.iter().take(SHOWN_GROUPS) {
            grid.row(vec![
                words::count(group.count),
                group.column.clone().unwrap_or_else(|| "–".to_owned()),
                group.reason.clone(),
            ]);
        }
        text.push_str(&format!("\n{}", grid.render()));
        let left = report.groups.len().saturating_sub(SHOWN_GROUPS);
        if left > 0 {
            text.push_str(&format!("and {left} other kinds\n"));
        }
    }
    if !report.letters.is_empty() {
        let mut grid = Grid::new(&[">no", "file", ">record", "column", "reason", "set aside", "raw"]);
        for letter in &report.letters {
            grid.row(vec![
                words::count(letter.number),
                letter.file.clone(),
                words::count(letter.row.unsigned_abs()),
                letter.column.clone().unwrap_or_else(|| "–".to_owned()),
                value::line(&letter.reason),
                words::instant(letter.rejected_us),
                value::line(&letter.raw),
            ]);
        }
        text.push_str(&format!(
            "\n{}\n`--show NO` shows one as it came; `--replay` takes in those that can be, once the configuration is mended.\n",
            grid.render()
        ));
    }
    if let Some(request) = &report.replay_requested {
        text.push_str(&format!(
            "\nA replay was asked for at {} and is not done yet.\n",
            words::instant(request.requested_us)
        ));
    }
    if let Some(outcome) = &report.last_replay {
        text.push_str(&format!("\nLast replay, {}: {}", words::instant(outcome.ended_us), outcome_words(outcome)));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_that_quote_different_values_are_one_kind() {
        assert_eq!(kind("`x` is no int: expected digits"), "… is no int: expected digits");
        assert_eq!(kind("`y` is no int: expected digits"), kind("`x` is no int: expected digits"));
        assert_eq!(kind("the record has 3 values"), "the record has 3 values");
        assert_eq!(kind("declare `x` in `columns`"), "declare … in `columns`");
    }

    #[test]
    fn a_replay_says_how_many_stay_and_why() {
        let reasons = BTreeMap::from([("`x` is no int".to_owned(), "s/t/f.csv record 3".to_owned())]);
        let outcome = ReplayOutcome { replayed: 1200, held: 1, remaining: 2, reasons, ..ReplayOutcome::default() };
        let report = ReplayReport { table: "s.t".into(), requested: 1203, request: None, outcome: Some(outcome) };
        let text = replayed(&report);
        assert!(text.starts_with("s.t: 1,200 replayed, 1 in Bronze already, 2 stay\n"), "{text}");
        assert!(text.contains("`x` is no int (for example s/t/f.csv record 3)"));
    }
}
