//! `sluice demo`: the sample goes in, full load first, then the changes, and what came of it is shown.

mod look;
mod sample;

use std::fmt::Write;
use std::path::{Path, PathBuf};

use crate::config::{CatalogChoice, Config};
use crate::exit::Exit;
use crate::grid::Grid;
use crate::outputs::Outputs;
use crate::run;
use crate::services::StartError;
use crate::words;
use look::Look;

/// The Silver table of which rows are shown, the columns shown, and the keys that the changes do something special to.
const SHOWN_TABLE: &str = "shop.customers";
const SHOWN_COLUMNS: [&str; 4] = ["id", "name", "city", "note"];
const SHOWN_KEYS: [i64; 4] = [1004, 1010, 1017, 2004];

/// Makes the sample lake below `folder` and shows it.
pub(crate) async fn command(folder: &Path, outputs: &Outputs) -> Result<Exit, StartError> {
    let failed = |source| StartError::Sample { path: folder.to_owned(), source };
    sample::unpack(folder, &sample::CONFIGURATION).map_err(failed)?;
    let config = Config::load(&folder.join("sluice.toml"))?;
    let say = |text: &str| outputs.terminal.say(text);

    let again = sample::CHANGES.iter().any(|file| folder.join(file.path).exists());
    sample::unpack(folder, &sample::FULL_LOAD).map_err(failed)?;
    let dms = folder.join("dms");
    say(&match again {
        false => format!(
            "1. The full load of {} goes in. One of its records cannot be taken in exactly and becomes a dead letter.\n",
            dms.display()
        ),
        true => format!(
            "1. {} holds the whole sample from an earlier demo: what has not gone in goes in. (Another folder with --dir \
             shows the full load and the changes one after the other.)\n",
            dms.display()
        ),
    });
    let loaded = run::take_in(&config, true, outputs).await?;
    say(&run::render(&loaded));
    let before = Look::at(&config).await?;

    sample::unpack(folder, &sample::CHANGES).map_err(failed)?;
    if !again {
        say(
            "\n2. The changes go in: inserts, updates, deletes, changed keys, and another record that becomes a dead letter.\n",
        );
    }
    let changed = run::take_in(&config, true, outputs).await?;
    if !again {
        say(&run::render(&changed));
    }
    let after = Look::at(&config).await?;

    say(&format!("\n3. What is in the lake now.\n\n{}", tables(&after)));
    say(&format!("\nDead letters:\n\n{}", after.dead_letters.render()));
    if !again {
        say(&format!("\nSome rows of Silver of {SHOWN_TABLE}, after the full load:\n\n{}", before.rows.render()));
    }
    say(&format!(
        "\nThe same keys now (1004 has become 2004, 1010 was changed three times at one commit time, 1017 deleted):\n\n{}",
        after.rows.render()
    ));
    if again && loaded.lanes.iter().all(|lane| lane.committed.changes() == 0) {
        say("\nThe sample had gone in before; it did not go in twice.");
    }
    say(&format!("\n{}", how_to_query(&config, folder)));
    Ok(match Exit::of_run(&loaded, true) {
        Exit::Success => Exit::of_run(&changed, true),
        other => other,
    })
}

fn tables(look: &Look) -> String {
    let mut grid = Grid::new(&["source table", "Bronze", ">rows", "Silver", ">rows", "dead letters", ">rows"]);
    for table in &look.tables {
        let mut cells = vec![table.name.clone()];
        for (name, rows) in [&table.bronze, &table.silver, &table.dead_letters] {
            cells.extend([name.clone(), rows.map_or_else(|| "–".to_owned(), words::count)]);
        }
        grid.row(cells);
    }
    grid.render()
}

/// How other programs read what the demo made.
fn how_to_query(config: &Config, folder: &Path) -> String {
    // The demo's own configuration has the catalog in a file.
    let CatalogChoice::Sqlite { path, name } = &config.catalog else { return String::new() };
    let (catalog, warehouse) = (path.display(), &config.warehouse);
    let program = std::env::args_os().next().map_or_else(|| PathBuf::from("sluice"), PathBuf::from);
    let again = format!("{} --config {}", "status", folder.join("sluice.toml").display());
    let mut text = String::new();
    // Writing to a string does not fail.
    let _ = write!(
        text,
        r#"4. How to query it.

From Python (pip install 'pyiceberg[sql-sqlite,pyarrow]'):

    from pyiceberg.catalog import load_catalog
    catalog = load_catalog("{name}", type="sql", uri="sqlite:///{catalog}", warehouse="{warehouse}")
    print(catalog.load_table("silver.shop_customers").scan().to_arrow())

From Spark 4.1:

    spark-sql --packages org.apache.iceberg:iceberg-spark-runtime-4.1_2.13:1.12.0,org.xerial:sqlite-jdbc:3.50.3.0 \
      --conf spark.sql.catalog.{name}=org.apache.iceberg.spark.SparkCatalog \
      --conf spark.sql.catalog.{name}.type=jdbc \
      --conf spark.sql.catalog.{name}.uri=jdbc:sqlite:{catalog} \
      --conf spark.sql.catalog.{name}.jdbc.schema-version=V1 \
      --conf spark.sql.catalog.{name}.warehouse={warehouse} \
      -e 'SELECT status, count(*), sum(total) FROM {name}.silver.shop_orders GROUP BY status'

Where it stands: {program} {again}
"#,
        program = program.display(),
    );
    text
}

#[cfg(test)]
mod tests {
    use indicatif::MultiProgress;

    use super::*;
    use crate::terminal::Terminal;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn the_demo_makes_what_the_samples_readme_says_and_can_be_run_again() {
        let folder = tempfile::tempdir().unwrap();
        let outputs = Outputs { terminal: Terminal::silent(), progress: MultiProgress::new(), watched: false };
        for _ in 0..2 {
            assert_eq!(command(folder.path(), &outputs).await.unwrap(), Exit::Success);
            let config = Config::load(&folder.path().join("sluice.toml")).unwrap();
            let look = Look::at(&config).await.unwrap();
            let counts: Vec<String> = look
                .tables
                .iter()
                .map(|table| {
                    let rows = [&table.bronze, &table.silver, &table.dead_letters].map(|(_, rows)| rows.unwrap_or(0));
                    format!("| `{}` | {} | {} | {} |", table.name, rows[0], rows[1], rows[2])
                })
                .collect();
            let readme = include_str!("../../../../sample/README.md");
            for line in &counts {
                assert!(readme.contains(line), "{line} is not in sample/README.md");
            }
            assert_eq!(counts.len(), 4);
            let rows = look.rows.render();
            assert!(rows.contains("moved to Dublin") && rows.contains("2004"), "{rows}");
            assert!(!rows.contains("1004") && !rows.contains("1017"), "{rows}");
        }
    }
}
