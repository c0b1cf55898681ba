//! The part `bus`: a scheduler above those of a disk's and a card's drivers holds what both have
//! together to its limit, and divides it as they are entitled to it (§3.1).
//! `experiments/bus/README.md` says what it must show.

use std::fs;
use std::path::Path;
use std::time::Duration;

use super::{Extent, Verdict};
use crate::commands::samples::{self, Sample};
use crate::commands::stage::{Beside, Stage};
use crate::failure::Failure;
use crate::home;
use crate::machine::accelerator::{Accelerator, Wish};
use crate::machine::disk::{Disk, Disks};
use crate::machine::network;
use crate::machine::size::Cores;

const CONFIGURATION: &str = "experiments/bus/machine.xml";
const LIMIT: Duration = Duration::from_secs(240);
/// Bytes of the disk, of which the first are read over and over.
const DISK: u64 = 64 << 20;
/// Bytes in a second of both, and by how much they may be off, in per cent.
const BUS: f64 = 4e6;
const WITHIN: f64 = 1.0;
/// The disk's part of it, in per cent, and by how many points that may be off.
const PART: f64 = 200.0 / 3.0;
const POINTS: f64 = 1.0;
/// Between which samples both have work, and between which the card alone.
const BOTH: std::ops::Range<usize> = 0..4;
const ALONE: usize = 6;

/// As a part of the proof.
pub fn part(_: &Path, _: Extent) -> Verdict {
    let accelerator = match Accelerator::choose(Wish::Tcg, true) {
        Ok(accelerator) => accelerator,
        Err(error) => return Verdict::NotRun(error.to_string()),
    };
    let stage = Stage { accelerator, counted: true, cores: Cores::LEAST };
    match measure(stage) {
        Ok(seconds) => judge(&seconds),
        Err(failure) => Verdict::Bad(failure.to_string()),
    }
}

/// What the disk's driver and the card's were given between two samples, in bytes.
#[derive(Clone, Copy, Debug)]
struct Second {
    disk: u64,
    card: u64,
}

impl Second {
    fn between(first: &Sample, last: &Sample) -> Self {
        let of = |sample: &Sample, name: &str| -> u64 {
            let all = sample.cores.values().flat_map(|core| &core.holders);
            all.filter(|((resource, _), _)| resource == name).map(|(_, it)| it.bytes).sum()
        };
        let moved = |name| of(last, name).saturating_sub(of(first, name));
        Self { disk: moved("resource.drwr"), card: moved("resource.dwr") }
    }

    fn both(self) -> f64 {
        (self.disk + self.card) as f64
    }
}

fn judge(seconds: &[Second]) -> Verdict {
    let (mut wrong, mut most, mut points) = (Vec::new(), 0.0_f64, 0.0_f64);
    for (at, second) in seconds.iter().enumerate() {
        let off = (second.both() - BUS).abs() * 100.0 / BUS;
        most = most.max(off);
        if off > WITHIN {
            wrong.push(format!("second {at}: {second:?}, together not {BUS} within {WITHIN} %"));
        }
        let part = second.disk as f64 * 100.0 / second.both().max(1.0);
        let off = (part - PART).abs();
        if BOTH.contains(&at) {
            points = points.max(off);
        }
        if BOTH.contains(&at) && off > POINTS {
            wrong.push(format!("second {at}: the disk's part is {part:.2} %, not {PART:.2} %"));
        }
    }
    match seconds.get(ALONE) {
        Some(second) if second.disk == 0 => {}
        other => wrong.push(format!("second {ALONE}: the card is to be alone: {other:?}")),
    }
    if wrong.is_empty() {
        Verdict::Good(format!(
            "4 MB in each of {} seconds to {most:.2} %; 2 : 1 to {points:.2} points",
            seconds.len()
        ))
    } else {
        Verdict::Bad(wrong.join("\n"))
    }
}

fn measure(stage: Stage) -> Result<Vec<Second>, Failure> {
    let path = home::root()?.join(CONFIGURATION);
    let text = fs::read_to_string(&path).map_err(|error| Failure::Unreadable(path, error))?;
    let image = tempfile::NamedTempFile::new();
    let unwritable = |error| Failure::Unwritable(std::env::temp_dir(), error);
    let image = image.and_then(|image| image.as_file().set_len(DISK).map(|()| image));
    let image = image.map_err(unwritable)?;
    let disks = Disks { disks: vec![Disk::new(image.path())], depth: None };
    let card = network::arguments(&[]).into_iter().filter_map(|it| it.into_string().ok());
    let (card, words): (Vec<_>, Vec<_>) = (card.collect(), network::words().collect());
    let card: Vec<_> = card.iter().map(String::as_str).collect();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let beside = Beside { disks: Some(&disks), devices: &card, words: &words, ..Beside::default() };
    let console = stage.run_with(&text, &["disk", "net", "sampler"], LIMIT, beside)?;
    let samples = samples::read(&console)?;
    let each = samples.iter().zip(samples.iter().skip(1));
    let seconds: Vec<_> = each.map(|(first, last)| Second::between(first, last)).collect();
    if seconds.len() <= ALONE {
        return Err(Failure::Unexpected("samples of a machine at work", console));
    }
    Ok(seconds)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_configuration_is_sound_and_offered() {
        let path = home::root().unwrap().join(CONFIGURATION);
        let text = fs::read_to_string(path).unwrap();
        let read = vortex_config::parse_with(&text, &vortex_assembly::known());
        let config = read.unwrap_or_else(|flaws| panic!("{flaws:#?}"));
        assert!(vortex_assembly::refused(&config).is_empty());
    }

    #[test]
    fn seconds_off_their_bounds_are_bad() {
        let good = [Second { disk: 2_666_666, card: 1_333_333 }; 6].into_iter();
        let good: Vec<_> = good.chain([Second { disk: 0, card: 4_000_000 }]).collect();
        assert!(matches!(judge(&good), Verdict::Good(_)));
        for (at, second) in [
            (0, Second { disk: 2_666_666, card: 1_400_000 }),
            (3, Second { disk: 2_600_000, card: 1_400_000 }),
            (6, Second { disk: 0, card: 3_900_000 }),
            (6, Second { disk: 2_666_666, card: 1_333_333 }),
        ] {
            let mut bad = good.clone();
            bad[at] = second;
            assert!(matches!(judge(&bad), Verdict::Bad(_)), "{at}");
        }
    }
}
