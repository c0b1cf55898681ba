//! How large a machine is: amounts that a kernel of ours can be given, and no others.

use std::fmt;
use std::str::FromStr;

use vortex_config::limits;

/// How many cores: 1 to 64.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cores(u16);

/// How much memory, in MiB: 64 or more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Memory(u32);

impl Cores {
    /// One.
    pub const LEAST: Self = Self(1);

    /// As many, if the kernel can use them.
    pub fn new(number: u16) -> Option<Self> {
        (1..=limits::CORES).contains(&number).then_some(Self(number))
    }

    /// As a number.
    pub const fn get(self) -> u16 {
        self.0
    }
}

impl Memory {
    /// 64 MiB.
    pub const LEAST: Self = Self(64);
    /// A TiB: what the kernel's map of all memory has room for.
    const MOST: Self = Self(1 << 20);

    /// So many MiB, if the kernel can use them.
    pub fn mebibytes(number: u64) -> Option<Self> {
        let memory = Self(u32::try_from(number).ok()?);
        (Self::LEAST..=Self::MOST).contains(&memory).then_some(memory)
    }

    /// In bytes.
    pub const fn bytes(self) -> u64 {
        (self.0 as u64) << 20
    }
}

impl FromStr for Cores {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.parse().ok().and_then(Self::new);
        number.ok_or_else(|| format!("a number of cores from 1 to {}", limits::CORES))
    }
}

impl FromStr for Memory {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (digits, factor) = match text.strip_suffix(['M', 'm']) {
            Some(digits) => (digits, 1),
            None => match text.strip_suffix(['G', 'g']) {
                Some(digits) => (digits, 1024),
                None => (text, 1),
            },
        };
        let number = digits.parse::<u64>().ok().and_then(|number| number.checked_mul(factor));
        number
            .and_then(Self::mebibytes)
            .ok_or_else(|| "an amount of memory from 64M, such as 256M or 2G".into())
    }
}

impl fmt::Display for Cores {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}M", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_has_units_and_bounds() {
        let read = |text: &str| text.parse::<Memory>().ok().map(|memory| memory.bytes() >> 20);
        assert_eq!(read("256M"), Some(256));
        assert_eq!(read("2g"), Some(2048));
        assert_eq!(read("64"), Some(64));
        for wrong in ["63M", "", "M", "-1G", "1T", "99999999999999999999G", "2 G", "2000000M"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn cores_are_one_to_sixty_four() {
        let read = |text: &str| text.parse::<Cores>().ok().map(Cores::get);
        assert_eq!((read("1"), read("64")), (Some(1), Some(64)));
        assert_eq!((read("0"), read("65"), read("four")), (None, None, None));
    }
}
