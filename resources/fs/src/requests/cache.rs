//! To FCR, and what it answers.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_abi::Errno;
use vortex_units::ActivityId;

use crate::cache::{CachedFile, PAGE_BYTES, PageFrame, PageName, Tray, page_of, pages_for};
use crate::fcr::Piece;
use crate::names::MountId;

/// Pages that one request is about at most: 128 KiB. Who wants more asks again.
pub(crate) const MOST_PAGES: u32 = 32;
const MOST_BYTES: u64 = 128 * 1024;
/// Pages that are fetched together for a mapping.
pub const BLOCK_PAGES: u32 = 16;

/// A request to FCR.
pub struct CacheRequest<F>(pub(crate) Ask<F>);

/// What FCR answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CacheReply {
    /// It is done, or what came of it.
    Done(Result<(), Errno>),
    /// It may be written up to here; not always to where was asked for.
    Prepared(Result<u64, Errno>),
    /// Whether the page's memory is given up.
    Reclaimed(bool),
}

pub(crate) enum Ask<F> {
    Task(Task<F>),
    /// A part of a file's way from or to the disk: which, and, when it is taken, what.
    Piece(Arc<CachedFile<F>>, u64, Option<Piece>),
    /// All files, of a mount or all, from a number on.
    SyncAll(Option<MountId>, u32),
    EvictActivity(ActivityId, Walk),
    /// Which, whether it is synced, and the file and page that it has come to.
    Unmount(MountId, bool, u32, u32),
    Reclaim(PageName, u8),
    Tick(u32),
    /// More of those who wait look again.
    Wake,
}

/// How far a walk over the pages of all files has come.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Walk {
    pub file: u32,
    pub page: u32,
    /// Some of the file's pages must be written first, and how often that was waited for.
    pub dirty: bool,
    pub tries: u8,
}

/// What is to become of a file.
pub(crate) struct Task<F> {
    pub file: Arc<CachedFile<F>>,
    pub kind: Kind,
    pub stage: Stage,
    /// It is among those that read or write the file.
    pub inside: bool,
    /// It has the file for itself.
    pub alone: bool,
    /// How often it was begun anew.
    pub tries: u8,
    /// What is prepared is written to by a mapping.
    pub maps: bool,
    /// Memory for a page that whoever asks has brought.
    pub spare: Option<F>,
    pub job: Option<Box<Job>>,
    /// Where the frames of what was fetched go.
    pub tray: Option<Arc<Tray<F>>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Fetch {
        first: u32,
        end: u32,
    },
    /// A page that is shown to a program.
    Fault {
        page: u32,
    },
    Ahead {
        page: u32,
    },
    Prepare {
        from: u64,
        to: u64,
    },
    Truncate {
        size: u64,
    },
    Sync {
        data_only: bool,
        /// It is to be on the medium.
        lasts: bool,
    },
    WriteBack {
        of: ActivityId,
    },
    /// Of these pages.
    Evict {
        first: u32,
        end: u32,
    },
    Release,
}

/// How far a task has come; what each kind makes of it is written there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stage {
    Begin,
    /// It waits until less of what was changed for it is unwritten.
    Easing,
    /// It claims pages, some in a run.
    Claiming,
    Asked,
    Sending,
    Waiting,
    Closing,
    Alone,
    Last,
}

/// What a task has under way.
#[derive(Default)]
pub(crate) struct Job {
    /// Pages that it has claimed.
    pub claimed: Vec<u32>,
    /// Pages that stay for it, with their serials.
    pub pinned: Vec<(u32, u32)>,
    /// What is to be sent still.
    pub pieces: Vec<Piece>,
    /// The round that a sync waits for.
    pub round: u64,
    /// Where a walk over pages goes on; of one that claims them, where it ends, and which of them
    /// is to be marked then.
    pub at: u32,
    pub upto: u32,
    pub mark: Option<u32>,
    /// Something was begun in this walk; of a write, that what is before it is seen to.
    pub begun: bool,
    /// Pages before this one are not written to by mappings while it goes on.
    pub taken: u32,
    /// How often it has waited for fewer dirty pages.
    pub waited: u8,
    /// It has waited for less metadata that is not written.
    pub eased: bool,
    /// The size that EXT2R is being told.
    pub told: Option<u64>,
}

