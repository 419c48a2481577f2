//! Keys of rows that are not plain: changes of the key itself, and truncates, which have none.

use arrow_array::{Array, ArrayRef, BooleanArray};
use arrow_select::filter::filter;
use arrow_select::zip::zip;
use sluice_change::Op;
use sluice_index::{ByteKeys, KeyExtractor, Keys};

use super::MergeError;

/// Truncates have no key; their rows borrow the key of any other row, which is never looked at.
pub fn extract_around_truncates(
    extractor: &KeyExtractor,
    columns: &[ArrayRef],
    ops: &[Op],
) -> Result<Keys, MergeError> {
    let real = BooleanArray::from_iter(ops.iter().map(|op| Some(*op != Op::Truncate)));
    let columns = columns.iter().map(|column| filter(column, &real)).collect::<Result<Vec<_>, _>>()?;
    let compact = extractor.extract(&columns)?;
    let mut next = 0;
    let places = ops.iter().map(|op| {
        let place = next;
        next += usize::from(*op != Op::Truncate);
        (*op != Op::Truncate).then_some(place)
    });
    Ok(match compact {
        Keys::Int(keys) => Keys::Int(places.map(|place| place.map_or(0, |place| keys[place])).collect()),
        Keys::Bytes(keys) => {
            let mut spread = ByteKeys::default();
            places.for_each(|place| spread.push(place.map_or(&[], |place| keys.get(place))));
            Keys::Bytes(spread)
        }
    })
}

/// Rows whose key changed, with their old keys.
#[derive(Debug)]
pub struct ChangedKeys {
    /// The rows, ascending.
    pub rows: Vec<usize>,
    /// The old key of each.
    pub keys: Keys,
}

/// Finds the rows whose before image names another key; a key column without a before value did not change.
pub fn changed_keys(
    extractor: &KeyExtractor,
    current: &[ArrayRef],
    before: &[ArrayRef],
) -> Result<Option<ChangedKeys>, MergeError> {
    let length = current.first().map_or(0, |column| column.len());
    let sent: Vec<usize> = (0..length).filter(|row| before.iter().any(|column| column.is_valid(*row))).collect();
    if sent.is_empty() {
        return Ok(None);
    }
    let mut old = Vec::with_capacity(current.len());
    let mut new = Vec::with_capacity(current.len());
    let mut mask = vec![false; length];
    sent.iter().for_each(|row| mask[*row] = true);
    let mask = BooleanArray::from(mask);
    for (current, before) in current.iter().zip(before) {
        let (current, before) = (filter(current, &mask)?, filter(before, &mask)?);
        let valid = BooleanArray::from_iter((0..before.len()).map(|row| Some(before.is_valid(row))));
        old.push(zip(&valid, &before, &current)?);
        new.push(current);
    }
    let (old, new) = (extractor.extract(&old)?, extractor.extract(&new)?);
    let differs = |index: &usize| match (&old, &new) {
        (Keys::Int(old), Keys::Int(new)) => old[*index] != new[*index],
        (Keys::Bytes(old), Keys::Bytes(new)) => old.get(*index) != new.get(*index),
        _ => true,
    };
    let changed: Vec<usize> = (0..sent.len()).filter(differs).collect();
    let keys = match &old {
        Keys::Int(old) => Keys::Int(changed.iter().map(|index| old[*index]).collect()),
        Keys::Bytes(old) => {
            let mut keys = ByteKeys::default();
            changed.iter().for_each(|index| keys.push(old.get(*index)));
            Keys::Bytes(keys)
        }
    };
    Ok((!changed.is_empty()).then(|| ChangedKeys { rows: changed.iter().map(|index| sent[*index]).collect(), keys }))
}
