//! The same work without a boundary.

use std::sync::Arc;

use arrow_array::cast::AsArray;
use arrow_array::{Array, ArrayRef, RecordBatch, StringArray, make_array};
use arrow_buffer::{Buffer, OffsetBuffer};
use arrow_ipc::reader::StreamReader;
use arrow_ipc::writer::StreamWriter;
use sluice_benches::Failure;
use sluice_transform::kernels::{self, Column, Limits};

/// The addresses of a batch.
pub fn emails(rows: &RecordBatch) -> Result<&StringArray, Failure> {
    let column = rows.column_by_name("email").ok_or("no column `email`")?;
    Ok(column.as_string_opt::<i32>().ok_or("`email` is no text")?)
}

/// FNV-1a of the local part, 32 bits as hexadecimal digits, in its place: what the guests do.
pub fn hidden(addresses: &StringArray) -> StringArray {
    let mut values = Vec::with_capacity(addresses.value_data().len() + 8 * addresses.len());
    let mut offsets = Vec::with_capacity(addresses.len() + 1);
    offsets.push(0_i32);
    for address in addresses.iter() {
        if let Some(address) = address {
            let mut hash = 0x811c_9dc5_u32;
            let mut at = 0;
            for byte in address.bytes() {
                if byte == b'@' {
                    break;
                }
                hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
                at += 1;
            }
            for n in 0..8 {
                values.push(b"0123456789abcdef"[(hash >> (28 - 4 * n)) as usize & 15]);
            }
            values.extend_from_slice(&address.as_bytes()[at..]);
        }
        offsets.push(values.len() as i32);
    }
    StringArray::new(OffsetBuffer::new(offsets.into()), Buffer::from_vec(values), addresses.nulls().cloned())
}

/// What the guests do through kernels.
pub fn hidden_by_kernels(addresses: &StringArray) -> Result<ArrayRef, Failure> {
    let limits = Limits { bytes: 256 << 20 };
    let email = Column::rows(Arc::new(addresses.clone()));
    let local = kernels::split_part(&email, "@", 0, limits)?;
    let hidden = kernels::hex(&kernels::hmac(&local, b"a key of the benchmark's", limits)?, limits)?;
    let whole = kernels::concat(&[hidden, kernels::split_part(&email, "@", 1, limits)?], "@", limits)?;
    Ok(Arc::clone(whole.array()))
}

/// Every buffer in memory of its own.
pub fn copied(rows: &RecordBatch) -> Vec<ArrayRef> {
    let copy = |column: &ArrayRef| {
        let data = column.to_data();
        let buffers = data.buffers().iter().map(|buffer| Buffer::from_slice_ref(buffer.as_slice())).collect();
        make_array(data.into_builder().buffers(buffers).build().unwrap_or_else(|error| unreachable!("{error}")))
    };
    rows.columns().iter().skip(1).map(copy).collect()
}

/// Written as an IPC stream.
pub fn to_ipc(rows: &RecordBatch) -> Result<Vec<u8>, Failure> {
    let mut bytes = Vec::new();
    let mut writer = StreamWriter::try_new(&mut bytes, rows.schema_ref())?;
    writer.write(rows)?;
    writer.finish()?;
    drop(writer);
    Ok(bytes)
}

/// Read from an IPC stream.
pub fn from_ipc(bytes: &[u8]) -> Result<RecordBatch, Failure> {
    let mut reader = StreamReader::try_new(bytes, None)?;
    Ok(reader.next().ok_or("no batch")??)
}
