//! The console as a terminal: lines in, with echo, and line ends out.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use vortex_abi::linux::general::{ECHO, ICANON, ICRNL, ISIG, ONLCR, OPOST, POLLIN, POLLOUT};

/// Bytes of input kept for a reader.
const MOST: usize = 4096;
/// `struct termios` as the kernel has it.
pub(super) const TERMIOS: usize = 36;

/// The terminal's state.
pub(super) struct Terminal {
    input: u32,
    output: u32,
    control: u32,
    local: u32,
    characters: [u8; 19],
    line: Vec<u8>,
    ready: VecDeque<u8>,
    ended: bool,
    /// The process group that the terminal's keys signal.
    pub foreground: i32,
}

const CONTROL: u32 = 0o277;
const VINTR: usize = 0;
const VERASE: usize = 2;
const VKILL: usize = 3;
const VEOF: usize = 4;

impl Default for Terminal {
    fn default() -> Self {
        Self {
            input: ICRNL,
            output: OPOST | ONLCR,
            control: CONTROL,
            local: ICANON | ECHO | ISIG,
            characters: [3, 28, 127, 21, 4, 0, 1, 0, 17, 19, 26, 0, 18, 15, 23, 22, 0, 0, 0],
            line: Vec::new(),
            ready: VecDeque::new(),
            ended: false,
            foreground: 0,
        }
    }
}

impl Terminal {
    /// What there is to read, at most so much; `None` if a reader waits. In canonical mode
    /// a line at a time.
    pub fn read(&mut self, most: usize) -> Option<Vec<u8>> {
        if self.ready.is_empty() {
            return core::mem::take(&mut self.ended).then(Vec::new);
        }
        let mut bytes = Vec::new();
        while bytes.len() < most
            && let Some(byte) = self.ready.pop_front()
        {
            bytes.push(byte);
            if byte == b'\n' && self.local & ICANON != 0 {
                break;
            }
        }
        Some(bytes)
    }

    /// Whether a reader would get something.
    pub fn is_readable(&self) -> bool {
        self.ended || !self.ready.is_empty()
    }

    /// Which of these events there are.
    pub fn ready(&self, events: u32) -> u32 {
        let readable = if self.is_readable() { POLLIN } else { 0 };
        (readable | POLLOUT) & events
    }

    /// Takes what was typed; true if it asks for an interrupt signal.
    pub fn typed(&mut self, bytes: &[u8]) -> bool {
        let mut interrupt = false;
        let key =
            |terminal: &Self, place: usize| terminal.characters.get(place).copied().unwrap_or(0);
        for &byte in bytes {
            let byte = if byte == b'\r' && self.input & ICRNL != 0 { b'\n' } else { byte };
            if self.local & ISIG != 0 && byte == key(self, VINTR) {
                self.echo(b"^C\n");
                self.line.clear();
                interrupt = true;
            } else if self.local & ICANON == 0 {
                self.keep(byte);
                self.echo(&[byte]);
            } else if byte == key(self, VERASE) {
                if self.line.pop().is_some() {
                    self.echo(b"\x08 \x08");
                }
            } else if byte == key(self, VKILL) {
                self.line.clear();
                self.echo(b"\n");
            } else if byte == key(self, VEOF) {
                self.ended = self.line.is_empty();
                self.finish();
            } else {
                self.echo(&[byte]);
                if self.line.len() < MOST {
                    self.line.push(byte);
                }
                if byte == b'\n' {
                    self.finish();
                }
            }
        }
        interrupt
    }

    fn keep(&mut self, byte: u8) {
        if self.ready.len() < MOST {
            self.ready.push_back(byte);
        }
    }

    fn finish(&mut self) {
        for byte in core::mem::take(&mut self.line) {
            self.keep(byte);
        }
    }

    fn echo(&self, bytes: &[u8]) {
        if self.local & ECHO != 0 {
            self.write(bytes);
        }
    }

    /// Writes bytes to the console's device.
    pub fn write(&self, bytes: &[u8]) {
        if self.output & OPOST == 0 || self.output & ONLCR == 0 {
            vortex_machine::console_write(bytes);
            return;
        }
        for line in bytes.split_inclusive(|&byte| byte == b'\n') {
            match line.strip_suffix(b"\n") {
                Some(line) => {
                    vortex_machine::console_write(line);
                    vortex_machine::console_write(b"\r\n");
                }
                None => vortex_machine::console_write(line),
            }
        }
    }

    /// `TCGETS`.
    pub fn settings(&self) -> [u8; TERMIOS] {
        let mut bytes = [0; TERMIOS];
        let words = [self.input, self.output, self.control, self.local];
        for (place, word) in bytes.chunks_exact_mut(4).zip(words) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        if let Some(place) = bytes.get_mut(17..) {
            place.copy_from_slice(&self.characters);
        }
        bytes
    }

    /// `TCSETS`.
    pub fn set(&mut self, bytes: &[u8; TERMIOS]) {
        let word = |place: usize| {
            let bytes = bytes.get(place * 4..place * 4 + 4).and_then(|word| word.try_into().ok());
            bytes.map_or(0, u32::from_le_bytes)
        };
        (self.input, self.output, self.control, self.local) = (word(0), word(1), word(2), word(3));
        if let Some(characters) = bytes.get(17..) {
            self.characters.copy_from_slice(characters);
        }
        if self.local & ICANON == 0 {
            self.finish();
        }
    }
}
