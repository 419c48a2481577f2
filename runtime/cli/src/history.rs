//! `sluice history`: all changes of a key from Bronze, in order, and its row in Silver.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::types::{Int64Type, TimestampMicrosecondType};
use arrow_array::{Array, ArrayRef, BooleanArray, Datum, RecordBatch, Scalar, StringArray};
use arrow_cast::{CastOptions, cast_with_options};
use arrow_ord::cmp::eq;
use arrow_schema::{ArrowError, DataType};
use arrow_select::filter::filter_record_batch;
use serde::Serialize;
use serde_json::Value;
use sluice_lake::{LakeColumn, LakeTable, Role, ScanFilter};

use crate::args::HistoryArguments;
use crate::config::Config;
use crate::exit::Exit;
use crate::grid::Grid;
use crate::services::StartError;
use crate::target::Target;
use crate::terminal::Terminal;
use crate::{value, words};

/// Rows read at a time.
const SCAN_ROWS: usize = 65_536;
/// Begins the names of Bronze's columns with values before the change.
const BEFORE: &str = "_before_";
/// Bronze's own columns that a change is told by.
const META: [&str; 8] =
    ["_seq", "_op", "_commit_ts", "_source_file", "_source_row", "_source_order", "_ingested_at", "_unsent"];
/// Stands for a value that the source did not send: the column kept the one that it had.
const NOT_SENT: &str = "(not sent)";

/// The changes of a key and its row.
#[derive(Debug, Serialize)]
struct History {
    table: String,
    key: BTreeMap<String, Value>,
    /// In the order in which they happened.
    changes: Vec<Change>,
    /// The row of the key in Silver; absent where it has none.
    silver: Option<BTreeMap<String, Value>>,
    /// Whether a transform gives Silver another key than the source's, so that the row cannot be looked up.
    has_other_key: bool,
}

/// One change.
#[derive(Debug, Serialize)]
pub(crate) struct Change {
    /// Number of the change in the log, in order of arrival.
    seq: i64,
    op: String,
    /// Commit time at the source, microseconds since the epoch.
    commit_time_us: Option<i64>,
    file: String,
    row: i64,
    /// Columns whose value is another than after the change before.
    changed: Vec<String>,
    values: BTreeMap<String, Value>,
    /// Values before the change, where the source sent any.
    before: BTreeMap<String, Value>,
    /// Whether this change gave the row another key than the one that was asked for.
    moves_away: bool,
    /// Whether there is no change before it to compare with.
    #[serde(skip)]
    first: bool,
    #[serde(skip)]
    order: String,
    #[serde(skip)]
    texts: Vec<(String, Option<String>)>,
}

/// Shows the history of one key.
pub(crate) async fn command(
    config: &Config,
    arguments: &HistoryArguments,
    terminal: &Terminal,
) -> Result<Exit, StartError> {
    let target = Target::find(config, &arguments.table).await?;
    let bronze = target.bronze().await?;
    let silver = target.lake.open(&target.lane.silver, Role::Reader).await?;
    let names = key_columns(&target, silver.as_ref())?;
    let key = Key::parse(&names, &bronze.columns(), &arguments.key)?;
    let mut changes = changes(&bronze, &key).await?;
    put_in_order(&mut changes);
    let has_other_key = silver.as_ref().is_some_and(|silver| {
        !target.lane.transform.is_empty() && {
            let (mut stored, mut wanted) = (required(silver), names.clone());
            stored.sort_unstable();
            wanted.sort_unstable();
            stored != wanted || target.lane.transform.key.is_some()
        }
    });
    let silver = match &silver {
        Some(silver) if !has_other_key => row_of(silver, &key).await?,
        _ => None,
    };
    let history = History { table: arguments.table.clone(), key: key.json()?, changes, silver, has_other_key };
    if arguments.json {
        terminal.say_json(&history);
    } else {
        terminal.say(&render(&history, &key));
    }
    Ok(Exit::Success)
}

