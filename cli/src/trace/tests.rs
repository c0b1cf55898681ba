use std::collections::{HashMap, HashSet};

use serde_json::Value;
use vortex_abi::performance::trace::{Event, How, NOWHERE, Piece, encode};

use super::flame::Flame;
use super::{Core, Trace, chrome};

/// Cycles to a microsecond.
const MEGAHERTZ: u32 = 1000;

fn piece(core: u16, first: u64, events_in_all: u64, events: &[(Event, &str)]) -> Vec<u8> {
    let mut piece = Piece {
        core,
        megahertz: MEGAHERTZ,
        began: 1_000_000,
        ended: 1_900_000,
        events_in_all,
        first,
        names: vec![(0, "infrastructure".into()), (1, "web".into()), (2, "a;<b>".into())],
        ..Piece::default()
    };
    for (event, word) in events {
        piece.add(*event, word, || format!("resource.{}", event.instance));
    }
    encode(&piece)
}

fn event(how: How, run: u32, at: u64, span: u64, cause: Option<(u16, u32)>) -> Event {
    let began = 1_000_000 + at;
    Event { run, how, activity: 1, instance: 7, began, span, waited: 0, cause, word: 0 }
}

/// Two cores: the first asks the second, which answers; a thread is in user mode, the
/// infrastructure's run is billed back.
fn trace() -> Trace {
    let packet = Event { activity: 0, ..event(How::Began, 10, 0, 500_000, None) };
    let asks = Event { waited: 2_000, ..event(How::Began, 11, 500_000, 1_234, Some((0, 10))) };
    let goes = event(How::WentOn, 12, 501_234, 10, Some((0, 11)));
    let user = Event { instance: 8, ..event(How::User, 13, 501_244, 50_000, Some((0, 12))) };
    let left = Event { instance: 8, ..event(How::WentOn, 13, 551_244, 100, Some((0, 12))) };
    let aside = Event { instance: NOWHERE, ..event(How::Aside, 13, 551_344, 7, None) };
    let resumed = event(How::Resumed, 14, 551_351, 5, Some((1, 4)));
    let billed = Event { waited: 300_000, ..event(How::Billed, 10, 551_356, 0, None) };
    let first = [(packet, "packet"), (asks, "read"), (goes, "read")];
    let second = [(user, "user mode"), (left, "ready"), (aside, ""), (resumed, "read")];
    // Its interval begins before its request came, and one was caused before all this.
    let other = Event { activity: 2, ..event(How::Began, 4, 100, 501_400, Some((0, 11))) };
    let old = Event { activity: 2, ..event(How::Began, 5, 501_500, 20, Some((0, 3))) };
    // A counter that is behind: what ends before its cause has no arrow.
    let behind = event(How::Began, 6, 501_520, 5, Some((0, 14)));
    let mut trace = Trace::default();
    let mut one = Core::new(0);
    let bytes = [piece(0, 0, 8, &first), piece(0, 3, 8, &second)].concat();
    trace.take(&mut one, &bytes).unwrap();
    assert!(!one.whole);
    trace.take(&mut one, &piece(0, 7, 8, &[(billed, "")])).unwrap();
    assert!(one.whole);
    let mut two = Core::new(1);
    let events = [(other, "look up"), (old, "look up"), (behind, "")];
    trace.take(&mut two, &piece(1, 0, 3, &events)).unwrap();
    trace.cores = vec![one, two];
    trace
}

#[test]
fn pieces_follow_each_other() {
    let (mut trace, mut core) = (Trace::default(), Core::new(0));
    assert!(trace.take(&mut core, &piece(0, 3, 8, &[])).is_err(), "the first is missing");
    assert!(trace.take(&mut core, &piece(1, 0, 8, &[])).is_err(), "another core's");
    assert!(trace.take(&mut core, b"no piece at all, but long enough").is_err());
    assert!(trace.take(&mut core, &piece(0, 0, 0, &[])).is_ok() && core.whole);
}

#[test]
fn who_was_charged_later_pays() {
    let trace = trace();
    assert_eq!(trace.paid(0, 0..u64::MAX), 200_000);
    assert_eq!(trace.paid(1, 0..u64::MAX), 300_000 + 1_234 + 10 + 50_000 + 100 + 7 + 5 + 5);
    assert_eq!(trace.paid(2, 0..u64::MAX), 501_400 + 20);
    assert_eq!(trace.paid(2, 1_501_500..1_501_501), 20);
}

