//! What the tree asks of a file system on a disk, in the words of those who answer: FCR what is
//! in files, EXT2R the rest.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_abi::Errno;
use vortex_files::{
    Ask, Cached, Change, Create, Dev, FileSystem as Usage, FsId, Known, Listed, OnDisk, Rename,
    Time, Told,
};
use vortex_fs::{
    Answer, Caller, Changes, Entries, FileId, MountId, New, Object, Operation, Replace,
};
use vortex_grid::{Labels, Trigger};
use vortex_machine::PAGE;
use vortex_units::ActivityId;

use super::asks::Stage;
use super::calls::Cx;
use super::resource::FileSystem;
use crate::cache::{
    CacheFrame, CacheReply, CacheRequest, Contents, Ext2Reply, Ext2Request, Wiring,
};
use crate::memory::MemoryRequest;

/// The kind of a mode's bits.
const KIND: u32 = 0o170_000;
const PERMISSIONS: u32 = 0o7777;
/// The topmost directory of ext2.
const TOP: u32 = 2;
/// Linux's number for it.
const MAGIC: u32 = 0xef53;
const LONGEST_NAME: u64 = 255;

const PAGE_BYTES: u64 = PAGE as u64;

/// What an answer comes to.
pub(super) enum Below {
    /// This.
    Told(Told),
    /// Something more is asked first.
    Asked(Stage, Trigger),
}

type Asked = Result<Trigger, Errno>;

impl FileSystem {
    fn below(&self) -> Result<&Arc<Wiring>, Errno> {
        self.system.file_systems.get().ok_or(Errno::ENODEV)
    }

    fn ask_ext2(&self, fs: FsId, caller: Caller, operation: Operation, cx: &mut Cx<'_>) -> Asked {
        self.send_ext2(Ext2Request::operate(MountId(fs.0), caller, operation), cx)
    }

    fn send_ext2(&self, request: Ext2Request, cx: &mut Cx<'_>) -> Asked {
        let ports = self.below()?.ports.get().ok_or(Errno::ENODEV)?;
        cx.request(ports.ext2, Labels::NONE, request).map_err(|_| Errno::ENOMEM)
    }

    pub(super) fn ask_cache(&self, request: CacheRequest, cx: &mut Cx<'_>) -> Asked {
        let ports = self.below()?.ports.get().ok_or(Errno::ENODEV)?;
        cx.request(ports.cache, Labels::NONE, request).map_err(|_| Errno::ENOMEM)
    }

    /// Asks ASR about an overlay of a file in memory.
    fn ask_asr(&self, request: MemoryRequest, cx: &mut Cx<'_>) -> Asked {
        let ports = self.system.ports.get().ok_or(Errno::EIO)?;
        cx.request(ports.memory, Labels::NONE, request).map_err(|_| Errno::ENOMEM)
    }

