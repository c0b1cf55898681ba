//! Whose requests ASR serves for a space.
//!
//! Requests for a space have its number as their label, so those of one sender and activity
//! are served in order. There are others: forks are PR's requests, and a process has threads
//! in several activities when some are bound to sub-activities. Of these one has the space at
//! a time, from a request's first run to its answer, and who comes meanwhile waits in its
//! queue.
//!
//! # Invariants
//! - Who waits first says so and then looks whether the space is free; who leaves it first
//!   says so and then looks whether anybody waits. So one sees the other.
//! - Each that leaves lets one go on, and whoever finds the space taken again waits anew: as
//!   long as any wait, one of them, or whoever has the space, lets the next go on.

use alloc::vec::Vec;
use core::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use spin::Mutex;
use vortex_units::{ActivityId, CoreId, InstanceId};

/// One that waits: its activity, and the core on which its request is.
pub type Waiting = (ActivityId, CoreId);

/// Whose turn it is.
#[derive(Default)]
pub struct Turn {
    /// Whose request has the space ([`Order`]); zero if none has.
    owner: AtomicU64,
    /// Whether any wait.
    waited: AtomicBool,
    waiting: Mutex<Vec<Waiting>>,
}

/// Of a sender's requests for an activity at most one is being served, by its label.
#[derive(Clone, Copy, Debug)]
pub struct Order(pub ActivityId, pub InstanceId);

impl Order {
    /// As one number, not zero. In an activity's place there is one at a time.
    fn packed(self) -> u64 {
        ((self.0.index() as u64) << 32 | u64::from(self.1.get())).wrapping_add(1)
    }
}

impl Turn {
    /// A request is to be served, or goes on. False if it has to wait: then
    /// [`Self::leave`] names its activity, once.
    #[must_use]
    pub fn enter(&self, order: Order, core: CoreId) -> bool {
        self.take(order.packed()) || self.wait(order, core)
    }

    fn take(&self, own: u64) -> bool {
        let taken = self.owner.compare_exchange(0, own, Ordering::SeqCst, Ordering::SeqCst);
        taken.is_ok() || taken == Err(own)
    }

    #[cold]
    fn wait(&self, order: Order, core: CoreId) -> bool {
        let mut waiting = self.waiting.lock();
        self.waited.store(true, Ordering::SeqCst);
        if self.take(order.packed()) {
            self.waited.store(!waiting.is_empty(), Ordering::SeqCst);
            return true;
        }
        let entry = (order.0, core);
        if !waiting.contains(&entry) {
            waiting.push(entry);
        }
        false
    }

    /// The request has been served. Who is to go on now.
    #[must_use]
    pub fn leave(&self) -> Option<Waiting> {
        self.owner.store(0, Ordering::SeqCst);
        if self.waited.load(Ordering::SeqCst) { self.next() } else { None }
    }

    #[cold]
    fn next(&self) -> Option<Waiting> {
        let mut waiting = self.waiting.lock();
        let first = if waiting.is_empty() { None } else { Some(waiting.remove(0)) };
        self.waited.store(!waiting.is_empty(), Ordering::SeqCst);
        first
    }
}

#[cfg(test)]
mod tests {
    extern crate std;

    use std::sync::atomic::AtomicU32;
    use std::sync::{Arc, mpsc};
    use std::thread;

    use super::*;

    const fn order(activity: u32, sender: u16) -> Order {
        Order(ActivityId::new(activity, 0), InstanceId::new(sender))
    }

    #[test]
    fn one_has_it_and_the_others_go_on_one_after_the_other() {
        let (turn, core) = (Turn::default(), CoreId::new(1));
        let (own, other, third) = (order(0, 0), order(2, 0), order(3, 0));
        assert!(turn.enter(own, core) && turn.enter(own, core));
        assert!(!turn.enter(other, core) && !turn.enter(third, core));
        assert!(!turn.enter(other, core), "it is noted once");
        assert!(!turn.enter(order(0, 1), core), "another sender's has no order with it");
        assert_eq!(turn.leave(), Some((other.0, core)));
        // Another comes before it.
        assert!(turn.enter(own, core) && !turn.enter(other, core));
        assert_eq!(turn.leave(), Some((third.0, core)));
        assert!(turn.enter(third, core));
        assert_eq!(turn.leave(), Some((own.0, core)));
        assert!(turn.enter(order(0, 1), core));
        assert_eq!(turn.leave(), Some((other.0, core)));
        assert!(turn.enter(other, core));
        assert_eq!(turn.leave(), None);
    }

    /// Whoever waits is let go on by whoever leaves: nobody waits for ever, and never are two
    /// at work.
    #[test]
    fn nobody_is_forgotten() {
        const THREADS: u32 = 4;
        const ROUNDS: u32 = 20_000;
        let turn = Arc::new(Turn::default());
        let inside = Arc::new(AtomicU32::new(0));
        let (wake, woken): (Vec<_>, Vec<_>) = (0..THREADS).map(|_| mpsc::channel()).unzip();
        let threads: Vec<_> = (0..THREADS)
            .zip(woken)
            .map(|(own, woken)| {
                let (turn, inside, wake) = (turn.clone(), inside.clone(), wake.clone());
                thread::spawn(move || {
                    for _ in 0..ROUNDS {
                        while !turn.enter(order(own, 0), CoreId::new(own as u16)) {
                            woken.recv().unwrap();
                        }
                        assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0);
                        inside.fetch_sub(1, Ordering::SeqCst);
                        if let Some((_, core)) = turn.leave() {
                            wake[core.index()].send(()).unwrap();
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    }
}
