//! Where the repository is, and programs started in it.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::failure::Failure;

/// The root of the repository: what the script says, else where this was built.
///
/// # Errors
/// [`Failure::NoRepository`] where there is none.
pub fn root() -> Result<PathBuf, Failure> {
    let path = match std::env::var_os("VORTEX_ROOT") {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join(".."),
    };
    if path.join("grid/Cargo.toml").is_file() {
        Ok(path.canonicalize().unwrap_or(path))
    } else {
        Err(Failure::NoRepository(path))
    }
}

/// Where cargo puts what it builds; a relative name is cargo's, which is started in the root.
pub fn target(root: &Path) -> PathBuf {
    root.join(std::env::var_os("CARGO_TARGET_DIR").unwrap_or_else(|| "target".into()))
}

/// Whether this program starts and answers with success.
pub fn works(program: &str, arguments: &[&str]) -> bool {
    Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A word as a shell would have to be given it, where that is not the word itself.
pub fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+,./:@%^".contains(c);
    match !word.is_empty() && word.chars().all(plain) {
        true => word.to_string(),
        false => format!("'{}'", word.replace('\'', r"'\''")),
    }
}

/// Runs a program to its end and returns its standard output.
///
/// # Errors
/// [`Failure::NotStarted`], or [`Failure::ProgramFailed`] with what it said.
pub fn output(command: &mut Command) -> Result<String, Failure> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| Failure::NotStarted(name.clone(), error))?;
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).into_owned())
    } else {
        Err(Failure::ProgramFailed(name, String::from_utf8_lossy(&output.stderr).into_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_where_a_shell_needs_it() {
        assert_eq!(quoted("--cores=4"), "--cores=4");
        assert_eq!(quoted("two words"), "'two words'");
        assert_eq!(quoted("it's"), r"'it'\''s'");
        assert_eq!(quoted(""), "''");
    }
}
