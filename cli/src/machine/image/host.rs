//! Files of the host, taken into a tree: one, or a directory with all that is in it.
//!
//! Owners and times stay behind: in the image everything is root's and of no time, so that
//! it is the same whoever makes it. Links are taken as links.

use std::fs::{self, Metadata};
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _};
use std::path::Path;

use super::error::ImageError;
use super::path::GuestPath;
use super::tree::{Content, Node, Tree};

/// Puts what is at `from` to `to`, with everything below it.
///
/// # Errors
/// [`ImageError::Host`], [`ImageError::Name`], [`ImageError::Kind`], and the tree's.
pub fn take(tree: &mut Tree, from: &Path, to: &GuestPath) -> Result<(), ImageError> {
    // A link that was named itself stands for what it leads to.
    let about = fs::metadata(from).map_err(|error| unreadable(from, error))?;
    put(tree, from, to, &about)
}

fn put(tree: &mut Tree, from: &Path, to: &GuestPath, about: &Metadata) -> Result<(), ImageError> {
    let mode = about.permissions().mode() & 0o7777;
    let kind = about.file_type();
    if kind.is_dir() {
        let to = tree.put(to, Node::Directory(mode))?;
        let entries = fs::read_dir(from).map_err(|error| unreadable(from, error))?;
        for entry in entries {
            let path = entry.map_err(|error| unreadable(from, error))?.path();
            let about = fs::symlink_metadata(&path).map_err(|error| unreadable(&path, error))?;
            let name = path.file_name().and_then(|name| name.to_str());
            let name = name.ok_or_else(|| ImageError::Name(path.clone()))?;
            put(tree, &path, &to.join(name), &about)?;
        }
        return Ok(());
    }
    let node = if kind.is_file() {
        Node::File(Content::Host(from.to_path_buf()), mode)
    } else if kind.is_symlink() {
        let target = fs::read_link(from).map_err(|error| unreadable(from, error))?;
        let target = target.to_str().ok_or_else(|| ImageError::Name(target.clone()))?;
        Node::Link(target.into())
    } else if kind.is_char_device() {
        let device = about.rdev();
        Node::Device(rustix::fs::major(device), rustix::fs::minor(device))
    } else {
        return Err(ImageError::Kind(from.to_path_buf()));
    };
    tree.put(to, node).map(drop)
}

fn unreadable(path: &Path, error: std::io::Error) -> ImageError {
    ImageError::Host(path.to_path_buf(), error)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_directory_comes_with_all_below_it() {
        let host = tempfile::tempdir().unwrap();
        let at = |name: &str| host.path().join(name);
        fs::create_dir(at("bin")).unwrap();
        fs::write(at("bin/tool"), "x").unwrap();
        fs::set_permissions(at("bin/tool"), fs::Permissions::from_mode(0o4755)).unwrap();
        symlink("tool", at("bin/alias")).unwrap();
        let mut tree = Tree::new();
        take(&mut tree, host.path(), &GuestPath::root()).unwrap();
        let find = |path: &str| tree.entries().find(|(at, _)| at.as_str() == path).map(|(_, n)| n);
        assert_eq!(find("/bin/alias"), Some(&Node::Link("tool".into())));
        assert_eq!(find("/bin/tool"), Some(&Node::File(Content::Host(at("bin/tool")), 0o4755)));
    }

    #[test]
    fn what_is_not_there_or_cannot_be_taken_is_named() {
        let host = tempfile::tempdir().unwrap();
        let to = GuestPath::new("/x").unwrap();
        let absent = take(&mut Tree::new(), &host.path().join("none"), &to);
        assert!(matches!(absent, Err(ImageError::Host(..))));
        let _listener = std::os::unix::net::UnixListener::bind(host.path().join("socket")).unwrap();
        let socket = take(&mut Tree::new(), host.path(), &GuestPath::root());
        assert!(matches!(socket, Err(ImageError::Kind(_))));
    }
}
