//! A disk becomes a volume, and what its partition table divides it into become others.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec::Vec;

use vortex_grid::{At, Context, Continuation, Labels, Outcome};

use crate::error::StorageError;
use crate::memory::Memory;
use crate::partition::{Extent, Reader, Wanted};
use crate::requests::{Mail, Operation, Reply, ScsiRequest, VolumeRequest};
use crate::volume::{Volume, VolumeId};
use crate::volumes::Volumes;

/// How far a disk's registration has come.
pub struct Registering {
    disk: Volume,
    id: Option<VolumeId>,
    reader: Reader,
}

/// The largest block.
const BLOCK: usize = 4096;

impl Registering {
    /// Nothing yet.
    #[must_use]
    pub fn new(disk: Volume) -> Box<Self> {
        let reader = Reader::new(disk.block_size, disk.blocks);
        Box::new(Self { disk, id: None, reader })
    }

    fn part(&self, extent: &Extent) -> Volume {
        let Extent { first, blocks, .. } = *extent;
        Volume { first, blocks, name: String::new(), ..self.disk.clone() }
    }
}

/// Reads what is to be read next, or ends.
pub(crate) fn go_on<M: Mail<B>, B: Memory>(
    volumes: &Volumes<M, B>,
    registering: &mut Registering,
    cx: &mut Context<'_, M>,
) -> Outcome<M, Volumes<M, B>> {
    if registering.id.is_none() {
        registering.id = volumes.wiring.next_disk().and_then(VolumeId::disk);
        let Some(id) = registering.id else {
            volumes.wiring.tell(format_args!("a disk more than there can be is left out"));
            return Outcome::Reply(Reply::Data(B::none(), Err(StorageError::NoVolume)));
        };
        volumes.wiring.add(id, registering.disk.clone());
    }
    let asked = registering.reader.wanted().and_then(|Wanted { block, blocks }| {
        let Volume { address, block_size, .. } = registering.disk;
        let bytes = usize::try_from(block_size).ok()?.checked_mul(blocks as usize)?;
        let data = B::own(bytes.min(BLOCK))?;
        let operation = Operation::Read;
        let request = ScsiRequest::Blocks { address, block_size, operation, block, data, tries: 0 };
        let port = volumes.wiring.ports.get()?.scsi;
        cx.request(port, Labels::NONE, request).ok()
    });
    match asked {
        Some(trigger) => Outcome::Pending(trigger, At::routine::<Read>()),
        None => end(volumes, registering),
    }
}

/// All that can be known is known.
fn end<M: Mail<B>, B: Memory>(
    volumes: &Volumes<M, B>,
    registering: &Registering,
) -> Outcome<M, Volumes<M, B>> {
    let Some(id) = registering.id else { return Outcome::Done };
    let mut named = Vec::new();
    for extent in registering.reader.partitions() {
        if let Some(part) = id.part(extent.number) {
            volumes.wiring.add(part, registering.part(extent));
            named.push(part);
        }
    }
    let Volume { address, block_size, blocks, name, .. } = &registering.disk;
    let parts: String = named.iter().map(|part| alloc::format!(" {part}")).collect();
    volumes.wiring.tell(format_args!(
        "disk {id}: {name} at {}:{}, {blocks} blocks of {block_size} bytes;{}",
        address.target,
        address.unit,
        if parts.is_empty() { " no partitions" } else { &parts }
    ));
    for flaw in registering.reader.flaws() {
        volumes.wiring.tell(format_args!("disk {id}: {flaw}"));
    }
    Outcome::Reply(Reply::Data(B::none(), Ok(())))
}

/// A part of the table is read.
struct Read;

impl<M: Mail<B>, B: Memory> Continuation<M, Volumes<M, B>> for Read {
    fn resume(
        volumes: &mut Volumes<M, B>,
        request: &mut VolumeRequest<B>,
        cx: &mut Context<'_, M>,
    ) -> Outcome<M, Volumes<M, B>> {
        let VolumeRequest::Register(registering) = request else { return Outcome::Done };
        // In the heap: a page would be the largest frame on the way of every request.
        let mut bytes = Vec::new();
        let read = match cx.reply::<Reply<B>>() {
            Ok(Some(Reply::Data(data, Ok(())))) if bytes.try_reserve_exact(BLOCK).is_ok() => {
                bytes.resize(BLOCK, 0);
                let read = data.read(&mut bytes);
                bytes.get(..read)
            }
            _ => None,
        };
        registering.reader.read(read);
        go_on(volumes, registering, cx)
    }
}
