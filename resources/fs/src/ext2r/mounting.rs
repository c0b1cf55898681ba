//! A file system is taken into service: its superblock is read, and what its logic wants to
//! know, before anybody else finds it.

use alloc::boxed::Box;
use alloc::vec;

use vortex_abi::Errno;
use vortex_grid::{At, Continuation, Labels, Outcome};
use vortex_storage::{Memory, Operation as Does, Reply, VolumeId, VolumeRequest};

use super::real::Real;
use super::{After, Cx, Ext2, Stop};
use crate::cache::PageFrame;
use crate::names::MountId;
use crate::requests::{Answer, Caller, Ext2Request, Mail, Served};
use crate::wiring::Mounted;

/// Where a superblock is, and how large.
const SUPERBLOCK: usize = 1024;

/// How far it has come.
pub struct Mounting {
    volume: VolumeId,
    read_only: bool,
    logic: Option<Real>,
    /// Bytes of what is read, and where: a block of the file system, or the first of it.
    wants: Option<u32>,
}

impl Mounting {
    /// Nothing yet.
    #[must_use]
    pub(crate) fn new(volume: VolumeId, read_only: bool) -> Box<Self> {
        Box::new(Self { volume, read_only, logic: None, wants: None })
    }
}

impl<M: Mail<F>, F: PageFrame> Ext2<M, F> {
    /// Goes on with it.
    pub(super) fn mount(&mut self, mounting: &mut Mounting, cx: &mut Cx<'_, M>) -> After<M, F> {
        let failed = |error| Outcome::Reply(Err(error));
        let Some(volume) = self.wiring.storage.volume(mounting.volume) else {
            return failed(Errno::ENXIO);
        };
        if self.mounts.keys().any(|id| self.is_on(*id, mounting.volume)) {
            return failed(Errno::EBUSY);
        }
        let Some(logic) = &mut mounting.logic else {
            return self.read(mounting, 0, 2 * SUPERBLOCK, cx);
        };
        let who = super::who(&self.wiring, &Caller::default(), cx);
        match logic.mount(&who) {
            Err(Stop::Fetch(block)) => {
                let bytes = logic.block();
                let at = u64::from(block).saturating_mul(u64::from(bytes));
                mounting.wants = Some(block);
                self.read(mounting, at, bytes as usize, cx)
            }
            Err(Stop::Again) => Outcome::Continue(At::beginning()),
            Err(Stop::Error(error)) => failed(error),
            Err(Stop::Flush) => failed(Errno::EIO),
            Ok(read_only) => {
                let block = logic.block();
                let Some(sectors) = block.checked_div(volume.block_size).filter(|it| *it > 0)
                else {
                    return failed(Errno::EINVAL);
                };
                let Some(logic) = mounting.logic.take() else { return failed(Errno::EIO) };
                // A name is not given again: files are known by it.
                self.last = self.last.saturating_add(1);
                let mount = MountId(self.last);
                let on = Mounted { volume: mounting.volume, sectors, block };
                self.serve(mount, on, Box::new(logic));
                if let Some(why) = read_only {
                    let volume = mounting.volume;
                    self.wiring.tell(format_args!("{volume} is served to readers alone: {why}"));
                }
                Outcome::Reply(Ok(Answer::Mounted(Box::new(Served { mount, block, read_only }))))
            }
        }
    }

    fn is_on(&self, mount: MountId, volume: VolumeId) -> bool {
        self.wiring.mounted(mount).is_some_and(|on| on.volume == volume)
    }

    /// Reads bytes of the volume: whole blocks of it.
    fn read(&self, mounting: &Mounting, at: u64, bytes: usize, cx: &mut Cx<'_, M>) -> After<M, F> {
        let failed = |error| Outcome::Reply(Err(error));
        let Some(volume) = self.wiring.storage.volume(mounting.volume) else {
            return failed(Errno::ENXIO);
        };
        let Some(ports) = self.wiring.ports.get() else { return failed(Errno::EIO) };
        let size = u64::from(volume.block_size).max(1);
        let Some(data) = F::Memory::own(bytes.next_multiple_of(size as usize)) else {
            return failed(Errno::ENOMEM);
        };
        let block = at.checked_div(size).unwrap_or(0);
        cx.moved(data.bytes());
        let (volume, operation) = (mounting.volume, Does::Read);
        let request = VolumeRequest::Blocks { volume, operation, block, data };
        match cx.request(ports.volumes, Labels::NONE, request) {
            Ok(trigger) => Outcome::Pending(trigger, At::routine::<Read>()),
            Err(_) => failed(Errno::ENOMEM),
        }
    }

    fn has_read(&mut self, mounting: &mut Mounting, bytes: &[u8], cx: &Cx<'_, M>) -> Option<Errno> {
        if let (Some(logic), Some(block)) = (&mut mounting.logic, mounting.wants) {
            super::Logic::fetched(logic, cx.activity(), block, bytes);
            return None;
        }
        let volume = self.wiring.storage.volume(mounting.volume)?;
        let superblock = bytes.get(SUPERBLOCK..2 * SUPERBLOCK).unwrap_or_default();
        // Names collide elsewhere each time: as much chance as there is here.
        let (seed, bills) = (cx.now().get(), self.wiring.frames.clone());
        match Real::open(superblock, volume.bytes(), mounting.read_only, seed, bills) {
            Ok(logic) => {
                mounting.logic = Some(logic);
                None
            }
            Err(refusal) => {
                let volume = mounting.volume;
                self.wiring.tell(format_args!("{volume} is not served: {refusal:?}"));
                Some(refusal.errno())
            }
        }
    }
}

/// Storage has answered.
struct Read;

impl<M: Mail<F>, F: PageFrame> Continuation<M, Ext2<M, F>> for Read {
    fn resume(ext2: &mut Ext2<M, F>, request: &mut Ext2Request, cx: &mut Cx<'_, M>) -> After<M, F> {
        let Ext2Request::Mount(mounting) = request else { return Outcome::Done };
        let data = match cx.reply::<Reply<F::Memory>>() {
            Ok(Some(Reply::Data(data, Ok(())))) => data,
            Ok(Some(Reply::Data(_, Err(error)))) => return Outcome::Reply(Err(error.errno())),
            Ok(_) => return Outcome::Reply(Err(Errno::EIO)),
            Err(_) => return Outcome::Reply(Err(Errno::ENOMEM)),
        };
        let mut bytes = vec![0; data.bytes().get() as usize];
        data.read(&mut bytes);
        match ext2.has_read(mounting, &bytes, cx) {
            Some(error) => Outcome::Reply(Err(error)),
            None => ext2.mount(mounting, cx),
        }
    }
}
