//! `run` and `experiment`: what is not there yet says so, and what there is instead.

use std::process::ExitCode;

/// `./vortex run`.
pub fn run() -> ExitCode {
    eprintln!(
        "vortex: the kernel does not boot yet: its grid runs under simulation so far.\n\
         Try instead:\n\
         \x20 ./vortex simulate examples/paper-cpu.xml   the same schedulers and grid, virtual time\n\
         \x20 ./vortex check FILE                        what a configuration guarantees\n\
         docs/STATUS.md says what works and what comes next."
    );
    ExitCode::FAILURE
}

/// `./vortex experiment`.
pub fn experiment() -> ExitCode {
    eprintln!(
        "vortex: no experiment of the paper runs on the machine yet, as the kernel does not boot \
         yet.\n\
         In simulation there are the files of examples/ :\n\
         \x20 ./vortex simulate examples/paper-cpu.xml   the CPU shares of the paper: 50, 33, 17 %\n\
         docs/STATUS.md says what works and what comes next."
    );
    ExitCode::FAILURE
}
