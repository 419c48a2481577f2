use iceberg::spec::{DataContentType, DataFile, DataFileBuilder, DataFileFormat};
use roaring::RoaringBitmap;

use super::encode::build_entry;
use super::error::FilesError;
use super::puffin::{EncodedPuffin, EncodedVector, PuffinBuffer};

/// Begins the bitmap of a deletion vector (Puffin specification, "`deletion-vector-v1` blob type").
const MAGIC: [u8; 4] = [0xD1, 0xD3, 0x39, 0x64];
/// Bytes of the length in front of a vector, and of the checksum behind it.
const WORD: usize = 4;

/// The deleted rows of one data file.
#[derive(Debug, Clone, Copy)]
pub struct DeletionVector<'a> {
    /// Path of the data file, as the manifests have it.
    pub data_file: &'a str,
    /// Positions of the deleted rows.
    pub positions: &'a RoaringBitmap,
}

/// Encodes deletion vectors as one Puffin file.
///
/// One vector a file is the layout that every reader reads right; several share a file with padding between them.
pub fn encode_deletion_vectors(vectors: &[DeletionVector<'_>]) -> Result<EncodedPuffin, FilesError> {
    let mut puffin = PuffinBuffer::new(vectors.len());
    for vector in vectors {
        puffin.push(vector.data_file, vector.positions.len(), |out| write_blob(vector.positions, out))?;
    }
    puffin.finish()
}

/// Big-endian length of magic and bitmap; magic; bitmap; big-endian CRC-32 of magic and bitmap.
fn write_blob(positions: &RoaringBitmap, out: &mut Vec<u8>) -> Result<(), FilesError> {
    let mut packed = positions.clone();
    packed.optimize();
    let size = MAGIC.len() + 8 + if packed.is_empty() { 0 } else { WORD + packed.serialized_size() };
    let length = u32::try_from(size).map_err(|_| FilesError::Vector("it is longer than 4 GiB".to_owned()))?;
    out.reserve(size + 2 * WORD);
    out.extend_from_slice(&length.to_be_bytes());
    let start = out.len();
    out.extend_from_slice(&MAGIC);
    // 64-bit portable format: number of 32-bit bitmaps, then each after the high half of its positions.
    out.extend_from_slice(&u64::from(!packed.is_empty()).to_le_bytes());
    if !packed.is_empty() {
        out.extend_from_slice(&0_u32.to_le_bytes());
        packed
            .serialize_into(&mut *out)
            .map_err(|error| FilesError::Vector(format!("its bitmap cannot be written: {error}")))?;
    }
    let checksum = crc32fast::hash(&out[start..]);
    out.extend_from_slice(&checksum.to_be_bytes());
    Ok(())
}

/// The deleted positions in a vector; `blob` is the part of the Puffin file that the manifest entry points at.
pub fn decode_deletion_vector(blob: &[u8]) -> Result<RoaringBitmap, FilesError> {
    let damaged = |what: &str| FilesError::Vector(what.to_owned());
    let (length, rest) = blob.split_first_chunk::<WORD>().ok_or_else(|| damaged("it is shorter than its length"))?;
    let (body, checksum) = rest.split_last_chunk::<WORD>().ok_or_else(|| damaged("it is shorter than its checksum"))?;
    if u32::from_be_bytes(*length) as usize != body.len() {
        return Err(damaged("its length does not match that in the manifest"));
    }
    if crc32fast::hash(body) != u32::from_be_bytes(*checksum) {
        return Err(damaged("its checksum is wrong"));
    }
    let bitmaps = body.strip_prefix(&MAGIC).ok_or_else(|| damaged("it does not begin with the magic number"))?;
    read_bitmaps(bitmaps)
}

fn read_bitmaps(mut bytes: &[u8]) -> Result<RoaringBitmap, FilesError> {
    let damaged = |what: &str| FilesError::Vector(what.to_owned());
    let (count, rest) = bytes.split_first_chunk::<8>().ok_or_else(|| damaged("its bitmap is cut off"))?;
    bytes = rest;
    let mut positions = RoaringBitmap::new();
    for _ in 0..u64::from_le_bytes(*count) {
        let (key, rest) = bytes.split_first_chunk::<WORD>().ok_or_else(|| damaged("its bitmap is cut off"))?;
        bytes = rest;
        let bitmap = RoaringBitmap::deserialize_from(&mut bytes)
            .map_err(|error| FilesError::Vector(format!("its bitmap cannot be read: {error}")))?;
        if u32::from_le_bytes(*key) == 0 {
            positions |= bitmap;
        } else if !bitmap.is_empty() {
            return Err(damaged("it deletes rows beyond position 4,294,967,295, more than a data file may have here"));
        }
    }
    Ok(positions)
}

/// The manifest entry of a vector in the Puffin file stored at `path`.
///
/// `data_file` is the entry of the file whose rows it deletes, `spec_id` the partition spec of that file.
pub fn deletion_vector_file(
    path: String,
    puffin_size: u64,
    vector: &EncodedVector,
    data_file: &DataFile,
    spec_id: i32,
) -> Result<DataFile, FilesError> {
    let mut builder = DataFileBuilder::default();
    builder
        .content(DataContentType::PositionDeletes)
        .file_path(path)
        .file_format(DataFileFormat::Puffin)
        .partition(data_file.partition().clone())
        .partition_spec_id(spec_id)
        .record_count(vector.cardinality)
        .file_size_in_bytes(puffin_size)
        .referenced_data_file(Some(vector.data_file.clone()))
        .content_offset(Some(vector.offset as i64))
        .content_size_in_bytes(Some(vector.length as i64));
    build_entry(&builder)
}

#[cfg(test)]
mod tests {
    use iceberg::io::FileIO;
    use iceberg::puffin::{DELETION_VECTOR_V1, PuffinReader};
    use iceberg::spec::Struct;
    use proptest::prelude::*;
    use roaring::RoaringTreemap;

    use super::*;

    fn blob<'a>(puffin: &'a EncodedPuffin, vector: &EncodedVector) -> &'a [u8] {
        &puffin.bytes[vector.offset as usize..(vector.offset + vector.length) as usize]
    }

    fn encode_one(positions: &RoaringBitmap) -> EncodedPuffin {
        encode_deletion_vectors(&[DeletionVector { data_file: "file:///t/a.parquet", positions }]).unwrap()
    }

    /// Positions in clusters, runs and scattered, which take the three kinds of containers.
    fn bitmaps() -> impl Strategy<Value = RoaringBitmap> {
        let runs = prop::collection::vec((any::<u32>(), 0_u32..3000), 0..6);
        let scattered = prop::collection::vec(prop_oneof![0_u32..200_000, any::<u32>()], 0..400);
        let dense = (any::<u16>(), 0_u32..20_000);
        (runs, scattered, dense).prop_map(|(runs, scattered, (high, dense))| {
            let mut bitmap: RoaringBitmap = scattered.into_iter().collect();
            for (start, length) in runs {
                bitmap.insert_range(start..start.saturating_add(length));
            }
            bitmap.extend((0..dense).map(|step| (u32::from(high) << 16) | ((step * 3) % 65_536)));
            bitmap
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(200))]

        #[test]
        fn any_positions_come_back_and_are_a_portable_treemap(positions in bitmaps()) {
            let puffin = encode_one(&positions);
            let blob = blob(&puffin, &puffin.vectors[0]);
            prop_assert_eq!(&decode_deletion_vector(blob).unwrap(), &positions);
            let treemap = RoaringTreemap::deserialize_from(&blob[8..blob.len() - 4]).unwrap();
            prop_assert!(treemap.iter().eq(positions.iter().map(u64::from)));
        }

        #[test]
        fn a_damaged_vector_is_refused(positions in bitmaps(), at in any::<prop::sample::Index>(), flip in 1_u8..) {
            let puffin = encode_one(&positions);
            let blob = blob(&puffin, &puffin.vectors[0]);
            let mut damaged = blob.to_vec();
            let at = at.index(damaged.len());
            damaged[at] ^= flip;
            prop_assert!(decode_deletion_vector(&damaged).is_err());
            prop_assert!(decode_deletion_vector(&blob[..at]).is_err());
        }
    }

    #[test]
    fn a_shared_file_has_padding_that_keeps_reads_apart() {
        let bitmaps: Vec<RoaringBitmap> = (1..5).map(|n| (0..n * 100).step_by(n as usize).collect()).collect();
        let names: Vec<String> = (0..4).map(|n| format!("file:///t/{n}.parquet")).collect();
        let vectors: Vec<_> =
            names.iter().zip(&bitmaps).map(|(data_file, positions)| DeletionVector { data_file, positions }).collect();
        let puffin = encode_deletion_vectors(&vectors).unwrap();
        let mut end = 4;
        for (vector, positions) in puffin.vectors.iter().zip(&bitmaps) {
            assert_eq!(vector.offset, end);
            assert_eq!(&decode_deletion_vector(blob(&puffin, vector)).unwrap(), positions);
            assert_eq!(vector.cardinality, positions.len());
            let padding = vector.offset + vector.length..vector.offset + 2 * vector.length + 1;
            assert!(puffin.bytes[padding.start as usize..padding.end as usize].iter().all(|byte| *byte == 0));
            end = padding.end;
        }
        assert_eq!(&puffin.bytes[end as usize..end as usize + 4], b"PFA1");
        assert_eq!(encode_one(&bitmaps[0]).vectors[0].offset, 4);
    }

    #[tokio::test]
    async fn the_iceberg_library_reads_the_puffin_file() {
        for count in [1_usize, 3] {
            let positions: RoaringBitmap = (5..2000).step_by(7).collect();
            let names: Vec<String> = (0..count).map(|n| format!("file:///t/{n}.parquet")).collect();
            let vectors: Vec<_> =
                names.iter().map(|data_file| DeletionVector { data_file, positions: &positions }).collect();
            let puffin = encode_deletion_vectors(&vectors).unwrap();
            let io = FileIO::new_with_memory();
            io.new_output("memory:/dv.puffin").unwrap().write(puffin.bytes.clone()).await.unwrap();
            let reader = PuffinReader::new(io.new_input("memory:/dv.puffin").unwrap());
            let blobs = reader.file_metadata().await.unwrap().clone().blobs().to_vec();
            assert_eq!(blobs.len(), count);
            for ((metadata, vector), name) in blobs.iter().zip(&puffin.vectors).zip(&names) {
                assert_eq!((metadata.offset(), metadata.length()), (vector.offset, vector.length));
                assert_eq!((metadata.blob_type(), metadata.fields()), (DELETION_VECTOR_V1, [2_147_483_645].as_slice()));
                assert_eq!((metadata.snapshot_id(), metadata.sequence_number()), (-1, -1));
                assert_eq!(metadata.properties().get("referenced-data-file"), Some(name));
                assert_eq!(metadata.properties().get("cardinality"), Some(&positions.len().to_string()));
                let blob = reader.blob(metadata).await.unwrap();
                assert_eq!(decode_deletion_vector(blob.data()).unwrap(), positions);
            }
        }
    }

    #[test]
    fn empty_bitmaps_are_skipped_and_positions_beyond_32_bits_refused() {
        // Two 32-bit bitmaps, as the reference implementation writes them: empty ones are kept up to the last key.
        let mut body = MAGIC.to_vec();
        body.extend(2_u64.to_le_bytes());
        for (key, bitmap) in [(0_u32, RoaringBitmap::from_iter([3, 9])), (1, RoaringBitmap::new())] {
            body.extend(key.to_le_bytes());
            bitmap.serialize_into(&mut body).unwrap();
        }
        let seal = |body: &[u8]| {
            let mut blob = (body.len() as u32).to_be_bytes().to_vec();
            blob.extend(body);
            blob.extend(crc32fast::hash(body).to_be_bytes());
            blob
        };
        assert_eq!(decode_deletion_vector(&seal(&body)).unwrap(), RoaringBitmap::from_iter([3, 9]));
        body.truncate(MAGIC.len());
        body.extend(1_u64.to_le_bytes());
        body.extend(1_u32.to_le_bytes());
        RoaringBitmap::from_iter([0]).serialize_into(&mut body).unwrap();
        let error = decode_deletion_vector(&seal(&body)).unwrap_err();
        assert!(error.to_string().contains("4,294,967,295"), "{error}");
    }

    #[test]
    fn a_manifest_entry_points_at_the_vector() {
        let positions: RoaringBitmap = (0..10).collect();
        let puffin = encode_one(&positions);
        let partition = Struct::from_iter([Some(iceberg::spec::Literal::int(4))]);
        let mut data_file = DataFileBuilder::default();
        data_file
            .content(DataContentType::Data)
            .file_path("file:///t/a.parquet".to_owned())
            .file_format(DataFileFormat::Parquet)
            .partition(partition.clone())
            .record_count(20)
            .file_size_in_bytes(1);
        let data_file = data_file.build().unwrap();
        let size = puffin.bytes.len() as u64;
        let entry =
            deletion_vector_file("file:///t/dv.puffin".to_owned(), size, &puffin.vectors[0], &data_file, 2).unwrap();
        assert_eq!(entry.content_type(), DataContentType::PositionDeletes);
        assert_eq!(entry.file_format(), DataFileFormat::Puffin);
        assert_eq!((entry.record_count(), entry.file_size_in_bytes()), (10, size));
        assert_eq!(entry.referenced_data_file().as_deref(), Some("file:///t/a.parquet"));
        assert_eq!(entry.content_offset(), Some(4));
        assert_eq!(entry.content_size_in_bytes(), Some(puffin.vectors[0].length as i64));
        assert_eq!(entry.partition(), &partition);
    }
}
