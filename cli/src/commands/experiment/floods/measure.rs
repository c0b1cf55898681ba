//! What is measured of a kernel: a site alone, then beside each flood of the other.

use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde::Serialize;

use super::sites::{OTHER, SITE, Site};
use crate::wire::{Crowd, Flood, Host, Kind, Pace, Visits, Work, stay, work};

/// Who asks at once, where it is measured how much a site does.
const TOGETHER: usize = 8;
/// The part of that which is asked for while it is measured how long a page takes.
const CALM: f64 = 0.3;
/// The part of the packets that a machine takes at most of which a flood is.
const OF_ALL: f64 = 0.8;
/// The port at which nobody is.
const NOBODY: u16 = 9;
/// Who holds on to connections, and how often each says a line.
const SLOW: usize = 300;
const LINES: Duration = Duration::from_secs(1);
/// Packets a second with which it is begun to look for how many a machine takes, and how long
/// each number is tried.
const FIRST: f64 = 500.0;
const TRIED: Duration = Duration::from_millis(1_000);
/// Of the packets of which a number is taken that a machine may leave.
const LEFT: f64 = 0.01;
/// How long a machine may take to answer first.
const PATIENCE: Duration = Duration::from_secs(120);

/// What is beside.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Beside {
    /// Nothing.
    Alone,
    /// Connections of many addresses that are begun at the other site.
    Begun,
    /// Small packets to a port at which nobody is.
    Small,
    /// Connections to the other site that never come to the end of their question.
    Slow,
}

impl Beside {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Alone, Self::Begun, Self::Small, Self::Slow];

    /// As people know it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Alone => "alone",
            Self::Begun => "SYN flood",
            Self::Small => "small packets",
            Self::Slow => "slow loris",
        }
    }
}

/// The site beside something.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// What.
    pub beside: Beside,
    /// Pages a second that it does.
    pub pages: f64,
    /// How many were asked for in the calm part, and how many of these did not come.
    pub asked: u64,
    pub failed: u64,
    /// Milliseconds until half of them had come, and 99 of a hundred.
    pub half: f64,
    pub most: f64,
    /// Frames of the flood a second that the machine took and left.
    pub taken: f64,
    pub left: f64,
}

/// What a kernel does.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// Small packets a second that it takes.
    pub packets: f64,
    /// Each of [`Beside::ALL`].
    pub rows: Vec<Row>,
}

/// A flood, or none.
enum Storm {
    None,
    Flood(Flood),
    Crowd(Crowd),
}

impl Storm {
    fn new(beside: Beside, rate: f64) -> Self {
        match beside {
            Beside::Alone => Self::None,
            Beside::Begun => Self::Flood(Flood::new(Kind::Begun, OTHER.port, rate)),
            Beside::Small => Self::Flood(Flood::new(Kind::Datagrams, NOBODY, rate)),
            Beside::Slow => Self::Crowd(Crowd::new(OTHER.port, SLOW, Some(LINES))),
        }
    }
}

impl Work for Storm {
    fn step(&mut self, host: &mut Host, now: Instant) {
        match self {
            Self::None => {}
            Self::Flood(flood) => flood.step(host, now),
            Self::Crowd(crowd) => crowd.step(host, now),
        }
    }
}

/// Measures the machine whose wire is in this folder, and tells both sites to end. Pages are
/// asked for at this rate in the calm parts, or at a part of what the site does alone, which is
/// told.
pub fn measure(
    wire: &Path,
    ended: &AtomicBool,
    time: Duration,
    rate: Option<f64>,
) -> Result<(Figures, f64), String> {
    let mut host = Host::new(wire);
    let told = all(&mut host, ended, time, rate);
    for site in [SITE, OTHER] {
        let handle = host.connect(site.end, 64);
        work(&mut host, Duration::from_millis(500), &mut []);
        host.reset(handle);
    }
    stay(&mut host, ended);
    told
}

