//! connect(2) and accept4(2).

use vortex_abi::Errno;
use vortex_abi::linux::general::O_CLOEXEC;
use vortex_files::{Accepted, OpenId, Outcome as Moved};

use super::super::calls::{Cx, Result};
use super::super::request::FileCall;
use super::super::resource::{Done, FileSystem};
use super::{address, tell_address};

impl FileSystem {
    pub(super) fn connect(
        &mut self,
        call: &mut FileCall,
        open: OpenId,
        length: u32,
        cx: &mut Cx<'_>,
    ) -> Result {
        let address = address(call, length)?;
        let connected = self.with(call, cx, |root, caller, effects| {
            root.connect(caller, open, &address, effects)
        })?;
        match connected {
            Moved::WouldBlock(_) if call.expired => Err(Errno::EAGAIN),
            Moved::WouldBlock(key) => {
                let deadline = self.socket_deadline(call, open, true, cx);
                Ok(Done::Wait([key].into(), deadline))
            }
            _ => Ok(Done::Value(0)),
        }
    }

    pub(super) fn accept(
        &mut self,
        call: &mut FileCall,
        open: OpenId,
        flags: u32,
        cx: &mut Cx<'_>,
    ) -> Result {
        self.limited(call)?.table.make_room(1)?;
        let accepted =
            self.with(call, cx, |root, caller, effects| root.accept(caller, open, flags, effects))?;
        let made = match accepted {
            Accepted::Ready(made) => made,
            Accepted::WouldBlock(_) if call.expired => return Err(Errno::EAGAIN),
            Accepted::WouldBlock(key) => {
                let deadline = self.socket_deadline(call, open, false, cx);
                return Ok(Done::Wait([key].into(), deadline));
            }
        };
        let name = self.root.peer_name(made).unwrap_or_default();
        let fd = self.install(call, made, flags & O_CLOEXEC != 0)?;
        tell_address(call, &name)?;
        Ok(Done::Value(fd.get() as u64))
    }
}
