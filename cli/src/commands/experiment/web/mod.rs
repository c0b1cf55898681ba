//! `experiment web`: are a network card's bytes divided as web servers are entitled to them, and
//! is the card used (§4.4, Figures 12 to 14)? `experiments/web/README.md` says what it must show,
//! how it differs from the paper's, and where its bounds come from.

mod beside;
mod card;
mod figures;
mod load;
mod machine;
mod print;

use std::net::{TcpListener, UdpSocket};
use std::process::ExitCode;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use super::checks::Check;
use super::samples;
use super::stage::{Beside, Stage};
use crate::args::{WebServer, WebServers};
use crate::failure::Failure;
use crate::machine::accelerator::Accelerator;
use crate::machine::disk::{Disk, Disks};
use crate::machine::network::{self, Pace, Published};
use crate::machine::size::Cores;
use crate::out;
use crate::volume::VolumeError;
use figures::Figures;
use load::{PAGE, Told};
use machine::{Layout, Run};

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

/// The fewest cores on which DIR has another core than the servers and DWR.
const SIDES: u16 = 3;

/// What a run came to.
struct Came {
    run: Run,
    figures: Figures,
    checks: Vec<Check>,
}

/// Runs it.
pub fn run(arguments: &WebServers) -> Result<ExitCode, Failure> {
    let host = thread::available_parallelism().map_or(1, usize::from);
    let host = u16::try_from(host).unwrap_or(u16::MAX);
    let least = if arguments.side_runs { SIDES } else { 1 };
    let cores = match arguments.cores {
        Some(cores) if cores.get() < least => {
            let wanted = "three cores for the runs beside";
            return Err(Failure::Unexpected(wanted, cores.to_string()));
        }
        Some(cores) => cores,
        None => Cores::new(host.max(least)).unwrap_or(Cores::LEAST),
    };
    let accelerator = Accelerator::choose(arguments.accel, false)?;
    let stage = Stage { accelerator, counted: false, cores };
    let mut all = Vec::new();
    for run in runs(arguments) {
        eprintln!("vortex: {}; {}", run.server(), run.layout.name());
        let figures = measure(&stage, arguments.seconds, run)?;
        let checks = figures.checks();
        all.push(Came { run, figures, checks });
    }
    if arguments.json {
        let each = all.iter().map(|Came { run, figures, checks }| {
            let (server, layout) = (run.server(), run.layout);
            serde_json::json!({
                "server": server, "layout": layout, "figures": figures, "checks": checks
            })
        });
        let each: Vec<_> = each.collect();
        out::put(&format!("{}\n", serde_json::to_string_pretty(&each)?));
    } else {
        let each = all.iter().map(|came| print::report(came.run, &came.figures, &came.checks));
        let each: Vec<_> = each.collect();
        out::put(&each.join("\n\n"));
        out::put(&beside::report(&all));
    }
    let good = all.iter().flat_map(|came| &came.checks).all(|check| check.holds);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The runs that are asked for; those beside are the first server's.
fn runs(arguments: &WebServers) -> Vec<Run> {
    let servers = match arguments.server {
        Some(server) => vec![server],
        None => vec![WebServer::Own, WebServer::Lighttpd],
    };
    let of = |server, layout| Run { server, layout };
    let mut all: Vec<_> = servers.iter().map(|server| of(*server, Layout::Together)).collect();
    if let (true, Some(first)) = (arguments.side_runs, servers.first()) {
        all.extend([Layout::Apart, Layout::Alone].map(|layout| of(*first, layout)));
    }
    all
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

/// Asks the servers: each alone, where the run is whole, then all, of whom the last ends before
/// the others. Before it does somebody sends packets to nobody.
fn load(
    (ports, nobody): ([u16; 3], u16),
    (run, seconds): (Run, u32),
    ended: &AtomicBool,
) -> Result<Vec<Told>, String> {
    for port in ports {
        load::wait(port, ended)?;
    }
    let mut all = Vec::new();
    for port in ports.into_iter().filter(|_| run.is_whole()) {
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

fn measure(stage: &Stage, seconds: u32, run: Run) -> Result<Figures, Failure> {
    let alone = if run.is_whole() { ALONE * 3 } else { 0 };
    let config = run.configuration(stage.cores, alone + seconds + WITHOUT + AROUND)?;
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
    let folder = tempfile::tempdir();
    let folder = folder.map_err(|error| VolumeError::Write(std::env::temp_dir(), error))?;
    let image = folder.path().join("disk.img");
    machine::disk(&page, &folder.path().join("files"), &image)?;
    let disks = Disks { disks: vec![Disk::new(&image)], depth: None };
    let own = run.files();
    let own = own.iter().map(|(path, text)| (path.as_str(), text.as_bytes()));
    let files: Vec<_> = own.chain([(machine::PLACE, &[][..])]).collect();
    let beside = Beside {
        host: run.host(),
        devices: &devices,
        words: &words,
        files: &files,
        disks: Some(&disks),
        ..Beside::default()
    };
    let limit = Duration::from_secs(u64::from(seconds) * 3 + 240);
    let ports = (published.map(|one| one.host), nobody.host);
    let ended = AtomicBool::new(false);
    let (console, told) = thread::scope(|scope| {
        let asks = scope.spawn(|| load(ports, (run, seconds), &ended));
        let console = stage.run_with(&config, run.own(), limit, beside);
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
    Figures::of(&samples, run.is_whole(), told, card)
        .ok_or(Failure::Unexpected("samples of servers at work", console))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::accelerator::Wish;

    #[test]
    fn both_servers_are_asked_and_the_paper_s_case_has_the_runs_beside() {
        let arguments = |server, side_runs| WebServers {
            server,
            side_runs,
            seconds: 20,
            cores: None,
            accel: Wish::default(),
            json: false,
        };
        let each = |server, side_runs| {
            let runs = runs(&arguments(server, side_runs));
            runs.into_iter().map(|run| (run.server, run.layout)).collect::<Vec<_>>()
        };
        use Layout::{Alone, Apart, Together};
        use WebServer::{Lighttpd, Own};
        assert_eq!(each(None, false), [(Own, Together), (Lighttpd, Together)]);
        let all = [(Own, Together), (Lighttpd, Together), (Own, Apart), (Own, Alone)];
        assert_eq!(each(None, true), all);
        let one = [(Lighttpd, Together), (Lighttpd, Apart), (Lighttpd, Alone)];
        assert_eq!(each(Some(Lighttpd), true), one);
    }
}
