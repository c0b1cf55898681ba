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
    // How far a name may be off is known before, so that who is far off is not compared to its end:
    // an order is judged in a bounded time.
    let close = names
        .iter()
        .filter_map(|name| {
            let most = (1 + name.len() / 6).min(name.len() / 2);
            Some((distance(wrong, name, most)?, *name))
        })
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

/// How many characters must be inserted, removed or replaced (Levenshtein), if that is no more than
/// `most`; nothing for long names, which are not compared.
fn distance(a: &str, b: &str, most: usize) -> Option<usize> {
    if a.len() > 64 || b.len() > 64 || a.len().abs_diff(b.len()) > most.saturating_mul(4) {
        return None;
    }
    // What both begin with costs nothing.
    let same = a.chars().zip(b.chars()).take_while(|(a, b)| a == b);
    let same: usize = same.map(|(a, _)| a.len_utf8()).sum();
    let (a, b) = (a.get(same..)?, b.get(same..)?);
    let mut row: Vec<usize> = (0..=b.chars().count()).collect();
    for (i, left) in a.chars().enumerate() {
        let (mut corner, mut before) = (i, i + 1);
        let mut least = before;
        for (right, cell) in b.chars().zip(row.iter_mut().skip(1)) {
            let replaced = corner + usize::from(left != right);
            corner = *cell;
            before = replaced.min(corner + 1).min(before + 1);
            *cell = before;
            least = least.min(before);
        }
        // No row has less than the least of the one before.
        if least > most {
            return None;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().filter(|distance| *distance <= most)
}

#[cfg(test)]
mod tests {
    use super::distance;

    #[test]
    fn edits_are_counted_as_levenshtein_does() {
        for (a, b, wanted) in [
            ("kitten", "sitting", 3),
            ("propshare", "propshare", 0),
            ("", "abc", 3),
            ("saturday", "sunday", 3),
            ("ab", "ba", 2),
            ("größe", "grosse", 3),
        ] {
            assert_eq!(distance(a, b, usize::MAX), Some(wanted), "{a} {b}");
            assert_eq!(distance(a, b, wanted), Some(wanted), "{a} {b}");
            if wanted > 0 {
                assert_eq!(distance(a, b, wanted - 1), None, "{a} {b}");
            }
        }
        assert_eq!(distance(&"x".repeat(65), "x", usize::MAX), None);
        assert_eq!(distance(&"x".repeat(64), &"x".repeat(64), 0), Some(0));
    }
}
