//! Shares that are changed while the machine runs: by whoever the configuration lets.

use vortex_abi::Errno;
use vortex_grid::{Context, Reach, Unchanged};
use vortex_units::{CoreId, Share};

use super::resource::Monitor;
use crate::Mail;
use crate::process::Operands;

impl Monitor {
    /// Gives the activity named first this share at the resource named second.
    ///
    /// # Errors
    /// `EPERM` without the right; `EINVAL` for no share, a core that there is not, or one core of
    /// everywhere; `ESRCH` where there is no such activity, `ENXIO` no such resource; `EBUSY`
    /// while the activity is divided.
    pub(super) fn entitle(
        &self,
        operands: &Operands,
        core: Option<CoreId>,
        share: u32,
        cx: &mut Context<'_, Mail>,
    ) -> Result<(), Errno> {
        if !self.controls(cx.root()) {
            return Err(Errno::EPERM);
        }
        let activity = self.named(operands.string(0)?).ok_or(Errno::ESRCH)?;
        let name = operands.string(1)?;
        let found = self.classes.iter().find(|(own, _)| own.as_bytes() == name);
        let reach = match (found.ok_or(Errno::ENXIO)?.1, core) {
            (reach, None) => reach,
            (Reach::At(class), Some(core)) if self.has_core(core) => Reach::On(class, core),
            _ => return Err(Errno::EINVAL),
        };
        let share = Share::from_hundredths(share).map_err(|_| Errno::EINVAL)?;
        cx.entitle(activity, reach, share).map_err(|why| match why {
            Unchanged::NoActivity => Errno::ESRCH,
            Unchanged::Divided => Errno::EBUSY,
            Unchanged::Everywhere => Errno::EINVAL,
        })
    }
}
