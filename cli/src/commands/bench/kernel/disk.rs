//! The disk of `bench storage`: an ext2 with two files; and how much of a slow one is used by who
//! reads the longer one in order.

use std::fs;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::{linux, vortex};
use crate::failure::Failure;
use crate::machine::disk::{Disk, Disks};
use crate::volume::{self, Wanted};

/// Bytes of its files, as `services/bench` has them: one that is read here and there, and one
/// that is read in order, in more than ten seconds.
const BYTES: u64 = 8 << 20;
const LONG: u64 = 48 << 20;
/// What a slow disk lets through in a second.
const SLOW: u64 = 4_000_000;
/// Bytes of the image.
const SIZE: u64 = 80 << 20;

/// It, as it is when a machine begins.
pub struct Image {
    folder: tempfile::TempDir,
    whole: PathBuf,
}

/// Of what a disk lets through, how much is used, in per cent.
#[derive(Clone, Debug, Serialize)]
pub struct Throughput {
    /// Bytes a second that it lets through.
    pub limit: u64,
    /// On Vortex.
    pub vortex: f64,
    /// On Linux; absent where that could not be measured.
    pub linux: Option<f64>,
}

impl Image {
    /// Makes it.
    ///
    /// # Errors
    /// What the tools of ext2 say.
    pub fn new() -> Result<Self, Failure> {
        let place = std::env::temp_dir();
        let cannot = |error| Failure::Unwritable(place.clone(), error);
        let folder = tempfile::tempdir().map_err(cannot)?;
        let from = folder.path().join("files");
        fs::create_dir(&from).map_err(cannot)?;
        for (name, bytes) in [("file", BYTES), ("long", LONG)] {
            let bytes: Vec<u8> = (0..bytes).map(|at| (at / 7) as u8).collect();
            fs::write(from.join(name), bytes).map_err(cannot)?;
        }
        let whole = folder.path().join("whole.img");
        let wanted = Wanted {
            size: Some(SIZE),
            block: 4096,
            inodes: None,
            label: String::new(),
            force: false,
        };
        volume::make(&volume::folder(&from)?, &whole, &wanted)?;
        Ok(Self { folder, whole })
    }

    /// A disk with it, at most so fast.
    ///
    /// # Errors
    /// Where it cannot be written.
    pub fn fresh(&self, most: Option<u64>) -> Result<Disks, Failure> {
        let path = self.folder.path().join("disk.img");
        fs::copy(&self.whole, &path).map_err(|error| Failure::Unwritable(path.clone(), error))?;
        Ok(Disks { disks: vec![Disk { most, ..Disk::new(&path) }], depth: None })
    }
}

/// Reads the longer file in order, from a slow disk.
pub fn throughput(image: &Image, root: &Path, programs: &Path) -> Result<Throughput, Failure> {
    let used = |nanoseconds: u64| LONG as f64 * 1e11 / nanoseconds.max(1) as f64 / SLOW as f64;
    let name = "sequential";
    let linux = linux::nanoseconds(name, root, programs, image.fresh(Some(SLOW))?);
    let vortex = vortex::one(name, 1, false, Some(&image.fresh(Some(SLOW))?))?;
    Ok(Throughput { limit: SLOW, vortex: used(vortex), linux: linux.ok().map(used) })
}
