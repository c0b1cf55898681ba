//! How long the machine's first core had nothing to do: of what was measured that is no cost.

use std::collections::BTreeMap;

use vortex_abi::performance::{Kind, NUMBER, Sample, decode};
use vortex_guest::{file, sys};

/// As much as one call of `performance` fills.
const ROOM: usize = 256 << 10;

/// In cycles of the counter: from Vortex's own accounts, to the cycle, or from Linux's timers,
/// in nanoseconds, which under counted time are the same.
pub fn cycles() -> u64 {
    vortex().or_else(linux).unwrap_or(0)
}

fn sample() -> Option<Sample> {
    let mut buffer = vec![0; ROOM];
    // SAFETY: the kernel writes within the slice.
    let length = unsafe { sys!(i64::from(NUMBER), buffer.as_mut_ptr(), buffer.len()) }.ok()?;
    decode(buffer.get(..length)?).ok()
}

fn vortex() -> Option<u64> {
    Some(sample()?.cores.iter().map(|core| core.idle).sum())
}

/// What each resource has used until now, of Vortex: cycles, and how many requests and runs.
pub fn parts() -> BTreeMap<String, [u64; 3]> {
    let mut all = BTreeMap::new();
    for client in sample().iter().flat_map(|sample| &sample.cores).flat_map(|core| &core.clients) {
        if client.kind != Kind::Holder {
            let sum: &mut [u64; 3] = all.entry(client.resource.clone()).or_default();
            for (sum, more) in sum.iter_mut().zip([client.cycles, client.requests, client.runs]) {
                *sum += more;
            }
        }
    }
    all
}

fn linux() -> Option<u64> {
    let text = file::get("/proc/timer_list").ok()?;
    let text = String::from_utf8_lossy(&text).into_owned();
    let line = text.lines().find(|line| line.contains(".idle_sleeptime"))?;
    line.split_whitespace().find_map(|word| word.parse().ok())
}
