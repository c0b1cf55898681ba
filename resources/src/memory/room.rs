//! Waiting for memory (§3.2): who gets none waits at the multiplexor, a few times, and goes on
//! with what is earmarked for it. What is done with it is done again from where it failed; what
//! was not needed of it is others'.

use vortex_grid::{Context, Labels, Trigger};
use vortex_machine::with_earmarks;
use vortex_memory::Multiplexor;
use vortex_units::ActivityId;

use super::reclaimer::{ReclaimRequest, go};
use crate::{Answer, Mail, System};

/// How many frames are waited for, the first time and after: a page with its tables and some
/// more, and where that cannot be had, less.
const WAITS: [u8; 4] = [8, 4, 4, 1];

/// How often something has waited for memory without getting on.
#[derive(Clone, Copy, Debug, Default)]
pub struct Patience(u8);

impl Patience {
    /// It has got on: it may wait as often again.
    pub(crate) fn renew(&mut self) {
        self.0 = 0;
    }

    /// There is nothing to be had: it waits no more.
    pub(crate) fn end(&mut self) {
        self.0 = u8::MAX;
    }

    /// Waits on the account of this activity, for an answer that [`with_room`] takes. `None`
    /// where it has waited often enough, or cannot.
    pub(crate) fn wait(
        &mut self,
        system: &System,
        owner: ActivityId,
        cx: &mut Context<'_, Mail>,
    ) -> Option<Trigger> {
        let ports = system.ports.get()?;
        let &frames = WAITS.get(usize::from(self.0))?;
        let wait = ReclaimRequest::Wait(owner, frames);
        let trigger = cx.request(ports.reclaimer, Labels::NONE, wait).ok()?;
        self.0 += 1;
        Some(trigger)
    }
}

/// Does something with what was waited for, or without where there was none to be had.
pub(crate) fn with_room<T>(
    system: &System,
    cx: &mut Context<'_, Mail>,
    work: impl FnOnce(&mut Context<'_, Mail>) -> T,
) -> T {
    let done = match cx.reply::<Answer>() {
        Ok(Some(Answer::Room(Some(waiter)))) => {
            let done = with_earmarks(waiter, || work(cx));
            vortex_machine::multiplexor().inspect(|memory: &&Multiplexor| memory.give_up(waiter));
            done
        }
        _ => work(cx),
    };
    go(system, cx.activity(), cx);
    done
}
