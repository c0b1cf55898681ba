//! The last lines of a machine's console, as they are shown: what a guest prints costs the
//! host no more than they take.
//!
//! # Invariants
//! At most [`LAST`] lines, none of them, nor the one under way, longer than [`LONGEST`]
//! bytes of the console's. No control characters: a terminal does nothing with them.

use std::collections::VecDeque;

use crate::out;

/// Lines that are kept.
const LAST: usize = 30;
/// A longer line is cut into lines of this length.
const LONGEST: usize = 4096;

/// They.
#[derive(Debug, Default)]
pub struct Lines {
    ended: VecDeque<String>,
    /// The line under way.
    rest: Vec<u8>,
}

impl Lines {
    /// The console said this.
    pub fn take(&mut self, bytes: &[u8]) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ends) = match part.strip_suffix(b"\n") {
                Some(text) => (text, true),
                None => (part, false),
            };
            let mut text = text;
            while let Some((piece, more)) = text.split_at_checked(LONGEST - self.rest.len()) {
                self.rest.extend(piece);
                text = more;
                if text.is_empty() {
                    break;
                }
                self.end();
            }
            self.rest.extend(text);
            if ends {
                self.end();
            }
        }
    }

    /// Somebody else said this, in a line of its own.
    pub fn push(&mut self, line: &str) {
        let line: String = line.chars().take(LONGEST).collect();
        self.ended.push_back(out::plain(line.trim_end()));
        if self.ended.len() > LAST {
            self.ended.pop_front();
        }
    }

    /// The last so many that have ended.
    pub fn last(&self, many: usize) -> impl Iterator<Item = &str> {
        let skip = self.ended.len().saturating_sub(many);
        self.ended.iter().skip(skip).map(String::as_str)
    }

    /// The machine has ended, and with it the line under way.
    pub fn finish(&mut self) {
        if !self.rest.is_empty() {
            self.end();
        }
    }

    fn end(&mut self) {
        let rest = std::mem::take(&mut self.rest);
        self.push(&String::from_utf8_lossy(&rest));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(lines: &Lines) -> Vec<&str> {
        lines.last(usize::MAX).collect()
    }

    #[test]
    fn lines_come_in_pieces_and_without_what_moves_a_terminal() {
        let mut lines = Lines::default();
        let text = "one\r\n\n\u{1b}[2Jtwo ä\x07 x\nunder".as_bytes();
        for byte in text {
            lines.take(&[*byte]);
        }
        let wanted = ["one", "", " [2Jtwo ä  x"];
        assert_eq!(all(&lines), wanted);
        let mut at_once = Lines::default();
        at_once.take(text);
        assert_eq!(all(&at_once), wanted);
        lines.push("QEMU: \x1b]0;x\x07");
        lines.finish();
        assert_eq!(lines.last(2).collect::<Vec<_>>(), ["QEMU:  ]0;x ", "under"]);
    }

    #[test]
    fn who_prints_without_end_costs_no_more() {
        let mut lines = Lines::default();
        for length in [1, 1000, LONGEST, LONGEST + 1, 3 * LONGEST] {
            for _ in 0..100 {
                lines.take(&vec![b'a'; length]);
                assert!(lines.rest.len() <= LONGEST);
                lines.push("QEMU");
                assert!(lines.ended.len() <= LAST);
                assert!(lines.ended.iter().all(|line| line.len() <= LONGEST));
            }
        }
        lines.take(b"\n");
        let before = all(&lines).len();
        lines.take(&vec![b'\n'; 1 << 16]);
        assert_eq!((before, all(&lines).len()), (LAST, LAST));
    }

    #[test]
    fn a_long_line_is_cut_and_nothing_of_it_lost() {
        let mut lines = Lines::default();
        lines.take(&vec![b'a'; LONGEST]);
        lines.take(&vec![b'b'; LONGEST + 2]);
        lines.take(b"c\nd\n");
        let (a, b) = ("a".repeat(LONGEST), "b".repeat(LONGEST));
        assert_eq!(all(&lines), [&a, &b, "bbc", "d"]);
    }
}
