//! Calls that wait for a file system on a disk.
//!
//! A call that needs what is not known, or changes what is on a disk, is kept, and another
//! request asks: so what its process calls next does not wait for it, but in its turn. The
//! answer is told to the tree, which says what becomes of the call.

use alloc::boxed::Box;

use vortex_abi::Errno;
use vortex_files::{Ask, FsId, OpenId, Root, Then, Told, Walks};
use vortex_fs::Served;
use vortex_grid::{At, Continuation, Kept, Labels, Outcome};
use vortex_machine::{Frame, Use};
use vortex_units::ActivityId;

use super::below::Below;
use super::calls::Cx;
use super::request::{FileCall, FileRequest};
use super::resource::{Done, FileSystem, Next};
use crate::bill::owner_of;
use crate::cache::CacheFrame;
use crate::memory::{Patience, with_room};
use crate::process::Pid;
use crate::{Answer, Mail};

/// What kind of request waits.
#[derive(Clone, Copy)]
pub(super) enum For {
    /// A call of this thread.
    Call(Pid),
    /// A file that is to be run, and that is open meanwhile.
    Image(Option<OpenId>),
    /// A file that is to be mapped.
    Map,
    /// The root that is to be mounted.
    Root,
}

/// A question, and who waits for its answer, if anybody does.
pub(super) struct Asking {
    pub ask: Ask,
    waits: Option<(Kept<Mail>, For)>,
    stage: Stage,
    /// It makes room for who waits, whatever it comes to.
    for_room: bool,
    /// How often it has waited for memory for pages, and what it got.
    waited: Patience,
    spare: Option<CacheFrame>,
}

impl Asking {
    fn new(ask: Ask, waits: Option<(Kept<Mail>, For)>) -> Box<Self> {
        let (waited, spare) = (Patience::default(), None);
        Box::new(Self { ask, waits, stage: Stage::First, for_room: false, waited, spare })
    }
}

/// What became of a question.
pub(super) struct Became {
    then: Result<Then, Errno>,
    /// It has changed nothing where it has failed: the call may be made again.
    only_looks: bool,
    /// Something was refused for want of room when its answer was noted.
    refused: bool,
}

impl Became {
    const LOST: Self = Self { then: Err(Errno::EIO), only_looks: false, refused: false };
}

/// A change that is done, and whose call waits until less of its activity's is unwritten: who
/// waits, and what becomes of that then.
pub(super) type Eased = ((Kept<Mail>, For), Became);

/// How far a question has come that is several for those below.
#[derive(Clone, Copy)]
pub(super) enum Stage {
    /// It is asked.
    First,
    /// What is being mounted is served so, and its topmost directory is asked for.
    Served(Served),
}

impl For {
    fn failed(self, error: Errno) -> Answer {
        match self {
            Self::Call(_) => Answer::Call(Err(error)),
            Self::Image(_) => Answer::Image(Err(error)),
            Self::Map => Answer::Mapped(Err(error)),
            Self::Root => Answer::Call(Err(error)),
        }
    }
}

impl FileSystem {
    /// If a request has left a question, or is to wait for a change: what becomes of it.
    pub(super) fn stopped(&mut self, walks: &mut Walks, of: For, cx: &mut Cx<'_>) -> Option<Next> {
        if let Some(ask) = walks.take_ask() {
            return Some(self.keep_for_answer(of, ask, cx));
        }
        // Those that are no calls look again, until the change has ended.
        walks.take_wait().map(|_| Outcome::Continue(At::beginning()))
    }

