//! Random histories through the whole pipeline in memory, cut into lives by crashes, stops and faults: the tables come
//! out as the naive model says.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::{Index, select};
use proptest::test_runner::{Config, RngSeed};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sluice_change::ColumnType;
use sluice_lake::FormatVersion;
use sluice_pipeline::LaneState;
use sluice_tests::generator::{History, Shape};
use sluice_tests::simulation::{Fault, INDEX_BYTES, Other, Outage, Setup, Weather, World};
use sluice_tests::spec::TableSpec;
use sluice_tests::table::assert_same;

/// Cases of each property; more are asked for with `SLUICE_CASES`.
const CASES: u32 = 500;
/// Shares of reads that are answered with half of what was asked for.
const HALF_ANSWERS: [f64; 3] = [0.0, 0.0, 0.05];
/// Where the cases begin; others are tried with `SLUICE_SEED`, and a failing run is repeated with its own.
const SEED: u64 = 20_260_301;

fn config() -> Config {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let cases = number("SLUICE_CASES").and_then(|cases| u32::try_from(cases).ok()).unwrap_or(CASES);
    let rng_seed = RngSeed::Fixed(number("SLUICE_SEED").unwrap_or(SEED));
    Config { cases, rng_seed, failure_persistence: None, max_shrink_iters: 400, ..Config::default() }
}

/// A whole case, small where its numbers are small.
#[derive(Debug, Clone)]
struct Plan {
    table: u64,
    history: u64,
    shape: Shape,
    setup: Setup,
    partition: Option<Index>,
    /// Lives of the process, and before each how many more files arrive.
    lives: Vec<(usize, Weather)>,
}

fn shape() -> impl Strategy<Value = Shape> {
    (0..30_usize, 1..4_usize, 0..80_usize, 1..8_usize, 1..40_u64, select(vec![0.0, 0.0, 0.1])).prop_map(
        |(load_rows, load_files, changes, change_files, keys, bad_share)| Shape {
            load_rows,
            load_files,
            changes,
            change_files,
            keys,
            bad_share,
        },
    )
}

fn setup() -> impl Strategy<Value = Setup> {
    let version = select(vec![FormatVersion::V3, FormatVersion::V2]);
    let index_bytes = select(INDEX_BYTES.to_vec());
    (version, 1..60_usize, 1..40_usize, any::<bool>(), index_bytes).prop_map(
        |(format_version, max_rows, batch_rows, upkeep, index_bytes)| Setup {
            format_version,
            silver_partition: Vec::new(),
            max_rows,
            batch_rows,
            upkeep,
            index_bytes,
        },
    )
}

fn fault() -> impl Strategy<Value = Option<Fault>> {
    prop_oneof![
        4 => Just(None),
        1 => select(vec![Fault::Fail, Fault::Conflict, Fault::Lost, Fault::Landed]).prop_map(Some),
    ]
}

fn weather() -> impl Strategy<Value = Weather> {
    let crash_at = prop_oneof![1 => Just(None), 2 => (1..120_u64).prop_map(Some)];
    let stop_after = prop_oneof![2 => Just(None), 1 => (1..5_u64).prop_map(Some)];
    let failing = select(vec![0.0, 0.0, 0.03]);
    let half = select(HALF_ANSWERS.to_vec());
    let latency = select(vec![0, 0, 5, 400]).prop_map(Duration::from_millis);
    let outages = prop_oneof![4 => Just(vec![]), 1 => prop::collection::vec(outage(), 1..2)];
    let faults = prop::collection::vec(fault(), 0..6);
    let other = select(vec![Other::Rewrites, Other::Rewrites, Other::Expires]);
    let others = prop::collection::vec((0..6_u64, other), 0..4).prop_map(|mut others| {
        others.sort_by_key(|(commits, _)| *commits);
        others
    });
    (crash_at, stop_after, failing, half, latency, outages, faults, others, any::<u64>()).prop_map(
        |(crash_at, stop_after, failing, half, latency, outages, catalog, others, seed)| Weather {
            crash_at,
            stop_after,
            failing,
            half,
            latency,
            outages,
            catalog,
            others,
            seed,
        },
    )
}

fn outage() -> impl Strategy<Value = Outage> {
    (1..80_u64, 1..600_u64).prop_map(|(at, seconds)| Outage { at, lasts: Duration::from_secs(seconds) })
}

fn plan() -> impl Strategy<Value = Plan> {
    let lives = prop::collection::vec((0..5_usize, weather()), 0..6);
    (any::<u64>(), any::<u64>(), shape(), setup(), prop::option::of(any::<Index>()), lives).prop_map(
        |(table, history, shape, setup, partition, lives)| Plan { table, history, shape, setup, partition, lives },
    )
}

impl Plan {
    fn begin(&self) -> (History, World) {
        let spec = TableSpec::random(&mut StdRng::seed_from_u64(self.table), "s.t", true);
        let mut setup = self.setup.clone();
        let partitions = partitions(&spec);
        if let Some(index) = self.partition.filter(|_| !partitions.is_empty()) {
            setup.silver_partition = vec![index.get(&partitions).clone()];
        }
        let world = World::new(&spec, &setup);
        (History::generate(&spec, &self.shape, self.history), world)
    }
}

