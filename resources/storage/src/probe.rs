//! Looking at a target: which units it has, which of them are disks, and how large they are. A
//! disk is registered with storage, which finds its partitions.

use alloc::boxed::Box;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

use vortex_grid::{At, Context, Continuation, Labels, Outcome};

use crate::address::Address;
use crate::error::StorageError;
use crate::memory::Memory;
use crate::register::Registering;
use crate::requests::{CommandRequest, Mail, Reply, ScsiRequest, VolumeRequest};
use crate::scsi::{Capacity, Command, Inquiry, units};
use crate::scsir::{Scsi, Verdict, judge};
use crate::volume::Volume;

/// Bytes of the list of units that are wanted.
const LIST: u32 = 256;

/// How far a look at a target has come.
pub struct Probe {
    target: u8,
    step: Step,
    tries: u8,
    /// Units still to be looked at; the last is now.
    units: Vec<u16>,
    name: String,
    capacity: Option<Capacity>,
    /// The target has answered.
    there: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Units,
    Inquiry,
    Capacity16,
    Capacity10,
    Register,
}

impl Probe {
    /// Nothing yet.
    #[must_use]
    pub fn new(target: u8) -> Box<Self> {
        let (step, units) = (Step::Units, vec![0]);
        let (name, there) = (String::new(), false);
        Box::new(Self { target, step, tries: 0, units, name, capacity: None, there })
    }

    fn address(&self) -> Option<Address> {
        Some(Address { target: self.target, unit: *self.units.last()? })
    }

    /// What is asked next, and how many bytes are wanted.
    fn command(&self) -> Option<(Command, usize)> {
        match self.step {
            Step::Units => Some((Command::ReportLuns(LIST), LIST as usize)),
            Step::Inquiry => {
                Some((Command::Inquiry(Inquiry::LENGTH), usize::from(Inquiry::LENGTH)))
            }
            Step::Capacity16 => Some((Command::ReadCapacity16, Command::CAPACITY_16)),
            Step::Capacity10 => Some((Command::ReadCapacity10, Command::CAPACITY_10)),
            Step::Register => None,
        }
    }

    /// The unit is done with.
    fn next_unit(&mut self) {
        self.units.pop();
        self.step = Step::Inquiry;
    }

    /// Goes on after an answer.
    fn answered(&mut self, bytes: &[u8], result: Result<(), StorageError>) {
        let failed = match judge(result, self.tries) {
            Verdict::Done => false,
            Verdict::Failed(_) => true,
            Verdict::Again => {
                self.tries = self.tries.saturating_add(1);
                return;
            }
        };
        self.tries = 0;
        match self.step {
            Step::Units if failed => self.units.clear(),
            Step::Units => {
                self.there = true;
                self.units = units(bytes);
                // The last is looked at first.
                self.units.reverse();
                self.step = Step::Inquiry;
            }
            Step::Inquiry => {
                let inquiry = Inquiry::parse(bytes);
                if failed || !inquiry.is_disk {
                    self.next_unit();
                } else {
                    self.name = inquiry.name;
                    self.step = Step::Capacity16;
                }
            }
            Step::Capacity16 if failed => self.step = Step::Capacity10,
            Step::Capacity16 => self.sized(Capacity::parse16(bytes)),
            Step::Capacity10 if failed => self.next_unit(),
            Step::Capacity10 => self.sized(Capacity::parse10(bytes)),
            Step::Register => self.next_unit(),
        }
    }

    fn sized(&mut self, capacity: Option<Capacity>) {
        self.capacity = capacity;
        match capacity {
            Some(_) => self.step = Step::Register,
            None => self.next_unit(),
        }
    }

    fn volume(&mut self) -> Option<Volume> {
        let (address, capacity) = (self.address()?, self.capacity.take()?);
        let Capacity { blocks, block_size } = capacity;
        let name = core::mem::take(&mut self.name);
        Some(Volume { address, block_size, first: 0, blocks, name })
    }
}

/// Asks what is to be asked next.
pub(crate) fn go_on<M: Mail<B>, B: Memory>(
    scsi: &Scsi<M, B>,
    probe: &mut Probe,
    cx: &mut Context<'_, M>,
) -> Outcome<M, Scsi<M, B>> {
    let trigger = probe.address().and_then(|address| match probe.command() {
        Some((command, bytes)) => {
            let data = B::own(bytes)?;
            scsi.command(CommandRequest::new(address, command, data), Labels::NONE, cx)
        }
        None => {
            let port = scsi.wiring.ports.get()?.volumes;
            let request = VolumeRequest::Register(Registering::new(probe.volume()?));
            cx.request(port, Labels::NONE, request).ok()
        }
    });
    match trigger {
        Some(trigger) => Outcome::Pending(trigger, At::routine::<Answered>()),
        // All is looked at, or there is no memory to look further.
        None => {
            scsi.looked(probe.target, probe.there, cx);
            Outcome::Done
        }
    }
}

/// An answer has come.
struct Answered;

impl<M: Mail<B>, B: Memory> Continuation<M, Scsi<M, B>> for Answered {
    fn resume(
        scsi: &mut Scsi<M, B>,
        request: &mut ScsiRequest<B>,
        cx: &mut Context<'_, M>,
    ) -> Outcome<M, Scsi<M, B>> {
        let ScsiRequest::Probe(probe) = request else { return Outcome::Done };
        let mut bytes = [0; LIST as usize];
        let result = match cx.reply::<Reply<B>>() {
            Ok(Some(Reply::Data(data, result))) => {
                data.read(&mut bytes);
                result
            }
            Ok(_) => Err(StorageError::Answer),
            Err(_) => Err(StorageError::NoMemory),
        };
        probe.answered(&bytes, result);
        go_on(scsi, probe, cx)
    }
}
