//! setsockopt(2) and getsockopt(2) of the network's sockets. What would have no effect, as
//! `TCP_CORK`, is refused.

use vortex_abi::Errno;

use super::super::super::calls::Result;
use super::super::super::request::FileCall;
use super::super::super::resource::{Done, FileSystem};
use crate::network::SocketOption;

/// Levels.
const SOCKET: u32 = 1;
const TCP: u32 = 6;

/// Of [`SOCKET`].
const REUSE_ADDRESS: u32 = 2;
const KIND: u32 = 3;
const ERROR: u32 = 4;
const BROADCAST: u32 = 6;
const SEND_BUFFER: u32 = 7;
const RECEIVE_BUFFER: u32 = 8;
const KEEP_ALIVE: u32 = 9;
const LINGER: u32 = 13;
const REUSE_PORT: u32 = 15;
const RECEIVE_TIME: u32 = 20;
const SEND_TIME: u32 = 21;
const ACCEPTS: u32 = 30;
const PROTOCOL: u32 = 38;
const DOMAIN: u32 = 39;
/// Of [`TCP`].
const NO_DELAY: u32 = 1;

impl FileSystem {
    pub(super) fn set_network(
        &mut self,
        call: &FileCall,
        tag: u64,
        (level, option): (u32, u32),
    ) -> Result {
        let mut value = [0; 16];
        let read = call.operands.buffer(0)?.read(0, &mut value);
        let value = value.get(..read).unwrap_or_default();
        let number = |value: &[u8]| match value {
            [a, b, c, d, ..] => Ok(u32::from_le_bytes([*a, *b, *c, *d])),
            _ => Err(Errno::EINVAL),
        };
        let open = self.network_open(tag)?;
        let on = number(value)? != 0;
        match (level, option) {
            (SOCKET, REUSE_ADDRESS) => open.socket.set(SocketOption::ReuseAddress(on)),
            (SOCKET, REUSE_PORT) => open.socket.set(SocketOption::ReusePort(on)),
            (SOCKET, KEEP_ALIVE) => open.socket.set(SocketOption::KeepAlive(on)),
            // Whoever may send may send to all. Buffers are as large as they are: a wish for
            // others is one, on Linux too.
            (SOCKET, BROADCAST | SEND_BUFFER | RECEIVE_BUFFER) => {}
            (SOCKET, LINGER) if value.len() < 8 => return Err(Errno::EINVAL),
            // A socket is left at once, and its connection ends by itself: that can be had.
            (SOCKET, LINGER) if !on => {}
            (SOCKET, RECEIVE_TIME | SEND_TIME) => {
                let time = time(value)?;
                let [read, write] = &mut open.times;
                *(if option == RECEIVE_TIME { read } else { write }) = time;
            }
            (TCP, NO_DELAY) if open.socket.is_stream() => {
                open.socket.set(SocketOption::NoDelay(on));
            }
            _ => return Err(Errno::ENOPROTOOPT),
        }
        Ok(Done::Value(0))
    }

    pub(super) fn tell_network(
        &mut self,
        call: &FileCall,
        tag: u64,
        (level, option): (u32, u32),
    ) -> Result {
        const STREAM: u32 = 1;
        const DATAGRAM: u32 = 2;
        let open = self.network_open(tag)?;
        let socket = &open.socket;
        let stream = socket.is_stream();
        let [no_delay, keep_alive, reuse, reuse_port] = socket.options();
        let (mut long, mut length) = ([0; 16], 4);
        let number = match (level, option) {
            (SOCKET, REUSE_ADDRESS) => u32::from(reuse),
            (SOCKET, REUSE_PORT) => u32::from(reuse_port),
            (SOCKET, KEEP_ALIVE) => u32::from(keep_alive),
            (SOCKET, KIND) => {
                if stream {
                    STREAM
                } else {
                    DATAGRAM
                }
            }
            (SOCKET, ERROR) => {
                open.connecting &= socket.ready() & crate::network::ready::WRITE == 0;
                socket.take_error().map_or(0, |error| u32::from(error.errno().number()))
            }
            (SOCKET, ACCEPTS) => u32::from(socket.listens()),
            (SOCKET, DOMAIN) => super::INET as u32,
            (SOCKET, PROTOCOL) => (if stream { super::TCP } else { super::UDP }) as u32,
            (SOCKET, BROADCAST) => 0,
            (SOCKET, SEND_BUFFER | RECEIVE_BUFFER) => 16 << 10,
            (SOCKET, LINGER) => {
                length = 8;
                0
            }
            (SOCKET, RECEIVE_TIME | SEND_TIME) => {
                let [read, write] = open.times;
                let micros = if option == RECEIVE_TIME { read } else { write }.unwrap_or(0);
                let (seconds, rest) = long.split_at_mut(8);
                seconds.copy_from_slice(&(micros / 1_000_000).to_le_bytes());
                rest.copy_from_slice(&(micros % 1_000_000).to_le_bytes());
                length = 16;
                0
            }
            (TCP, NO_DELAY) if stream => u32::from(no_delay),
            _ => return Err(Errno::ENOPROTOOPT),
        };
        if length == 4 {
            let (head, _) = long.split_at_mut(4);
            head.copy_from_slice(&number.to_le_bytes());
        }
        let room = (call.shape.name as usize).min(length);
        if room > 0 {
            call.operands.give(1, long.get(..room).unwrap_or_default())?;
        }
        call.operands.give(2, &(room as u32).to_le_bytes())?;
        Ok(Done::Value(0))
    }
}

/// A time as microseconds (`struct timeval`); none for zero.
fn time(value: &[u8]) -> core::result::Result<Option<u64>, Errno> {
    let (seconds, rest) = value.split_at_checked(8).ok_or(Errno::EINVAL)?;
    let number = |bytes: &[u8]| bytes.try_into().map(i64::from_le_bytes).map_err(|_| Errno::EINVAL);
    let (seconds, micros) = (number(seconds)?, number(rest)?);
    if !(0..1_000_000).contains(&micros) {
        return Err(Errno::EDOM);
    }
    let all = u64::try_from(seconds).unwrap_or(0).saturating_mul(1_000_000);
    let all = all.saturating_add(micros as u64);
    Ok((all > 0).then_some(all))
}
