//! `experiment connections`: what it takes of memory to hold very many connections on which
//! nothing is said, and on whose bill that is. `experiments/connections/README.md` says what it
//! must show.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;

use super::checks::{self, Check};
use super::stage::{Beside, Stage, fill};
use crate::args::Connections;
use crate::failure::Failure;
use crate::home;
use crate::human;
use crate::machine::accelerator::Accelerator;
use crate::machine::size::{Cores, Memory};
use crate::out;
use crate::volume::VolumeError;
use crate::wire::{Crowd, Host, devices, stay, words, work};

const TEMPLATE: &str = "experiments/connections/machine.xml";
const SCRIPT: &str = "/etc/server.sh";
/// It wants to know who it is.
const USERS: &str = "/etc/passwd";
const ROOT: &[u8] = b"root:x:0:0:root:/:/bin/sh\n";
/// What of Debian's is in it: what starts and ends the server, and the server.
const BUSYBOX: &str = "/bin/busybox";
const SERVER: &str = "/usr/bin/memcached";
/// Where it serves, and where it is told to end.
const PORT: u16 = 11_211;
const END: u16 = 1_080;
/// Who has it, and what is nobody's.
const ACTIVITY: &str = "server";
const NOBODY: &str = "infrastructure";
/// Seconds that are sampled before and behind it all.
const AROUND: u32 = 20;
/// How long all may take to be there, and how long they are then.
const PATIENCE: Duration = Duration::from_secs(90);
const STAY: Duration = Duration::from_secs(6);
/// Memory of the kernel's that a connection may take, in bytes.
const MOST: f64 = 16.0 * 1_024.0;

/// What was measured, in bytes.
#[derive(Clone, Debug, Default, Serialize)]
struct Figures {
    /// How many there were.
    connected: u64,
    /// Of the server's activity for each: what the kernel keeps, and pages of the program.
    kernel: f64,
    pages: f64,
    /// What there is more for each that is on nobody's bill.
    nobody: f64,
    /// What is left of the kernel's memory on the bill when they are gone, of all.
    left: f64,
}

/// What a sample tells of an activity.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Has {
    frames: u64,
    objects: u64,
}

