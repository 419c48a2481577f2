//! What the configuration says of tables becomes the settings of lanes.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::path::Path;
use std::time::Duration;

use sluice_change::{Column, TableName, TableSchema};
use sluice_lake::{CompactionSettings, ExpirySettings, FormatVersion, OrphanSettings, PartitionField, TableIdent};
use sluice_pipeline::{BatchSettings, LaneSettings, RetrySettings, UpkeepSettings};

use super::document::{DocumentSection, TableSection};
use super::reader::{Located, Reading, Value, nearest};
use super::transforms::Steps;
use super::{evolution, names};

/// Files of a commit that is under way anywhere are younger than this.
const LEAST_ORPHAN_AGE: Duration = Duration::from_secs(3600);
const BRONZE: &str = "bronze.{schema}_{table}";
const SILVER: &str = "silver.{schema}_{table}";
const DEAD_LETTERS: &str = "dead_letters.{schema}_{table}";
const BRONZE_PARTITION: &str = "day(_commit_ts)";

/// A table's own settings over the defaults.
pub(super) fn layered(own: Option<&TableSection>, defaults: Option<&TableSection>) -> TableSection {
    match (own, defaults) {
        (Some(own), Some(defaults)) => own.over(defaults),
        (Some(one), None) | (None, Some(one)) => one.clone(),
        (None, None) => TableSection::default(),
    }
}

/// The lanes of all configured tables and of those `found`; faults go to `reading`.
pub(super) fn resolve(
    document: &DocumentSection,
    found: &[TableName],
    memory_bytes: usize,
    base: &Path,
    reading: &Reading<'_>,
) -> Vec<LaneSettings> {
    let own = |table: &TableName| document.tables.as_ref().and_then(|tables| tables.0.get(table));
    let configured = document.tables.iter().flat_map(|tables| tables.0.keys());
    let names: BTreeSet<&TableName> = configured.chain(found).collect();
    let mut taken = BTreeMap::new();
    let mut lanes = Vec::with_capacity(names.len());
    for table in names {
        let located = own(table);
        let section = layered(located.map(|located| &located.value), document.defaults.as_ref());
        let offset = located.map_or(0, |located| located.offset);
        let own_transform = located.is_some_and(|located| located.value.transform.is_some());
        let lane = Lane { table, section: &section, offset, own_transform, base, reading };
        if let Some(settings) = lane.settings(memory_bytes) {
            lane.refuse_taken(&settings, &mut taken);
            lanes.push(settings);
        }
    }
    lanes
}

/// One table's settings on their way to a lane.
struct Lane<'a> {
    table: &'a TableName,
    section: &'a TableSection,
    offset: usize,
    /// Whether the table has a transform that is not the defaults'.
    own_transform: bool,
    base: &'a Path,
    reading: &'a Reading<'a>,
}

