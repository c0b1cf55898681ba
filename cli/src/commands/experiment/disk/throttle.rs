//! The disk's rate, changed while the machine runs, and how much of it was used: by QEMU's
//! monitor (QMP), a line of JSON each way.

use std::io::{BufRead as _, BufReader, Write as _};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use serde::Serialize;
use serde_json::{Value, json};

/// As `machine::disk` names the first one.
const DISK: &str = "disk0";
/// How long QEMU may take to be there, and the machine to read as much as it can.
const PATIENCE: Duration = Duration::from_secs(60);
/// Bytes in a second from which on the machine is at work.
const AT_WORK: u64 = 1_000_000;

/// How much the disk lets through.
#[derive(Clone, Copy, Debug, Serialize, PartialEq, Eq)]
pub struct Rate {
    /// Bytes a second; 0 where they are not bounded.
    pub bytes: u64,
    /// Operations a second; 0 where they are not bounded.
    pub operations: u64,
}

/// A second at one rate.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Second {
    /// Which of the rates it was, from 0.
    pub phase: usize,
    /// The rate.
    pub rate: Rate,
    /// It is the first at this rate: what was saved up at the one before is in it.
    pub first: bool,
    /// How long it was.
    pub seconds: f64,
    /// What was read in it.
    pub bytes: u64,
    /// By how many operations.
    pub operations: u64,
}

impl Second {
    /// What of the rate was used, in per cent: of what bounded it more.
    pub fn used(&self) -> f64 {
        let part = |done: u64, most: u64| match most {
            0 => 0.0,
            most => done as f64 * 100.0 / (most as f64 * self.seconds),
        };
        part(self.bytes, self.rate.bytes).max(part(self.operations, self.rate.operations))
    }
}

/// A monitor that answers.
struct Monitor {
    to: UnixStream,
    from: BufReader<UnixStream>,
}

impl Monitor {
    fn at(path: &Path) -> Result<Self, String> {
        let begin = Instant::now();
        let to = loop {
            match UnixStream::connect(path) {
                Ok(stream) => break stream,
                Err(error) if begin.elapsed() > PATIENCE => return Err(error.to_string()),
                Err(_) => thread::sleep(Duration::from_millis(50)),
            }
        };
        let from = BufReader::new(to.try_clone().map_err(|error| error.to_string())?);
        let mut monitor = Self { to, from };
        monitor.line()?;
        monitor.ask("qmp_capabilities", &json!({}))?;
        Ok(monitor)
    }

    fn line(&mut self) -> Result<Value, String> {
        let mut line = String::new();
        let read = self.from.read_line(&mut line).map_err(|error| error.to_string())?;
        if read == 0 {
            return Err("QEMU has ended".into());
        }
        serde_json::from_str(&line).map_err(|error| error.to_string())
    }

    /// What it answers; events in between are passed over.
    fn ask(&mut self, what: &str, arguments: &Value) -> Result<Value, String> {
        let request = json!({ "execute": what, "arguments": arguments });
        writeln!(self.to, "{request}").map_err(|error| error.to_string())?;
        loop {
            let answer = self.line()?;
            if let Some(error) = answer.get("error") {
                return Err(format!("{what}: {error}"));
            }
            if let Some(answer) = answer.get("return") {
                return Ok(answer.clone());
            }
        }
    }

    fn set(&mut self, rate: Rate) -> Result<(), String> {
        let arguments = json!({
            "device": DISK, "bps": rate.bytes, "bps_rd": 0, "bps_wr": 0,
            "iops": rate.operations, "iops_rd": 0, "iops_wr": 0,
        });
        self.ask("block_set_io_throttle", &arguments).map(drop)
    }

    /// Bytes that were read since the beginning, and operations.
    fn read(&mut self) -> Result<(u64, u64), String> {
        let all = self.ask("query-blockstats", &json!({}))?;
        let disks = all.as_array().into_iter().flatten();
        let disk = disks.into_iter().find(|disk| disk["device"] == DISK);
        let number = |name: &str| disk.and_then(|disk| disk["stats"][name].as_u64());
        number("rd_bytes").zip(number("rd_operations")).ok_or_else(|| "no such disk".into())
    }
}

/// Has a machine's disk have each of these rates for so many seconds, from when it is at work,
/// again and again until the machine ends. What was read in each second, as far as it was read,
/// and rates were held.
///
/// # Errors
/// In words.
pub fn vary(monitor: &Path, rates: &[Rate], seconds: u32) -> Result<Vec<Second>, String> {
    let mut monitor = Monitor::at(monitor)?;
    let first = *rates.first().ok_or("no rate")?;
    monitor.set(first)?;
    let (begin, second) = (Instant::now(), Duration::from_secs(1));
    let mut before = monitor.read()?;
    loop {
        thread::sleep(second);
        let now = monitor.read()?;
        if now.0 - before.0 > AT_WORK {
            break;
        }
        if begin.elapsed() > PATIENCE {
            return Err("nobody reads".into());
        }
        before = now;
    }
    // All that wants to read does by then.
    thread::sleep(second * 2);
    let mut list = Vec::new();
    let (mut before, mut at) = (monitor.read()?, Instant::now());
    'machine: for (phase, &rate) in rates.iter().cycle().enumerate() {
        if monitor.set(rate).is_err() {
            break;
        }
        for place in 0..seconds {
            thread::sleep(second.saturating_sub(at.elapsed()));
            // The machine ends when it has read enough.
            let Ok(now) = monitor.read() else { break 'machine };
            let then = Instant::now();
            list.push(Second {
                phase,
                rate,
                first: place == 0,
                seconds: (then - at).as_secs_f64(),
                bytes: now.0 - before.0,
                operations: now.1 - before.1,
            });
            (before, at) = (now, then);
        }
    }
    Ok(whole(list, seconds))
}

/// Without the end, when no more is read: neither that nor the rate at which it came is judged.
/// A second without reads before that is.
fn whole(mut list: Vec<Second>, seconds: u32) -> Vec<Second> {
    while list.pop_if(|last| last.bytes < AT_WORK).is_some() {}
    let last = list.last().map_or(0, |last| last.phase);
    list.retain(|second| second.phase < last);
    debug_assert!(list.len().is_multiple_of(seconds as usize));
    list
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_is_not_judged_and_a_pause_is() {
        let second = |phase, bytes| Second {
            phase,
            rate: Rate { bytes: AT_WORK, operations: 0 },
            first: false,
            seconds: 1.0,
            bytes,
            operations: 0,
        };
        let most = AT_WORK;
        let list = [(0, most), (0, 0), (1, most), (1, most), (2, most), (2, 3), (3, 0)];
        let list = whole(list.map(|(phase, bytes)| second(phase, bytes)).to_vec(), 2);
        let list: Vec<_> = list.iter().map(|second| (second.phase, second.bytes)).collect();
        assert_eq!(list, [(0, most), (0, 0), (1, most), (1, most)]);
    }

    #[test]
    fn what_is_used_is_of_what_bounds_more() {
        let second = |bytes, operations| Second {
            phase: 0,
            rate: Rate { bytes: 1_000, operations: 10 },
            first: false,
            seconds: 2.0,
            bytes,
            operations,
        };
        assert_eq!((second(1_000, 19).used(), second(2_000, 5).used()), (95.0, 100.0));
        let rate = Rate { bytes: 0, operations: 10 };
        assert_eq!(Second { rate, ..second(9_999, 10) }.used(), 50.0);
    }
}
