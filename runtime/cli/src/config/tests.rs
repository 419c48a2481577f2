use std::path::Path;
use std::time::Duration;

use sluice_change::{SchemaPolicy, TableName, WhenAdded, WhenWidened};
use sluice_lake::FormatVersion;

use super::*;

pub(super) fn parse(text: &str) -> Result<Config, ConfigError> {
    let environment = |name: &str| (name == "LAKE").then(|| "/lake".to_owned());
    Config::parse(Path::new("sluice.toml"), Path::new("/etc/sluice"), text.to_owned(), &environment)
}

/// The faults of a configuration, as a person reads them.
pub(super) fn faults(text: &str) -> Vec<String> {
    parse(text).unwrap_err().to_string().lines().map(str::to_owned).collect()
}

const SMALLEST: &str = "source.location = 'dms'\nlake.warehouse = '${LAKE}'\n";

pub(super) fn with(more: &str) -> String {
    format!("{SMALLEST}{more}")
}

#[test]
fn the_smallest_configuration_is_three_lines() {
    let config = parse(&with("tables.'public.orders' = { key = ['id'] }")).unwrap();
    assert_eq!(config.source_location, "file:///etc/sluice/dms");
    assert_eq!(config.warehouse, "file:///lake");
    assert_eq!(config.catalog.shown(), "/lake/catalog.db (sluice)");
    assert_eq!(config.process, ProcessSettings::default());
    let lanes = config.lanes(&[]).unwrap();
    assert_eq!(lanes.len(), 1);
    let lane = &lanes[0];
    assert_eq!(lane.bronze.to_string(), "bronze.public_orders");
    assert_eq!(lane.silver.to_string(), "silver.public_orders");
    assert_eq!(lane.rejects.to_string(), "dead_letters.public_orders");
    assert_eq!(lane.bronze_partition[0].to_string(), "day(_commit_ts)");
    assert_eq!(lane.format_version, FormatVersion::V3);
    assert!(!lane.guess_types);
}

/// The faults of a `[lake.catalog]`, each without the file's name.
fn catalog_faults(catalog: &str) -> Vec<String> {
    let found = faults(&with(&format!("tables.'a.x' = {{ key = ['id'] }}\n[lake.catalog]\n{catalog}")));
    found.into_iter().map(|fault| fault.trim_start_matches("sluice.toml:").to_owned()).collect()
}

#[test]
fn a_rest_catalog_has_its_address_and_says_who_asks() {
    let catalog = "uri = 'https://lake.example.com/api/'\nwarehouse = 'prod'\ncredential = 'me:s3cr3t'\nscope = 'x'\n\
                   headers = { x-team = 'hush' }\nrequest_timeout = '5s'\n";
    let config = parse(&with(&format!("tables.'a.x' = {{ key = ['id'] }}\n[lake.catalog]\n{catalog}"))).unwrap();
    assert_eq!(config.catalog.shown(), "https://lake.example.com/api (prod)");
    let CatalogChoice::Rest { settings, sigv4: None } = &config.catalog else { panic!("{:?}", config.catalog) };
    assert_eq!(settings.request_timeout, Duration::from_secs(5));
    assert_eq!(settings.connect_timeout, Duration::from_secs(10));
    let shown = format!("{settings:?}");
    assert!(shown.contains("scope: \"x\"") && !shown.contains("s3cr3t") && !shown.contains("hush"), "{shown}");
}

#[test]
fn a_rest_catalog_may_be_signed_for() {
    let catalog =
        "type = 'rest'\nuri = 'https://glue.eu-west-1.amazonaws.com/iceberg'\nsigv4 = { region = 'eu-west-1' }\n";
    let config = parse(&with(&format!("tables.'a.x' = {{ key = ['id'] }}\n[lake.catalog]\n{catalog}"))).unwrap();
    let CatalogChoice::Rest { sigv4: Some(sigv4), .. } = &config.catalog else { panic!("{:?}", config.catalog) };
    assert_eq!((sigv4.region.as_str(), sigv4.service.as_str()), ("eu-west-1", "glue"));
    let found = catalog_faults("uri = 'http://x'\ntoken = 't'\nsigv4 = { service = 'glue' }\n");
    assert!(found[0].starts_with("7:9: `lake.catalog.sigv4` signs with Amazon's credentials"), "{found:?}");
    assert!(found[1].starts_with("7:9: `lake.catalog.sigv4.region` is missing"), "{found:?}");
}

