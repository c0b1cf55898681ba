//! What the machine did beside what Linux did, test by test.

use similar::TextDiff;

use super::transcript::Outcome;

/// Nothing where they are equal; else how they differ, for people.
pub fn difference(name: &str, linux: &Outcome, vortex: &Outcome) -> Option<String> {
    if linux == vortex {
        return None;
    }
    let mut text = format!("{name}:");
    if linux.status != vortex.status {
        text += &format!(" ends with {}, on Linux with {}", vortex.status, linux.status);
    }
    text.push('\n');
    if linux.output != vortex.output {
        let diff = TextDiff::from_lines(&linux.output, &vortex.output);
        text += &diff.unified_diff().context_radius(2).header("Linux", "Vortex").to_string();
    }
    Some(text)
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
        assert_eq!(difference("t", &linux, &linux.clone()), None);
        let text = difference("t", &linux, &outcome("a\nx\nc\n", 0)).unwrap();
        assert_eq!(text, "t:\n--- Linux\n+++ Vortex\n@@ -1,3 +1,3 @@\n a\n-b\n+x\n c\n");
        let text = difference("t", &linux, &outcome("a\nb\nc\n", 139)).unwrap();
        assert_eq!(text, "t: ends with 139, on Linux with 0\n");
    }
}
