//! setsockopt(2) and getsockopt(2) of the network's sockets. What would have no effect is
//! refused.

use vortex_abi::Errno;
use vortex_grid::Labels;

use super::super::super::calls::{Cx, Result};
use super::super::super::request::FileCall;
use super::super::super::resource::{Done, FileSystem};
use crate::network::{NetOptions, Socket, TcpRequest};

/// Levels.
const IP: u32 = 0;
const SOCKET: u32 = 1;
const TCP: u32 = 6;

/// Of [`IP`].
const SERVICE: u32 = 1;
const HOPS: u32 = 2;
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
const CORK: u32 = 3;
const IDLE: u32 = 4;
const INTERVAL: u32 = 5;
const PROBES: u32 = 6;
const QUICK: u32 = 12;
const PATIENCE: u32 = 18;

/// The longest that it may be silent, and be looked whether somebody is there, in seconds.
const LONGEST: u32 = 32_767;
/// The most looks.
const MOST: u32 = 127;
/// What of the kind of service the network says itself of a stream.
const CONGESTED: u32 = 3;

/// A number of these.
fn within(value: u32, least: u32, most: u32) -> core::result::Result<u32, Errno> {
    if (least..=most).contains(&value) { Ok(value) } else { Err(Errno::EINVAL) }
}

/// What an option that is a number changes.
fn changed(
    options: &mut NetOptions,
    (level, option): (u32, u32),
    value: u32,
    stream: bool,
) -> core::result::Result<(), Errno> {
    let on = value != 0;
    match (level, option) {
        (SOCKET, REUSE_ADDRESS) => options.reuse = on,
        (SOCKET, REUSE_PORT) => options.reuse_port = on,
        (SOCKET, KEEP_ALIVE) => options.keep_alive = on,
        (SOCKET, BROADCAST) => options.broadcast = on,
        // Buffers are as large as they are: a wish for others is one, on Linux too.
        (SOCKET, SEND_BUFFER | RECEIVE_BUFFER) => {}
        (IP, SERVICE) if stream => options.service = (value & 0xff & !CONGESTED) as u8,
        (IP, SERVICE) => options.service = (value & 0xff) as u8,
        (IP, HOPS) if value == u32::MAX => options.hops = NetOptions::default().hops,
        (IP, HOPS) => options.hops = within(value, 1, 255)? as u8,
        (TCP, _) if !stream => return Err(Errno::ENOPROTOOPT),
        (TCP, NO_DELAY) => options.no_delay = on,
        (TCP, CORK) => options.cork = on,
        (TCP, QUICK) => options.quick = on,
        (TCP, IDLE) => options.idle = within(value, 1, LONGEST)? as u16,
        (TCP, INTERVAL) => options.interval = within(value, 1, LONGEST)? as u16,
        (TCP, PROBES) => options.probes = within(value, 1, MOST)? as u8,
        (TCP, PATIENCE) => options.patience = within(value, 0, i32::MAX as u32)?,
        _ => return Err(Errno::ENOPROTOOPT),
    }
    Ok(())
}