impl<F: PageFrame> CacheRequest<F> {
    fn task(file: Arc<CachedFile<F>>, kind: Kind) -> Self {
        let stage = Stage::Begin;
        Self(Ask::Task(Task {
            file,
            kind,
            stage,
            inside: false,
            alone: false,
            tries: 0,
            maps: false,
            spare: None,
            job: None,
            tray: None,
        }))
    }

    /// Pages are to be there: at most 32 from the first on. Answered by `Done`.
    #[must_use]
    pub fn fetch(file: Arc<CachedFile<F>>, first: u32, count: u32) -> Self {
        let end = first.saturating_add(count.min(MOST_PAGES));
        Self::task(file, Kind::Fetch { first, end })
    }

    /// A page is to be there that a program has touched where it has mapped the file; those
    /// around it are fetched with it, and not waited for. Answered by `Done`. With memory for
    /// the page, if whoever asks has waited for it.
    #[must_use]
    pub fn fault(file: Arc<CachedFile<F>>, page: u32, spare: Option<F>) -> Self {
        Self::task(file, Kind::Fault { page }).bring(spare)
    }

    /// The same, and their frames are handed over: those that are on the tray when it is answered,
    /// from the first page on, at least one where the file has one there.
    #[must_use]
    pub fn read(file: Arc<CachedFile<F>>, first: u32, count: u32, tray: Arc<Tray<F>>) -> Self {
        let mut read = Self::fetch(file, first, count);
        if let Ask::Task(task) = &mut read.0 {
            task.tray = Some(tray);
        }
        read
    }

    /// Pages will be wanted soon, a block of 16 from this one on, whoever is said to read in
    /// order. To be sent, not waited for.
    #[must_use]
    pub fn soon(file: Arc<CachedFile<F>>, first: u32) -> Self {
        let mut fetch = Self::fetch(file, first, BLOCK_PAGES);
        if let Ask::Task(task) = &mut fetch.0 {
            // As one that was begun before: it is nobody's reading.
            task.tries = 1;
        }
        fetch
    }

    /// Who reads the file in order has come to this page. To be sent, not waited for.
    #[must_use]
    pub fn ahead(file: Arc<CachedFile<F>>, page: u32) -> Self {
        Self::task(file, Kind::Ahead { page })
    }

    /// Bytes of a file are going to be written: they get blocks, pages written in part are
    /// fetched. Answered by `Prepared`, with how far that is so: at most 128 KiB at a time.
    /// Then [`CachedFile::write`]; where that does less, prepare again.
    #[must_use]
    pub fn prepare(file: Arc<CachedFile<F>>, from: u64, to: u64) -> Self {
        let to = to.min(from.saturating_add(MOST_BYTES));
        Self::task(file, Kind::Prepare { from, to })
    }

    /// A page is going to be written to by a mapping: it is fetched, and its blocks up to the
    /// file's end get places. Answered by `Prepared`. Then [`CachedFile::hold`]; where that
    /// gives nothing, the same again.
    #[must_use]
    pub fn map_write(file: Arc<CachedFile<F>>, page: u32) -> Self {
        let start = u64::from(page).saturating_mul(PAGE_BYTES);
        let end = file.ends().min(start.saturating_add(PAGE_BYTES));
        // Not from its first byte on: so it is not taken to be written in whole.
        let from = start.saturating_add(1);
        let mut request = Self::prepare(file, from, end.max(from.saturating_add(1)));
        if let Ask::Task(task) = &mut request.0 {
            task.maps = true;
        }
        request
    }

    /// The same, with memory for a page, if whoever asks has waited for it.
    #[must_use]
    pub fn bring(mut self, spare: Option<F>) -> Self {
        if let Ask::Task(task) = &mut self.0 {
            task.spare = spare;
        }
        self
    }

    /// The file is to have this size. Answered by `Done`.
    #[must_use]
    pub fn truncate(file: Arc<CachedFile<F>>, size: u64) -> Self {
        Self::task(file, Kind::Truncate { size })
    }

    /// What was written to the file until now is to be on the disk, with what is needed to find
    /// it again; all that is known of it, unless only the data is wanted (fdatasync(2)).
    /// Answered by `Done`; what could not be written says [`CachedFile::check`] of each open
    /// file.
    #[must_use]
    pub fn sync(file: Arc<CachedFile<F>>, data_only: bool) -> Self {
        Self::task(file, Kind::Sync { data_only, lasts: true })
    }