impl Lane<'_> {
    fn settings(&self, memory_bytes: usize) -> Option<LaneSettings> {
        let section = self.section;
        let declared = self.declared();
        let bronze = self.lake_table(&section.bronze, BRONZE);
        let silver = self.lake_table(&section.silver, SILVER);
        let rejects = self.lake_table(&section.dead_letters, DEAD_LETTERS);
        let bronze_partition = match &section.bronze_partition {
            Some(fields) => self.partition(fields),
            None => BRONZE_PARTITION.parse().map(|field| vec![field]).ok(),
        };
        let silver_partition = section.silver_partition.as_ref().map_or(Some(Vec::new()), |f| self.partition(f));
        let fault = |offset: usize, message: String| self.fault(offset, message);
        let steps = Steps { table: self.table, base: self.base, reading: self.reading, fault: &fault };
        let transform = steps.resolve(section, &declared);
        if let (Some(fields), Some(located), Some(silver)) =
            (&silver_partition, &section.silver_partition, &transform.output)
        {
            self.check_silver_partition(fields, located.offset, silver);
        }
        if let Some(steps) = section.transform.as_ref().filter(|_| self.own_transform && section.key.is_none()) {
            self.fault(steps.offset, "`transform` shapes Silver, and without a `key` there is none: declare `key`");
        }
        let renames = section.rename.clone().unwrap_or_default();
        for (offset, message) in renames.faults(&declared) {
            self.fault(offset, message);
        }
        let format_version = self.format_version();
        let batch = self.batch(memory_bytes);
        let retry = self.retry();
        let upkeep = self.upkeep();
        Some(LaneSettings {
            table: self.table.clone(),
            bronze: bronze?,
            silver: silver?,
            rejects: rejects?,
            declared,
            schema: evolution::policy(section.schema.as_ref()),
            renames: renames.names(),
            transform: transform.settings,
            guess_types: section.infer_types.unwrap_or(false),
            format_version: format_version?,
            bronze_partition: bronze_partition?,
            silver_partition: silver_partition?,
            batch,
            retry,
            upkeep,
        })
    }

    fn fault(&self, offset: usize, message: impl std::fmt::Display) {
        self.reading.fault(offset, format!("table `{}`: {message}", self.table));
    }

    fn declared(&self) -> TableSchema {
        let specs = self.section.columns.as_ref();
        let columns: Vec<Column> =
            specs.map(|specs| specs.value.iter().map(|spec| spec.0.clone()).collect()).unwrap_or_default();
        if let Some(specs) = specs {
            for name in twice(columns.iter().map(|column| column.name.as_str())) {
                self.fault(specs.offset, format!("column `{name}` is declared twice"));
            }
        }
        let mut key = Vec::new();
        if let Some(located) = &self.section.key {
            self.check_key(located, &columns);
            key.clone_from(&located.value);
        }
        TableSchema { columns, key }
    }

    fn check_key(&self, key: &Located<Vec<String>>, columns: &[Column]) {
        for name in twice(key.value.iter().map(String::as_str)) {
            self.fault(key.offset, format!("key column `{name}` is named twice"));
        }
        let known: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
        for name in key.value.iter().filter(|name| !known.is_empty() && !known.contains(&name.as_str())) {
            let advice = match nearest(name, &known) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("the columns are {}", known.join(", ")),
            };
            self.fault(key.offset, format!("key column `{name}` is not among its columns; {advice}"));
        }
    }

    fn lake_table(&self, template: &Option<Located<String>>, default: &str) -> Option<TableIdent> {
        let (text, offset) = template.as_ref().map_or((default, self.offset), |t| (t.value.as_str(), t.offset));
        let name = names::fill(text, self.table).map_err(|message| self.fault(offset, message)).ok()?;
        name.parse().map_err(|error| self.fault(offset, error)).ok()
    }

    fn partition(&self, fields: &Located<Vec<String>>) -> Option<Vec<PartitionField>> {
        let read = fields.value.iter().map(|text| text.parse().map_err(|error| self.fault(fields.offset, error)).ok());
        read.collect::<Vec<_>>().into_iter().collect()
    }

    fn check_silver_partition(&self, fields: &[PartitionField], offset: usize, silver: &TableSchema) {
        for field in fields.iter().filter(|field| silver.column(&field.column).is_none()) {
            self.fault(
                offset,
                format!("Silver cannot be partitioned by `{field}`: there is no column `{}`", field.column),
            );
        }
    }

    fn format_version(&self) -> Option<FormatVersion> {
        match &self.section.format_version {
            None => Some(FormatVersion::default()),
            Some(Located { value: 2, .. }) => Some(FormatVersion::V2),
            Some(Located { value: 3, .. }) => Some(FormatVersion::V3),
            Some(Located { value, offset }) => {
                self.fault(*offset, format!("there is no support for Iceberg format version {value}: use 2 or 3"));
                None
            }
        }
    }

    fn batch(&self, memory_bytes: usize) -> BatchSettings {
        let defaults = BatchSettings::default();
        let Some(batch) = &self.section.batch else {
            return BatchSettings { max_bytes: defaults.max_bytes.min(memory_bytes / 2), ..defaults };
        };
        if let Some(rows) = batch.max_rows.as_ref().filter(|rows| rows.value == 0) {
            self.fault(rows.offset, "`batch.max_rows` must be at least 1");
        }
        if let Some(bytes) = batch.max_bytes.as_ref().filter(|bytes| bytes.value.0 == 0 || bytes.value.0 > memory_bytes)
        {
            self.fault(bytes.offset, "`batch.max_bytes` must lie between 1 and `process.memory`");
        }
        BatchSettings {
            max_rows: batch.max_rows.as_ref().map_or(defaults.max_rows, |rows| rows.value as usize),
            max_bytes: batch.max_bytes.as_ref().map_or(defaults.max_bytes.min(memory_bytes / 2), |bytes| bytes.value.0),
            max_wait: batch.max_wait.map_or(defaults.max_wait, |span| span.0),
        }
    }

    fn retry(&self) -> RetrySettings {
        let defaults = RetrySettings::default();
        let Some(retry) = &self.section.retry else { return defaults };
        if let Some(attempts) = retry.max_attempts.as_ref().filter(|attempts| attempts.value == 0) {
            self.fault(attempts.offset, "`retry.max_attempts` must be at least 1");
        }
        let settings = RetrySettings {
            max_attempts: retry.max_attempts.as_ref().map_or(defaults.max_attempts, |attempts| attempts.value),
            first_wait: retry.first_wait.as_ref().map_or(defaults.first_wait, |wait| wait.value.0),
            max_wait: retry.max_wait.map_or(defaults.max_wait, |span| span.0),
        };
        if let Some(first) = retry.first_wait.as_ref().filter(|_| settings.first_wait > settings.max_wait) {
            self.fault(first.offset, "`retry.first_wait` is longer than `retry.max_wait`");
        }
        settings
    }

    fn upkeep(&self) -> UpkeepSettings {
        let defaults = UpkeepSettings::default();
        let Some(section) = &self.section.maintenance else { return defaults };
        let at_least_one = |count: &Option<Located<u32>>, name: &str, default: usize| {
            if let Some(count) = count.as_ref().filter(|count| count.value == 0) {
                self.fault(count.offset, format!("`maintenance.{name}` must be at least 1"));
            }
            count.as_ref().map_or(default, |count| count.value as usize)
        };
        if let Some(share) = section.deleted_share.as_ref().filter(|share| share.value.0 <= 0.0) {
            self.fault(share.offset, "`maintenance.deleted_share` must be above 0 and at most 1");
        }
        if let Some(size) = section.target_file_size.as_ref().filter(|size| size.value.0 < 1 << 20) {
            self.fault(size.offset, "`maintenance.target_file_size` must be at least \"1MiB\"");
        }
        if let Some(age) = section.orphan_age.as_ref().filter(|age| age.value.0 < LEAST_ORPHAN_AGE) {
            let message =
                "`maintenance.orphan_age` must be at least \"1h\": younger files may belong to a commit under way";
            self.fault(age.offset, message);
        }
        let compaction = defaults.compaction.filter(|_| section.compact.unwrap_or(true)).map(|compaction| {
            let target = section.target_file_size.as_ref().map_or(compaction.target_bytes, |size| size.value.0 as u64);
            let share = section.deleted_share.as_ref().map_or(compaction.deleted_share, |share| share.value.0);
            CompactionSettings { target_bytes: target, deleted_share: share, ..compaction }
        });
        let expiry = defaults.expiry.filter(|_| section.expire.unwrap_or(true)).map(|expiry| ExpirySettings {
            max_age: section.max_snapshot_age.map_or(expiry.max_age, |age| age.0),
            min_snapshots: at_least_one(&section.min_snapshots, "min_snapshots", expiry.min_snapshots),
            max_snapshots: at_least_one(&section.max_snapshots, "max_snapshots", expiry.max_snapshots),
            safe_age: section.reader_time.map_or(expiry.safe_age, |age| age.0),
        });
        let orphans = defaults.orphans.filter(|_| section.remove_orphans.unwrap_or(true)).map(|orphans| {
            OrphanSettings { min_age: section.orphan_age.as_ref().map_or(orphans.min_age, |age| age.value.0) }
        });
        UpkeepSettings { compaction, expiry, orphans, ..defaults }
    }

    /// Refuses a lake table that another table, or this one in another role, already writes to.
    fn refuse_taken(&self, lane: &LaneSettings, taken: &mut BTreeMap<TableIdent, String>) {
        for (role, ident) in [("Bronze", &lane.bronze), ("Silver", &lane.silver), ("dead letters", &lane.rejects)] {
            let who = format!("the {role} of `{}`", self.table);
            if let Some(other) = taken.insert(ident.clone(), who) {
                self.fault(
                    self.offset,
                    format!(
                        "its {role} would go to `{ident}`, which is {other} already; give one of them another name"
                    ),
                );
            }
        }
    }
}

/// The names that occur again.
fn twice<'a>(names: impl Iterator<Item = &'a str>) -> Vec<&'a str> {
    let mut seen = HashSet::new();
    names.filter(|name| !seen.insert(*name)).collect()
}
