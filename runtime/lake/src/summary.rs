use std::collections::{HashMap, HashSet};

use iceberg::spec::{Operation, Snapshot, Struct, Summary};

/// What a snapshot adds and removes, counted for its summary.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub added: Files,
    pub removed: Files,
    pub added_deletes: Deletes,
    pub removed_deletes: Deletes,
    pub partitions: HashSet<(i32, Struct)>,
    /// Whether rows only change their place.
    pub rewrites: bool,
}

/// Data files.
#[derive(Debug, Default)]
pub(crate) struct Files {
    pub files: u64,
    pub records: u64,
    pub bytes: u64,
}

/// Delete files.
#[derive(Debug, Default)]
pub(crate) struct Deletes {
    pub vectors: u64,
    pub position_files: u64,
    pub positions: u64,
    pub bytes: u64,
}

impl Files {
    pub fn count(&mut self, records: u64, bytes: u64) {
        self.files += 1;
        self.records += records;
        self.bytes += bytes;
    }
}

impl Deletes {
    pub fn count(&mut self, is_vector: bool, positions: u64, bytes: u64) {
        *(if is_vector { &mut self.vectors } else { &mut self.position_files }) += 1;
        self.positions += positions;
        self.bytes += bytes;
    }

    fn files(&self) -> u64 {
        self.vectors + self.position_files
    }
}

impl Tally {
    /// The summary of a snapshot after `parent`, with `checkpoint` in it.
    pub fn summary(&self, parent: Option<&Snapshot>, checkpoint: &[(String, String)]) -> Summary {
        let mut properties: HashMap<String, String> = checkpoint.iter().cloned().collect();
        let mut put = |key: &str, value: u64| {
            if value > 0 {
                properties.insert(key.to_owned(), value.to_string());
            }
        };
        put("added-data-files", self.added.files);
        put("added-records", self.added.records);
        put("added-files-size", self.added.bytes + self.added_deletes.bytes);
        put("deleted-data-files", self.removed.files);
        put("deleted-records", self.removed.records);
        put("removed-files-size", self.removed.bytes + self.removed_deletes.bytes);
        put("added-delete-files", self.added_deletes.files());
        put("added-dvs", self.added_deletes.vectors);
        put("added-position-delete-files", self.added_deletes.position_files);
        put("added-position-deletes", self.added_deletes.positions);
        put("removed-delete-files", self.removed_deletes.files());
        put("removed-dvs", self.removed_deletes.vectors);
        put("removed-position-delete-files", self.removed_deletes.position_files);
        put("removed-position-deletes", self.removed_deletes.positions);
        properties.insert("changed-partition-count".to_owned(), self.partitions.len().to_string());
        let (added, removed) = (&self.added_deletes, &self.removed_deletes);
        for (key, plus, minus) in [
            ("total-records", self.added.records, self.removed.records),
            ("total-files-size", self.added.bytes + added.bytes, self.removed.bytes + removed.bytes),
            ("total-data-files", self.added.files, self.removed.files),
            ("total-delete-files", added.files(), removed.files()),
            ("total-position-deletes", added.positions, removed.positions),
            ("total-equality-deletes", 0, 0),
        ] {
            if let Some(total) = before(parent, key).and_then(|total| (total + plus).checked_sub(minus)) {
                properties.insert(key.to_owned(), total.to_string());
            }
        }
        Summary { operation: self.operation(), additional_properties: properties }
    }

    /// The summary of a snapshot that has these files in place of all that `parent` has.
    pub fn replacing(&self, parent: Option<&Snapshot>, facts: &[(String, String)]) -> Summary {
        let mut summary = self.summary(None, facts);
        summary.operation = Operation::Overwrite;
        for (total, key) in [
            ("total-data-files", "deleted-data-files"),
            ("total-records", "deleted-records"),
            ("total-files-size", "removed-files-size"),
            ("total-delete-files", "removed-delete-files"),
            ("total-position-deletes", "removed-position-deletes"),
        ] {
            if let Some(count) = before(parent, total).filter(|count| *count > 0) {
                summary.additional_properties.insert(key.to_owned(), count.to_string());
            }
        }
        summary
    }

    fn operation(&self) -> Operation {
        if self.rewrites {
            return Operation::Replace;
        }
        let takes_away = self.removed.files > 0 || self.added_deletes.files() > 0;
        match (self.added.files > 0, takes_away) {
            (true, true) => Operation::Overwrite,
            (false, true) => Operation::Delete,
            _ => Operation::Append,
        }
    }
}

/// A total of the parent; 0 where there is no parent, `None` where another program did not keep it.
fn before(parent: Option<&Snapshot>, key: &str) -> Option<u64> {
    match parent {
        None => Some(0),
        Some(parent) => parent.summary().additional_properties.get(key)?.parse().ok(),
    }
}
