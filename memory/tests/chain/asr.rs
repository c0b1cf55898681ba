//! ASR: which page has which frame; pages of zeros that a program writes, and pages of text.

use std::sync::Arc;

use vortex_grid::{At, Context, Continuation, Labels, Outcome, Resource};
use vortex_memory::{Account, Answer, Cookie, FrameId, Information, Left, Order, Why};
use vortex_units::{CoreId, Micros};

use crate::mail::{
    AsrRequest, ErPage, ErRequest, Got, Mail, MemoryRequest, SrRequest, Swapped, Touch, Touched,
};
use crate::world::{ASR, Draw, Page, Shared, TEXT, key, unkey};

pub struct Spaces {
    pub shared: Arc<Shared>,
}

type Done = Outcome<Mail, Spaces>;

struct HasMemory;
struct HasText;
struct HasRoom;
struct HasData;
struct IsKept;

impl Resource<Mail> for Spaces {
    type Request = AsrRequest;
    type Reply = Touched;
    const FAN_OUT: u32 = 3;

    fn handle(&mut self, request: &mut AsrRequest, cx: &mut Context<'_, Mail>) -> Done {
        match request {
            AsrRequest::Touch(touch) => self.touch(touch, cx),
            AsrRequest::Reclaim(order) => self.reclaim(order, cx),
            AsrRequest::Unpin(frame) => {
                self.shared.memory.unpin(*frame);
                self.go(cx);
                Outcome::Done
            }
        }
    }
}

impl Spaces {
    fn go(&self, cx: &mut Context<'_, Mail>) {
        let ports = self.shared.ports.get().unwrap();
        cx.send(ports.memory, Labels::NONE, MemoryRequest::Go).unwrap();
    }

    fn touch(&self, touch: &mut Touch, cx: &mut Context<'_, Mail>) -> Done {
        let ports = self.shared.ports.get().unwrap();
        let place = (cx.activity().index(), touch.page);
        let page = self.shared.page(place);
        match page {
            Page::Here(frame) => {
                touch.waiter.take().inspect(|&waiter| self.shared.memory.give_up(waiter));
                self.use_page(touch, frame, cx)
            }
            // Another request is about it.
            Page::Busy(_) => self.again(touch, cx),
            Page::Absent if touch.page >= TEXT => {
                self.shared.set(place, Page::Busy(None));
                let page = ErRequest::Page(touch.page);
                Outcome::Pending(
                    cx.request(ports.er, Labels::NONE, page).unwrap(),
                    At::routine::<HasText>(),
                )
            }
            Page::Absent | Page::Away => {
                let away = page == Page::Away;
                self.shared.set(place, Page::Busy(Some(away)));
                let account = Account { activity: cx.activity(), resource: ASR };
                match self.shared.memory.allocate(cx.core(), account, Cookie(key(place))) {
                    Ok(frame) => self.has_frame(touch, frame, cx),
                    Err(_) => {
                        let wait = MemoryRequest::Wait(ASR.index() as u8);
                        let got = cx.request(ports.memory, Labels::NONE, wait).unwrap();
                        Outcome::Pending(got, At::routine::<HasMemory>())
                    }
                }
            }
        }
    }

    /// A page that may have been swapped out has its frame. It is pinned until it is filled.
    fn has_frame(&self, touch: &mut Touch, frame: FrameId, cx: &mut Context<'_, Mail>) -> Done {
        let place = (cx.activity().index(), touch.page);
        assert!(self.shared.memory.pin(frame));
        touch.frame = Some(frame);
        if self.shared.page(place) == Page::Busy(Some(true)) {
            let ports = self.shared.ports.get().unwrap();
            let read = SrRequest::Read(key(place));
            return Outcome::Pending(
                cx.request(ports.sr, Labels::NONE, read).unwrap(),
                At::routine::<HasData>(),
            );
        }
        self.filled(touch, frame, 0, cx)
    }

    fn filled(
        &self,
        touch: &mut Touch,
        frame: FrameId,
        contents: u64,
        cx: &mut Context<'_, Mail>,
    ) -> Done {
        self.shared.put(frame, contents);
        self.shared.set((cx.activity().index(), touch.page), Page::Here(frame));
        self.shared.memory.unpin(frame);
        self.go(cx);
        self.use_page(touch, frame, cx)
    }