/// Every way in which Silver of this table can be partitioned by one field.
fn partitions(spec: &TableSpec) -> Vec<String> {
    let columns = spec.declared().columns;
    let fields = columns.iter().flat_map(|column| {
        let name = &column.name;
        match column.column_type {
            ColumnType::Boolean => vec![name.clone()],
            ColumnType::Int | ColumnType::Long => vec![format!("bucket(3, {name})"), format!("truncate(10, {name})")],
            ColumnType::Decimal { .. } => vec![format!("bucket(2, {name})"), format!("truncate(1000, {name})")],
            ColumnType::String => vec![format!("bucket(3, {name})"), format!("truncate(1, {name})")],
            ColumnType::Date => vec![format!("month({name})"), format!("day({name})"), name.clone()],
            ColumnType::Timestamp | ColumnType::TimestampTz => {
                vec![format!("year({name})"), format!("hour({name})"), format!("bucket(3, {name})")]
            }
            ColumnType::Time | ColumnType::Binary => vec![format!("bucket(3, {name})")],
            ColumnType::Float | ColumnType::Double => vec![],
        }
    });
    fields.collect()
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn any_history_through_any_lives_comes_out_as_the_model_says(plan in plan()) {
        let (history, world) = plan.begin();
        let mut files = history.files.iter();
        for (arriving, weather) in &plan.lives {
            files.by_ref().take(*arriving).for_each(|file| world.deliver(file));
            world.run(weather);
        }
        files.for_each(|file| world.deliver(file));
        world.finish();
        world.assert_exact(&history);
        // Nothing is left to do, and doing nothing changes nothing.
        world.finish();
        world.assert_exact(&history);
    }

    #[test]
    fn files_that_come_late_change_nothing_but_the_order_of_bronze(plan in plan()) {
        let (history, world) = plan.begin();
        let mut rng = StdRng::seed_from_u64(plan.history);
        let mut waiting: Vec<usize> = (0..history.files.len()).collect();
        for (arriving, weather) in &plan.lives {
            for _ in 0..*arriving {
                if !waiting.is_empty() {
                    // Mostly the next one, sometimes one from further on.
                    let last = if rng.random_bool(0.7) { 0 } else { waiting.len() - 1 };
                    let file = waiting.remove(rng.random_range(0..=last));
                    world.deliver(&history.files[file]);
                }
            }
            world.run(weather);
        }
        waiting.into_iter().for_each(|file| world.deliver(&history.files[file]));
        world.finish();
        world.assert_exact(&history);
    }

    #[test]
    fn silver_made_anew_at_any_time_is_what_it_was(plan in plan(), late in any::<bool>()) {
        let (history, world) = plan.begin();
        let mut rng = StdRng::seed_from_u64(plan.history);
        let mut waiting: Vec<usize> = (0..history.files.len()).collect();
        for (arriving, weather) in &plan.lives {
            for _ in 0..*arriving {
                if !waiting.is_empty() {
                    let last = if late && rng.random_bool(0.3) { waiting.len() - 1 } else { 0 };
                    let file = waiting.remove(rng.random_range(0..=last));
                    world.deliver(&history.files[file]);
                }
            }
            match rng.random_range(0..3) {
                0 => drop(world.run(weather)),
                1 => drop(world.run_and_rebuild(weather)),
                _ => {
                    world.run(weather);
                    // Suddenly ended or not, readers find what they found before.
                    let before = world.silver().silver(&history.spec.schema);
                    world.rebuild(&Weather { seed: weather.seed ^ 1, ..weather.clone() });
                    assert_same("Silver made anew", &before, &world.silver().silver(&history.spec.schema));
                }
            }
        }
        waiting.into_iter().for_each(|file| world.deliver(&history.files[file]));
        world.finish();
        world.assert_exact(&history);
        if world.silver().snapshots > 0 {
            world.finish_rebuild();
            world.assert_exact(&history);
        }
        world.finish();
        world.assert_exact(&history);
    }

    #[test]
    fn files_that_come_again_under_their_own_or_another_name_change_nothing(plan in plan()) {
        let (history, world) = plan.begin();
        let mut rng = StdRng::seed_from_u64(plan.history);
        let history = history.with_duplicates(&mut rng);
        let mut arrived = 0;
        for (arriving, weather) in &plan.lives {
            let next = history.files.len().min(arrived + arriving);
            history.files[arrived..next].iter().for_each(|file| world.deliver(file));
            arrived = next;
            if arrived > 0 && rng.random_bool(0.3) {
                world.deliver(&history.files[rng.random_range(0..arrived)]);
            }
            world.run(weather);
        }
        history.files[arrived..].iter().for_each(|file| world.deliver(file));
        world.finish();
        world.assert_exact(&history);
    }
}

proptest! {
    // Each waits for many simulated retries.
    #![proptest_config(Config { cases: config().cases.div_ceil(10), ..config() })]

    #[test]
    fn outages_of_minutes_are_survived_within_one_life(plan in plan(), outages in prop::collection::vec(outage(), 1..4)) {
        let (history, world) = plan.begin();
        history.files.iter().for_each(|file| world.deliver(file));
        let weather = Weather { outages, latency: Duration::from_millis(50), ..Weather::fair() };
        let report = world.run(&weather).expect("nothing ends it");
        assert_eq!(report.lanes[0].state, LaneState::CaughtUp);
        world.assert_exact(&history);
    }
}
