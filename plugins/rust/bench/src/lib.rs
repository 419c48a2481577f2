//! What the benchmarks measure: the same work in every language, see `benches/benches/transforms.rs`.

use sluice_transform_sdk::{Batch, Column, Output, Plan, Result, Setup, TextWriter, Transform, transform};

enum Bench {
    /// Every column's bytes out and in again, unlooked at.
    Pass(Vec<(String, String)>),
    /// Every column's bytes in, and nothing out.
    Read,
    /// The local part of `email` hidden by code over bytes.
    Bytes,
    /// The same kind of work by kernels.
    Kernels,
}

transform!(Bench);

impl Transform for Bench {
    fn configure(setup: &Setup) -> Result<(Self, Plan)> {
        let masked = || Plan::new().read("email").write("email", "string");
        match setup.settings()?.text("mode")? {
            "pass" => {
                let columns = setup.columns.iter().filter(|column| !column.key);
                let columns: Vec<_> = columns.map(|column| (column.name.clone(), column.data_type.clone())).collect();
                let plan = columns.iter().fold(Plan::new(), |plan, (name, data_type)| {
                    plan.read(name).write(name, data_type).computed_from([name])
                });
                Ok((Bench::Pass(columns), plan))
            }
            "read" => {
                let columns = setup.columns.iter().filter(|column| !column.key);
                Ok((Bench::Read, columns.fold(Plan::new(), |plan, column| plan.read(&column.name))))
            }
            "bytes" => Ok((Bench::Bytes, masked())),
            "kernels" => Ok((Bench::Kernels, masked())),
            other => Err(format!("unknown mode {other}").into()),
        }
    }

    fn transform(&self, batch: &Batch) -> Result<Output> {
        Ok(match self {
            Bench::Pass(columns) => columns.iter().zip(batch.columns()).fold(
                Output::new(),
                |output, ((name, data_type), column)| {
                    output.write(name, Column::make(data_type, batch.rows(), &column.read()))
                },
            ),
            Bench::Read => {
                // Handed over whether or not it is looked at; the sum keeps the reads from being left out.
                let bytes: usize = batch.columns().iter().map(|column| column.read().values.len()).sum();
                if bytes == 0 {
                    return Err("there is nothing to read".into());
                }
                Output::new()
            }
            Bench::Bytes => Output::new().write("email", hide_local_parts(batch.column("email"))),
            Bench::Kernels => {
                let email = batch.column("email");
                let hidden = email.split_part("@", 0).hmac(b"a key of the benchmark's").hex();
                Output::new().write("email", Column::concat(&[hidden, email.split_part("@", 1)], "@"))
            }
        })
    }
}

/// FNV-1a of the local part, 32 bits as hexadecimal digits, in its place.
fn hide_local_parts(addresses: Column) -> Column {
    let addresses = addresses.texts();
    let rows = addresses.rows();
    let mut writer = TextWriter::for_rows(rows, addresses.total_bytes() + 8 * rows);
    for address in addresses.iter() {
        let Some(address) = address else {
            writer.push(None);
            continue;
        };
        let mut hash = 0x811c_9dc5_u32;
        let mut at = 0;
        for byte in address.bytes() {
            if byte == b'@' {
                break;
            }
            hash = (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193);
            at += 1;
        }
        let digits = hexadecimal(hash);
        writer.add(std::str::from_utf8(&digits).unwrap_or_default());
        writer.add(&address[at..]);
        writer.finish_value();
    }
    writer.finish()
}

fn hexadecimal(hash: u32) -> [u8; 8] {
    let mut digits = [0; 8];
    for (n, digit) in digits.iter_mut().enumerate() {
        *digit = b"0123456789abcdef"[(hash >> (28 - 4 * n)) as usize & 15];
    }
    digits
}
