//! Words and numbers as the answers have them.

use std::fmt::Write as _;

use vortex_abi::performance::{Core, OTHERS, Sample};

/// Plain text.
pub const PLAIN: &str = "text/plain; charset=utf-8";
/// JSON.
pub const JSON: &str = "application/json";
/// Bytes.
pub const BYTES: &str = "application/octet-stream";

/// Cycles as seconds, to the nanosecond, by integers alone.
pub fn seconds(cycles: u64, megahertz: u32) -> String {
    let nanos = u128::from(cycles) * 1000 / u128::from(megahertz.max(1));
    let (whole, rest) = (nanos / 1_000_000_000, nanos % 1_000_000_000);
    if rest == 0 { whole.to_string() } else { format!("{whole}.{rest:09}") }
}

/// A whole number of either sign as seconds.
pub fn signed_seconds(cycles: i64, megahertz: u32) -> String {
    let sign = if cycles < 0 { "-" } else { "" };
    format!("{sign}{}", seconds(cycles.unsigned_abs(), megahertz))
}

/// What of a core's time is on no bill; law 1 says that it is nothing.
pub fn residue(core: &Core) -> i64 {
    let used: u64 = core.used.iter().map(|(_, cycles)| cycles).sum();
    let booked = [core.idle, core.host, core.departed, used].iter().sum::<u64>();
    i64::try_from(i128::from(core.elapsed) - i128::from(booked)).unwrap_or(i64::MAX)
}

/// What an activity is called.
pub fn name(sample: &Sample, activity: u32) -> String {
    match sample.name(activity) {
        Some(name) => name.into(),
        None if activity == OTHERS => "others".into(),
        None => activity.to_string(),
    }
}

/// A string of JSON, quotes included.
pub fn quoted(text: &str) -> String {
    let mut quoted = String::from("\"");
    for letter in text.chars() {
        match letter {
            '"' | '\\' => quoted.extend(['\\', letter]),
            ' '.. => quoted.push(letter),
            _ => {
                // Writing to a string does not fail.
                let _ = write!(quoted, "\\u{:04x}", u32::from(letter));
            }
        }
    }
    quoted.push('"');
    quoted
}