/// What an option is that is a number.
fn told(socket: &Socket, (level, option): (u32, u32)) -> core::result::Result<u32, Errno> {
    const STREAM: u32 = 1;
    const DATAGRAM: u32 = 2;
    let (options, stream) = (socket.options(), socket.is_stream());
    Ok(match (level, option) {
        (SOCKET, REUSE_ADDRESS) => u32::from(options.reuse),
        (SOCKET, REUSE_PORT) => u32::from(options.reuse_port),
        (SOCKET, KEEP_ALIVE) => u32::from(options.keep_alive),
        (SOCKET, BROADCAST) => u32::from(options.broadcast),
        (SOCKET, KIND) if stream => STREAM,
        (SOCKET, KIND) => DATAGRAM,
        (SOCKET, ERROR) => socket.take_error().map_or(0, |error| error.errno().number().into()),
        (SOCKET, ACCEPTS) => u32::from(socket.listens()),
        (SOCKET, DOMAIN) => super::INET as u32,
        (SOCKET, PROTOCOL) if stream => super::TCP as u32,
        (SOCKET, PROTOCOL) => super::UDP as u32,
        (SOCKET, SEND_BUFFER | RECEIVE_BUFFER) => 16 << 10,
        (IP, SERVICE) => u32::from(options.service),
        (IP, HOPS) => u32::from(options.hops),
        (SOCKET | IP, _) => return Err(Errno::ENOPROTOOPT),
        (TCP, _) if !stream => return Err(Errno::EOPNOTSUPP),
        (TCP, NO_DELAY) => u32::from(options.no_delay),
        (TCP, CORK) => u32::from(options.cork),
        (TCP, QUICK) => u32::from(options.quick),
        (TCP, IDLE) => u32::from(options.idle),
        (TCP, INTERVAL) => u32::from(options.interval),
        (TCP, PROBES) => u32::from(options.probes),
        (TCP, PATIENCE) => options.patience,
        (TCP, _) => return Err(Errno::ENOPROTOOPT),
        _ => return Err(Errno::EOPNOTSUPP),
    })
}

impl FileSystem {
    pub(super) fn set_network(
        &mut self,
        call: &FileCall,
        tag: u64,
        (level, option): (u32, u32),
        cx: &mut Cx<'_>,
    ) -> Result {
        let mut value = [0; 16];
        let read = call.operands.buffer(0)?.read(0, &mut value);
        let value = value.get(..read).unwrap_or_default();
        let number = |value: &[u8]| match value {
            [a, b, c, d, ..] => Ok(u32::from_le_bytes([*a, *b, *c, *d])),
            _ => Err(Errno::EINVAL),
        };
        let first = number(value)?;
        let open = self.network_open(tag)?;
        let socket = open.socket.clone();
        match (level, option) {
            (SOCKET, LINGER) => {
                let seconds = number(value.get(4..).unwrap_or_default())?;
                socket.set(|options| {
                    let before = options.linger.1;
                    options.linger = (first != 0, if first != 0 { seconds } else { before });
                });
            }
            (SOCKET, RECEIVE_TIME | SEND_TIME) => {
                let time = time(value)?;
                let [read, write] = &mut open.times;
                *(if option == RECEIVE_TIME { read } else { write }) = time;
            }
            _ => {
                let mut options = socket.options();
                changed(&mut options, (level, option), first, socket.is_stream())?;
                // What was held back goes now: TCPR sends it.
                if socket.set(|is| *is = options)
                    && let Some(network) = self.system.network.get()
                    && let Some(ports) = network.wiring.ports.get()
                {
                    let labels = Labels::flow(socket.label());
                    let _ = cx.send(ports.tcp, labels, TcpRequest::Go(socket));
                }
            }
        }
        Ok(Done::Value(0))
    }

    pub(super) fn tell_network(
        &mut self,
        call: &FileCall,
        tag: u64,
        (level, option): (u32, u32),
    ) -> Result {
        let open = self.network_open(tag)?;
        let (long, length) = match (level, option) {
            (SOCKET, LINGER) => {
                let (on, seconds) = open.socket.options().linger;
                let both = u64::from(seconds) << 32 | u64::from(on);
                (bytes((both, 0)), 8)
            }
            (SOCKET, RECEIVE_TIME | SEND_TIME) => {
                let [read, write] = open.times;
                let micros = if option == RECEIVE_TIME { read } else { write }.unwrap_or(0);
                (bytes((micros / 1_000_000, micros % 1_000_000)), 16)
            }
            _ => {
                let number = told(&open.socket, (level, option))?;
                (bytes((u64::from(number), 0)), 4)
            }
        };
        let room = (call.shape.name as usize).min(length);
        if room > 0 {
            call.operands.give(1, long.get(..room).unwrap_or_default())?;
        }
        call.operands.give(2, &(room as u32).to_le_bytes())?;
        Ok(Done::Value(0))
    }
}

/// Two numbers as bytes.
fn bytes((one, other): (u64, u64)) -> [u8; 16] {
    (u128::from(one) | u128::from(other) << 64).to_le_bytes()
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
