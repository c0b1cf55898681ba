//! An address space as the kernel knows it: regions, and the machine's tables.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::sync::atomic::{AtomicU32, AtomicU64, Ordering};

use spin::Mutex;
use vortex_abi::Span;
use vortex_machine::{Access, Frame, PAGE, Space};

use super::bounds::Bounds;
use super::regions::{Backing, Region, Regions};
use crate::files::Image;

static NEXT: AtomicU64 = AtomicU64::new(1);

/// An address space.
pub struct AddressSpace {
    /// Names it: the affinity label of its requests at ASR.
    pub number: u64,
    /// The machine's tables.
    pub space: Arc<Space>,
    /// What may be where. Changed by ASR only; a leaf lock for those who read elsewhere.
    pub regions: Mutex<Regions>,
    /// How many processes have it.
    pub users: AtomicU32,
    /// The beginning and the end of the heap (`brk`).
    pub heap: Mutex<(u64, u64)>,
    /// Where the program's arguments were put.
    pub arguments: Mutex<Span>,
    /// How much there may be.
    pub bounds: Bounds,
}

impl AddressSpace {
    /// An empty one; `None` where memory has run out.
    #[must_use]
    pub fn new() -> Option<Arc<Self>> {
        let space = Arc::new(Space::new()?);
        Some(Arc::new(Self {
            number: NEXT.fetch_add(1, Ordering::Relaxed),
            space,
            regions: Mutex::new(Regions::default()),
            users: AtomicU32::new(0),
            heap: Mutex::new((0, 0)),
            arguments: Mutex::new(Span::new(0, 0)),
            bounds: Bounds::default(),
        }))
    }

    /// The region of an address, and where it begins.
    #[must_use]
    pub fn region(&self, address: u64) -> Option<(u64, Region)> {
        self.regions.lock().find(address)
    }

    /// A frame with what the page has at first; `None` where memory has run out.
    #[must_use]
    pub fn first_contents(start: u64, region: &Region, page: u64) -> Option<Frame> {
        let distance = page - start;
        match &region.backing {
            Backing::Anonymous => Frame::zeroed(),
            Backing::Shared(shared, at) => shared.frame((at + distance) / PAGE as u64),
            Backing::Mapped(image, at) => from_file(image, u64::MAX, (at + distance) as i64),
            Backing::File(image, end, at) => {
                from_file(image, *end, at.saturating_add(distance as i64))
            }
        }
    }

    /// Writes into pages that belong to a region, making those that are missing. For a
    /// space that no thread runs in yet. False where memory has run out or there is no
    /// region.
    pub fn fill(&self, mut address: u64, mut bytes: &[u8]) -> bool {
        while !bytes.is_empty() {
            let page = address & !(PAGE as u64 - 1);
            let frame = match self.space.get(page) {
                Some((frame, _)) => frame,
                None => {
                    let Some((start, region)) = self.region(page) else { return false };
                    let Some(frame) = Self::first_contents(start, &region, page) else {
                        return false;
                    };
                    if self.space.map(page, frame.clone(), region.access).is_err() {
                        return false;
                    }
                    frame
                }
            };
            let written = frame.write((address - page) as usize, bytes);
            address += written as u64;
            bytes = bytes.get(written..).unwrap_or_default();
        }
        true
    }

    /// Copies bytes out, as far as their pages are there, and no more than this.
    #[must_use]
    pub fn peek(&self, span: Span, most: usize) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut at = span.address;
        let end = span.address.saturating_add(span.length.min(most as u64));
        let mut piece = [0; 256];
        while at < end {
            let Some((frame, _)) = self.space.get(at) else { break };
            let offset = (at % PAGE as u64) as usize;
            let length = usize::try_from(end - at).unwrap_or(PAGE).min(piece.len());
            let read = frame.read(offset, piece.get_mut(..length).unwrap_or_default());
            bytes.extend_from_slice(piece.get(..read).unwrap_or_default());
            at += read as u64;
        }
        bytes
    }

    /// Whether the page's frame may be used so as it is.
    #[must_use]
    pub fn has(&self, page: u64, access: Access) -> bool {
        self.space.pin(page, access).is_some()
    }
}

/// A frame with what a file has from there on, up to `end`; zeros elsewhere. It may begin
/// before the file does, within its first page.
pub(super) fn from_file(image: &Image, end: u64, from: i64) -> Option<Frame> {
    let frame = Frame::zeroed()?;
    let mut offset = usize::try_from(from.saturating_neg()).unwrap_or(0).min(PAGE);
    let mut at = u64::try_from(from).unwrap_or(0);
    while offset < PAGE && at < end {
        let most = (end - at).min((PAGE - offset) as u64) as usize;
        let bytes = image.piece(at, most);
        if bytes == 0 {
            break;
        }
        image.with(at, bytes, |piece| frame.write(offset, piece));
        offset += bytes;
        at += bytes as u64;
    }
    Some(frame)
}