    /// If a request is made again, whatever it has answered: what becomes of it. It goes on so, or
    /// there is more room now for what it was refused, or will be.
    pub(super) fn made_again(
        &mut self,
        walks: &mut Walks,
        failed: Option<(&Errno, bool)>,
        of: For,
        cx: &mut Cx<'_>,
    ) -> Option<Next> {
        if walks.is_suspended() {
            return Some(Outcome::Continue(At::beginning()));
        }
        let wants = |(error, refused): (&Errno, bool)| refused && Root::wants_room(walks, *error);
        if !failed.is_some_and(wants) {
            return None;
        }
        let who = cx.root();
        if self.gives_up(who) {
            return Some(Outcome::Continue(At::beginning()));
        }
        if !walks.may_evict() {
            return None;
        }
        if self.leave_files(who) {
            return Some(Outcome::Continue(At::beginning()));
        }
        let ask = self.idle_file(who)?;
        Some(self.keep(of, ask, true, cx))
    }

    /// A call has answered, and perhaps been refused something: it ends, or is made again where
    /// there is more room now.
    pub(super) fn end_or_again(
        &mut self,
        call: &mut FileCall,
        (done, refused): (Result<Done, Errno>, bool),
        cx: &mut Cx<'_>,
    ) -> Next {
        let of = For::Call(call.thread.tid);
        let failed = done.as_ref().err().map(|error| (error, refused));
        if let Some(next) = self.made_again(call.walks.get_mut(), failed, of, cx) {
            return next;
        }
        self.end_call(call, done, cx)
    }

    /// Gives up what of somebody's names and files nobody has open; whether that was anything.
    fn gives_up(&mut self, who: ActivityId) -> bool {
        let (names, files) = (self.root.forget_for(owner_of(who)), self.give_up_files(who));
        names || files
    }

    /// Keeps a request while another asks.
    pub(super) fn keep_for_answer(&mut self, of: For, ask: Ask, cx: &mut Cx<'_>) -> Next {
        self.keep(of, ask, false, cx)
    }

    fn keep(&mut self, of: For, ask: Ask, for_room: bool, cx: &mut Cx<'_>) -> Next {
        let Some(kept) = cx.keep() else {
            self.is_not_asked(ask);
            return self.not_answered(of);
        };
        let mut asking = Asking::new(ask, Some((kept, of)));
        asking.for_room = for_room;
        match self.send_ask(asking, cx) {
            Ok(()) => Outcome::Kept,
            Err(asking) => {
                self.is_not_asked(asking.ask);
                self.not_answered(of)
            }
        }
    }

    fn not_answered(&mut self, of: For) -> Next {
        self.ends_for(of);
        Outcome::Reply(of.failed(Errno::ENOMEM))
    }

    /// A request that waits ends: what it has open is closed.
    fn ends_for(&mut self, of: For) {
        if let For::Image(Some(open)) = of {
            self.root.close(open, &mut self.effects);
        }
    }

    fn send_ask(&mut self, asking: Box<Asking>, cx: &mut Cx<'_>) -> Result<(), Box<Asking>> {
        self.ask_number += 1;
        let (number, name) = (self.ask_number, asking.ask.name());
        let sent = self.own().map(|own| cx.send(own, Labels::NONE, FileRequest::Ask(number, name)));
        if sent.is_none_or(|sent| sent.is_err()) {
            return Err(asking);
        }
        self.asks.insert(number, asking);
        Ok(())
    }

    /// A question that cannot be asked has failed.
    fn is_not_asked(&mut self, ask: Ask) {
        let _failed = self.root.told(ask, Err(Errno::ENOMEM), &mut self.effects);
    }

    /// There is something to be asked that no call waits for.
    #[cold]
    pub(super) fn ask_later(&mut self, cx: &mut Cx<'_>) {
        if let Some(ask) = self.root.take_later()
            && let Err(asking) = self.send_ask(Asking::new(ask, None), cx)
        {
            // Another time.
            self.root.ask_later(asking.ask);
        }
    }

    /// Asks, and waits.
    pub(super) fn ask(&mut self, number: u64, cx: &mut Cx<'_>) -> Next {
        let Some(asking) = self.asks.get_mut(&number) else { return Outcome::Done };
        let spare = asking.spare.take();
        // What was asked before is answered before.
        if matches!(asking.ask, Ask::Unmount { .. })
            && (self.asks.range(..number).next().is_some() || self.root.has_later())
        {
            return Outcome::Continue(At::beginning());
        }
        let Some(asking) = self.asks.get(&number) else { return Outcome::Done };
        match self.ask_below(&asking.ask, spare, cx) {
            Ok(trigger) => Outcome::Pending(trigger, At::routine::<Answered>()),
            Err(error) => self.is_told(number, Err(error), cx),
        }
    }