/// Runs it.
pub fn run(arguments: &Connections) -> Result<ExitCode, Failure> {
    let accelerator = Accelerator::choose(arguments.on.accel, false)?;
    let cores = arguments.on.cores.unwrap_or(Cores::LEAST);
    let figures = measure(accelerator, cores, arguments.connections)?;
    let checks = bounds(&figures, arguments.connections);
    if arguments.on.json {
        let all = serde_json::json!({ "figures": figures, "checks": checks });
        out::put(&format!("{}\n", serde_json::to_string_pretty(&all)?));
    } else {
        out::put(&report(&figures, &checks));
    }
    let good = checks.iter().all(|check| check.holds);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn measure(accelerator: Accelerator, cores: Cores, count: u32) -> Result<Figures, Failure> {
    let path = home::root()?.join(TEMPLATE);
    let template =
        std::fs::read_to_string(&path).map_err(|error| Failure::Unreadable(path, error))?;
    let patience = u32::try_from(PATIENCE.as_secs()).unwrap_or(u32::MAX);
    let samples = patience.min(count / 500) + AROUND;
    let config = fill(&template, cores, &BTreeMap::from([("samples", samples)]));
    let script = format!(
        "ulimit -n {}\n{SERVER} -u root -t 1 -p {PORT} -c {} &\nSERVER=$!\n\
         busybox nc -l -p {END} > /dev/null\nkill $SERVER\nwait\n",
        count + 200,
        count + 100
    );
    let folder = tempfile::tempdir();
    let folder = folder.map_err(|error| VolumeError::Write(std::env::temp_dir(), error))?;
    let (devices, words) = (devices(folder.path()), words());
    let (devices, words) =
        (devices.each_ref().map(String::as_str), words.each_ref().map(String::as_str));
    let beside = Beside {
        host: &[BUSYBOX, SERVER],
        devices: &devices,
        words: &words,
        files: &[(SCRIPT, script.as_bytes()), (USERS, ROOT)],
        memory: Memory::mebibytes(768),
        ..Beside::default()
    };
    let ended = AtomicBool::new(false);
    let stage = Stage { accelerator, counted: false, cores };
    let limit = PATIENCE * 3 + Duration::from_secs(240);
    let (console, held) = thread::scope(|scope| {
        let holds = scope.spawn(|| hold(folder.path(), &ended, count as usize));
        let console = stage.run_with(&config, &["sampler"], limit, beside);
        ended.store(true, Ordering::Relaxed);
        (console, holds.join().unwrap_or_default())
    });
    let console = console?;
    Figures::of(&console, held as u64)
        .ok_or(Failure::Unexpected("samples of a server with connections", console))
}

/// Holds so many connections for a while, and has the server end. How many there were.
fn hold(wire: &std::path::Path, ended: &AtomicBool, count: usize) -> usize {
    let mut host = Host::new(wire);
    let mut crowd = Crowd::new(PORT, count, None);
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE
        && crowd.connected(&mut host) < count
        && !ended.load(Ordering::Relaxed)
    {
        work(&mut host, Duration::from_millis(200), &mut [&mut crowd]);
    }
    work(&mut host, STAY, &mut [&mut crowd]);
    let connected = crowd.connected(&mut host);
    crowd.end(&mut host);
    work(&mut host, STAY, &mut []);
    let end = host.connect(END, 64);
    work(&mut host, Duration::from_secs(1), &mut []);
    host.reset(end);
    stay(&mut host, ended);
    connected
}

impl Figures {
    fn of(console: &str, connected: u64) -> Option<Self> {
        let all = |name: &str| {
            let lines = console.lines().filter_map(|line| line.strip_prefix("sampler memory "));
            let has = lines.filter_map(|line| {
                let mut words = line.split_whitespace().skip(1);
                let of = words.next()?;
                let frames = words.next()?.parse().ok()?;
                let objects = words.next()?.parse().ok()?;
                (of == name).then_some(Has { frames, objects })
            });
            has.collect::<Vec<_>>()
        };
        let (server, nobody) = (all(ACTIVITY), all(NOBODY));
        // It is there with nobody connected, in the first of the samples.
        let first = server.first()?;
        let most = server.iter().map(|has| has.objects).max()?;
        let at = server.iter().rposition(|has| has.objects == most)?;
        let pages = server.iter().map(|has| has.frames).max()?;
        let last = server.iter().rev().find(|has| has.objects > 0)?;
        let each = connected.max(1) as f64;
        let more = |to: u64, from: u64| (to as f64 - from as f64) / each;
        // The heap's frames are nobody's, and what of it is on a bill is not.
        let (before, then) = (nobody.first()?, nobody.get(at)?);
        let others =
            more(then.frames * 4_096 + then.objects, before.frames * 4_096 + before.objects);
        let kernel = more(most, first.objects);
        Some(Self {
            connected,
            kernel,
            pages: more(pages * 4_096, first.frames * 4_096),
            nobody: others - kernel,
            left: last.objects as f64 - first.objects as f64,
        })
    }
}

fn bounds(figures: &Figures, count: u32) -> Vec<Check> {
    let (connected, wanted) = (figures.connected as f64, f64::from(count));
    let check = |what: &str, measured, bound, unit, holds| Check {
        what: what.into(),
        measured,
        bound,
        unit,
        holds,
    };
    vec![
        check("connections held", connected, wanted, "", connected >= wanted),
        check(
            "the kernel's memory for each, on its activity's bill",
            figures.kernel,
            MOST,
            "bytes",
            figures.kernel <= MOST && figures.kernel > 0.0,
        ),
    ]
}

fn report(figures: &Figures, checks: &[Check]) -> String {
    let bytes = |bytes: f64| human::grouped(bytes.max(0.0) as u64);
    let mut text = format!(
        "{} connections to an unmodified memcached, on which nothing is said\n\n",
        human::grouped(figures.connected)
    );
    let _ = writeln!(text, "  for each, on its activity's bill");
    let _ = writeln!(text, "    the kernel's memory  {:>12} bytes", bytes(figures.kernel));
    let _ = writeln!(text, "    the server's pages   {:>12} bytes", bytes(figures.pages));
    let _ = writeln!(text, "  for each, on nobody's  {:>12} bytes", bytes(figures.nobody));
    let _ = writeln!(text, "  left behind them, of all {:>10} bytes", bytes(figures.left));
    text += &checks::report(checks);
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_configuration_is_sound() {
        let template = std::fs::read_to_string(home::root().unwrap().join(TEMPLATE)).unwrap();
        let cores = Cores::new(2).unwrap();
        let config = fill(&template, cores, &BTreeMap::from([("samples", 9)]));
        assert!(crate::config_file::parse(config.as_bytes()).is_ok(), "{config}");
    }

    #[test]
    fn what_samples_tell_of_memory_is_read() {
        let console = "sampler memory 0 server 10 1000\nsampler memory 0 infrastructure 5 0\n\
                       sampler memory 1 server 14 21000\nsampler memory 1 infrastructure 11 0\n\
                       sampler memory 2 server 14 1500\nsampler memory 2 infrastructure 11 0\n";
        let figures = Figures::of(console, 4).unwrap();
        assert_eq!((figures.kernel, figures.pages), (5_000.0, 4_096.0));
        assert_eq!((figures.nobody, figures.left), (6_144.0 - 5_000.0, 500.0));
        assert!(bounds(&figures, 4).iter().all(|check| check.holds));
        assert!(!bounds(&figures, 5).iter().all(|check| check.holds));
    }
}
