//! The part `images`: ext2 on disks, written by Debian's kernel and by ours, looked at on the
//! host.
//!
//! Both boot with the same images and run the same script of `services/files`: random operations
//! of several processes, a file system that is filled to its last block, a disk that cannot be
//! read everywhere, SQLite at work, and file systems that are damaged. Then every image must be
//! sound (`e2fsck -fn`), and what is on it the same on both ([`tree`]). At last a run is
//! recorded write by write, and cut off in many places ([`power`]).

mod broken;
mod bytes;
mod log;
mod power;
pub(super) mod side;
mod sqlite;
mod tree;

use std::path::Path;
use std::time::Duration;

use super::{Extent, Verdict, services};
use crate::machine::disk::{Disk, Disks};
use crate::volume::{self, Wanted, tools};
use side::{Said, Script, Side, good};
use tree::Names;

/// In which a machine with all of it has ended.
const LIMIT: Duration = Duration::from_secs(300);
/// Bytes of the images.
const WORK: u64 = 32 << 20;
const SMALL: u64 = 4 << 20;
/// What is worked on, by disk: the seed, operations of a process, processes, bytes of a block.
const WORKS: [(char, u64, u64, u64, u32); 2] = [('a', 3, 300, 4, 1024), ('b', 11, 250, 3, 4096)];
/// The other disks.
const FULL: char = 'c';
const BROKEN: char = 'd';
const DATABASE: char = 'e';
const MAPPED: char = 'f';
/// The first of those that are damaged.
const DAMAGED: char = 'g';

/// As a part of the proof.
pub fn part(root: &Path, extent: Extent) -> Verdict {
    let programs = match services::build(root) {
        Ok(programs) => programs,
        Err(why) => return Verdict::Bad(why),
    };
    let linux = match Side::linux(root, &programs) {
        Ok(linux) => linux,
        Err(error) => return Verdict::NotRun(error.to_string()),
    };
    let ours = Side::vortex(root, &programs);
    match ours.and_then(|ours| both(&linux, &ours, extent)) {
        Ok(note) => Verdict::Good(note),
        Err(why) => Verdict::Bad(why),
    }
}

/// Both do the same, and the same comes of it.
fn both(linux: &Side, ours: &Side, extent: Extent) -> Result<String, String> {
    let (there, here) = (on(linux, extent)?, on(ours, extent)?);
    if there.mapped != here.mapped {
        let (theirs, ours) = (there.mapped.join("; "), here.mapped.join("; "));
        let name = linux.name();
        return Err(format!("files as memory, on {name}: {theirs}; on ours: {ours}"));
    }
    for ((letter, ..), (there, here)) in WORKS.iter().zip(there.trees.iter().zip(&here.trees)) {
        if let Some(difference) = tree::difference(there, here) {
            return Err(format!("disk {letter}, on {} and ours: {difference}", linux.name()));
        }
    }
    let cuts = [power::cut(ours, extent)?, power::cut(linux, extent)?].join("; ");
    Ok(format!("{}; {}; the same on both; {cuts}", here.note, there.note))
}

/// What came of one kernel.
struct On {
    /// What is on the images that were worked on.
    trees: Vec<Names>,
    /// What was said of files as memory.
    mapped: Vec<String>,
    note: String,
}

/// All but the cuts, on one kernel.
fn on(side: &Side, extent: Extent) -> Result<On, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let place = folder.path();
    let image = |letter: char| place.join(format!("{letter}.img"));
    let (mut script, mut disks) = (Script::default(), Vec::new());
    for (letter, seed, count, processes, block) in WORKS {
        empty(place, &image(letter), WORK, block)?;
        disks.push(Disk::new(&image(letter)));
        let commands = format!("work /mnt/{letter} --seed {seed} --count {count} --processes");
        mounted(&mut script, letter, &format!("{commands} {processes}"), "work");
        tell(&mut script, letter);
    }
    empty(place, &image(FULL), SMALL, 1024)?;
    disks.push(Disk::new(&image(FULL)));
    mounted(&mut script, FULL, &format!("fill /mnt/{FULL}"), "fill");
    mounted(&mut script, FULL, &format!("filled /mnt/{FULL}"), "filled");
    disks.push(broken::unreadable(place, &image(BROKEN))?);
    mounted(&mut script, BROKEN, &format!("read /mnt/{BROKEN}/file"), "read");
    empty(place, &image(DATABASE), WORK * 2, 4096)?;
    disks.push(Disk::new(&image(DATABASE)));
    sqlite::steps(&mut script, DATABASE);
    empty(place, &image(MAPPED), WORK, 1024)?;
    disks.push(Disk::new(&image(MAPPED)));
    mounted(&mut script, MAPPED, &format!("map /mnt/{MAPPED}"), "map");
    let damaged = broken::damaged(place, extent)?;
    for (letter, path) in (DAMAGED..).zip(&damaged) {
        disks.push(Disk::new(path));
        broken::probed(&mut script, letter);
    }
    let said = side.run(&script, &Disks { disks, depth: None }, LIMIT)?;
    let whole = |what: &str, result: Result<String, String>| {
        result.map_err(|why| format!("{}: {what}: {why}", side.name()))
    };
    let mut trees = Vec::new();
    let mut notes = Vec::new();
    for (letter, ..) in WORKS {
        notes.push(whole("work", worked(&said, letter, &image(letter), &mut trees))?);
    }
    notes.push(whole("full", full(&said, &image(FULL)))?);
    notes.push(whole("unreadable", broken::judge(&said, BROKEN, &image(BROKEN)))?);
    notes.push(whole("sqlite", sqlite::judge(&said, place, DATABASE, &image(DATABASE)))?);
    let mapped =
        mapped(&said, &image(MAPPED)).map_err(|why| format!("{}: mapped: {why}", side.name()))?;
    notes.push("files as memory".into());
    let letters: Vec<char> = (DAMAGED..).take(damaged.len()).collect();
    notes.push(whole("damaged", broken::looked(&said, &letters))?);
    Ok(On { trees, mapped, note: format!("{}: {}", side.name(), notes.join(", ")) })
}

