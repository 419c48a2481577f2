//! Files that a task writes a second time, as after a resume: the same changes under a later name.

use rand::Rng;
use rand::rngs::StdRng;

use crate::generator::{BadRecord, History, Record, SourceFile};

impl History {
    /// The history in which some files of changes come a second time, right behind the first.
    pub fn with_duplicates(&self, rng: &mut StdRng) -> History {
        let mut history = History { files: Vec::new(), records: Vec::new(), bad: Vec::new(), spec: self.spec.clone() };
        for (number, file) in self.files.iter().enumerate() {
            self.copy(number, file.path.clone(), &mut history);
            if let Some(later) = later(&file.path).filter(|_| rng.random_bool(0.3)) {
                self.copy(number, later, &mut history);
            }
        }
        history
    }

    fn copy(&self, number: usize, path: String, into: &mut History) {
        let file = into.files.len();
        let records = self.records.iter().filter(|record| record.file == number);
        into.records.extend(records.map(|record| Record { file, ..record.clone() }));
        let bad = self.bad.iter().filter(|bad| bad.file == number);
        into.bad.extend(bad.map(|bad| BadRecord { file, ..bad.clone() }));
        into.files.push(SourceFile { path, bytes: self.files[number].bytes.clone() });
    }
}

/// The path of a file of changes one millisecond later; files are seconds apart.
fn later(path: &str) -> Option<String> {
    let (folder, name) = path.rsplit_once('/')?;
    let (day, rest) = name.split_once('-')?;
    let (time, extension) = rest.split_once('.')?;
    let next = time.parse::<u64>().ok()? + 1;
    Some(format!("{folder}/{day}-{next:0width$}.{extension}", width = time.len()))
}

#[cfg(test)]
mod tests {
    use rand::SeedableRng;

    use super::*;

    #[test]
    fn a_duplicate_sorts_right_behind_its_file_and_full_loads_have_none() {
        assert_eq!(later("s/t/20260101-000000999.csv.gz").as_deref(), Some("s/t/20260101-000001000.csv.gz"));
        assert_eq!(later("s/t/LOAD00000001.csv"), None);
    }

    #[test]
    fn duplicates_change_bronze_and_not_silver() {
        let mut more = 0;
        for seed in 0..100 {
            let history = History::random(seed, "s.t");
            let twice = history.with_duplicates(&mut StdRng::seed_from_u64(seed));
            assert_eq!(history.model().canonical_rows(), twice.model().canonical_rows());
            more += twice.files.len() - history.files.len();
        }
        assert!(more > 20);
    }
}