    /// The answer is there.
    fn is_told(&mut self, number: u64, told: Result<Told, Errno>, cx: &mut Cx<'_>) -> Next {
        let Some(asking) = self.asks.remove(&number) else { return Outcome::Done };
        let Asking { ask, waits, for_room, .. } = *asking;
        let (name, failed) = (ask.name(), told.as_ref().err().copied());
        let mounts = matches!(ask, Ask::Mount { .. } | Ask::Unmount { .. });
        let (changed, only_looks) = (changed(&ask), ask.only_looks());
        let then = self.root.told(ask, told, &mut self.effects);
        // Whoever goes on does so in another run: others may be refused something until then.
        let refused = self.root.take_refused();
        let then = if for_room { Ok(Then::Again) } else { then };
        let became = Became { then, only_looks, refused };
        if let (None, Some(error)) = (&waits, failed) {
            self.system.tell(&alloc::format!("{name}: {error:?}"));
        }
        if mounts {
            *self.system.mounts.lock() = self.mount_lines();
        }
        let Some(waits) = waits else { return Outcome::Done };
        // What it has changed is free for others by now.
        if let Some(trigger) = changed.and_then(|fs| self.ask_to_ease(fs, cx)) {
            self.easing.insert(number, (waits, became));
            return Outcome::Pending(trigger, At::routine::<HasEased>());
        }
        self.goes_on(waits, became, cx);
        Outcome::Done
    }

    /// Who waited for an answer goes on.
    fn goes_on(&mut self, waits: (Kept<Mail>, For), became: Became, cx: &mut Cx<'_>) {
        match (waits, became.then) {
            ((kept, For::Call(tid)), then) => {
                self.answers.insert(tid, Became { then, ..became });
                if cx.go_on(kept, At::routine::<GoesOn>()).is_err() {
                    self.answers.remove(&tid);
                }
            }
            ((kept, For::Root), then) => {
                self.no_root = then.err();
                drop(cx.go_on(kept, At::<Mail, FileSystem>::beginning()));
            }
            ((kept, of), Ok(Then::Again)) => {
                if cx.go_on(kept, At::<Mail, FileSystem>::beginning()).is_err() {
                    self.ends_for(of);
                }
            }
            // Such a request has its walks with it, and begins anew.
            ((kept, of), Err(_))
                if became.only_looks && became.refused && self.gives_up(cx.root()) =>
            {
                if cx.go_on(kept, At::<Mail, FileSystem>::beginning()).is_err() {
                    self.ends_for(of);
                }
            }
            ((kept, of), then) => {
                self.ends_for(of);
                let error = then.err().unwrap_or(Errno::EIO);
                drop(cx.answer(kept, Some(of.failed(error))));
            }
        }
    }
}

/// The file system of which a question changes something on the disk.
fn changed(ask: &Ask) -> Option<FsId> {
    let at = match ask {
        Ask::Create(create) => create.at,
        Ask::Link(link) => link.at,
        Ask::Unlink(unlink) => unlink.at,
        Ask::Rename(rename) => rename.from,
        Ask::Set { at, .. } => *at,
        _ => return None,
    };
    Some(at.fs)
}

/// Less is unwritten, or it is not waited for any more.
struct HasEased;

impl Continuation<Mail, FileSystem> for HasEased {
    fn resume(files: &mut FileSystem, request: &mut FileRequest, cx: &mut Cx<'_>) -> Next {
        let FileRequest::Ask(number, _) = request else { return Outcome::Done };
        if let Some((waits, became)) = files.easing.remove(number) {
            files.goes_on(waits, became, cx);
        }
        files.after(cx);
        Outcome::Done
    }
}

