//! The `sluice` program: configuration, commands, progress.

mod args;
mod check;
pub mod config;
mod demo;
mod exit;
mod grid;
mod logging;
mod program;
mod progress;
mod run;
mod services;
mod status;
mod terminal;
mod words;

pub use exit::Exit;
pub use program::main;
