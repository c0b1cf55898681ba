//! What `FUTEX_WAKE_OP` does to its second word: futex(2).

use vortex_abi::Errno;
use vortex_abi::linux::general as linux;

/// A change of a word, and a test of what it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Operation {
    change: u32,
    argument: i32,
    test: u32,
    against: i32,
}

impl Operation {
    /// From the call's last argument: operation, comparison and their two arguments of twelve
    /// bits. `ENOSYS` for what there is not.
    pub const fn decode(encoded: u32) -> Result<Self, Errno> {
        const SHIFT: u32 = 1 << 31;
        let (change, test) = (encoded >> 28 & 7, encoded >> 24 & 15);
        // The shifts spread the sign.
        let (argument, against) = ((encoded << 8) as i32 >> 20, (encoded << 20) as i32 >> 20);
        if change > linux::FUTEX_OP_XOR || test > linux::FUTEX_OP_CMP_GE {
            return Err(Errno::ENOSYS);
        }
        let argument = if encoded & SHIFT == 0 { argument } else { 1_i32 << (argument & 31) };
        Ok(Self { change, argument, test, against })
    }

    /// The word's new value.
    #[must_use]
    pub const fn apply(self, old: u32) -> u32 {
        let argument = self.argument as u32;
        match self.change {
            linux::FUTEX_OP_ADD => old.wrapping_add(argument),
            linux::FUTEX_OP_OR => old | argument,
            linux::FUTEX_OP_ANDN => old & !argument,
            linux::FUTEX_OP_XOR => old ^ argument,
            _ => argument,
        }
    }

    /// Whether those who wait for the word are woken, by what it was.
    #[must_use]
    pub const fn wakes(self, old: u32) -> bool {
        let (old, against) = (old as i32, self.against);
        match self.test {
            linux::FUTEX_OP_CMP_EQ => old == against,
            linux::FUTEX_OP_CMP_NE => old != against,
            linux::FUTEX_OP_CMP_LT => old < against,
            linux::FUTEX_OP_CMP_LE => old <= against,
            linux::FUTEX_OP_CMP_GT => old > against,
            _ => old >= against,
        }
    }
}
