//! ioctl(2).

use core::sync::atomic::Ordering;

use vortex_abi::Errno;
use vortex_abi::linux::general::O_NONBLOCK;
use vortex_files::Object;

use super::calls::{Result, done};
use super::request::FileCall;
use super::resource::{Done, FileSystem};
use super::terminal::TERMIOS;

impl FileSystem {
    pub(super) fn ioctl(&mut self, call: &FileCall, fd: vortex_abi::Fd, request: u32) -> Result {
        let open = self.open_of(call, fd)?;
        const TCGETS: u32 = 0x5401;
        const TCSETS: u32 = 0x5402;
        const TCSETSF: u32 = 0x5404;
        const TIOCGPGRP: u32 = 0x540f;
        const TIOCSPGRP: u32 = 0x5410;
        const TIOCGWINSZ: u32 = 0x5413;
        const FIONBIO: u32 = 0x5421;
        const FIONREAD: u32 = 0x541b;
        const TIOCOUTQ: u32 = 0x5411;
        if request == FIONBIO {
            let on = call.operands.bytes_of::<4>(0)? != [0; 4];
            let flags = if on { O_NONBLOCK } else { 0 };
            return self.root.set_flags(open, flags).map(done);
        }
        if request == FIONREAD {
            let waiting = match self.root.object(open)? {
                Object::Pipe { buffered } => buffered as u64,
                Object::Socket { listens: true, .. } => return Err(Errno::EINVAL),
                Object::Socket { buffered, .. } => buffered as u64,
                Object::External(tag) => return self.network_waiting(call, tag, false),
                _ => return Err(Errno::ENOTTY),
            };
            let waiting = u32::try_from(waiting).unwrap_or(i32::MAX as u32);
            return call.operands.give(0, &waiting.to_le_bytes()).map(done);
        }
        if let (TIOCOUTQ, Object::External(tag)) = (request, self.root.object(open)?) {
            return self.network_waiting(call, tag, true);
        }
        if let Some((_, bytes)) = self.root.disk(open)? {
            return self.disk_control(call, open, request, bytes);
        }
        let is_terminal = self.root.poll(open, 0).device.is_some();
        if !is_terminal {
            return Err(Errno::ENOTTY);
        }
        match request {
            TCGETS => call.operands.give(0, &self.terminal.settings()).map(done),
            TCSETS..=TCSETSF => {
                let settings = call.operands.bytes_of::<TERMIOS>(0)?;
                self.terminal.set(&settings);
                Ok(Done::Value(0))
            }
            TIOCGWINSZ => call.operands.give(0, &[24, 0, 80, 0, 0, 0, 0, 0]).map(done),
            TIOCGPGRP => {
                let group = match self.terminal.foreground {
                    0 => call.thread.process.group.load(Ordering::Relaxed),
                    group => group,
                };
                call.operands.give(0, &group.to_le_bytes()).map(done)
            }
            TIOCSPGRP => {
                self.terminal.foreground = i32::from_le_bytes(call.operands.bytes_of::<4>(0)?);
                Ok(Done::Value(0))
            }
            _ => Err(Errno::ENOTTY),
        }
    }
}