#[test]
fn keys_of_the_other_kind_of_catalog_are_refused_with_advice() {
    let found = catalog_faults("type = 'sqlite'\nuri = 'http://x'\nscope = 's'\ntoken = 't'\n");
    assert_eq!(found[0], "6:7: `lake.catalog.uri` is for `type = \"rest\"`: set that, or remove the key");
    assert_eq!(found.len(), 3);
    let found = catalog_faults("type = 'rest'\npath = 'x.db'\nscope = 's'\n");
    assert!(found[0].starts_with("5:8: `lake.catalog.uri` is missing"), "{found:?}");
    assert!(found[1].starts_with("6:8: `lake.catalog.path` is for `type = \"sqlite\"`"), "{found:?}");
    assert!(found[2].starts_with("7:9: `lake.catalog.scope` has no use without `credential`"), "{found:?}");
    let found = catalog_faults("type = 'glue'\n");
    assert!(found[0].ends_with("there is no catalog of type `glue`: use \"sqlite\" or \"rest\""), "{found:?}");
}

#[test]
fn addresses_and_secrets_of_a_rest_catalog_are_checked() {
    for (uri, wanted) in [
        ("lake.example.com", "is no address"),
        ("https://", "is no address"),
        ("https://me:pw@lake", "holds a name or password"),
        ("https://lake/?x=1", "must end with its path"),
        ("https://lake/v1/", "ends with `/v1`"),
    ] {
        let found = catalog_faults(&format!("uri = '{uri}'\n"));
        assert!(found.len() == 1 && found[0].starts_with("5:7: ") && found[0].contains(wanted), "{uri}: {found:?}");
    }
    let found = catalog_faults("uri = 'http://x'\ntoken = 'a'\ncredential = ':'\nconnect_timeout = '0'\n");
    assert!(found[0].starts_with("6:9: `lake.catalog` has both `token` and `credential`"), "{found:?}");
    assert!(found[1].starts_with("7:14: `lake.catalog.credential` is empty"), "{found:?}");
    assert!(found[2].starts_with("8:19: `lake.catalog.connect_timeout` must be longer"), "{found:?}");
    let found = catalog_faults("uri = 'http://x'\nheaders = { 'a b' = 'x', Authorization = 'y' }\n");
    assert!(found.len() == 2 && found.iter().all(|fault| fault.starts_with("6:11: ")), "{found:?}");
}

#[test]
fn a_table_overrides_the_defaults_key_by_key() {
    let config = parse(&with(
        "[defaults]\nformat_version = 2\nbatch = { max_rows = 10, max_wait = '3s' }\nsilver = 'gold.{table}'\n\
         [tables.'a.x']\nbatch.max_rows = 20\ncolumns = ['id long', 'price decimal(12,2)']\nkey = ['id']\n\
         [tables.'a.y']\nsilver = 'other.y'\nformat_version = 3\n",
    ))
    .unwrap();
    let lanes = config.lanes(&[]).unwrap();
    assert_eq!((lanes[0].batch.max_rows, lanes[0].batch.max_wait), (20, Duration::from_secs(3)));
    assert_eq!((lanes[1].batch.max_rows, lanes[1].format_version), (10, FormatVersion::V3));
    assert_eq!(lanes[0].silver.to_string(), "gold.x");
    assert_eq!(lanes[1].silver.to_string(), "other.y");
    assert_eq!(lanes[0].declared.columns.len(), 2);
}

#[test]
fn files_of_a_table_are_described_by_the_table_then_the_defaults_then_the_source() {
    let config = parse(
        "source = { location = 'dms', timestamp_column = 'ts', before_image_prefix = 'BI_', csv = { null = ['NULL'], header = true } }\n\
         lake.warehouse = 'lake'\n[tables.'a.x']\ntimestamp_column = ''\ncsv.header = false\n[tables.'a.y']\n",
    )
    .unwrap();
    let of = |name: &str| config.files_of(Some(&name.parse().unwrap()));
    assert_eq!(of("a.x").timestamp_column, None);
    assert_eq!(of("a.y").timestamp_column.as_deref(), Some("ts"));
    assert_eq!(of("a.x").before_image_prefix.as_deref(), Some("BI_"));
    assert_eq!((of("a.x").csv.header, of("a.y").csv.header), (Some(Presence::Absent), Some(Presence::Present)));
    assert_eq!(of("a.x").csv.null, Some(vec!["NULL".to_owned()]));
}

