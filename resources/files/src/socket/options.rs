//! Options of sockets (`SOL_SOCKET`): those that mean something within the machine.

use alloc::vec::Vec;
use linux_raw_sys::net;

use super::{Credentials, Kind, State};
use crate::Errno;
use crate::description::OpenId;
use crate::root::Root;

/// The longest value of an option.
pub const OPTION_MOST: usize = 256;

/// Usual, least and most of the buffers' limits, as Linux counts them.
const USUAL: u32 = 212_992;
const LEAST_SEND: u32 = 4608;
const LEAST_RECEIVE: u32 = 2304;

/// Switches that are kept and change nothing here, on Linux neither: a bit each.
const SWITCHES: [u32; 7] = [
    net::SO_DEBUG,
    net::SO_REUSEADDR,
    net::SO_DONTROUTE,
    net::SO_BROADCAST,
    net::SO_KEEPALIVE,
    net::SO_OOBINLINE,
    net::SO_REUSEPORT,
];

/// What is set of a socket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options {
    send: u32,
    receive: u32,
    /// The least that a read waits for.
    low: u32,
    switches: u8,
    passes_credentials: bool,
    priority: i32,
    /// `struct linger`, kept alone.
    linger: [i32; 2],
    /// Microseconds after which a call that waits fails; zero for never.
    receive_time: u64,
    send_time: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            send: USUAL,
            receive: USUAL,
            low: 1,
            switches: 0,
            passes_credentials: false,
            priority: 0,
            linger: [0; 2],
            receive_time: 0,
            send_time: 0,
        }
    }
}

impl Options {
    pub fn send_limit(&self) -> u64 {
        self.send.into()
    }

    pub fn low(&self) -> usize {
        self.low as usize
    }

    pub fn is_passing_credentials(&self) -> bool {
        self.passes_credentials
    }

    /// What the other end of a connection has of its listener.
    pub fn inherited(&self) -> Self {
        Self { passes_credentials: self.passes_credentials, ..Self::default() }
    }
}

fn word(value: &[u8]) -> Result<i32, Errno> {
    value.first_chunk().map(|word| i32::from_le_bytes(*word)).ok_or(Errno::EINVAL)
}

/// A `struct timeval`, in microseconds; zero for never.
fn time(value: &[u8]) -> Result<u64, Errno> {
    let (seconds, rest) = value.split_first_chunk().ok_or(Errno::EINVAL)?;
    let micros = rest.first_chunk().ok_or(Errno::EINVAL)?;
    let (seconds, micros) = (i64::from_le_bytes(*seconds), i64::from_le_bytes(*micros));
    let micros = u64::try_from(micros).ok().filter(|&micros| micros < 1_000_000);
    let micros = micros.ok_or(Errno::EDOM)?;
    // A time that is over already: nothing is waited for.
    let Ok(seconds) = u64::try_from(seconds) else { return Ok(1) };
    Ok(seconds.saturating_mul(1_000_000).saturating_add(micros))
}

fn time_bytes(micros: u64) -> Vec<u8> {
    let (seconds, micros) = (micros / 1_000_000, micros % 1_000_000);
    [seconds.to_le_bytes(), micros.to_le_bytes()].concat()
}

impl Root {
    /// How long a call waits at a socket, in microseconds, if it is not for ever: to receive,
    /// or to send.
    #[must_use]
    pub fn socket_time(&self, open: OpenId, sends: bool) -> Option<u64> {
        let options = &self.socket(self.socket_id(open).ok()?)?.options;
        let micros = if sends { options.send_time } else { options.receive_time };
        Some(micros).filter(|&micros| micros > 0)
    }

