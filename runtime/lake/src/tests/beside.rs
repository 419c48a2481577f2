use sluice_change::SchemaChange;

use super::fixture::*;
use crate::{FormatVersion, MemoryFault, Role};

#[tokio::test]
async fn what_comes_beside_the_stream_fences_nobody_and_comes_once() {
    let faults = [MemoryFault::Conflict, MemoryFault::UnknownLanded, MemoryFault::UnknownNotLanded];
    for fault in [None].into_iter().chain(faults.map(Some)) {
        let fixture = Fixture::new(3);
        fixture.table(FormatVersion::V3).await;
        // Nothing has to be looked up in a table that is only appended to.
        let mut table = fixture.lake.open(&ident(), Role::Rejects).await.unwrap().unwrap();
        append(&mut table, "w", 1, 0..10).await;
        let mut other = fixture.lake.open(&ident(), Role::Rejects).await.unwrap().unwrap();
        for _ in 0..2 {
            let files = other.write(vec![rows(50..52)]).await.unwrap();
            fixture.catalog.inject([fault]);
            other.append_beside(&files, &SchemaChange::default(), "one").await.unwrap();
            fixture.catalog.calm();
        }
        assert_eq!(other.checkpoint().unwrap(), Some(checkpoint("w", 1)));
        append(&mut table, "w", 2, 10..12).await;
        let wanted: Vec<i64> = (0..12).chain(50..52).collect();
        assert_eq!(ids(&fixture.reopened().await).await, wanted, "{fault:?}");
        assert_eq!(table.checkpoint().unwrap(), Some(checkpoint("w", 2)));
    }
}

#[tokio::test]
async fn a_table_without_a_position_stays_without_one() {
    let fixture = Fixture::new(3);
    let mut table = fixture.table(FormatVersion::V3).await;
    let files = table.write(vec![rows(0..2)]).await.unwrap();
    table.append_beside(&files, &SchemaChange::default(), "one").await.unwrap();
    assert_eq!(table.checkpoint().unwrap(), None);
    append(&mut table, "w", 1, 2..4).await;
    assert_eq!(ids(&fixture.reopened().await).await, [0, 1, 2, 3]);
}
