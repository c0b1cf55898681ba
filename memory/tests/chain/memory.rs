//! The resource that reclaims: it does what the multiplexor says is to be done next.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use vortex_grid::{At, Context, Kept, Labels, Outcome, Resource};
use vortex_memory::{Account, Cookie, ResourceId, Step, WaitError, WaiterId};

use crate::mail::{Got, Mail, MemoryRequest};
use crate::world::Shared;

/// Orders sent in one run.
const BURST: usize = 3;

pub struct Memory {
    pub shared: Arc<Shared>,
    pub waiting: BTreeMap<u64, Kept<Mail>>,
    /// Without a place, since others of their activity have all of its.
    pub late: VecDeque<(Account, Kept<Mail>)>,
    pub next: u64,
}

impl Resource<Mail> for Memory {
    type Request = MemoryRequest;
    type Reply = Got;
    const FAN_OUT: u32 = 2 * BURST as u32 + 2;

    fn handle(
        &mut self,
        request: &mut MemoryRequest,
        cx: &mut Context<'_, Mail>,
    ) -> Outcome<Mail, Self> {
        if let MemoryRequest::Wait(resource) = request {
            let resource = ResourceId::new(*resource).unwrap();
            let account = Account { activity: cx.activity(), resource };
            self.late.push_back((account, cx.keep().unwrap()));
            self.enter(cx);
            cx.send(self.shared.ports.get().unwrap().memory, Labels::NONE, MemoryRequest::Go)
                .unwrap();
            return Outcome::Kept;
        }
        self.enter(cx);
        for _ in 0..BURST {
            match self.shared.memory.step() {
                Step::Idle => return Outcome::Done,
                Step::Again => {}
                Step::Order(order) => {
                    self.shared.count(|counts| counts.orders += 1);
                    self.shared.pass(order, cx);
                }
                Step::Ready(waiter, _, token) => self.answer(cx, token, Some(waiter)),
                Step::Nothing(_, _, token) => self.answer(cx, token, None),
            }
        }
        Outcome::Continue(At::beginning())
    }
}

impl Memory {
    /// Those for whose activity there is a place.
    fn enter(&mut self, cx: &mut Context<'_, Mail>) {
        // All are asked for again, whether or not there is a place.
        let _any = self.shared.memory.take_vacancy();
        for _ in 0..self.late.len() {
            let Some((account, kept)) = self.late.pop_front() else { break };
            self.next += 1;
            match self.shared.memory.wait(account, Cookie(self.next), 1) {
                Ok(_) => assert!(self.waiting.insert(self.next, kept).is_none()),
                Err(WaitError::Full) => self.late.push_back((account, kept)),
                Err(_) => assert!(cx.answer(kept, Some(Got(None))).is_ok()),
            }
        }
        self.shared.memory.note_late(!self.late.is_empty());
    }

    fn answer(&mut self, cx: &mut Context<'_, Mail>, token: Cookie, got: Option<WaiterId>) {
        let kept = self.waiting.remove(&token.0).expect("a waiter is told once");
        assert!(cx.answer(kept, Some(Got(got))).is_ok(), "this resource has one core");
    }
}
