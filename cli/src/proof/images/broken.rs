//! A disk that cannot be read everywhere, and file systems that are damaged.

use std::fs;
use std::path::{Path, PathBuf};

use super::bytes::{Random, bytes};
use super::side::{Said, Script, good};
use super::{make, sound};
use crate::machine::disk::Disk;
use crate::proof::Extent;
use crate::volume::tools;

/// Blocks of 1 KiB of the file, and which of them cannot be read.
const BLOCKS: usize = 256;
const BAD: usize = 100;
/// Blocks that are read at once with it, at most: 32 KB on either side.
const BESIDE: usize = 32;
/// Damaged file systems, and bytes that are changed in each.
const DAMAGED: usize = 6;
const FLIPS: usize = 60;
/// Where what says of the rest where it is ends: behind are files' contents.
const META: usize = 200 * 1024;

/// A disk with a file of which a block cannot be read.
pub fn unreadable(place: &Path, image: &Path) -> Result<Disk, String> {
    let folder = place.join("unreadable");
    let written = fs::create_dir_all(&folder)
        .and_then(|()| fs::write(folder.join("file"), bytes(5, 0, BLOCKS * 1024)));
    written.map_err(|error| error.to_string())?;
    make(&folder, image, None, 1024)?;
    let mut command = tools::command("debugfs").map_err(|error| error.to_string())?;
    command.args(["-R", &format!("bmap /file {BAD}")]).arg(image);
    let output = tools::output("debugfs", &mut command).map_err(|error| error.to_string())?;
    let said = String::from_utf8_lossy(&output.stdout).trim().to_string();
    let block: u64 = said.parse().map_err(|_| format!("bmap: {said}"))?;
    Ok(Disk { broken: (vec![block * 2, block * 2 + 1], Vec::new()), ..Disk::new(image) })
}

/// What came of reading it.
pub fn judge(said: &Said, letter: char, image: &Path) -> Result<String, String> {
    let words = good(said, &format!("read-{letter}"))?;
    let start = format!("of {BLOCKS} blocks ");
    let line = words.iter().find_map(|line| line.strip_prefix(&start));
    let list = line.and_then(|line| line.split_once(" cannot be read: "));
    let (_, list) = list.ok_or_else(|| words.join("; "))?;
    let bad: Vec<usize> = list.split(' ').filter_map(|word| word.parse().ok()).collect();
    if !bad.contains(&BAD) || bad.iter().any(|block| block.abs_diff(BAD) >= BESIDE) {
        return Err(format!("block {BAD} cannot be read, and these are said not to be: {list}"));
    }
    sound(image)?;
    Ok(format!("{} of {BLOCKS} blocks not read where one is broken", bad.len()))
}

/// File systems with bytes changed in what says of the rest where it is.
pub fn damaged(place: &Path, extent: Extent) -> Result<Vec<PathBuf>, String> {
    let folder = place.join("damaged");
    fill(&folder).map_err(|error| error.to_string())?;
    let whole = place.join("damaged.img");
    make(&folder, &whole, None, 1024)?;
    let whole = fs::read(&whole).map_err(|error| error.to_string())?;
    let count = if extent == Extent::Full { DAMAGED + 4 } else { DAMAGED };
    (0..count)
        .map(|number| {
            let mut random = Random(number as u64 + 40);
            let mut image = whole.clone();
            for _ in 0..FLIPS {
                // The superblock, of which little is left to chance, seldom.
                let first = if random.below(60) == 0 { 1_024 } else { 2_048 };
                let at = first + random.below(META.min(image.len()) - first);
                let value = match random.below(3) {
                    0 => 0xff,
                    1 => 0,
                    _ => random.number() as u8,
                };
                image.get_mut(at).into_iter().for_each(|byte| *byte = value);
            }
            let path = place.join(format!("damaged-{number}.img"));
            fs::write(&path, image).map_err(|error| error.to_string())?;
            Ok(path)
        })
        .collect()
}

/// Folders that are large, deep and full of links, and files with blocks that name blocks.
fn fill(folder: &Path) -> std::io::Result<()> {
    fs::create_dir_all(folder.join("large"))?;
    for number in 0..300 {
        fs::write(folder.join(format!("large/a-name-that-is-long-{number}")), "x")?;
    }
    let mut deep = folder.to_path_buf();
    for number in 0..20 {
        deep = deep.join(format!("deep-{number}"));
        fs::create_dir_all(&deep)?;
        fs::write(deep.join("file"), bytes(number, 0, 30_000))?;
        std::os::unix::fs::symlink("x".repeat(3 + 20 * number as usize), deep.join("link"))?;
    }
    fs::write(folder.join("long"), bytes(1, 0, 600_000))
}

/// A step that may mount or not, and looks at all that is there.
pub fn probed(script: &mut Script, letter: char) {
    let program = "/bin/files";
    script.step(
        &format!("damaged-{letter}"),
        &format!(
            "if {program} mount /dev/sd{letter} /mnt/{letter}; then {program} probe /mnt/{letter}; \
             {program} umount /mnt/{letter}; fi"
        ),
    );
}

/// What came of it: any answer will do, and none will not.
pub fn looked(said: &Said, letters: &[char]) -> Result<String, String> {
    let (mut refused, mut looked) = (0, 0);
    for letter in letters {
        let words = said.get(&format!("damaged-{letter}")).map(Vec::as_slice).unwrap_or_default();
        let is = |what: &str| words.iter().any(|line| line.starts_with(what));
        if is("files: WRONG: mount ") {
            refused += 1;
        } else if is("files: looked at ") && is("files: unmounted ") {
            looked += 1;
        } else {
            return Err(format!("of disk {letter} it is said:\n{}", words.join("\n")));
        }
    }
    Ok(format!("{looked} damaged ones looked at, {refused} refused"))
}
