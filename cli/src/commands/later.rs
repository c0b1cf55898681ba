//! `run` where there is no kernel: it says so, and what there is instead.

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
