//! How large an image must be for what is to be in it.

use super::entries::{Entries, Kind};

/// Bytes of an inode.
pub const INODE: u64 = 256;
/// Inodes that every ext2 has: the reserved ones, of which the root is one, and `lost+found`.
const FIRST: u64 = 11;
/// Bytes that a directory's entry has beside its name, rounded up with it.
const ENTRY: u64 = 8 + 3;
/// Blocks of `lost+found` at most: mke2fs makes it 16 KiB large.
const LOST: u64 = 16;

/// What is needed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Room {
    /// Blocks of contents, of directories, and of what says where those are.
    blocks: u64,
    /// Inodes, those that every ext2 has among them.
    pub inodes: u64,
    /// Bytes of a block.
    block: u64,
}

impl Room {
    /// Of these entries, on blocks of so many bytes.
    pub fn of(entries: &Entries, block: u64) -> Self {
        let (mut blocks, mut inodes) = (LOST, FIRST);
        let mut names = std::collections::BTreeMap::new();
        for (place, entry) in entries.iter() {
            if let Some((name, folder)) = place.split_last() {
                *names.entry(folder).or_insert(0) += name.len() as u64 + ENTRY;
            }
            inodes += u64::from(!matches!(entry.kind, Kind::Same(_)));
            blocks += match &entry.kind {
                Kind::File(_, length) => mapped(length.div_ceil(block), block),
                Kind::Symlink(_) | Kind::Directory => 1,
                _ => 0,
            };
        }
        // A directory's blocks are full to an entry's length, at worst to half.
        let folders = names.values().map(|bytes| mapped(bytes.div_ceil(block) * 2, block));
        Self { blocks: blocks + folders.sum::<u64>(), inodes, block }
    }

    /// Bytes of an image that holds it, with so many inodes.
    pub fn least(self, inodes: u64) -> u64 {
        let (block, group) = (self.block, self.block * 8);
        let mut total = self.blocks + inodes.div_ceil(self.block / INODE) + 64;
        // Each group has a superblock, descriptors of all, two bitmaps, and rounds its inodes up.
        for _ in 0..8 {
            let groups = total.div_ceil(group);
            let descriptors = (groups * 32).div_ceil(block);
            let tables = inodes.div_ceil(block / INODE) + groups * 8;
            total = self.blocks + tables + groups * (3 + descriptors) + 64;
        }
        total * block
    }

    /// Inodes where nobody says how many: a quarter more, and some.
    pub fn usual_inodes(self) -> u64 {
        self.inodes + self.inodes / 4 + 64
    }

    /// Bytes where nobody says how many: with room for a quarter more, and 4 MiB.
    pub fn usual(self, inodes: u64) -> u64 {
        let least = self.least(inodes);
        (least + least / 4 + (4 << 20)).next_multiple_of(1 << 20)
    }
}

/// Blocks of contents with those that say where they are.
fn mapped(blocks: u64, block: u64) -> u64 {
    let each = block / 4;
    // The first twelve are named in the inode; each further level names those below it.
    let (one, two) = (blocks.saturating_sub(12).div_ceil(each), each * each);
    blocks + one + one.div_ceil(each) + blocks.div_ceil(two.max(1))
}
