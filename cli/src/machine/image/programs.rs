//! Programs, put into a tree with all that they need to start.
//!
//! Each is looked for in the tree first, which is what `--root` and `--add` gave, then on
//! the host; so are its interpreter and libraries, at the places where Linux's dynamic
//! linkers look.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::error::{ImageError, Missing};
use super::host;
use super::needs;
use super::path::GuestPath;
use super::tree::{Content, Node, Tree};

/// Where libraries are that no program says more of.
const LIBRARIES: &[&str] = &[
    "/lib/x86_64-linux-gnu",
    "/usr/lib/x86_64-linux-gnu",
    "/lib64",
    "/usr/lib64",
    "/lib",
    "/usr/lib",
];

/// Puts programs into a tree.
#[derive(Debug)]
pub struct Programs<'a> {
    tree: &'a mut Tree,
    /// The root of the host's files: `/`, except in tests.
    host: PathBuf,
    seen: BTreeSet<GuestPath>,
    missing: Vec<Missing>,
}

impl<'a> Programs<'a> {
    /// Into this tree.
    pub fn into(tree: &'a mut Tree) -> Self {
        Self::from(tree, Path::new("/"))
    }

    fn from(tree: &'a mut Tree, host: &Path) -> Self {
        Self { tree, host: host.into(), seen: BTreeSet::new(), missing: Vec::new() }
    }

    /// Puts a program and what it needs. What is missing is told by [`Self::finish`].
    ///
    /// # Errors
    /// Those of reading and of the tree.
    pub fn add(&mut self, program: &str, needed_by: &str) -> Result<(), ImageError> {
        let mut open = vec![(program.to_string(), needed_by.to_string())];
        while let Some((wanted, needed_by)) = open.pop() {
            let Some(place) = self.place(&wanted)? else {
                let lack = Missing { what: wanted, needed_by };
                if !self.missing.contains(&lack) {
                    self.missing.push(lack);
                }
                continue;
            };
            if !self.seen.insert(place.clone()) {
                continue;
            }
            let needs = needs::read(&self.content(&place)?);
            open.extend(needs.interpreter.map(|path| (path, place.to_string())));
            for name in needs.libraries {
                let path = self.library(&name, &needs.search, &place);
                open.push((path.unwrap_or(name), place.to_string()));
            }
        }
        Ok(())
    }

    /// Whether all was found.
    ///
    /// # Errors
    /// [`ImageError::Missing`], with all that was not.
    pub fn finish(self) -> Result<(), ImageError> {
        if self.missing.is_empty() { Ok(()) } else { Err(ImageError::Missing(self.missing)) }
    }

    /// Where a file is in the tree, taken from the host if it was not there yet.
    fn place(&mut self, wanted: &str) -> Result<Option<GuestPath>, ImageError> {
        let Some(path) = GuestPath::new(wanted) else { return Ok(None) };
        if let Some((place, Node::File(..))) = self.tree.find(&path) {
            return Ok(Some(place));
        }
        let host = self.on_host(&path);
        if !host.is_file() {
            return Ok(None);
        }
        host::take(self.tree, &host, &path)?;
        Ok(self.tree.find(&path).map(|(place, _)| place))
    }

    fn library(&self, name: &str, search: &[String], user: &GuestPath) -> Option<String> {
        if name.contains('/') {
            return Some(name.into());
        }
        let origin = user.parent().unwrap_or_else(GuestPath::root);
        let named = search.iter().map(|place| {
            place.replace("${ORIGIN}", origin.as_str()).replace("$ORIGIN", origin.as_str())
        });
        let common = LIBRARIES.iter().map(|place| (*place).to_string());
        let places: Vec<GuestPath> = named
            .chain(common)
            .filter(|place| place.starts_with('/'))
            .map(|place| GuestPath::root().follow(&place).join(name))
            .collect();
        let here = |path: &&GuestPath| matches!(self.tree.find(path), Some((_, Node::File(..))));
        let there = |path: &&GuestPath| self.on_host(path).is_file();
        let found = places.iter().find(here).or_else(|| places.iter().find(there));
        found.map(ToString::to_string)
    }

    fn content(&self, place: &GuestPath) -> Result<Vec<u8>, ImageError> {
        match self.tree.find(place) {
            Some((_, Node::File(Content::Bytes(bytes), _))) => Ok(bytes.clone()),
            Some((_, Node::File(Content::Host(host), _))) => {
                std::fs::read(host).map_err(|error| ImageError::Host(host.clone(), error))
            }
            _ => Ok(Vec::new()),
        }
    }

    fn on_host(&self, path: &GuestPath) -> PathBuf {
        self.host.join(path.as_str().trim_start_matches('/'))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn paths(tree: &Tree) -> Vec<&str> {
        tree.entries()
            .filter(|(_, node)| matches!(node, Node::File(..)))
            .map(|(path, _)| path.as_str())
            .collect()
    }

    #[test]
    fn a_script_brings_its_interpreter_and_the_tree_comes_first() {
        let host = tempfile::tempdir().unwrap();
        fs::create_dir(host.path().join("bin")).unwrap();
        fs::write(host.path().join("bin/run"), "#!/bin/shell -x\n").unwrap();
        fs::write(host.path().join("bin/shell"), "host's").unwrap();
        let mut tree = Tree::new();
        let shell = Node::File(Content::Bytes("ours".into()), 0o755);
        tree.put(&GuestPath::new("/bin/shell").unwrap(), shell.clone()).unwrap();
        let mut programs = Programs::from(&mut tree, host.path());
        programs.add("/bin/run", "service").unwrap();
        programs.finish().unwrap();
        assert_eq!(paths(&tree), ["/bin/run", "/bin/shell"]);
        assert_eq!(tree.find(&GuestPath::new("/bin/shell").unwrap()).unwrap().1, &shell);
    }

    #[test]
    fn all_that_is_missing_is_told_at_once() {
        let host = tempfile::tempdir().unwrap();
        fs::write(host.path().join("run"), "#!/bin/none\n").unwrap();
        let mut tree = Tree::new();
        let mut programs = Programs::from(&mut tree, host.path());
        for program in ["/run", "/other", "relative"] {
            programs.add(program, "the configuration").unwrap();
        }
        let Err(ImageError::Missing(list)) = programs.finish() else { panic!("all was found") };
        let what: Vec<&str> = list.iter().map(|lack| lack.what.as_str()).collect();
        assert_eq!(what, ["/bin/none", "/other", "relative"]);
        assert_eq!(list[0].needed_by, "/run");
    }

    #[test]
    fn a_dynamic_program_comes_with_its_linker_and_libraries() {
        let this = std::env::current_exe().unwrap();
        let mut tree = Tree::new();
        let mut programs = Programs::into(&mut tree);
        programs.add(this.to_str().unwrap(), "the test").unwrap();
        programs.finish().unwrap();
        let paths = paths(&tree);
        assert!(paths.iter().any(|path| path.contains("/libc.")), "{paths:?}");
        assert!(paths.iter().any(|path| path.contains("/ld-")), "{paths:?}");
    }
}