#[test]
fn unknown_keys_are_refused_with_a_suggestion_and_their_place() {
    let text = with("[proces]\nmemory = '1GiB'\n[tables.'a.x']\nkeys = ['id']\nbatch = { max_row = 1 }\nzzz = 1\n");
    let found = faults(&text);
    assert_eq!(found[0], "sluice.toml:3:2: unknown key `proces`; did you mean `process`?");
    assert_eq!(found[1], "sluice.toml:6:1: unknown key `keys` in [tables.\"a.x\"]; did you mean `key`?");
    assert_eq!(found[2], "sluice.toml:7:11: unknown key `max_row` in [tables.\"a.x\".batch]; did you mean `max_rows`?");
    assert!(found[3].starts_with("sluice.toml:8:1: unknown key `zzz` in [tables.\"a.x\"]; known here: key, columns,"));
}

#[test]
fn wrong_types_point_at_the_value() {
    let found = faults(&with(
        "process.memory = 5\nprocess.cpu_threads = 'many'\ntables.'a.x' = { key = 'id', infer_types = 1, csv.header = 'yes' }\n",
    ));
    assert_eq!(
        found,
        [
            "sluice.toml:3:18: `process.memory` must be a string, not an integer",
            "sluice.toml:4:23: `process.cpu_threads` must be an integer, not a string",
            "sluice.toml:5:24: `tables.\"a.x\".key` must be an array, not a string",
            "sluice.toml:5:44: `tables.\"a.x\".infer_types` must be true or false, not an integer",
            "sluice.toml:5:60: `tables.\"a.x\".csv.header` must be true, false or \"auto\", not a string",
        ]
    );
}

#[test]
fn values_that_cannot_be_read_say_how_to_write_them() {
    let found = faults(&with(
        "process = { memory = '1 cup', poll_interval = 'soon' }\n\
         tables.'a.x' = { columns = ['id bigint', 'n'], csv.delimiter = '||', format_version = 1 }\n",
    ));
    assert_eq!(
        found[..2],
        [
            "sluice.toml:3:22: `process.memory`: `1 cup` is not a size: write it as \"256MiB\", \"64MB\" or \"4096\"",
            "sluice.toml:3:47: `process.poll_interval`: `soon` is not a duration: write it as \"500ms\", \"20s\", \"5m\" or \"1h30m\"",
        ]
    );
    assert!(
        found[2].starts_with("sluice.toml:4:29: `tables.\"a.x\".columns`: column `id`: `bigint` is not a column type")
    );
    assert!(found[2].ends_with("did you mean `long`?"));
    assert!(found[3].contains("`n` is not a column"));
    assert!(found[4].contains("`||` cannot be used: give one ASCII character"));
}

#[test]
fn key_indexes_get_no_more_than_the_process_has() {
    let of = |process: &str| with(&format!("process = {{ {process} }}\ntables.'a.x' = {{ key = ['id'] }}\n"));
    assert_eq!(
        faults(&of("memory = '64MiB', index_memory = '65MiB'")),
        ["sluice.toml:3:46: `process.index_memory` is a part of `process.memory` and cannot be more than that"]
    );
    assert!(parse(&of("memory = '64MiB', index_memory = '64MiB'")).is_ok());
}

#[test]
fn what_is_missing_is_named() {
    assert_eq!(
        faults("[source]\n"),
        [
            "sluice.toml:1:1: `source.location` is missing: give the folder that DMS writes to",
            "sluice.toml:1:1: `lake.warehouse` is missing: give the folder in which the tables are to live",
            "sluice.toml:1:1: no table is configured: add [tables.\"schema.table\"], or set `source.tables = \"all\"`",
        ]
    );
}

