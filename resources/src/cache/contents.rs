//! A file's pages, as the tree of files sees them: what is there is copied by the call itself,
//! on its own bill.

use alloc::sync::Arc;
use core::any::Any;
use core::sync::atomic::{AtomicU64, Ordering};

use vortex_files::{Cached, Change, Errno, Owner, Sink, Source, Time};
use vortex_fs::{PAGE, Times};
use vortex_units::Nanos;

use super::{CacheFrame, CachedFile};
use crate::WallClock;
use crate::bill::{activity_of, owner_of};

/// Bytes that are copied at once: by way of the stack, for neither a program's memory nor a page
/// of a file is ever a slice.
const PIECE: usize = 512;
/// No reader has come far.
const NOBODY: u64 = u64::MAX;

/// It.
pub struct Contents {
    /// The file.
    pub file: Arc<CachedFile>,
    clock: WallClock,
    ahead: AtomicU64,
}

impl Contents {
    /// Of a file.
    #[must_use]
    pub fn new(file: Arc<CachedFile>, clock: WallClock) -> Arc<Self> {
        Arc::new(Self { file, clock, ahead: AtomicU64::new(NOBODY) })
    }

    /// The file of a tree's, if it is one.
    #[must_use]
    pub fn of(file: &Arc<dyn Cached>) -> Option<Arc<Self>> {
        file.clone().any().downcast::<Self>().ok()
    }
}

/// Moves bytes of a page in pieces, for those who know no pages: how many, and why no more.
#[cold]
#[inline(never)]
fn pieces(
    within: usize,
    bytes: usize,
    mut piece: impl FnMut(usize, &mut [u8]) -> Result<(), Errno>,
) -> (usize, Result<(), Errno>) {
    let mut part = [0; PIECE];
    let mut done = 0;
    while done < bytes {
        let part = part.get_mut(..(bytes - done).min(PIECE)).unwrap_or_default();
        if let Err(error) = piece(within + done, part) {
            return (done, Err(error));
        }
        done += part.len();
    }
    (done, Ok(()))
}

impl Cached for Contents {
    fn size(&self) -> u64 {
        self.file.size()
    }

    fn read(&self, at: u64, most: usize, sink: &mut dyn Sink) -> Result<usize, Errno> {
        let mut end = Ok(());
        let mut copy = |frame: &CacheFrame, within: usize, bytes: usize| {
            if end.is_err() {
                return 0;
            }
            if let Some(took) = sink.put_from(frame, within, bytes) {
                return took;
            }
            let (done, why) = pieces(within, bytes, |at, part| {
                frame.0.read(at, part);
                sink.put(part)
            });
            end = why;
            done
        };
        let reading = self.file.read(at, most, &mut copy);
        if let Some(page) = reading.ahead {
            self.ahead.store(u64::from(page), Ordering::Relaxed);
        }
        match end {
            Err(error) if reading.bytes == 0 => Err(error),
            _ => Ok(reading.bytes),
        }
    }

    fn write(
        &self,
        at: u64,
        most: usize,
        source: &mut dyn Source,
        (owner, now): (Owner, Time),
    ) -> Result<usize, Errno> {
        let who = activity_of(owner);
        let stamp = to_fs(now);
        let mut end = Ok(());
        let mut copy = |frame: &CacheFrame, within: usize, bytes: usize| {
            if end.is_err() {
                return 0;
            }
            if let Some(gave) = source.take_into(frame, within, bytes) {
                return gave;
            }
            let (done, why) = pieces(within, bytes, |at, part| {
                source.take(part)?;
                frame.0.write(at, part);
                Ok(())
            });
            end = why;
            done
        };
        let since = self.clock.cycles(since_start(&self.clock, now));
        let done = self.file.write(who, self.clock.began + since, at, most, &mut copy);
        if done > 0 {
            let stamp = Some(stamp);
            self.file.touch(who, Times { accessed: None, modified: stamp, changed: stamp });
        }
        match end {
            Err(error) if done == 0 => Err(error),
            _ => Ok(done),
        }
    }

    fn opened(&self, by: Owner) {
        self.file.opened(activity_of(by));
    }

    fn closed(&self, by: Owner) {
        self.file.closed(activity_of(by));
    }

    fn opener_beside(&self, who: Owner) -> Option<Owner> {
        self.file.opener_beside(activity_of(who)).map(owner_of)
    }

    fn errors(&self) -> u32 {
        self.file.errors()
    }

    fn check(&self, seen: &mut u32) -> Result<(), Errno> {
        self.file.check(seen)
    }

    fn stamp(&self, by: Owner, change: &Change) {
        let times = Times {
            accessed: change.accessed.map(to_fs),
            modified: change.modified.map(to_fs),
            changed: change.changed.map(to_fs),
        };
        self.file.set_times(activity_of(by), times);
    }

    fn mapped(&self) -> Option<Time> {
        let time = self.file.mapped()?;
        Some(Time::new(time.seconds, time.nanos))
    }

    fn ahead(&self) -> Option<u64> {
        if self.ahead.load(Ordering::Relaxed) == NOBODY {
            return None;
        }
        let page = self.ahead.swap(NOBODY, Ordering::Relaxed);
        (page != NOBODY).then(|| page * PAGE as u64)
    }

    fn any(self: Arc<Self>) -> Arc<dyn Any + Send + Sync> {
        self
    }
}

fn to_fs(time: Time) -> vortex_fs::Time {
    vortex_fs::Time { seconds: time.seconds, nanos: time.nanos }
}

/// How long after the machine's beginning a time is.
fn since_start(clock: &WallClock, now: Time) -> Nanos {
    let seconds = u64::try_from(now.seconds).unwrap_or(0);
    let nanos = seconds.saturating_mul(1_000_000_000).saturating_add(u64::from(now.nanos));
    Nanos::new(nanos.saturating_sub(clock.epoch.get()))
}