    /// What the program does.
    fn use_page(&self, touch: &mut Touch, frame: FrameId, cx: &mut Context<'_, Mail>) -> Done {
        let place = (cx.activity().index(), touch.page);
        let expected = self.shared.expected(place);
        assert_eq!(self.shared.get(frame), expected, "page {place:?} has lost its contents");
        let write = touch.write && touch.page < TEXT;
        if write {
            self.shared.put(frame, expected + 1);
            self.shared.written(place, expected + 1);
        }
        self.shared.memory.inform(frame, Information { accessed: true, modified: write });
        if touch.pin && self.shared.memory.pin(frame) {
            let ports = self.shared.ports.get().unwrap();
            cx.after(Micros::new(300), ports.asr, Labels::NONE, AsrRequest::Unpin(frame)).unwrap();
        }
        self.shared.count(|counts| counts.good += 1);
        Outcome::Reply(Touched)
    }

    /// Once more, a little later: to go on at the head of the queue would keep from its turn
    /// what is waited for.
    fn again(&self, touch: &mut Touch, cx: &mut Context<'_, Mail>) -> Done {
        let port = self.shared.ports.get().unwrap().asr;
        let Touch { page, write, pin, waiter, .. } = *touch;
        let touch = AsrRequest::Touch(Touch { page, write, pin, frame: None, waiter });
        cx.after(Micros::new(50), port, cx.labels(), touch).unwrap();
        Outcome::Done
    }

    fn fail(&self) -> Done {
        self.shared.count(|counts| counts.no_memory += 1);
        Outcome::Reply(Touched)
    }

    fn reclaim(&self, order: &mut Order, cx: &mut Context<'_, Mail>) -> Done {
        let (memory, ports) = (&self.shared.memory, self.shared.ports.get().unwrap());
        let place = unkey(order.cookie.0);
        if memory.waiter_of(order.id).is_err() || self.shared.page(place) != Page::Here(order.frame)
        {
            // It has ended, or the page is about to be filled: pinned then.
            let _stale = memory.answer(order.id, Answer::Pinned { handles: 1 });
            self.go(cx);
            return Outcome::Done;
        }
        if place.1 >= TEXT {
            // The page table's entry goes; the next of the chain is asked.
            self.shared.set(place, Page::Absent);
            assert_eq!(
                memory.leave(CoreId::new(0), order.frame, self.shared.activity(place.0)),
                Ok(Left::Held)
            );
            if let Ok(next) = memory.forward(order.id) {
                self.shared.pass(next.expect("beneath ASR are others"), cx);
            }
            return Outcome::Done;
        }
        if self.shared.draw(Draw::Refusal) {
            memory.answer(order.id, Answer::Refused).unwrap();
            self.go(cx);
            return Outcome::Done;
        }
        // A program must not write what is being written out.
        self.shared.set(place, Page::Busy(Some(true)));
        let write = SrRequest::Write(order.cookie.0, self.shared.get(order.frame));
        Outcome::Pending(
            cx.request(ports.sr, Labels::NONE, write).unwrap(),
            At::routine::<IsKept>(),
        )
    }
}

impl Continuation<Mail, Spaces> for HasMemory {
    fn resume(asr: &mut Spaces, request: &mut AsrRequest, cx: &mut Context<'_, Mail>) -> Done {
        let Ok(Some(Got(got))) = cx.reply::<Got>() else { panic!("unanswered") };
        let AsrRequest::Touch(touch) = request else { panic!("no touch") };
        let place = (cx.activity().index(), touch.page);
        let Some(waiter) = got else {
            let away = asr.shared.page(place) == Page::Busy(Some(true));
            asr.shared.set(place, if away { Page::Away } else { Page::Absent });
            return asr.fail();
        };
        let frame =
            asr.shared.memory.allocate_earmarked(waiter, Cookie(key(place))).expect("earmarked");
        asr.shared.memory.give_up(waiter);
        asr.has_frame(touch, frame, cx)
    }
}

