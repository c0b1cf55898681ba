//! What the tree does not have of a file in memory itself: the pages that programs write to, as
//! they have mapped them, and the file as programs have mapped it for themselves.

use alloc::sync::Arc;

use crate::Errno;
use crate::inode::Body;
use crate::node::Node;
use crate::root::Root;

/// Pages of a file that programs write to themselves, as they have mapped them. They may leave
/// memory, and come back when that is asked for ([`Ask::Bring`](crate::Ask)).
pub trait Overlay: Send + Sync {
    /// Names it, for who brings its pages back.
    fn number(&self) -> u64;

    /// Copies out of a page from this place on.
    fn read(&self, page: u64, within: usize, bytes: &mut [u8]) -> Over;

    /// The first page that there is from this one on.
    fn next(&self, page: u64) -> Option<u64>;

    /// Copies into a page from this place on. False where it has left.
    fn write(&self, page: u64, within: usize, bytes: &[u8]) -> bool;

    /// A part of a page becomes zeros: its end also where it has left. False where it has, and
    /// that is not its end.
    fn clear(&self, page: u64, from: usize, to: usize) -> bool;

    /// The file has another size: what is beyond it is gone. From which page on programs may
    /// still show what is, of this cut or an earlier one, until it is taken from them
    /// ([`Ask::Conceal`](crate::Ask)).
    fn resize(&self, size: u64) -> Option<u64>;

    /// Nobody maps it any more: nobody may write to it without a descriptor.
    fn unmapped(&self);
}

/// What an overlay has of a page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Over {
    /// It: it was copied.
    Here,
    /// Nothing: the page is the file's own.
    Nothing,
    /// It has left.
    Left,
}

/// A file as programs have mapped it for themselves, or run it: each time as it was then, as far as
/// it was not cut since.
pub trait Versions: Send + Sync {
    /// Names them, for who takes from programs what was cut off.
    fn number(&self) -> u64;

    /// Between these places something was written to the file.
    fn wrote(&self, from: u64, to: u64);

    /// As [`Overlay::resize`].
    fn resize(&self, size: u64) -> Option<u64>;
}

/// What programs may still show of what was cut off a file: by whose number, and from which page
/// on.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Of its overlay ([`Overlay::number`]).
    pub overlay: Option<(u64, u64)>,
    /// Of it as they have mapped it for themselves ([`Versions::number`]).
    pub versions: Option<(u64, u64)>,
}

impl Root {
    /// Lays pages that programs write to themselves over a file's, for as long as it lives.
    ///
    /// # Errors
    /// `ENODEV` where it is no regular file.
    pub fn overlay(&mut self, node: &Node, overlay: Arc<dyn Overlay>) -> Result<(), Errno> {
        let Node::Inode(id) = node else { return Err(Errno::ENODEV) };
        let Body::File(contents) = &mut self.inode_mut(*id)?.body else {
            return Err(Errno::ENODEV);
        };
        contents.overlay = Some(overlay);
        Ok(())
    }

    /// The number of what programs have mapped for themselves of a file, if any have.
    ///
    /// # Errors
    /// `ENODEV` where it is no regular file in memory.
    pub fn versions(&self, node: &Node) -> Result<Option<u64>, Errno> {
        let Node::Inode(id) = node else { return Err(Errno::ENODEV) };
        match &self.inode(*id)?.body {
            Body::File(contents) => Ok(contents.versions.as_ref().map(|all| all.number())),
            _ => Err(Errno::ENODEV),
        }
    }

    /// From now on these are told what becomes of a file, for as long as it lives.
    ///
    /// # Errors
    /// `ENODEV` where it is no regular file in memory.
    pub fn tell(&mut self, node: &Node, versions: Arc<dyn Versions>) -> Result<(), Errno> {
        let Node::Inode(id) = node else { return Err(Errno::ENODEV) };
        let Body::File(contents) = &mut self.inode_mut(*id)?.body else {
            return Err(Errno::ENODEV);
        };
        contents.versions = Some(versions);
        Ok(())
    }
}
