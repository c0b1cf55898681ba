//! A block of metadata that a transaction wants is fetched, on its bill. Others that want it
//! wait for that; where it fails they ask themselves, so that an error is told to who asked.

use alloc::vec;
use alloc::vec::Vec;

use vortex_abi::Errno;
use vortex_grid::{At, Continuation, Labels, Outcome};
use vortex_storage::{Memory, Operation as Does, Reply, VolumeRequest};

use super::{After, Cx, Ext2};
use crate::cache::PageFrame;
use crate::names::MountId;
use crate::requests::{Ext2Request, Mail};

impl<M: Mail<F>, F: PageFrame> Ext2<M, F> {
    pub(super) fn fetch(&mut self, id: MountId, block: u32, cx: &mut Cx<'_, M>) -> After<M, F> {
        let failed = |error| Outcome::Reply(Err(error));
        let mounted = self.wiring.mounted(id).zip(self.wiring.ports.get());
        let Some((mounted, ports)) = mounted else { return failed(Errno::ENODEV) };
        let Some(mount) = self.mounts.get_mut(&id) else { return failed(Errno::ENODEV) };
        if let Some(waiting) = mount.fetching.get_mut(&block) {
            let room = waiting.try_reserve(1).is_ok();
            let Some(kept) = room.then(|| cx.keep()).flatten() else {
                return failed(Errno::ENOMEM);
            };
            waiting.push(kept);
            return Outcome::Kept;
        }
        let Some(data) = F::Memory::own(mounted.block as usize) else {
            return failed(Errno::ENOMEM);
        };
        cx.moved(data.bytes());
        let (volume, operation) = (mounted.volume, Does::Read);
        let place = u64::from(block).saturating_mul(u64::from(mounted.sectors));
        let request = VolumeRequest::Blocks { volume, operation, block: place, data };
        let Ok(trigger) = cx.request(ports.volumes, Labels::NONE, request) else {
            return failed(Errno::ENOMEM);
        };
        mount.fetching.insert(block, vec![]);
        Outcome::Pending(trigger, At::routine::<Fetched>())
    }
}

/// Storage has answered.
struct Fetched;

impl<M: Mail<F>, F: PageFrame> Continuation<M, Ext2<M, F>> for Fetched {
    fn resume(ext2: &mut Ext2<M, F>, request: &mut Ext2Request, cx: &mut Cx<'_, M>) -> After<M, F> {
        let Ext2Request::Operate(operating) = request else { return Outcome::Done };
        let block = operating.wants;
        let Some(mount) = ext2.mounts.get_mut(&operating.mount) else {
            return Outcome::Reply(Err(Errno::ENODEV));
        };
        let waited = mount.fetching.remove(&block).unwrap_or_default();
        ext2.look_again(waited, cx);
        let Some(mount) = ext2.mounts.get_mut(&operating.mount) else {
            return Outcome::Reply(Err(Errno::ENODEV));
        };
        let data = match cx.reply::<Reply<F::Memory>>() {
            Ok(Some(Reply::Data(data, Ok(())))) => data,
            Ok(Some(Reply::Data(_, Err(error)))) => return Outcome::Reply(Err(error.errno())),
            Ok(_) => return Outcome::Reply(Err(Errno::EIO)),
            Err(_) => return Outcome::Reply(Err(Errno::ENOMEM)),
        };
        let size = data.bytes().get() as usize;
        let mut bytes = Vec::new();
        if bytes.try_reserve_exact(size).is_err() {
            return Outcome::Reply(Err(Errno::ENOMEM));
        }
        bytes.resize(size, 0);
        data.read(&mut bytes);
        mount.logic.fetched(cx.activity(), block, &bytes);
        ext2.operate(operating, cx)
    }
}
