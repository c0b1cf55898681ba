//! Pages that are asked for, each by a connection of its own, and how long each takes.

use std::time::{Duration, Instant};

use smoltcp::iface::SocketHandle;
use smoltcp::socket::tcp::State;

use super::{Host, Work};

/// How long one is waited for.
const PATIENCE: Duration = Duration::from_secs(10);
/// Bytes that a connection has room for.
const ROOM: usize = 4_096;
const ASKED: &[u8] = b"GET /page HTTP/1.0\r\n\r\n";
const ANSWERED: &[u8] = b"HTTP/1.0 200";

/// When they are asked for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Pace {
    /// So many a second, whatever became of those before.
    Rate(f64),
    /// So many at once, each when the one before it has come.
    Together(usize),
}

struct Visit {
    due: Instant,
    handle: SocketHandle,
    asked: bool,
    /// What has come of the answer.
    head: Vec<u8>,
}

/// Those who ask for pages.
pub struct Visits {
    port: u16,
    pace: Pace,
    begin: Option<Instant>,
    begun: u64,
    under_way: Vec<Visit>,
    /// How long each page took that has come.
    pub took: Vec<Duration>,
    /// Pages that have not, or not whole.
    pub failed: u64,
}

impl Visits {
    /// At this port of the machine's.
    pub fn new(port: u16, pace: Pace) -> Self {
        let (took, under_way) = (Vec::new(), Vec::new());
        Self { port, pace, begin: None, begun: 0, under_way, took, failed: 0 }
    }

    /// How many are under way.
    pub fn left(&self) -> usize {
        self.under_way.len()
    }

    /// No more are begun.
    pub fn end(&mut self) {
        self.pace = Pace::Together(0);
    }

    /// Those under way are given up.
    pub fn give_up(&mut self, host: &mut Host) {
        for visit in self.under_way.drain(..) {
            host.reset(visit.handle);
            self.failed += 1;
        }
    }

    /// The time within which so many of a thousand have come.
    pub fn within(&self, thousandths: usize) -> Duration {
        let mut all = self.took.clone();
        all.sort();
        let place = (all.len() * thousandths).div_ceil(1_000).saturating_sub(1);
        all.get(place).copied().unwrap_or_default()
    }

    fn begin_due(&mut self, host: &mut Host, now: Instant) {
        let begin = *self.begin.get_or_insert(now);
        loop {
            let due = match self.pace {
                Pace::Together(most) if self.under_way.len() < most => now,
                Pace::Rate(rate) => begin + Duration::from_secs_f64(self.begun as f64 / rate),
                Pace::Together(_) => return,
            };
            if due > now {
                return;
            }
            self.begun += 1;
            let handle = host.connect(self.port, ROOM);
            self.under_way.push(Visit { due, handle, asked: false, head: Vec::new() });
        }
    }
}

impl Visit {
    /// Goes on with it. Whether it has ended, and well.
    fn step(&mut self, host: &mut Host, now: Instant) -> Option<bool> {
        let socket = host.socket(self.handle);
        if !self.asked && socket.may_send() {
            self.asked = socket.send_slice(ASKED).is_ok();
        }
        let mut bytes = [0; ROOM];
        while socket.can_recv() {
            let Ok(count) = socket.recv_slice(&mut bytes) else { break };
            self.head.extend_from_slice(bytes.get(..count).unwrap_or_default());
        }
        // Who serves closes first.
        match socket.state() {
            State::CloseWait => {
                let good = self.asked && self.head.starts_with(ANSWERED);
                socket.close();
                Some(good)
            }
            State::Closed => Some(false),
            _ if now.duration_since(self.due) > PATIENCE => Some(false),
            _ => None,
        }
    }
}

impl Work for Visits {
    fn step(&mut self, host: &mut Host, now: Instant) {
        self.begin_due(host, now);
        let mut at = 0;
        while let Some(visit) = self.under_way.get_mut(at) {
            let Some(good) = visit.step(host, now) else {
                at += 1;
                continue;
            };
            let visit = self.under_way.swap_remove(at);
            if good {
                self.took.push(now.duration_since(visit.due));
                // Its end is sent; that it has arrived nobody waits for.
                host.poll();
                host.forget(visit.handle);
            } else {
                self.failed += 1;
                host.reset(visit.handle);
            }
        }
    }
}