    /// Asks those below; for pages with memory for one, if that was waited for.
    pub(super) fn ask_below(&self, ask: &Ask, spare: Option<CacheFrame>, cx: &mut Cx<'_>) -> Asked {
        let nobody = Caller::default();
        match ask {
            Ask::Fetch { file, from, bytes, .. } => {
                let (first, end) = (from / PAGE_BYTES, from.saturating_add(*bytes));
                let count = page(end.div_ceil(PAGE_BYTES).saturating_sub(first))?;
                let fetch = CacheRequest::fetch(contents(file)?, page(first)?, count);
                self.ask_cache(fetch.bring(spare), cx)
            }
            Ask::Bring { overlay, page } => self.ask_asr(MemoryRequest::bring(*overlay, *page), cx),
            Ask::Conceal { shown, .. } => self.ask_asr(MemoryRequest::conceal(*shown), cx),
            Ask::Ahead { file, from, .. } => {
                let file = contents(file)?;
                self.ask_cache(CacheRequest::ahead(file, page(from / PAGE_BYTES)?), cx)
            }
            Ask::Prepare { file, from, bytes, .. } => {
                let to = from.saturating_add(*bytes);
                let prepare = CacheRequest::prepare(contents(file)?, *from, to);
                self.ask_cache(prepare.bring(spare), cx)
            }
            Ask::Resize { file, size, .. } => {
                self.ask_cache(CacheRequest::truncate(contents(file)?, *size), cx)
            }
            Ask::Sync { file: Some(file), data_only, .. } => {
                self.ask_cache(CacheRequest::sync(contents(file)?, *data_only), cx)
            }
            Ask::SyncAll { fs } => {
                self.ask_cache(CacheRequest::sync_all(fs.map(|fs| MountId(fs.0))), cx)
            }
            Ask::EvictAll => self.ask_cache(CacheRequest::evict_activity(cx.activity()), cx),
            // Whatever page any of it is in.
            Ask::Evict { file, from, to, .. } => {
                let most = u64::from(u32::MAX);
                let first = page((from / PAGE_BYTES).min(most))?;
                let end = page(to.div_ceil(PAGE_BYTES).min(most))?;
                self.ask_cache(CacheRequest::evict(contents(file)?, first, end), cx)
            }
            Ask::Release { file: Some(file), .. } => {
                self.ask_cache(CacheRequest::release(contents(file)?), cx)
            }
            Ask::Release { at, .. } => {
                self.ask_ext2(at.fs, nobody, Operation::Release(ino(*at)?), cx)
            }
            Ask::Sync { at, .. } => self.ask_ext2(at.fs, nobody, Operation::Sync(ino(*at)?), cx),
            // Its files first, then EXT2R.
            Ask::Unmount { fs } => self.ask_cache(CacheRequest::unmount(MountId(fs.0)), cx),
            Ask::Usage { fs } => self.ask_ext2(*fs, nobody, Operation::Usage, cx),
            Ask::Mount { dev, read_only, .. } => {
                self.send_ext2(Ext2Request::mount(self.volume(*dev)?, *read_only), cx)
            }
            Ask::Look { at, name, .. } => {
                let operation = Operation::Look { folder: ino(*at)?, name: name[..].into() };
                self.ask_ext2(at.fs, nobody, operation, cx)
            }
            Ask::Refresh { at, .. } => {
                self.ask_ext2(at.fs, nobody, Operation::Inode(ino(*at)?), cx)
            }
            Ask::List { at, from, .. } => {
                let operation = Operation::List { folder: ino(*at)?, from: *from };
                self.ask_ext2(at.fs, nobody, operation, cx)
            }
            Ask::Create(_) | Ask::Link(_) | Ask::Unlink(_) | Ask::Rename(_) | Ask::Set { .. } => {
                let (at, caller, operation) = change(ask)?;
                self.ask_ext2(at.fs, caller, operation, cx)
            }
        }
    }

    /// Asks to be told when less is unwritten of what this activity has changed, if that is too
    /// much.
    pub(super) fn ask_to_ease(&self, fs: FsId, cx: &mut Cx<'_>) -> Option<Trigger> {
        let below = self.system.file_systems.get()?;
        let owes = below.owing.owes(MountId(fs.0), cx.activity());
        owes.then(|| self.ask_ext2(fs, Caller::default(), Operation::Ease, cx).ok()).flatten()
    }

    /// Room is wanted of an activity: some files go of which nothing is cached. Whether any has.
    pub(super) fn give_up_files(&self, who: ActivityId) -> bool {
        self.system.file_systems.get().is_some_and(|below| below.files.give_up(who))
    }

    /// The same of files that it has open and others too: those are left to them.
    pub(super) fn leave_files(&self, who: ActivityId) -> bool {
        self.system.file_systems.get().is_some_and(|below| below.files.leave(who))
    }

    /// What is to be asked so that another can go, if there is one that nobody has.
    pub(super) fn idle_file(&self, who: ActivityId) -> Option<Ask> {
        let file = self.system.file_systems.get()?.files.idle(who)?;
        let file = Contents::new(file, self.system.clock);
        Some(Ask::Evict { file, from: 0, to: u64::MAX, of: None })
    }