#[test]
fn keys_must_be_among_the_columns_and_named_once() {
    let found = faults(&with(
        "[tables.'a.x']\nkey = ['order_no', 'order_no']\ncolumns = ['order_nr long', 'b int', 'b int']\n[tables.'a.y']\nkey = ['id', 'id']\n",
    ));
    assert_eq!(
        found,
        [
            "sluice.toml:4:7: table `a.x`: key column `order_no` is named twice",
            "sluice.toml:4:7: table `a.x`: key column `order_no` is not among its columns; did you mean `order_nr`?",
            "sluice.toml:5:11: table `a.x`: column `b` is declared twice",
            "sluice.toml:7:7: table `a.y`: key column `id` is named twice",
        ]
    );
}

#[test]
fn two_tables_cannot_write_to_one_lake_table() {
    let found = faults(&with("[tables.'a.b_c']\n[tables.'a_b.c']\n[tables.'a.z']\nsilver = 'bronze.a_z'\n"));
    assert_eq!(found.len(), 4);
    assert!(found[0].starts_with(
        "sluice.toml:4:9: table `a_b.c`: its Bronze would go to `bronze.a_b_c`, which is the Bronze of `a.b_c` already"
    ));
    assert!(found[3].contains("its Silver would go to `bronze.a_z`, which is the Bronze of `a.z` already"));
}

#[test]
fn names_and_partitions_are_checked() {
    let found = faults(&with(
        "[tables.'a.x']\nbronze = 'bronze.{db}'\nsilver = 'plain'\nbronze_partition = ['week(_commit_ts)']\n\
         columns = ['id int']\nsilver_partition = ['country']\n[tables.a]\nx.key = ['id']\n",
    ));
    assert!(found[0].contains("[tables.\"public.orders\"]"), "{found:?}");
    let found = faults(&with(
        "[tables.'a.x']\nbronze = 'bronze.{db}'\nsilver = 'plain'\nbronze_partition = ['week(_commit_ts)']\n\
         columns = ['id int']\nsilver_partition = ['country']\nformat_version = 4\n",
    ));
    assert_eq!(found.len(), 5, "{found:?}");
    assert!(found[0].contains("a name template knows `{schema}` and `{table}` only"));
    assert!(found[1].contains("`plain` is not a lake table"));
    assert!(found[2].contains("`week(_commit_ts)` is not a partition field"));
    assert!(found[3].contains("there is no column `country`"));
    assert!(found[4].contains("format version 4: use 2 or 3"));
}

#[test]
fn limits_that_stop_everything_are_refused() {
    let found = faults(&with("process = { memory = '1MiB', poll_interval = '0' }\ntables.'a.x' = {}\n"));
    assert_eq!(found.len(), 2, "{found:?}");
    let found = faults(&with(
        "process.memory = '32MiB'\n[tables.'a.x']\nbatch = { max_rows = 0, max_bytes = '64MiB' }\n\
         retry = { max_attempts = 0, first_wait = '2m' }\n",
    ));
    assert_eq!(found.len(), 4, "{found:?}");
}

#[test]
fn the_environment_is_taken_in_and_a_missing_variable_named() {
    assert_eq!(
        faults(&with("tables.'a.x' = { bronze = '${NOWHERE}.x', silver = '${NOWHERE:-silver}.x' }"))[0],
        "sluice.toml:3:27: `tables.\"a.x\".bronze`: the environment variable `NOWHERE` is not set; set it, or write \
         `${NOWHERE:-otherwise}`"
    );
    let config = parse(&with("tables.'a.x' = { timestamp_column = '$${x}', silver = '${NOWHERE:-gold}.x' }")).unwrap();
    assert_eq!(config.files_of(Some(&"a.x".parse().unwrap())).timestamp_column.as_deref(), Some("${x}"));
    assert_eq!(config.lanes(&[]).unwrap()[0].silver.to_string(), "gold.x");
}

#[test]
fn broken_toml_is_reported_with_its_place() {
    let found = faults("[source\nlocation = 'x'\n");
    assert!(found[0].starts_with("sluice.toml:1:"), "{found:?}");
    assert!(faults(&with("a = 1\na = 2\n"))[0].contains("duplicate key"));
}

#[test]
fn all_tables_are_taken_when_asked_for() {
    let found: Vec<TableName> = vec!["a.x".parse().unwrap(), "a.y".parse().unwrap()];
    let only = parse(&with("tables.'a.x' = { key = ['id'] }")).unwrap();
    assert_eq!(only.lanes(&found).unwrap().len(), 1);
    let all = parse(&with("source.tables = 'all'\ntables.'a.x' = { key = ['id'] }")).unwrap();
    let lanes = all.lanes(&found).unwrap();
    assert_eq!(lanes.len(), 2);
    assert!(lanes[1].declared.key.is_empty());
}