/// The names of the key's columns: as configured, else those by which Silver is merged.
fn key_columns(target: &Target, silver: Option<&LakeTable>) -> Result<Vec<String>, StartError> {
    let declared = target.lane.declared.key.clone();
    let names = if declared.is_empty() { silver.map(required).unwrap_or_default() } else { declared };
    if names.is_empty() {
        let table = &target.lane.table;
        return Err(StartError::Asked(format!("{table} has no `key`, so its changes cannot be told apart by one")));
    }
    Ok(names)
}

/// The names of Silver's key columns.
fn required(silver: &LakeTable) -> Vec<String> {
    silver.columns().into_iter().filter(|column| column.required).map(|column| column.name).collect()
}

/// The values that were asked for, each in its column's type.
#[derive(Debug)]
pub(crate) struct Key {
    pub columns: Vec<(String, ArrayRef)>,
}

impl Key {
    /// Reads values in the order of the key, or `column=value`.
    fn parse(names: &[String], columns: &[LakeColumn], given: &[String]) -> Result<Self, StartError> {
        let asked = |message: String| StartError::Asked(message);
        let wanted = || {
            let example: Vec<String> = names.iter().map(|name| format!("{name}=…")).collect();
            format!("give {} ({})", words::things(names.len(), "value"), example.join(" "))
        };
        let named = given.iter().map(|text| text.split_once('=').filter(|(name, _)| names.iter().any(|n| n == name)));
        let named: Option<Vec<(&str, &str)>> = named.collect();
        if given.len() != names.len() {
            return Err(asked(format!("the key has {}: {}", words::things(names.len(), "column"), wanted())));
        }
        let mut found = Vec::with_capacity(names.len());
        for (place, name) in names.iter().enumerate() {
            let text = match &named {
                Some(named) => named.iter().find(|(other, _)| other == name).map(|(_, text)| *text),
                None => given.get(place).map(String::as_str),
            };
            let text = text.ok_or_else(|| asked(format!("there is no value for `{name}`: {}", wanted())))?;
            let column = columns.iter().find(|column| column.name == *name);
            let column = column.ok_or_else(|| asked(format!("Bronze has no column `{name}`: correct `key`")))?;
            let typed = typed(text, &column.column_type.arrow());
            let typed = typed.map_err(|_| {
                asked(format!("`{text}` is no {}, which the key column `{name}` is", column.column_type))
            })?;
            found.push((name.clone(), typed));
        }
        Ok(Self { columns: found })
    }

    /// Which files may hold the key, in these columns of the table.
    fn filter(&self, prefix: &str) -> ScanFilter {
        let of = |(name, value): &(String, ArrayRef)| {
            let column = format!("{prefix}{name}");
            let number = |value: i64| ScanFilter::Between { column: column.clone(), from: value, to: value };
            match value.data_type() {
                DataType::Int64 => Some(number(value.as_primitive::<Int64Type>().value(0))),
                DataType::Int32 => {
                    Some(number(i64::from(value.as_primitive::<arrow_array::types::Int32Type>().value(0))))
                }
                DataType::Utf8 => {
                    let text = value.as_string::<i32>().value(0).to_owned();
                    Some(ScanFilter::Text { column, from: text.clone(), to: Some(text) })
                }
                _ => None,
            }
        };
        self.columns.iter().find_map(of).unwrap_or(ScanFilter::All)
    }

    /// Which rows hold the key in the columns of these names; `None` where a column is not there.
    fn matches(&self, rows: &RecordBatch, prefix: &str) -> Result<Option<BooleanArray>, ArrowError> {
        let mut all: Option<BooleanArray> = None;
        for (name, value) in &self.columns {
            let Some(column) = rows.column_by_name(&format!("{prefix}{name}")) else { return Ok(None) };
            let value = arrow_cast::cast(value, column.data_type())?;
            let scalar: &dyn Datum = &Scalar::new(value);
            let equal = eq(column, scalar)?;
            all = Some(match all {
                Some(all) => BooleanArray::from_iter(
                    all.iter().zip(equal.iter()).map(|(a, b)| Some(a == Some(true) && b == Some(true))),
                ),
                None => equal,
            });
        }
        Ok(all)
    }

