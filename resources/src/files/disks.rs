//! Disks as files: what a call moves goes by requests to storage, at most 32 KB at a time, from
//! and to the caller's own frames. The caller waits for each; nothing is kept in between.
//!
//! What does not begin and end with a block is read by way of a page of the kernel's, and not
//! written (EINVAL, as Linux does with `O_DIRECT`): there is no cache in which a block could be
//! changed in part.

use alloc::vec::Vec;

use vortex_abi::Errno;
use vortex_files::{Dev, Object, OpenId};
use vortex_grid::{At, Context, Continuation, Kept, Labels, Outcome};
use vortex_machine::PAGE;
use vortex_storage::{MOST_BYTES, MOST_PIECES, Memory};
use vortex_units::{ActivityId, Bytes};

use super::following::{self, Following};
use super::request::{FileCall, FileRequest};
use super::resource::{Done, FileSystem, Next};
use crate::bill::owner_of;
use crate::storage::{DiskMemory, DiskReply, Operation, VolumeId, VolumeRequest};
use crate::{Answer, Mail};

type Cx<'a> = Context<'a, Mail>;
type Result = core::result::Result<Done, Errno>;

/// What storage is asked for.
pub struct Asked {
    volume: VolumeId,
    operation: Operation,
    block: u64,
    data: DiskMemory,
}

/// Bytes that a call waits for.
pub(super) struct Transfer {
    /// The open file that is to be moved behind them, if it is.
    open: Option<OpenId>,
    at: u64,
    bytes: usize,
    operand: usize,
    /// They are read by way of this, so much behind its beginning.
    by_way: Option<(DiskMemory, usize)>,
    /// What was written is to be on this one's medium.
    lasts: Option<Dev>,
}

/// What has become of what a call waits for.
pub(super) enum DiskWait {
    /// Storage is asked.
    Asked(Kept<Mail>),
    /// It has answered, and the call is on its way.
    Answered(core::result::Result<(), Errno>),
}

/// A transfer that a call asks for.
pub(super) struct Wish {
    pub open: OpenId,
    pub dev: Dev,
    pub operand: usize,
    /// Whether the open file's own place moves.
    pub moves: bool,
    pub at: u64,
    /// Bytes of the disk from there on.
    pub left: u64,
}

/// The volume that a device number stands for.
///
/// # Errors
/// `ENXIO`: none can have it.
pub fn volume_of(dev: Dev) -> core::result::Result<VolumeId, Errno> {
    let major = (dev.major == VolumeId::MAJOR).then_some(());
    major.and_then(|()| VolumeId::of_minor(dev.minor)).ok_or(Errno::ENXIO)
}

impl FileSystem {
    /// The disks get their names, once they are found.
    pub(super) fn attach_disks(&mut self, cx: &Cx<'_>) {
        let Some(disks) = self.system.disks.get().filter(|disks| disks.wiring.has_found()) else {
            return;
        };
        if core::mem::replace(&mut self.attached, true) {
            return;
        }
        let now = self.time(cx.now());
        for (id, volume) in disks.wiring.volumes() {
            if self.has_pages(id) {
                continue;
            }
            // Those of the first number, as Linux has them.
            if id.minor() > 0xff {
                continue;
            }
            let dev = Dev::new(VolumeId::MAJOR, id.minor());
            let owner = owner_of(ActivityId::INFRASTRUCTURE);
            let name = alloc::format!("{id}");
            // Something else may have the name: then the image's maker wants it so.
            let _ = self.root.add_disk(&name, (dev, volume.bytes()), owner, now);
        }
    }

    /// Whether pages go to blocks of this volume: they are nobody's to read, or to write.
    fn has_pages(&self, volume: VolumeId) -> bool {
        let swap = self.system.swap.get().and_then(|swap| swap.disk());
        let disks = self.system.disks.get();
        swap.zip(disks).is_some_and(|(swap, disks)| disks.wiring.overlap(swap, volume))
    }

