//! The console's text, with names for the addresses of a kernel's backtrace.
//!
//! Bytes pass as they come, so that a prompt without a line's end is seen at once; only at
//! the end of a line of the form `  at 0x<address>` something is put in before it. What
//! addresses mean is asked of a [`Names`], so that this knows nothing of ELF.

/// The longest line that can be one of a backtrace.
const LONGEST: usize = 64;
/// What precedes the backtrace.
const FAULT: &[u8] = b"panic: ";

/// Who knows what an address means.
pub trait Names {
    /// Function and line for this address, as text without a line's end. The first address
    /// of a backtrace may be that of an instruction; all others follow a call.
    fn name(&self, address: u64, first: bool) -> Option<String>;
}

/// Annotates what passes.
#[derive(Debug)]
pub struct Backtrace<N> {
    names: N,
    /// The line under way, as far as it can be one of a backtrace.
    line: Vec<u8>,
    /// Whether its end waits for the byte after a carriage return.
    returned: bool,
    /// How many frames have been seen since the fault.
    frames: Option<u32>,
}

impl<N: Names> Backtrace<N> {
    /// With these names.
    pub fn new(names: N) -> Self {
        Self { names, line: Vec::new(), returned: false, frames: None }
    }

    /// What is to be shown for these bytes.
    pub fn take(&mut self, bytes: &[u8]) -> Vec<u8> {
        let mut shown = Vec::with_capacity(bytes.len());
        for &byte in bytes {
            if byte == b'\r' && !self.returned {
                self.returned = true;
                continue;
            }
            let returned = std::mem::take(&mut self.returned);
            if byte == b'\n' {
                if let Some(name) = self.end() {
                    shown.extend(b"  ");
                    shown.extend(name.as_bytes());
                }
                shown.extend(if returned { &b"\r\n"[..] } else { b"\n" });
                continue;
            }
            if returned {
                shown.push(b'\r');
                self.line.clear();
                if byte == b'\r' {
                    self.returned = true;
                    continue;
                }
            }
            if self.line.len() <= LONGEST {
                self.line.push(byte);
            }
            shown.push(byte);
        }
        shown
    }

    /// Whether the last line has not ended yet.
    pub fn within_line(&self) -> bool {
        !self.line.is_empty()
    }

    /// At the end of a line: the name of the address that it was.
    fn end(&mut self) -> Option<String> {
        let line = std::mem::take(&mut self.line);
        if line.starts_with(FAULT) {
            self.frames = Some(0);
            return None;
        }
        // Where no fault was announced a program may print what it likes.
        let number = self.frames?;
        let address = address(&line)?;
        self.frames = Some(number + 1);
        self.names.name(address, number == 0)
    }
}

/// The address of a line `  at 0x<address>`.
fn address(line: &[u8]) -> Option<u64> {
    let digits = std::str::from_utf8(line).ok()?.strip_prefix("  at 0x")?;
    u64::from_str_radix(digits, 16).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Hex;

    impl Names for Hex {
        fn name(&self, address: u64, first: bool) -> Option<String> {
            (address > 0xf).then(|| format!("f{address:x}{}", if first { "!" } else { "" }))
        }
    }

    fn shown(chunks: &[&str]) -> String {
        let mut backtrace = Backtrace::new(Hex);
        let all = chunks.iter().flat_map(|chunk| backtrace.take(chunk.as_bytes()));
        String::from_utf8(all.collect()).unwrap()
    }

    #[test]
    fn addresses_after_a_fault_get_names() {
        let text = "panic: out of luck\n  at 0x1234\n  at 0xABC\n  at 0x1\ndone\n";
        let named = "panic: out of luck\n  at 0x1234  f1234!\n  at 0xABC  fabc\n  at 0x1\ndone\n";
        assert_eq!(shown(&[text]), named);
        // However it arrives, and with carriage returns.
        let bytes: Vec<String> = text.chars().map(String::from).collect();
        assert_eq!(shown(&bytes.iter().map(String::as_str).collect::<Vec<_>>()), named);
        assert_eq!(shown(&[&text.replace('\n', "\r\n")]), named.replace('\n', "\r\n"));
    }

    #[test]
    fn all_else_passes_unchanged() {
        let text = "  at 0x1234\npanic\n\n50%\r60%\r\r\nat 0x99\n$ ";
        assert_eq!(shown(&[text]), text);
        let text = "panic: x\n  at 0x12345678901234567\n  at 0xyz\n  at 0x12 more\n";
        assert_eq!(shown(&[text]), text);
        assert_eq!(shown(&["prompt# "]), "prompt# ");
    }
}
