//! An image, made: `mke2fs` makes it empty, `debugfs` puts the entries into it, `e2fsck` looks
//! at all of it once, and only then has it its name.

use std::io::Write as _;
use std::path::Path;

use tempfile::NamedTempFile;

use super::entries::Entries;
use super::error::VolumeError;
use super::room::{INODE, Room};
use super::{script, tools};

/// The same in every image, so that equal content gives equal bytes.
const UUID: &str = "766f7274-6578-4000-8000-000000000001";
/// What of ext2 is used: no more than the kernel reads and writes.
const FEATURES: &str = "none,filetype,sparse_super,large_file,ext_attr";
/// By which mke2fs takes a time from here instead of the host's clock.
const CLOCK: &str = "E2FSPROGS_FAKE_TIME";

/// What is wanted.
#[derive(Clone, Debug)]
pub struct Wanted {
    /// Bytes of the image; what the content needs, and some, where nothing is said.
    pub size: Option<u64>,
    /// Bytes of a block.
    pub block: u32,
    /// How many inodes; what the content needs, and some, where nothing is said.
    pub inodes: Option<u64>,
    /// The file system's label.
    pub label: String,
    /// Whether a file that is there may be overwritten.
    pub force: bool,
}

/// What was made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Made {
    /// Bytes of the image.
    pub size: u64,
    /// Inodes that are used.
    pub used: u64,
}

/// Makes an image of these entries at this path.
///
/// # Errors
/// [`VolumeError::Exists`], [`VolumeError::Small`], [`VolumeError::FewInodes`],
/// [`VolumeError::Write`], those of the tools and of the names.
pub fn make(entries: &Entries, to: &Path, wanted: &Wanted) -> Result<Made, VolumeError> {
    if to.exists() && !wanted.force {
        return Err(VolumeError::Exists(to.into()));
    }
    let block = u64::from(wanted.block);
    let room = Room::of(entries, block);
    let inodes = wanted.inodes.unwrap_or(room.usual_inodes());
    if inodes < room.inodes {
        return Err(VolumeError::FewInodes { inodes, needed: room.inodes });
    }
    let size = wanted.size.unwrap_or(room.usual(inodes)) / block * block;
    let folder = to.parent().filter(|folder| !folder.as_os_str().is_empty());
    let unwritable = |error| VolumeError::Write(to.into(), error);
    let image = tempfile::Builder::new()
        .prefix(".vortex-image-")
        .tempfile_in(folder.unwrap_or(Path::new(".")))
        .map_err(unwritable)?;
    let small = || VolumeError::Small { size, enough: room.usual(inodes) };
    empty(image.path(), wanted, size, inodes, small)?;
    fill(image.path(), &script::lines(entries)?, small)?;
    check(image.path())?;
    // A temporary file is for its owner alone; an image is a file like others.
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o644);
    image.as_file().set_permissions(mode).map_err(unwritable)?;
    match wanted.force {
        true => image.persist(to).map_err(|error| unwritable(error.error))?,
        false => image.persist_noclobber(to).map_err(|error| unwritable(error.error))?,
    };
    Ok(Made { size, used: room.inodes })
}

fn empty(
    image: &Path,
    wanted: &Wanted,
    size: u64,
    inodes: u64,
    small: impl Fn() -> VolumeError,
) -> Result<(), VolumeError> {
    let mut command = tools::command("mke2fs")?;
    command.env(CLOCK, "1").args(["-q", "-F", "-t", "ext2", "-O", FEATURES, "-m", "0"]);
    command.args(["-b", &wanted.block.to_string(), "-I", &INODE.to_string()]);
    command.args(["-N", &inodes.to_string(), "-U", UUID, "-L", &wanted.label]);
    command.args(["-E", &format!("hash_seed={UUID},root_owner=0:0,lazy_itable_init=0,nodiscard")]);
    command.arg(image).arg((size / u64::from(wanted.block)).to_string());
    let output = tools::output("mke2fs", &mut command)?;
    let said = tools::said(&output);
    if output.status.success() {
        return Ok(());
    }
    let no_room = ["too small", "too big", "Not enough space", "invalid blocks"];
    match no_room.iter().any(|words| said.contains(words)) {
        true => Err(small()),
        false => Err(VolumeError::Tool("mke2fs", said)),
    }
}

fn fill(image: &Path, lines: &[u8], small: impl Fn() -> VolumeError) -> Result<(), VolumeError> {
    let mut file =
        NamedTempFile::new().map_err(|error| VolumeError::Write("/tmp".into(), error))?;
    let written = file.write_all(lines).and_then(|()| file.flush());
    written.map_err(|error| VolumeError::Write(file.path().into(), error))?;
    let mut command = tools::command("debugfs")?;
    command.args(["-w", "-f"]).arg(file.path()).arg(image);
    let output = tools::output("debugfs", &mut command)?;
    // It goes on after a line that fails, and ends well: what it complains of is what counts.
    let said = String::from_utf8_lossy(&output.stderr);
    let complaints: Vec<&str> =
        said.lines().filter(|line| !line.starts_with("debugfs 1.") && !line.is_empty()).collect();
    let no_room = ["Could not allocate", "No space left", "No free space"];
    match complaints.first() {
        None if output.status.success() => Ok(()),
        None => Err(VolumeError::Tool("debugfs", output.status.to_string())),
        Some(_) if complaints.iter().any(|line| no_room.iter().any(|w| line.contains(w))) => {
            Err(small())
        }
        Some(_) => {
            let first = complaints.iter().take(8).copied().collect::<Vec<_>>();
            Err(VolumeError::Tool("debugfs", first.join("\n")))
        }
    }
}

fn check(image: &Path) -> Result<(), VolumeError> {
    let output = tools::output("e2fsck", tools::command("e2fsck")?.arg("-fn").arg(image))?;
    match output.status.code() {
        Some(0) => Ok(()),
        _ => Err(VolumeError::Tool("e2fsck", tools::said(&output))),
    }
}
