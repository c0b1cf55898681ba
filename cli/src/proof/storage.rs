//! The part `storage`: a disk, from a program down to the ring, on two cores.
//!
//! First `services/disk` reads an image that is made here and writes to it, through a file; one
//! sector cannot be read, one cannot be written, and that reaches who asked alone. The image is
//! then what it must be, byte by byte. Then two activities want more of a slow disk than there
//! is, and get of its bytes what their shares say. Then programs have more memory than they may,
//! and a disk is where their pages go. At last files are written until the cache has all of
//! memory, and no write fails for that.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::runs::longest_of;
use super::{Extent, Verdict};
use crate::commands::stage::{Beside, Stage};
use crate::failure::Failure;
use crate::machine::accelerator::{Accelerator, Wish};
use crate::machine::disk::{Disk, Disks};
use crate::machine::size::Cores;
use crate::volume::tools;

/// As `services/disk` has it.
const SECTOR: usize = 512;
const SECTORS: usize = 32_768;
const PARTITION: (u32, u32) = (2_048, 4_096);
const WRITTEN: (usize, usize) = (16_384, 4_096);
const MORE: u64 = 0x0101_0101;
const BROKEN: (u64, u64) = (24_576, 24_592);

/// In which the machine has ended.
const LIMIT: Duration = Duration::from_secs(180);
/// Reads of the one who does not touch what is broken.
const STEADY: u64 = 400;
/// What a slow disk lets through in a second, and for how long it is asked.
const SLOW: u64 = 6_000_000;
const SECONDS: u64 = 6;
/// Requests that it has at a time; more are wanted by each.
const DEPTH: u16 = 8;
const THREADS: u64 = 16;
/// The shares of those who want it, in hundredths.
const SHARES: [u32; 2] = [67, 33];
/// By how much what they get may differ, in hundredths.
const OFF: f64 = 3.0;
/// Of a hundred requests, how many find the ring full at least: so the disk always has as many
/// as it can have. How fast it is by the machine's own clock says nothing on a busy host.
const FULL: u64 = 80;
/// Bytes of a request.
const BYTES: u64 = 32_768;

/// Bytes of the swap disk, and who uses it: one has a third of the memory that it wants, another
/// half of what its processes share, and of one the pages leave with which its programs begin.
/// One more leaves a file in memory that it has written to by a mapping.
const SWAP: u64 = 64 << 20;
const SWAP_CONFIGURATION: &str = "\
<schedulerconfig>
<machine memory=\"128 MiB\" timeslice=\"5 ms\"/>
<cpumultiplexor tag=\"cpumux0\" core=\"0\" algorithm=\"propshare.wfq\"/>
<cpumultiplexor tag=\"cpumux1\" core=\"1\" algorithm=\"propshare.wfq\"/>
<resourcescheduler resource=\"resource.thread\" algorithm=\"propshare.round-robin\">
<cpumultiplexor tag=\"cpumux0\"/> <cpumultiplexor tag=\"cpumux1\"/> </resourcescheduler>
<activity name=\"steady\" share=\"40\"> <memory minimum=\"8 MiB\" soft=\"8 MiB\" hard=\"8 MiB\"/> </activity>
<activity name=\"swap\" share=\"20\"> <memory hard=\"2 MiB\"/> </activity>
<activity name=\"shared\" share=\"20\"> <memory hard=\"2 MiB\"/> </activity>
<activity name=\"begin\" share=\"20\"> <memory hard=\"2 MiB\"/> </activity>
<activity name=\"left\" share=\"20\"> <memory hard=\"2 MiB\"/> </activity>
<activity name=\"looks\" share=\"20\"/>
<service activity=\"looks\"> <program> /bin/busybox </program> <argument> sh </argument>
<argument> -c </argument>
<argument> mknod /own b 8 0; cat /own; mount /own /tmp; echo seen: $? </argument> </service>
<service activity=\"begin\"> <program> /bin/hog </program> <argument> environment </argument>
<argument> --pages </argument> <argument> 96 </argument>
<argument> --rounds </argument> <argument> 12 </argument> </service>
<service activity=\"left\"> <program> /bin/hog </program> <argument> left </argument>
<argument> --pages </argument> <argument> 640 </argument> </service>
<service activity=\"steady\"> <program> /bin/hog </program> <argument> steady </argument>
<argument> --pages </argument> <argument> 1500 </argument>
<argument> --seconds </argument> <argument> 4 </argument> </service>
<service activity=\"swap\"> <program> /bin/hog </program> <argument> swap </argument>
<argument> --pages </argument> <argument> 1536 </argument>
<argument> --rounds </argument> <argument> 3 </argument> </service>
<service activity=\"shared\"> <program> /bin/hog </program> <argument> shared </argument>
<argument> --pages </argument> <argument> 1024 </argument>
<argument> --rounds </argument> <argument> 3 </argument> </service>
</schedulerconfig>
";

