//! Schedulers, and what activities have there, changed while the machine runs: by whoever the
//! configuration lets, as the configuration would say it.

use alloc::string::String;

use vortex_abi::Errno;
use vortex_grid::Context;

use super::resource::Monitor;
use crate::Mail;
use crate::process::Operands;

/// What knows the configuration, and judges what is to be changed of it.
pub trait Changes: Send {
    /// Carries out an order.
    ///
    /// # Errors
    /// Why not, with what would be right; then nothing has changed.
    fn change(&mut self, order: &str, cx: &mut Context<'_, Mail>) -> Result<(), (Errno, String)>;
}

impl Monitor {
    /// Carries out the order in the first operand.
    ///
    /// # Errors
    /// `EPERM` without the right; `ESRCH` where there is no such activity, `ENXIO` no such
    /// scheduler; `ENOSPC` where more would be reserved than there is, `EBUSY` while the activity
    /// is divided, and `EINVAL` for all else that cannot be. Why is written to the second.
    pub(super) fn change(
        &self,
        operands: &Operands,
        cx: &mut Context<'_, Mail>,
    ) -> Result<(), Errno> {
        if !self.controls(cx.root()) {
            return Err(Errno::EPERM);
        }
        let order = core::str::from_utf8(operands.string(0)?).map_err(|_| Errno::EINVAL)?;
        let Err((error, why)) = self.changes.lock().change(order, cx) else { return Ok(()) };
        if let Ok(buffer) = operands.buffer(1) {
            // As a string: with a zero behind it, and cut to what there is room for.
            let room = buffer.len().saturating_sub(1);
            let bytes = why.as_bytes().get(..room.min(why.len())).unwrap_or(why.as_bytes());
            buffer.write(0, bytes);
            buffer.write(bytes.len(), &[0]);
        }
        Err(error)
    }
}
