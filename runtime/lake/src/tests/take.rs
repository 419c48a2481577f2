use arrow_array::Array;
use arrow_array::cast::AsArray;
use arrow_array::types::{Int32Type, Int64Type};
use sluice_platform::{Entropy, SeededEntropy};

use super::fixture::*;
use crate::{FileId, FileSettings, FormatVersion, LakeSettings, Role};

#[tokio::test]
async fn single_rows_come_back_from_any_row_group_of_any_file() {
    let files = FileSettings { row_group_rows: 10, ..FileSettings::default() };
    let fixture = Fixture::with(3, LakeSettings { files, ..LakeSettings::default() });
    let mut table = fixture.lake.create(&ident(), &spec(FormatVersion::V3, &[]), Role::Silver).await.unwrap();
    let first = append(&mut table, "w", 1, 0..100).await[0];
    let second = append(&mut table, "w", 2, 100..135).await[0];
    let dice = SeededEntropy::new(4);
    for _ in 0..50 {
        let share = dice.next_u64() % 9;
        let pick = |rows: u32| (0..rows).filter(|_| dice.next_u64() % 10 <= share).collect::<Vec<u32>>();
        let wanted: Vec<(FileId, Vec<u32>)> = vec![(second, pick(35)), (first, pick(100))];
        let wanted: Vec<(FileId, Vec<u32>)> = wanted.into_iter().filter(|(_, rows)| !rows.is_empty()).collect();
        let found = table.take(&wanted, &["amount", "id"]).await.unwrap();
        let start = |file: &FileId| if *file == first { 0 } else { 100 };
        let expected: Vec<i64> =
            wanted.iter().flat_map(|(file, rows)| rows.iter().map(move |row| start(file) + i64::from(*row))).collect();
        assert_eq!(found.column(1).as_primitive::<Int64Type>().values(), expected.as_slice());
        let amounts = found.column(0).as_primitive::<Int32Type>();
        for (row, id) in expected.iter().enumerate() {
            assert_eq!(amounts.is_valid(row).then(|| amounts.value(row)), (id % 5 != 0).then_some(*id as i32 * 10));
        }
    }
    assert_eq!(table.take(&[], &["id"]).await.unwrap().num_rows(), 0);
    let error = table.take(&[(first, vec![100])], &["id"]).await.unwrap_err();
    assert!(format!("{error:?}").contains("NoSuchRow"), "{error:?}");
    assert!(table.take(&[(FileId(99), vec![0])], &["id"]).await.is_err());
}