    /// The volume of a device number, for a program that has one, however it came to that.
    ///
    /// # Errors
    /// `ENXIO`: none can have it; `EBUSY`: pages go there.
    pub(super) fn volume(&self, dev: Dev) -> core::result::Result<VolumeId, Errno> {
        let volume = volume_of(dev)?;
        if self.has_pages(volume) { Err(Errno::EBUSY) } else { Ok(volume) }
    }

    fn block_size(&self, volume: VolumeId) -> core::result::Result<usize, Errno> {
        let disks = self.system.disks.get().ok_or(Errno::ENXIO)?;
        disks.wiring.block_size(volume).map(|size| size as usize).ok_or(Errno::ENXIO)
    }

    /// Reads the next bytes of a disk.
    pub(super) fn read_disk(&self, call: &mut FileCall, wish: &Wish) -> Result {
        let volume = self.volume(wish.dev)?;
        let size = self.block_size(volume)?;
        let buffer = call.operands.buffer(wish.operand)?;
        let wanted = buffer.len().saturating_sub(call.done);
        let wanted = wanted.min(usize::try_from(wish.left).unwrap_or(usize::MAX));
        if wanted == 0 {
            return Ok(Done::Value(call.done as u64));
        }
        let skip = (wish.at % size as u64) as usize;
        let block = wish.at / size as u64;
        let whole = if skip == 0 { wanted - wanted % size } else { 0 };
        let direct = buffer.for_device(call.done, whole.min(MOST_BYTES), MOST_PIECES, size);
        let (data, bytes, by_way) = match direct {
            Some((data, bytes)) => (data, bytes, None),
            None => {
                let span = (skip + wanted).next_multiple_of(size).min(PAGE);
                let page = DiskMemory::own(span).ok_or(Errno::ENOMEM)?;
                let data = page.part(0, span).ok_or(Errno::ENOMEM)?;
                (data, wanted.min(span - skip), Some((page, skip)))
            }
        };
        call.transfer = Some(wish.transfer(bytes, by_way));
        Ok(Done::Disk(Asked { volume, operation: Operation::Read, block, data }))
    }

    /// Writes the next bytes of a disk.
    pub(super) fn write_disk(&self, call: &mut FileCall, wish: &Wish) -> Result {
        let volume = self.volume(wish.dev)?;
        let size = self.block_size(volume)?;
        let buffer = call.operands.buffer(wish.operand)?;
        let wanted = buffer.len().saturating_sub(call.done);
        if wanted == 0 {
            return Ok(Done::Value(call.done as u64));
        }
        if wish.left == 0 {
            return Err(Errno::ENOSPC);
        }
        let wanted = wanted.min(usize::try_from(wish.left).unwrap_or(usize::MAX));
        let whole = wanted - wanted % size;
        if !wish.at.is_multiple_of(size as u64) || whole == 0 {
            return Err(Errno::EINVAL);
        }
        let block = wish.at / size as u64;
        let direct = buffer.for_device(call.done, whole.min(MOST_BYTES), MOST_PIECES, size);
        let (data, bytes) = match direct {
            Some(direct) => direct,
            // In so many pieces that a block of them is too much for the device.
            None => {
                let span = whole.min(PAGE);
                let page = DiskMemory::own(span).ok_or(Errno::ENOMEM)?;
                let mut bytes = heap(span)?;
                buffer.read(call.done, &mut bytes);
                page.write(&bytes);
                (page, span)
            }
        };
        let lasts = self.disk_lasts(call, wish.open).then_some(wish.dev);
        call.transfer = Some(Transfer { lasts, ..wish.transfer(bytes, None) });
        Ok(Done::Disk(Asked { volume, operation: Operation::Write, block, data }))
    }

    /// What was written to a disk is to be on the medium.
    pub(super) fn flush_disk(&self, dev: Dev) -> Result {
        let volume = self.volume(dev)?;
        let (operation, data) = (Operation::Flush, DiskMemory::none());
        Ok(Done::Disk(Asked { volume, operation, block: 0, data }))
    }