#[test]
fn small_memory_makes_small_batches() {
    let config = parse(&with("process.memory = '32MiB'\ntables.'a.x' = {}")).unwrap();
    assert_eq!(config.lanes(&[]).unwrap()[0].batch.max_bytes, 16 << 20);
}

#[test]
fn a_file_that_is_not_there_says_what_to_do() {
    let error = Config::load(Path::new("/nowhere/sluice.toml")).unwrap_err();
    assert!(error.to_string().contains("--config"));
}

#[test]
fn schemas_may_follow_within_a_policy_and_renames_name_what_is_there() {
    let config = parse(&with(
        "[defaults]\nschema.added = 'ignore'\nrename = { a = 'b' }\n\
         [tables.'s.t']\nkey = ['id']\nschema.widened = 'refuse'\nrename = { old = 'id' }\ncsv.not_sent = 'NOSUP'\n",
    ))
    .unwrap();
    let lane = &config.lanes(&[]).unwrap()[0];
    assert_eq!(lane.schema, SchemaPolicy { added: WhenAdded::Ignore, widened: WhenWidened::Refuse });
    let renames: Vec<(&str, &str)> = lane.renames.iter().map(|(from, to)| (from.as_str(), to.as_str())).collect();
    assert_eq!(renames, [("a", "b"), ("old", "id")]);

    let faults = faults(&with(
        "[tables.'s.t']\nkey = ['old']\nschema = { added = 'maybe' }\ncsv.not_sent = 'NULL'\n\
         rename = { old = 'new', new = 'newest', x = 'y', z = 'y', same = 'same' }\n",
    ));
    let words = "`maybe` is no choice: use \"add\", \"ignore\" or \"refuse\"";
    assert!(faults.iter().any(|fault| fault.contains(words)), "{faults:?}");
    let faults = parse(&with(
        "[tables.'s.t']\nkey = ['old']\ncsv.not_sent = 'NULL'\n\
         rename = { old = 'new', new = 'newest', x = 'y', z = 'y', same = 'same' }\n",
    ));
    let faults = faults.unwrap_err().to_string();
    for words in [
        "`old` becomes `new`, which is renamed itself",
        "two columns become `y`",
        "column `same` needs a new name",
        "`key` names `old`; name it `new` there",
        "`csv.not_sent` is `NULL`",
    ] {
        assert!(faults.contains(words), "{words}: {faults}");
    }
}

#[test]
fn the_committed_json_schema_is_current() {
    let committed: serde_json::Value =
        serde_json::from_str(include_str!("../../../../docs/sluice.schema.json")).unwrap();
    assert!(committed == json_schema(), "write it anew: cargo run -- schema > docs/sluice.schema.json");
}

/// The names of all keys, at any depth of the schema.
fn keys(schema: &serde_json::Value, found: &mut std::collections::BTreeSet<String>) {
    match schema {
        serde_json::Value::Object(object) => {
            if let Some(serde_json::Value::Object(properties)) = object.get("properties") {
                found.extend(properties.keys().cloned());
            }
            object.values().for_each(|value| keys(value, found));
        }
        serde_json::Value::Array(items) => items.iter().for_each(|value| keys(value, found)),
        _ => {}
    }
}

#[test]
fn every_key_is_documented() {
    let mut found = std::collections::BTreeSet::new();
    keys(&json_schema(), &mut found);
    assert!(found.len() > 35, "{found:?}");
    let guide = include_str!("../../../../docs/configuration.md");
    for key in found {
        let documented = [format!("`{key}`"), format!(".{key}]`"), format!("`[{key}]`"), format!("`[{key}.")];
        assert!(documented.iter().any(|way| guide.contains(way)), "`{key}` is not in the guide");
    }
}

#[test]
fn the_samples_configuration_is_right() {
    let text = include_str!("../../../../sample/sluice.toml");
    let lanes = parse(text).unwrap().lanes(&[]).unwrap();
    assert_eq!(lanes.len(), 4);
}
