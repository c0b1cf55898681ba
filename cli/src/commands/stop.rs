//! `stop`: ends a machine that is hosted here.

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::args::Stop;
use crate::failure::Failure;
use crate::home;
use crate::out;
use crate::running;

/// In which it has ended, and how often it is looked.
const PATIENCE: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(50);

/// Tells its command to end, and waits for it.
pub fn run(arguments: &Stop) -> Result<ExitCode, Failure> {
    let machines = running::folder(&home::root()?);
    let found = running::running(&machines, arguments.machine)?;
    let number = found.about.process;
    let failed = |why: String| Failure::NotStopped(number, why);
    let process = i32::try_from(number).ok().and_then(Pid::from_raw);
    let process = process.ok_or_else(|| failed("its number is none".into()))?;
    kill_process(process, Signal::TERM).map_err(|error| failed(error.to_string()))?;
    let began = Instant::now();
    while running::running(&machines, Some(number)).is_ok() {
        if began.elapsed() > PATIENCE {
            return Err(failed(format!("it was told to {} s ago", PATIENCE.as_secs())));
        }
        thread::sleep(LOOK);
    }
    out::put(&format!("Machine {number} has ended.\n"));
    Ok(ExitCode::SUCCESS)
}
