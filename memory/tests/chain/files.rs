//! ER and FCR: a page of text is a block of a file, cached once for all who run it.

use std::collections::BTreeMap;
use std::sync::Arc;

use vortex_grid::{At, Context, Continuation, Labels, Outcome, Resource};
use vortex_memory::{Account, Answer, Cookie, FrameId};
use vortex_units::ActivityId;

use crate::mail::{ErPage, ErRequest, FcrBlock, FcrRequest, Got, Mail, MemoryRequest};
use crate::world::{Draw, ER, FCR, Shared, text};

/// ER: knows which block a page of text is.
pub struct Executables {
    pub shared: Arc<Shared>,
    /// Frames for which it had reclamation directed to itself.
    pub shown: BTreeMap<u64, FrameId>,
}

struct HasBlock;

impl Resource<Mail> for Executables {
    type Request = ErRequest;
    type Reply = ErPage;
    const FAN_OUT: u32 = 2;

    fn handle(
        &mut self,
        request: &mut ErRequest,
        cx: &mut Context<'_, Mail>,
    ) -> Outcome<Mail, Self> {
        let ports = self.shared.ports.get().unwrap();
        match request {
            ErRequest::Page(page) => {
                let block = FcrRequest::Block(*page);
                Outcome::Pending(
                    cx.request(ports.fcr, Labels::NONE, block).unwrap(),
                    At::routine::<HasBlock>(),
                )
            }
            ErRequest::Reclaim(order) => {
                self.shown.remove(&order.cookie.0);
                if let Ok(next) = self.shared.memory.forward(order.id) {
                    self.shared.pass(next.expect("beneath ER is FCR"), cx);
                }
                Outcome::Done
            }
        }
    }
}

impl Continuation<Mail, Executables> for HasBlock {
    fn resume(
        er: &mut Executables,
        request: &mut ErRequest,
        cx: &mut Context<'_, Mail>,
    ) -> Outcome<Mail, Executables> {
        let Ok(Some(FcrBlock(frame))) = cx.reply::<FcrBlock>() else { panic!("unanswered") };
        let ErRequest::Page(page) = *request else { panic!("no page") };
        if let Some(frame) = frame
            && er.shown.get(&page) != Some(&frame)
        {
            // Where it cannot, the frame is on its way back: ASR will see it.
            if er.shared.memory.redirect(frame, ER, Cookie(page)).is_ok() {
                er.shown.insert(page, frame);
            }
        }
        Outcome::Reply(ErPage(frame))
    }
}

/// FCR: allocates and caches blocks.
pub struct FileCache {
    pub shared: Arc<Shared>,
}

struct HasMemory;

impl Resource<Mail> for FileCache {
    type Request = FcrRequest;
    type Reply = FcrBlock;
    const FAN_OUT: u32 = 2;

    fn handle(
        &mut self,
        request: &mut FcrRequest,
        cx: &mut Context<'_, Mail>,
    ) -> Outcome<Mail, Self> {
        let memory = &self.shared.memory;
        let ports = self.shared.ports.get().unwrap();
        match request {
            FcrRequest::Block(block) => {
                if let Some(&(frame, _)) = self.shared.blocks.lock().unwrap().get(block) {
                    assert!(memory.pin(frame));
                    return Outcome::Reply(FcrBlock(Some(frame)));
                }
                let account = Account { activity: cx.activity(), resource: FCR };
                match memory.allocate(cx.core(), account, Cookie(*block)) {
                    Ok(frame) => {
                        Outcome::Reply(FcrBlock(Some(self.fetched(*block, frame, cx.activity()))))
                    }
                    Err(_) => {
                        let wait = MemoryRequest::Wait(FCR.index() as u8);
                        let got = cx.request(ports.memory, Labels::NONE, wait).unwrap();
                        Outcome::Pending(got, At::routine::<HasMemory>())
                    }
                }
            }
            FcrRequest::Reclaim(order) => {
                let refuses = self.shared.draw(Draw::Refusal);
                if refuses {
                    let _stale = memory.answer(order.id, Answer::Refused);
                } else if memory.waiter_of(order.id).is_ok() {
                    let mut blocks = self.shared.blocks.lock().unwrap();
                    assert_eq!(
                        blocks.remove(&order.cookie.0).map(|(frame, _)| frame),
                        Some(order.frame)
                    );
                    memory.answer(order.id, Answer::GivenBack).unwrap();
                }
                cx.send(ports.memory, Labels::NONE, MemoryRequest::Go).unwrap();
                Outcome::Done
            }
        }
    }
}

impl Continuation<Mail, FileCache> for HasMemory {
    fn resume(
        fcr: &mut FileCache,
        request: &mut FcrRequest,
        cx: &mut Context<'_, Mail>,
    ) -> Outcome<Mail, FileCache> {
        let Ok(Some(Got(got))) = cx.reply::<Got>() else { panic!("unanswered") };
        let FcrRequest::Block(block) = *request else { panic!("no block") };
        let Some(waiter) = got else { return Outcome::Reply(FcrBlock(None)) };
        let memory = &fcr.shared.memory;
        let frame = memory.allocate_earmarked(waiter, Cookie(block)).expect("earmarked");
        memory.give_up(waiter);
        Outcome::Reply(FcrBlock(Some(fcr.fetched(block, frame, cx.activity()))))
    }
}

impl FileCache {
    /// The block is in the frame, unless another has fetched it meanwhile.
    fn fetched(&self, block: u64, frame: FrameId, activity: ActivityId) -> FrameId {
        let memory = &self.shared.memory;
        let mut blocks = self.shared.blocks.lock().unwrap();
        let frame = match blocks.get(&block) {
            Some(&(cached, _)) => {
                memory.leave(vortex_units::CoreId::new(0), frame, activity).unwrap();
                cached
            }
            None => {
                blocks.insert(block, (frame, activity));
                self.shared.put(frame, text(block));
                frame
            }
        };
        assert!(memory.pin(frame));
        frame
    }
}
