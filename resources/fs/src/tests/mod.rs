//! Files on a simulated disk: against a model, with errors, power cuts and little memory.

mod cached;
mod disk;
mod errors;
mod ext2;
mod fake;
mod kept;
mod model;
mod owing;
mod programs;
mod ram;
mod shares;
mod shown;
mod starved;
mod world;
