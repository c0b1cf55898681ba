//! The part `aio`: asynchronous I/O of files on a disk, where windows are (§4.3).
//!
//! The tests of `services/calls` that are about it run on the booted kernel with an ext2 on a disk
//! mounted where they work, each as often as it takes to see it again: what they print must be
//! what the C library makes of them on the host's Linux. (In memory they are in the part
//! `booted`.) Then the file system is unmounted, so that nothing of it may be held any more, and
//! the image must be sound.

use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use super::images::side::{Script, Side};
use super::{Extent, Verdict, services};
use crate::machine::disk::{Disk, Disks};
use crate::volume::{self, Wanted, tools};

/// In which the machine has ended.
const LIMIT: Duration = Duration::from_secs(240);
/// How often each test runs.
const ROUNDS: usize = 2;
/// Bytes of the image.
const SIZE: u64 = 64 << 20;

/// As a part of the proof.
pub fn part(root: &Path, _: Extent) -> Verdict {
    let programs = match services::build(root) {
        Ok(programs) => programs,
        Err(why) => return Verdict::Bad(why),
    };
    match Side::vortex(root, &programs).and_then(|side| on(&side, &programs)) {
        Ok(note) => Verdict::Good(note),
        Err(why) => Verdict::Bad(why),
    }
}

/// What a test prints on the host.
fn wanted(calls: &Path, name: &str) -> Result<Vec<String>, String> {
    let mut command = Command::new("timeout");
    command.args(["--kill-after=1", "40"]).arg(calls).arg(name).stdin(Stdio::null());
    let output = command.output().map_err(|error| format!("{}: {error}", calls.display()))?;
    if !output.status.success() {
        return Err(format!("{name} on the host: {}", output.status));
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Ok(text.lines().map(|line| line.trim_end().to_string()).collect())
}

fn on(side: &Side, programs: &Path) -> Result<String, String> {
    let calls = programs.join("calls");
    let names: Vec<String> = services::list(&calls)?;
    let names: Vec<&String> = names.iter().filter(|name| name.starts_with("aio-")).collect();
    let folder = tempfile::tempdir().map_err(|error| error.to_string())?;
    let (files, image) = (folder.path().join("files"), folder.path().join("disk.img"));
    std::fs::create_dir(&files).map_err(|error| error.to_string())?;
    let wishes =
        Wanted { size: Some(SIZE), block: 1024, inodes: None, label: "aio".into(), force: false };
    let entries = volume::folder(&files).map_err(|error| error.to_string())?;
    volume::make(&entries, &image, &wishes).map_err(|error| error.to_string())?;
    let mut script = Script::default();
    script.needs_ours("calls");
    script.step("mount", "/bin/busybox mount -t ext2 /dev/sda /tmp && echo mounted");
    for round in 0..ROUNDS {
        for name in &names {
            script.step(&format!("{name} {round}"), &format!("/bin/calls {name}"));
        }
    }
    script.step("unmount", "/bin/busybox umount /tmp && echo unmounted");
    let disks = Disks { disks: vec![Disk::new(&image)], depth: None };
    let said = side.run(&script, &disks, LIMIT)?;
    let mut wrong = String::new();
    for step in ["mount", "unmount"] {
        let lines = said.get(step).map(Vec::as_slice).unwrap_or_default();
        if !lines.iter().any(|line| line.trim() == format!("{step}ed")) {
            return Err(format!("step '{step}': {}", lines.join("\n")));
        }
    }
    for name in &names {
        let wanted = wanted(&calls, name)?;
        for round in 0..ROUNDS {
            let lines = said.get(&format!("{name} {round}")).cloned().unwrap_or_default();
            if lines != wanted {
                let (is, was) = (lines.join("\n  "), wanted.join("\n  "));
                wrong += &format!("{name}, for the {round}. time:\n  {is}\non Linux:\n  {was}\n");
            }
        }
    }
    if !wrong.is_empty() {
        return Err(wrong);
    }
    sound(&image)?;
    Ok(format!("{} tests on a disk as on Linux, {ROUNDS} times; the image is sound", names.len()))
}

/// Whether e2fsck finds nothing.
fn sound(image: &Path) -> Result<(), String> {
    let mut command = tools::command("e2fsck").map_err(|error| error.to_string())?;
    let output = command.args(["-f", "-n"]).arg(image).output();
    let output = output.map_err(|error| error.to_string())?;
    match output.status.success() {
        true => Ok(()),
        false => Err(format!("e2fsck: {}", String::from_utf8_lossy(&output.stdout))),
    }
}