    /// What a call has written is to be on the medium before it answers.
    fn flush_behind(&mut self, call: &mut FileCall, dev: Dev, cx: &mut Cx<'_>) -> Next {
        let bytes = call.done as u64;
        let rest = call.has_rest(call.done);
        let moved = if rest { following::Moved::Some(bytes) } else { following::Moved::All(bytes) };
        call.following = Some(Following::of(moved));
        let asked = match self.flush_disk(dev) {
            Ok(Done::Disk(asked)) => asked,
            Ok(_) => return Outcome::Reply(Answer::Failed(Errno::EIO)),
            Err(error) => return Outcome::Reply(Answer::Failed(error)),
        };
        match self.keep_for_disk(call, asked, cx) {
            Outcome::Reply(Answer::Call(Err(error))) => Outcome::Reply(Answer::Failed(error)),
            next => next,
        }
    }

    /// ioctl(2) on a disk.
    pub(super) fn disk_control(
        &self,
        call: &FileCall,
        open: OpenId,
        request: u32,
        bytes: u64,
    ) -> Result {
        const SECTORS: u32 = 0x1260;
        const FLUSH: u32 = 0x1261;
        const BLOCK: u32 = 0x1268;
        const PHYSICAL_BLOCK: u32 = 0x127b;
        const SOFT_BLOCK: u32 = 0x8008_1270;
        const BYTES: u32 = 0x8008_1272;
        let Object::Disk(dev) = self.root.object(open)? else { return Err(Errno::ENOTTY) };
        let size = self.block_size(self.volume(dev)?)? as u32;
        let give = |value: &[u8]| call.operands.give(0, value).map(|()| Done::Value(0));
        match request {
            SECTORS => give(&(bytes / 512).to_le_bytes()),
            BYTES => give(&bytes.to_le_bytes()),
            BLOCK | PHYSICAL_BLOCK => give(&size.to_le_bytes()),
            SOFT_BLOCK => give(&u64::from(size).to_le_bytes()),
            FLUSH => self.flush_disk(dev),
            _ => Err(Errno::ENOTTY),
        }
    }

    /// Keeps a call while another request asks storage: what its process calls next does not
    /// wait for it.
    pub(super) fn keep_for_disk(
        &mut self,
        call: &mut FileCall,
        asked: Asked,
        cx: &mut Cx<'_>,
    ) -> Next {
        let failed = || Outcome::Reply(Answer::Call(Err(Errno::ENOMEM)));
        let (Some(own), Some(kept)) = (self.own(), cx.keep()) else { return failed() };
        self.disk_number += 1;
        let number = self.disk_number;
        let ask = FileRequest::Disk(asked, number);
        if cx.send(own, Labels::NONE, ask).is_err() {
            return failed();
        }
        call.waits_for = number;
        self.disk_waits.insert(number, DiskWait::Asked(kept));
        Outcome::Kept
    }

    /// Asks storage, and waits.
    pub(super) fn ask_disk(&mut self, asked: &mut Asked, number: u64, cx: &mut Cx<'_>) -> Next {
        let Asked { volume, operation, block, data } = asked;
        let data = core::mem::replace(data, DiskMemory::none());
        let (volume, operation, block) = (*volume, *operation, *block);
        let request = VolumeRequest::Blocks { volume, operation, block, data };
        let ports = self.system.disks.get().and_then(|disks| disks.wiring.ports.get());
        match ports.map(|ports| cx.request(ports.volumes, Labels::NONE, request)) {
            Some(Ok(trigger)) => Outcome::Pending(trigger, At::routine::<Answered>()),
            _ => {
                self.disk_has_answered(number, Err(Errno::ENOMEM), cx);
                Outcome::Done
            }
        }
    }

