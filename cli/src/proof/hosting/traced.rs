//! What `trace` records of the machine that is hosted, while it is asked for pages.

use std::collections::HashMap;
use std::thread;
use std::time::Duration;

use serde_json::Value;
use vortex_abi::performance::Sample;

use super::{get, said, vortex};
use crate::commands;
use crate::failure::Failure;
use crate::running::Found;
use crate::trace::{Core, Trace};
use crate::watch::Monitor;

/// How long it is recorded, and how often at most: a host with other work may let nobody in.
const MILLISECONDS: u32 = 1_500;
/// How far apart the samples are.
const LOOK: Duration = Duration::from_millis(800);
const TIMES: usize = 5;
/// How far what was recorded may be off what the ledger says.
const WITHIN: f64 = 0.05;

/// Asks the first site for pages while it is recorded what that takes.
pub fn requests(found: &Found, site: u16) -> Result<String, String> {
    let port = found.monitor().ok_or("there is no monitor's door")?;
    let secret = found.secret().map_err(said)?;
    let mut last = String::new();
    for _ in 0..TIMES {
        let load = thread::spawn(move || {
            // Begun before the recording, and longer than it: what is recorded is steady.
            let until = std::time::Instant::now() + Duration::from_millis(8_000);
            let mut pages = 0;
            while std::time::Instant::now() < until {
                pages += usize::from(get(site, "/").is_ok());
            }
            pages
        });
        thread::sleep(Duration::from_millis(500));
        // Both samples are taken while it is recorded, so that the same time is looked at.
        let meanwhile = |monitor: &mut Monitor| {
            let mut sample =
                || monitor.sample().map_err(|error| Failure::Unheard(error.to_string()));
            let before = sample()?;
            thread::sleep(LOOK);
            let after = sample()?;
            thread::sleep(Duration::from_millis(MILLISECONDS.into()).saturating_sub(LOOK));
            Ok((before, after))
        };
        let (trace, (before, after)) =
            commands::record(port, &secret, MILLISECONDS, meanwhile).map_err(said)?;
        let pages = load.join().map_err(|_| "curl's thread has failed")?;
        let number =
            after.names.iter().find(|(_, name)| name == "first").map(|(number, _)| *number);
        let first = number.ok_or("the sample has no activity 'first'")?;
        overlap(&trace)?;
        if !served(&trace, first) {
            last = format!("of {pages} pages none is in the recording");
            continue;
        }
        let told = |sample: &Sample| {
            let core = sample.cores.first();
            let own = core.and_then(|core| core.used.iter().find(|(of, _)| *of == first));
            (own.map_or(0, |(_, cycles)| *cycles), core.map_or(0, |core| core.stamp))
        };
        let ((used, until), (used_before, from)) = (told(&after), told(&before));
        let core = trace.cores.first().ok_or("no core was recorded")?;
        if core.lost > 0 || from < core.began || until > core.ended {
            last =
                format!("the samples are not within the recording, {} events are lost", core.lost);
            continue;
        }
        let (sampled, recorded) = (used - used_before, trace.paid(first, from..until));
        let off = (recorded as f64 / sampled as f64 - 1.0).abs();
        if off <= WITHIN {
            let files = files(found)?;
            return Ok(format!(
                "{} runs recorded of {pages} pages, {:.2} % off the samples; {files}",
                core.slices.len(),
                100.0 * off
            ));
        }
        return Err(format!(
            "the first site used {recorded} cycles as recorded, {sampled} as sampled"
        ));
    }
    Err(last)
}

/// Whether a site's page is in it: TCP for its activity, and its thread.
fn served(trace: &Trace, activity: u32) -> bool {
    let slices = trace.cores.iter().flat_map(|core| &core.slices);
    let resources: Vec<_> = slices
        .filter(|slice| slice.paid().iter().any(|(payer, paid)| *payer == activity && *paid > 0))
        .map(|slice| trace.resource(slice))
        .collect();
    ["resource.tcp", "resource.file", "resource.thread"]
        .iter()
        .all(|wanted| resources.iter().any(|name| name.starts_with(wanted)))
}

/// No two slices of a core overlap, and they are no longer than it was recorded.
fn overlap(trace: &Trace) -> Result<(), String> {
    for Core { number, slices, began, ended, .. } in &trace.cores {
        let mut last = *began;
        for slice in slices {
            if slice.event.began < last {
                return Err(format!("core {number}: {slice:?} begins before {last}"));
            }
            last = slice.ended();
        }
        if last > *ended {
            return Err(format!("core {number}: recorded up to {ended}, and a run up to {last}"));
        }
    }
    Ok(())
}

/// The command itself writes what viewers read.
fn files(found: &Found) -> Result<String, String> {
    let folder = tempfile::tempdir().map_err(said)?;
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (json, svg, folded) = (path("a.json"), path("a.svg"), path("a.folded"));
    let number = found.about.process.to_string();
    let words = ["trace", "--machine", &number, "--milliseconds", "100", "-o", &json];
    let text = vortex(&[&words[..], &["--flame", &svg, "--folded", &folded]].concat())?;
    for part in ["Recorded 100 ms of 1 core: ", &json, &svg, &folded, "ui.perfetto.dev"] {
        if !text.contains(part) {
            return Err(format!("'trace' does not say '{part}':\n{text}"));
        }
    }
    let read = |path: &str| std::fs::read_to_string(path).map_err(said);
    let entries: Value = serde_json::from_str(&read(&json)?).map_err(said)?;
    let entries = entries["traceEvents"].as_array().ok_or("the file has no events")?;
    let mut phases: HashMap<&str, usize> = HashMap::new();
    for entry in entries {
        *phases.entry(entry["ph"].as_str().unwrap_or_default()).or_default() += 1;
    }
    let of = |phase: &str| phases.get(phase).copied().unwrap_or(0);
    if of("X") == 0 || of("s") == 0 || of("s") != of("f") {
        return Err(format!("the file has {phases:?}"));
    }
    if !read(&svg)?.ends_with("</svg>\n") || !read(&folded)?.contains("watch;") {
        return Err("the graph has no monitor, though that was asked".into());
    }
    Ok(format!("a file of {} slices and {} arrows", of("X"), of("s")))
}
