//! Lists of names in messages, and the name that was perhaps meant.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

/// Only so many names are compared or listed.
const MOST: usize = 256;

/// How the right names read in a message: the close one first, if there is one.
pub(super) fn expected<'a>(wrong: &str, names: impl Iterator<Item = &'a str>) -> String {
    let mut names: Vec<&str> = names.take(MOST).collect();
    let mut seen = BTreeSet::new();
    names.retain(|name| seen.insert(*name));
    // Whose lengths differ by more is not close, and not looked at: an order is judged in a bounded
    // time.
    let near = |name: &&&str| name.len().abs_diff(wrong.len()) <= 1 + name.len() / 6;
    let close = names
        .iter()
        .filter(near)
        .map(|name| (distance(wrong, name), *name))
        .filter(|(distance, name)| *distance <= 1 + name.len() / 6 && distance * 2 <= name.len())
        .min_by_key(|(distance, _)| *distance);
    let all = match names.len() {
        0 => "nothing of this kind, as none is declared".to_string(),
        1..=12 => format!("{}{}", if names.len() == 1 { "" } else { "one of " }, names.join(", ")),
        count => format!("one of {} and {} others", names[..8].join(", "), count - 8),
    };
    match close {
        Some((_, name)) => format!("{all} (did you mean {name}?)"),
        None => all,
    }
}

/// What was written, cut to a length that a message bears.
pub(super) fn short(text: &str) -> String {
    const LENGTH: usize = 48;
    if text.chars().nth(LENGTH).is_none() {
        return text.to_string();
    }
    text.chars().take(LENGTH).chain(['…']).collect()
}

/// How many characters must be inserted, removed or replaced (Levenshtein); large for
/// long names, which are not compared.
fn distance(a: &str, b: &str) -> usize {
    if a.len() > 64 || b.len() > 64 {
        return usize::MAX;
    }
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, left) in a.chars().enumerate() {
        let (mut corner, mut before) = (i, i + 1);
        for (right, cell) in b.chars().zip(row.iter_mut().skip(1)) {
            let replaced = corner + usize::from(left != right);
            corner = *cell;
            before = replaced.min(corner + 1).min(before + 1);
            *cell = before;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn edits_are_counted_as_levenshtein_does() {
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("propshare", "propshare"), 0);
        assert_eq!(distance("", "abc"), 3);
        assert_eq!(distance("saturday", "sunday"), 3);
        assert_eq!(distance("ab", "ba"), 2);
        assert_eq!(distance(&"x".repeat(65), "x"), usize::MAX);
        assert_eq!(distance(&"x".repeat(64), &"x".repeat(64)), 0);
    }
}
