//! The limits of a process, as getrlimit(2) has them: kept, inherited, and enforced.
//!
//! | limit | where it is enforced |
//! |---|---|
//! | `CPU` | [`super::cpu_timers`], on the time in user mode |
//! | `FSIZE` | the file resource: `EFBIG` and SIGXFSZ |
//! | `DATA`, `AS`, `STACK` | ASR, by [`crate::memory::Bounds`] |
//! | `NPROC` | PR, when a thread or process is made: all of the activity count |
//! | `NOFILE` | the descriptor table |
//! | `CORE` | none is written: no other soft limit than zero is accepted |
//! | `RSS`, `MEMLOCK`, `LOCKS`, `MSGQUEUE`, `NICE`, `RTPRIO`, `RTTIME` | always held: there is no such thing, or Linux too limits only others than the superuser, who all here are |
//! | `SIGPENDING` | as it is: another value is refused |

use core::sync::atomic::{AtomicBool, Ordering};

use spin::Mutex;
use vortex_abi::Errno;

use super::signals::REALTIME_LIMIT;
use crate::memory::Bounds;

/// No limit.
pub const INFINITY: u64 = u64::MAX;
/// Of how many descriptors the hard limit may be (`fs.nr_open`).
const DESCRIPTORS_MOST: u64 = 1 << 20;
const COUNT: usize = 16;

/// A limit's name, by Linux's number.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Limited {
    /// Seconds in user mode.
    Cpu = 0,
    /// The size of files that it writes.
    FileSize = 1,
    /// Private memory that it may write, but for the stack.
    Data = 2,
    /// Its stack.
    Stack = 3,
    /// A core file.
    Core = 4,
    /// Threads of its activity.
    Processes = 6,
    /// Descriptors.
    Descriptors = 7,
    /// Memory in its address space, but for the stack.
    Space = 9,
    /// Signals that wait.
    Signals = 11,
}

/// A soft limit and a hard one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Pair {
    /// What is enforced.
    pub soft: u64,
    /// To what the soft one may be raised.
    pub hard: u64,
}

impl Pair {
    const NONE: Self = Self { soft: INFINITY, hard: INFINITY };

    /// From a `struct rlimit`.
    #[must_use]
    pub fn from_bytes(bytes: &[u8; 16]) -> Self {
        let (soft, hard) = bytes.split_at(8);
        let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
        Self { soft: word(soft), hard: word(hard) }
    }

    /// As a `struct rlimit`.
    #[must_use]
    pub fn to_bytes(self) -> [u8; 16] {
        let mut bytes = [0; 16];
        let (soft, hard) = bytes.split_at_mut(8);
        soft.copy_from_slice(&self.soft.to_le_bytes());
        hard.copy_from_slice(&self.hard.to_le_bytes());
        bytes
    }
}

/// The limits of one process: a leaf lock, held for a copy. With them goes whether its pages come
/// one at a time.
pub struct Rlimits(Mutex<[Pair; COUNT]>, AtomicBool);

impl Default for Rlimits {
    /// Those of a service's first process.
    fn default() -> Self {
        let signals = REALTIME_LIMIT as u64;
        let mut pairs = [Pair::NONE; COUNT];
        let usual = [
            (Limited::Stack, Pair { soft: 8 << 20, hard: INFINITY }),
            (Limited::Core, Pair { soft: 0, hard: INFINITY }),
            (Limited::Descriptors, Pair { soft: 1024, hard: 4096 }),
            (Limited::Signals, Pair { soft: signals, hard: signals }),
        ];
        for (limited, pair) in usual {
            if let Some(place) = pairs.get_mut(limited as usize) {
                *place = pair;
            }
        }
        Self(Mutex::new(pairs), AtomicBool::new(false))
    }
}

impl Rlimits {
    /// A child's: the same.
    #[must_use]
    pub fn inherited(&self) -> Self {
        Self(Mutex::new(*self.0.lock()), AtomicBool::new(self.is_small()))
    }

    /// The limit with this number.
    ///
    /// # Errors
    /// `EINVAL` where there is none.
    pub fn get(&self, number: u32) -> Result<Pair, Errno> {
        let place = usize::try_from(number).map_err(|_| Errno::EINVAL)?;
        self.0.lock().get(place).copied().ok_or(Errno::EINVAL)
    }

    /// What is enforced.
    #[must_use]
    pub fn soft(&self, limited: Limited) -> u64 {
        self.0.lock().get(limited as usize).map_or(INFINITY, |pair| pair.soft)
    }

    /// Sets a limit. Everybody is the superuser: hard limits may be raised.
    ///
    /// # Errors
    /// `EINVAL` for no limit or a soft one above the hard one; `EPERM` for what cannot be
    /// enforced.
    pub fn set(&self, number: u32, new: Pair) -> Result<(), Errno> {
        let old = self.get(number)?;
        if new.soft > new.hard {
            return Err(Errno::EINVAL);
        }
        let is = |limited: Limited| number == limited as u32;
        let beyond = is(Limited::Descriptors) && new.hard > DESCRIPTORS_MOST
            || is(Limited::Core) && new.soft != 0
            || is(Limited::Signals) && new != old;
        if beyond {
            return Err(Errno::EPERM);
        }
        if let Some(place) = self.0.lock().get_mut(number as usize) {
            *place = new;
        }
        Ok(())
    }

    /// Whether its pages come one at a time (`PR_SET_THP_DISABLE`).
    #[must_use]
    pub fn is_small(&self) -> bool {
        self.1.load(Ordering::Relaxed)
    }

    /// Says whether they do.
    pub fn set_small(&self, small: bool) {
        self.1.store(small, Ordering::Relaxed);
    }

    /// Those that ASR enforces.
    pub fn bound(&self, bounds: &Bounds) {
        bounds.set_small(self.is_small());
        bounds.set(self.soft(Limited::Space), self.soft(Limited::Data), self.soft(Limited::Stack));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESCRIPTORS: u32 = Limited::Descriptors as u32;

    #[test]
    fn a_child_has_the_same_and_its_own() {
        let parent = Rlimits::default();
        assert_eq!(parent.set(DESCRIPTORS, Pair { soft: 5, hard: 9 }), Ok(()));
        let child = parent.inherited();
        assert_eq!(child.get(DESCRIPTORS), Ok(Pair { soft: 5, hard: 9 }));
        assert_eq!(child.set(DESCRIPTORS, Pair { soft: 6, hard: 6 }), Ok(()));
        assert_eq!(parent.soft(Limited::Descriptors), 5);
    }

    #[test]
    fn what_cannot_be_kept_is_refused() {
        let limits = Rlimits::default();
        assert_eq!(limits.set(DESCRIPTORS, Pair { soft: 2, hard: 1 }), Err(Errno::EINVAL));
        assert_eq!(limits.set(16, Pair { soft: 0, hard: 0 }), Err(Errno::EINVAL));
        let all = Pair { soft: 1, hard: INFINITY };
        assert_eq!(limits.set(DESCRIPTORS, all), Err(Errno::EPERM));
        assert_eq!(limits.set(Limited::Core as u32, all), Err(Errno::EPERM));
        assert_eq!(limits.set(Limited::Signals as u32, all), Err(Errno::EPERM));
        assert_eq!(limits.get(DESCRIPTORS), Ok(Pair { soft: 1024, hard: 4096 }));
    }
}
