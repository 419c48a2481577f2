use std::path::Path;
use std::time::Duration;

use sluice_transform::builtin::Builtin;
use sluice_transform::{ComponentSettings, StepSettings};

use super::tests::{faults, parse, with};
use super::*;

const TABLE: &str = "[tables.'a.x']\nkey = ['id']\ncolumns = ['id long', 'email string', 'amount decimal(12,2)']\n";

/// The faults of a transform of a table whose columns are known, each without the file's name.
fn transform_faults(keys: &str) -> Vec<String> {
    let found = faults(&with(&format!("{TABLE}{keys}")));
    found.into_iter().map(|fault| fault.trim_start_matches("sluice.toml:").to_owned()).collect()
}

fn steps(keys: &str) -> Vec<StepSettings> {
    let config = parse(&with(&format!("{TABLE}{keys}"))).unwrap_or_else(|error| panic!("{error}"));
    config.lanes(&[]).unwrap().remove(0).transform.steps
}

/// A folder with a file that may pass for a component.
fn component(keys: &str) -> Result<ComponentSettings, String> {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mask.wasm"), "").unwrap();
    let text = with(&format!("{TABLE}transform = [{{ component = 'mask.wasm'{keys} }}]\n"));
    let environment = |name: &str| match name {
        "LAKE" => Some("/lake".to_owned()),
        "SECRET" => Some("hush".to_owned()),
        _ => None,
    };
    let config = Config::parse(Path::new("sluice.toml"), folder.path(), text, &environment);
    let config = config.map_err(|error| error.to_string())?;
    match config.lanes(&[]).unwrap().remove(0).transform.steps.remove(0) {
        StepSettings::Component(component) => {
            assert!(!format!("{config:?} {component:?}").contains("hush"));
            assert_eq!(component.path, folder.path().join("mask.wasm"));
            Ok(component)
        }
        StepSettings::Builtin(step) => panic!("{step:?}"),
    }
}

#[test]
fn steps_are_read_in_their_order_in_either_way_of_writing_them() {
    let inline = steps(
        "silver_key = ['key']\ntransform = [\n  { rename = { id = 'key' } },\n  { drop = ['email'] },\n\
         { cast = { amount = 'double' } },\n  { constant = { day = { type = 'date', value = '2026-01-31' }, n = 1 } },\n\
         { hash = { columns = ['key'], key = 'k', as = 'base64' } },\n  { mask = { columns = ['key'], keep_end = 4 } },\n\
         { filter = 'amount > 1 and n in (1, 2)' },\n]\n",
    );
    let names: Vec<&str> = inline.iter().map(StepSettings::name).collect();
    assert_eq!(names, ["rename", "drop", "cast", "constant", "hash", "mask", "filter"]);
    let tables =
        steps("[[tables.'a.x'.transform]]\nfilter = 'amount > 1'\n[[tables.'a.x'.transform]]\ndrop = ['email']\n");
    let names: Vec<&str> = tables.iter().map(StepSettings::name).collect();
    assert_eq!(names, ["filter", "drop"]);
}

#[test]
fn a_table_takes_the_steps_of_the_defaults_unless_it_has_its_own() {
    let text = format!(
        "[defaults]\ntransform = [{{ drop = ['email'] }}]\n{TABLE}[tables.'a.y']\nkey = ['id']\ntransform = []\n\
         [tables.'a.log']\n"
    );
    let lanes = parse(&with(&text)).unwrap().lanes(&[]).unwrap();
    let counts: Vec<usize> = lanes.iter().map(|lane| lane.transform.steps.len()).collect();
    assert_eq!(counts, [1, 1, 0]);
}

