//! `kill -9` of the process over S3 and a REST catalog, where a commit is a request whose answer may be lost.

use std::time::Duration;

use sluice_platform::failpoint;
use sluice_tests::generator::Shape;
use sluice_tests::life::Lives;
use sluice_tests::place::Place;

use crate::program;

/// Kills that are survived; more are asked for with `SLUICE_KILLS`.
const KILLS: usize = 25;
#[test]
fn kills_at_every_point_lose_nothing_and_double_nothing() {
    let Some(place) = Place::cloud("kills") else { return };
    let kills = std::env::var("SLUICE_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(KILLS);
    let shape = Shape { load_rows: 40, load_files: 1, changes: 360, change_files: 18, keys: 60, bad_share: 0.1 };
    let lives = Lives { place, poll_interval: "50ms", shape, longest: Duration::from_millis(1500) };
    let reached = lives.end_suddenly(&program(), failpoint::ALL, &[1], kills, 3);
    assert!(reached.values().all(|count| *count > 0), "some point was never reached: {reached:?}");
}