    /// The same without waiting until it is on the medium: whoever does this for many files has
    /// all of it put there together. Answered by `Done`.
    #[must_use]
    pub(crate) fn settle(file: Arc<CachedFile<F>>) -> Self {
        Self::task(file, Kind::Sync { data_only: false, lasts: false })
    }

    /// The same for all files of a mount, or all. Answered by `Done`.
    #[must_use]
    pub fn sync_all(of: Option<MountId>) -> Self {
        Self(Ask::SyncAll(of, 0))
    }

    /// Nothing of these pages, from the first to before the end, is to be kept in memory
    /// (footnote 13) of what is on the bill of who asks: what is dirty of the file is written.
    /// Answered by `Done`.
    #[must_use]
    pub fn evict(file: Arc<CachedFile<F>>, first: u32, end: u32) -> Self {
        Self::task(file, Kind::Evict { first, end })
    }

    /// No page is to be kept that is on this activity's bill (footnote 13): what is dirty is
    /// written before. Pages that somebody has mapped stay. Answered by `Done`. To be sent too
    /// when the activity ends, as the infrastructure's.
    #[must_use]
    pub fn evict_activity(activity: ActivityId) -> Self {
        Self(Ask::EvictActivity(activity, Walk::default()))
    }

    /// Nobody has the file open and it has no name: its pages go, then its inode. Answered by
    /// `Done`.
    #[must_use]
    pub fn release(file: Arc<CachedFile<F>>) -> Self {
        Self::task(file, Kind::Release)
    }

    /// A file system is not to be served any more: all is written, nothing of it is kept, and it
    /// is marked as in order. Who asks sees to it that no file of it is open; what is on its way
    /// yet, for who has ended or because it was read ahead, is waited for. Answered by `Done`;
    /// `EBUSY` where pages of it are still used.
    #[must_use]
    pub fn unmount(mount: MountId) -> Self {
        Self(Ask::Unmount(mount, false, 0, 0))
    }

    /// The memory multiplexor wants a page back. Answered by `Reclaimed`.
    #[must_use]
    pub fn reclaim(name: PageName) -> Self {
        Self(Ask::Reclaim(name, 0))
    }

    /// The first tick, to be sent once, as the infrastructure's: FCR sends the others itself.
    #[must_use]
    pub fn tick() -> Self {
        Self(Ask::Tick(0))
    }

    pub(crate) fn wake() -> Self {
        Self(Ask::Wake)
    }

    pub(crate) fn write_back(file: Arc<CachedFile<F>>, of: ActivityId) -> Self {
        Self::task(file, Kind::WriteBack { of })
    }

    pub(crate) fn piece(file: Arc<CachedFile<F>>, number: u64) -> Self {
        Self(Ask::Piece(file, number, None))
    }

    /// What it asks for, for people.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match &self.0 {
            Ask::Task(task) => match task.kind {
                Kind::Fetch { .. } if task.tray.is_some() => "read",
                Kind::Fetch { .. } => "fetch",
                Kind::Fault { .. } => "fault",
                Kind::Ahead { .. } => "read ahead",
                Kind::Prepare { .. } => "prepare",
                Kind::Truncate { .. } => "truncate",
                Kind::Sync { .. } => "sync",
                Kind::WriteBack { .. } => "write back",
                Kind::Evict { .. } => "evict",
                Kind::Release => "release",
            },
            Ask::Piece(..) => "piece",
            Ask::SyncAll(..) => "sync all",
            Ask::EvictActivity(..) => "evict an activity",
            Ask::Unmount(..) => "unmount",
            Ask::Reclaim(..) => "reclaim",
            Ask::Tick(_) => "tick",
            Ask::Wake => "wake",
        }
    }
}

impl<F> Task<F> {
    /// What it has under way.
    pub fn job(&mut self) -> &mut Job {
        self.job.get_or_insert_default()
    }
}

impl Kind {
    /// The pages that it is about.
    pub fn pages(self) -> (u32, u32) {
        match self {
            Self::Fetch { first, end } => (first, end),
            Self::Ahead { page } | Self::Fault { page } => (page, page.saturating_add(1)),
            Self::Prepare { from, to } => (page_of(from), pages_for(to)),
            _ => (0, u32::MAX),
        }
    }
}
