//! Time, and the infrastructure's request that has dirty pages written on the bills of those
//! who made them so.

use alloc::sync::Arc;

use vortex_grid::{At, Labels, Outcome, SendError};
use vortex_units::{ActivityId, Cycles, Micros};

use super::waiting::Waits;
use super::{Cx, FileCache, Next, SENDS};
use crate::cache::{CachedFile, PageFrame};
use crate::requests::{CacheRequest, Mail};

/// How often is looked.
const TICK: Micros = Micros::new(1_000_000);
/// How long a page may be dirty before it is written.
const AGE: Micros = Micros::new(5_000_000);
/// For how long who has read a file is taken to be about to go on.
const IDLE: Micros = Micros::new(60_000_000);
/// Files looked at in one run; who has dirty pages of one, and a piece, is worth as much.
const LOOKS: usize = 20;
/// And of those that may be forgotten, beside half of what is left of that.
const FORGETS: usize = 10;
/// Of each of them the pieces that are looked at: the oldest.
const PIECES: usize = 8;
/// A walk over the files is over: the daemon waits.
const WAITS: u32 = u32::MAX;

/// What the daemon is asked for: that somebody's pages of a file are written, or that a piece
/// is taken.
pub(super) struct Kick {
    file: u32,
    who: ActivityId,
    piece: Option<u64>,
}

impl<M: Mail<F>, F: PageFrame> FileCache<M, F> {
    /// How many cycles a page may be dirty.
    pub(super) fn age(&self) -> Cycles {
        self.frequency.cycles(AGE)
    }

    /// A tick, or the daemon that a tick has become: it looks for pages that have been dirty
    /// for long, and asks for what has been asked of it.
    pub(super) fn tick(&mut self, at: &mut u32, cx: &mut Cx<'_, M>) -> Next<M, F> {
        self.make_waker(cx);
        if *at != WAITS {
            return self.look_for_old(at, cx);
        }
        if !self.serve_kicks(cx) {
            return Outcome::Continue(At::beginning());
        }
        if self.daemon.is_some() {
            return Outcome::Done;
        }
        match cx.keep() {
            Some(kept) => {
                self.daemon = Some(kept);
                Outcome::Kept
            }
            // The next tick is one.
            None => Outcome::Done,
        }
    }

    fn look_for_old(&mut self, at: &mut u32, cx: &mut Cx<'_, M>) -> Next<M, F> {
        let (now, age) = (cx.now(), self.age());
        let (mut last, mut looks) = (None, LOOKS);
        let is_old = |since| now.saturating_sub(since) > age;
        for (number, work) in self.works.range_mut(*at..) {
            if looks == 0 {
                break;
            }
            last = Some(*number);
            looks = looks.saturating_sub(1).saturating_sub(work.dirtiers.len());
            for (who, dirtier) in &mut work.dirtiers {
                dirtier.refused = false;
                // Its request may have been refused on its way, and nobody told.
                let lost = dirtier.busy && dirtier.writing == 0 && is_old(dirtier.asked);
                if (!dirtier.busy && is_old(dirtier.since)) || lost {
                    (dirtier.busy, dirtier.asked) = (true, now);
                    self.kicks.push_back(Kick { file: *number, who: *who, piece: None });
                }
            }
            // So may a piece: whoever waits for its pages waits for it.
            let lost = |piece: &&mut super::Piece| !piece.held && is_old(piece.since);
            let some = work.queued.iter_mut().take(PIECES);
            let some = some.inspect(|_| looks = looks.saturating_sub(1));
            for piece in some.filter(lost) {
                piece.since = now;
                let kick = Kick { file: *number, who: piece.by, piece: Some(piece.number) };
                self.kicks.push_back(kick);
            }
        }
        self.forget_unused(now, FORGETS.saturating_add(looks / 2));
        match last.and_then(|last| last.checked_add(1)) {
            Some(next) => *at = next,
            None => {
                *at = WAITS;
                let port = self.wiring.ports.get().map(|ports| ports.cache);
                let next = CacheRequest::tick();
                if port.is_none_or(|port| cx.after(TICK, port, Labels::NONE, next).is_err()) {
                    self.wiring.tell(format_args!("files are not written by themselves any more"));
                }
            }
        }
        Outcome::Continue(At::beginning())
    }

