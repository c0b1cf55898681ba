//! Schedulers, and what activities have there, changed while the machine runs: by whoever the
//! configuration lets, as the configuration would say it.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use core::any::Any;

use vortex_abi::Errno;
use vortex_abi::performance::Said;
use vortex_grid::Context;
use vortex_units::CoreId;

use super::resource::Monitor;
use crate::Mail;
use crate::process::Operands;

/// How far an order has come: what knows the configuration keeps here what it likes.
#[derive(Default)]
pub struct Course(pub Option<Box<dyn Any + Send>>);

/// What becomes of an order: done, or not and why.
pub type Ordered = Result<(), (Errno, String)>;

/// What knows the configuration, and judges what is to be changed of it.
pub trait Changes: Send {
    /// Goes on with an order; what has become of it, or nothing if there is more to do, in another
    /// run: so that no run is longer than it may be (law 5).
    fn step(
        &mut self,
        order: &str,
        course: &mut Course,
        cx: &mut Context<'_, Mail>,
    ) -> Option<Ordered>;

    /// What the configuration says now of schedulers, and of what is reserved and limited there.
    fn said(&mut self) -> Arc<Said>;
}

impl Monitor {
    /// Goes on with the order in the first operand.
    ///
    /// # Errors
    /// `EPERM` without the right; `ESRCH` where there is no such activity, `ENXIO` no such
    /// scheduler; `ENOSPC` where more would be reserved than there is; `EBUSY` where something that
    /// holds now is to be taken back before, while the activity is divided, and where no order would
    /// come any more; and `EINVAL` for all else that cannot be. Why is written to the second.
    pub(super) fn change(
        &mut self,
        operands: &Operands,
        course: &mut Course,
        cx: &mut Context<'_, Mail>,
    ) -> Option<Result<(), Errno>> {
        let order = match self.order(operands, cx) {
            Ok(order) => order,
            Err(error) => return Some(Err(error)),
        };
        let Err((error, why)) = self.changes.step(order, course, cx)? else { return Some(Ok(())) };
        if let Ok(buffer) = operands.buffer(1) {
            // As a string: with a zero behind it, and cut to what there is room for.
            let room = buffer.len().saturating_sub(1);
            let most = why.floor_char_boundary(room);
            let bytes = why.as_bytes().get(..most).unwrap_or_default();
            buffer.write(0, bytes);
            buffer.write(bytes.len(), &[0]);
        }
        Some(Err(error))
    }

    fn order<'o>(&self, operands: &'o Operands, cx: &Context<'_, Mail>) -> Result<&'o str, Errno> {
        if !self.controls(cx.root()) {
            return Err(Errno::EPERM);
        }
        core::str::from_utf8(operands.string(0)?).map_err(|_| Errno::EINVAL)
    }

    /// Gives the activity named first this share at the resource named second: the same as an order
    /// that says so.
    ///
    /// # Errors
    /// As those of [`Monitor::change`], without why.
    pub(super) fn entitle(
        &mut self,
        operands: &Operands,
        (core, share): (Option<CoreId>, u32),
        course: &mut Course,
        cx: &mut Context<'_, Mail>,
    ) -> Option<Result<(), Errno>> {
        let order = match self.as_order(operands, (core, share), cx) {
            Ok(order) => order,
            Err(error) => return Some(Err(error)),
        };
        let done = self.changes.step(&order, course, cx)?;
        Some(done.map_err(|(error, _)| error))
    }

    fn as_order(
        &self,
        operands: &Operands,
        (core, share): (Option<CoreId>, u32),
        cx: &Context<'_, Mail>,
    ) -> Result<String, Errno> {
        if !self.controls(cx.root()) {
            return Err(Errno::EPERM);
        }
        // Names of the configuration, in which there is no end of a line.
        let text = |bytes, error| match core::str::from_utf8(bytes) {
            Ok(text) if !text.contains('\n') => Ok(text),
            _ => Err(error),
        };
        let activity = text(operands.string(0)?, Errno::ESRCH)?;
        let at = text(operands.string(1)?, Errno::ENXIO)?;
        let (units, rest) = (share / 100, share % 100);
        let core = core.map(|core| format!("\ncore={}", core.get())).unwrap_or_default();
        Ok(format!("activity={activity}\nat={at}\nshare={units}.{rest:02}{core}"))
    }
}
