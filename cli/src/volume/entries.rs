//! What is to be in a file system: names and what they stand for, from wherever they come.
//!
//! # Invariants
//! The root is there and is a directory. Every entry's directory is there and comes before it.
//! A hard link names an entry that is no directory and no link of this kind, once
//! [`Entries::settle`] has been through.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::error::VolumeError;

/// A place: its names from the root on; none is the root.
pub type Place = Vec<Vec<u8>>;

/// What is at a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// It.
    pub kind: Kind,
    /// The permission bits, with those of set-user-ID and the like.
    pub mode: u16,
    /// The user who owns it.
    pub user: u32,
    /// The group.
    pub group: u32,
    /// When it was changed, in seconds since 1970: what ext2 can say.
    pub time: u32,
}

/// Kinds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A directory.
    Directory,
    /// A file with the content of this one on the host, and its length in bytes.
    File(PathBuf, u64),
    /// A symbolic link to this.
    Symlink(Vec<u8>),
    /// Another name of what is there.
    Same(Place),
    /// A character device: major and minor number.
    Character(u32, u32),
    /// A block device.
    Block(u32, u32),
    /// A pipe with a name.
    Pipe,
}

/// All of it, in an order that is the same for the same content.
#[derive(Clone, Debug)]
pub struct Entries {
    list: BTreeMap<Place, Entry>,
}

/// A time as ext2 can say it: of others the nearest.
pub fn time(seconds: i64) -> u32 {
    u32::try_from(seconds.clamp(0, i64::from(i32::MAX))).unwrap_or(0)
}

/// A place for people.
pub fn shown(place: &[Vec<u8>]) -> String {
    let names = place.iter().map(|name| String::from_utf8_lossy(name));
    format!("/{}", names.collect::<Vec<_>>().join("/"))
}

impl Entry {
    /// A directory of root's, for what nobody describes.
    const fn directory() -> Self {
        Self { kind: Kind::Directory, mode: 0o755, user: 0, group: 0, time: 0 }
    }
}

impl Entries {
    /// Only a root.
    pub fn new() -> Self {
        Self { list: BTreeMap::from([(Place::new(), Entry::directory())]) }
    }

    /// Puts an entry at a place, with the directories above it. What was there gives way; a
    /// directory keeps what is in it, and nothing else takes a directory's place.
    ///
    /// # Errors
    /// [`VolumeError::NoDirectory`].
    pub fn put(&mut self, place: Place, entry: Entry) -> Result<(), VolumeError> {
        for length in 0..place.len() {
            let above = place.get(..length).unwrap_or_default();
            match self.list.get(above) {
                None => drop(self.list.insert(above.to_vec(), Entry::directory())),
                Some(entry) if entry.kind == Kind::Directory => {}
                Some(_) => return Err(VolumeError::NoDirectory(shown(&place))),
            }
        }
        let directory = self.list.get(&place).is_some_and(|old| old.kind == Kind::Directory);
        if directory && entry.kind != Kind::Directory {
            return Err(VolumeError::NoDirectory(shown(&place)));
        }
        let replaced = self.list.insert(place.clone(), entry);
        // What becomes no directory has nothing below it: it was none before.
        debug_assert!(replaced.is_none_or(|old| old.kind != Kind::Directory || directory));
        Ok(())
    }

    /// Has every hard link name the entry itself.
    ///
    /// # Errors
    /// [`VolumeError::NoTarget`].
    pub fn settle(&mut self) -> Result<(), VolumeError> {
        let links: Vec<_> = self
            .list
            .iter()
            .filter_map(|(place, entry)| match &entry.kind {
                Kind::Same(target) => Some((place.clone(), target.clone())),
                _ => None,
            })
            .collect();
        for (place, first) in links {
            let mut target = first.clone();
            // A chain is no longer than all of it; a circle is.
            for _ in 0..self.list.len() {
                match self.list.get(&target).map(|entry| &entry.kind) {
                    Some(Kind::Same(next)) => target = next.clone(),
                    _ => break,
                }
            }
            match self.list.get(&target).map(|entry| &entry.kind) {
                None | Some(Kind::Directory | Kind::Same(_)) => {
                    return Err(VolumeError::NoTarget(shown(&place), shown(&first)));
                }
                Some(_) => {}
            }
            if let Some(entry) = self.list.get_mut(&place) {
                entry.kind = Kind::Same(target);
            }
        }
        Ok(())
    }

    /// All entries: directories before what is in them, and that before what follows them.
    pub fn iter(&self) -> impl Iterator<Item = (&Place, &Entry)> {
        self.list.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> Place {
        text.split('/').filter(|name| !name.is_empty()).map(|name| name.into()).collect()
    }

    fn entry(kind: Kind) -> Entry {
        Entry { kind, ..Entry::directory() }
    }

    #[test]
    fn directories_are_made_and_stay() {
        let mut entries = Entries::new();
        entries.put(place("a/b/c"), entry(Kind::Pipe)).unwrap();
        let mode = Entry { mode: 0o700, ..Entry::directory() };
        entries.put(place("a/b"), mode).unwrap();
        let all: Vec<_> = entries.iter().map(|(place, e)| (shown(place), e.mode)).collect();
        let expected = [("/", 0o755), ("/a", 0o755), ("/a/b", 0o700), ("/a/b/c", 0o755)];
        assert_eq!(all, expected.map(|(name, mode)| (name.to_string(), mode)));
        assert!(entries.put(place("a/b"), entry(Kind::Pipe)).is_err());
        assert!(entries.put(place("a/b/c/d"), entry(Kind::Pipe)).is_err());
    }

    #[test]
    fn hard_links_lead_to_the_entry_itself() {
        let mut entries = Entries::new();
        for (from, to) in [("a", "b"), ("b", "c")] {
            entries.put(place(from), entry(Kind::Same(place(to)))).unwrap();
        }
        assert!(entries.clone().settle().is_err());
        entries.put(place("c"), entry(Kind::Pipe)).unwrap();
        entries.settle().unwrap();
        let same = entry(Kind::Same(place("c")));
        assert!(entries.iter().filter(|(_, entry)| **entry == same).count() == 2);
        entries.put(place("c"), entry(Kind::Same(place("a")))).unwrap();
        assert!(matches!(entries.settle(), Err(VolumeError::NoTarget(..))), "a circle");
    }

    #[test]
    fn times_are_what_ext2_can_say() {
        assert_eq!([-5, 7, 1 << 40].map(time), [0, 7, 0x7fff_ffff]);
    }
}
