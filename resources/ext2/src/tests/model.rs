//! What a file system does, without a disk: a tree in memory, for random operations.

use std::collections::BTreeMap;
use std::format;
use std::string::{String, ToString as _};
use std::vec::Vec;

use super::driver::Driver;
use crate::{Ino, Kind, New, Replace};
use vortex_abi::Errno;

/// What something is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Node {
    File(Vec<u8>),
    Directory(BTreeMap<String, usize>),
    Symlink(Vec<u8>),
    Fifo,
}

/// A tree. What has no name any more stays in the list, without links.
#[derive(Clone, Debug)]
pub struct Model {
    pub nodes: Vec<(Node, u32)>,
    /// Files that were made without a name, and have none yet.
    pub nameless: Vec<usize>,
}

/// An operation, with names as paths of directories and a name.
#[derive(Clone, Debug)]
pub enum Op {
    Create(usize, String, usize),
    Nameless(usize),
    Link(usize, usize, String),
    Unlink(usize, String),
    Rmdir(usize, String),
    Rename(usize, String, usize, String, Replace),
    Write(usize, u64, usize, u8),
    Cut(usize, u64),
    Sync(usize),
}

/// A target that does not fit the inode, mostly.
fn long(name: &str) -> Vec<u8> {
    let mut target = name.as_bytes().repeat(40);
    target.truncate(900);
    target
}

impl Model {
    pub fn new() -> Self {
        let nodes = std::vec![(Node::Directory(BTreeMap::new()), 2)];
        Self { nodes, nameless: Vec::new() }
    }

    fn entries(&mut self, dir: usize) -> &mut BTreeMap<String, usize> {
        match &mut self.nodes[dir].0 {
            Node::Directory(entries) => entries,
            other => panic!("{other:?} is no directory"),
        }
    }

    pub fn is_directory(&self, node: usize) -> bool {
        matches!(self.nodes[node].0, Node::Directory(_))
    }

    fn get(&mut self, dir: usize, name: &str) -> Option<usize> {
        self.entries(dir).get(name).copied()
    }

    /// Directories that have a name, or files.
    pub fn living(&self, directories: bool) -> Vec<usize> {
        let all = self.nodes.iter().enumerate();
        let living = all.filter(|(index, (_, links))| {
            let is_there = *links > 0 || self.nameless.contains(index);
            is_there && self.is_directory(*index) == directories
        });
        living.map(|(index, _)| index).collect()
    }

    fn within(&mut self, moved: usize, at: usize) -> bool {
        if moved == at {
            return true;
        }
        let Node::Directory(entries) = &self.nodes[moved].0 else { return false };
        let children: Vec<usize> = entries.values().copied().collect();
        children.into_iter().any(|child| self.within(child, at))
    }

    fn lose(&mut self, node: usize) {
        if self.is_directory(node) {
            self.nodes[node].1 = 0;
        } else {
            self.nodes[node].1 -= 1;
        }
    }

