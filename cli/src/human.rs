//! Amounts as people read them.

/// Cycles: `950`, `12.3 k`, `4.56 M`, `7.89 G`.
pub fn cycles(cycles: u64) -> String {
    scaled(cycles, "")
}

/// Bytes, in powers of ten as devices are measured: `512 B`, `64.0 kB`.
pub fn bytes(bytes: u64) -> String {
    match bytes {
        0..1_000 => format!("{bytes} B"),
        1_000..10_000 => format!("{:.2} kB", bytes as f64 / 1e3),
        _ => scaled(bytes, "B"),
    }
}

fn scaled(amount: u64, unit: &str) -> String {
    let value = amount as f64;
    match amount {
        0..10_000 => amount.to_string(),
        10_000..1_000_000 => format!("{:.1} k{unit}", value / 1e3),
        1_000_000..1_000_000_000 => format!("{:.2} M{unit}", value / 1e6),
        _ => format!("{:.2} G{unit}", value / 1e9),
    }
}

/// A span of time given in nanoseconds: `870 ns`, `12.3 µs`, `4.56 ms`, `1.00 s`.
pub fn nanos(nanos: f64) -> String {
    if nanos < 1e3 {
        format!("{nanos:.0} ns")
    } else if nanos < 1e6 {
        format!("{:.1} µs", nanos / 1e3)
    } else if nanos < 1e9 {
        format!("{:.2} ms", nanos / 1e6)
    } else {
        format!("{:.2} s", nanos / 1e9)
    }
}

/// A long span of time: `0:07`, `12:34`, `1:02:03`.
pub fn span(span: std::time::Duration) -> String {
    let seconds = span.as_secs();
    let (hours, minutes, seconds) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    match hours {
        0 => format!("{minutes}:{seconds:02}"),
        hours => format!("{hours}:{minutes:02}:{seconds:02}"),
    }
}

/// A number of things: `1 core`, `2 cores`.
pub fn count(number: usize, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}

/// A part of a whole: `33.3 %`; a dash where there is no whole.
pub fn percent(part: f64, whole: f64) -> String {
    if whole > 0.0 { format!("{:.1} %", 100.0 * part / whole) } else { "-".into() }
}

/// A whole number with its thousands apart: `100,000`.
pub fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut text = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_size_has_its_unit() {
        assert_eq!(cycles(9_999), "9999");
        assert_eq!(cycles(12_345), "12.3 k");
        assert_eq!(cycles(4_560_000), "4.56 M");
        assert_eq!(bytes(512), "512 B");
        assert_eq!(bytes(4_096), "4.10 kB");
        assert_eq!(bytes(65_536), "65.5 kB");
        assert_eq!(nanos(870.0), "870 ns");
        assert_eq!(nanos(12_300.0), "12.3 µs");
        assert_eq!(percent(1.0, 3.0), "33.3 %");
        assert_eq!(percent(1.0, 0.0), "-");
        assert_eq!(grouped(100_000), "100,000");
        assert_eq!(grouped(42), "42");
        let seconds = std::time::Duration::from_secs;
        assert_eq!([span(seconds(7)), span(seconds(3723))], ["0:07", "1:02:03"]);
    }
}
