use std::collections::BTreeMap;

use super::fixture::*;
use crate::{FormatVersion, Role, ScanFilter};

fn asks(value: Option<&str>) -> BTreeMap<String, Option<String>> {
    BTreeMap::from([("sluice.replay".to_owned(), value.map(str::to_owned))])
}

#[tokio::test]
async fn a_property_set_by_another_process_fences_nobody_and_is_seen_after_a_refresh() {
    let fixture = Fixture::new(1);
    let mut writer = fixture.table(FormatVersion::V3).await;
    append(&mut writer, "a", 1, 0..5).await;
    let mut other = fixture.reopened().await;
    other.set_properties(&asks(Some("please"))).await.unwrap();
    assert_eq!(writer.property("sluice.replay"), None);
    writer.refresh().await.unwrap();
    assert_eq!(writer.property("sluice.replay"), Some("please"));
    append(&mut writer, "a", 2, 5..9).await;
    other.set_properties(&asks(None)).await.unwrap();
    append(&mut writer, "a", 3, 9..11).await;
    assert_eq!(ids(&fixture.reopened().await).await, (0..11).collect::<Vec<_>>());
    assert_eq!(fixture.reopened().await.property("sluice.replay"), None);
}

#[tokio::test]
async fn files_are_left_out_by_the_bounds_of_a_text_and_no_row_that_was_asked_for_is() {
    let fixture = Fixture::new(2);
    let mut table = fixture.lake.create(&ident(), &spec(FormatVersion::V3, &["region"]), Role::Bronze).await.unwrap();
    let files = table.write(vec![rows(0..30)]).await.unwrap();
    assert_eq!(files.len(), 3);
    landed(table.commit(change("a", 1, files, &[])).await.unwrap());
    for (from, to, expected) in [("r1", Some("r1"), 10), ("r1", None, 20), ("q", Some("r0"), 10), ("s", None, 0)] {
        let filter = ScanFilter::Text { column: "region".into(), from: from.into(), to: to.map(str::to_owned) };
        let mut scan = table.scan(&["id"], filter, 64).await.unwrap();
        let mut found = 0;
        while let Some(batch) = scan.next().await.unwrap() {
            found += batch.batch.num_rows();
        }
        assert_eq!(found, expected, "{from} to {to:?}");
    }
}

#[tokio::test]
async fn rows_that_a_scan_found_can_be_deleted_once_files_are_kept() {
    for version in [FormatVersion::V2, FormatVersion::V3] {
        let fixture = Fixture::new(3);
        let mut table = fixture.lake.create(&ident(), &spec(version, &[]), Role::Rejects).await.unwrap();
        append(&mut table, "a", 1, 0..5).await;
        append(&mut table, "a", 2, 5..9).await;
        table.keep_files().await.unwrap();
        let deletes = deletes_of(&table, &[2, 7]).await;
        landed(table.commit(crate::TableChange { deletes, ..change("a", 3, Vec::new(), &[]) }).await.unwrap());
        let again = fixture.lake.open(&ident(), Role::Rejects).await.unwrap().unwrap();
        assert_eq!(ids(&again).await, [0, 1, 3, 4, 5, 6, 8]);
        assert_eq!(again.rows(), 7);
    }
}
