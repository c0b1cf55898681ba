//! sendfile(2) to a connection.
//!
//! TCPR copies the bytes from where they are: pages of files on disks are the cache's own, held
//! meanwhile; of a file in memory there is a copy. The file is moved behind what was taken when
//! that is known, so nothing has to be put back.

use core::any::Any;

use vortex_abi::{Errno, Files};
use vortex_files::{OpenId, Outcome as Moved, Sink};
use vortex_machine::Piece;
use vortex_units::ActivityId;

use super::super::super::calls::{Cx, Result};
use super::super::super::pieces::offset;
use super::super::super::request::{FileCall, FromFile, MAX_RW_COUNT};
use super::super::super::resource::{Done, FileSystem};
use super::NetAsked;
use crate::cache::CacheFrame;
use crate::network::{Held, NetCall, What};

/// Bytes that are given to TCPR at once: as many as a connection keeps until they are
/// acknowledged.
const BYTES: usize = 8 << 10;

/// Where a file's bytes go on their way to TCPR.
struct Gathered {
    held: Held,
    room: usize,
    /// On whose bill.
    activity: ActivityId,
}

impl Sink for Gathered {
    fn room(&self) -> usize {
        self.room
    }

    fn put(&mut self, bytes: &[u8]) -> core::result::Result<(), Errno> {
        if !self.held.copy(bytes, self.activity) {
            return Err(Errno::ENOBUFS);
        }
        self.room = self.room.saturating_sub(bytes.len());
        Ok(())
    }

    fn put_from(&mut self, page: &dyn Any, within: usize, bytes: usize) -> Option<usize> {
        let CacheFrame(frame) = page.downcast_ref()?;
        let bytes = bytes.min(self.room);
        // Without a place to note it they are put, which says that there is none.
        let piece = Piece::new(frame.clone(), within, bytes)?;
        if !self.held.add(piece) {
            return None;
        }
        self.room = self.room.saturating_sub(bytes);
        Some(bytes)
    }
}

impl FileSystem {
    /// Gives TCPR the next bytes of a file. What is sent already counts, whatever happens then.
    pub(in super::super::super) fn send_file_network(
        &mut self,
        call: &mut FileCall,
        from: OpenId,
        tag: u64,
        count: u64,
        cx: &Cx<'_>,
    ) -> Result {
        match self.give_file(call, from, tag, count, cx) {
            Err(_) if call.done > 0 && !call.walks.get_mut().stops() => {
                Ok(Done::Value(call.done as u64))
            }
            given => given,
        }
    }

    fn give_file(
        &mut self,
        call: &mut FileCall,
        from: OpenId,
        tag: u64,
        count: u64,
        cx: &Cx<'_>,
    ) -> Result {
        let socket = self.network_open(tag)?.socket.clone();
        // A datagram has an end, which a file does not say.
        if !socket.is_stream() {
            return Err(Errno::EINVAL);
        }
        let reached = call.reached();
        let left = count.min(MAX_RW_COUNT).saturating_sub(reached);
        let given = offset(call, Some(0))?;
        let at = match given {
            Some(at) => at,
            // What has no place in it has nothing that could be taken twice.
            None => self.root.seek(from, 0, 1).map_err(|_| Errno::EINVAL)? as i64,
        };
        // As on Linux, all that is asked for must have a place.
        at.checked_add_unsigned(count.saturating_sub(reached)).ok_or(Errno::EINVAL)?;
        let room = usize::try_from(left).unwrap_or(usize::MAX).min(BYTES);
        let mut gathered = Gathered { held: Held::default(), room, activity: cx.root() };
        let system = self.system.clone();
        let read = self.with(call, cx, |root, caller, effects| {
            let mut random = |bytes: &mut [u8]| system.random.lock().fill(bytes);
            root.read(caller, from, Some(at), &mut gathered, &mut random, effects)
        })?;
        match read {
            Moved::Done(0) => return Ok(Done::Value(call.done as u64)),
            Moved::Done(_) => {}
            Moved::More => return Ok(Done::More),
            _ => return Err(Errno::EINVAL),
        }
        let open = given.is_none().then_some(from);
        call.from_file = Some(FromFile { open, at: at as u64 });
        let what = What::Send(gathered.held, None);
        Ok(Done::Network(NetAsked(NetCall { socket, what })))
    }

    /// So many of them are sent.
    pub(super) fn sent_file(
        &mut self,
        call: &mut FileCall,
        from: &FromFile,
        bytes: usize,
    ) -> Result {
        let Files::Sendfile { count, .. } = call.call else { return Err(Errno::EINVAL) };
        match from.open {
            // Who has closed it meanwhile does not miss it.
            Some(open) => drop(self.root.has_moved(open, from.at, bytes)),
            None => {
                let behind = from.at.saturating_add(bytes as u64);
                call.operands.give(0, &behind.to_le_bytes())?;
            }
        }
        call.done += bytes;
        let all = call.reached() >= count.min(MAX_RW_COUNT);
        Ok(if all { Done::Value(call.done as u64) } else { Done::More })
    }
}
