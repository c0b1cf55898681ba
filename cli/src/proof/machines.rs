//! The part `machines`: the extremes of what the kernel is for. The most cores, the least
//! memory, and memory beyond 4 GiB: each machine runs a program to its end, every core gives
//! its account, and nothing is left. And what the kernel cannot be is refused at boot, in
//! words, and what it does not look at is told.

use std::path::Path;
use std::time::Duration;

use super::{Extent, Verdict};
use crate::commands::built_in;
use crate::commands::stage::{Beside, Stage};
use crate::failure::Failure;
use crate::machine::accelerator::{Accelerator, Wish};
use crate::machine::ending::Ending;
use crate::machine::qemu::Version;
use crate::machine::size::{Cores, Memory};

/// In which a machine has ended, on a host that has other work.
const LIMIT: Duration = Duration::from_secs(90);
const PRIMES: &str = "/bin/threads";
const HOG: &str = "/bin/hog";
/// What our programs are called where they are built.
const PROGRAMS: [&str; 2] = ["threads", "hog"];
/// QEMU's x2APIC, without KVM, is there from this version on.
const X2APIC: Version = Version { major: 10, minor: 0 };
/// With what the kernel ends where it refuses.
const REFUSED: u8 = 1;

/// A machine that runs a program.
struct Kind {
    name: &'static str,
    cores: u16,
    mebibytes: u64,
    /// Further words for QEMU.
    devices: &'static [&'static str],
    /// An element of the configuration.
    element: &'static str,
    program: &'static [&'static str],
    /// What must be the beginning of a line.
    said: &'static [&'static str],
}

const KINDS: [Kind; 3] = [
    Kind {
        name: "64 cores",
        cores: 64,
        mebibytes: 512,
        devices: &[],
        element: "",
        program: &[PRIMES, "--workers", "64", "--below", "30000"],
        said: &["3245 primes below 30000"],
    },
    Kind {
        name: "64 MiB",
        cores: 1,
        mebibytes: 64,
        devices: &[],
        element: "<machine memory=\"64 MiB\" frequency=\"1 GHz\"/>",
        program: &[PRIMES, "--workers", "4", "--below", "30000"],
        said: &[
            "3245 primes below 30000",
            "vortex: the configuration: 4:26: frequency and overhead of <machine> are for",
        ],
    },
    Kind {
        name: "5 GiB",
        cores: 2,
        mebibytes: 5 << 10,
        // So little below 4 GiB that the program must have its memory beyond.
        devices: &["-machine", "max-ram-below-4g=64M"],
        element: "<machine memory=\"5 GiB\"/>",
        program: &[HOG, "swap", "--pages", "30000", "--rounds", "1"],
        said: &["swap: 1 rounds of 1"],
    },
];

/// What is refused: on the command line, in the configuration, and how.
const REFUSALS: [(&[&str], &str, &str); 4] = [
    (
        &["randomise=off"],
        "",
        "vortex: the command line says 'randomise=off'; there are config=PATH, exit=debug,",
    ),
    (
        &["swap-broken-reads=1-2"],
        "",
        "vortex: the command line's blocks up to 2 are to be broken; the swap volume has",
    ),
    (
        &[],
        "<cpumultiplexor tag=\"another\" core=\"7\" algorithm=\"propshare.wfq\"/>",
        "vortex: the configuration names core 7; there are 2",
    ),
    (
        &[],
        "<resourcescheduler resource=\"resource.process\" algorithm=\"propshare.wfq\">\n\
         <cpumultiplexor tag=\"cpumux0\"/>\n<cpumultiplexor tag=\"cpumux1\"/>\n\
         </resourcescheduler>",
        "6:1: 'resource.process' is at home on one core in the kernel",
    ),
];

/// As a part of the proof.
pub fn part(_: &Path, _: Extent) -> Verdict {
    let found =
        Accelerator::choose(Wish::Tcg, false).and_then(|tcg| Ok((tcg, Version::installed()?)));
    let (accelerator, version) = match found {
        Ok(found) => found,
        Err(error) => return Verdict::NotRun(error.to_string()),
    };
    let (mut held, mut missed, mut wrong) = (Vec::new(), Vec::new(), String::new());
    for kind in &KINDS {
        match boot(accelerator, kind) {
            Ok(Some(why)) => wrong += &format!("{}: {why}\n", kind.name),
            Ok(None) => held.push(kind.name),
            // Where QEMU gives up before the kernel says anything it has not started it.
            Err(Failure::NoMachine) => missed.push(kind.name),
            Err(failure) => wrong += &format!("{}: {failure}\n", kind.name),
        }
    }
    for (words, element, said) in REFUSALS {
        if let Err(why) = refuse(accelerator, words, element, said) {
            wrong += &format!("{why}\n");
        }
    }
    if !wrong.is_empty() {
        return Verdict::Bad(wrong);
    }
    let refused = REFUSALS.len();
    let mut note = format!("{} run to their end; {refused} refused in words", held.join(", "));
    if version < X2APIC {
        note += &format!("; x2APIC not tried: QEMU {version} emulates none, {X2APIC} does");
    }
    match missed.is_empty() {
        true => Verdict::Good(note),
        false => Verdict::NotRun(format!(
            "{}: QEMU cannot start such a machine here, it says why above; {note}",
            missed.join(", ")
        )),
    }
}