    /// A disk has answered: the call goes on.
    fn disk_has_answered(
        &mut self,
        number: u64,
        result: core::result::Result<(), Errno>,
        cx: &mut Cx<'_>,
    ) {
        if let Some(DiskWait::Asked(kept)) = self.disk_waits.remove(&number)
            && cx.go_on(kept, At::routine::<Moved>()).is_ok()
        {
            self.disk_waits.insert(number, DiskWait::Answered(result));
        }
    }

    /// A part of a call is done. Whether all of it is, and what it returns then.
    fn moved(&mut self, call: &mut FileCall, cx: &mut Cx<'_>) -> core::result::Result<bool, Errno> {
        // A flush moves nothing.
        let Some(Transfer { open, at, bytes, operand, by_way, .. }) = call.transfer.take() else {
            return Ok(true);
        };
        let buffer = call.operands.buffer(operand)?;
        if let Some((page, skip)) = by_way {
            let mut all = heap(skip + bytes)?;
            page.read(&mut all);
            buffer.write(call.done, all.get(skip..).unwrap_or_default());
        }
        cx.moved(Bytes::new(bytes as u64));
        call.done += bytes;
        let whole = call.done >= buffer.len();
        if let Some(open) = open {
            // Who has closed it meanwhile does not miss it.
            let _ = self.root.has_moved(open, at, bytes);
        }
        Ok(whole)
    }
}

impl Wish {
    fn transfer(&self, bytes: usize, by_way: Option<(DiskMemory, usize)>) -> Transfer {
        let open = self.moves.then_some(self.open);
        Transfer { open, at: self.at, bytes, operand: self.operand, by_way, lasts: None }
    }
}

/// Bytes in the heap: a page would be the largest frame on the way of every call.
fn heap(bytes: usize) -> core::result::Result<Vec<u8>, Errno> {
    let mut all = Vec::new();
    all.try_reserve_exact(bytes).map_err(|_| Errno::ENOMEM)?;
    all.resize(bytes, 0);
    Ok(all)
}

/// Storage has answered.
struct Answered;

impl Continuation<Mail, FileSystem> for Answered {
    fn resume(files: &mut FileSystem, request: &mut FileRequest, cx: &mut Cx<'_>) -> Next {
        let FileRequest::Disk(_, number) = request else { return Outcome::Done };
        let result = match cx.reply::<DiskReply>() {
            Ok(Some(DiskReply::Data(_, result))) => result.map_err(|error| error.errno()),
            Ok(_) => Err(Errno::EIO),
            Err(_) => Err(Errno::ENOMEM),
        };
        files.disk_has_answered(*number, result, cx);
        Outcome::Done
    }
}

/// A call goes on after a disk has answered.
struct Moved;

impl Continuation<Mail, FileSystem> for Moved {
    fn resume(files: &mut FileSystem, request: &mut FileRequest, cx: &mut Cx<'_>) -> Next {
        let FileRequest::Call(call) = request else { return Outcome::Done };
        let result = match files.disk_waits.remove(&call.waits_for) {
            Some(DiskWait::Answered(result)) => result,
            _ => Err(Errno::EIO),
        };
        if let Some(following) = call.following.take() {
            return match result {
                Ok(()) => following.ended(),
                Err(error) => Outcome::Reply(Answer::Failed(error)),
            };
        }
        let lasts = call.transfer.as_ref().and_then(|transfer| transfer.lasts);
        let moved = result.and_then(|()| files.moved(call, cx));
        if let Some(disk) = lasts.filter(|_| moved != Ok(false) && call.done > 0) {
            return files.flush_behind(call, disk, cx);
        }
        match moved {
            Ok(false) => Outcome::Continue(At::beginning()),
            Ok(true) if call.has_rest(call.done) => Outcome::Reply(Answer::GoOn(call.done as u64)),
            Ok(true) => Outcome::Reply(Answer::Call(Ok(call.done as u64))),
            // What is done counts.
            Err(_) if call.done > 0 => Outcome::Reply(Answer::Call(Ok(call.done as u64))),
            Err(error) => Outcome::Reply(Answer::Call(Err(error))),
        }
    }
}
