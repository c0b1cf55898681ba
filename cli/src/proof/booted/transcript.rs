//! What the console of a machine says of the tests that run in it.
//!
//! The runner in the machine prints `TEST <name> BEGIN`, then comes what the test prints,
//! then `TEST <name> EXIT <status>`. A test whose output does not end its last line has its
//! EXIT in that line: only the EXIT of the very test that is running ends it, so nothing
//! that it prints otherwise can be taken for it. After the last it prints `TESTS END`.

/// What the runner says last.
const END: &str = "TESTS END";

/// How the kernel's own words end that may come while a test prints.
const KERNEL: &str = "which is not offered";

/// What a test did. Equal on two systems where both did the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// What it printed, on standard output and error.
    pub output: String,
    /// With what it ended; 128 + N for signal N.
    pub status: i32,
}

/// Reads a console as it comes.
#[derive(Debug, Default)]
pub struct Transcript {
    line: Vec<u8>,
    /// The test under way and what it has printed.
    running: Option<(String, String)>,
    /// The tests that have ended, in their order.
    pub ended: Vec<(String, Outcome)>,
    /// What was printed outside of tests: the kernel's own words, a fault.
    pub outside: String,
    /// Whether all tests have had their turn.
    pub complete: bool,
}

impl Transcript {
    /// Takes what the console said; whether a test has begun or ended.
    pub fn take(&mut self, bytes: &[u8]) -> bool {
        let mut news = false;
        for &byte in bytes {
            self.line.push(byte);
            if byte == b'\n' {
                let line = std::mem::take(&mut self.line);
                let line = String::from_utf8_lossy(&line).replace("\r\n", "\n");
                news |= self.whole(&line);
            }
        }
        news
    }

    /// The test that has begun and not ended, with what it has printed.
    pub fn running(&self) -> Option<(&str, &str)> {
        self.running.as_ref().map(|(name, output)| (name.as_str(), output.as_str()))
    }

    fn whole(&mut self, line: &str) -> bool {
        if line.starts_with("vortex: ") && line.trim_end().ends_with(KERNEL) {
            self.outside.push_str(line);
            return false;
        }
        let Some((name, output)) = &mut self.running else {
            let name = line.trim_end().strip_prefix("TEST ").and_then(|l| l.strip_suffix(" BEGIN"));
            let end = line.trim_end() == END;
            self.complete |= end;
            match name {
                Some(name) => self.running = Some((name.into(), String::new())),
                None if end => {}
                None => self.outside.push_str(line),
            }
            return end || name.is_some();
        };
        let mark = format!("TEST {name} EXIT ");
        let end = line.rfind(&mark).and_then(|at| {
            let status = line.get(at + mark.len()..)?.trim_end().parse().ok()?;
            Some((line.get(..at)?, status))
        });
        let Some((before, status)) = end else {
            output.push_str(line);
            return false;
        };
        output.push_str(before);
        if let Some((name, output)) = self.running.take() {
            self.ended.push((name, Outcome { output, status }));
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Transcript {
        let mut transcript = Transcript::default();
        for byte in text.bytes() {
            transcript.take(&[byte]);
        }
        transcript
    }

    fn outcome(output: &str, status: i32) -> Outcome {
        Outcome { output: output.into(), status }
    }

    #[test]
    fn each_test_has_its_output_and_status() {
        let read = read(
            "boot\r\nTEST a BEGIN\r\none\r\ntwo\r\nTEST a EXIT 0\r\nTEST b BEGIN\r\n\
                         TEST b EXIT 139\r\nbye\r\n",
        );
        let ended =
            [("a".to_string(), outcome("one\ntwo\n", 0)), ("b".to_string(), outcome("", 139))];
        assert_eq!(read.ended, ended);
        assert_eq!(read.outside, "boot\nbye\n");
        assert_eq!(read.running(), None);
        assert!(!read.complete);
    }

    #[test]
    fn output_may_lack_its_last_line_end_and_look_like_ours() {
        let read = read("TEST a BEGIN\nTEST b EXIT 0\nTEST a EXIT x\nlastTEST a EXIT 3\n");
        let expected = outcome("TEST b EXIT 0\nTEST a EXIT x\nlast", 3);
        assert_eq!(read.ended, [("a".to_string(), expected)]);
    }

    #[test]
    fn the_end_is_told_outside_of_tests_only() {
        assert!(!read("TEST a BEGIN\nTESTS END\n").complete);
        assert!(read("TEST a BEGIN\nTEST a EXIT 0\nTESTS END\r\n").complete);
    }

    #[test]
    fn the_kernels_words_are_not_the_tests() {
        let text = "TEST a BEGIN\nvortex: a makes system call 9, which is not offered\r\nb\n";
        let read = read(text);
        assert_eq!(read.running(), Some(("a", "b\n")));
    }

    #[test]
    fn a_machine_that_dies_leaves_its_test_running() {
        let read = read("TEST a BEGIN\nso far\npanic: no\n  at 0x10\nand ");
        assert_eq!(read.running(), Some(("a", "so far\npanic: no\n  at 0x10\n")));
        assert!(read.ended.is_empty());
    }
}
