//! SR: keeps what cannot be made again. Its device fails at times.

use std::collections::BTreeMap;
use std::sync::Arc;

use vortex_grid::{Context, Outcome, Resource};

use crate::mail::{Mail, SrRequest, Swapped};
use crate::world::{Draw, SR, Shared};
use vortex_memory::{Account, Cookie};
use vortex_units::CoreId;

pub struct Swap {
    pub shared: Arc<Shared>,
    pub kept: BTreeMap<u64, u64>,
}

impl Resource<Mail> for Swap {
    type Request = SrRequest;
    type Reply = Swapped;
    const FAN_OUT: u32 = 1;

    fn handle(
        &mut self,
        request: &mut SrRequest,
        cx: &mut Context<'_, Mail>,
    ) -> Outcome<Mail, Self> {
        // Writing out needs a frame for its own ends, and has it out of the reserve.
        let account = Account { activity: cx.activity(), resource: SR };
        let memory = &self.shared.memory;
        let frame = memory.allocate_reserved(account, Cookie(0)).expect("the reserve is there");
        memory.leave(CoreId::new(0), frame, cx.activity()).unwrap();
        if self.shared.draw(Draw::Failure) {
            return Outcome::Reply(Swapped(None));
        }
        match *request {
            SrRequest::Write(key, value) => {
                self.kept.insert(key, value);
                Outcome::Reply(Swapped(Some(value)))
            }
            SrRequest::Read(key) => Outcome::Reply(Swapped(Some(self.kept[&key]))),
        }
    }
}