    /// What an operation does.
    pub fn apply(&mut self, op: &Op) -> Result<(), Errno> {
        match op {
            Op::Create(dir, name, kind) => {
                if self.get(*dir, name).is_some() {
                    return Err(Errno::EEXIST);
                }
                let (node, links) = match kind {
                    0 | 1 => (Node::File(Vec::new()), 1),
                    2 | 3 => (Node::Directory(BTreeMap::new()), 2),
                    4 => (Node::Symlink(name.as_bytes().to_vec()), 1),
                    5 => (Node::Symlink(long(name)), 1),
                    _ => (Node::Fifo, 1),
                };
                if let Node::Directory(_) = node {
                    self.nodes[*dir].1 += 1;
                }
                self.nodes.push((node, links));
                let index = self.nodes.len() - 1;
                self.entries(*dir).insert(name.clone(), index);
            }
            Op::Nameless(_) => {
                self.nodes.push((Node::File(Vec::new()), 0));
                self.nameless.push(self.nodes.len() - 1);
            }
            Op::Link(node, dir, name) => {
                if self.is_directory(*node) {
                    return Err(Errno::EPERM);
                }
                if self.get(*dir, name).is_some() {
                    return Err(Errno::EEXIST);
                }
                self.nodes[*node].1 += 1;
                self.nameless.retain(|there| there != node);
                self.entries(*dir).insert(name.clone(), *node);
            }
            Op::Unlink(dir, name) => {
                let node = self.get(*dir, name).ok_or(Errno::ENOENT)?;
                if self.is_directory(node) {
                    return Err(Errno::EISDIR);
                }
                self.entries(*dir).remove(name);
                self.lose(node);
            }
            Op::Rmdir(dir, name) => {
                let node = self.get(*dir, name).ok_or(Errno::ENOENT)?;
                if !self.is_directory(node) {
                    return Err(Errno::ENOTDIR);
                }
                if !self.entries(node).is_empty() {
                    return Err(Errno::ENOTEMPTY);
                }
                self.entries(*dir).remove(name);
                self.nodes[*dir].1 -= 1;
                self.lose(node);
            }
            Op::Rename(from, old, to, new, replace) => {
                let node = self.get(*from, old).ok_or(Errno::ENOENT)?;
                let there = self.get(*to, new);
                if there.is_some() && *replace == Replace::No {
                    return Err(Errno::EEXIST);
                }
                if there.is_none() && *replace == Replace::Exchange {
                    return Err(Errno::ENOENT);
                }
                if there == Some(node) {
                    return Ok(());
                }
                if self.is_directory(node) && from != to && self.within(node, *to) {
                    return Err(Errno::EINVAL);
                }
                let directory = self.is_directory(node);
                if let Some(there) = there {
                    let over = self.is_directory(there);
                    if *replace == Replace::Exchange {
                        if over && from != to && self.within(there, *from) {
                            return Err(Errno::EINVAL);
                        }
                        self.entries(*from).insert(old.clone(), there);
                        self.entries(*to).insert(new.clone(), node);
                        self.nodes[*from].1 += u32::from(over);
                        self.nodes[*from].1 -= u32::from(directory);
                        self.nodes[*to].1 += u32::from(directory);
                        self.nodes[*to].1 -= u32::from(over);
                        return Ok(());
                    }
                    match (directory, over) {
                        (true, false) => return Err(Errno::ENOTDIR),
                        (false, true) => return Err(Errno::EISDIR),
                        _ => {}
                    }
                    if over && !self.entries(there).is_empty() {
                        return Err(Errno::ENOTEMPTY);
                    }
                    if over {
                        self.nodes[*to].1 -= 1;
                    }
                    self.lose(there);
                }
                self.entries(*from).remove(old);
                self.entries(*to).insert(new.clone(), node);
                if directory {
                    self.nodes[*from].1 -= 1;
                    self.nodes[*to].1 += 1;
                }
            }
            Op::Write(node, at, length, byte) => {
                let Node::File(content) = &mut self.nodes[*node].0 else {
                    return Err(Errno::EINVAL);
                };
                let end = *at as usize + length;
                if content.len() < end {
                    content.resize(end, 0);
                }
                content[*at as usize..end].fill(*byte);
            }
            Op::Cut(node, size) => {
                let Node::File(content) = &mut self.nodes[*node].0 else {
                    return Err(Errno::EINVAL);
                };
                content.resize(*size as usize, 0);
            }
            Op::Sync(_) => {}
        }
        Ok(())
    }