/// Bytes of the disk that is written to, and who writes more files than there is memory, without
/// a limit (decision 0126).
const FILES: u64 = 360 << 20;
const FILES_CONFIGURATION: &str = "\
<schedulerconfig>
<machine memory=\"128 MiB\"/>
<cpumultiplexor tag=\"cpumux0\" core=\"0\" algorithm=\"propshare.wfq\"/>
<cpumultiplexor tag=\"cpumux1\" core=\"1\" algorithm=\"propshare.wfq\"/>
<resourcescheduler resource=\"resource.thread\" algorithm=\"propshare.round-robin\">
<cpumultiplexor tag=\"cpumux0\"/> <cpumultiplexor tag=\"cpumux1\"/> </resourcescheduler>
<activity name=\"lay\" share=\"100\" nodes=\"8192\"/>
<service activity=\"lay\"> <program> /bin/files </program>
<argument> lay </argument> <argument> /dev/sda </argument> <argument> /mnt </argument>
<argument> --count </argument> <argument> 256 </argument>
<argument> --bytes </argument> <argument> 1048576 </argument>
<argument> --threads </argument> <argument> 24 </argument> </service>
</schedulerconfig>
";

/// Who reads where runs are counted.
const COUNTED_CONFIGURATION: &str = "\
<schedulerconfig>
<cpumultiplexor tag=\"cpumux0\" core=\"0\" algorithm=\"propshare.wfq\"/>
<resourcescheduler resource=\"resource.thread\" algorithm=\"propshare.round-robin\">
<cpumultiplexor tag=\"cpumux0\"/> </resourcescheduler>
<activity name=\"pull\" share=\"100\"/>
<service activity=\"pull\"> <program> /bin/disk </program> <argument> pull </argument>
<argument> --threads </argument> <argument> 48 </argument>
<argument> --seconds </argument> <argument> 1 </argument> </service>
</schedulerconfig>
";

/// As a part of the proof.
pub fn part(_: &Path, _: Extent) -> Verdict {
    let accelerator = match Accelerator::choose(Wish::Tcg, false) {
        Ok(accelerator) => accelerator,
        Err(error) => return Verdict::NotRun(error.to_string()),
    };
    let cores = Cores::new(2).unwrap_or(Cores::LEAST);
    let stage = Stage { accelerator, counted: false, cores };
    match both(&stage) {
        Ok(note) => Verdict::Good(note),
        Err(why) => Verdict::Bad(why),
    }
}

fn both(stage: &Stage) -> Result<String, String> {
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let image = folder.path().join("disk.img");
    std::fs::write(&image, contents()).map_err(|error| error.to_string())?;
    bytes(stage, &image)?;
    let (parts, full) = divided(stage, &image)?;
    let pages = swapped(stage, &folder.path().join("swap.img"))?;
    not_for_both(stage, &image)?;
    filled(stage, &folder.path().join("files.img"))?;
    let longest = bounded(&image)?;
    let asked = SHARES.map(|share| share.to_string()).join("/");
    let got = parts.map(|part| format!("{part:.1}")).join("/");
    Ok(format!(
        "the image is what it must be; {pages} pages were written to a swap disk, none lost; \
         files fill memory and no write fails; a slow disk's bytes are divided {got} where {asked} are the shares, its ring full at \
         {full} of 100 requests; DIR's longest run: {longest} instructions"
    ))
}