#[test]
fn the_file_is_what_viewers_read() {
    let file = chrome::file(&trace());
    let text = serde_json::to_string(&file).unwrap();
    let read: Value = serde_json::from_str(&text).unwrap();
    let entries = read["traceEvents"].as_array().unwrap();
    let of = |phase: &'static str| entries.iter().filter(move |entry| entry["ph"] == phase);
    let nanos = |value: &Value| (value.as_f64().unwrap() * 1000.0).round() as u64;
    let place = |entry: &Value| (entry["pid"].as_u64().unwrap(), entry["tid"].as_u64().unwrap());

    let named: HashMap<_, _> = of("M")
        .filter(|entry| entry["name"] == "thread_name")
        .map(|entry| (place(entry), entry["args"]["name"].as_str().unwrap()))
        .collect();
    assert!(of("M").any(|entry| entry["name"] == "process_name"
        && entry["pid"] == 2
        && entry["args"]["name"] == "core 1"));
    let numbers: HashSet<_> = named.keys().map(|(_, tid)| tid).collect();
    assert_eq!(numbers.len(), named.len(), "each track has its own number");

    // By core: no two overlap, and all are on a track with a name.
    let mut ended = HashMap::new();
    for slice in of("X") {
        assert!(named.contains_key(&place(slice)), "{slice}");
        let (began, span) = (nanos(&slice["ts"]), nanos(&slice["dur"]));
        let last = ended.insert(place(slice).0, began + span).unwrap_or(0);
        assert!(began >= last, "{slice} overlaps what ended at {last}");
        for wanted in ["activity", "about", "how"] {
            assert!(slice["args"][wanted].is_string(), "{slice}");
        }
    }
    assert_eq!(of("X").count(), 7 + 3);
    let read = of("X").find(|slice| slice["args"]["how"] == "began" && slice["args"]["run"] == 11);
    let read = read.unwrap();
    assert_eq!(read["name"], "web: read");
    assert_eq!(read["args"]["waited (µs)"], 2.0);
    assert_eq!((nanos(&read["ts"]), nanos(&read["dur"])), (500_000, 1_234));
    let packet = of("X").find(|slice| slice["args"]["run"] == 10).unwrap();
    assert_eq!(packet["args"]["billed (cycles)"], "web: 300000");

    // Each arrow has its begin and its end, in slices, and ends not before it begins.
    let mut begins: HashMap<_, _> = of("s").map(|begin| (begin["id"].as_u64(), begin)).collect();
    assert_eq!((begins.len(), file.arrows), (4, 4));
    let within = |end: &Value| {
        of("X").any(|slice| {
            let (began, at) = (nanos(&slice["ts"]), nanos(&end["ts"]));
            place(slice) == place(end) && began <= at && at < began + nanos(&slice["dur"])
        })
    };
    for end in of("f") {
        let begin = begins.remove(&end["id"].as_u64()).expect("it has begun, once");
        assert!(nanos(&begin["ts"]) <= nanos(&end["ts"]), "{begin} {end}");
        assert!(within(begin) && within(end), "{begin} {end}");
        assert_eq!(end["bp"], "e");
    }
    assert!(begins.is_empty());
}

#[test]
fn the_graph_has_all_that_was_paid() {
    let trace = trace();
    let flame = Flame::of(&trace);
    let folded = flame.folded();
    let mut sum = 0;
    for line in folded.lines() {
        let (stack, cycles) = line.rsplit_once(' ').unwrap();
        assert_eq!(stack.split(';').count(), 3, "{line}");
        sum += cycles.parse::<u64>().unwrap();
    }
    let slices = trace.cores.iter().flat_map(|core| &core.slices);
    assert_eq!(sum, slices.map(|slice| slice.event.span).sum::<u64>());
    for wanted in [
        "web;resource.7;packet 300000\n",
        "infrastructure;resource.7;packet 200000\n",
        "web;resource.8;user mode 50000\n",
        "web;between runs;work for it 7\n",
        "a,<b>;resource.7;look up 501420\n",
    ] {
        assert!(folded.contains(wanted), "'{wanted}' is not in\n{folded}");
    }
    let svg = flame.svg("Machine 7 & <more>");
    assert!(svg.contains("Machine 7 &amp; &lt;more&gt;") && svg.contains("a,&lt;b&gt;"));
    assert!(svg.contains("<title>web, resource.7, packet: 300.0 µs, 28.5 % of what was recorded"));
    let opened = svg.matches("<g>").count();
    // All; three activities; in them resources, and what it was about, but for what is too narrow.
    assert!((1 + 3 + 4 + 4..=1 + 3 + 5 + 9).contains(&opened), "{opened}\n{svg}");
    assert_eq!(opened, svg.matches("</g>").count());
    for number in svg.split("width=\"").skip(2).filter_map(|rest| rest.split('"').next()) {
        assert!(number == "100%" || number.parse::<f64>().unwrap() > 0.0, "{number}");
    }
    assert!(Flame::of(&Trace::default()).svg("nothing").ends_with("</svg>\n"));
}