    pub fn json(&self) -> Result<BTreeMap<String, Value>, StartError> {
        self.columns.iter().map(|(name, value)| Ok((name.clone(), value::json(value, 0)?))).collect()
    }
}

fn typed(text: &str, data_type: &DataType) -> Result<ArrayRef, ArrowError> {
    let strict = CastOptions { safe: false, ..CastOptions::default() };
    let text: ArrayRef = Arc::new(StringArray::from(vec![text]));
    cast_with_options(&text, data_type, &strict)
}

/// All changes of a key, in no order.
pub(crate) async fn changes(bronze: &LakeTable, key: &Key) -> Result<Vec<Change>, StartError> {
    let columns: Vec<String> = bronze.columns().into_iter().map(|column| column.name).collect();
    let has_before = key.columns.iter().any(|(name, _)| columns.contains(&format!("{BEFORE}{name}")));
    let filter = match has_before && key.columns.iter().all(|(name, _)| columns.contains(&format!("{BEFORE}{name}"))) {
        true => ScanFilter::AnyOf(vec![key.filter(""), key.filter(BEFORE)]),
        // The before image of a part of the key says nothing of the rest, so every file may hold the key.
        false if has_before => ScanFilter::All,
        false => key.filter(""),
    };
    let mut found = Vec::new();
    let mut scan = bronze.scan(&[], filter, SCAN_ROWS).await?;
    while let Some(batch) = scan.next().await? {
        let rows = match &batch.live {
            Some(live) => filter_record_batch(&batch.batch, &BooleanArray::new(live.clone(), None))?,
            None => batch.batch,
        };
        let own = key.matches(&rows, "")?;
        let before = key.matches(&with_whole_before(&rows, key)?, BEFORE)?;
        for row in 0..rows.num_rows() {
            let is =
                |mask: &Option<BooleanArray>| mask.as_ref().is_some_and(|mask| mask.is_valid(row) && mask.value(row));
            if is(&own) || is(&before) {
                found.push(change(&rows, row, !is(&own))?);
            }
        }
    }
    Ok(found)
}

/// Rows with a before image of the whole key: a part that was not sent did not change.
fn with_whole_before(rows: &RecordBatch, key: &Key) -> Result<RecordBatch, ArrowError> {
    let names: Vec<&String> = key.columns.iter().map(|(name, _)| name).collect();
    let before = |name: &String| rows.column_by_name(&format!("{BEFORE}{name}"));
    let sent: Vec<&ArrayRef> = names.iter().filter_map(|name| before(name)).collect();
    if sent.is_empty() {
        return Ok(rows.project(&[])?.slice(0, rows.num_rows()));
    }
    let any = |row: usize| sent.iter().any(|column| column.is_valid(row));
    let mut columns: Vec<(String, ArrayRef)> = Vec::new();
    for name in names {
        let Some(own) = rows.column_by_name(name) else { continue };
        let whole = match before(name) {
            Some(before) => {
                let valid = BooleanArray::from_iter((0..rows.num_rows()).map(|row| Some(before.is_valid(row))));
                arrow_select::zip::zip(&valid, before, own)?
            }
            None => Arc::clone(own),
        };
        let unsent = BooleanArray::from_iter((0..rows.num_rows()).map(|row| Some(!any(row))));
        columns.push((format!("{BEFORE}{name}"), arrow_select::nullif::nullif(&whole, &unsent)?));
    }
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true)))
}

