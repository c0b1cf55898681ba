//! Power cuts: a run with fsyncs is recorded write by write ([`super::log`]), and ended in many
//! places. Of what was not flushed by then any part may be on the disk. Each such disk must be
//! one that `e2fsck -p` mends, and must have everything whose fsync had returned. Linux does not
//! promise that of ext2 without a journal: of its run it is told how often it is so.
//!
//! Which had, the log itself says: `services/files` (its `power.rs` says what each step does)
//! writes a step's number when the step is over, and that write is in the log.

use std::fs;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use ext4_view::Ext4;

use super::bytes::{Random, bytes};
use super::log::{self, Done};
use super::side::{Script, Side, good};
use super::{SMALL, empty};
use crate::machine::disk::{Disk, Disks};
use crate::proof::Extent;
use crate::volume::tools;

/// In which the machine has ended.
const LIMIT: Duration = Duration::from_secs(180);
/// Steps, and how long disks are looked at.
const NORMAL: (u64, Duration) = (40, Duration::from_secs(30));
const LONG: (u64, Duration) = (120, Duration::from_secs(600));
/// How long those of Debian's kernel are.
const BESIDE: Duration = Duration::from_secs(10);
/// Cuts between two flushes: before everything, and with parts of it.
const PARTS: u64 = 2;
/// Who looks at them at a time.
const LOOKERS: usize = 2;
/// How the note begins that says which step is over.
const MARK: &[u8; 16] = b"VORTEX PROGRESS ";
/// A sector, and what a write is taken apart into: a block.
const SECTOR: usize = 512;
const BLOCK: usize = 1024;
/// As `services/files` has them.
const RECORD: usize = 64;
const SLOTS: u64 = 4;
const PLACES: u64 = 16;
const FOLDERS: u64 = 3;
const LATER: u64 = 16;

/// A place where the power is cut.
#[derive(Clone, Copy, Debug)]
struct Cut {
    /// How much of the log was done.
    done: usize,
    /// With which part of what was not flushed: all of it, or what this seed chooses.
    part: Option<u64>,
}

/// Records a run on this kernel, and cuts it. A note.
pub fn cut(side: &Side, extent: Extent) -> Result<String, String> {
    let (steps, time) = if extent == Extent::Full { LONG } else { NORMAL };
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let place = folder.path();
    let (image, written) = (place.join("a.img"), place.join("log"));
    empty(place, &image, SMALL, BLOCK as u32)?;
    let before = fs::read(&image).map_err(|error| error.to_string())?;
    fs::write(&written, "").map_err(|error| error.to_string())?;
    let mut script = Script::default();
    let program = "/bin/files";
    script.step(
        "power",
        &format!(
            "{program} mount /dev/sda /mnt/a\n{program} power /mnt/a --count {steps}\n\
             {program} umount /mnt/a"
        ),
    );
    let disk = Disk { log: Some(written.clone()), ..Disk::new(&image) };
    let said = side.run(&script, &Disks { disks: vec![disk], depth: None }, LIMIT)?;
    good(&said, "power")?;
    let log = log::read(&written)?;
    let run = Run { before, log };
    // The log is what was done: by it the image becomes what it is.
    let all = run.disk(Cut { done: run.log.len(), part: None });
    if fs::read(&image).map_err(|error| error.to_string())? != all {
        return Err(format!("{}: the log does not make the image", side.name()));
    }
    if run.progress(run.log.len()) != steps {
        return Err(format!("{}: the log has not all steps", side.name()));
    }
    let cuts = run.cuts();
    let time = if side.is_ours() { time } else { time.min(BESIDE) };
    let (looked, wrong) = run.look(place, &cuts, time);
    let told = format!("{}: power cut at {looked} of {} places", side.name(), cuts.len());
    let (hopeless, lost): (Vec<_>, Vec<_>) =
        wrong.iter().partition(|(_, wrong)| matches!(wrong, Wrong::Hopeless(_)));
    match wrong.first() {
        _ if looked == 0 => Err(format!("{told}: there was no time")),
        None => Ok(format!("{told}, all mended, nothing lost")),
        Some(_) if !side.is_ours() => Ok(format!(
            "{told}, {} not mended by e2fsck -p, {} without what was synced",
            hopeless.len(),
            lost.len()
        )),
        Some((cut, wrong)) => Err(format!(
            "{told}, {} not mended by e2fsck -p, {} without what was synced; one: {cut:?}: {}",
            hopeless.len(),
            lost.len(),
            wrong.why()
        )),
    }
}

/// What is wrong with a disk.
#[derive(Clone, Debug)]
enum Wrong {
    /// `e2fsck -p` does not mend it.
    Hopeless(String),
    /// Something that was synced is not there.
    Lost(String),
}

