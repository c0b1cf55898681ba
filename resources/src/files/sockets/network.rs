//! Sockets that are not of this machine alone: the place of their provider.
//!
//! Such a socket is an open file of the kind [`vortex_files::Object::External`], made by
//! [`vortex_files::Root::open_external`] with the provider's number of it. All its calls come
//! here with that number, and may wait for a request to the provider as calls wait for a disk
//! (decision 0112); its end comes in [`vortex_files::Effects::released`]. Whoever waits until it
//! is ready waits for a [`vortex_files::WaitKey`] of its open file's number. Without a provider
//! there is no such family.

use vortex_abi::Errno;
use vortex_files::OpenId;

use super::super::calls::{Cx, Result};
use super::super::request::FileCall;
use super::super::resource::FileSystem;

impl FileSystem {
    /// `socket` of another family: which, of what kind, and its protocol.
    pub(super) fn network_socket(
        &mut self,
        _call: &mut FileCall,
        (_family, _kind, _protocol): (i32, u32, i32),
        _cx: &mut Cx<'_>,
    ) -> Result {
        Err(Errno::EAFNOSUPPORT)
    }

    /// A call of such a socket: of sockets alone, or one that reads or writes.
    pub(in super::super) fn network_call(
        &mut self,
        _call: &mut FileCall,
        _open: OpenId,
        _tag: u64,
        _cx: &mut Cx<'_>,
    ) -> Result {
        Err(Errno::ENOTSOCK)
    }
}

/// What is known here of the sockets of other families.
#[derive(Default)]
pub struct Network;

impl Network {
    /// Which of these events a socket is ready for, and whether it has failed or is at its end.
    #[expect(clippy::unused_self, reason = "there is no provider yet")]
    pub fn ready(&self, _tag: u64, _events: u32) -> u32 {
        vortex_abi::linux::general::POLLERR
    }
}
