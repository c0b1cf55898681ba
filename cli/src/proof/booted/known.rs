//! What is known not to be as on the host's Linux: a file of lines, a test's name and the
//! reason.
//!
//! A reason that begins with `sometimes` is for a test that works at times; it may do both.

use std::collections::BTreeMap;
use std::path::Path;

const AT_TIMES: &str = "sometimes";

/// The list.
#[derive(Debug, PartialEq, Eq)]
pub struct Known {
    /// Where it is.
    pub file: &'static str,
    reasons: BTreeMap<String, String>,
}

impl Known {
    /// The checkout's.
    ///
    /// # Errors
    /// Where it cannot be read, or a line has no reason.
    pub fn read(root: &Path, file: &'static str) -> Result<Self, String> {
        let text = std::fs::read_to_string(root.join(file));
        Self::parse(file, &text.map_err(|error| format!("{file}: {error}"))?)
    }

    /// From its text: `#` begins a comment.
    pub fn parse(file: &'static str, text: &str) -> Result<Self, String> {
        let mut reasons = BTreeMap::new();
        for (place, line) in text.lines().enumerate() {
            let line = line.trim();
            if line.is_empty() || line.starts_with('#') {
                continue;
            }
            let number = place + 1;
            let Some((name, reason)) = line.split_once(char::is_whitespace) else {
                return Err(format!("{file}, line {number}: {line} has no reason"));
            };
            if reasons.insert(name.to_string(), reason.trim().to_string()).is_some() {
                return Err(format!("{file}, line {number}: {name} stands there twice"));
            }
        }
        Ok(Self { file, reasons })
    }

    /// Whether a test may fail.
    pub fn may_fail(&self, name: &str) -> bool {
        self.reasons.contains_key(name)
    }

    /// Whether a test may work.
    pub fn may_work(&self, name: &str) -> bool {
        self.reasons.get(name).is_none_or(|reason| reason.starts_with(AT_TIMES))
    }

    /// All names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.reasons.keys().map(String::as_str)
    }
}