impl Wrong {
    fn why(&self) -> &str {
        match self {
            Self::Hopeless(why) | Self::Lost(why) => why,
        }
    }
}

/// A recorded run.
struct Run {
    before: Vec<u8>,
    log: Vec<Done>,
}

impl Run {
    /// All flushes first, then places between them.
    fn cuts(&self) -> Vec<Cut> {
        let flush = |done: &usize| self.log.get(*done) == Some(&Done::Flush);
        let ends: Vec<usize> = (0..self.log.len()).filter(flush).collect();
        let mut cuts: Vec<Cut> = ends.iter().map(|done| Cut { done: *done, part: None }).collect();
        let mut random = Random(5);
        let mut from = 0;
        for end in ends.iter().copied().chain([self.log.len()]) {
            for _ in 0..PARTS {
                let done = from + random.below(end - from + 1);
                cuts.push(Cut { done, part: Some(random.number()) });
                cuts.push(Cut { done, part: None });
            }
            from = end;
        }
        // What is looked at first is spread over the run, where there is not time for all.
        let flushes = ends.len();
        let (at_flushes, between) = cuts.split_at_mut(flushes);
        shuffle(at_flushes, &mut random);
        shuffle(between, &mut random);
        cuts
    }

    /// The disk after a cut.
    fn disk(&self, cut: Cut) -> Vec<u8> {
        let done = self.log.get(..cut.done).unwrap_or_default();
        let last = done.iter().rposition(|done| *done == Done::Flush).unwrap_or(0);
        let mut disk = self.before.clone();
        let mut random = cut.part.map(Random);
        for (number, done) in done.iter().enumerate() {
            let Done::Write { at, bytes, lasts } = done else { continue };
            // A write is not all or nothing, but its blocks are.
            for (place, part) in (*at..).step_by(BLOCK).zip(bytes.chunks(BLOCK)) {
                let open = number > last && !lasts;
                let there = match &mut random {
                    Some(random) if open => random.below(2) == 0,
                    _ => true,
                };
                let to = disk.get_mut(place..place + part.len());
                if let Some(to) = to.filter(|_| there) {
                    to.copy_from_slice(part);
                }
            }
        }
        disk
    }

    /// The last step that was over when so much of the log was done.
    fn progress(&self, done: usize) -> u64 {
        let writes = self.log.get(..done).unwrap_or_default().iter();
        let bytes = writes.filter_map(|done| match done {
            Done::Write { bytes, .. } => Some(bytes),
            Done::Flush => None,
        });
        let sectors = bytes.flat_map(|bytes| bytes.chunks(SECTOR));
        let steps = sectors.filter_map(|sector| {
            let word = sector.strip_prefix(MARK.as_slice())?.get(..8)?;
            Some(u64::from_le_bytes(word.try_into().ok()?))
        });
        steps.max().unwrap_or(0)
    }

    /// Looks at the disks after these cuts, as many as time allows: how many, and what is wrong.
    fn look(&self, place: &Path, cuts: &[Cut], time: Duration) -> (usize, Vec<(Cut, Wrong)>) {
        let (next, looked, began) = (AtomicUsize::new(0), AtomicUsize::new(0), Instant::now());
        let wrong = Mutex::new(Vec::new());
        std::thread::scope(|scope| {
            for looker in 0..LOOKERS {
                let (next, looked, wrong) = (&next, &looked, &wrong);
                let file = place.join(format!("cut-{looker}.img"));
                scope.spawn(move || {
                    while began.elapsed() < time {
                        let number = next.fetch_add(1, Ordering::Relaxed);
                        let Some(cut) = cuts.get(number) else { return };
                        looked.fetch_add(1, Ordering::Relaxed);
                        if let Err(why) = self.one(&file, *cut)
                            && let Ok(mut wrong) = wrong.lock()
                        {
                            wrong.push((*cut, why));
                        }
                    }
                });
            }
        });
        (looked.into_inner(), wrong.into_inner().unwrap_or_default())
    }

    fn one(&self, file: &Path, cut: Cut) -> Result<(), Wrong> {
        self.mended(file, cut).map_err(Wrong::Hopeless)?;
        there(file, self.progress(cut.done)).map_err(Wrong::Lost)
    }

    fn mended(&self, file: &Path, cut: Cut) -> Result<(), String> {
        fs::write(file, self.disk(cut)).map_err(|error| error.to_string())?;
        let mut command = tools::command("e2fsck").map_err(|error| error.to_string())?;
        let output = tools::output("e2fsck", command.arg("-fp").arg(file));
        let output = output.map_err(|error| error.to_string())?;
        match output.status.code() {
            Some(0 | 1) => Ok(()),
            _ => Err(format!("e2fsck -p: {}", tools::said(&output).trim())),
        }
    }
}

