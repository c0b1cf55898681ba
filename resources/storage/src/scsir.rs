//! SCSIR: SCSI messages. It finds the disks behind a host, and makes of blocks commands and of
//! what a disk says about them errors; what is only said once, or came between, is asked again.

use alloc::sync::Arc;

use vortex_grid::{At, Context, Continuation, Labels, Outcome, Resource};
use vortex_units::Bytes;

use crate::error::StorageError;
use crate::memory::Memory;
use crate::probe;
use crate::probe::Probe;
use crate::requests::{CommandRequest, Mail, Operation, Reply, ScsiRequest, counted};
use crate::scsi::{Advice, Command, status};
use crate::wiring::Wiring;

/// How often a command is made in all.
const TRIES: u8 = 5;
/// Targets of a group, a power of two. Hosts number their targets from zero on: behind a group
/// of which none answers there is none.
const GROUP: u8 = 16;

/// The resource.
pub struct Scsi<M, B> {
    pub(crate) wiring: Arc<Wiring<M, B>>,
}

/// What is to be done about a result.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Done,
    Again,
    Failed(StorageError),
}

/// What a result means; of a command that was made so often before.
pub(crate) fn judge(result: Result<(), StorageError>, tries: u8) -> Verdict {
    let error = match result {
        Ok(()) => return Verdict::Done,
        Err(error) => error,
    };
    let again = match error {
        StorageError::Sense(sense) => match sense.advice() {
            Advice::Done => return Verdict::Done,
            Advice::Again => true,
            Advice::Failed => false,
        },
        StorageError::Status(said) => matches!(said, status::BUSY | status::TASK_SET_FULL),
        _ => false,
    };
    if again && tries.saturating_add(1) < TRIES { Verdict::Again } else { Verdict::Failed(error) }
}

impl<M: Mail<B>, B: Memory> Scsi<M, B> {
    /// The instance of a core.
    #[must_use]
    pub fn new(wiring: Arc<Wiring<M, B>>) -> Self {
        Self { wiring }
    }

    /// Begins to look at a group of targets, one after the other: disks are named in the order
    /// of their targets.
    fn find(&mut self, from: u8, cx: &mut Context<'_, M>) -> Outcome<M, Self> {
        let end = (from | GROUP.saturating_sub(1)).min(self.wiring.last_target());
        self.wiring.looks_at(end.saturating_sub(from).saturating_add(1));
        self.look(from, cx);
        Outcome::Done
    }

    /// Looks at a target, or at the first behind it that can be looked at.
    fn look(&self, from: u8, cx: &mut Context<'_, M>) {
        for target in from..=u8::MAX {
            let probe = ScsiRequest::Probe(Probe::new(target));
            let port = self.wiring.ports.get().map(|ports| ports.scsi);
            if port.is_some_and(|port| cx.send(port, Labels::NONE, probe).is_ok()) {
                return;
            }
            self.wiring.tell(format_args!("target {target} is not looked at: no room"));
            if let Some(more) = self.wiring.looked(false) {
                return self.end_group(target, more, cx);
            }
        }
    }

    /// A target was looked at to the end, and was there or not: the next one is looked at.
    pub(crate) fn looked(&self, target: u8, there: bool, cx: &mut Context<'_, M>) {
        match self.wiring.looked(there) {
            Some(more) => self.end_group(target, more, cx),
            None => self.look(target.saturating_add(1), cx),
        }
    }

    /// A group was looked at. Where any of it was there, the next is looked at.
    fn end_group(&self, last: u8, there: bool, cx: &mut Context<'_, M>) {
        let next = last.checked_add(1).filter(|next| there && *next <= self.wiring.last_target());
        let sent = next.is_some_and(|next| {
            let port = self.wiring.ports.get().map(|ports| ports.scsi);
            port.is_some_and(|port| cx.send(port, Labels::NONE, ScsiRequest::Find(next)).is_ok())
        });
        if !sent {
            cx.poke(self.wiring.end_search());
        }
    }

    /// Sends a command.
    pub(crate) fn command(
        &self,
        request: CommandRequest<B>,
        labels: Labels,
        cx: &mut Context<'_, M>,
    ) -> Option<vortex_grid::Trigger> {
        let port = self.wiring.ports.get()?.translator;
        cx.request(port, labels, request).ok()
    }

    fn blocks(
        &mut self,
        request: &mut ScsiRequest<B>,
        cx: &mut Context<'_, M>,
    ) -> Outcome<M, Self> {
        let ScsiRequest::Blocks { address, block_size, operation, block, data, .. } = request
        else {
            return Outcome::Done;
        };
        let data = core::mem::replace(data, B::none());
        let Some(command) = command(*operation, *block, data.bytes(), *block_size) else {
            return Outcome::Reply(Reply::Data(data, Err(StorageError::Range)));
        };
        cx.moved(counted(data.bytes()));
        let request = CommandRequest::new(*address, command, data);
        match self.command(request, cx.labels(), cx) {
            Some(trigger) => Outcome::Pending(trigger, At::routine::<Answered>()),
            None => Outcome::Reply(Reply::Data(B::none(), Err(StorageError::NoMemory))),
        }
    }
}

/// The command for some blocks; `None` where they are not whole ones.
fn command(operation: Operation, block: u64, bytes: Bytes, block_size: u32) -> Option<Command> {
    let count = bytes.get().checked_div(u64::from(block_size))?;
    let whole = count.checked_mul(u64::from(block_size))? == bytes.get();
    let count = u32::try_from(count).ok().filter(|count| whole && *count > 0);
    match operation {
        Operation::Flush => bytes.is_zero().then_some(Command::Synchronize),
        Operation::Read => count.map(|count| Command::Read { block, count }),
        Operation::Write => count.map(|count| Command::Write { block, count }),
    }
}

impl<M: Mail<B>, B: Memory> Resource<M> for Scsi<M, B> {
    type Request = ScsiRequest<B>;
    type Reply = Reply<B>;
    /// A slice, and the next group.
    const FAN_OUT: u32 = 2;

    fn handle(
        &mut self,
        request: &mut ScsiRequest<B>,
        cx: &mut Context<'_, M>,
    ) -> Outcome<M, Self> {
        match request {
            ScsiRequest::Find(from) => self.find(*from, cx),
            ScsiRequest::Probe(probe) => probe::go_on(self, probe, cx),
            ScsiRequest::Blocks { .. } => self.blocks(request, cx),
        }
    }
}

/// A command for blocks is done.
struct Answered;

impl<M: Mail<B>, B: Memory> Continuation<M, Scsi<M, B>> for Answered {
    fn resume(
        _: &mut Scsi<M, B>,
        request: &mut ScsiRequest<B>,
        cx: &mut Context<'_, M>,
    ) -> Outcome<M, Scsi<M, B>> {
        let (back, result) = match cx.reply::<Reply<B>>() {
            Ok(Some(Reply::Data(data, result))) => (data, result),
            Ok(_) => (B::none(), Err(StorageError::Answer)),
            Err(_) => (B::none(), Err(StorageError::NoMemory)),
        };
        let ScsiRequest::Blocks { data, tries, .. } = request else { return Outcome::Done };
        let result = match judge(result, *tries) {
            Verdict::Done => Ok(()),
            Verdict::Failed(error) => Err(error),
            Verdict::Again => {
                *tries = tries.saturating_add(1);
                *data = back;
                return Outcome::Continue(At::beginning());
            }
        };
        Outcome::Reply(Reply::Data(back, result))
    }
}
