//! Orders to the machine that is hosted: shares that are changed under load, and who is refused.

use std::process::{Command, Stdio};
use std::thread;
use std::time::Duration;

use vortex_abi::performance::Sample;

use super::{Hosting, said, until, vortex};
use crate::running::{Found, Secret};
use crate::watch::figures::between;
use crate::watch::{Monitor, Unheard};

/// What a site does that is asked for it: compute, longer than it is looked at.
pub const SPIN: &str = "#!/bin/sh\necho Content-type: text/plain\necho\n\
    timeout 40 sh -c 'while :; do :; done'\n";
/// Changes: the words after `set`, and what part the first is to have then of what the two
/// sites have. They begin at 108 and 72.
const CHANGES: [(&[&str], f64); 4] = [
    (&[], 108.0 / 180.0),
    (&["second", "cpu", "324"], 108.0 / 432.0),
    (&["first", "all", "972"], 972.0 / 1296.0),
    (&["second", "all", "972"], 972.0 / 1944.0),
];
/// How far off that it may be, with whatever else runs on the host.
const WITHIN: f64 = 0.03;
/// How long each is looked at, and how long what was before may last.
const LOOK: Duration = Duration::from_secs(3);
const SETTLED: Duration = Duration::from_millis(500);

/// Has both sites compute, and changes their shares.
pub fn shares(found: &Found, sites: [u16; 2]) -> Result<String, String> {
    let name = found.about.process.to_string();
    let port = found.monitor().ok_or("there is no monitor's door")?;
    let load = |site: u16| {
        let mut curl = Command::new("curl");
        curl.args(["--silent", "--max-time", "60"]);
        curl.arg(format!("http://127.0.0.1:{site}/cgi-bin/spin"));
        curl.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        curl.spawn().map(Hosting).map_err(said)
    };
    let _load = [load(sites[0])?, load(sites[1])?];
    let mut monitor = Monitor::at(port);
    let mut farthest: f64 = 0.0;
    for (words, wanted) in CHANGES {
        if !words.is_empty() {
            let set = [&["set"], words, &["--machine", &name]].concat();
            let text = vortex(&set).map_err(|why| format!("{set:?}: {why}"))?;
            if !text.contains(&format!("{} has a share of {}", words[0], words[2])) {
                return Err(format!("'set' says:\n{text}"));
            }
        }
        thread::sleep(SETTLED);
        let first = sample(&mut monitor)?;
        thread::sleep(LOOK);
        let figures = between(Some(&first), &sample(&mut monitor)?);
        let (own, other) = (figures.cycles("first") as f64, figures.cycles("second") as f64);
        let (busy, part) = ((own + other) / figures.elapsed() as f64, own / (own + other));
        if busy < 0.5 {
            return Err(format!("the sites compute only {busy:.2} of the time"));
        }
        let off = (part - wanted).abs();
        farthest = farthest.max(off);
        if off > WITHIN {
            return Err(format!("after {words:?} the first has {part:.3}, not {wanted:.3}"));
        }
    }
    // Once may not do, on a machine that has much to do.
    let text = until(|| vortex(&["top", "--once", "--machine", &name]), "first ")?;
    // 972 each beside the monitor's 120.
    match text
        .lines()
        .find(|line| line.trim_start().starts_with("first "))
        .is_some_and(|l| l.contains("47.1 %"))
    {
        true => Ok(format!("3 shares set under load, {:.1} points off at most", 100.0 * farthest)),
        false => Err(format!("'top' does not have the new shares:\n{text}")),
    }
}

/// A sample, from a machine that has much to do.
fn sample(monitor: &mut Monitor) -> Result<Sample, String> {
    let mut last = String::new();
    for _ in 0..5 {
        match monitor.sample() {
            Ok(sample) => return Ok(sample),
            Err(error) => last = error.to_string(),
        }
    }
    Err(last)
}

/// Who has another secret, and what there is not.
pub fn refused(found: &Found) -> Result<(), String> {
    let name = found.about.process.to_string();
    let port = found.monitor().ok_or("there is no monitor's door")?;
    let other = Secret::new().map_err(said)?;
    let fields: [(&str, &[u8]); 3] =
        [("activity", b"first"), ("resource", b"all"), ("share", b"1")];
    match Monitor::at(port).order("/set", &other, &fields) {
        Err(Unheard::Said(403, _)) => {}
        wrong => return Err(format!("with another secret the monitor says {wrong:?}")),
    }
    for (words, part) in [
        (["nobody", "all", "5"], "there are infrastructure, first, second, watch"),
        (["first", "nothing", "5"], "all, cpu, resource."),
        (["first", "all", "0"], "'0' is no share"),
    ] {
        let set = [&["set"], &words[..], &["--machine", &name]].concat();
        match vortex(&set) {
            Err(why) if why.contains(part) => {}
            other => return Err(format!("{words:?}: '{part}' is not in {other:?}")),
        }
    }
    Ok(())
}
