//! Reading a configuration file, for `check`, `simulate` and `run`.

use std::fs;
use std::path::Path;

use vortex_config::{Config, Flaw, Known, KnownReclamation, parse_with};

use crate::failure::Failure;

/// Reads a file: a sound configuration, or all its flaws.
///
/// # Errors
/// [`Failure::Unreadable`] where there is no such file.
pub fn read(path: &Path) -> Result<Result<Config, Vec<Flaw>>, Failure> {
    bytes(path).map(|bytes| parse(&bytes))
}

/// What is in a file, sound or not.
///
/// # Errors
/// [`Failure::Unreadable`] where there is no such file.
pub fn bytes(path: &Path) -> Result<Vec<u8>, Failure> {
    fs::read(path).map_err(|error| Failure::Unreadable(path.to_path_buf(), error))
}

/// A sound configuration, or all its flaws.
pub fn parse(bytes: &[u8]) -> Result<Config, Vec<Flaw>> {
    match std::str::from_utf8(bytes) {
        Ok(text) => parse_with(text, &known()),
        Err(error) => Err(vec![not_text(bytes, error.valid_up_to())]),
    }
}

/// Prints flaws as `file:line:column: what; expected what`.
pub fn complain(path: &Path, flaws: &[Flaw]) {
    for flaw in flaws {
        eprintln!("{}:{flaw}", path.display());
    }
    let (count, noun) = (flaws.len(), if flaws.len() == 1 { "flaw" } else { "flaws" });
    eprintln!("{}: {count} {noun}", path.display());
}

/// What a file may name: the policies that are compiled in, and the paper's resources.
pub fn known() -> Known {
    let reclamations = vortex_memory::policy::POLICIES.iter().map(|policy| KnownReclamation {
        name: policy.name().into(),
        uses_soft: policy.uses_soft(),
    });
    Known { reclamations: reclamations.collect(), ..vortex_assembly::known() }
}

fn not_text(bytes: &[u8], valid: usize) -> Flaw {
    let before = bytes.get(..valid).unwrap_or_default();
    let text = String::from_utf8_lossy(before);
    let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
    Flaw {
        line: count(text.matches('\n').count() + 1),
        column: count(text.lines().next_back().map_or(0, |line| line.chars().count()) + 1),
        what: "this byte is no text".into(),
        right: "XML in UTF-8".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_are_no_text_have_a_place() {
        let flaw = not_text(b"ab\ncd\xff", 5);
        assert_eq!((flaw.line, flaw.column), (2, 3));
    }

    #[test]
    fn the_reader_knows_the_policies_that_are_compiled_in() {
        // What the kernel's own reader knows is what is compiled in.
        assert_eq!(known().policies, Known::default().policies);
        assert_eq!(known().reclamations, Known::default().reclamations);
    }
}