/// The words of a sector.
fn words(sector: usize, more: u64) -> Vec<u8> {
    let word = |at: usize| (at as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(more);
    let first = sector * SECTOR / 8;
    (first..first + SECTOR / 8).flat_map(|at| word(at).to_le_bytes()).collect()
}

/// The image: its first sector has a table with one partition.
fn contents() -> Vec<u8> {
    let mut all: Vec<u8> = (0..SECTORS).flat_map(|sector| words(sector, 0)).collect();
    let mut table = vec![0; SECTOR];
    table[450] = 0x83;
    table[454..458].copy_from_slice(&PARTITION.0.to_le_bytes());
    table[458..462].copy_from_slice(&PARTITION.1.to_le_bytes());
    table[510..].copy_from_slice(&[0x55, 0xaa]);
    all[..SECTOR].copy_from_slice(&table);
    all
}

/// What must be on it at the end.
fn expected() -> Vec<u8> {
    let mut all = contents();
    for sector in WRITTEN.0..WRITTEN.0 + WRITTEN.1 {
        all[sector * SECTOR..][..SECTOR].copy_from_slice(&words(sector, MORE));
    }
    all
}

fn bytes(stage: &Stage, image: &PathBuf) -> Result<(), String> {
    let broken = (vec![BROKEN.0], vec![BROKEN.1]);
    let disks = Disks { disks: vec![Disk { broken, ..Disk::new(image) }], depth: None };
    let steady = format!("steady --count {STEADY}");
    let text = configuration(&["check", &steady], [50, 50]);
    let console = run(stage, &text, &disks)?;
    let mut wrong = wrong(&console);
    let size = SECTORS * SECTOR;
    let found = format!("{SECTORS} blocks of {SECTOR} bytes; sda1");
    for said in [
        format!("disk: {size} bytes"),
        "disk: all checks are good".into(),
        format!("disk: {STEADY} steady reads"),
        found,
    ] {
        if !console.contains(&said) {
            wrong.push(format!("nobody says '{said}'"));
        }
    }
    let now = std::fs::read(image).map_err(|error| error.to_string())?;
    if let Some(at) = now.iter().zip(expected()).position(|(now, then)| *now != then) {
        wrong.push(format!("the image differs in sector {}, byte {}", at / SECTOR, at % SECTOR));
    }
    told(wrong, &console)
}

/// Of the bytes, in hundredths; and of a hundred requests, how many found the ring full.
fn divided(stage: &Stage, image: &Path) -> Result<([f64; 2], u64), String> {
    let disk = Disk { most: Some(SLOW), ..Disk::new(image) };
    let disks = Disks { disks: vec![disk], depth: Some(DEPTH) };
    let pull = format!("pull --threads {THREADS} --seconds {SECONDS}");
    let text = configuration(&[&pull, &pull], SHARES);
    let console = run(stage, &text, &disks)?;
    let mut wrong = wrong(&console);
    let end = format!(" bytes in {SECONDS} s");
    let mut got: Vec<u64> = console
        .lines()
        .filter_map(|line| line.trim().strip_prefix("disk: ")?.strip_suffix(&end)?.parse().ok())
        .collect();
    got.sort_unstable_by(|a, b| b.cmp(a));
    let [first, second] = got[..] else {
        wrong.push(format!("{} tell how much they got, not 2", got.len()));
        return told(wrong, &console).map(|()| ([0.0; 2], 0));
    };
    let all = (first + second).max(1) as f64;
    let parts = [first, second].map(|bytes| bytes as f64 * 100.0 / all);
    let full = no_room(&console) * 100 / ((first + second) / BYTES).max(1);
    if (parts[0] - f64::from(SHARES[0])).abs() > OFF {
        wrong.push(format!("{:.1} % and {:.1} % of the bytes for {SHARES:?}", parts[0], parts[1]));
    }
    if full < FULL {
        wrong.push(format!("the ring is full at {full} of 100 requests only"));
    }
    told(wrong, &console).map(|()| (parts, full))
}

/// How often a queue had no room.
fn no_room(console: &str) -> u64 {
    let times = |line: &str| -> Option<u64> {
        let line = line.trim().strip_prefix("disks, core ")?;
        line.split_once(", no room ")?.1.strip_suffix(" times")?.parse().ok()
    };
    console.lines().filter_map(times).sum()
}

/// Many read at once where time counts instructions: no run is too long (law 5). DIR's longest.
fn bounded(image: &Path) -> Result<u64, String> {
    let accelerator = Accelerator::choose(Wish::Tcg, true).map_err(|error| error.to_string())?;
    let stage = Stage { accelerator, counted: true, cores: Cores::LEAST };
    let disks = Disks { disks: vec![Disk::new(image)], depth: None };
    let beside = Beside { disks: Some(&disks), words: &["runs=told"], ..Beside::default() };
    let said = stage.run_with(COUNTED_CONFIGURATION, &["disk"], LIMIT, beside);
    let console = said.map_err(|failure| failure.to_string())?;
    let (longest, mut wrong) = longest_of("resource.dir", &console);
    if longest == 0 || !console.contains(" bytes in 1 s") {
        wrong.push("nothing was read".into());
    }
    told(wrong, &console).map(|()| longest)
}

/// Programs that have more memory than they may, with a disk as the swap volume:
/// how many pages were written to it.
fn swapped(stage: &Stage, image: &Path) -> Result<u64, String> {
    let file = std::fs::File::create(image).map_err(|error| error.to_string())?;
    file.set_len(SWAP).map_err(|error| error.to_string())?;
    let disks = Disks { disks: vec![Disk::new(image)], depth: None };
    let (host, words) = (&["/bin/busybox"], &["swap=sda"]);
    let beside = Beside { host, disks: Some(&disks), words, ..Beside::default() };
    let said: Result<_, Failure> = stage.run_with(SWAP_CONFIGURATION, &["hog"], LIMIT, beside);
    let console = said.map_err(|failure| failure.to_string())?;
    let mut wrong = wrong(&console);
    for said in [
        "steady: good",
        "swap: 3 rounds of 3",
        "swap: the child: exit 0",
        "swap: moved whole: true",
        "swap: moved: true",
        "swap: paged out: true",
        "swap: wanted: true, 0 of 192 had to be read",
        "swap: dropped and moved meanwhile: true",
        "swap: dropped: true",
        "shared: 3 rounds of 3",
        "environment: the child: killed by SIGKILL",
        "environment: good",
        "left: by the mapping: true",
        "left: by calls: true",
        "left: what calls write: true",
        "left: behind a cut: true",
        "left: true",
        "memory: 640 pages of files in memory were written by mappings",
        "swap: 0 pages left: all back",
        // Others' pages are nobody's to see, whatever name he gives their disk.
        "cat: can't open '/own': No such device or address",
        "mount: mounting /own on /tmp failed: No such device or address",
    ] {
        if !console.lines().any(|line| line.trim() == said) {
            wrong.push(format!("nobody says '{said}'"));
        }
    }
    let given = console.lines().find_map(|line| {
        line.trim().strip_prefix("reclamation: ")?.split_once(" frames given back")?.0.parse().ok()
    });
    match given {
        Some(given) if given > 1_000 => told(wrong, &console).map(|()| given),
        other => {
            wrong.push(format!("{other:?} frames were given back"));
            told(wrong, &console).map(|()| 0)
        }
    }
}

/// A volume to which pages go is not the root, too.
fn not_for_both(stage: &Stage, image: &Path) -> Result<(), String> {
    let disks = Disks { disks: vec![Disk::new(image)], depth: None };
    let words = &["root=sda", "swap=sda"];
    let beside = Beside { disks: Some(&disks), words, ..Beside::default() };
    let ended = stage.end(SWAP_CONFIGURATION, &["hog"], LIMIT, beside);
    let (ending, console) = ended.map_err(|failure| failure.to_string())?;
    let why = "vortex: the root cannot be on this disk: sda is, or has, where pages go (swap=)";
    if console.lines().any(|line| line.trim() == why) {
        return Ok(());
    }
    Err(format!("root=sda swap=sda: the machine ends ({ending}) and does not say why:\n{console}"))
}

/// Twice as many files as there is memory are written, by many threads at once.
fn filled(stage: &Stage, image: &Path) -> Result<(), String> {
    let wrong = |error: &dyn std::fmt::Display| error.to_string();
    let file = std::fs::File::create(image).map_err(|error| wrong(&error))?;
    file.set_len(FILES).map_err(|error| wrong(&error))?;
    let mut make = tools::command("mke2fs").map_err(|error| wrong(&error))?;
    make.args(["-q", "-F", "-t", "ext2", "-b", "4096"]).arg(image);
    let made = tools::output("mke2fs", &mut make).map_err(|error| wrong(&error))?;
    if !made.status.success() {
        return Err(tools::said(&made));
    }
    let disks = Disks { disks: vec![Disk::new(image)], depth: None };
    let beside = Beside { disks: Some(&disks), ..Beside::default() };
    let said: Result<_, Failure> = stage.run_with(FILES_CONFIGURATION, &["files"], LIMIT, beside);
    let console = said.map_err(|failure| failure.to_string())?;
    let mut wrong = self::wrong(&console);
    if !console.contains("files: 256 files of 1048576 bytes") {
        wrong.push("not all files were written".into());
    }
    told(wrong, &console)
}

fn told(wrong: Vec<String>, console: &str) -> Result<(), String> {
    if wrong.is_empty() { Ok(()) } else { Err(format!("{}\n{console}", wrong.join("\n"))) }
}

fn run(stage: &Stage, text: &str, disks: &Disks) -> Result<String, String> {
    let beside = Beside { disks: Some(disks), ..Beside::default() };
    let said: Result<_, Failure> = stage.run_with(text, &["disk"], LIMIT, beside);
    said.map_err(|failure| failure.to_string())
}

fn configuration(services: &[&str; 2], shares: [u32; 2]) -> String {
    let mut text = String::from("<schedulerconfig>\n<machine memory=\"256 MiB\"/>\n");
    for core in 0..2 {
        text += &format!(
            "<cpumultiplexor tag=\"cpumux{core}\" core=\"{core}\" algorithm=\"propshare.wfq\"/>\n"
        );
    }
    let both = "<cpumultiplexor tag=\"cpumux0\"/> <cpumultiplexor tag=\"cpumux1\"/>";
    text += &format!(
        "<resourcescheduler resource=\"resource.thread\" algorithm=\"propshare.round-robin\"> \
         {both} </resourcescheduler>\n"
    );
    for (name, share) in ["first", "second"].iter().zip(shares) {
        text += &format!("<activity name=\"{name}\" share=\"{share}\"/>\n");
    }
    for (name, words) in ["first", "second"].iter().zip(services) {
        let arguments: String = words
            .split_whitespace()
            .map(|word| format!("<argument> {word} </argument> "))
            .collect();
        text += &format!(
            "<service activity=\"{name}\"> <program> /bin/disk </program> {arguments}</service>\n"
        );
    }
    text + "</schedulerconfig>\n"
}

/// What is not as it must be at any machine's end.
fn wrong(console: &str) -> Vec<String> {
    let lines = || console.lines().map(str::trim);
    let mut wrong = Vec::new();
    for core in 0..2 {
        let start = format!("core {core}: ");
        if !lines().any(|line| line.starts_with(&start) && line.ends_with(", ledger whole")) {
            wrong.push(format!("core {core} does not say that its ledger is whole"));
        }
    }
    for said in ["memory: ledger whole", "objects: none left"] {
        if !lines().any(|line| line == said) {
            wrong.push(format!("nobody says '{said}'"));
        }
    }
    let bad = |line: &&str| {
        ["LOST", "LEDGER WRONG", "WRONG:", "cut off"].iter().any(|never| line.contains(never))
    };
    wrong.extend(lines().filter(bad).map(String::from));
    wrong
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn its_configurations_are_sound() {
        for text in [SWAP_CONFIGURATION, FILES_CONFIGURATION, COUNTED_CONFIGURATION] {
            assert!(crate::config_file::parse(text.as_bytes()).is_ok());
        }
        for services in [["check", "steady --count 9"], ["pull", "pull"]] {
            let text = configuration(&services, SHARES);
            assert!(crate::config_file::parse(text.as_bytes()).is_ok(), "{text}");
        }
    }

    #[test]
    fn what_is_said_is_judged() {
        let good = "core 0: 9 cycles, ledger whole\r\ncore 1: 9 cycles, ledger whole\r\n\
                    memory: ledger whole\r\nobjects: none left\r\n";
        assert_eq!(wrong(good), Vec::<String>::new());
        for (from, to) in [
            ("core 1: 9 cycles, ledger whole", "core 1: LEDGER WRONG: 1"),
            ("objects: none left", "OBJECTS LEFT: 1"),
            ("memory: ledger whole", "memory: ledger whole\r\ndisk: WRONG: x"),
        ] {
            assert_ne!(wrong(&good.replace(from, to)), Vec::<String>::new(), "{to}");
        }
    }

    #[test]
    fn the_image_has_its_partition_and_its_words() {
        let (before, after) = (contents(), expected());
        assert_eq!(before.len(), SECTORS * SECTOR);
        assert_eq!(before[510..512], [0x55, 0xaa]);
        let differs = |sector: usize| {
            before[sector * SECTOR..][..SECTOR] != after[sector * SECTOR..][..SECTOR]
        };
        let last = WRITTEN.0 + WRITTEN.1 - 1;
        assert_eq!(
            [WRITTEN.0 - 1, WRITTEN.0, last, last + 1].map(differs),
            [false, true, true, false]
        );
    }
}
