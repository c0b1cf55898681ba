//! Buffers that answers are read into and written from. Some are kept, so that they need not be
//! made, and cleared, for each.

/// Bytes of a file that are moved at once.
pub const PIECE: usize = 64 << 10;
/// Room before the first piece, for the answer's head.
const HEAD: usize = 1 << 10;
/// Those that are kept.
const KEPT: usize = 32;

/// Those that nobody uses.
#[derive(Default)]
pub struct Buffers(Vec<Vec<u8>>);

impl Buffers {
    /// One, in which there is anything.
    pub fn take(&mut self) -> Vec<u8> {
        self.0.pop().unwrap_or_else(|| vec![0; HEAD + PIECE])
    }

    /// One is not used any more.
    pub fn give(&mut self, buffer: Vec<u8>) {
        if self.0.len() < KEPT && buffer.len() == HEAD + PIECE {
            self.0.push(buffer);
        }
    }
}
