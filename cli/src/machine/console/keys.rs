//! What is typed on a terminal in raw mode: bytes for the machine, and keys for us.
//!
//! Ctrl-C and Ctrl-A X end the machine; Ctrl-A C and Ctrl-A A send these two bytes.

const CTRL_A: u8 = 1;
const CTRL_C: u8 = 3;

/// What the bytes of one reading mean.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Typed {
    /// For the machine.
    pub bytes: Vec<u8>,
    /// Whether the machine is to end; what was typed after that is dropped.
    pub quit: bool,
}

/// Remembers a Ctrl-A whose second key has not come yet.
#[derive(Debug, Default)]
pub struct Keys {
    escaped: bool,
}

impl Keys {
    /// Takes what was read.
    pub fn take(&mut self, read: &[u8]) -> Typed {
        let mut typed = Typed::default();
        for &byte in read {
            match (std::mem::take(&mut self.escaped), byte) {
                (false, CTRL_A) => self.escaped = true,
                (false, CTRL_C) | (true, b'x' | b'X') => {
                    typed.quit = true;
                    break;
                }
                (true, CTRL_A | b'a' | b'A') => typed.bytes.push(CTRL_A),
                (true, CTRL_C | b'c' | b'C') => typed.bytes.push(CTRL_C),
                (true, _) => {}
                (false, byte) => typed.bytes.push(byte),
            }
        }
        typed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(reads: &[&[u8]]) -> (Vec<u8>, bool) {
        let mut keys = Keys::default();
        let all: Vec<Typed> = reads.iter().map(|read| keys.take(read)).collect();
        let bytes = all.iter().flat_map(|typed| typed.bytes.clone()).collect();
        (bytes, all.iter().any(|typed| typed.quit))
    }

    #[test]
    fn keys_for_us_are_kept_from_the_machine() {
        assert_eq!(typed(&[b"ls\n\x1b[A"]), (b"ls\n\x1b[A".to_vec(), false));
        assert_eq!(typed(&[b"ls\x03rest"]), (b"ls".to_vec(), true));
        assert_eq!(typed(&[b"\x01", b"x"]), (vec![], true));
        assert_eq!(typed(&[b"\x01c\x01ab\x01?d"]), (b"\x03\x01bd".to_vec(), false));
    }
}
