//! Programs of e2fsprogs. They are in places where only root looks for programs.

use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use super::error::VolumeError;

/// Where they are beside the places of `PATH`.
const PLACES: [&str; 2] = ["/usr/sbin", "/sbin"];

/// A command of one of them, without input and in the C locale.
///
/// # Errors
/// [`VolumeError::NoTool`].
pub fn command(tool: &'static str) -> Result<Command, VolumeError> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(PLACES.map(PathBuf::from));
    let mut found = places.map(|place| place.join(tool)).filter(|file| file.is_file());
    let mut command = Command::new(found.next().ok_or(VolumeError::NoTool(tool))?);
    command.env("LC_ALL", "C").stdin(Stdio::null());
    Ok(command)
}

/// Runs it to its end, whatever that is.
///
/// # Errors
/// [`VolumeError::Tool`] where it does not start.
pub fn output(tool: &'static str, command: &mut Command) -> Result<Output, VolumeError> {
    command.output().map_err(|error| VolumeError::Tool(tool, error.to_string()))
}

/// What it said, on both its outputs.
pub fn said(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    text(&output.stderr) + &text(&output.stdout)
}