    /// What those below have answered.
    pub(super) fn answered_below(
        &self,
        ask: &Ask,
        stage: Stage,
        cx: &mut Cx<'_>,
    ) -> Result<Below, Errno> {
        if matches!(ask, Ask::Bring { .. } | Ask::Conceal { .. }) {
            let Ok(Some(crate::Answer::Call(brought))) = cx.reply() else {
                return Err(Errno::ENOMEM);
            };
            return brought.map(|_| Below::Told(Told::Done));
        }
        if is_of_cache(ask) {
            let Ok(Some(reply)) = cx.reply::<CacheReply>() else { return Err(Errno::ENOMEM) };
            let done = match reply {
                CacheReply::Done(done) => done,
                CacheReply::Prepared(to) => to.map(|_| ()),
                CacheReply::Reclaimed(_) => Err(Errno::EIO),
            };
            return done.map(|()| Below::Told(Told::Done));
        }
        let Ok(Some(answer)) = cx.reply::<Ext2Reply>() else { return Err(Errno::ENOMEM) };
        match (ask, answer?) {
            (_, Answer::Done | Answer::Lost(_)) => Ok(Below::Told(Told::Done)),
            (_, Answer::Nothing) => Ok(Below::Told(Told::Nothing)),
            (_, Answer::Usage(usage)) => Ok(Below::Told(Told::Usage(Usage {
                magic: MAGIC,
                block: u64::from(usage.block),
                blocks: usage.blocks,
                free: usage.free,
                available: usage.available,
                files: usage.inodes,
                free_files: usage.free_inodes,
                longest_name: LONGEST_NAME,
            }))),
            (Ask::Mount { .. }, Answer::Object(top)) => {
                let Stage::Served(served) = stage else { return Err(Errno::EIO) };
                let fs = FsId(served.mount.0);
                let top = self.known(fs, *top, cx.root())?;
                let read_only = served.read_only.is_some();
                Ok(Below::Told(Told::Mounted { fs, top, read_only }))
            }
            (Ask::Mount { .. }, Answer::Mounted(served)) => {
                let fs = FsId(served.mount.0);
                let caller = Caller::default();
                let asked = self.ask_ext2(fs, caller, Operation::Inode(TOP), cx)?;
                Ok(Below::Asked(Stage::Served(*served), asked))
            }
            (Ask::List { at, .. }, Answer::Entries(entries)) => self.listed(*at, *entries, cx),
            (ask, Answer::Object(object)) => {
                let at = match ask {
                    Ask::Look { at, .. } | Ask::Refresh { at, .. } => *at,
                    Ask::Create(create) => create.at,
                    _ => return Err(Errno::EIO),
                };
                Ok(Below::Told(Told::Object(self.known(at.fs, *object, cx.root())?)))
            }
            _ => Err(Errno::EIO),
        }
    }

    /// Entries, or more is to be asked: there can be none in a piece though there are more.
    fn listed(&self, at: OnDisk, entries: Entries, cx: &mut Cx<'_>) -> Result<Below, Errno> {
        let Entries { entries, next, end } = entries;
        if entries.is_empty() && !end {
            let operation = Operation::List { folder: ino(at)?, from: next };
            let asked = self.ask_ext2(at.fs, Caller::default(), operation, cx)?;
            return Ok(Below::Asked(Stage::First, asked));
        }
        let entries: Vec<Listed> = entries
            .into_iter()
            .map(|entry| Listed {
                name: entry.name.into_boxed_slice(),
                number: u64::from(entry.ino),
                kind: (entry.kind.unwrap_or(0) >> 12) as u8,
                next: entry.next,
            })
            .collect();
        Ok(Below::Told(Told::Entries(entries)))
    }

    /// An object, with its pages where it is a file, for who has asked for it.
    fn known(&self, fs: FsId, object: Object, who: ActivityId) -> Result<Box<Known>, Errno> {
        const FILE: u32 = 0o100_000;
        let mode = u32::from(object.mode);
        let contents = if mode & KIND == FILE {
            let below = self.below()?;
            let mount = MountId(fs.0);
            let block = below.mounted(mount).ok_or(Errno::EIO)?.block;
            let id = FileId { mount, ino: object.ino };
            let file = below.files.open(id, block, object.size, who);
            Some(Contents::new(file, self.system.clock) as Arc<dyn Cached>)
        } else {
            None
        };
        Ok(Box::new(Known {
            number: u64::from(object.ino),
            mode,
            links: u32::from(object.links),
            user: object.user,
            group: object.group,
            device: Dev::decoded(u64::from(object.device)),
            size: object.size,
            blocks: u64::from(object.sectors),
            accessed: of_ext2(object.accessed),
            modified: of_ext2(object.modified),
            changed: of_ext2(object.changed),
            target: object.target,
            contents,
        }))
    }
}

