//! Samples the machine (§4.1): `sampler --count N` calls `performance` once a second, and
//! prints what it got when it has all, so that printing disturbs no sample.
//!
//! A line each, words apart by spaces (in names every other character is an underscore):
//!
//! ```text
//! sampler sample PLACE WHOLE STAMP MEGAHERTZ
//! sampler memory PLACE ACTIVITY FRAMES OBJECTS
//! sampler core PLACE CORE STAMP ELAPSED IDLE HOST DEPARTED
//! sampler used PLACE CORE ACTIVITY CYCLES
//! sampler client PLACE CORE KIND RESOURCE ACTIVITY CYCLES BYTES MEMORY REQUESTS RUNS WAITED
//! sampler end COUNT
//! ```
//!
//! Clients of the multiplexors have kind `threads` or `resource`; with `--holders` those of
//! the resources' schedulers are printed too.

use std::time::Duration;

use vortex_abi::performance::{Client, Core, Kind, NUMBER, Sample, decode};
use vortex_guest::{Errno, Res, args::Args, out, proc, say, sys, time};

const USAGE: &str = "usage: sampler [--count N] [--warm MS] [--every MS] [--holders]";
/// As much as one call fills.
const ROOM: usize = 256 << 10;

fn take(buffer: &mut [u8]) -> Res<Sample> {
    // SAFETY: the kernel writes within the slice.
    let length = unsafe { sys!(i64::from(NUMBER), buffer.as_mut_ptr(), buffer.len()) }?;
    decode(buffer.get(..length).unwrap_or_default()).map_err(|_| Errno(libc::EBADMSG))
}

fn word(text: &str) -> String {
    let plain = |letter: char| if letter.is_ascii_graphic() { letter } else { '_' };
    let text: String = text.chars().map(plain).collect();
    if text.is_empty() { "-".into() } else { text }
}

fn client(place: usize, core: &Core, client: &Client, sample: &Sample) -> String {
    let kind = match client.kind {
        Kind::Threads => "threads",
        Kind::Resource => "resource",
        Kind::Holder => "holder",
    };
    let activity = word(sample.name(client.activity).unwrap_or("?"));
    let Client { cycles, bytes, memory, requests, runs, waited, .. } = client;
    format!(
        "sampler client {place} {} {kind} {} {activity} {cycles} {bytes} {memory} {requests} \
         {runs} {waited}\n",
        core.number,
        word(&client.resource),
    )
}

fn print(place: usize, sample: &Sample, holders: bool) {
    let Sample { whole, stamp, megahertz, .. } = sample;
    let mut text = format!("sampler sample {place} {} {stamp} {megahertz}\n", u8::from(*whole));
    for of in &sample.memory {
        let name = word(sample.name(of.activity).unwrap_or("?"));
        text += &format!("sampler memory {place} {name} {} {}\n", of.frames, of.objects);
    }
    for core in &sample.cores {
        let Core { number, stamp, elapsed, idle, host, departed, .. } = core;
        text +=
            &format!("sampler core {place} {number} {stamp} {elapsed} {idle} {host} {departed}\n");
        for (activity, cycles) in &core.used {
            let name = word(sample.name(*activity).unwrap_or("?"));
            text += &format!("sampler used {place} {number} {name} {cycles}\n");
        }
        for of in core.clients.iter().filter(|of| holders || of.kind != Kind::Holder) {
            text += &client(place, core, of, sample);
        }
    }
    // A line at a time: what others say meanwhile comes between lines.
    text.split_inclusive('\n').for_each(|line| out::put(1, line));
}

fn main() {
    let mut args = Args::new(USAGE);
    let count = args.number("--count").unwrap_or(10) as usize;
    let warm = Duration::from_millis(args.number("--warm").unwrap_or(0));
    let every = Duration::from_millis(args.number("--every").unwrap_or(1000));
    let holders = args.flag("--holders");
    args.end();
    // Written, so that it is there when the kernel is to fill it.
    let mut buffer = vec![1_u8; ROOM];
    let mut samples = Vec::with_capacity(count);
    time::pause(warm);
    let mut next = time::now();
    for _ in 0..count {
        match take(&mut buffer) {
            Ok(sample) => samples.push(sample),
            Err(error) => out::fail(&format!("sampler: {error}")),
        }
        next += every;
        time::pause(next.saturating_sub(time::now()));
    }
    for (place, sample) in samples.iter().enumerate() {
        print(place, sample, holders);
    }
    say!("sampler end {}", samples.len());
    proc::exit(0)
}
