//! The one table that a command is about.

use sluice_lake::{Lake, LakeTable, Role};
use sluice_pipeline::LaneSettings;

use crate::config::{Config, nearest};
use crate::services::{Machine, StartError};

/// How many names an error lists.
const LISTED: usize = 10;

/// A table that a person named, with what is needed to look at it.
pub(crate) struct Target {
    pub machine: Machine,
    pub lane: LaneSettings,
    pub lake: Lake,
}

impl Target {
    /// Finds the table of this name among the configured ones, or those of the source where all are taken.
    pub async fn find(config: &Config, name: &str) -> Result<Self, StartError> {
        let machine = Machine::new(config)?;
        let lanes = machine.lanes(config).await?;
        let names: Vec<String> = lanes.iter().map(|lane| lane.table.to_string()).collect();
        let Some(lane) = lanes.into_iter().find(|lane| lane.table.to_string() == name) else {
            return Err(StartError::Asked(unknown(name, &names)));
        };
        let Some(lake) = machine.existing_lake(config)? else {
            return Err(Self::nothing_yet(config));
        };
        Ok(Self { machine, lane, lake })
    }

    /// The error where there is no lake yet.
    pub fn nothing_yet(config: &Config) -> StartError {
        StartError::Asked(format!(
            "nothing has been taken in yet (there is no catalog at {}): run `sluice run` first",
            config.catalog.address()
        ))
    }

    /// The table's log; an error where nothing has been taken in.
    pub async fn bronze(&self) -> Result<LakeTable, StartError> {
        let table = self.lake.open(&self.lane.bronze, Role::Reader).await?;
        table.ok_or_else(|| {
            StartError::Asked(format!("nothing of {} has been taken in yet: run `sluice run` first", self.lane.table))
        })
    }
}

/// What is said of a name that no table has.
pub(crate) fn unknown(name: &str, names: &[String]) -> String {
    let known: Vec<&str> = names.iter().map(String::as_str).collect();
    let advice = match nearest(name, &known) {
        Some(near) => format!("did you mean `{near}`?"),
        None if names.is_empty() => "no tables are configured, and the source holds none".to_owned(),
        None if names.len() > LISTED => {
            format!("the tables are {}, … ({} in all)", names[..LISTED].join(", "), names.len())
        }
        None => format!("the tables are {}", names.join(", ")),
    };
    format!("there is no table `{name}` in the configuration; {advice}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_misspelt_name_gets_the_nearest_one_and_a_strange_one_the_list() {
        let names = ["shop.orders".to_owned(), "shop.customers".to_owned()];
        assert!(unknown("shop.order", &names).contains("did you mean `shop.orders`?"));
        assert!(unknown("x", &names).contains("the tables are shop.orders, shop.customers"));
        assert!(unknown("x", &[]).contains("holds none"));
    }
}
