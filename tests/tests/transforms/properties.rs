//! Random histories through random chains and lives.

use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{Config, RngSeed};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};
use sluice_lake::FormatVersion;
use sluice_tests::generator::{History, Shape};
use sluice_tests::simulation::{INDEX_BYTES, Setup, Weather, World};
use sluice_tests::spec::TableSpec;
use sluice_tests::table::assert_same;
use sluice_transform::TransformSettings;

use crate::model::expected;
use crate::steps;

/// Cases of each property; more are asked for with `SLUICE_CASES`.
const CASES: u32 = 250;
/// Where the cases begin; others are tried with `SLUICE_SEED`.
const SEED: u64 = 20_260_501;

fn config() -> Config {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let cases = number("SLUICE_CASES").and_then(|cases| u32::try_from(cases).ok()).unwrap_or(CASES);
    let rng_seed = RngSeed::Fixed(number("SLUICE_SEED").unwrap_or(SEED));
    Config { cases, rng_seed, failure_persistence: None, max_shrink_iters: 400, ..Config::default() }
}

#[derive(Debug, Clone)]
struct Plan {
    seed: u64,
    changes_key: bool,
    shape: Shape,
    setup: Setup,
    /// Lives of the process: how many more files arrive, and where it ends suddenly.
    lives: Vec<(usize, Option<u64>)>,
}

fn plan() -> impl Strategy<Value = Plan> {
    let shape = (0..20_usize, 1..3_usize, 0..60_usize, 1..7_usize, 1..20_u64, select(vec![0.0, 0.0, 0.1]));
    let shape = shape.prop_map(|(load_rows, load_files, changes, change_files, keys, bad_share)| Shape {
        load_rows,
        load_files,
        changes,
        change_files,
        keys,
        bad_share,
    });
    let setup =
        (1..40_usize, 1..25_usize, any::<bool>(), any::<bool>()).prop_map(|(max_rows, batch_rows, v2, upkeep)| Setup {
            format_version: if v2 { FormatVersion::V2 } else { FormatVersion::V3 },
            silver_partition: Vec::new(),
            max_rows,
            batch_rows,
            upkeep,
            index_bytes: INDEX_BYTES[max_rows % 2],
        });
    let lives = prop::collection::vec((0..4_usize, prop::option::weighted(0.7, 1..120_u64)), 0..6);
    (any::<u64>(), any::<bool>(), shape, setup, lives).prop_map(|(seed, changes_key, shape, setup, lives)| Plan {
        seed,
        changes_key,
        shape,
        setup,
        lives,
    })
}

impl Plan {
    fn begin(&self) -> (History, TransformSettings, World) {
        let mut rng = StdRng::seed_from_u64(self.seed);
        let mut spec = TableSpec::random(&mut rng, "s.t", true);
        // A column of change sequences is one that the model does not know.
        spec.layout.change_sequence = None;
        let settings = steps::random(&mut rng, &spec, self.changes_key);
        let world = World::new(&spec, &self.setup).with_transform(settings.clone());
        (History::generate(&spec, &self.shape, rng.random()), settings, world)
    }
}

#[track_caller]
fn assert_exact(world: &World, history: &History, settings: &TransformSettings) {
    let expected = expected(history, settings);
    assert_same("Bronze", &history.bronze(), &world.bronze().bronze(&history.spec.schema));
    world.bronze().assert_numbered();
    assert_same("dead letters", &expected.rejected, &world.dead_letters().dead_letters());
    let mut silver = world.silver().silver(&expected.output);
    silver.sort_unstable();
    let mut wanted = expected.silver;
    wanted.sort_unstable();
    assert_same("Silver", &wanted, &silver);
}

fn weather(crash_at: Option<u64>) -> Weather {
    Weather { crash_at, ..Weather::fair() }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn silver_is_the_fold_of_changes_that_were_shaped_one_by_one(plan in plan()) {
        let (history, settings, world) = plan.begin();
        let mut files = history.files.iter();
        for (arriving, crash_at) in &plan.lives {
            files.by_ref().take(*arriving).for_each(|file| world.deliver(file));
            world.run(&weather(*crash_at));
        }
        files.for_each(|file| world.deliver(file));
        world.finish();
        assert_exact(&world, &history, &settings);
        world.finish();
        assert_exact(&world, &history, &settings);
    }

    #[test]
    fn silver_made_anew_is_the_same_and_its_dead_letters_come_once(plan in plan()) {
        let (history, settings, world) = plan.begin();
        let mut rng = StdRng::seed_from_u64(plan.seed);
        let mut files = history.files.iter();
        for (arriving, crash_at) in &plan.lives {
            files.by_ref().take(*arriving).for_each(|file| world.deliver(file));
            if rng.random() {
                world.run_and_rebuild(&weather(*crash_at));
            } else {
                world.run(&Weather::fair());
                world.rebuild(&weather(*crash_at));
            }
        }
        files.for_each(|file| world.deliver(file));
        world.finish();
        if world.silver().snapshots > 0 {
            world.finish_rebuild();
        }
        assert_exact(&world, &history, &settings);
    }

    #[test]
    fn silver_made_anew_with_another_transform_is_as_if_it_had_always_been_that_one(plan in plan()) {
        let plan = Plan { changes_key: false, ..plan };
        let (history, _, world) = plan.begin();
        let mut rng = StdRng::seed_from_u64(plan.seed ^ 0xa11);
        let half = history.files.len() / 2;
        history.files[..half].iter().for_each(|file| world.deliver(file));
        world.finish();
        let other = steps::random(&mut rng, &history.spec, false);
        let world = world.with_transform(other.clone());
        let shown = |world: &World, history: &History| {
            let expected = expected(history, &other);
            let mut silver = world.silver().silver(&expected.output);
            silver.sort_unstable();
            (expected.silver, silver)
        };
        prop_assume!(world.silver().snapshots > 0);
        {
            world.rebuild(&weather(plan.lives.first().and_then(|(_, crash_at)| *crash_at)));
            // Columns that cannot become what the other transform makes of them are refused.
            let rebuilt = world.rebuild(&Weather::fair()).expect("nothing ends it");
            prop_assume!(rebuilt.is_ok());
            let files = history.files[..half].to_vec();
            let records = history.records.iter().filter(|record| record.file < half).cloned().collect();
            let bad = history.bad.iter().filter(|bad| bad.file < half).cloned().collect();
            let before = History { files, records, bad, ..history.clone() };
            let (mut wanted, silver) = shown(&world, &before);
            wanted.sort_unstable();
            assert_same("Silver made anew", &wanted, &silver);
        }
        history.files[half..].iter().for_each(|file| world.deliver(file));
        world.finish();
        let (mut wanted, silver) = shown(&world, &history);
        wanted.sort_unstable();
        assert_same("Silver", &wanted, &silver);
    }

    #[test]
    fn late_files_leave_newer_changes_alone_whatever_their_keys_become(plan in plan()) {
        let (history, settings, world) = plan.begin();
        let mut rng = StdRng::seed_from_u64(plan.seed);
        let mut waiting: Vec<usize> = (0..history.files.len()).collect();
        for (arriving, crash_at) in &plan.lives {
            for _ in 0..*arriving {
                if !waiting.is_empty() {
                    let last = if rng.random_bool(0.6) { 0 } else { waiting.len() - 1 };
                    let file = waiting.remove(rng.random_range(0..=last));
                    world.deliver(&history.files[file]);
                }
            }
            world.run(&weather(*crash_at));
        }
        waiting.into_iter().for_each(|file| world.deliver(&history.files[file]));
        world.finish();
        assert_exact(&world, &history, &settings);
    }
}
