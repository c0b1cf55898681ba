//! The machines that commands host here, for other commands to find: `top`, `logs`, `set`, `stop`.
//!
//! Each has a folder `target/machines/NUMBER`, the number being its command's process: what
//! it hosts (`machine.json`), what its console said (`console.log`), and while it runs the secret
//! of whoever may give it orders (`secret`), if it takes any.
//!
//! # Invariants
//! A machine runs as long as its command holds the lock on its `machine.json`; the lock
//! goes with the process, however that ends. So a number that the operating system gives to
//! somebody else is never taken for a machine's. The folders of the last machines that have
//! ended are kept, for their logs.

mod secret;

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use crate::commands::Door;
use crate::failure::Failure;
use crate::home;

pub use secret::Secret;

const MACHINE: &str = "machine.json";
const CONSOLE: &str = "console.log";
const SECRET: &str = "secret";
/// Folders of ended machines that are kept.
const KEPT: usize = 10;

/// What is told of a machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// The process of its command.
    pub process: u32,
    /// Seconds since 1970 when it was begun.
    pub begun: u64,
    /// Its configuration.
    pub configuration: PathBuf,
    /// Where its services answer.
    pub doors: Vec<Door>,
    /// The dashboard's port.
    pub dashboard: Option<u16>,
    /// Where the machine reaches this host.
    pub host: Ipv4Addr,
}

/// A machine that this command hosts.
#[derive(Debug)]
pub struct Hosted {
    folder: PathBuf,
    /// Locked.
    _machine: File,
}

/// A machine that somebody hosts, or did.
#[derive(Clone, Debug)]
pub struct Found {
    /// What is told of it.
    pub about: About,
    /// Whether it runs.
    pub runs: bool,
    folder: PathBuf,
}

/// The folder of all machines that are hosted from this checkout.
pub fn folder(root: &Path) -> PathBuf {
    home::target(root).join("machines")
}

impl Hosted {
    /// Tells of a machine, and to its owner of the secret of who may give it orders.
    ///
    /// # Errors
    /// [`Failure::Unwritable`].
    pub fn begin(machines: &Path, about: &About, secret: Option<&Secret>) -> Result<Self, Failure> {
        let folder = machines.join(about.process.to_string());
        let path = folder.join(MACHINE);
        let wrong = |error| Failure::Unwritable(path.clone(), error);
        // What a process of the same number left has ended.
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).map_err(wrong)?;
        let mut machine = File::create(&path).map_err(wrong)?;
        // Who asks whether it runs has the lock for a moment, too, and is waited for.
        let lock = || flock(&machine, FlockOperation::LockExclusive);
        rustix::io::retry_on_intr(lock).map_err(|error| wrong(error.into()))?;
        if let Some(secret) = secret {
            let path = folder.join(SECRET);
            secret.write(&path).map_err(|error| Failure::Unwritable(path, error))?;
        }
        let text = serde_json::to_vec_pretty(about)?;
        machine.write_all(&text).map_err(wrong)?;
        forget(machines);
        Ok(Self { folder, _machine: machine })
    }

    /// Where its console is kept.
    ///
    /// # Errors
    /// [`Failure::Unwritable`].
    pub fn console(&self) -> Result<File, Failure> {
        let path = self.folder.join(CONSOLE);
        File::create(&path).map_err(|error| Failure::Unwritable(path, error))
    }
}

impl Drop for Hosted {
    fn drop(&mut self) {
        // Nobody may be told by it any more; who is killed leaves it, and it opens nothing.
        let _ = fs::remove_file(self.folder.join(SECRET));
    }
}

impl Found {
    /// The secret of who may give it orders.
    ///
    /// # Errors
    /// [`Failure::NoOrders`] where it takes none, [`Failure::NotYours`] where it is not this
    /// user's to give any.
    pub fn secret(&self) -> Result<Secret, Failure> {
        let path = self.folder.join(SECRET);
        Secret::read(&path).map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => {
                Failure::NoOrders(self.about.process, self.about.configuration.clone())
            }
            _ => Failure::NotYours(path, error),
        })
    }

    /// Its console's log.
    pub fn console(&self) -> PathBuf {
        self.folder.join(CONSOLE)
    }

    /// The port of its monitor, if it has one.
    pub fn monitor(&self) -> Option<u16> {
        self.about.doors.iter().find(|door| door.monitor).map(|door| door.host)
    }
}

/// Whether somebody holds the lock of this folder's machine.
fn runs(folder: &Path) -> bool {
    let Ok(machine) = File::open(folder.join(MACHINE)) else { return false };
    flock(&machine, FlockOperation::NonBlockingLockShared).is_err()
}