/// A row of Bronze as a change.
pub(crate) fn change(rows: &RecordBatch, row: usize, moves_away: bool) -> Result<Change, ArrowError> {
    let column = |name: &str| {
        rows.column_by_name(name).ok_or_else(|| ArrowError::SchemaError(format!("Bronze has no column `{name}`")))
    };
    let text = |name: &str| Ok::<_, ArrowError>(value::text(column(name)?, row)?.unwrap_or_default());
    let number = |name: &str| Ok::<_, ArrowError>(column(name)?.as_primitive::<Int64Type>().value(row));
    let times = column("_commit_ts")?;
    let unsent = rows.column_by_name("_unsent").map(|unsent| value::text(unsent, row)).transpose()?.flatten();
    let unsent = unsent.unwrap_or_default();
    let (mut values, mut before, mut texts) = (BTreeMap::new(), BTreeMap::new(), Vec::new());
    for (field, array) in rows.schema_ref().fields().iter().zip(rows.columns()) {
        let name = field.name();
        if let Some(of) = name.strip_prefix(BEFORE) {
            if array.is_valid(row) {
                before.insert(of.to_owned(), value::json(array, row)?);
            }
        } else if unsent.split(',').any(|column| column == name) {
            texts.push((name.clone(), Some(NOT_SENT.to_owned())));
        } else if !META.contains(&name.as_str()) {
            values.insert(name.clone(), value::json(array, row)?);
            texts.push((name.clone(), value::text(array, row)?));
        }
    }
    Ok(Change {
        seq: number("_seq")?,
        op: text("_op")?,
        commit_time_us: times.is_valid(row).then(|| times.as_primitive::<TimestampMicrosecondType>().value(row)),
        file: text("_source_file")?,
        row: number("_source_row")?,
        changed: Vec::new(),
        values,
        before,
        moves_away,
        first: true,
        order: text("_source_order")?,
        texts,
    })
}

/// Puts changes of a key into the order in which they happened, and says of each what it changed.
pub(crate) fn put_in_order(changes: &mut [Change]) {
    changes.sort_by(|a, b| (&a.order, a.row, a.seq).cmp(&(&b.order, b.row, b.seq)));
    note_differences(changes);
}

/// Says of each change what is other than after the one before. A delete need not tell more than the key.
fn note_differences(changes: &mut [Change]) {
    let mut last: Option<Vec<(String, Option<String>)>> = None;
    for change in changes {
        if change.op == "D" || change.op == "T" {
            last = None;
            continue;
        }
        if let Some(last) = &last {
            let differs = |(name, text): &&(String, Option<String>)| {
                last.iter().find(|(other, _)| other == name).is_none_or(|(_, before)| before != text)
            };
            change.first = false;
            change.changed = change.texts.iter().filter(differs).map(|(name, _)| name.clone()).collect();
        }
        last = if change.moves_away { None } else { Some(change.texts.clone()) };
    }
}

async fn row_of(silver: &LakeTable, key: &Key) -> Result<Option<BTreeMap<String, Value>>, StartError> {
    let mut scan = silver.scan(&[], key.filter(""), SCAN_ROWS).await?;
    while let Some(batch) = scan.next().await? {
        let Some(mask) = key.matches(&batch.batch, "")? else { continue };
        let is_live = |row: &usize| batch.live.as_ref().is_none_or(|live| live.value(*row));
        let row = (0..batch.batch.num_rows()).filter(is_live).find(|row| mask.is_valid(*row) && mask.value(*row));
        if let Some(row) = row {
            let fields = batch.batch.schema_ref().fields().iter().zip(batch.batch.columns());
            return Ok(Some(
                fields.map(|(field, array)| Ok((field.name().clone(), value::json(array, row)?))).collect::<Result<
                    _,
                    ArrowError,
                >>(
                )?,
            ));
        }
    }
    Ok(None)
}