fn shuffle<T>(list: &mut [T], random: &mut Random) {
    for at in (1..list.len()).rev() {
        list.swap(at, random.below(at + 1));
    }
}

/// What a step has written, with its number before it.
fn content(step: u64, length: usize) -> Vec<u8> {
    [step.to_le_bytes().to_vec(), bytes(step, 0, length)].concat()
}

fn long(step: u64) -> Vec<u8> {
    content(step, 1_000 + (step * 7_919 % 30_000) as usize)
}

/// The step whose content this is.
fn step_of(found: &[u8]) -> Option<u64> {
    Some(u64::from_le_bytes(found.get(..8)?.try_into().ok()?))
}

/// Whether an image has what the steps up to this one have made to last.
fn there(image: &Path, over: u64) -> Result<(), String> {
    let fs = Ext4::load_from_path(image).map_err(|error| error.to_string())?;
    let steps = |kind: u64| (1..=over).filter(move |step| step % 5 == kind);
    let read =
        |path: &str| fs.read(path).map_err(|error| format!("after step {over}, {path}: {error}"));
    let lost = |path: &str, step: u64| format!("after step {over}, {path} lacks step {step}");
    for slot in 0..SLOTS {
        let path = format!("/slot-{slot}");
        let Some(step) = steps(0).rfind(|step| step / 5 % SLOTS == slot) else {
            continue;
        };
        let found = read(&path)?;
        // A later one may have come to the disk by itself, but whole.
        let whole = |found_step: u64| found_step >= step && found == long(found_step);
        if !step_of(&found).is_some_and(whole) {
            return Err(lost(&path, step));
        }
    }
    if let Some(last) = steps(1).next_back() {
        let expected: Vec<u8> = steps(1).flat_map(|step| content(step, RECORD - 8)).collect();
        if !read("/log")?.starts_with(&expected) {
            return Err(lost("/log", last));
        }
    }
    for place in 0..PLACES {
        let Some(step) = steps(2).rfind(|step| step / 5 % PLACES == place) else {
            continue;
        };
        let all = read("/places")?;
        let at = place as usize * SECTOR;
        let found = all.get(at..at + SECTOR).unwrap_or_default();
        let whole =
            |found_step: u64| found_step >= step && found == content(found_step, SECTOR - 8);
        if !step_of(found).is_some_and(whole) {
            return Err(lost("/places", step));
        }
    }
    for step in steps(3) {
        let path = format!("/folder-{}/new-{step}", step / 5 % FOLDERS);
        let there = fs.exists(path.as_str()).map_err(|error| format!("{path}: {error}"))?;
        // Who is to remove it may have begun.
        if over >= step + LATER && there {
            return Err(format!("after step {over}, {path} is there, and was removed"));
        }
        if over < step + LATER - 1 && read(&path)? != long(step) {
            return Err(lost(&path, step));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn write(at: usize, byte: u8, blocks: usize, lasts: bool) -> Done {
        Done::Write { at, bytes: vec![byte; BLOCK * blocks], lasts }
    }

    #[test]
    fn what_was_flushed_is_there_and_of_the_rest_any_part() {
        let log = vec![
            write(0, 1, 1, false),
            Done::Flush,
            write(0, 2, 2, false),
            write(2048, 3, 1, true),
        ];
        let run = Run { before: vec![0; BLOCK * 3], log };
        let mut seen = std::collections::BTreeSet::new();
        for seed in 0..40 {
            let disk = run.disk(Cut { done: 4, part: Some(seed) });
            seen.insert([disk[0], disk[BLOCK], disk[BLOCK * 2]]);
        }
        let expected = [[1, 0, 3], [1, 2, 3], [2, 0, 3], [2, 2, 3]];
        assert_eq!(seen.into_iter().collect::<Vec<_>>(), expected);
        assert_eq!(run.disk(Cut { done: 1, part: None })[0], 1);
        let cuts = run.cuts();
        assert!(cuts.iter().any(|cut| cut.done == 1 && cut.part.is_none()));
    }

    #[test]
    fn the_log_says_which_step_was_over() {
        let mut note = vec![0; 2 * SECTOR];
        note[SECTOR..SECTOR + 16].copy_from_slice(MARK);
        note[SECTOR + 16] = 7;
        let log = vec![Done::Write { at: 0, bytes: note, lasts: false }, Done::Flush];
        let run = Run { before: Vec::new(), log };
        assert_eq!((run.progress(0), run.progress(1)), (0, 7));
    }
}