impl Continuation<Mail, Spaces> for HasText {
    fn resume(asr: &mut Spaces, request: &mut AsrRequest, cx: &mut Context<'_, Mail>) -> Done {
        let Ok(Some(ErPage(frame))) = cx.reply::<ErPage>() else { panic!("unanswered") };
        let AsrRequest::Touch(touch) = request else { panic!("no touch") };
        let place = (cx.activity().index(), touch.page);
        let memory = &asr.shared.memory;
        asr.shared.set(place, Page::Absent);
        let waiter = touch.waiter.take();
        let Some(frame) = frame else {
            waiter.inspect(|&waiter| memory.give_up(waiter));
            return asr.fail();
        };
        let joined = match waiter {
            Some(waiter) => {
                let joined = memory.join_earmarked(waiter, frame);
                memory.give_up(waiter);
                joined.or_else(|_| memory.join(frame, cx.activity()))
            }
            None => memory.join(frame, cx.activity()),
        };
        let shown = joined.is_ok() && memory.redirect(frame, ASR, Cookie(key(place))).is_ok();
        memory.unpin(frame);
        asr.go(cx);
        if shown {
            asr.shared.set(place, Page::Here(frame));
            return asr.use_page(touch, frame, cx);
        }
        if joined.is_ok() {
            memory.leave(CoreId::new(0), frame, cx.activity()).unwrap();
        }
        match joined.map_err(|rejected| rejected.why) {
            // On its way back: once more, from the beginning.
            Ok(()) | Err(Why::NotHeld) => asr.again(touch, cx),
            // Room first, and without a pin.
            Err(Why::Hard | Why::Low) => {
                let ports = asr.shared.ports.get().unwrap();
                let wait = MemoryRequest::Wait(ASR.index() as u8);
                let got = cx.request(ports.memory, Labels::NONE, wait).unwrap();
                Outcome::Pending(got, At::routine::<HasRoom>())
            }
            Err(why) => panic!("{why:?}"),
        }
    }
}

impl Continuation<Mail, Spaces> for HasRoom {
    fn resume(asr: &mut Spaces, request: &mut AsrRequest, cx: &mut Context<'_, Mail>) -> Done {
        let Ok(Some(Got(got))) = cx.reply::<Got>() else { panic!("unanswered") };
        let AsrRequest::Touch(touch) = request else { panic!("no touch") };
        touch.waiter = got;
        if got.is_some() { asr.touch(touch, cx) } else { asr.fail() }
    }
}

impl Continuation<Mail, Spaces> for HasData {
    fn resume(asr: &mut Spaces, request: &mut AsrRequest, cx: &mut Context<'_, Mail>) -> Done {
        let Ok(Some(Swapped(contents))) = cx.reply::<Swapped>() else { panic!("unanswered") };
        let AsrRequest::Touch(touch) = request else { panic!("no touch") };
        let frame = touch.frame.unwrap();
        let Some(contents) = contents else {
            // Only who needs the page learns of it, and may try again.
            asr.shared.set((cx.activity().index(), touch.page), Page::Away);
            asr.shared.memory.unpin(frame);
            let left = asr.shared.memory.leave(CoreId::new(0), frame, cx.activity());
            assert!(left.is_ok());
            asr.shared.count(|counts| counts.broken += 1);
            asr.go(cx);
            return Outcome::Reply(Touched);
        };
        asr.filled(touch, frame, contents, cx)
    }
}

impl Continuation<Mail, Spaces> for IsKept {
    fn resume(asr: &mut Spaces, request: &mut AsrRequest, cx: &mut Context<'_, Mail>) -> Done {
        let Ok(Some(Swapped(kept))) = cx.reply::<Swapped>() else { panic!("unanswered") };
        let AsrRequest::Reclaim(order) = request else { panic!("no order") };
        let place = unkey(order.cookie.0);
        let (after, answer) = match kept {
            Some(_) => (Page::Away, Answer::GivenBack),
            None => (Page::Here(order.frame), Answer::Failed),
        };
        asr.shared.set(place, after);
        asr.shared.memory.answer(order.id, answer).unwrap();
        asr.go(cx);
        Outcome::Done
    }
}
