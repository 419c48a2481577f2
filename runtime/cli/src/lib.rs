//! The `sluice` program: configuration, commands, progress.

mod args;
mod check;
mod components;
pub mod config;
mod demo;
mod discover;
mod exit;
mod files;
mod grid;
mod history;
mod logging;
mod maintain;
mod outputs;
mod plugin;
mod program;
mod progress;
mod rebuild;
mod rejects;
mod run;
mod sampling;
mod schemas;
mod services;
mod signals;
mod standing;
mod status;
mod target;
mod terminal;
mod value;
mod verify;
mod words;

pub use exit::Exit;
pub use program::main;
