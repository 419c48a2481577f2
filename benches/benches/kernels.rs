//! What the kernels that pipelines lean on cost a row, on one thread.
//!
//! `cargo bench -p sluice-benches --bench kernels`

use std::hint::black_box;
use std::sync::Arc;

use arrow_array::StringArray;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sluice_transform::kernels::{self, Column, KernelError, Limits};

const ROWS: usize = 8_192;
const LIMITS: Limits = Limits { bytes: 64 << 20 };
const KEY: &[u8] = b"0123456789abcdef0123456789abcdef";

type Run<'a> = Box<dyn Fn() -> Result<Column, KernelError> + 'a>;

fn column(mut text: impl FnMut(usize) -> String) -> Column {
    Column::rows(Arc::new((0..ROWS).map(|row| Some(text(row))).collect::<StringArray>()))
}

fn kernels(criterion: &mut Criterion) {
    let mut random = StdRng::seed_from_u64(5);
    let mails = column(|row| format!("Given.Name{:x}@mail{}.example.org", random.random::<u32>(), row % 7));
    let cards = column(|_| format!("{:016}", random.random_range(0..10_000_000_000_000_000_u64)));
    let names = column(|row| format!("Jürgen Müßig-Ångström {row}"));
    let documents = column(|row| {
        format!(
            r#"{{"id": {row}, "name": "Jane \"J\" Doe", "address": {{"city": "Köln", "zip": "50667"}}, "tags": ["a", "b"]}}"#
        )
    });
    let prices = column(|row| format!("{}.{:02}", row * 7919 % 100_000, row % 100));
    let digests = match kernels::hmac(&mails, KEY, LIMITS) {
        Ok(digests) => digests,
        Err(error) => unreachable!("{error}"),
    };
    let runs: [(&str, Run<'_>); 12] = [
        ("hmac", Box::new(|| kernels::hmac(&mails, KEY, LIMITS))),
        ("keyed-hash", Box::new(|| kernels::keyed_hash(&mails, &KEY[..16], LIMITS))),
        ("hex", Box::new(|| kernels::hex(&digests, LIMITS))),
        ("mask, ASCII", Box::new(|| kernels::mask(&cards, 4, 4, "*", LIMITS))),
        ("mask, other", Box::new(|| kernels::mask(&names, 1, 1, "*", LIMITS))),
        ("split-part", Box::new(|| kernels::split_part(&mails, "@", 1, LIMITS))),
        ("lower, ASCII", Box::new(|| kernels::lower(&mails, LIMITS))),
        ("lower, other", Box::new(|| kernels::lower(&names, LIMITS))),
        ("concat", Box::new(|| kernels::concat(&[names.clone(), cards.clone()], " ", LIMITS))),
        ("regex-replace", Box::new(|| kernels::regex_replace(&mails, r"[0-9a-f]{4}", "<$0>", LIMITS))),
        ("json-field", Box::new(|| kernels::json_field(&documents, "address.city", LIMITS))),
        (
            "cast to decimal",
            Box::new(|| kernels::cast(&prices, sluice_change::ColumnType::Decimal { precision: 12, scale: 2 }, LIMITS)),
        ),
    ];
    let mut group = criterion.benchmark_group("kernels");
    group.throughput(Throughput::Elements(ROWS as u64));
    for (name, run) in &runs {
        group.bench_function(*name, |bencher| bencher.iter(|| black_box(run())));
    }
    group.finish();
}

criterion_group!(benches, kernels);
criterion_main!(benches);
