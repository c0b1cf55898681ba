//! Single values: numbers with units, shares, names of policies and metrics.

use alloc::string::{String, ToString};

use vortex_units::{Bytes, CoreId, Cycles, Frames, Micros, Nanos, Rate, Share};

use super::element::{Field, Reader};
use crate::{Algorithm, Metric, Span, limits};

const TIME: &[(&str, u64)] =
    &[("ns", 1), ("us", 1_000), ("µs", 1_000), ("ms", 1_000_000), ("s", 1_000_000_000)];
const SIZE: &[(&str, u64)] = &[
    ("", 1),
    ("B", 1),
    ("bytes", 1),
    ("KiB", 1 << 10),
    ("MiB", 1 << 20),
    ("GiB", 1 << 30),
    ("TiB", 1 << 40),
    ("kB", 1_000),
    ("KB", 1_000),
    ("MB", 1_000_000),
    ("GB", 1_000_000_000),
];
const FREQUENCY: &[(&str, u64)] =
    &[("Hz", 1), ("kHz", 1_000), ("MHz", 1_000_000), ("GHz", 1_000_000_000)];
const CYCLES: &[(&str, u64)] = &[("", 1), ("cycles", 1)];
/// Periods, in microseconds.
const PERIODS: core::ops::RangeInclusive<u64> = 100..=60_000_000;
/// The most of anything: far beyond use, and products of it with a factor fit in 128 bits.
const MOST: u64 = 1 << 50;

/// A decimal number times the factor of its unit, exactly; `None` where it is none, has no
/// such unit, is not whole in the base unit, or is too large.
pub(super) fn quantity(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let split = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at_checked(split)?;
    let factor = units.iter().find(|(name, _)| *name == unit.trim())?.1;
    let (whole, part) = match number.split_once('.') {
        Some((whole, part)) if !part.is_empty() => (whole, part),
        Some(_) => return None,
        None => (number, ""),
    };
    if whole.is_empty() || whole.len() > 16 || part.len() > 12 {
        return None;
    }
    let whole: u128 = whole.parse().ok()?;
    let scale = 10_u128.pow(u32::try_from(part.len()).ok()?);
    let part: u128 = if part.is_empty() { 0 } else { part.parse().ok()? };
    let total = (whole * scale + part) * u128::from(factor);
    let value = u64::try_from(total / scale).ok()?;
    (total.is_multiple_of(scale) && value <= MOST).then_some(value)
}

