//! What a transform costs: the boundary, the languages, the kernels, the limits, the start.
//!
//! `cargo bench -p sluice-benches --bench transforms`, with `-- boundary`, `languages`, `metering`, `starts` or `pipeline` for
//! a part of it; `SLUICE_BENCH_ROUNDS` sets the rounds of quick guests. Every round
//! measures all contestants one after the other, so that their ratios hold on a machine that is not quiet.

mod guests;
mod native;
mod pipeline;
mod shapes;
mod starts;

use std::hint::black_box;
use std::time::Instant;

use arrow_array::RecordBatch;
use sluice_benches::{Failure, size};
use sluice_transform::host::{CodeCache, Host, HostSettings};
use sluice_transform::{Input, Transform};

use guests::{Guests, ROWS};

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> Result<(), Failure> {
    let folder = tempfile::tempdir()?;
    let guests = Guests::build(folder.path())?;
    let cache = CodeCache::open(&folder.path().join("cache"));
    let host = Host::new(&HostSettings::for_threads(2), cache.clone())?;
    let rounds = size("SLUICE_BENCH_ROUNDS", 31) as usize;
    println!(
        "{ROWS} rows a batch, a fresh instance for each; nanoseconds a row, median of {rounds} rounds (of 5 for bytes in Python and JavaScript)\n"
    );
    // Names on the command line choose among the parts; without any, all of them run.
    let names: Vec<String> = std::env::args().skip(1).filter(|name| !name.starts_with('-')).collect();
    let wanted = |part: &str| names.is_empty() || names.iter().any(|name| name == part);
    if wanted("boundary") {
        boundary(&host, &guests, rounds)?;
    }
    if wanted("languages") {
        languages(&host, &guests, rounds)?;
    }
    if wanted("metering") {
        metering(&host, &guests)?;
    }
    if wanted("starts") {
        starts::measure(&guests, folder.path())?;
    }
    if wanted("pipeline") {
        pipeline::measure(&guests, folder.path(), cache)?;
    }
    Ok(())
}

/// One way to do the work.
struct Contestant<'a> {
    name: &'a str,
    work: Box<dyn FnMut() -> Result<(), Failure> + 'a>,
    seconds: Vec<f64>,
}

impl<'a> Contestant<'a> {
    fn new(name: &'a str, work: impl FnMut() -> Result<(), Failure> + 'a) -> Self {
        Self { name, work: Box::new(work), seconds: Vec::new() }
    }

    fn of_transform(
        name: &'a str,
        transform: &'a dyn Transform,
        schema: &'a sluice_change::TableSchema,
        input: &'a Input,
    ) -> Self {
        Self::new(name, move || {
            let shaped = transform.shape(schema, input.clone())?;
            if !shaped.rejects.is_empty() {
                return Err(shaped.rejects[0].reason.clone().into());
            }
            black_box(shaped.rows);
            Ok(())
        })
    }

    fn median_ns(&mut self) -> f64 {
        self.seconds.sort_by(f64::total_cmp);
        self.seconds[self.seconds.len() / 2] * 1e9 / ROWS as f64
    }
}

/// Runs all of them in turn and prints each beside the first.
fn compare(title: &str, rounds: usize, mut contestants: Vec<Contestant<'_>>) -> Result<(), Failure> {
    for contestant in &mut contestants {
        (contestant.work)()?;
    }
    for _ in 0..rounds {
        for contestant in &mut contestants {
            let begun = Instant::now();
            (contestant.work)()?;
            contestant.seconds.push(begun.elapsed().as_secs_f64());
        }
    }
    println!("{title}");
    let first = contestants[0].median_ns();
    for contestant in &mut contestants {
        let median = contestant.median_ns();
        println!("  {:44} {median:9.1} ns   x {:6.2}", contestant.name, median / first);
    }
    println!();
    Ok(())
}

/// Nine columns through: natively copied, and in the three shapes that the contract could have.
fn boundary(host: &Host, guests: &Guests, rounds: usize) -> Result<(), Failure> {
    let (schema, input) = guests::nine_columns();
    let read = guests.transform(host, "rust", "read", &schema)?;
    let pass = guests.transform(host, "rust", "pass", &schema)?;
    let (rows, shapes) = (&input.rows, shapes::Shapes::new()?);
    compare(
        "nine columns through (97 B a row)",
        rounds,
        vec![
            Contestant::new("copied natively", || {
                black_box(native::copied(rows));
                Ok(())
            }),
            Contestant::of_transform("Rust, by handles, every byte in", read.as_ref(), &schema, &input),
            Contestant::of_transform("Rust, by handles, every byte in and out", pass.as_ref(), &schema, &input),
            Contestant::new("the same pushed with the batch", || shapes.pushed(rows)),
            Contestant::new("the same as Arrow IPC, unlooked at", || shapes.as_ipc(rows)),
        ],
    )
}