    /// `setsockopt`.
    ///
    /// # Errors
    /// `ENOPROTOOPT`: no such option, or one that is not offered; `EINVAL`, `EDOM`.
    pub fn set_option(
        &mut self,
        open: OpenId,
        level: u32,
        option: u32,
        value: &[u8],
    ) -> Result<(), Errno> {
        let id = self.socket_id(open)?;
        if level != net::SOL_SOCKET {
            return Err(Errno::EOPNOTSUPP);
        }
        let number = word(value)?;
        let options = &mut self.socket_mut(id).ok_or(Errno::EBADF)?.options;
        if let Some(place) = SWITCHES.iter().position(|&it| it == option) {
            let bit = 1_u8.checked_shl(place as u32).unwrap_or(0);
            options.switches &= !bit;
            if number != 0 {
                options.switches |= bit;
            }
            return Ok(());
        }
        let twice = |most: u32, least: u32| (number as u32).min(most).saturating_mul(2).max(least);
        match option {
            net::SO_SNDBUF => options.send = twice(USUAL, LEAST_SEND),
            net::SO_RCVBUF => options.receive = twice(USUAL, LEAST_RECEIVE),
            net::SO_PASSCRED => options.passes_credentials = number != 0,
            net::SO_PRIORITY => options.priority = number,
            net::SO_RCVLOWAT => {
                options.low = u32::try_from(number).unwrap_or(i32::MAX as u32).max(1);
            }
            net::SO_LINGER => {
                let second = value.get(4..).ok_or(Errno::EINVAL)?;
                options.linger = [i32::from(number != 0), word(second)?];
            }
            net::SO_RCVTIMEO_OLD => options.receive_time = time(value)?,
            net::SO_SNDTIMEO_OLD => options.send_time = time(value)?,
            _ => return Err(Errno::ENOPROTOOPT),
        }
        Ok(())
    }

    /// `getsockopt`: the value of an option.
    ///
    /// # Errors
    /// `ENOPROTOOPT`: no such option, or one that is not offered; `EOPNOTSUPP`: no such level.
    pub fn option(&mut self, open: OpenId, level: u32, option: u32) -> Result<Vec<u8>, Errno> {
        let id = self.socket_id(open)?;
        if level != net::SOL_SOCKET {
            return Err(Errno::EOPNOTSUPP);
        }
        let socket = self.socket_mut(id).ok_or(Errno::EBADF)?;
        let options = &socket.options;
        if let Some(place) = SWITCHES.iter().position(|&it| it == option) {
            let set = options.switches.checked_shr(place as u32).unwrap_or(0) & 1;
            return Ok(u32::from(set).to_le_bytes().to_vec());
        }
        let number = match option {
            net::SO_TYPE => match socket.kind {
                Kind::Stream => net::SOCK_STREAM,
                Kind::Datagram => net::SOCK_DGRAM,
                Kind::Packets => net::SOCK_SEQPACKET,
            },
            net::SO_ERROR => socket.error.take().map_or(0, |error| error.number().into()),
            net::SO_SNDBUF => options.send,
            net::SO_RCVBUF => options.receive,
            net::SO_PASSCRED => options.passes_credentials.into(),
            net::SO_PRIORITY => options.priority as u32,
            net::SO_RCVLOWAT => options.low,
            net::SO_SNDLOWAT => 1,
            net::SO_ACCEPTCONN => u32::from(socket.state == State::Listening),
            net::SO_DOMAIN => super::address::UNIX.into(),
            net::SO_PROTOCOL => 0,
            net::SO_PEERCRED => {
                let none = !socket.kind.connects() && socket.other.pid == 0;
                let other = if none { Credentials::NOBODY } else { socket.other };
                return Ok(other.to_bytes().to_vec());
            }
            net::SO_LINGER => {
                return Ok(options.linger.iter().flat_map(|word| word.to_le_bytes()).collect());
            }
            net::SO_RCVTIMEO_OLD => return Ok(time_bytes(options.receive_time)),
            net::SO_SNDTIMEO_OLD => return Ok(time_bytes(options.send_time)),
            _ => return Err(Errno::ENOPROTOOPT),
        };
        Ok(number.to_le_bytes().to_vec())
    }
}
