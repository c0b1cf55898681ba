//! What the machine did beside what the oracle did, test by test.

use similar::TextDiff;

use super::transcript::Outcome;

/// What the host's Linux, and the machine's system, are called.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Sides {
    /// The one whose answers are right.
    pub oracle: &'static str,
    /// The other.
    pub tried: &'static str,
}

impl Sides {
    /// Nothing where they did the same; else how they differ, for people.
    pub fn difference(self, name: &str, oracle: &Outcome, tried: &Outcome) -> Option<String> {
        if oracle == tried {
            return None;
        }
        let mut text = format!("{name}:");
        if oracle.status != tried.status {
            let (ends, right) = (tried.status, oracle.status);
            text += &format!(" ends with {ends}, on {} with {right}", self.oracle);
        }
        text.push('\n');
        if oracle.output != tried.output {
            let diff = TextDiff::from_lines(&oracle.output, &tried.output);
            let mut diff = diff.unified_diff();
            text += &diff.context_radius(2).header(self.oracle, self.tried).to_string();
        }
        Some(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn outcome(output: &str, status: i32) -> Outcome {
        Outcome { output: output.into(), status }
    }

    #[test]
    fn only_what_differs_is_shown() {
        let linux = outcome("a\nb\nc\n", 0);
        let sides = Sides { oracle: "Linux", tried: "Vortex" };
        let difference = |tried: &Outcome| sides.difference("t", &linux, tried);
        assert_eq!(difference(&linux.clone()), None);
        let text = difference(&outcome("a\nx\nc\n", 0)).unwrap();
        assert_eq!(text, "t:\n--- Linux\n+++ Vortex\n@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n");
        let text = difference(&outcome("a\nb\nc\n", 139)).unwrap();
        assert_eq!(text, "t: ends with 139, on Linux with 0\n");
    }
}