fn all(
    host: &mut Host,
    ended: &AtomicBool,
    time: Duration,
    rate: Option<f64>,
) -> Result<(Figures, f64), String> {
    for site in [SITE, OTHER] {
        answers(host, site, ended)?;
    }
    let alone = capacity(host, time, &mut Storm::None);
    let rate = rate.unwrap_or(alone * CALM).max(1.0);
    let packets = packets(host);
    let mut rows = Vec::new();
    for beside in Beside::ALL {
        eprintln!("vortex: {}", beside.name());
        rows.push(row(host, beside, time, (rate, packets * OF_ALL)));
        // What a flood leaves behind is over before the next begins.
        answers(host, SITE, ended)?;
    }
    Ok((Figures { packets, rows }, rate))
}

/// Waits until a site answers.
fn answers(host: &mut Host, site: Site, ended: &AtomicBool) -> Result<(), String> {
    let begin = Instant::now();
    while begin.elapsed() < PATIENCE && !ended.load(Ordering::Relaxed) {
        let mut visits = Visits::new(site.port, Pace::Rate(5.0));
        work(host, Duration::from_secs(1), &mut [&mut visits]);
        visits.give_up(host);
        if !visits.took.is_empty() {
            return Ok(());
        }
    }
    Err(format!("{} does not answer", site.name))
}

/// Pages a second that the site does.
fn capacity(host: &mut Host, time: Duration, storm: &mut Storm) -> f64 {
    let mut visits = Visits::new(SITE.port, Pace::Together(TOGETHER));
    work(host, time, &mut [&mut visits, storm]);
    let pages = visits.took.len() as f64 / time.as_secs_f64();
    visits.give_up(host);
    pages
}

/// Small packets a second that the machine takes.
fn packets(host: &mut Host) -> f64 {
    let takes = |host: &mut Host, rate: f64| {
        let mut flood = Flood::new(Kind::Datagrams, NOBODY, rate);
        work(host, TRIED, &mut [&mut flood]);
        work(host, TRIED / 2, &mut []);
        let all = rate * TRIED.as_secs_f64();
        // What this host could not make is not what the machine has left.
        (all - flood.taken as f64) / all < LEFT
    };
    let (mut good, mut bad) = (FIRST, FIRST);
    while takes(host, bad) {
        (good, bad) = (bad, bad * 2.0);
    }
    for _ in 0..4 {
        let middle = f64::midpoint(good, bad);
        if takes(host, middle) { good = middle } else { bad = middle }
    }
    good
}

fn row(host: &mut Host, beside: Beside, time: Duration, (rate, packets): (f64, f64)) -> Row {
    let mut storm = Storm::new(beside, packets);
    if let Storm::Crowd(_) = storm {
        // They come before anybody looks.
        work(host, time / 2, &mut [&mut storm]);
    }
    let begin = Instant::now();
    let pages = capacity(host, time, &mut storm);
    let mut visits = Visits::new(SITE.port, Pace::Rate(rate));
    work(host, time, &mut [&mut visits, &mut storm]);
    visits.end();
    // Those that are late are waited for, and the flood goes on meanwhile.
    let late = Instant::now();
    while visits.left() > 0 && late.elapsed() < time {
        work(host, Duration::from_millis(100), &mut [&mut visits, &mut storm]);
    }
    visits.give_up(host);
    let seconds = begin.elapsed().as_secs_f64();
    let (taken, left) = match &mut storm {
        Storm::None => (0.0, 0.0),
        Storm::Flood(flood) => (flood.taken as f64 / seconds, flood.refused as f64 / seconds),
        Storm::Crowd(crowd) => {
            let connected = crowd.connected(host) as f64;
            let closed = crowd.closed as f64;
            crowd.end(host);
            (connected, closed / seconds)
        }
    };
    work(host, Duration::from_secs(2), &mut []);
    let milliseconds = |time: Duration| time.as_secs_f64() * 1e3;
    Row {
        beside,
        pages,
        asked: visits.took.len() as u64 + visits.failed,
        failed: visits.failed,
        half: milliseconds(visits.within(500)),
        most: milliseconds(visits.within(990)),
        taken,
        left,
    }
}
