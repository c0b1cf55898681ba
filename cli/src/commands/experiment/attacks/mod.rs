//! `experiment attacks`: two honest services beside one that storms the process interface
//! (§3.4). `experiments/attacks/README.md` says what it must show.

mod figures;

use std::fmt::Write as _;
use std::fs;
use std::process::ExitCode;
use std::time::Duration;

use super::samples;
use super::stage::{Stage, fill};
use crate::args::Attacks;
use crate::failure::Failure;
use crate::home;
use crate::machine::accelerator::Accelerator;
use crate::machine::size::Cores;
use crate::out;
use crate::table::{Align, Table};
use figures::Figures;

const TEMPLATE: &str = "experiments/attacks/machine.xml";
/// What `services/attacks` knows.
pub const ATTACKS: [&str; 7] =
    ["forkbomb", "threadstorm", "threadops", "signalstorm", "callstorm", OBJECTS, MEDDLE];
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
/// Seconds in which ten thousand threads are made on a machine that has nothing else to do.
const MUSTER: u32 = 25;
/// Seconds of a run beside its samples.
const AROUND: u32 = 3;
/// After this the machine is stopped: the attacker would have to wind up what it has made.
const LAST: &str = "sampler end";

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
    let all = ATTACKS.iter().filter(chosen).map(|attack| measure(stage, attack, arguments.seconds));
    let all = all.collect::<Result<Vec<_>, _>>()?;
    if arguments.json {
        out::put(&format!("{}\n", serde_json::to_string_pretty(&all)?));
    } else {
        out::put(&report(&all));
    }
    let good = all.iter().all(Figures::hold);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measure(stage: Stage, attack: &str, seconds: u32) -> Result<Figures, Failure> {
    let path = home::root()?.join(TEMPLATE);
    let template =
        fs::read_to_string(&path).map_err(|error| Failure::Unreadable(path.clone(), error))?;
    eprintln!("vortex: {attack}: {} cores, {seconds} samples", stage.cores);
    // The neighbours come when all its threads are there: on its share it would need minutes.
    let after = if attack == "threadstorm" { MUSTER } else { 0 };
    let values = [
        ("seconds", seconds + AROUND),
        ("samples", seconds + 1),
        ("storm", after + seconds + AROUND),
        ("after", after * 1000),
        ("warm", (after + 1) * 1000),
        ("hoard", HOARD),
        ("mappings", if attack == OBJECTS { MAPPINGS } else { MAPPINGS_FOR_THREADS }),
    ];
    let values = values.into_iter().collect();
    let config = fill(&template, stage.cores, &values).replace("{attack}", attack);
    let limit = Duration::from_secs(u64::from(after + seconds + AROUND) * 4 + 60);
    let console = stage.run(&config, &["burn", "sampler", "attacks"], limit, Some(LAST))?;
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
    Figures::of(&samples, attack)
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
