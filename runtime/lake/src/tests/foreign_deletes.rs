use std::collections::HashMap;
use std::sync::Arc;

use arrow_array::{Int64Array, RecordBatch, StringArray};
use iceberg::TableUpdate;
use iceberg::spec::{
    DataContentType, DataFileBuilder, DataFileFormat, FormatVersion as TableVersion, ManifestContentType, Operation,
    Snapshot, Summary,
};
use parquet::arrow::ArrowWriter;

use super::commit_matrix::send;
use super::compaction::compact;
use super::fixture::*;
use super::manifests::check_manifests;
use crate::manifest::{Entry, ManifestWriter, number};
use crate::{FileId, FormatVersion, LakeError, LakeTable, Proposal, io};

/// Commits one delete file as another program would that puts deletes of several data files together.
async fn commit_delete_file(table: &mut LakeTable, content: DataContentType, rows: &[(&str, i64)]) {
    let storage = table.context.seams.storage.clone();
    let location = "file:///lake/foreign-deletes.parquet".to_owned();
    let batch = RecordBatch::try_from_iter([
        ("file_path", Arc::new(rows.iter().map(|(path, _)| Some(*path)).collect::<StringArray>()) as _),
        ("pos", Arc::new(Int64Array::from_iter_values(rows.iter().map(|(_, position)| *position))) as _),
    ])
    .unwrap();
    let mut bytes = Vec::new();
    let mut parquet = ArrowWriter::try_new(&mut bytes, batch.schema(), None).unwrap();
    parquet.write(&batch).unwrap();
    parquet.close().unwrap();
    let mut file = DataFileBuilder::default();
    file.content(content)
        .file_path(location.clone())
        .file_format(DataFileFormat::Parquet)
        .record_count(rows.len() as u64)
        .file_size_in_bytes(bytes.len() as u64);
    if content == DataContentType::EqualityDeletes {
        file.equality_ids(Some(vec![1]));
    }
    io::write(&storage, &location, bytes.into()).await.unwrap();

    let metadata = table.stored.metadata.clone();
    let (snapshot_id, sequence) = (77, metadata.next_sequence_number());
    let mut written = Vec::new();
    let mut writer = ManifestWriter {
        context: &table.context,
        metadata: &metadata,
        snapshot_id,
        prefix: uuid::Uuid::nil(),
        written: &mut written,
        count: 0,
    };
    let entries = vec![Entry::Added { file: file.build().unwrap(), sequence: None }];
    let mut manifests = table.manifests.clone();
    manifests.push(writer.write(0, ManifestContentType::Deletes, entries).await.unwrap());
    number(&mut manifests, sequence, metadata.format_version(), 0);
    let list = io::ListOutput {
        snapshot_id,
        parent: metadata.current_snapshot_id(),
        sequence_number: sequence,
        version: metadata.format_version(),
        next_row_id: 0,
    };
    let location = "file:///lake/foreign-list.avro".to_owned();
    let bytes = io::encode_list(list, manifests).await.unwrap();
    io::write(&storage, &location, bytes).await.unwrap();
    let snapshot = Snapshot::builder()
        .with_snapshot_id(snapshot_id)
        .with_parent_snapshot_id(metadata.current_snapshot_id())
        .with_sequence_number(sequence)
        .with_timestamp_ms(metadata.last_updated_ms() + 1)
        .with_manifest_list(location)
        .with_summary(Summary { operation: Operation::Delete, additional_properties: HashMap::new() })
        .with_schema_id(metadata.current_schema_id())
        .build();
    let changed = iceberg::spec::TableMetadata::clone(&metadata)
        .into_builder(None)
        .set_branch_snapshot(snapshot, "main")
        .unwrap()
        .build()
        .unwrap();
    send(table, Proposal { requirements: Vec::new(), updates: changed.changes }).await;
}

/// A version 2 table with rows 0 to 9 in one file and 10 to 19 in another.
async fn scene() -> (Fixture, LakeTable, [FileId; 2], [String; 2]) {
    let fixture = Fixture::new(60);
    let mut table = fixture.table(FormatVersion::V2).await;
    let files = [append(&mut table, "w", 1, 0..10).await[0], append(&mut table, "w", 2, 10..20).await[0]];
    let paths = files.map(|file| table.live_file(file).unwrap().path.to_string());
    (fixture, table, files, paths)
}

