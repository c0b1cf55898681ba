//! Debian's kernel in the machine where ours would be: what Vortex's figures and answers
//! are set beside.
//!
//! The kernel is taken out of its package and nothing is installed ([`package`]). It starts
//! the program `init` of ours (`services/init`), which runs what `/init.list` names and
//! switches the machine off. Linux is as Debian built it, and does about the processor's
//! flaws what it does by default; the words of its command line are [`Linux::words`].

mod modules;
mod package;

use std::path::{Path, PathBuf};

use super::debian::PackageError;
use super::image::{Content, GuestPath, ImageError, Node, Tree};

/// What it is told: its console, silence on it, that the counter is the time (under counted
/// time it is), the first process, and to end where it cannot go on. Without `erms` it
/// copies and clears by words: here each byte of `rep movsb` would count as an instruction,
/// which no processor that has the feature does.
const WORDS: &str = "console=ttyS0 quiet tsc=reliable clearcpuid=erms,fsrm rdinit=/init panic=-1";

const INIT: &str = "/init";
const LIST: &str = "/init.list";
/// Its modules, one a line, and where they are.
const MODULES: &str = "/init.modules";
const PLACE: &str = "/modules";

/// A kernel of Debian's.
#[derive(Clone, Debug)]
pub struct Linux {
    /// Its file, as it is given to QEMU.
    pub kernel: PathBuf,
    /// The package that it is from, with its version.
    pub package: String,
}

impl Linux {
    /// The one kept from before, or else from Debian's packages.
    ///
    /// # Errors
    /// Why it cannot be had: [`PackageError`].
    pub fn get(root: &Path) -> Result<Self, PackageError> {
        package::get(&crate::home::target(root).join("linux"))
    }

    /// The modules by which it has disks, ext2 and a card, in the order in which they are loaded.
    ///
    /// # Errors
    /// Why they cannot be had: [`PackageError`].
    pub fn modules(root: &Path) -> Result<Vec<PathBuf>, PackageError> {
        modules::get(&crate::home::target(root).join("linux"))
    }

    /// Its command line.
    pub fn words() -> Vec<String> {
        WORDS.split(' ').map(String::from).collect()
    }
}

/// Makes a tree one that Linux starts from, and that runs these commands: with our `init`
/// of this folder.
///
/// # Errors
/// Those of the tree.
pub fn start<'a>(
    tree: &mut Tree,
    programs: &Path,
    commands: impl IntoIterator<Item = &'a [&'a str]>,
) -> Result<(), ImageError> {
    let lines = commands.into_iter().map(|words| words.join("\t") + "\n");
    let list = Content::Bytes(lines.collect::<String>().into_bytes());
    let init = Content::Host(programs.join("init"));
    tree.put(&GuestPath::root().join("sys"), Node::Directory(0o555))?;
    tree.put(&GuestPath::root().follow(LIST), Node::File(list, 0o644))?;
    tree.put(&GuestPath::root().follow(INIT), Node::File(init, 0o755)).map(drop)
}

/// Has our `init` load these modules before the commands, and wait for as many disks.
///
/// # Errors
/// Those of the tree.
pub fn load(tree: &mut Tree, modules: &[PathBuf], disks: usize) -> Result<(), ImageError> {
    let mut list = String::new();
    for module in modules {
        let name = module.file_name().unwrap_or_default().to_string_lossy();
        let path = format!("{PLACE}/{name}");
        tree.put(
            &GuestPath::root().follow(&path),
            Node::File(Content::Host(module.clone()), 0o644),
        )?;
        list += &(path + "\n");
    }
    for letter in ('a'..='z').take(disks) {
        list += &format!("/dev/sd{letter}\n");
    }
    let list = Content::Bytes(list.into_bytes());
    tree.put(&GuestPath::root().follow(MODULES), Node::File(list, 0o644)).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tree_gets_what_linux_starts_with() {
        let mut tree = Tree::with_basics();
        start(&mut tree, Path::new("/programs"), [&["/bin/a", "b c"][..], &["/bin/d"]]).unwrap();
        let find = |path: &str| tree.find(&GuestPath::root().follow(path)).unwrap().1;
        let list = Content::Bytes(b"/bin/a\tb c\n/bin/d\n".to_vec());
        assert_eq!(find(LIST), &Node::File(list, 0o644));
        assert_eq!(find(INIT), &Node::File(Content::Host("/programs/init".into()), 0o755));
        assert!(Linux::words().contains(&format!("rdinit={INIT}")));
    }
}