fn render(history: &History, key: &Key) -> String {
    let value = |name: &String| history.key.get(name).map(plain).unwrap_or_default();
    let named: Vec<String> = key.columns.iter().map(|(name, _)| format!("{name} = {}", value(name))).collect();
    let mut text = format!("{}, {}\n\n", history.table, named.join(", "));
    text.push_str(&render_changes(&history.changes, key));
    text.push('\n');
    match &history.silver {
        None if history.has_other_key => {
            text.push_str("The transform gives Silver another key, so its row is not looked for.\n");
        }
        None => text.push_str("Silver holds no row of this key.\n"),
        Some(row) => {
            text.push_str("Its row in Silver:\n\n");
            let mut grid = Grid::new(&["column", "value"]);
            for (name, value) in row {
                grid.row(vec![name.clone(), value::line(&plain(value))]);
            }
            text.push_str(&grid.render());
        }
    }
    text
}

/// The changes of a key, a line each.
pub(crate) fn render_changes(changes: &[Change], key: &Key) -> String {
    if changes.is_empty() {
        return "Bronze holds no change of this key.\n".to_owned();
    }
    let mut grid = Grid::new(&[">seq", "op", "commit time", "what changed", "file", ">row"]);
    for change in changes {
        grid.row(vec![
            words::count(change.seq.unsigned_abs()),
            change.op.clone(),
            change.commit_time_us.map_or_else(|| "–".to_owned(), words::instant),
            what(change, key),
            change.file.clone(),
            words::count(change.row.unsigned_abs()),
        ]);
    }
    grid.render()
}

/// A change in one line: all columns of the first, of later ones those that differ, of a key's change the other key.
fn what(change: &Change, key: &Key) -> String {
    let pair = |name: &str| {
        let text = change.texts.iter().find(|(other, _)| other == name).and_then(|(_, text)| text.as_deref());
        format!("{name} = {}", value::cell(text))
    };
    let is_key = |name: &str| key.columns.iter().any(|(other, _)| other == name);
    if change.moves_away {
        let keys: Vec<String> = key.columns.iter().map(|(name, _)| pair(name)).collect();
        return format!("the key became {}", keys.join(", "));
    }
    let before: Vec<String> = change
        .before
        .iter()
        .filter(|(name, _)| is_key(name))
        .map(|(name, old)| format!("{name} was {}", plain(old)))
        .collect();
    let columns: Vec<String> = match (change.op.as_str(), change.changed.is_empty()) {
        ("D" | "T", _) => Vec::new(),
        (_, false) => change.changed.iter().map(|name| pair(name)).collect(),
        (_, true) if !change.first => vec!["nothing that is told apart".to_owned()],
        (_, true) => change.texts.iter().filter(|(name, _)| !is_key(name)).map(|(name, _)| pair(name)).collect(),
    };
    before.into_iter().chain(columns).collect::<Vec<_>>().join(", ")
}

/// A JSON value as people write it.
pub(crate) fn plain(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Null => "NULL".to_owned(),
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use sluice_change::ColumnType;

    use super::*;

    fn columns() -> Vec<LakeColumn> {
        [("order_id", ColumnType::Long), ("line_no", ColumnType::Int)]
            .map(|(name, column_type)| LakeColumn { name: name.into(), column_type, required: false, doc: None })
            .into()
    }

    fn parse(given: &[&str]) -> Result<Key, String> {
        let names = ["order_id".to_owned(), "line_no".to_owned()];
        let given: Vec<String> = given.iter().map(|text| (*text).to_owned()).collect();
        Key::parse(&names, &columns(), &given).map_err(|error| error.to_string())
    }

    #[test]
    fn a_key_is_given_in_order_or_by_name() {
        for given in [["7", "2"], ["line_no=2", "order_id=7"]] {
            let key = parse(&given).unwrap();
            assert_eq!(key.json().unwrap()["order_id"], 7);
            assert_eq!(key.json().unwrap()["line_no"], 2);
        }
    }

    #[test]
    fn a_wrong_key_is_refused_with_what_to_give() {
        assert!(parse(&["7"]).unwrap_err().contains("give 2 values (order_id=… line_no=…)"));
        assert!(parse(&["7", "two"]).unwrap_err().contains("`two` is no int"));
    }
}
