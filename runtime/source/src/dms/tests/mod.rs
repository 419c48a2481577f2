//! The source as a whole, over storages that can be made to fail.

mod describe;
mod fates;
mod faults;
mod fixture;
mod growing;
mod mixed;
mod order;
mod reload;
mod resume;
