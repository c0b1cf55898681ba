//! `image`: a file system on an image, from a directory or a tar.

use std::process::ExitCode;

use crate::args::Image;
use crate::failure::Failure;
use crate::human;
use crate::out;
use crate::volume::{self, VolumeError, Wanted};

/// Makes it.
pub fn run(arguments: &Image) -> Result<ExitCode, Failure> {
    let source = &arguments.source;
    let about = std::fs::metadata(source);
    let about = about.map_err(|error| Failure::Unreadable(source.clone(), error))?;
    let contents = tempfile::tempdir();
    let contents = contents.map_err(|error| VolumeError::Write(std::env::temp_dir(), error))?;
    let entries = match about.is_dir() {
        true => volume::folder(source)?,
        false => volume::archive(source, contents.path())?,
    };
    let wanted = Wanted {
        size: arguments.size,
        block: arguments.block,
        inodes: arguments.inodes,
        label: arguments.label.clone(),
        force: arguments.force,
    };
    let made = volume::make(&entries, &arguments.output, &wanted)?;
    let (size, path) = (human::bytes(made.size), arguments.output.display());
    out::put(&format!("{path}: ext2, {size}, {} inodes used\n", made.used));
    Ok(ExitCode::SUCCESS)
}
