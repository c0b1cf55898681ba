//! What one process's part of the file system must be.
//!
//! Paths are relative to the process's own folder; those that begin with `@` are files in the
//! folder that all share, under names that only this process uses.

use std::collections::BTreeMap;

/// The folder of all.
pub const SHARED: &str = "@";

/// What a name stands for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum What {
    /// A file with this in it.
    File(Vec<u8>),
    /// A folder.
    Folder,
    /// A symbolic link to this.
    Link(String),
}

/// A file, folder or link, with what is known of it.
#[derive(Clone, Debug)]
pub struct Node {
    /// It.
    pub what: What,
    /// The permission bits.
    pub mode: u32,
    /// How many names it has, of a file or a link.
    pub names: u64,
}

/// All of it.
pub struct Model {
    nodes: Vec<Node>,
    names: BTreeMap<String, usize>,
}

/// An answer: nothing, or the number of an error.
pub type Answer = Result<(), i32>;

/// The folder of a path, and its name there.
pub fn split(path: &str) -> (&str, &str) {
    match path.strip_prefix(SHARED) {
        Some(name) if !name.is_empty() => (SHARED, name),
        _ => path.rsplit_once('/').unwrap_or(("", path)),
    }
}

/// A name in a folder.
pub fn join(folder: &str, name: &str) -> String {
    match folder {
        "" | SHARED => format!("{folder}{name}"),
        _ => format!("{folder}/{name}"),
    }
}

impl Model {
    /// With the process's own folder and the shared one.
    pub fn new() -> Self {
        let folder = Node { what: What::Folder, mode: 0o755, names: 1 };
        let names = BTreeMap::from([(String::new(), 0), (SHARED.into(), 1)]);
        Self { nodes: vec![folder.clone(), folder], names }
    }

    /// What a path stands for.
    pub fn get(&self, path: &str) -> Option<&Node> {
        self.nodes.get(*self.names.get(path)?)
    }

    /// The same, to be changed.
    pub fn get_mut(&mut self, path: &str) -> Option<&mut Node> {
        self.nodes.get_mut(*self.names.get(path)?)
    }

    /// The content, of a file.
    pub fn content(&mut self, path: &str) -> Option<&mut Vec<u8>> {
        match self.get_mut(path).map(|node| &mut node.what) {
            Some(What::File(content)) => Some(content),
            _ => None,
        }
    }

    fn is_folder(&self, path: &str) -> bool {
        self.get(path).is_some_and(|node| node.what == What::Folder)
    }

    /// All paths.
    pub fn paths(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    /// The folders, of which the shared one is one.
    pub fn folders(&self) -> Vec<String> {
        self.names.keys().filter(|path| self.is_folder(path)).cloned().collect()
    }

    /// The names in a folder.
    pub fn children(&self, folder: &str) -> Vec<String> {
        let inside = |path: &&String| !matches!(path.as_str(), "" | SHARED);
        let paths = self.names.keys().filter(inside).map(|path| split(path));
        paths.filter(|(above, _)| *above == folder).map(|(_, name)| name.into()).collect()
    }

    /// A new name for something new.
    pub fn make(&mut self, path: &str, what: What, mode: u32) -> Answer {
        if self.get(path).is_some() {
            return Err(libc::EEXIST);
        }
        self.nodes.push(Node { what, mode, names: 1 });
        self.names.insert(path.into(), self.nodes.len() - 1);
        Ok(())
    }

    /// Another name for a file.
    pub fn link(&mut self, from: &str, to: &str) -> Answer {
        let node = *self.names.get(from).ok_or(libc::ENOENT)?;
        if self.get(to).is_some() {
            return Err(libc::EEXIST);
        }
        if self.is_folder(from) {
            return Err(libc::EPERM);
        }
        self.nodes[node].names += 1;
        self.names.insert(to.into(), node);
        Ok(())
    }

    /// A name fewer.
    pub fn unlink(&mut self, path: &str) -> Answer {
        let node = *self.names.get(path).ok_or(libc::ENOENT)?;
        if self.is_folder(path) {
            return Err(libc::EISDIR);
        }
        self.nodes[node].names -= 1;
        self.names.remove(path);
        Ok(())
    }

    /// A folder fewer.
    pub fn rmdir(&mut self, path: &str) -> Answer {
        if self.get(path).is_none() {
            return Err(libc::ENOENT);
        }
        if !self.is_folder(path) {
            return Err(libc::ENOTDIR);
        }
        if !self.children(path).is_empty() {
            return Err(libc::ENOTEMPTY);
        }
        self.names.remove(path);
        Ok(())
    }

    /// Another name instead.
    pub fn rename(&mut self, from: &str, to: &str) -> Answer {
        let node = *self.names.get(from).ok_or(libc::ENOENT)?;
        let folder = self.is_folder(from);
        if folder && to.starts_with(&format!("{from}/")) {
            return Err(libc::EINVAL);
        }
        if let Some(other) = self.names.get(to).copied() {
            match (folder, self.is_folder(to)) {
                _ if other == node => return Ok(()),
                (true, false) => return Err(libc::ENOTDIR),
                (false, true) => return Err(libc::EISDIR),
                (true, true) if !self.children(to).is_empty() => return Err(libc::ENOTEMPTY),
                _ => self.nodes[other].names -= 1,
            }
        }
        let below = format!("{from}/");
        let moved: Vec<_> =
            self.names.keys().filter(|path| folder && path.starts_with(&below)).cloned().collect();
        for path in moved {
            if let Some(inside) = self.names.remove(&path) {
                self.names.insert(format!("{to}/{}", &path[below.len()..]), inside);
            }
        }
        self.names.remove(from);
        self.names.insert(to.into(), node);
        Ok(())
    }
}