#[test]
fn a_component_has_its_settings_as_json_and_its_limits() {
    let plain = component("").unwrap();
    assert_eq!((plain.name.as_str(), plain.settings.reveal()), ("mask.wasm", "{}"));
    assert_eq!(plain.limits, sluice_transform::ComponentLimits::default());
    // That of the empty file which stands for the component.
    let digest = "E3B0C44298FC1C149AFBF4C8996FB92427AE41E4649B934CA495991B7852B855";
    let full = component(&format!(
        ", settings = {{ key = '${{SECRET}}', list = [1, 2.5, true, {{ a = 'b' }}], day = 2026-01-31 }}, \
         sha256 = 'sha256:{digest}', memory = '64MiB', fuel_per_row = 1_000, deadline = '2s', max_output = '1MiB', \
         max_failed_share = 0, check_determinism = 0.5"
    ))
    .unwrap();
    let json: serde_json::Value = serde_json::from_str(full.settings.reveal()).unwrap();
    let wanted = serde_json::json!({ "key": "hush", "list": [1, 2.5, true, { "a": "b" }], "day": "2026-01-31" });
    assert_eq!(json, wanted);
    assert_eq!(full.sha256, Some(digest.to_ascii_lowercase()));
    assert_eq!((full.limits.memory_bytes, full.limits.fuel_per_row), (64 << 20, Some(1_000)));
    assert_eq!((full.limits.deadline, full.limits.max_output_bytes), (Duration::from_secs(2), 1 << 20));
    assert_eq!((full.limits.max_failed_share, full.limits.check_determinism), (0.0, 0.5));
    for (keys, words) in [
        (", sha256 = 'abc'", "64 hexadecimal digits"),
        (&format!(", sha256 = '{}'", "ab".repeat(32)), "mask.wasm is e3b0c44298fc"),
        (", memory = '1KiB'", "too little"),
        (", fuel_per_row = 0", "without fuel"),
        (", deadline = '0'", "longer than nothing"),
        (", max_failed_share = 1.5", "between 0 and 1"),
        (", settings = { n = inf }", "no number that JSON has"),
        (", settings = 3", "must be a table"),
    ] {
        let error = component(keys).unwrap_err();
        assert!(error.contains(words), "{keys}: {error}");
    }
}

#[test]
fn steps_that_cannot_be_are_told_with_their_places() {
    for (keys, wanted) in [
        ("transform = [{}]\n", "6:14: table `a.x`: a step of `transform` has exactly one of"),
        ("transform = [{ drop = ['email'], filter = 'id = 1' }]\n", "6:14: table `a.x`: a step of `transform` has"),
        (
            "transform = [{ drp = ['email'] }]\n",
            "6:16: unknown key `drp` in [tables.\"a.x\".transform]; did you mean `drop`?",
        ),
        ("transform = [{ drop = ['email'], memory = '2MiB' }]\n", "6:43: table `a.x`: `transform`: `memory` goes with"),
        ("transform = [{ drop = ['mail'] }]\n", "6:23: table `a.x`: `transform`: `drop`: there is no column `mail`"),
        (
            "transform = [{ drop = ['id'] }]\n",
            "6:23: table `a.x`: `transform`: `drop` changes the key column `id`: name",
        ),
        (
            "transform = [{ cast = { amount = 'dec' } }]\n",
            "6:34: `tables.\"a.x\".transform.cast.amount`: `dec` is not a",
        ),
        (
            "transform = [{ filter = \"email = 3\" }]\n",
            "6:34: table `a.x`: `transform`: `filter`: the column is string",
        ),
        ("transform = [{ filter = \"email ~ 3\" }]\n", "6:32: table `a.x`: `transform`: `filter`: `~` has no meaning"),
        (
            "transform = [{ component = 'no.wasm' }]\n",
            "6:28: table `a.x`: `transform`: there is no component /etc/sluice/no.wasm",
        ),
        (
            "transform = [{ mask = { columns = ['email'], fill = '' } }]\n",
            "6:53: table `a.x`: `transform`: `mask.fill`",
        ),
        ("transform = [{ hash = { columns = ['email'] } }]\n", "6:23: table `a.x`: `transform`: `hash.key` is missing"),
        (
            "transform = [{ constant = { day = { type = 'date', value = 'x' } } }]\n",
            "6:27: table `a.x`: `transform`: `constant`: the column `day`: `x` is no `date`",
        ),
        ("silver_key = ['id']\n", "6:14: table `a.x`: `silver_key` is Silver's key after a `transform`"),
        (
            "silver_key = ['mail']\ntransform = [{ drop = ['id'] }]\n",
            "6:14: table `a.x`: `silver_key`: no column `mail` comes out of the transform; did you mean `email`?",
        ),
        (
            "transform = [{ drop = ['email'] }]\nsilver_partition = ['email']\n",
            "7:20: table `a.x`: Silver cannot be partitioned",
        ),
    ] {
        let found = transform_faults(keys);
        assert!(found.iter().any(|fault| fault.starts_with(wanted)), "{keys}: {found:?}");
    }
    let found = faults(&with("[tables.'a.x']\ntransform = [{ drop = ['a'] }]\n"));
    assert!(found[0].contains("declare `key`"), "{found:?}");
}

#[test]
fn a_key_of_hashes_is_not_shown() {
    let steps = steps("transform = [{ hash = { columns = ['email'], key = 'hush' } }]\n");
    let StepSettings::Builtin(Builtin::Hash(hash)) = &steps[0] else { panic!("{steps:?}") };
    assert_eq!(hash.key.reveal(), "hush");
    assert!(!format!("{steps:?}").contains("hush"));
}
