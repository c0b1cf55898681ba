//! Numbers that are not to be mixed up: blocks of the volume, blocks of a file, inodes.

use core::fmt;

macro_rules! number {
    ($name:ident, $what:literal) => {
        #[doc = $what]
        #[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub(crate) u32);

        impl $name {
            /// The one with this number.
            #[must_use]
            pub const fn new(number: u32) -> Self {
                Self(number)
            }

            /// Its number.
            #[must_use]
            pub const fn get(self) -> u32 {
                self.0
            }

            /// The one so many after it; stays at the greatest there is.
            #[must_use]
            pub const fn after(self, by: u32) -> Self {
                Self(self.0.saturating_add(by))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(out, concat!(stringify!($name), " {}"), self.0)
            }
        }
    };
}

number!(Block, "A block of the volume, in the file system's block size; 0 is none.");
number!(FileBlock, "A block of a file, from its beginning.");
number!(Ino, "An inode; 0 is none.");

impl Ino {
    /// The root directory.
    pub const ROOT: Self = Self(2);
}
