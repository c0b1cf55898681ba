//! `experiment web`: are a network card's bytes divided as web servers are entitled to them, and
//! is the card used (§4.4, Figures 12 to 14)? `experiments/web/README.md` says what it must show,
//! how it differs from the paper's, and where its bounds come from.

mod card;
mod figures;
mod load;
mod print;

use std::collections::BTreeMap;
use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::samples;
use super::stage::{Beside, Stage, fill};
use crate::args::WebServers;
use crate::failure::Failure;
use crate::home;
use crate::machine::accelerator::Accelerator;
use crate::machine::network::{self, Pace, Published};
use crate::machine::size::Cores;
use crate::out;
use figures::Figures;
use load::Told;

const TEMPLATE: &str = "experiments/web/machine.xml";
/// The server, as Debian has it, and what starts and ends it.
const SERVER: &str = "/usr/sbin/lighttpd";
const BUSYBOX: &str = "/bin/busybox";
/// Where the servers listen in the machine: a, b, and c behind each other.
const FIRST_PORT: u16 = 8_001;
/// Bytes of the page: an eighth of the paper's, for the card is slow.
const BYTES: usize = 1 << 17;
/// What the card sends: little enough that the machine could do with more.
const PACE: Pace = Pace { every: 16_000_000, packets: 8 };
/// The port in the machine at which nobody is, and datagrams that come for it: so many a second,
/// in the last seconds with all three.
const NOBODY: u16 = 9;
const FLOOD: u32 = 2_000;
const FLOODED: u32 = 9;
/// Seconds that each has the card alone, that two have it once the third has ended, and for all
/// that is around.
const ALONE: u32 = 8;
const WITHOUT: u32 = 8;
const AROUND: u32 = 12;

/// Runs it.
pub fn run(arguments: &WebServers) -> Result<ExitCode, Failure> {
    let host = thread::available_parallelism().map_or(1, usize::from);
    let host = u16::try_from(host).ok().and_then(Cores::new).unwrap_or(Cores::LEAST);
    let cores = arguments.cores.unwrap_or(host);
    let accelerator = Accelerator::choose(arguments.accel, false)?;
    let stage = Stage { accelerator, counted: false, cores };
    let figures = measure(&stage, arguments.seconds)?;
    let checks = figures.checks();
    if arguments.json {
        let all = serde_json::json!({ "figures": figures, "checks": checks });
        out::put(&format!("{}\n", serde_json::to_string_pretty(&all)?));
    } else {
        out::put(&print::report(&figures, &checks));
    }
    let good = checks.iter().all(|check| check.holds);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The configuration, for so many seconds with all three.
fn configuration(cores: Cores, seconds: u32) -> Result<String, Failure> {
    let path = home::root()?.join(TEMPLATE);
    let template = fs::read_to_string(&path).map_err(|error| Failure::Unreadable(path, error))?;
    let samples = ALONE * 3 + seconds + WITHOUT + AROUND;
    let last = u32::from(cores.get()) - 1;
    // The servers are there until all samples are printed.
    let values = BTreeMap::from([("last", last), ("samples", samples), ("seconds", samples + 2)]);
    Ok(fill(&template, cores, &values))
}

/// What a server is told.
fn told(port: u16) -> String {
    format!("server.document-root = \"/web\"\nserver.port = {port}\n")
}

/// Three ports of this host's that nobody has.
fn published() -> Result<[Published; 3], Failure> {
    let free = || TcpListener::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr());
    let mut all = [Published { datagrams: false, host: 0, guest: FIRST_PORT }; 3];
    for (place, one) in all.iter_mut().enumerate() {
        let address = free().map_err(|error| Failure::Unexpected("a port", error.to_string()))?;
        (one.host, one.guest) = (address.port(), FIRST_PORT + place as u16);
    }
    Ok(all)
}

/// Asks the servers: each alone, then all, of whom the last ends before the others. Before it
/// does somebody sends packets to nobody.
fn load(
    (ports, nobody): ([u16; 3], u16),
    seconds: u32,
    ended: &AtomicBool,
) -> Result<Vec<Told>, String> {
    for port in ports {
        load::wait(port, ended)?;
    }
    let mut all = Vec::new();
    for port in ports {
        all.push(load::ask(port, ALONE)?);
        thread::sleep(Duration::from_millis(1_500));
    }
    let together = thread::scope(|scope| {
        let times = [seconds + WITHOUT, seconds + WITHOUT, seconds];
        let floods = scope.spawn(move || {
            thread::sleep(Duration::from_secs(u64::from(seconds.saturating_sub(FLOODED + 1))));
            load::flood(nobody, FLOOD, FLOODED)
        });
        let asked: Vec<_> = ports
            .into_iter()
            .zip(times)
            .map(|(port, seconds)| scope.spawn(move || load::ask(port, seconds)))
            .collect();
        let all = asked
            .into_iter()
            .map(|one| one.join().unwrap_or_else(|_| Err("who asks has panicked".into())));
        let all = all.collect::<Result<Vec<_>, _>>()?;
        floods.join().unwrap_or_else(|_| Err("who floods has panicked".into()))?;
        Ok::<_, String>(all)
    })?;
    all.extend(together);
    Ok(all)
}

fn measure(stage: &Stage, seconds: u32) -> Result<Figures, Failure> {
    let config = configuration(stage.cores, seconds)?;
    let published = published()?;
    let free = UdpSocket::bind(("127.0.0.1", 0)).and_then(|socket| socket.local_addr());
    let free = free.map_err(|error| Failure::Unexpected("a port", error.to_string()))?.port();
    let nobody = Published { datagrams: true, host: free, guest: NOBODY };
    let [a, b, c] = published;
    let devices: Vec<_> = network::paced(&[a, b, c, nobody], PACE)
        .into_iter()
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let devices: Vec<_> = devices.iter().map(String::as_str).collect();
    let words: Vec<_> = network::words().collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let page: Vec<u8> = (0..BYTES).map(|at| (at * 7 + at / 251) as u8).collect();
    let [a, b, c] = published.map(|one| told(one.guest));
    let files = [
        ("/web/page", &page[..]),
        ("/etc/a.conf", a.as_bytes()),
        ("/etc/b.conf", b.as_bytes()),
        ("/etc/c.conf", c.as_bytes()),
    ];
    let beside = Beside {
        host: &[BUSYBOX, SERVER],
        devices: &devices,
        words: &words,
        files: &files,
        ..Beside::default()
    };
    let limit = Duration::from_secs(u64::from(seconds) * 3 + 240);
    let ports = (published.map(|one| one.host), nobody.host);
    let ended = AtomicBool::new(false);
    let (console, told) = thread::scope(|scope| {
        let asks = scope.spawn(|| load(ports, seconds, &ended));
        let console = stage.run_with(&config, &["sampler"], limit, beside);
        ended.store(true, Ordering::Relaxed);
        (console, asks.join().unwrap_or_else(|_| Err("who asks has panicked".into())))
    });
    let console = console?;
    let told = told.map_err(|why| {
        Failure::Unexpected("pages from all servers", format!("{why}\n{console}"))
    })?;
    let card = card::read(&console)
        .ok_or_else(|| Failure::Unexpected("an account of the network card", console.clone()))?;
    let samples = samples::read(&console)?;
    Figures::of(&samples, told, card)
        .ok_or(Failure::Unexpected("samples of servers at work", console))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_configuration_is_sound() {
        for cores in [1, 2, 8] {
            let text = configuration(Cores::new(cores).unwrap(), 20).unwrap();
            assert!(crate::config_file::parse(text.as_bytes()).is_ok(), "{text}");
        }
    }
}
