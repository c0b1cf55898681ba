//! What is held back of a stream because it does not fill a segment (`TCP_CORK`).

use alloc::sync::Arc;
use alloc::vec::Vec;

use smoltcp::socket::tcp;
use vortex_units::ActivityId;

use crate::bill::{Bills, Charged};
use crate::host::Data;

/// Bytes of a segment.
const SEGMENT: usize = crate::tcp::MTU - 40;

/// It.
pub struct Cork {
    /// Less than a segment.
    held: Vec<u8>,
    /// When it goes in any case; by the clock, zero while there is nothing.
    pub until: u64,
    _charged: Charged,
}

impl Cork {
    /// Nothing yet; `None` where the activity, or the heap, has no room for it.
    pub fn new(bills: &Arc<dyn Bills>, activity: ActivityId) -> Option<Self> {
        let charged = Charged::new(bills, activity, SEGMENT as u64)?;
        let mut held = Vec::new();
        held.try_reserve_exact(SEGMENT).ok()?;
        Some(Self { held, until: 0, _charged: charged })
    }

    /// Whether something is held back.
    pub fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// How much is.
    pub fn bytes(&self) -> usize {
        self.held.len()
    }

    /// Takes what there is room for, and lets whole segments go.
    pub fn take<D: Data>(&mut self, tcp: &mut tcp::Socket<'_>, data: &D) -> usize {
        let free = tcp.send_capacity().saturating_sub(tcp.send_queue());
        let takes = free.saturating_sub(self.held.len()).min(data.bytes());
        let all = self.held.len().saturating_add(takes);
        let stays = all.checked_rem(SEGMENT).unwrap_or(0);
        if stays == all {
            self.hold(data, 0, takes);
            return takes;
        }
        self.flush(tcp);
        let goes = takes.saturating_sub(stays);
        let mut gone = 0_usize;
        // The ring's end, then its beginning.
        for _ in 0..2 {
            let sent = tcp.send(|room| {
                let most = room.len().min(goes.saturating_sub(gone));
                let copied = data.read(gone, room.get_mut(..most).unwrap_or_default());
                (copied, copied)
            });
            gone = gone.saturating_add(sent.unwrap_or(0));
        }
        if gone == goes {
            self.hold(data, gone, stays);
            gone = gone.saturating_add(stays);
        }
        gone
    }

    fn hold<D: Data>(&mut self, data: &D, at: usize, bytes: usize) {
        let from = self.held.len();
        // There is room for a segment.
        self.held.resize(from.saturating_add(bytes), 0);
        data.read(at, self.held.get_mut(from..).unwrap_or_default());
    }

    /// All goes.
    pub fn flush(&mut self, tcp: &mut tcp::Socket<'_>) {
        // What was taken had room.
        let _ = tcp.send_slice(&self.held);
        self.held.clear();
        self.until = 0;
    }
}
