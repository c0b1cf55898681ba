//! close(2), which waits until what was sent has arrived where that was wished for (`SO_LINGER`).

use alloc::sync::Arc;

use vortex_abi::Errno;
use vortex_files::{Fd, Object, Side, WaitKey};
use vortex_units::Nanos;

use super::super::super::calls::{Cx, Result};
use super::super::super::request::FileCall;
use super::super::super::resource::{Done, FileSystem};
use crate::network::{Socket, ready};

/// A connection whose program waits until all has arrived, the number of its object, and how
/// long.
type Lingers = (Arc<Socket>, u64, u32);

impl FileSystem {
    /// Closes a descriptor.
    pub(in super::super::super) fn close(
        &mut self,
        call: &mut FileCall,
        fd: vortex_abi::Fd,
        cx: &Cx<'_>,
    ) -> Result {
        // It is closed, and was waited for.
        if call.lingers.take().is_some() {
            return Ok(Done::Value(0));
        }
        let lingers = self.lingers(call, fd);
        let table = &mut self.files.get_mut(&call.files).ok_or(Errno::EBADF)?.table;
        table.close(&mut self.root, Fd::new(fd.0), &mut self.effects)?;
        let Some((socket, object, seconds)) = lingers else { return Ok(Done::Value(0)) };
        // Others have it still.
        if !self.effects.released().contains(&socket.id().0) {
            return Ok(Done::Value(0));
        }
        self.network.lingering.insert(socket.id(), object);
        call.lingers = Some(socket);
        let time = Nanos::new(u64::from(seconds).saturating_mul(1_000_000_000));
        let deadline = self.system.clock.after(cx.now(), time);
        Ok(Done::Wait([WaitKey { object, side: Side::Readable }].into(), Some(deadline)))
    }

    /// Whether who closes this waits.
    fn lingers(&self, call: &FileCall, fd: vortex_abi::Fd) -> Option<Lingers> {
        // Most close something else.
        if self.network.all.is_empty() {
            return None;
        }
        let open = self.open_of(call, fd).ok()?;
        let Ok(Object::External(tag)) = self.root.object(open) else { return None };
        let open = self.network.all.get(&crate::network::SocketId(tag))?;
        let socket = &open.socket;
        let (on, seconds) = socket.options().linger;
        let waits = on && seconds > 0 && socket.is_stream() && socket.peer().is_some();
        waits.then(|| (socket.clone(), open.object, seconds))
    }

    /// A connection that was closed has something to say: if that all has arrived, whoever waits
    /// for it goes on.
    pub(super) fn lingered(&mut self, socket: crate::network::SocketId) {
        let Some(object) = self.network.lingering.get(&socket).copied() else { return };
        let network = self.system.network.get();
        let known = network.and_then(|network| network.wiring.get(socket));
        if known.is_none_or(|socket| socket.ready() & ready::ARRIVED != 0) {
            self.network.lingering.remove(&socket);
            self.wake_for(WaitKey { object, side: Side::Readable });
        }
    }
}