/// Whether FCR answers it.
fn is_of_cache(ask: &Ask) -> bool {
    match ask {
        Ask::Fetch { .. }
        | Ask::Ahead { .. }
        | Ask::Prepare { .. }
        | Ask::Resize { .. }
        | Ask::Unmount { .. }
        | Ask::SyncAll { .. }
        | Ask::Evict { .. }
        | Ask::EvictAll => true,
        Ask::Sync { file, .. } | Ask::Release { file, .. } => file.is_some(),
        _ => false,
    }
}

/// A change of names or attributes as EXT2R is asked for it.
fn change(ask: &Ask) -> Result<(OnDisk, Caller, Operation), Errno> {
    let at_time = |now: Time| Caller { user: 0, group: 0, now: Some(to_ext2(now)) };
    Ok(match ask {
        Ask::Create(create) => {
            let caller = Caller { group: create.group, ..at_time(create.now) };
            (create.at, caller, creation(create)?)
        }
        Ask::Link(link) => {
            let (folder, name) = (ino(link.at)?, link.name[..].into());
            let operation = Operation::Link { ino: ino(link.object)?, folder, name };
            (link.at, at_time(link.now), operation)
        }
        Ask::Unlink(unlink) => {
            let (folder, name) = (ino(unlink.at)?, unlink.name[..].into());
            let operation = Operation::Unlink { folder, name, directory: unlink.directory };
            (unlink.at, at_time(unlink.now), operation)
        }
        Ask::Rename(rename) => {
            let Rename { from, old, to, new, exchange, keep, now, .. } = &**rename;
            let replace = match (exchange, keep) {
                (true, _) => Replace::Exchange,
                (_, true) => Replace::No,
                _ => Replace::Yes,
            };
            let (one, other) = ((ino(*from)?, old[..].into()), (ino(*to)?, new[..].into()));
            (*from, at_time(*now), Operation::Rename { from: one, to: other, replace })
        }
        Ask::Set { at, change, .. } => {
            let Change { permissions, user, group, accessed, modified, changed } = *change;
            let changes = Changes {
                permissions: permissions.and_then(|bits| u16::try_from(bits & PERMISSIONS).ok()),
                user,
                group,
                accessed: accessed.map(to_ext2),
                modified: modified.map(to_ext2),
            };
            let caller = Caller { user: 0, group: 0, now: changed.map(to_ext2) };
            (*at, caller, Operation::Set { ino: ino(*at)?, changes })
        }
        _ => return Err(Errno::EIO),
    })
}

fn creation(create: &Create) -> Result<Operation, Errno> {
    let device = || u32::try_from(create.device.encoded()).map_err(|_| Errno::EINVAL);
    let new = match create.mode & KIND {
        0o010_000 => New::Fifo,
        0o020_000 => New::Character(device()?),
        0o040_000 => New::Directory,
        0o060_000 => New::Block(device()?),
        0o100_000 if create.is_nameless() => New::Nameless,
        0o100_000 => New::File,
        0o120_000 => New::Symlink(create.target.clone().unwrap_or_default()),
        0o140_000 => New::Socket,
        _ => return Err(Errno::EINVAL),
    };
    let permissions = u16::try_from(create.mode & PERMISSIONS).unwrap_or(0);
    Ok(Operation::Create {
        folder: ino(create.at)?,
        name: create.name[..].into(),
        new,
        permissions,
    })
}

fn ino(at: OnDisk) -> Result<u32, Errno> {
    u32::try_from(at.number).map_err(|_| Errno::EIO)
}

fn page(number: u64) -> Result<u32, Errno> {
    u32::try_from(number).map_err(|_| Errno::EFBIG)
}

fn contents(file: &Arc<dyn Cached>) -> Result<Arc<crate::cache::CachedFile>, Errno> {
    Contents::of(file).map(|contents| contents.file.clone()).ok_or(Errno::EIO)
}

fn to_ext2(time: Time) -> crate::cache::Time {
    crate::cache::Time { seconds: time.seconds, nanos: time.nanos }
}

fn of_ext2(time: crate::cache::Time) -> Time {
    Time { seconds: time.seconds, nanos: time.nanos }
}
