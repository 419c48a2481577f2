//! The index against a map, while it spills, merges, is closed and opened, is killed and is damaged.

mod crash;
mod faults;
mod large;
mod model;
mod rebuild;