    /// Forgets files that nobody has, and of which nothing is kept: some in a run, around.
    fn forget_unused(&mut self, now: Cycles, looks: usize) {
        let idle = now.saturating_sub(self.frequency.cycles(IDLE));
        for _ in 0..looks {
            let Some(file) = self.wiring.files.next(self.forgets, None) else {
                self.forgets = 0;
                return;
            };
            self.forgets = file.number().saturating_add(1);
            file.with(|inner| inner.streams.forget(idle));
            self.forget_bare(&file);
        }
    }

    /// The same for one, of which a page has gone.
    pub(super) fn forget_bare(&self, file: &Arc<CachedFile<F>>) {
        if !self.works.contains_key(&file.number()) {
            self.wiring.files.forget_bare(file);
        }
    }

    /// Has all dirty pages of a file written, on the bills of those who made them so; but for
    /// one's, who sees to that.
    pub(super) fn kick(&mut self, number: u32, but: Option<ActivityId>, cx: &mut Cx<'_, M>) {
        let Some(work) = self.works.get_mut(&number) else { return };
        for (other, dirtier) in &mut work.dirtiers {
            if Some(*other) != but && !dirtier.busy && !dirtier.refused {
                (dirtier.busy, dirtier.asked) = (true, cx.now());
                self.kicks.push_back(Kick { file: number, who: *other, piece: None });
            }
        }
        if !self.kicks.is_empty()
            && let Some(daemon) = self.daemon.take()
        {
            // Kept here, by this resource.
            let _ = cx.go_on(daemon, At::<M, Self>::beginning());
        }
    }

    /// The same, and those that could not be asked to, on the bill of who runs now. Whether any
    /// is on its way: else there is nothing to wait for.
    pub(super) fn have_written(&mut self, number: u32, cx: &mut Cx<'_, M>) -> bool {
        self.kick(number, None, cx);
        let port = self.wiring.ports.get().map(|ports| ports.cache);
        let file = self.wiring.files.numbered(number);
        let Some(work) = self.works.get_mut(&number) else { return false };
        let mut sends = SENDS;
        for (who, dirtier) in work.dirtiers.iter_mut().filter(|(_, it)| it.refused && !it.busy) {
            let (Some(port), Some(file), 1..) = (port, &file, sends) else { break };
            let request = CacheRequest::write_back(file.clone(), *who);
            if cx.send(port, Labels::NONE, request).is_err() {
                break;
            }
            sends = sends.saturating_sub(1);
            (dirtier.busy, dirtier.refused, dirtier.asked) = (true, false, cx.now());
        }
        work.dirtiers.values().any(|dirtier| dirtier.busy)
    }

    /// Asks for what was asked of the daemon, some of it in a run; whether that is all.
    fn serve_kicks(&mut self, cx: &mut Cx<'_, M>) -> bool {
        let Some(port) = self.wiring.ports.get().map(|ports| ports.cache) else { return true };
        for _ in 0..SENDS {
            let Some(Kick { file: number, who, piece }) = self.kicks.pop_front() else {
                return true;
            };
            let Some(file) = self.wiring.files.numbered(number) else {
                self.end_write_back(number, who, cx);
                self.works_end(number, cx);
                continue;
            };
            cx.bill_run(who);
            let request = |file| match piece {
                Some(piece) => CacheRequest::piece(file, piece),
                None => CacheRequest::write_back(file, who),
            };
            let sent = match cx.send_for(who, port, Labels::NONE, request(file.clone())) {
                // Nobody pays any more for what it has left.
                Err(SendError::NoSuchActivity) => cx.send(port, Labels::NONE, request(file)),
                sent => sent,
            };
            if sent.is_err() && piece.is_none() {
                self.refuse(number, who, cx);
            }
        }
        self.kicks.is_empty()
    }

    /// Somebody's pages cannot be written on its bill now: who waits for them may do so on its
    /// own; else they wait.
    fn refuse(&mut self, number: u32, who: ActivityId, cx: &mut Cx<'_, M>) {
        let Some(work) = self.works.get_mut(&number) else { return };
        if let Some(dirtier) = work.dirtiers.get_mut(&who) {
            (dirtier.busy, dirtier.refused) = (false, true);
        }
        self.wake(number, Waits::ANY, cx);
    }
}
