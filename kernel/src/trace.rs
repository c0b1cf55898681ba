//! A core begins to record what it runs, and gives what it has recorded, between two requests.

use vortex_grid::Core;
use vortex_resources::Mail;
use vortex_resources::monitor::Turn;
use vortex_units::ActivityId;

use crate::assemble::Shared;
use crate::clock::Clock;

/// Does what it is this core's turn to do. Whoever asked pays for it.
pub fn look(core: &mut Core<Mail, Clock>, shared: &Shared) {
    let id = core.id();
    let payer = match shared.traces.turn(id, core.ledger().last()) {
        Turn::Nothing => return,
        Turn::Begin => {
            let Some((recorder, payer)) = shared.traces.take(id) else { return };
            core.record(recorder);
            payer
        }
        Turn::End => {
            let Some(recorder) = core.recorded() else { return };
            let Some(payer) = shared.traces.give(id, recorder) else { return };
            payer
        }
    };
    let gone = shared.activities().is_gone(payer);
    core.worked_for(if gone { ActivityId::INFRASTRUCTURE } else { payer });
}
