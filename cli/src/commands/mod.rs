//! The subcommands, a file each.

mod bench;
mod booted;
mod check;
mod completions;
mod exec;
mod experiment;
mod fuzz;
mod image;
mod logs;
mod mutants;
mod run;
mod set;
mod simulate;
mod stop;
mod test;
mod top;
mod trace;

use std::process::ExitCode;

pub use bench::cost;
pub use experiment::attacks::attacks;
pub use experiment::budgets::budgets;
pub use experiment::cpu::ledger;
pub use experiment::filling::filling;
pub use experiment::memory::neighbours;
pub use experiment::pressure::pressure;
pub use experiment::subactivities::subactivities;
pub use experiment::{samples, stage};
pub use run::Door;
pub use run::built_in;
pub use trace::record;

use crate::args::Command;
use crate::failure::Failure;

/// Does what was asked.
pub fn dispatch(command: Command) -> Result<ExitCode, Failure> {
    match command {
        Command::Completions(arguments) => completions::run(&arguments),
        Command::Check(arguments) => check::run(&arguments),
        Command::Simulate(arguments) => simulate::run(&arguments),
        Command::Test(arguments) => test::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Booted(arguments) => booted::run(&arguments),
        Command::Fuzz(arguments) => fuzz::run(&arguments),
        Command::Mutants(arguments) => mutants::run(&arguments),
        Command::Run(arguments) => run::run(&arguments),
        Command::Top(arguments) => top::run(&arguments),
        Command::Logs(arguments) => logs::run(&arguments),
        Command::Exec(arguments) => exec::run(&arguments),
        Command::Set(arguments) => set::run(&arguments),
        Command::Trace(arguments) => trace::run(&arguments),
        Command::Stop(arguments) => stop::run(&arguments),
        Command::Image(arguments) => image::run(&arguments),
        Command::Experiment(arguments) => experiment::run(&arguments),
    }
}
