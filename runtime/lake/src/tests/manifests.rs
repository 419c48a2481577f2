use std::collections::{HashMap, HashSet};

use iceberg::spec::{ManifestContentType, ManifestStatus};

use super::fixture::*;
use crate::live::{read_manifest, with_row_ids};
use crate::{FormatVersion, LakeTable};

/// Checks what must hold of the manifests of every snapshot: one delete file for a data file, no deleted entry back as
/// existing, sequence numbers kept, row ids kept and not shared. `row_ids` collects them over snapshots.
pub async fn check_manifests(table: &LakeTable, row_ids: &mut HashMap<String, i64>) {
    let current = table.head().unwrap();
    let mut data = HashSet::new();
    let mut referenced = HashSet::new();
    let mut ranges = Vec::new();
    for listed in &table.manifests {
        let numbered = listed.content == ManifestContentType::Data && !is_v2(table);
        assert_eq!(listed.first_row_id.is_some(), numbered);
        let manifest = read_manifest(&table.context, listed).await.unwrap();
        for (entry, row_id) in with_row_ids(&manifest, listed.first_row_id) {
            let path = entry.file_path().to_owned();
            if entry.status() == ManifestStatus::Deleted {
                continue;
            }
            assert!(entry.sequence_number().unwrap() <= current.sequence_number());
            assert!(listed.min_sequence_number <= entry.sequence_number().unwrap());
            if listed.content == ManifestContentType::Deletes {
                let target = entry.data_file().referenced_data_file().unwrap();
                assert!(referenced.insert(target), "a data file has two delete files");
                continue;
            }
            assert!(data.insert(path.clone()), "{path} is listed twice");
            if let Some(row_id) = row_id {
                assert_eq!(*row_ids.entry(path).or_insert(row_id), row_id, "its row ids changed");
                ranges.push((row_id, row_id + i64::try_from(entry.record_count()).unwrap()));
            } else {
                assert!(is_v2(table));
            }
        }
    }
    assert!(referenced.is_subset(&data), "a delete file belongs to no data file");
    ranges.sort_unstable();
    assert!(ranges.windows(2).all(|pair| pair[0].1 <= pair[1].0), "row ids are shared: {ranges:?}");
    assert!(ranges.last().is_none_or(|last| last.1 <= table.stored.metadata.next_row_id() as i64));
}

fn is_v2(table: &LakeTable) -> bool {
    table.format_version() == FormatVersion::V2
}

#[tokio::test]
async fn manifests_stay_few_over_three_hundred_commits_and_old_metadata_goes() {
    let fixture = Fixture::new(3);
    let mut table = fixture.table(FormatVersion::V3).await;
    let mut row_ids = HashMap::new();
    let mut files = Vec::new();
    for sequence in 1..=300_u64 {
        let first = sequence as i64 * 10;
        let written = table.write(vec![rows(first..first + 10)]).await.unwrap();
        let deletes: Vec<_> = files.iter().rev().take(3).map(|file| (*file, [(sequence % 9) as u32])).collect();
        let deletes: Vec<_> = deletes.iter().map(|(file, position)| (*file, position.as_slice())).collect();
        files.extend(written.iter().map(|file| file.id));
        landed(table.commit(change("w", sequence, written, &deletes)).await.unwrap());
        let of = |content| table.manifests.iter().filter(|manifest| manifest.content == content).count();
        assert!(of(ManifestContentType::Data) <= 66, "{} data manifests", of(ManifestContentType::Data));
        assert!(of(ManifestContentType::Deletes) <= 10, "{} delete manifests", of(ManifestContentType::Deletes));
        if sequence % 60 == 0 {
            check_manifests(&table, &mut row_ids).await;
        }
    }
    check_manifests(&table, &mut row_ids).await;
    assert_eq!(table.stored.metadata.next_row_id(), 3000, "merging manifests uses up no row ids");
    assert_eq!(fixture.objects(".metadata.json").await.len(), 21);
    assert_eq!(ids(&fixture.reopened().await).await, ids(&table).await);
}

#[tokio::test]
async fn totals_in_the_summary_are_those_of_the_files() {
    let fixture = Fixture::new(4);
    let mut table = fixture.table(FormatVersion::V3).await;
    let first = append(&mut table, "w", 1, 0..10).await[0];
    let written = table.write(vec![rows(10..15)]).await.unwrap();
    landed(table.commit(change("w", 2, written, &[(first, &[1, 2])])).await.unwrap());
    landed(table.commit(change("w", 3, vec![], &[(first, &[3])])).await.unwrap());
    let summary = table.stored.metadata.current_snapshot().unwrap().summary().clone();
    let get = |key: &str| summary.additional_properties.get(key).map(String::as_str);
    assert_eq!(summary.operation.as_str(), "delete");
    assert_eq!(get("added-dvs"), Some("1"));
    assert_eq!(get("removed-dvs"), Some("1"));
    assert_eq!(get("added-position-deletes"), Some("3"));
    assert_eq!(get("total-position-deletes"), Some("3"));
    assert_eq!(get("total-records"), Some("15"));
    assert_eq!(get("total-data-files"), Some("2"));
    assert_eq!(get("total-delete-files"), Some("1"));
    assert_eq!(get("changed-partition-count"), Some("1"));
    assert_eq!(get("sluice.commit-id"), Some("work-3"));
    let bytes: u64 = table.live_files().map(|f| f.bytes + f.deletes.iter().map(|d| d.bytes()).sum::<u64>()).sum();
    assert_eq!(get("total-files-size"), Some(bytes.to_string().as_str()));
}
