//! Names of sockets: in the tree, and the abstract ones of an activity.
//!
//! An abstract name is the activity's own, as its processes are (decision 0069): nobody can take
//! a neighbour's, nor guess who listens there. A name in the tree is everybody's, as a FIFO is.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec::Vec;

use super::Kind;
use super::address::{Address, of_name};
use crate::caller::Caller;
use crate::description::OpenId;
use crate::inode::{Body, InodeId};
use crate::node::{At, Node};
use crate::root::{PERMISSIONS, Root};
use crate::walk::Tail;
use crate::{Effects, Errno, Owner};

/// How a name leads to its socket.
pub(crate) enum Named {
    /// By this object of the tree, which is held.
    Path(InodeId),
    /// By an abstract name of this owner's, among sockets of a kind.
    Abstract(Owner, Kind),
}

/// The names of all sockets.
#[derive(Default)]
pub(crate) struct Names {
    /// By the numbers of the tree's objects.
    paths: BTreeMap<u64, InodeId>,
    abstracts: BTreeMap<(Owner, Kind, Arc<[u8]>), InodeId>,
    /// The last that was made for who asked for any.
    last: u32,
}

impl Root {
    /// `bind`.
    ///
    /// # Errors
    /// Linux's.
    pub fn bind(&mut self, caller: &Caller, open: OpenId, address: &[u8]) -> Result<(), Errno> {
        let id = self.socket_id(open)?;
        match Address::parse(address)? {
            Address::Path(path) => self.bind_path(caller, id, path),
            Address::Abstract(name) => self.bind_abstract(caller, id, name),
            Address::Unnamed => self.name_somehow(caller, id),
            Address::Nowhere => Err(Errno::EINVAL),
        }
    }

    fn bind_path(&mut self, caller: &Caller, id: InodeId, path: &[u8]) -> Result<(), Errno> {
        let at = match caller.made() {
            // It is held already.
            Some(made) => made,
            None => {
                let found = self.vacancy(caller, At::cwd(path), false);
                let vacancy = found.map_err(|error| match error {
                    Errno::EEXIST => Errno::EADDRINUSE,
                    other => other,
                })?;
                if self.socket(id).is_none_or(|socket| socket.name.is_some()) {
                    return Err(Errno::EINVAL);
                }
                let permissions = self.inode(id)?.permissions & !caller.place.umask();
                let permissions = permissions & PERMISSIONS;
                let body = Body::Socket;
                if let Some(asked) =
                    self.create_on_disk(caller, &vacancy, &body, permissions, true)?
                {
                    return Err(asked);
                }
                let made = self.create(caller, vacancy, body, permissions)?;
                self.hold(&Node::Inode(made));
                made
            }
        };
        let number = self.inode(at)?.number;
        self.socket_names.paths.insert(number, id);
        let mut name = path.to_vec();
        name.push(0);
        self.set_name(id, name.into(), Named::Path(at));
        Ok(())
    }

    fn bind_abstract(&mut self, caller: &Caller, id: InodeId, name: &[u8]) -> Result<(), Errno> {
        if self.socket(id).is_none_or(|socket| socket.name.is_some()) {
            return Err(Errno::EINVAL);
        }
        let kind = self.socket(id).ok_or(Errno::EBADF)?.kind;
        let (owner, name) = (caller.owner, Arc::<[u8]>::from(name));
        let key = (owner, kind, name.clone());
        if self.socket_names.abstracts.contains_key(&key) {
            return Err(Errno::EADDRINUSE);
        }
        self.socket_names.abstracts.insert(key, id);
        self.set_name(id, name, Named::Abstract(owner, kind));
        Ok(())
    }

    /// Gives a socket that has no name one of its own.
    pub(super) fn name_somehow(&mut self, caller: &Caller, id: InodeId) -> Result<(), Errno> {
        /// Names that are tried in one call.
        const TRIED: u32 = 64;
        const MOST: u32 = 0xf_ffff;
        if self.socket(id).is_none_or(|socket| socket.name.is_some()) {
            return Ok(());
        }
        for _ in 0..TRIED {
            self.socket_names.last = self.socket_names.last.wrapping_add(1) & MOST;
            let name = format!("\0{:05x}", self.socket_names.last);
            match self.bind_abstract(caller, id, name.as_bytes()) {
                Err(Errno::EADDRINUSE) => {}
                other => return other,
            }
        }
        Err(Errno::ENOSPC)
    }

    fn set_name(&mut self, id: InodeId, name: Arc<[u8]>, named: Named) {
        if let Some(socket) = self.socket_mut(id) {
            (socket.name, socket.named) = (Some(name), Some(named));
        }
    }

    /// A socket that is being closed is found no more.
    pub(super) fn lose_socket_name(
        &mut self,
        name: Option<Arc<[u8]>>,
        named: Option<Named>,
        effects: &mut Effects,
    ) {
        match (named, name) {
            (Some(Named::Path(at)), _) => {
                if let Some(number) = self.socket_number(at) {
                    self.socket_names.paths.remove(&number);
                }
                self.let_go(&Node::Inode(at), effects);
            }
            (Some(Named::Abstract(owner, kind)), Some(name)) => {
                self.socket_names.abstracts.remove(&(owner, kind, name));
            }
            _ => {}
        }
    }

    /// The socket of this kind that has this address.
    pub(super) fn find_socket(
        &self,
        caller: &Caller,
        kind: Kind,
        address: &Address<'_>,
    ) -> Result<InodeId, Errno> {
        let id = match address {
            Address::Path(path) => {
                let node = self.find(caller, At::cwd(path), Tail::Follow)?;
                let Node::Inode(at) = node else { return Err(Errno::ECONNREFUSED) };
                self.socket_names.paths.get(&self.inode(at)?.number).copied()
            }
            Address::Abstract(name) => {
                let key = (caller.owner, kind, Arc::<[u8]>::from(*name));
                self.socket_names.abstracts.get(&key).copied()
            }
            Address::Unnamed | Address::Nowhere => return Err(Errno::EINVAL),
        };
        let id = id.ok_or(Errno::ECONNREFUSED)?;
        let socket = self.socket(id).ok_or(Errno::ECONNREFUSED)?;
        if socket.kind == kind { Ok(id) } else { Err(Errno::EPROTOTYPE) }
    }

    /// `getsockname`.
    ///
    /// # Errors
    /// `ENOTSOCK`, `EBADF`.
    pub fn socket_name(&self, open: OpenId) -> Result<Vec<u8>, Errno> {
        let socket = self.socket(self.socket_id(open)?).ok_or(Errno::EBADF)?;
        Ok(of_name(socket.name.as_deref()))
    }

    /// `getpeername`.
    ///
    /// # Errors
    /// `ENOTCONN`, `ENOTSOCK`, `EBADF`.
    pub fn peer_name(&self, open: OpenId) -> Result<Vec<u8>, Errno> {
        let socket = self.socket(self.socket_id(open)?).ok_or(Errno::EBADF)?;
        let peer = socket.peer.ok_or(Errno::ENOTCONN)?;
        Ok(of_name(self.socket(peer).and_then(|peer| peer.name.as_deref())))
    }
}