fn stage(accelerator: Accelerator, cores: u16) -> Stage {
    let cores = Cores::new(cores).unwrap_or(Cores::LEAST);
    Stage { accelerator, counted: false, cores }
}

/// The built-in configuration for this program, with an element before its activities.
fn configuration(cores: Cores, program: &[&str], element: &str) -> String {
    let program: Vec<String> = program.iter().map(ToString::to_string).collect();
    let text = built_in::text(cores, &program);
    let root = "<schedulerconfig>\n";
    text.replacen(root, &format!("{root}{element}\n"), 1)
}

/// What is wrong with what came of it, if anything.
fn boot(accelerator: Accelerator, kind: &Kind) -> Result<Option<String>, Failure> {
    let stage = stage(accelerator, kind.cores);
    let config = configuration(stage.cores, kind.program, kind.element);
    let memory = Memory::mebibytes(kind.mebibytes);
    let beside = Beside { memory, devices: kind.devices, ..Beside::default() };
    let console = stage.run_with(&config, &PROGRAMS, LIMIT, beside)?;
    let wrong = judge(kind, &console);
    Ok((!wrong.is_empty()).then(|| format!("{}\n{console}", wrong.join("\n"))))
}

/// What is not as it must be. Of ledgers, frames and objects the machine's end has told.
fn judge(kind: &Kind, console: &str) -> Vec<String> {
    let lines = || console.lines().map(str::trim);
    let says = |said: &str| lines().any(|line| line.starts_with(said));
    let mut wrong: Vec<String> = kind
        .said
        .iter()
        .filter(|said| !says(said))
        .map(|said| format!("nobody says '{said}'"))
        .collect();
    let whole = |core: u16| {
        let start = format!("core {core}: ");
        lines().any(|line| line.starts_with(&start) && line.ends_with(", ledger whole"))
    };
    let silent = (0..kind.cores).filter(|core| !whole(*core));
    wrong.extend(silent.map(|core| format!("core {core} gives no account")));
    // `memory: FREE of ALL frames free, …`
    let told = lines().find_map(|line| line.strip_prefix("memory: ")?.split(' ').nth(2));
    let frames: u64 = told.and_then(|told| told.parse().ok()).unwrap_or(0);
    let least = kind.mebibytes * 256 * 3 / 4;
    if frames < least {
        wrong.push(format!("it has {frames} frames: less than {least}"));
    }
    wrong
}

/// Whether the kernel refuses with these words.
fn refuse(
    accelerator: Accelerator,
    words: &[&str],
    element: &str,
    said: &str,
) -> Result<(), String> {
    let stage = stage(accelerator, 2);
    let config = configuration(stage.cores, &[PRIMES], element);
    let beside = Beside { words, memory: Some(Memory::LEAST), ..Beside::default() };
    let (ending, console) = stage
        .end(&config, &PROGRAMS, LIMIT, beside)
        .map_err(|failure| format!("'{said}': {failure}"))?;
    let told = console.lines().any(|line| line.trim().starts_with(said));
    match ending {
        Ending::Status(REFUSED) if told => Ok(()),
        _ => Err(format!("'{said}' and status {REFUSED} were to come, not: {ending}\n{console}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_is_judged() {
        let kind = Kind { cores: 2, mebibytes: 64, ..KINDS[2] };
        let good = "swap: 1 rounds of 1\r\ncore 0: 9 cycles, idle 1.00 %, 5 clients, ledger whole\r\n\
                    core 1: 9 cycles, idle 1.00 %, 5 clients, ledger whole\r\n\
                    memory: 9999 of 13000 frames free, heap 1 of 2 bytes\r\n";
        assert_eq!(judge(&kind, good), Vec::<String>::new());
        for (from, to) in
            [("1 rounds", "0 rounds"), ("core 1", "core 2"), ("13000", "12000"), ("whole", "WRONG")]
        {
            assert_ne!(judge(&kind, &good.replace(from, to)), Vec::<String>::new(), "{from}");
        }
    }

    #[test]
    fn the_configurations_are_sound() {
        for kind in &KINDS {
            let cores = Cores::new(kind.cores).unwrap();
            let text = configuration(cores, kind.program, kind.element);
            assert!(crate::config_file::parse(text.as_bytes()).is_ok(), "{}", kind.name);
        }
        for (_, element, _) in REFUSALS {
            let text = configuration(Cores::new(2).unwrap(), &[PRIMES], element);
            assert!(crate::config_file::parse(text.as_bytes()).is_ok(), "{element}");
        }
    }
}
