//! A host on a wire with a machine's network card, which takes nobody's rights: QEMU sends and
//! takes frames by a socket in the file system, and who is on its other end here speaks TCP by
//! smoltcp, or sends whatever frame it likes.
//!
//! All of it is one thread's: what there is to be done is [`Work`], looked at in turn.

mod crowd;
mod flood;
mod host;
mod link;
mod visits;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

pub use crowd::Crowd;
pub use flood::{Flood, Kind};
pub use host::{HOST, Host, MACHINE, words};
pub use link::devices;
pub use visits::{Pace, Visits};

/// Something that a host does on its wire.
pub trait Work {
    /// What is due by now is done.
    fn step(&mut self, host: &mut Host, now: Instant);
}

/// Is there until the machine has ended: QEMU 7.2 falls over where it sends to a wire that nobody
/// has any more.
pub fn stay(host: &mut Host, ended: &AtomicBool) {
    while !ended.load(Ordering::Relaxed) {
        work(host, Duration::from_millis(100), &mut []);
    }
}

/// Does all of it for so long.
pub fn work(host: &mut Host, time: Duration, all: &mut [&mut dyn Work]) {
    let begin = Instant::now();
    while begin.elapsed() < time {
        let now = Instant::now();
        for one in all.iter_mut() {
            one.step(host, now);
        }
        host.poll();
        host.pause();
    }
}