/// An empty file system.
fn empty(place: &Path, image: &Path, size: u64, block: u32) -> Result<(), String> {
    let folder = place.join("empty");
    std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
    make(&folder, image, Some(size), block)
}

/// A file system with what is in a folder.
fn make(folder: &Path, image: &Path, size: Option<u64>, block: u32) -> Result<(), String> {
    let wanted = Wanted { size, block, inodes: None, label: String::new(), force: false };
    let entries = volume::folder(folder).map_err(|error| error.to_string())?;
    // Who fills a file system has no more inodes than it needs: enough for some files.
    let wanted = Wanted { inodes: Some(1_000), ..wanted };
    volume::make(&entries, image, &wanted).map_err(|error| error.to_string())?;
    Ok(())
}

/// Steps: a disk is mounted, our program does this, and it is unmounted.
fn mounted(script: &mut Script, letter: char, words: &str, step: &str) {
    let program = "/bin/files";
    script.step(
        &format!("{step}-{letter}"),
        &format!(
            "{program} mount /dev/sd{letter} /mnt/{letter}\n{program} {words}\n\
             {program} umount /mnt/{letter}"
        ),
    );
}

/// What is there, after another mount.
fn tell(script: &mut Script, letter: char) {
    mounted(script, letter, &format!("tree /mnt/{letter}"), "tree");
}

/// Whether e2fsck finds nothing to mend.
fn sound(image: &Path) -> Result<(), String> {
    let mut command = tools::command("e2fsck").map_err(|error| error.to_string())?;
    let output = tools::output("e2fsck", command.arg("-fn").arg(image));
    let output = output.map_err(|error| error.to_string())?;
    match output.status.code() {
        Some(0) => Ok(()),
        _ => Err(format!("e2fsck -fn: {}", tools::said(&output))),
    }
}

fn worked(
    said: &Said,
    letter: char,
    image: &Path,
    trees: &mut Vec<Names>,
) -> Result<String, String> {
    let words = good(said, &format!("work-{letter}"))?;
    if !words.iter().any(|line| line.ends_with("are good")) {
        return Err(format!("nobody says that it is good: {}", words.join("; ")));
    }
    let tree = good(said, &format!("tree-{letter}"))?.join("; ");
    let tree = tree.split("files: ").find(|line| line.contains("tree ")).unwrap_or_default();
    if tree.is_empty() {
        return Err("nobody says what is there".into());
    }
    sound(image)?;
    let names = tree::read(image)?;
    let note = format!("{} names after random work", names.len());
    trees.push(names);
    Ok(note)
}

/// What our program says of files as memory, which nothing must be wrong of.
fn mapped(said: &Said, image: &Path) -> Result<Vec<String>, String> {
    let words = good(said, &format!("map-{MAPPED}"))?;
    if !words.contains(&"map run is good") {
        return Err(format!("it did not come to its end: {}", words.join("; ")));
    }
    sound(image)?;
    Ok(words.into_iter().filter(|line| line.starts_with("map ")).map(String::from).collect())
}

fn full(said: &Said, image: &Path) -> Result<String, String> {
    let found = |step: &str| -> Result<String, String> {
        let words = good(said, &format!("{step}-{FULL}"))?;
        let line = words.iter().find(|line| line.contains(" fill it with "));
        line.map(|line| (*line).to_string()).ok_or_else(|| words.join("; "))
    };
    let (before, after) = (found("fill")?, found("filled")?);
    if before != after {
        return Err(format!("before unmounting: {before}; after: {after}"));
    }
    sound(image)?;
    let mut command = tools::command("dumpe2fs").map_err(|error| error.to_string())?;
    let output = tools::output("dumpe2fs", command.arg("-h").arg(image));
    let text = tools::said(&output.map_err(|error| error.to_string())?);
    let free = text.lines().find_map(|line| line.strip_prefix("Free blocks:"));
    match free.map(str::trim) {
        Some("0") => Ok("one filled to its last block".into()),
        other => Err(format!("free blocks: {other:?}")),
    }
}
