//! Object storage, REST catalogs and queues as servers really answer, with the program and its crates on them.

mod connection_faults;
mod crash;
mod end_to_end;
mod notifications;
mod rest_catalog;
mod s3_storage;
mod sqs;
mod two_processes;

use serde_json::Value;
use sluice_tests::config::Scenario;
use sluice_tests::process::{Program, Running, exit};

fn program() -> Program {
    Program::new(env!("CARGO_BIN_EXE_sluice-under-test"))
}

/// Whether all tables of a scenario stand at what there is, as the process that works on it says.
fn is_caught_up(scenario: &Scenario) -> bool {
    let mut command = program().command(&["status", "--json", "--config"]);
    command.arg(scenario.config()).current_dir(scenario.path());
    let status = Running::start(command, scenario.path()).wait();
    assert_ne!(status.code, Some(exit::CONFIGURATION), "{}", status.stderr);
    let status: Value = serde_json::from_str(&status.stdout).unwrap_or_default();
    let tables = status["tables"].as_array().map(Vec::as_slice).unwrap_or_default();
    !tables.is_empty() && tables.iter().all(|table| table["state"] == "caught-up")
}