/// One column masked in every language.
fn languages(host: &Host, guests: &Guests, rounds: usize) -> Result<(), Failure> {
    let (schema, input) = guests::nine_columns();
    let transform = |language, mode| guests.transform(host, language, mode, &schema);
    let (rust, c, go) = (transform("rust", "bytes")?, transform("c", "bytes")?, transform("go", "bytes")?);
    let emails = native::emails(&input.rows)?;
    let expected = native::hidden(emails);
    for (name, guest) in [("rust", &rust), ("c", &c), ("go", &go)] {
        check(name, &guest.shape(&schema, input.clone())?.rows, &expected)?;
    }
    compare(
        "one masked text column, by code over bytes",
        rounds,
        vec![
            Contestant::new("natively", || {
                black_box(native::hidden(emails));
                Ok(())
            }),
            Contestant::of_transform("Rust", rust.as_ref(), &schema, &input),
            Contestant::of_transform("C", c.as_ref(), &schema, &input),
            Contestant::of_transform("Go", go.as_ref(), &schema, &input),
        ],
    )?;
    let by_kernels: Vec<_> = ["rust", "javascript", "python"]
        .into_iter()
        .map(|language| transform(language, "kernels"))
        .collect::<Result<_, _>>()?;
    let mut contestants = vec![Contestant::new("the kernels alone", || {
        black_box(native::hidden_by_kernels(emails)?);
        Ok(())
    })];
    for (name, guest) in ["Rust", "JavaScript", "Python"].into_iter().zip(&by_kernels) {
        contestants.push(Contestant::of_transform(name, guest.as_ref(), &schema, &input));
    }
    compare("one masked text column, by kernels (HMAC-SHA-256)", rounds, contestants)?;
    let (javascript, python) = (transform("javascript", "bytes")?, transform("python", "bytes")?);
    for (name, guest) in [("javascript", &javascript), ("python", &python)] {
        check(name, &guest.shape(&schema, input.clone())?.rows, &expected)?;
    }
    compare(
        "one masked text column, by code over values",
        5,
        vec![
            Contestant::new("natively", || {
                black_box(native::hidden(emails));
                Ok(())
            }),
            Contestant::of_transform("JavaScript", javascript.as_ref(), &schema, &input),
            Contestant::of_transform("Python", python.as_ref(), &schema, &input),
        ],
    )
}

fn check(name: &str, rows: &RecordBatch, expected: &arrow_array::StringArray) -> Result<(), Failure> {
    match native::emails(rows)? == expected {
        true => Ok(()),
        false => Err(format!("{name} answers something else than the native code").into()),
    }
}

/// The engine that counts fuel beside the one that only has deadlines, and what a row takes.
fn metering(host: &Host, guests: &Guests) -> Result<(), Failure> {
    let (schema, input) = guests::nine_columns();
    println!("fuel: deadlines alone, and with every unit counted");
    for (language, mode, rounds) in [
        ("rust", "bytes", 15),
        ("c", "bytes", 15),
        ("go", "bytes", 15),
        ("javascript", "kernels", 15),
        ("python", "kernels", 15),
        ("javascript", "bytes", 3),
        ("python", "bytes", 3),
    ] {
        let transform = guests.transform(host, language, mode, &schema)?;
        let mut times = [Vec::new(), Vec::new()];
        let mut fuel = 0;
        for _ in 0..rounds {
            for (counted, times) in [false, true].into_iter().zip(&mut times) {
                let begun = Instant::now();
                let trial = transform.try_rows(&schema, input.clone(), counted)?;
                times.push(begun.elapsed().as_secs_f64() * 1e9 / ROWS as f64);
                fuel = trial.cost.fuel.unwrap_or(fuel);
            }
        }
        let [quick, metered] = times.map(|mut times| {
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        });
        let name = format!("{language}, {mode}");
        println!(
            "  {name:24} {quick:9.1} -> {metered:9.1} ns (x {:.2})   {:9.0} units a row",
            metered / quick,
            fuel as f64 / ROWS as f64
        );
    }
    println!();
    Ok(())
}