impl Reader<'_> {
    fn quantity(
        &mut self,
        field: &Field,
        units: &[(&str, u64)],
        least: u64,
        most: u64,
        right: &str,
    ) -> Option<u64> {
        let value = quantity(&field.text, units).filter(|v| (least..=most).contains(v));
        if value.is_none() {
            self.bad(field, right);
        }
        value
    }

    /// A whole number without a unit.
    pub(super) fn number(&mut self, field: &Field, least: u64, most: u64) -> Option<u64> {
        let right = alloc::format!("a whole number from {least} to {most}");
        self.quantity(field, &[("", 1)], least, most, &right)
    }

    /// The same, for the smaller types; `most` fits.
    pub(super) fn number32(&mut self, field: &Field, least: u32, most: u32) -> Option<u32> {
        self.number(field, least.into(), most.into()).and_then(|n| u32::try_from(n).ok())
    }

    pub(super) fn share(&mut self, field: &Field) -> Option<Share> {
        let text = field.text.strip_suffix('%').unwrap_or(&field.text).trim_end();
        let share = quantity(text, &[("", 100)])
            .and_then(|hundredths| u32::try_from(hundredths).ok())
            .and_then(|hundredths| Share::from_hundredths(hundredths).ok());
        if share.is_none() {
            self.bad(field, "a share from 0.01 to 1000000, with at most two decimals");
        }
        share
    }

    pub(super) fn core(&mut self, field: &Field) -> Option<CoreId> {
        let most = u64::from(limits::CORES - 1);
        let right = alloc::format!("a core's number, from 0 to {most}");
        let number = self.quantity(field, &[("", 1)], 0, most, &right)?;
        u16::try_from(number).ok().map(CoreId::new)
    }

    pub(super) fn time(&mut self, field: &Field) -> Option<Nanos> {
        let right = "a time of at most an hour with its unit, as 20 us, 5 ms or 1.5 s";
        self.quantity(field, TIME, 0, limits::DURATION, right).map(Nanos::new)
    }

    pub(super) fn micros(&mut self, field: &Field) -> Option<Micros> {
        let time = self.time(field)?;
        if !time.get().is_multiple_of(1_000) {
            self.bad(field, "whole microseconds, as 20 us or 1.5 ms");
            return None;
        }
        Some(Micros::new(time.get() / 1_000))
    }

    /// A period of a reservation or a deadline.
    pub(super) fn period(&mut self, field: &Field) -> Option<Micros> {
        let period = self.micros(field)?;
        if !PERIODS.contains(&period.get()) {
            self.bad(field, "a time from 100 us to 60 s");
            return None;
        }
        Some(period)
    }

    pub(super) fn bytes(&mut self, field: &Field) -> Option<Bytes> {
        let right = "a size, as 1500, 64 KiB or 256 MiB";
        self.quantity(field, SIZE, 0, MOST, right).map(Bytes::new)
    }

    pub(super) fn frames(&mut self, field: &Field) -> Option<Frames> {
        let right = "a size in whole page frames of 4 KiB, as 64 MiB or 1 GiB";
        let bytes =
            quantity(&field.text, SIZE).filter(|size| size.is_multiple_of(Frames::SIZE.get()));
        if bytes.is_none() {
            self.bad(field, right);
        }
        bytes.map(|bytes| Frames::new(bytes / Frames::SIZE.get()))
    }

    pub(super) fn frequency(&mut self, field: &Field) -> Option<Cycles> {
        let right = "a frequency from 1 MHz to 100 GHz, as 2.66 GHz";
        self.quantity(field, FREQUENCY, 1_000_000, 100_000_000_000, right).map(Cycles::new)
    }

    /// Cycles, or a time that the frequency turns into cycles.
    pub(super) fn cycles(&mut self, field: &Field, frequency: Cycles) -> Option<Cycles> {
        let value = cycles(&field.text, frequency);
        if value.is_none() {
            self.bad(field, "cycles or a time, as 300 cycles or 5 us");
        }
        value
    }

    /// Cycles or a time, or two of them with `..` between, of which the first may leave its
    /// unit to the second.
    pub(super) fn span(&mut self, field: &Field, frequency: Cycles) -> Option<Span> {
        let span = match field.text.split_once("..") {
            None => cycles(&field.text, frequency).map(|least| Span { least, most: least }),
            Some((least, most)) => {
                let bare = least.trim().chars().all(is_digit);
                let unit = if bare { most.trim().trim_start_matches(is_digit) } else { "" };
                let least = alloc::format!("{}{unit}", least.trim());
                cycles(&least, frequency)
                    .zip(cycles(most.trim(), frequency))
                    .map(|(least, most)| Span { least, most })
            }
        };
        let span = span.filter(|span| span.least <= span.most);
        if span.is_none() {
            self.bad(field, "cycles or a time, or a range of them, as 5 us or 200..400 cycles");
        }
        span
    }

    /// An amount of the metric a second; of time, microseconds.
    pub(super) fn rate(&mut self, field: &Field, metric: &Metric) -> Option<Rate> {
        let (text, units, right): (_, &[_], _) = match metric {
            Metric::Bytes => {
                (field.text.strip_suffix("/s"), SIZE, "bytes a second, as 20 MB/s or 500 kB/s")
            }
            Metric::Requests => (
                field.text.strip_suffix("/s"),
                &[("", 1), ("requests", 1)],
                "requests a second, as 400 /s",
            ),
            Metric::Cycles | Metric::ServiceTime => (
                field.text.strip_suffix('%'),
                &[("", 10_000)],
                "a part of the time from 0.0001 % to 100 %",
            ),
            Metric::Memory | Metric::Field(_) => {
                (None, &[], "nothing: what this scheduler counts has no rate")
            }
        };
        let most = if right.starts_with('a') { 1_000_000 } else { MOST };
        let rate = text.and_then(|text| quantity(text.trim_end(), units));
        let rate = rate.filter(|rate| (1..=most).contains(rate));
        if rate.is_none() {
            self.bad(field, right);
        }
        rate.map(Rate::new)
    }

    /// A policy by its name, dotted or as Figure 6 prints it.
    pub(super) fn algorithm(&mut self, field: &Field) -> Algorithm {
        let name = field.text.replace(' ', ".");
        let known = self.known;
        if let Some(policy) = known.policies.iter().find(|policy| policy.name == name) {
            return policy.algorithm();
        }
        let dotted = Field { place: field.place, text: name };
        self.unknown(&dotted, "algorithm", known.policies.iter().map(|p| p.name.as_str()));
        anything()
    }

    pub(super) fn metric(&mut self, field: &Field) -> Metric {
        match field.text.as_str() {
            "cycles" => Metric::Cycles,
            "bytes" => Metric::Bytes,
            "memory" => Metric::Memory,
            "requests" => Metric::Requests,
            "service-time" => Metric::ServiceTime,
            other => {
                let name = other.strip_prefix("field:").map(str::trim);
                if let Some(name) = name.filter(|name| is_name(name)) {
                    return Metric::Field(name.to_string());
                }
                self.bad(field, "cycles, bytes, memory, requests, service-time or field:NAME");
                Metric::Cycles
            }
        }
    }

    /// A name that this file gives to something.
    pub(super) fn name(&mut self, field: &Field) -> String {
        if !is_name(&field.text) {
            self.bad(field, "a name of letters, digits, '.', '-' and '_', at most 64");
        }
        field.text.clone()
    }
}

/// The stand-in for an unknown policy: no knob is wrong for it.
pub(super) fn anything() -> Algorithm {
    let name = String::new();
    Algorithm {
        name,
        uses_shares: true,
        uses_priority: true,
        work_conserving: true,
        uses_reservations: true,
        uses_limits: true,
        uses_periods: true,
        uses_positions: false,
        uses_groups: false,
    }
}

fn is_digit(c: char) -> bool {
    c.is_ascii_digit() || c == '.'
}

fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_');
    (1..=64).contains(&text.len()) && text.chars().all(fits)
}

fn cycles(text: &str, frequency: Cycles) -> Option<Cycles> {
    quantity(text, CYCLES).map(Cycles::new).or_else(|| {
        let time = quantity(text, TIME).filter(|time| *time <= limits::DURATION)?;
        let cycles = u128::from(time) * u128::from(frequency.get()) / 1_000_000_000;
        u64::try_from(cycles).ok().map(Cycles::new)
    })
}
