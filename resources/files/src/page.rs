//! A page of file contents.

use crate::Errno;
use crate::accounts::Charge;
use alloc::sync::Arc;
use alloc::vec::Vec;

/// Bytes in a page.
pub const PAGE: usize = 4096;

// `Copy`, so that a page is copied from where it is to the heap: a kernel's stack has no room
// for several of them.
#[derive(Clone, Copy)]
#[repr(C, align(4096))]
struct Frame([u8; PAGE]);

/// One page, aligned as the hardware's are, so that it can be mapped where it is.
///
/// A clone shares the memory. A write through a file to a page that has clones makes a new
/// page for the file: who holds a clone keeps the contents as they were.
///
/// It is on a bill until the last clone is gone.
#[derive(Clone)]
pub struct Page(Arc<Sheet>);

struct Sheet {
    frames: Vec<Frame>,
    charge: Charge,
}

/// What a page takes beside its bytes: what holds it, and its place among a file's.
const BESIDE: u64 = 128;

/// A page of nothing.
static ZERO: Frame = Frame([0; PAGE]);
/// Its bytes.
pub(crate) static ZEROS: [u8; PAGE] = [0; PAGE];

impl Page {
    /// One on no bill, for a moment.
    pub(crate) fn zeroed() -> Result<Self, Errno> {
        Self::of(&ZERO, Charge::none())
    }

    /// One that is charged so.
    pub(crate) fn charged(mut charge: Charge) -> Result<Self, Errno> {
        if !charge.grow((PAGE as u64).saturating_add(BESIDE)) {
            return Err(Errno::ENOSPC);
        }
        Self::of(&ZERO, charge)
    }

    fn of(frame: &Frame, charge: Charge) -> Result<Self, Errno> {
        let mut frames = Vec::new();
        frames.try_reserve_exact(1).map_err(|_| Errno::ENOMEM)?;
        frames.extend_from_slice(core::slice::from_ref(frame));
        Ok(Self(Arc::new(Sheet { frames, charge })))
    }

    /// The contents.
    #[must_use]
    pub fn bytes(&self) -> &[u8; PAGE] {
        self.0.frames.first().map_or(&ZEROS, |frame| &frame.0)
    }

    pub(crate) fn bytes_mut(&mut self) -> Result<&mut [u8; PAGE], Errno> {
        if Arc::get_mut(&mut self.0).is_none() {
            let charge = self.0.charge.again().ok_or(Errno::ENOSPC)?;
            *self = Self::of(self.0.frames.first().unwrap_or(&ZERO), charge)?;
        }
        let sheet = Arc::get_mut(&mut self.0).ok_or(Errno::ENOMEM)?;
        sheet.frames.first_mut().map(|frame| &mut frame.0).ok_or(Errno::ENOMEM)
    }
}
