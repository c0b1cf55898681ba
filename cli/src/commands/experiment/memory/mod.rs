//! `experiment memory`: two services that use the memory they are promised beside one that uses
//! more than it may (§3.2). `experiments/memory/README.md` says what it must show.

mod figures;

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use super::samples;
use super::stage::{Stage, fill};
use crate::args::MemoryAttacks;
use crate::failure::Failure;
use crate::home;
use crate::machine::accelerator::{Accelerator, Wish};
use crate::machine::size::Cores;
use crate::out;
use crate::proof::{self, Verdict};
use crate::table::{Align, Table};
use figures::Figures;

const TEMPLATE: &str = "experiments/memory/machine.xml";
/// Pages that each neighbour uses.
const PAGES: u32 = 3_000;
/// Samples of the proof's short form.
const FEW_SECONDS: u32 = 3;
/// Seconds of a run beside its samples.
const AROUND: u32 = 5;
/// Seconds from when the neighbours come to the first sample: they have their pages by then.
const GROWING: u32 = 3;
/// Milliseconds for which the neighbours rest, so that the sampler prints alone.
const REST: u32 = 4_000;
/// What the neighbours are promised; where they have to get it from who has too much, it is
/// not set aside.
const SET_ASIDE: &str = "minimum=\"16 MiB\" soft=\"16 MiB\"";
const TO_BE_GOT: &str = "soft=\"16 MiB\"";

/// An attack.
struct Attack {
    name: &'static str,
    promised: &'static str,
    budget: &'static str,
    program: &'static str,
    arguments: &'static [&'static str],
    /// Seconds that it has before the neighbours come.
    before: u32,
    /// What must be said.
    said: &'static str,
}

/// All; the first is none, beside which the others are judged.
const ATTACKS: [Attack; 5] = [
    Attack {
        name: "none",
        promised: SET_ASIDE,
        budget: "hard=\"10 MiB\"",
        program: "burn",
        arguments: &["--threads", "{cores}"],
        before: 0,
        said: "memory: ledger whole",
    },
    Attack {
        name: "thrash",
        promised: SET_ASIDE,
        budget: "hard=\"10 MiB\"",
        program: "hog",
        arguments: &["thrash", "--pages", "7680", "--rest", "5000"],
        before: 0,
        said: "thrash: good",
    },
    Attack {
        name: "fill",
        promised: TO_BE_GOT,
        budget: "soft=\"10 MiB\"",
        program: "hog",
        arguments: &["thrash", "--pages", "29000", "--rest", "5000"],
        before: 5,
        said: "thrash: good",
    },
    Attack {
        name: "maps",
        promised: SET_ASIDE,
        budget: "hard=\"10 MiB\"",
        program: "hog",
        arguments: &["maps", "--pages", "2000", "--rest", "5000"],
        before: 0,
        said: "maps: good",
    },
    Attack {
        name: "bomb",
        promised: SET_ASIDE,
        budget: "hard=\"10 MiB\"",
        program: "hog",
        arguments: &["bomb", "--pages", "100", "--rest", "5000"],
        before: 0,
        said: "bomb: ",
    },
];

