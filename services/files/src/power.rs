//! Changes that last: each step makes one, has it written to the disk, and then notes its number
//! in a file. Whenever the power is cut, all steps are there up to the number that the disk has
//! been given. `cli/src/proof/images/power.rs` knows what each step leaves.
//!
//! Beside each step something is written that nobody waits for.

use vortex_guest::mem::{BOTH, PAGE, Region};
use vortex_guest::{Res, fd, file, say};

use crate::bytes::bytes;
use crate::calls::{put, put_at, sync};
use crate::fail;

/// How the note begins.
const MARK: &[u8; 16] = b"VORTEX PROGRESS ";
/// Bytes of a record.
const RECORD: usize = 64;
/// Slots of each kind, and folders.
const SLOTS: u64 = 4;
const PLACES: u64 = 16;
const FOLDERS: u64 = 3;
/// Steps after which a file is removed again.
const LATER: u64 = 16;

/// What a step writes: its number, then bytes of its own.
fn content(step: u64) -> Vec<u8> {
    let length = 1_000 + (step * 7_919 % 30_000) as usize;
    [step.to_le_bytes().to_vec(), bytes(step, 0, length)].concat()
}

fn record(step: u64, length: usize) -> Vec<u8> {
    [step.to_le_bytes().to_vec(), bytes(step, 0, length - 8)].concat()
}

/// Writes to a file, and waits until it lasts.
fn write(path: &str, flags: i32, bytes: &[u8], at: Option<usize>) -> Res<()> {
    let to = file::open(path, libc::O_WRONLY | libc::O_CREAT | flags)?;
    match at {
        Some(at) => put_at(to, bytes, at)?,
        None => put(to, bytes)?,
    };
    // With these it lasts when it is written.
    if flags & libc::O_DSYNC == 0 {
        fd::sync(to)?;
    }
    fd::close(to).map(drop)
}

/// How what is written in this round is to last.
fn lasting(round: u64) -> i32 {
    [0, libc::O_DSYNC, libc::O_SYNC][round as usize % 3]
}

/// The same past the cache: whole sectors, out of memory that begins as they do.
fn write_direct(path: &str, bytes: &[u8], at: usize) -> Res<()> {
    let flags = libc::O_WRONLY | libc::O_CREAT | libc::O_DIRECT | libc::O_DSYNC;
    let (to, memory) = (file::open(path, flags)?, Region::anonymous(PAGE, BOTH));
    memory.put_all(0, bytes);
    fd::seek(to, at as i64, libc::SEEK_SET)?;
    memory.write(to, 0, bytes.len())?;
    memory.unmap(0, PAGE)?;
    fd::close(to).map(drop)
}

/// So many steps.
pub fn run(place: &str, count: u64) {
    for step in 1..=count {
        let done = one(place, step).and_then(|()| {
            let mut note = MARK.to_vec();
            note.extend(step.to_le_bytes());
            note.resize(512, 0);
            write(&format!("{place}/progress"), 0, &note, Some(0))?;
            // The first has made the name too.
            if step == 1 { sync(place).map(drop) } else { Ok(()) }
        });
        if let Err(error) = done {
            fail(&format!("step {step}: {error}"));
        }
    }
    say!("files: {count} steps have been written");
}

fn one(place: &str, step: u64) -> Res<()> {
    // Nobody waits for this.
    let noise = file::open(&format!("{place}/noise-{}", step % 3), libc::O_WRONLY | libc::O_CREAT)?;
    put_at(noise, &bytes(step, 0, 5_000), (step * 3_001 % 60_000) as usize)?;
    fd::close(noise)?;
    let round = step / 5;
    match step % 5 {
        0 => {
            let slot = format!("{place}/slot-{}", round % SLOTS);
            let new = format!("{slot}.new");
            write(&new, libc::O_TRUNC, &content(step), None)?;
            file::rename(&new, &slot)?;
            sync(place).map(drop)
        }
        1 => {
            let flags = libc::O_APPEND | lasting(round);
            write(&format!("{place}/log"), flags, &record(step, RECORD), None)?;
            if round == 0 { sync(place).map(drop) } else { Ok(()) }
        }
        2 => {
            let at = (round % PLACES) as usize * 512;
            let (path, record) = (format!("{place}/places"), record(step, 512));
            match round % 4 {
                3 => write_direct(&path, &record, at)?,
                round => write(&path, lasting(round), &record, Some(at))?,
            }
            if round == 0 { sync(place).map(drop) } else { Ok(()) }
        }
        3 => {
            let folder = format!("{place}/folder-{}", round % FOLDERS);
            match file::mkdir(&folder, 0o755) {
                Ok(_) => drop(sync(place)?),
                Err(error) if error.0 == libc::EEXIST => {}
                Err(error) => return Err(error),
            }
            write(&format!("{folder}/new-{step}"), lasting(round), &content(step), None)?;
            sync(&folder).map(drop)
        }
        _ if step > LATER => {
            let old = step - LATER;
            let folder = format!("{place}/folder-{}", old / 5 % FOLDERS);
            file::unlink(&format!("{folder}/new-{old}"))?;
            sync(&folder).map(drop)
        }
        _ => Ok(()),
    }
}
