//! The tree of files that a machine starts with, before it is written.
//!
//! # Invariants
//! Every entry's directory is an entry too, and is a directory: [`Tree::put`] makes those
//! that are missing and follows links on the way, so that `/bin/x` lands in `/usr/bin`
//! where `/bin` is a link to it. The order is that of the paths, so that equal trees are
//! equal archives.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::error::ImageError;
use super::path::GuestPath;

/// As Linux: the most links in one path.
const LINKS: usize = 40;

/// An entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    /// A directory with this mode.
    Directory(u32),
    /// A file with this mode.
    File(Content, u32),
    /// A symbolic link to this.
    Link(String),
    /// A character device: major and minor number.
    Device(u32, u32),
}

/// What is in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Content {
    /// What is in this file of the host, at the time of writing.
    Host(PathBuf),
    /// This.
    Bytes(Vec<u8>),
}

/// It.
#[derive(Clone, Debug)]
pub struct Tree {
    nodes: BTreeMap<GuestPath, Node>,
}

impl Tree {
    /// Only a root.
    pub fn new() -> Self {
        Self { nodes: BTreeMap::from([(GuestPath::root(), Node::Directory(0o755))]) }
    }

    /// What a Linux program expects to be there: devices and a place for temporary files.
    pub fn with_basics() -> Self {
        let mut tree = Self::new();
        for (name, mode) in [("dev", 0o755), ("etc", 0o755), ("proc", 0o555), ("tmp", 0o1777)] {
            tree.nodes.insert(GuestPath::root().join(name), Node::Directory(mode));
        }
        let devices = [
            ("null", 1, 3),
            ("zero", 1, 5),
            ("full", 1, 7),
            ("random", 1, 8),
            ("urandom", 1, 9),
            ("tty", 5, 0),
            ("console", 5, 1),
        ];
        for (name, major, minor) in devices {
            let path = GuestPath::root().join("dev").join(name);
            tree.nodes.insert(path, Node::Device(major, minor));
        }
        tree
    }

    /// Puts an entry; what was there before gives way, unless only one of the two is a
    /// directory. Says where it went.
    ///
    /// # Errors
    /// [`ImageError::NoDirectory`], [`ImageError::Links`], [`ImageError::Occupied`].
    pub fn put(&mut self, path: &GuestPath, node: Node) -> Result<GuestPath, ImageError> {
        let Some(parent) = path.parent() else {
            return match node {
                Node::Directory(_) => Ok(path.clone()),
                _ => Err(ImageError::Occupied(path.clone())),
            };
        };
        let place = self.directory(&parent, LINKS)?.join(path.name());
        let is_directory = |node: &Node| matches!(node, Node::Directory(_));
        match self.nodes.get(&place) {
            // A link to a directory may stand for one.
            Some(Node::Link(_)) if is_directory(&node) => return self.directory(&place, LINKS),
            Some(before) if is_directory(before) != is_directory(&node) => {
                return Err(ImageError::Occupied(place));
            }
            _ => {}
        }
        self.nodes.insert(place.clone(), node);
        Ok(place)
    }

    /// Where the directory of this path really is; made if there is nothing.
    fn directory(&mut self, path: &GuestPath, links: usize) -> Result<GuestPath, ImageError> {
        let mut at = GuestPath::root();
        for part in path.parts() {
            let next = at.join(part);
            at = match self.nodes.get(&next) {
                None => {
                    self.nodes.insert(next.clone(), Node::Directory(0o755));
                    next
                }
                Some(Node::Directory(_)) => next,
                Some(Node::Link(target)) => {
                    let left = links.checked_sub(1).ok_or(ImageError::Links(next.clone()))?;
                    let target = next.follow(target);
                    self.directory(&target, left)?
                }
                Some(_) => return Err(ImageError::NoDirectory(next)),
            };
        }
        Ok(at)
    }

    /// What is at this path after all links, and where.
    pub fn find(&self, path: &GuestPath) -> Option<(GuestPath, &Node)> {
        self.search(path, LINKS)
    }

    fn search(&self, path: &GuestPath, links: usize) -> Option<(GuestPath, &Node)> {
        let mut at = GuestPath::root();
        let mut found = self.nodes.get(&at)?;
        for part in path.parts() {
            if !matches!(found, Node::Directory(_)) {
                return None;
            }
            let next = at.join(part);
            (at, found) = match self.nodes.get(&next)? {
                Node::Link(target) => self.search(&next.follow(target), links.checked_sub(1)?)?,
                node => (next, node),
            };
        }
        Some((at, found))
    }

    /// All entries, directories before what is in them.
    pub fn entries(&self) -> impl Iterator<Item = (&GuestPath, &Node)> {
        self.nodes.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn path(text: &str) -> GuestPath {
        GuestPath::new(text).unwrap()
    }

    fn file(text: &str) -> Node {
        Node::File(Content::Bytes(text.into()), 0o644)
    }

    fn names(tree: &Tree) -> Vec<&str> {
        tree.entries().map(|(path, _)| path.as_str()).collect()
    }

    #[test]
    fn directories_are_made_and_come_first() {
        let mut tree = Tree::new();
        tree.put(&path("/a-b"), file("1")).unwrap();
        tree.put(&path("/a/b/c"), file("2")).unwrap();
        assert_eq!(names(&tree), ["/", "/a", "/a-b", "/a/b", "/a/b/c"]);
    }

    #[test]
    fn links_on_the_way_are_followed() {
        let mut tree = Tree::new();
        tree.put(&path("/bin"), Node::Link("usr/bin".into())).unwrap();
        assert_eq!(tree.put(&path("/bin/sh"), file("x")).unwrap(), path("/usr/bin/sh"));
        tree.put(&path("/bin/ash"), Node::Link("/bin/sh".into())).unwrap();
        let (place, node) = tree.find(&path("/bin/ash")).unwrap();
        assert_eq!((place, node), (path("/usr/bin/sh"), &file("x")));
        // A directory for which a link stands already.
        assert_eq!(tree.put(&path("/bin"), Node::Directory(0o755)).unwrap(), path("/usr/bin"));
        assert_eq!(tree.find(&path("/bin/none")), None);
    }

    #[test]
    fn circles_and_files_as_directories_are_told() {
        let mut tree = Tree::new();
        tree.put(&path("/a"), Node::Link("b".into())).unwrap();
        tree.put(&path("/b"), Node::Link("a".into())).unwrap();
        assert!(matches!(tree.put(&path("/a/x"), file("")), Err(ImageError::Links(_))));
        assert_eq!(tree.find(&path("/a")), None);
        tree.put(&path("/f"), file("")).unwrap();
        assert!(matches!(tree.put(&path("/f/x"), file("")), Err(ImageError::NoDirectory(_))));
        assert!(matches!(
            tree.put(&path("/f"), Node::Directory(0o755)),
            Err(ImageError::Occupied(_))
        ));
        assert_eq!(tree.find(&path("/f/x")), None);
    }

    #[test]
    fn what_comes_later_replaces() {
        let mut tree = Tree::with_basics();
        tree.put(&path("/etc/x"), file("1")).unwrap();
        tree.put(&path("/etc/x"), file("2")).unwrap();
        assert_eq!(tree.find(&path("/etc/x")).unwrap().1, &file("2"));
        assert_eq!(tree.find(&path("/dev/null")).unwrap().1, &Node::Device(1, 3));
    }
}
