use std::sync::Arc;

use crate::column::KeyColumn;
use crate::table::KeyTable;
use crate::{ByteKeys, IndexError, KeyError, KeyIndex, Keys, Location, Relocation};

type Table<C> = <C as KeyColumn>::Table;

/// All keys in memory: 17 bytes of table a slot for integers, and the key's bytes once for others.
#[derive(Debug)]
pub struct MemoryIndex {
    table: Form,
    snapshot: Option<i64>,
}

#[derive(Debug)]
enum Form {
    Int(Table<Vec<i64>>),
    Bytes(Table<ByteKeys>),
}

impl MemoryIndex {
    /// An empty index for keys of the form of `like`.
    pub fn new(like: &Keys) -> Self {
        let table = match like {
            Keys::Int(_) => Form::Int(Table::<Vec<i64>>::default()),
            Keys::Bytes(_) => Form::Bytes(Table::<ByteKeys>::default()),
        };
        Self { table, snapshot: None }
    }
}

impl KeyIndex for MemoryIndex {
    fn snapshot(&self) -> Option<i64> {
        self.snapshot
    }

    fn key_count(&self) -> Option<u64> {
        Some(match &self.table {
            Form::Int(table) => table.count() as u64,
            Form::Bytes(table) => table.count() as u64,
        })
    }

    fn memory_bytes(&self) -> usize {
        match &self.table {
            Form::Int(table) => table.held_bytes(),
            Form::Bytes(table) => table.held_bytes(),
        }
    }

    fn lookup(&self, keys: &Keys) -> Result<Vec<Location>, IndexError> {
        match (&self.table, keys) {
            (Form::Int(table), Keys::Int(keys)) => Ok(find(table, keys)),
            (Form::Bytes(table), Keys::Bytes(keys)) => Ok(find(table, keys)),
            _ => Err(KeyError::Form.into()),
        }
    }

    fn apply(&mut self, keys: &Keys, locations: &[Location], snapshot: Option<i64>) -> Result<(), IndexError> {
        match (&mut self.table, keys) {
            (Form::Int(table), Keys::Int(keys)) => apply(table, keys, locations),
            (Form::Bytes(table), Keys::Bytes(keys)) => apply(table, keys, locations),
            _ => return Err(KeyError::Form.into()),
        }
        self.snapshot = snapshot;
        Ok(())
    }

    fn relocate(&mut self, relocation: Arc<dyn Relocation>, snapshot: Option<i64>) -> bool {
        let place = |from| relocation.place(from);
        match &mut self.table {
            Form::Int(table) => table.move_all(&place),
            Form::Bytes(table) => table.move_all(&place),
        }
        self.snapshot = snapshot;
        true
    }

    fn clear(&mut self) -> Result<(), IndexError> {
        match &mut self.table {
            Form::Int(table) => *table = Table::<Vec<i64>>::default(),
            Form::Bytes(table) => *table = Table::<ByteKeys>::default(),
        }
        self.snapshot = None;
        Ok(())
    }
}

fn find<C: KeyColumn>(table: &C::Table, keys: &C) -> Vec<Location> {
    (0..keys.count()).map(|place| table.find(keys.key(place)).unwrap_or(Location::ABSENT)).collect()
}

fn apply<C: KeyColumn>(table: &mut C::Table, keys: &C, locations: &[Location]) {
    for (place, location) in locations.iter().enumerate().take(keys.count()) {
        if location.is_present() {
            table.set(keys.key(place), *location);
        } else {
            table.forget(keys.key(place));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::Arc;

    use arrow_array::{ArrayRef, Int32Array, StringArray};
    use arrow_schema::DataType;
    use proptest::prelude::*;

    use super::*;
    use crate::KeyExtractor;

    fn check(extract: impl Fn(&[u8]) -> Keys, steps: &[Vec<(u8, bool)>]) {
        let mut index = MemoryIndex::new(&extract(&[]));
        let mut model: BTreeMap<u8, Location> = BTreeMap::new();
        for (round, step) in steps.iter().enumerate() {
            let wanted: BTreeMap<u8, bool> = step.iter().copied().collect();
            let names: Vec<u8> = wanted.keys().copied().collect();
            let locations: Vec<Location> = wanted
                .iter()
                .map(|(key, keep)| if *keep { Location::new(round as u32, u32::from(*key)) } else { Location::ABSENT })
                .collect();
            index.apply(&extract(&names), &locations, Some(round as i64)).unwrap();
            for (key, location) in names.iter().zip(&locations) {
                if location.is_present() {
                    model.insert(*key, *location);
                } else {
                    model.remove(key);
                }
            }
            let all: Vec<u8> = (0..=255).collect();
            let found = index.lookup(&extract(&all)).unwrap();
            for key in 0..=255_u8 {
                assert_eq!(found[usize::from(key)], model.get(&key).copied().unwrap_or(Location::ABSENT));
            }
            assert_eq!((index.key_count(), index.snapshot()), (Some(model.len() as u64), Some(round as i64)));
        }
    }

    proptest! {
        #[test]
        fn an_index_is_a_map(steps in prop::collection::vec(prop::collection::vec(any::<(u8, bool)>(), 0..40), 0..12)) {
            let ints = KeyExtractor::new(&[DataType::Int32]).unwrap();
            check(
                |names| {
                    let column: ArrayRef = Arc::new(Int32Array::from_iter_values(names.iter().map(|n| i32::from(*n))));
                    ints.extract(&[column]).unwrap()
                },
                &steps,
            );
            let pairs = KeyExtractor::new(&[DataType::Utf8, DataType::Int32]).unwrap();
            check(
                |names| {
                    let text: ArrayRef =
                        Arc::new(StringArray::from_iter_values(names.iter().map(|n| "x".repeat(usize::from(*n % 7)))));
                    let number: ArrayRef = Arc::new(Int32Array::from_iter_values(names.iter().map(|n| i32::from(*n))));
                    pairs.extract(&[text, number]).unwrap()
                },
                &steps,
            );
        }
    }

    #[test]
    fn a_null_key_is_refused() {
        let extractor = KeyExtractor::new(&[DataType::Int32]).unwrap();
        let column: ArrayRef = Arc::new(Int32Array::from(vec![Some(1), None]));
        assert!(matches!(extractor.extract(&[column]), Err(KeyError::Null { count: 1 })));
    }
}
