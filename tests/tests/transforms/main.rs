//! Transforms between Bronze and Silver: random histories through random chains of built-in steps, cut into lives by
//! crashes, come out as a fold of the changes that were shaped one by one; and what the program says and does about them.
//! Components that break every rule spoil nothing but their own rows.

mod components;
/// The components written by hand of the host's own tests.
#[path = "../../../runtime/transform/tests/hostile/guest.rs"]
mod guest;
mod model;
mod program;
mod properties;
mod steps;
