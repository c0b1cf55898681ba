//! `experiment attacks`: two honest services beside one that storms the process interface
//! (§3.4). `experiments/attacks/README.md` says what it must show.

mod figures;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::samples;
use super::stage::{Stage, fill};
use crate::args::Attacks;
use crate::failure::Failure;
use crate::home;
use crate::machine::accelerator::{Accelerator, Wish};
use crate::machine::size::Cores;
use crate::out;
use crate::proof::{self, Verdict};
use crate::table::{Align, Table};
use figures::Figures;

const TEMPLATE: &str = "experiments/attacks/machine.xml";
/// What `services/attacks` knows.
pub const ATTACKS: [&str; 7] =
    ["forkbomb", THREADSTORM, "threadops", "signalstorm", "callstorm", OBJECTS, MEDDLE];
/// It hoards the kernel's objects, and says how it was refused.
const OBJECTS: &str = "objects";
/// As it should say.
const REFUSED: &str = "objects: files ENFILE, pipes ENFILE, mappings ENOMEM, signals EAGAIN";
/// It signals, limits and slows down processes of others.
const MEDDLE: &str = "meddle";
/// As it should say, and what it should not.
const KEPT_OUT: &str = "meddle: refused";
const LET: &str = "meddle: let";
/// Files and signals that the attacker may have then: so few that it is soon refused, also
/// on a slow machine.
const HOARD: u32 = 60;
/// Regions that it may have: more for ten thousand stacks.
const MAPPINGS: u32 = 150;
const MAPPINGS_FOR_THREADS: u32 = 60_000;
/// Its threads, and the seconds in which they are made on a machine that has nothing else to do.
const THREADSTORM: &str = "threadstorm";
const THREADS: u32 = 10_000;
const MUSTER: u32 = 25;
/// The same in the proof, and its samples.
const FEW_THREADS: u32 = 2_000;
const SHORT_MUSTER: u32 = 4;
const FEW_SECONDS: u32 = 2;
/// Seconds of a run beside its samples.
const AROUND: u32 = 3;

/// How much of an attack there is.
#[derive(Clone, Copy, Debug)]
struct Extent {
    /// Samples, one a second, after the first.
    seconds: u32,
    /// Threads that storm, and the seconds that their making needs.
    threads: u32,
    muster: u32,
}

