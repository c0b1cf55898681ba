//! The words of the kernel's command line: which there are, and what each may say. A word that
//! is not among them, or says something else, is refused: its writer believes that it does
//! something (law 8).

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// What stands after a word's equals sign.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Value {
    /// This, and nothing else.
    Only(&'static str),
    /// Something of this form, which whoever uses it judges.
    Form(&'static str),
}

/// All. The book's chapter "How it boots" says what they mean.
const WORDS: [(&str, Value); 10] = [
    ("config", Value::Form("PATH")),
    ("exit", Value::Only("debug")),
    ("gateway", Value::Form("ADDRESS")),
    ("ip", Value::Form("ADDRESS/BITS")),
    ("runs", Value::Only("told")),
    ("randomize", Value::Only("off")),
    ("root", Value::Form("VOLUME")),
    ("swap", Value::Form("VOLUME")),
    ("swap-broken-reads", Value::Form("A-B")),
    ("swap-broken-writes", Value::Form("A-B")),
];

/// Whether the kernel knows all these words, and each is there once.
///
/// # Errors
/// The first that is wrong, and what would be right, in words.
pub fn judge_words<'a>(words: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
    let mut seen: Vec<&str> = Vec::new();
    for word in words {
        let (name, value) = word.split_once('=').unwrap_or((word, ""));
        let known = WORDS.iter().find(|(known, _)| *known == name);
        let right = known.is_some_and(|(_, known)| match known {
            Value::Only(only) => value == *only,
            Value::Form(_) => !value.is_empty(),
        });
        if !right {
            return Err(format!("'{word}'; there are {}", all()));
        }
        if seen.contains(&name) {
            return Err(format!("'{name}' twice"));
        }
        seen.push(name);
    }
    Ok(())
}

fn all() -> String {
    let shown = WORDS.iter().map(|(name, value)| match value {
        Value::Only(text) | Value::Form(text) => format!("{name}={text}"),
    });
    shown.reduce(|list, word| list + ", " + &word).unwrap_or_else(|| "none".to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_known_or_said_twice_is_refused_with_what_is_right() {
        let judge = |line: &str| judge_words(line.split_whitespace());
        assert_eq!(judge("config=/etc/vortex.xml exit=debug runs=told randomize=off"), Ok(()));
        assert_eq!(judge("swap-broken-reads=6-9"), Ok(()));
        assert_eq!(judge(""), Ok(()));
        for wrong in ["quiet", "randomise=off", "randomize=on", "exit", "config=", "Config=/a"] {
            let why = judge(wrong).unwrap_err();
            assert!(why.starts_with(&format!("'{wrong}'; there are config=PATH, ")), "{why}");
        }
        assert_eq!(judge("exit=debug config=/a exit=debug"), Err("'exit' twice".into()));
    }
}