/// All machines that are known, the latest first.
pub fn all(machines: &Path) -> Vec<Found> {
    let entries = fs::read_dir(machines).into_iter().flatten().flatten();
    let mut found: Vec<Found> = entries.filter_map(|entry| read(&entry.path()).ok()).collect();
    found.sort_by_key(|found| std::cmp::Reverse(found.about.begun));
    found
}

fn read(folder: &Path) -> io::Result<Found> {
    let about = serde_json::from_slice(&fs::read(folder.join(MACHINE))?)?;
    Ok(Found { about, runs: runs(folder), folder: folder.into() })
}

/// The one of this number, or the only one that runs.
///
/// # Errors
/// [`Failure::NoMachineRuns`], [`Failure::WhichMachine`].
pub fn running(machines: &Path, number: Option<u32>) -> Result<Found, Failure> {
    let wanted = |found: &Found| number.is_none_or(|number| found.about.process == number);
    let mut found = all(machines).into_iter().filter(|found| found.runs && wanted(found));
    let first = found.next().ok_or(Failure::NoMachineRuns(number))?;
    let others: Vec<u32> = found.map(|found| found.about.process).collect();
    match others.is_empty() {
        true => Ok(first),
        false => {
            let all = std::iter::once(first.about.process).chain(others).collect();
            Err(Failure::WhichMachine(all))
        }
    }
}

/// The one of this number, or the latest, whether it runs or has ended.
///
/// # Errors
/// [`Failure::NoMachineKnown`].
pub fn latest(machines: &Path, number: Option<u32>) -> Result<Found, Failure> {
    let wanted = |found: &Found| number.is_none_or(|number| found.about.process == number);
    all(machines).into_iter().find(wanted).ok_or(Failure::NoMachineKnown(number))
}

/// Removes folders of machines that have ended, but for the last.
fn forget(machines: &Path) {
    let entries = fs::read_dir(machines).into_iter().flatten().flatten();
    let mut ended: Vec<_> = entries
        .map(|entry| entry.path())
        .filter(|path| !runs(path))
        .map(|path| (fs::metadata(&path).and_then(|about| about.modified()).ok(), path))
        .collect();
    ended.sort();
    let many = ended.len().saturating_sub(KEPT);
    for (_, path) in ended.into_iter().take(many) {
        let _ = fs::remove_dir_all(path);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn about(process: u32, begun: u64) -> About {
        About {
            process,
            begun,
            configuration: "a.xml".into(),
            doors: vec![],
            dashboard: None,
            host: Ipv4Addr::LOCALHOST,
        }
    }

    #[test]
    fn machines_run_as_long_as_their_lock_is_held() {
        let root = tempfile::tempdir().unwrap();
        assert!(matches!(running(root.path(), None), Err(Failure::NoMachineRuns(None))));
        let secret = Secret::new().unwrap();
        let first = Hosted::begin(root.path(), &about(11, 1), Some(&secret)).unwrap();
        let second = Hosted::begin(root.path(), &about(12, 2), None).unwrap();
        first.console().unwrap().write_all(b"hello").unwrap();
        assert!(
            matches!(running(root.path(), None), Err(Failure::WhichMachine(all)) if all == [12, 11])
        );
        assert_eq!(running(root.path(), Some(11)).unwrap().about, about(11, 1));
        let known = |number| running(root.path(), Some(number)).unwrap().secret();
        assert_eq!(known(11).unwrap(), secret);
        assert!(matches!(known(12), Err(Failure::NoOrders(12, _))));
        drop(second);
        assert_eq!(running(root.path(), None).unwrap().about.process, 11);
        assert_eq!(latest(root.path(), None).unwrap().about.process, 12);
        let log = latest(root.path(), Some(11)).unwrap().console();
        assert_eq!(fs::read_to_string(log).unwrap(), "hello");
    }

    #[test]
    fn only_the_last_that_ended_are_kept() {
        let root = tempfile::tempdir().unwrap();
        let kept = Hosted::begin(root.path(), &about(1, 1), None).unwrap();
        for number in 2..KEPT as u32 + 6 {
            drop(Hosted::begin(root.path(), &about(number, number.into()), None).unwrap());
        }
        // The last was ended after it was looked.
        let all = all(root.path());
        assert_eq!(all.len(), KEPT + 2);
        assert!(all.iter().any(|found| found.runs && found.about.process == 1));
        drop(kept);
    }
}