    /// Does the same on a file system; `inos` are the nodes' inodes.
    pub fn perform(&self, driver: &mut Driver, inos: &mut Vec<Ino>, op: &Op) -> Result<(), Errno> {
        match op {
            Op::Create(dir, name, kind) => {
                let long = long(name);
                let what = match kind {
                    0 | 1 => New::File,
                    2 | 3 => New::Directory,
                    4 => New::Symlink(name.as_bytes()),
                    5 => New::Symlink(&long),
                    _ => New::Fifo,
                };
                inos.push(driver.create(inos[*dir], name, what)?);
                Ok(())
            }
            Op::Nameless(dir) => {
                let dir = inos[*dir];
                inos.push(driver.run(|ext2, c| ext2.create_nameless(c, dir, 0o600))?);
                Ok(())
            }
            Op::Link(node, dir, name) => {
                let (ino, dir) = (inos[*node], inos[*dir]);
                driver.run(|ext2, c| ext2.link(c, ino, dir, name.as_bytes()))
            }
            Op::Unlink(dir, name) => driver.unlink(inos[*dir], name),
            Op::Rmdir(dir, name) => driver.rmdir(inos[*dir], name),
            Op::Rename(from, old, to, new, replace) => {
                let from = (inos[*from], old.as_bytes());
                let to = (inos[*to], new.as_bytes());
                let lost = driver.run(|ext2, c| ext2.rename(c, from, to, *replace))?;
                match lost {
                    Some(lost) => driver.run(|ext2, c| ext2.release(c, lost)),
                    None => Ok(()),
                }
            }
            Op::Write(node, at, length, byte) => {
                let ino = inos[*node];
                if driver.kind(ino) != Kind::File {
                    return Err(Errno::EINVAL);
                }
                driver.write(ino, *at, &std::vec![*byte; *length])
            }
            Op::Cut(node, size) => {
                let ino = inos[*node];
                driver.cut(ino, *size)
            }
            Op::Sync(node) => {
                driver.sync(inos[*node]);
                Ok(())
            }
        }
    }

    /// Nobody has those without a name open any more, which are as the model says until then.
    pub fn close(&mut self, driver: &mut Driver, inos: &[Ino]) {
        for node in core::mem::take(&mut self.nameless) {
            let (ino, Node::File(content)) = (inos[node], &self.nodes[node].0) else {
                panic!("no file");
            };
            let found = driver.run(|ext2, _| ext2.inode(ino)).expect("an inode");
            assert_eq!((found.links, found.kind), (0, Kind::File));
            assert!(driver.read(ino).expect("bytes") == *content, "bytes of one without a name");
            driver.run(|ext2, c| ext2.release(c, ino)).expect("released");
            let dir = Ino::ROOT;
            let linked = driver.run(|ext2, c| ext2.link(c, ino, dir, b"too late"));
            assert_eq!(linked, Err(Errno::ENOENT));
        }
    }

    /// Whether a file system has this tree.
    pub fn check(&self, driver: &mut Driver) {
        self.check_directory(driver, 0, Ino::ROOT, "");
    }

    fn check_directory(&self, driver: &mut Driver, node: usize, ino: Ino, path: &str) {
        let Node::Directory(entries) = &self.nodes[node].0 else { panic!("no directory") };
        let mut names: Vec<(String, Ino)> = driver.names(ino).expect("a directory");
        names.retain(|(name, _)| name != "lost+found");
        names.sort();
        let there: Vec<&String> = names.iter().map(|(name, _)| name).collect();
        let should: Vec<&String> = entries.keys().collect();
        assert_eq!(there, should, "{path}/");
        for (name, ino) in names {
            let path = format!("{path}/{name}");
            assert_eq!(driver.lookup_in(&path), Ok(ino));
            let child = entries[&name];
            let (node, links) = &self.nodes[child];
            let found = driver.run(|ext2, _| ext2.inode(ino)).expect("an inode");
            assert_eq!(u32::from(found.links), *links, "{path}: links");
            let kind = match node {
                Node::Directory(_) => {
                    self.check_directory(driver, child, ino, &path);
                    Kind::Directory
                }
                Node::File(content) => {
                    assert!(driver.read(ino).expect("bytes") == *content, "{path}: bytes");
                    Kind::File
                }
                Node::Symlink(target) => {
                    let there = driver.run(|ext2, _| ext2.readlink(ino)).expect("a link");
                    assert_eq!(there, *target, "{path}: target");
                    Kind::Symlink
                }
                Node::Fifo => Kind::Fifo,
            };
            assert_eq!(found.kind, kind, "{path}: kind");
        }
    }

    /// A name of few, some long.
    pub fn name(number: u64) -> String {
        match number % 30 {
            number @ 0..20 => number.to_string(),
            number => std::iter::repeat_n(number.to_string(), 60).collect(),
        }
    }
}