#[tokio::test]
async fn deletes_of_several_files_in_one_are_read_and_stay_beside_our_own() {
    let (fixture, mut table, [first, second], [a, b]) = scene().await;
    commit_delete_file(&mut table, DataContentType::PositionDeletes, &[(&a, 1), (&a, 2), (&b, 3)]).await;
    let left: Vec<i64> = (0..20).filter(|id| ![1, 2, 13].contains(id)).collect();
    assert_eq!(ids(&table).await, left);
    assert_eq!(table.live_file(first).unwrap().deleted, 2);
    landed(table.commit(change("w", 3, vec![], &[(first, &[2, 5])])).await.unwrap());
    landed(table.commit(change("w", 4, vec![], &[(second, &[0])])).await.unwrap());
    landed(table.commit(change("w", 5, vec![], &[(first, &[6])])).await.unwrap());
    let left: Vec<i64> = (0..20).filter(|id| ![1, 2, 13, 5, 10, 6].contains(id)).collect();
    assert_eq!(ids(&table).await, left);
    assert_eq!(ids(&fixture.reopened().await).await, left);
    assert_eq!(table.live_file(first).unwrap().deleted, 4);
}

#[tokio::test]
async fn a_table_raised_to_version_3_gets_row_ids_and_its_deletes_become_vectors() {
    let (fixture, mut table, [first, second], [a, b]) = scene().await;
    landed(table.commit(change("w", 3, vec![], &[(first, &[0]), (second, &[0])])).await.unwrap());
    commit_delete_file(&mut table, DataContentType::PositionDeletes, &[(&a, 1), (&b, 3)]).await;
    let raise = TableUpdate::UpgradeFormatVersion { format_version: TableVersion::V3 };
    send(&mut table, Proposal { requirements: Vec::new(), updates: vec![raise] }).await;
    assert_eq!(table.format_version(), FormatVersion::V3);
    landed(table.commit(change("w", 4, vec![], &[(first, &[9])])).await.unwrap());
    let left: Vec<i64> = (0..20).filter(|id| ![0, 10, 1, 13, 9].contains(id)).collect();
    assert_eq!(ids(&table).await, left);
    let reopened = fixture.reopened().await;
    assert_eq!(ids(&reopened).await, left);
    let file = table.live_file(first).unwrap();
    assert_eq!((file.deletes.len(), file.deletes[0].is_vector(), file.deleted), (1, true, 3));
    assert!(table.live_files().all(|file| file.first_row_id.is_some()), "row ids are there for all");
    let mut row_ids: HashMap<_, _> =
        table.live_files().map(|f| (f.path.to_string(), f.first_row_id.unwrap())).collect();
    assert_eq!(row_ids.len(), 2);
    landed(table.commit(change("w", 5, vec![], &[(second, &[9])])).await.unwrap());
    // The foreign file deletes rows of both and names neither, so it stays, and readers ignore it beside a vector.
    let files = table.write(vec![rows(20..30)]).await.unwrap();
    let replaced = crate::TableChange { replace_all: true, ..change("w", 6, files, &[]) };
    landed(table.commit(replaced).await.unwrap());
    check_manifests(&table, &mut row_ids).await;
    assert_eq!(ids(&fixture.reopened().await).await, (20..30).collect::<Vec<_>>());
}

#[tokio::test]
async fn deletes_of_several_files_go_once_those_have_been_rewritten() {
    let (fixture, mut table, _, [a, b]) = scene().await;
    commit_delete_file(&mut table, DataContentType::PositionDeletes, &[(&a, 1), (&a, 2), (&b, 3)]).await;
    assert_eq!(compact(&mut table).await, 1);
    let mut left: Vec<i64> = (0..20).filter(|id| ![1, 2, 13].contains(id)).collect();
    assert_eq!(ids(&table).await, left);
    assert!(table.live_files().all(|file| file.deletes.is_empty()));
    append(&mut table, "w", 3, 20..30).await;
    assert_eq!(compact(&mut table).await, 1);
    left.extend(20..30);
    let reopened = fixture.reopened().await;
    assert_eq!(ids(&reopened).await, left);
    let live = reopened.live.as_ref().unwrap();
    assert_eq!(live.delete_sources().count(), 0, "the delete file of the two is let go");
}

#[tokio::test]
async fn equality_deletes_are_refused_in_words() {
    let (fixture, mut table, _, [a, _]) = scene().await;
    let mut bronze = fixture.lake.open(&ident(), crate::Role::Bronze).await.unwrap().unwrap();
    commit_delete_file(&mut bronze, DataContentType::EqualityDeletes, &[(&a, 1)]).await;
    let error = table.refresh().await.unwrap_err();
    assert!(matches!(&error, LakeError::Unsupported { .. }), "{error}");
    assert!(error.to_string().contains("compact the table"), "{error}");
}
