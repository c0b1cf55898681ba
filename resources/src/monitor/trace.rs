//! Recordings of what all cores run: by the right to see the data of all.

use alloc::string::String;

use vortex_abi::Errno;
use vortex_abi::performance::trace::{self, NOWHERE, Piece, encode};
use vortex_grid::{Context, Event, How, Recorder};
use vortex_units::{ActivityId, CoreId, Cycles, InstanceId, Micros};

use super::resource::{Monitor, number};
use super::traces::Recorded;
use crate::Mail;
use crate::process::Operands;

/// How far a recording has come that is being prepared: a core's recorder is made in a run.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Preparing {
    made: usize,
    until: Cycles,
}

impl Monitor {
    /// Prepares a recording of so many milliseconds, and begins it when all is there: on how many
    /// cores; `None`: there is more to be prepared.
    ///
    /// # Errors
    /// `EPERM` without the right, `EINVAL` for no time or too long a one, `EBUSY` while another
    /// goes on, `ENOMEM` where its activity has no room for it.
    pub(super) fn record(
        &self,
        milliseconds: u32,
        preparing: &mut Preparing,
        cx: &mut Context<'_, Mail>,
    ) -> Result<Option<u64>, Errno> {
        if !self.observes(cx.root()) {
            return Err(Errno::EPERM);
        }
        if preparing.made == 0 {
            if !(1..=trace::LONGEST).contains(&milliseconds) {
                return Err(Errno::EINVAL);
            }
            if self.traces.is_busy() {
                self.look_there(cx);
                return Err(Errno::EBUSY);
            }
            let span = Micros::new(u64::from(milliseconds) * 1000);
            preparing.until = cx.now() + self.frequency.cycles(span);
        }
        match self.traces.make(preparing.made, cx.activity(), preparing.until) {
            Some(true) => {
                preparing.made += 1;
                Ok(None)
            }
            Some(false) => {
                self.traces.unmake();
                Err(Errno::ENOMEM)
            }
            None => {
                let cores = self.traces.ask();
                self.look_there(cx);
                Ok(Some(cores))
            }
        }
    }

    /// Gives what a core has recorded from this event on, as much as a run may: how many bytes.
    /// Behind the last one it is freed.
    ///
    /// # Errors
    /// `EPERM` without the right, `EINVAL` for no such core or event, `ENODATA` where there is no
    /// recording, `EAGAIN` where it is not over, `ERANGE` for too small a buffer.
    pub(super) fn recorded(
        &self,
        operands: &Operands,
        core: u32,
        from: u32,
        cx: &Context<'_, Mail>,
    ) -> Result<Option<u64>, Errno> {
        if !self.observes(cx.root()) {
            return Err(Errno::EPERM);
        }
        let core = CoreId::new(u16::try_from(core).map_err(|_| Errno::EINVAL)?);
        let from = from as usize;
        let read = |recorder: &Recorder| {
            (from <= recorder.len()).then(|| self.piece(recorder, core, from, cx))
        };
        match self.traces.read(core, read) {
            None | Some(Recorded::There(None)) => Err(Errno::EINVAL),
            Some(Recorded::Nothing) => Err(Errno::ENODATA),
            Some(Recorded::Soon) => Ok(None),
            Some(Recorded::There(Some(piece))) => {
                let bytes = encode(&piece);
                let buffer = operands.buffer(0)?;
                if bytes.len() > buffer.len() {
                    return Err(Errno::ERANGE);
                }
                buffer.write(0, &bytes);
                if piece.events.is_empty() {
                    self.traces.free(core);
                }
                Ok(Some(bytes.len() as u64))
            }
        }
    }

    fn piece(
        &self,
        recorder: &Recorder,
        core: CoreId,
        from: usize,
        cx: &Context<'_, Mail>,
    ) -> Piece {
        let mut piece = Piece {
            core: core.get(),
            megahertz: u32::try_from(self.frequency.as_megahertz()).unwrap_or(u32::MAX),
            began: recorder.began().get(),
            ended: recorder.ended().get(),
            lost: recorder.lost(),
            events_in_all: recorder.len() as u64,
            first: from as u64,
            ..Piece::default()
        };
        for event in recorder.events(from).take(trace::EVENTS) {
            let activity = number(event.activity);
            if !piece.names.iter().any(|(known, _)| *known == activity)
                && let Some(name) = self.called(event.activity, cx)
            {
                piece.names.push((activity, name));
            }
            let resource = || cx.name_of(event.instance).unwrap_or_default();
            piece.add(told(event, activity), event.about, resource);
        }
        piece
    }

    fn called(&self, activity: ActivityId, cx: &Context<'_, Mail>) -> Option<String> {
        self.name(activity, cx.activities())
    }
}

fn told(event: &Event, activity: u32) -> trace::Event {
    trace::Event {
        run: event.run,
        how: match event.how {
            How::Began => trace::How::Began,
            How::WentOn => trace::How::WentOn,
            How::Resumed => trace::How::Resumed,
            How::User => trace::How::User,
            How::Aside => trace::How::Aside,
            How::Billed => trace::How::Billed,
        },
        activity,
        instance: match event.instance {
            InstanceId::OUTSIDE => NOWHERE,
            instance => instance.get(),
        },
        word: 0,
        began: event.began.get(),
        span: event.ended.saturating_sub(event.began).get(),
        waited: event.waited.get(),
        cause: event.cause.map(|cause| (cause.core.get(), cause.run)),
    }
}
