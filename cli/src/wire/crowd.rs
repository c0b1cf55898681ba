//! Many connections on which next to nothing is said.

use std::time::{Duration, Instant};

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::State;

use super::{Host, Work};

/// Bytes that a connection has room for.
const ROOM: usize = 256;
/// Connections that are begun at a time.
const BEGUN: usize = 16;
/// How a question begins, and one of the lines that never end it.
const BEGINS: &[u8] = b"GET /page HTTP/1.0\r\n";
const LINE: &[u8] = b"X-More: x\r\n";

/// One of them.
struct One {
    handle: SocketHandle,
    /// When it says something next; at first, when it is connected.
    next: Option<Instant>,
}

/// A crowd.
pub struct Crowd {
    port: u16,
    count: usize,
    /// How often each says a line; not at all without.
    every: Option<Duration>,
    all: Vec<One>,
    /// How often one was closed by the machine, and begun anew.
    pub closed: u64,
}

impl Crowd {
    /// So many at this port of the machine's, each of which says a line so often.
    pub fn new(port: u16, count: usize, every: Option<Duration>) -> Self {
        Self { port, count, every, all: Vec::new(), closed: 0 }
    }

    /// How many are connected.
    pub fn connected(&self, host: &mut Host) -> usize {
        let is = |one: &&One| host.socket(one.handle).state() == State::Established;
        self.all.iter().filter(is).count()
    }

    /// All of them go, by a reset.
    pub fn end(&mut self, host: &mut Host) {
        self.all.drain(..).for_each(|one| host.reset(one.handle));
    }
}

impl Work for Crowd {
    fn step(&mut self, host: &mut Host, now: Instant) {
        let mut begun = 0;
        let mut at = 0;
        while let Some(one) = self.all.get_mut(at) {
            at += 1;
            let socket = host.socket(one.handle);
            match socket.state() {
                State::Established => {}
                State::Closed | State::CloseWait => {
                    at -= 1;
                    let gone = self.all.swap_remove(at);
                    host.reset(gone.handle);
                    self.closed += 1;
                    continue;
                }
                _ => {
                    begun += 1;
                    continue;
                }
            }
            let Some(every) = self.every else { continue };
            let (line, due) = match one.next {
                None => (BEGINS, true),
                Some(next) => (LINE, now >= next),
            };
            if due && socket.send_slice(line).is_ok() {
                one.next = Some(now + every);
            }
            let mut bytes = [0; ROOM];
            while socket.can_recv() && socket.recv_slice(&mut bytes).is_ok() {}
        }
        while self.all.len() < self.count && begun < BEGUN {
            begun += 1;
            self.all.push(One { handle: host.connect(self.port, ROOM), next: None });
        }
    }
}
