//! A recording in Chrome's trace format (JSON), which Perfetto opens, too: a process for each
//! core, a thread in it for each of its resources, and arrows from runs to what they caused.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;

use super::{Slice, Trace};
use vortex_abi::performance::trace::How;

/// The file.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct File {
    display_time_unit: &'static str,
    trace_events: Vec<Entry>,
    /// How many arrows it has.
    #[serde(skip)]
    pub arrows: usize,
}

/// An entry; times in microseconds.
#[derive(Debug, Default, Serialize)]
struct Entry {
    ph: &'static str,
    name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    cat: String,
    pid: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    tid: Option<u32>,
    ts: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    dur: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<usize>,
    #[serde(skip_serializing_if = "Option::is_none")]
    bp: Option<&'static str>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    args: BTreeMap<&'static str, serde_json::Value>,
}

/// Where a slice is drawn, and from when to when, in nanoseconds.
#[derive(Clone, Copy, Debug)]
struct Drawn {
    pid: u32,
    tid: u32,
    began: u64,
    ended: u64,
}

fn micros(nanos: u64) -> f64 {
    nanos as f64 / 1000.0
}

/// The recording as such a file.
pub fn file(trace: &Trace) -> File {
    let mut entries = Vec::new();
    // Runs by core and number, and what each slice in turn was caused by.
    let mut runs: HashMap<(u16, u32), Drawn> = HashMap::new();
    let mut caused = Vec::new();
    let mut tracks: BTreeMap<(u16, String), u32> = BTreeMap::new();
    for core in &trace.cores {
        let pid = u32::from(core.number) + 1;
        entries.push(named("process_name", pid, None, format!("core {}", core.number)));
        let mut before: Option<&Slice> = None;
        for slice in &core.slices {
            let resource = trace.resource(slice);
            let next = u32::try_from(tracks.len()).unwrap_or(u32::MAX).saturating_add(1);
            let tid = *tracks.entry((core.number, resource.into())).or_insert_with(|| {
                entries.push(named("thread_name", pid, Some(next), resource.into()));
                next
            });
            let (began, ended) = (trace.nanos(slice.event.began), trace.nanos(slice.ended()));
            let drawn = Drawn { pid, tid, began, ended };
            entries.push(run(trace, slice, drawn));
            if let Some(cause) = slice.event.cause
                && !follows(core.number, slice, before)
            {
                caused.push((cause, drawn));
            }
            if slice.is_run() {
                runs.insert((core.number, slice.event.run), drawn);
            }
            before = Some(slice);
        }
    }
    let mut arrows = 0;
    for (cause, to) in caused {
        // What was caused before the recording began has no arrow.
        let Some(from) = runs.get(&cause) else { continue };
        let leaves = from.ended.saturating_sub(1).max(from.began);
        // An interval may begin before its request came, and does not end before.
        let comes = leaves.max(to.began);
        if comes >= to.ended {
            continue;
        }
        arrows += 1;
        let mut end = |ph, at: &Drawn, ts| {
            entries.push(Entry {
                ph,
                name: "causes".into(),
                cat: "cause".into(),
                pid: at.pid,
                tid: Some(at.tid),
                ts: micros(ts),
                id: Some(arrows),
                bp: (ph == "f").then_some("e"),
                ..Entry::default()
            });
        };
        end("s", from, leaves);
        end("f", &to, comes);
    }
    File { display_time_unit: "ns", trace_events: entries, arrows }
}

/// Whether a slice only goes on with what the one before it was: no arrow is needed.
fn follows(core: u16, slice: &Slice, before: Option<&Slice>) -> bool {
    before.is_some_and(|before| {
        let (own, last) = (&slice.event, &before.event);
        let on = matches!(own.how, How::WentOn | How::User);
        own.instance == last.instance
            && on
            && (own.cause == last.cause || own.cause == Some((core, last.run)))
    })
}

fn named(what: &str, pid: u32, tid: Option<u32>, name: String) -> Entry {
    let args = BTreeMap::from([("name", name.into())]);
    Entry { ph: "M", name: what.into(), pid, tid, args, ..Entry::default() }
}

fn run(trace: &Trace, slice: &Slice, drawn: Drawn) -> Entry {
    let event = &slice.event;
    let (activity, about) = (trace.activity(event.activity), trace.about(slice));
    let how = match event.how {
        How::Began => "began",
        How::WentOn => "went on",
        How::Resumed => "resumed by a reply",
        How::User => "user mode",
        How::Aside | How::Billed => "between runs",
    };
    let mut args: BTreeMap<&'static str, serde_json::Value> = BTreeMap::from([
        ("activity", activity.clone().into()),
        ("about", about.into()),
        ("how", how.into()),
        ("cycles", event.span.into()),
        ("run", event.run.into()),
    ]);
    if event.how == How::Began {
        let megahertz = f64::from(trace.megahertz.max(1));
        args.insert("waited (µs)", (event.waited as f64 / megahertz).into());
    }
    if !slice.billed.is_empty() {
        let billed = slice.billed.iter();
        let billed = billed.map(|(who, cycles)| format!("{}: {cycles}", trace.activity(*who)));
        args.insert("billed (cycles)", billed.collect::<Vec<_>>().join(", ").into());
    }
    Entry {
        ph: "X",
        name: format!("{activity}: {about}"),
        cat: activity,
        pid: drawn.pid,
        tid: Some(drawn.tid),
        ts: micros(drawn.began),
        dur: Some(micros(drawn.ended - drawn.began)),
        args,
        ..Entry::default()
    }
}