/// Runs those that were asked for.
pub fn run(arguments: &MemoryAttacks) -> Result<ExitCode, Failure> {
    let host = std::thread::available_parallelism().map_or(1, usize::from);
    let host = u16::try_from(host).ok().and_then(Cores::new).unwrap_or(Cores::LEAST);
    let counted = arguments.counted;
    let cores = if counted { Cores::LEAST } else { arguments.cores.unwrap_or(host) };
    let accelerator = Accelerator::choose(arguments.accel, counted)?;
    let stage = Stage { accelerator, counted, cores };
    let chosen = |attack: &Attack| {
        arguments.only.is_empty() || arguments.only.iter().any(|only| only == attack.name)
    };
    let all = judged(stage, chosen, arguments.seconds)?;
    if arguments.json {
        out::put(&format!("{}\n", serde_json::to_string_pretty(&all)?));
    } else {
        out::put(&report(&all));
    }
    let good = all.iter().all(|figures| figures.wrong.is_empty());
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// As a part of the proof: in counted time on one core, so that what holds once holds always.
pub fn neighbours(_: &Path, _: proof::Extent) -> Verdict {
    let accelerator = match Accelerator::choose(Wish::Tcg, true) {
        Ok(accelerator) => accelerator,
        Err(error) => return Verdict::NotRun(error.to_string()),
    };
    let stage = Stage { accelerator, counted: true, cores: Cores::LEAST };
    match judged(stage, |_| true, FEW_SECONDS) {
        Ok(all) if all.iter().all(|figures| figures.wrong.is_empty()) => {
            let off = all.iter().map(Figures::off).fold(0.0, f64::max);
            Verdict::Good(format!(
                "{} who use too much, on one core, counted: shares are off by {off:.2} points at \
                 most, faults within 2 %",
                all.len() - 1
            ))
        }
        Ok(all) => Verdict::Bad(report(&all)),
        Err(failure) => Verdict::Bad(failure.to_string()),
    }
}

/// A run without an attack and those with the chosen ones, beside it.
fn judged(
    stage: Stage,
    chosen: impl Fn(&Attack) -> bool,
    seconds: u32,
) -> Result<Vec<Figures>, Failure> {
    let [calm, attacks @ ..] = &ATTACKS;
    let mut all = vec![measure(stage, calm, seconds)?];
    for attack in attacks.iter().filter(|attack| chosen(attack)) {
        all.push(measure(stage, attack, seconds)?);
    }
    if let Some(calm) = all.first().map(|calm| calm.faults) {
        all.iter_mut().for_each(|figures| figures.judge(calm));
    }
    Ok(all)
}

fn measure(stage: Stage, attack: &Attack, seconds: u32) -> Result<Figures, Failure> {
    let path = home::root()?.join(TEMPLATE);
    let template =
        fs::read_to_string(&path).map_err(|error| Failure::Unreadable(path.clone(), error))?;
    let name = attack.name;
    eprintln!("vortex: {name}: {} cores, {seconds} samples", stage.cores);
    let words = attack.arguments.iter().map(|word| format!(" <argument> {word} </argument>"));
    let program = format!("<program> /bin/{} </program>", attack.program);
    let program = program + &words.collect::<String>();
    let template = template
        .replace("{attack}", &program)
        .replace("{promised}", attack.promised)
        .replace("{budget}", attack.budget);
    let values = [
        ("pages", PAGES),
        ("seconds", seconds + AROUND),
        ("samples", seconds + 1),
        ("storm", attack.before + seconds + AROUND),
        ("after", attack.before * 1000),
        ("rest", REST),
        ("warm", (attack.before + GROWING) * 1000),
    ];
    let config = fill(&template, stage.cores, &values.into_iter().collect());
    let limit = Duration::from_secs(u64::from(attack.before + seconds + AROUND) * 6 + 60);
    let console = stage.run(&config, &["hog", "burn", "sampler"], limit)?;
    let samples = samples::read(&console)?;
    let figures = Figures::of(&samples, &console, name, PAGES);
    let mut figures =
        figures.ok_or(Failure::Unexpected("samples of a machine at work", console.clone()))?;
    let lines = || console.lines().map(str::trim);
    if lines().filter(|line| *line == "steady: good").count() != 2 {
        figures.wrong.push("what the neighbours had in their memory".into());
    }
    if !lines().any(|line| line.starts_with(attack.said)) {
        figures.wrong.push("what the attacker says".into());
    }
    if !lines().any(|line| line == "memory: ledger whole") || console.contains("LOST") {
        figures.wrong.push("what is left".into());
    }
    if let Some(said) = lines().find(|line| line.starts_with(&format!("{name}: "))) {
        eprintln!("vortex: {said}");
    }
    Ok(figures)
}

fn report(all: &[Figures]) -> String {
    let mut text = String::from(
        "Memory beyond a budget, beside two who use what they are promised (§3.2)\n\n",
    );
    let columns = [
        ("attack", Align::Left),
        ("a of a + b, %", Align::Right),
        ("entitled", Align::Right),
        ("attacker, %", Align::Right),
        ("at most", Align::Right),
        ("faults of a", Align::Right),
        ("of b", Align::Right),
        ("ready, ms", Align::Right),
        ("given back", Align::Right),
        ("infrastructure, %", Align::Right),
        ("holds", Align::Left),
    ];
    let mut table = Table::new(&columns);
    for figures in all {
        let faults = |of: figures::Faults| format!("{} + {}", of.minor, of.major);
        table.row([
            figures.attack.clone(),
            format!("{:.2}", figures.ratio),
            format!("{:.2}", figures::RATIO),
            format!("{:.2}", figures.attacker),
            format!("{:.2}", figures::ATTACKER),
            faults(figures.faults[0]),
            faults(figures.faults[1]),
            format!("{}, {}", figures.faults[0].ready, figures.faults[1].ready),
            figures.given.to_string(),
            format!("{:.3}", figures.infrastructure),
            if figures.wrong.is_empty() { "yes".into() } else { figures.wrong.join(", ") },
        ]);
    }
    text += &table.render();
    let _ = writeln!(
        text,
        "\nFaults are minor + major. Shares may be {:.0} points off, faults {:.0} ({:.0} % of the \
         pages) from those without an attack.",
        figures::BOUND,
        all.first().map_or(0.0, |figures| figures.allowed),
        figures::BOUND,
    );
    let wrong = all.iter().filter(|figures| !figures.wrong.is_empty()).count();
    let _ = match wrong {
        0 => writeln!(text, "Nothing is taken from the neighbours."),
        _ => writeln!(text, "{wrong} of {} runs break a bound.", all.len()),
    };
    text
}
