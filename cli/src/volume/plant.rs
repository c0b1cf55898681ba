//! Entries put into the tree of files that a machine starts with, which has no owners, no
//! hard links and no pipes: an archive's files as a service finds them.

use std::path::Path;

use super::entries::{Entries, Kind, shown};
use crate::machine::image::{Content, GuestPath, ImageError, Node, Tree};

/// Puts all of them below this directory of the tree.
///
/// # Errors
/// [`ImageError::Name`], [`ImageError::Kind`], and the tree's.
pub fn plant(
    entries: &Entries,
    tree: &mut Tree,
    to: &GuestPath,
    archive: &Path,
) -> Result<(), ImageError> {
    for (place, entry) in entries.iter() {
        let within = |place: &[Vec<u8>]| archive.join(shown(place).trim_start_matches('/'));
        let text = |bytes: &[u8]| String::from_utf8(bytes.to_vec());
        let mut path = to.clone();
        for name in place {
            path = path.join(&text(name).map_err(|_| ImageError::Name(within(place)))?);
        }
        // What another name is of was settled: it is none of these itself.
        let kind = match &entry.kind {
            Kind::Same(first) => {
                let found = entries.iter().find(|(place, _)| *place == first);
                found.map_or(&entry.kind, |(_, entry)| &entry.kind)
            }
            kind => kind,
        };
        let mode = u32::from(entry.mode);
        let node = match kind {
            Kind::Directory => Node::Directory(mode),
            Kind::File(host, _) => Node::File(Content::Host(host.clone()), mode),
            Kind::Symlink(target) => {
                Node::Link(text(target).map_err(|_| ImageError::Name(within(place)))?)
            }
            Kind::Character(major, minor) => Node::Device(*major, *minor),
            Kind::Block(..) | Kind::Pipe | Kind::Same(_) => {
                return Err(ImageError::Kind(within(place)));
            }
        };
        tree.put(&path, node)?;
    }
    Ok(())
}
