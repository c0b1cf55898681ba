//! A page of a file, and what is known of it.

use vortex_abi::Errno;
use vortex_units::{ActivityId, Bytes, Cycles};

use super::frame::PageFrame;

/// The smallest block of a file system (ext2: 1 KiB), and so the most blocks of a page.
pub const BLOCKS: usize = 4;

/// What a page is at.
///
/// ```text
/// absent ─claim─► Fetching ─► Clean ─Prepare─► Dirty ─write-back─► Writing ─► Clean
///                  │   │                        ▲                     │
///                  │   └─► Blank ───────────────┤                     │
///                  ▼       (written whole)      └─────────────────────┘ (written to meanwhile)
///                Failed, until it is asked for anew
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Its contents are on their way.
    Fetching,
    /// They did not come, and whose request it was.
    Failed(Errno, ActivityId),
    /// To be written in whole, so it was not fetched: nobody reads it before that is done.
    Blank,
    /// As on the disk.
    Clean,
    /// To be written: programs may write into it.
    Dirty,
    /// The disk is being given it.
    Writing,
}

/// By whom a page was made dirty, and when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dirtied {
    /// Who pays for its way to the disk.
    pub by: ActivityId,
    /// In which of the file's rounds: a sync begins a new one, and waits for those before.
    pub round: u64,
    /// When.
    pub since: Cycles,
}

/// The record of a page's fetch (§2.3), kept with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fetched {
    /// On whose bill it was fetched.
    pub by: ActivityId,
    /// Bytes that came from the disk for it; none for a hole.
    pub bytes: Bytes,
    /// Cycles from when it was asked for until it was there.
    pub time: Cycles,
}

/// A page.
#[derive(Debug)]
pub struct Page<F> {
    /// `None` where it failed.
    pub frame: Option<F>,
    pub state: State,
    /// Another page at the same place has another.
    pub serial: u32,
    /// Where its blocks are on the volume; zero for a hole.
    pub places: [u32; BLOCKS],
    /// If it is to be written: by whom it was made so first. What is written to it while the
    /// disk is given it is the next round's, and its writer's.
    pub dirtied: Option<Dirtied>,
    pub again: Option<Dirtied>,
    /// Who are writing into it now.
    pub users: u16,
    /// Programs may write to it by a mapping: so it stays dirty.
    pub mapped: bool,
    /// Or could since it went to the disk last: there may be more behind the file's end than
    /// zeros.
    pub scribbled: bool,
    /// Requests of FCR that it must stay for.
    pub pins: u16,
    /// It was read since somebody looked.
    pub used: bool,
    /// Whoever reads it is to ask for those that follow.
    pub marks: bool,
    /// Parts of it that the disk is at.
    pub parts: u16,
    /// One of them has failed.
    pub error: Option<Errno>,
    /// On whose bill its memory is.
    pub owner: ActivityId,
    /// The activity of which that is a part: on its bill is what is kept of the file for the page.
    pub payer: ActivityId,
    pub fetched: Fetched,
}

impl<F> Page<F> {
    /// A page whose contents are to be fetched.
    pub fn claimed(
        frame: F,
        (owner, payer): (ActivityId, ActivityId),
        serial: u32,
        now: Cycles,
    ) -> Self {
        Self {
            frame: Some(frame),
            state: State::Fetching,
            serial,
            places: [0; BLOCKS],
            dirtied: None,
            again: None,
            users: 0,
            mapped: false,
            scribbled: false,
            pins: 0,
            used: true,
            marks: false,
            parts: 0,
            error: None,
            owner,
            payer,
            // Until it is there: when it was asked for.
            fetched: Fetched { by: owner, bytes: Bytes::ZERO, time: now },
        }
    }

    /// Whether its contents are what the file says.
    pub fn is_valid(&self) -> bool {
        matches!(self.state, State::Clean | State::Dirty | State::Writing)
    }

    /// Whether these blocks of it have places on the volume.
    pub fn is_backed(&self, (first, end): (usize, usize)) -> bool {
        let places = self.places.get(first..end).unwrap_or_default();
        !places.is_empty() && places.iter().all(|place| *place != 0)
    }

    /// Whether programs may write into these blocks of it, or into all of it.
    pub fn takes(&self, blocks: (usize, usize), whole: bool) -> bool {
        let takes = match self.state {
            State::Dirty | State::Writing => true,
            State::Blank => whole,
            State::Fetching | State::Failed(..) | State::Clean => false,
        };
        takes && self.is_backed(blocks)
    }
}

impl<F: PageFrame> Page<F> {
    /// Whether somebody beside the cache has its memory: shows it, or reads it this moment.
    pub fn is_shown(&self) -> bool {
        self.frame.as_ref().is_some_and(|frame| !frame.is_sole())
    }

    /// Programs cannot write to it by a mapping any more, if nobody beside the cache has it.
    /// Whether that is so now. What was written while the disk is given a part of it may have
    /// missed another that has gone before: then it goes again.
    pub fn let_go(&mut self) -> bool {
        let goes = self.mapped && !self.is_shown();
        if goes {
            self.mapped = false;
            if self.state == State::Writing && self.again.is_none() {
                self.again = self.dirtied;
            }
        }
        !self.mapped
    }

    /// Whether it can be dropped at once. Who shows it would not see any more what is written
    /// to the file.
    pub fn is_idle(&self) -> bool {
        let settled = matches!(self.state, State::Clean | State::Failed(..));
        settled && self.users == 0 && self.pins == 0 && self.parts == 0 && !self.is_shown()
    }
}