/// Those below have answered.
struct Answered;

impl Continuation<Mail, FileSystem> for Answered {
    fn resume(files: &mut FileSystem, request: &mut FileRequest, cx: &mut Cx<'_>) -> Next {
        let FileRequest::Ask(number, _) = request else { return Outcome::Done };
        let Some(asking) = files.asks.get(number) else { return Outcome::Done };
        let told = match files.answered_below(&asking.ask, asking.stage, cx) {
            Ok(Below::Told(told)) => Ok(told),
            Ok(Below::Asked(stage, trigger)) => {
                if let Some(asking) = files.asks.get_mut(number) {
                    asking.stage = stage;
                }
                return Outcome::Pending(trigger, At::routine::<Self>());
            }
            Err(Errno::ENOMEM) => match files.wait_for_pages(*number, cx) {
                Some(waits) => return waits,
                None => Err(Errno::ENOMEM),
            },
            Err(error) => Err(error),
        };
        let next = files.is_told(*number, told, cx);
        files.after(cx);
        next
    }
}

impl FileSystem {
    /// There was no memory for pages of a file: it is waited for, as for a fault. `None` where
    /// that has been done often enough, or nobody waits for the answer.
    fn wait_for_pages(&mut self, number: u64, cx: &mut Cx<'_>) -> Option<Next> {
        let asking = self.asks.get_mut(&number)?;
        let pages = matches!(asking.ask, Ask::Fetch { .. } | Ask::Prepare { .. });
        asking.waits.as_ref().filter(|_| pages)?;
        let room = asking.waited.wait(&self.system, cx.activity(), cx)?;
        Some(Outcome::Pending(room, At::routine::<HasRoom>()))
    }
}

/// What was waited for is there, or there is nothing to be had.
struct HasRoom;

impl Continuation<Mail, FileSystem> for HasRoom {
    fn resume(files: &mut FileSystem, request: &mut FileRequest, cx: &mut Cx<'_>) -> Next {
        let FileRequest::Ask(number, _) = request else { return Outcome::Done };
        let system = files.system.clone();
        let spare = with_room(&system, cx, |cx| Frame::zeroed_for(cx.activity(), Use::Cache));
        if let Some(asking) = files.asks.get_mut(number) {
            asking.spare = spare.map(CacheFrame);
        }
        files.ask(*number, cx)
    }
}

/// A call goes on.
struct GoesOn;

impl Continuation<Mail, FileSystem> for GoesOn {
    fn resume(files: &mut FileSystem, request: &mut FileRequest, cx: &mut Cx<'_>) -> Next {
        let FileRequest::Call(call) = request else { return Outcome::Done };
        let became = files.answers.remove(&call.thread.tid);
        let Became { then, only_looks, refused } = became.unwrap_or(Became::LOST);
        let following = call.following.take();
        if let Some(following) = following {
            let next = files.followed(call, following, then, cx);
            files.after(cx);
            return next;
        }
        let next = match then {
            Ok(Then::Done) => Outcome::Reply(Answer::Call(Ok(0))),
            Err(_) if call.done > 0 => Outcome::Reply(Answer::Call(Ok(call.done as u64))),
            // It ends as one that has asked nothing.
            Err(error) if only_looks => files.end_or_again(call, (Err(error), refused), cx),
            Err(error) => Outcome::Reply(Answer::Failed(FileSystem::failed(call, error))),
            Ok(Then::Again) => files.call(call, cx),
            Ok(Then::Opens(made)) => {
                call.walks.get_mut().open(made);
                let next = files.call(call, cx);
                // Where its descriptors were full by then.
                files.root.not_opened(call.walks.get_mut(), &mut files.effects);
                match next {
                    // Its name is there.
                    Outcome::Reply(Answer::Call(Err(error))) => {
                        Outcome::Reply(Answer::Failed(error))
                    }
                    next => next,
                }
            }
        };
        files.after(cx);
        next
    }
}
