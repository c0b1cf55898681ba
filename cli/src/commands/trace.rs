//! `trace`: what the cores of a machine that is hosted here run, and what causes what.

use std::fs::{self, File};
use std::io::{BufWriter, Write as _};
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use vortex_abi::performance::Sample;

use super::set::refused;
use crate::args::Trace as Arguments;
use crate::failure::Failure;
use crate::home;
use crate::human;
use crate::out;
use crate::running::{self, Secret};
use crate::trace::chrome;
use crate::trace::flame::Flame;
use crate::trace::{Core, Trace};
use crate::watch::{Monitor, Unheard};

/// A core that sleeps gives what it has recorded when it is asked, a moment later.
const SOON: Duration = Duration::from_millis(20);
/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// What the monitor says of what is not over yet.
const LATER: u16 = 503;

/// Records, and writes what was recorded.
pub fn run(arguments: &Arguments) -> Result<ExitCode, Failure> {
    let found = running::running(&running::folder(&home::root()?), arguments.machine)?;
    let port = found.monitor().ok_or(Failure::NoMonitor(found.about.process))?;
    let span = Duration::from_millis(arguments.milliseconds.into());
    let meanwhile = |_: &mut Monitor| {
        thread::sleep(span);
        Ok(())
    };
    let (trace, ()) = record(port, &found.secret()?, arguments.milliseconds, meanwhile)?;
    let mut said = summary(&trace, arguments.milliseconds);
    let file = chrome::file(&trace);
    write(&arguments.output, |to| Ok(serde_json::to_writer(to, &file)?))?;
    said += &format!(
        "Written to {}, with {} arrows from runs to what they caused: open it at \
         https://ui.perfetto.dev, or chrome://tracing.\n",
        arguments.output.display(),
        file.arrows
    );
    let flame = Flame::of(&trace);
    if let Some(path) = &arguments.flame {
        let heading = format!(
            "Machine {}, {}: {} ms",
            found.about.process,
            found.about.configuration.display(),
            arguments.milliseconds
        );
        fs::write(path, flame.svg(&heading))
            .map_err(|error| Failure::Unwritable(path.clone(), error))?;
        said += &format!("A flame graph is in {}: open it in a browser.\n", path.display());
    }
    if let Some(path) = &arguments.folded {
        fs::write(path, flame.folded())
            .map_err(|error| Failure::Unwritable(path.clone(), error))?;
        said += &format!(
            "Folded lines are in {}: speedscope and flamegraph.pl read them.\n",
            path.display()
        );
    }
    out::put(&said);
    Ok(ExitCode::SUCCESS)
}

fn write(
    path: &Path,
    to: impl FnOnce(&mut BufWriter<File>) -> Result<(), std::io::Error>,
) -> Result<(), Failure> {
    let wrong = |error| Failure::Unwritable(path.into(), error);
    let mut file = BufWriter::new(File::create(path).map_err(wrong)?);
    to(&mut file).and_then(|()| file.flush()).map_err(wrong)
}

/// Has the machine whose monitor is at this port record for so long, and takes all of it when
/// what is to be done meanwhile has been.
///
/// # Errors
/// [`Failure`]: what the monitor says, or that nothing is heard of it.
pub fn record<T>(
    port: u16,
    secret: &Secret,
    milliseconds: u32,
    meanwhile: impl FnOnce(&mut Monitor) -> Result<T, Failure>,
) -> Result<(Trace, T), Failure> {
    let mut monitor = Monitor::at(port);
    let sample = monitor.sample().map_err(|error| Failure::Unheard(error.to_string()))?;
    let text = milliseconds.to_string();
    monitor.order("/record", secret, &[("milliseconds", text.as_bytes())]).map_err(refused)?;
    let done = meanwhile(&mut monitor)?;
    let mut trace = Trace::default();
    for number in numbers(&sample) {
        let core = core(&mut monitor, secret, &mut trace, number)?;
        trace.cores.push(core);
    }
    Ok((trace, done))
}

fn numbers(sample: &Sample) -> Vec<u16> {
    sample.cores.iter().map(|core| core.number).collect()
}

/// Takes what a core has recorded, and has it freed.
fn core(
    monitor: &mut Monitor,
    secret: &Secret,
    trace: &mut Trace,
    number: u16,
) -> Result<Core, Failure> {
    let (name, began) = (number.to_string(), Instant::now());
    let mut core = Core::new(number);
    loop {
        let from = core.events.to_string();
        let fields = [("core", name.as_bytes()), ("from", from.as_bytes())];
        let bytes = match monitor.order_bytes("/recorded", secret, &fields) {
            Err(Unheard::Said(LATER, _)) if began.elapsed() < PATIENCE => {
                thread::sleep(SOON);
                continue;
            }
            other => other.map_err(refused)?,
        };
        // Behind the last event there is nothing, and it is freed, whether that is heard or not.
        let is_last = core.whole;
        let read = trace.take(&mut core, &bytes);
        read.map_err(|error| Failure::Unheard(Unheard::Sample(error).to_string()))?;
        if is_last || bytes.is_empty() {
            return Ok(core);
        }
    }
}

/// How much was recorded, and what not.
fn summary(trace: &Trace, milliseconds: u32) -> String {
    let slices: usize = trace.cores.iter().map(|core| core.slices.len()).sum();
    let cores = trace.cores.len();
    let (cores, runs) = (human::count(cores, "core", "cores"), human::grouped(slices as u64));
    let mut said = format!("Recorded {milliseconds} ms of {cores}: {runs} runs.\n");
    for core in trace.cores.iter().filter(|core| core.lost > 0) {
        said += &format!(
            "Core {} had room for {} only: {} of what followed are lost. A shorter --milliseconds \
             has all.\n",
            core.number,
            human::nanos(trace.recorded(core)),
            core.lost
        );
    }
    said
}
