//! Asks a machine's monitor for a sample a second, for whoever looks at the history.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use super::figures::between;
use super::history::History;
use super::monitor::Monitor;

/// How often.
pub const EVERY: Duration = Duration::from_secs(1);

/// Goes on until it is dropped.
#[derive(Debug)]
pub struct Follower {
    ends: Arc<AtomicBool>,
}

/// Begins.
pub fn follow(port: u16, history: History) -> Follower {
    let ends = Arc::new(AtomicBool::new(false));
    let over = Arc::clone(&ends);
    thread::spawn(move || {
        let (mut monitor, mut last) = (Monitor::at(port), None);
        let mut next = Instant::now();
        while !over.load(Ordering::Relaxed) {
            match monitor.sample() {
                Ok(sample) => {
                    // Two in one moment have nothing between them.
                    if let Some(before) = &last {
                        history.put(between(Some(before), &sample), between(None, &sample));
                    }
                    last = Some(sample);
                }
                Err(error) => history.trouble(error.to_string()),
            }
            next = (next + EVERY).max(Instant::now() + EVERY / 10);
            thread::sleep(next.saturating_duration_since(Instant::now()));
        }
    });
    Follower { ends }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.ends.store(true, Ordering::Relaxed);
    }
}