/// Runs those that were asked for.
pub fn run(arguments: &Attacks) -> Result<ExitCode, Failure> {
    let host = std::thread::available_parallelism().map_or(1, usize::from);
    let host = u16::try_from(host).ok().and_then(Cores::new).unwrap_or(Cores::LEAST);
    let cores = arguments.cores.unwrap_or(host);
    let accelerator = Accelerator::choose(arguments.accel, false)?;
    let stage = Stage { accelerator, counted: false, cores };
    let chosen = |attack: &&&str| {
        arguments.only.is_empty() || arguments.only.iter().any(|only| only == **attack)
    };
    let extent = Extent { seconds: arguments.seconds, threads: THREADS, muster: MUSTER };
    let all = ATTACKS.iter().filter(chosen).map(|attack| measure(stage, attack, extent));
    let all = all.collect::<Result<Vec<_>, _>>()?;
    if arguments.json {
        out::put(&format!("{}\n", serde_json::to_string_pretty(&all)?));
    } else {
        out::put(&report(&all));
    }
    let good = all.iter().all(Figures::hold);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// As a part of the proof: in counted time on one core, so that what holds once holds always.
pub fn attacks(_: &Path, _: proof::Extent) -> Verdict {
    let accelerator = match Accelerator::choose(Wish::Tcg, true) {
        Ok(accelerator) => accelerator,
        Err(error) => return Verdict::NotRun(error.to_string()),
    };
    let stage = Stage { accelerator, counted: true, cores: Cores::LEAST };
    let extent = Extent { seconds: FEW_SECONDS, threads: FEW_THREADS, muster: SHORT_MUSTER };
    let all: Result<Vec<_>, _> =
        ATTACKS.iter().map(|attack| measure(stage, attack, extent)).collect();
    match all {
        Ok(all) if all.iter().all(Figures::hold) => {
            let off = all.iter().map(Figures::off).fold(0.0, f64::max);
            Verdict::Good(format!(
                "{} attacks on one core, counted: nobody is off by more than {off:.2} points",
                all.len()
            ))
        }
        Ok(all) => Verdict::Bad(report(&all)),
        Err(failure) => Verdict::Bad(failure.to_string()),
    }
}

/// One attack, to the machine's end: what the attacker has made is all gone then.
fn measure(stage: Stage, attack: &str, extent: Extent) -> Result<Figures, Failure> {
    let Extent { seconds, threads, muster } = extent;
    let path = home::root()?.join(TEMPLATE);
    let template =
        fs::read_to_string(&path).map_err(|error| Failure::Unreadable(path.clone(), error))?;
    eprintln!("vortex: {attack}: {} cores, {seconds} samples", stage.cores);
    // The neighbours come when all its threads are there: on its share it would need minutes.
    let after = if attack == THREADSTORM { muster } else { 0 };
    let values = [
        ("seconds", seconds + AROUND),
        ("samples", seconds + 1),
        ("storm", after + seconds + AROUND),
        ("after", after * 1000),
        ("warm", (after + 1) * 1000),
        ("threads", threads),
        ("hoard", HOARD),
        ("mappings", if attack == OBJECTS { MAPPINGS } else { MAPPINGS_FOR_THREADS }),
    ];
    let values = values.into_iter().collect();
    let config = fill(&template, stage.cores, &values).replace("{attack}", attack);
    // Counted time passes more slowly than the host's; and ten thousand threads are wound up as
    // slowly as they are made.
    let limit = Duration::from_secs(u64::from(2 * after + seconds + AROUND) * 6 + 60);
    let console = stage.run(&config, &["burn", "sampler", "attacks"], limit)?;
    let samples = samples::read(&console)?;
    if attack == OBJECTS && !console.lines().any(|line| line.trim() == REFUSED) {
        return Err(Failure::Unexpected("each limit to refuse as Linux does", console));
    }
    let kept_out = || console.lines().any(|line| line.trim() == KEPT_OUT) && !console.contains(LET);
    if attack == MEDDLE && !kept_out() {
        return Err(Failure::Unexpected("nobody to be let meddle with others", console));
    }
    if let Some(said) = console.lines().find(|line| line.contains(" threads of ")) {
        eprintln!("vortex: {attack}: {}", said.trim());
    }
    Figures::of(&samples, attack, stage.counted)
        .ok_or(Failure::Unexpected("samples of a machine at work", console))
}

fn report(all: &[Figures]) -> String {
    let mut text = String::from(
        "Attacks on the process interface (§3.4), the worst core of each, in per cent\n\n",
    );
    let columns = [
        ("attack", Align::Left),
        ("a of a + b", Align::Right),
        ("entitled", Align::Right),
        ("attacker", Align::Right),
        ("at most", Align::Right),
        ("off at most", Align::Right),
        ("infrastructure", Align::Right),
        ("idle", Align::Right),
        ("unaccounted", Align::Right),
        ("holds", Align::Left),
    ];
    let mut table = Table::new(&columns);
    for figures in all {
        table.row([
            figures.attack.clone(),
            format!("{:.2}", figures.ratio),
            format!("{:.2}", figures::RATIO),
            format!("{:.2}", figures.attacker),
            format!("{:.2}", figures::ATTACKER),
            format!("{:.2}", figures.tolerance),
            format!("{:.3}", figures.infrastructure),
            format!("{:.3}", figures.idle),
            figures.unaccounted.to_string(),
            if figures.hold() { "yes" } else { "NO" }.to_string(),
        ]);
    }
    text += &table.render();
    let wrong = all.iter().filter(|figures| !figures.hold()).count();
    let _ = match wrong {
        0 => writeln!(text, "\nNo attack takes anything from its neighbours."),
        _ => writeln!(text, "\n{wrong} of {} attacks break a bound.", all.len()),
    };
    text
}
