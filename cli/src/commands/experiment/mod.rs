//! `experiment`: the paper's experiments (§4) on the machine. Each prints what the paper
//! reports beside what it measured, and fails outside its bounds.

mod all;
pub mod attacks;
pub mod budgets;
mod checks;
mod connections;
pub mod cpu;
mod disk;
mod file_read;
pub mod filling;
mod floods;
pub mod memory;
pub mod pressure;
pub mod samples;
pub mod stage;
pub mod subactivities;
mod web;

use std::process::ExitCode;

use crate::args::{Experiment, Which};
use crate::failure::Failure;

/// Runs the one that was asked for.
pub fn run(arguments: &Experiment) -> Result<ExitCode, Failure> {
    match &arguments.which {
        Which::All(arguments) => all::run(arguments),
        Which::Attacks(arguments) => attacks::run(arguments),
        Which::Cpu(arguments) => cpu::run(arguments),
        Which::FileRead(arguments) => file_read::run(arguments),
        Which::Memory(arguments) => memory::run(arguments),
        Which::Disk(arguments) => disk::run(arguments),
        Which::Web(arguments) => web::run(arguments),
        Which::Floods(arguments) => floods::run(arguments),
        Which::Connections(arguments) => connections::run(arguments),
    }
}
