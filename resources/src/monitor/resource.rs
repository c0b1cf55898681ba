//! The resource that asks the cores and answers the callers. It is at home on the first
//! core, whose counter stamps a sample.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_abi::Errno;
use vortex_abi::performance::{self, Blame, Core, Kind, Sample};
use vortex_grid::{Activities, At, Context, Frequency, Outcome, Reach, Resource};
use vortex_units::{ActivityId, CoreId, Cycles, Micros};

use super::change::{Changes, Course};
use super::samples::Samples;
use super::trace::Preparing;
use super::traces::Traces;
use crate::process::Operands;
use crate::{Answer, Mail};

/// How long the cores may take: none runs for longer between two looks.
const PATIENCE: Micros = Micros::new(1_000_000);

/// A system call, as the stub prepares it.
pub struct MonitorCall {
    /// The buffer that is to be filled.
    pub operands: Operands,
    /// What is asked for.
    pub(super) wants: Wants,
    /// The asking that was made for it, and until when it is waited for.
    pub(super) asked: Option<(u64, Cycles)>,
    /// The recording that it prepares.
    pub(super) preparing: Preparing,
    /// How far the order has come that it gives.
    course: Course,
}

/// What a call asks for.
pub enum Wants {
    /// A sample, in its buffer.
    Sample,
    /// That the activity named first has this share, in hundredths, at the resource named
    /// second, on this core or on all.
    Share(Option<CoreId>, u32),
    /// That what the first says is changed; why it is not goes to its buffer.
    Change,
    /// That all cores record for so many milliseconds.
    Record(u32),
    /// What this core has recorded from this event on, in its buffer.
    Recorded(u32, u32),
}

/// To the monitor.
pub struct MonitorRequest(pub Box<MonitorCall>);

impl MonitorRequest {
    /// A call with these operands.
    #[must_use]
    pub fn new(operands: Operands, wants: Wants) -> Self {
        let preparing = Preparing::default();
        let course = Course::default();
        Self(Box::new(MonitorCall { operands, wants, asked: None, preparing, course }))
    }
}

/// The resource.
pub struct Monitor {
    samples: Arc<Samples>,
    pub(super) traces: Arc<Traces>,
    pub(super) frequency: Frequency,
    names: Vec<(ActivityId, String)>,
    rights: Rights,
    pub(super) classes: Vec<(String, Reach)>,
    /// At home on one core it is asked by one request at a time: nothing is held over a judgement.
    pub(super) changes: Box<dyn Changes>,
}

/// Who may do more than ask for its own data.
#[derive(Clone, Debug, Default)]
pub struct Rights {
    /// These see the data of all.
    pub observers: Vec<ActivityId>,
    /// These change what any activity is entitled to.
    pub controllers: Vec<ActivityId>,
}

type Next = Outcome<Mail, Monitor>;

impl Resource<Mail> for Monitor {
    type Request = MonitorRequest;
    type Reply = Answer;
    const FAN_OUT: u32 = 0;

    fn handle(&mut self, request: &mut MonitorRequest, cx: &mut Context<'_, Mail>) -> Next {
        let call = &mut *request.0;
        match call.wants {
            Wants::Sample => {}
            Wants::Share(core, share) => {
                return went(self.entitle(&call.operands, (core, share), &mut call.course, cx));
            }
            Wants::Change => {
                return went(self.change(&call.operands, &mut call.course, cx));
            }
            Wants::Record(milliseconds) => {
                let begun = self.record(milliseconds, &mut call.preparing, cx).transpose();
                return match begun {
                    None => Outcome::Continue(At::beginning()),
                    Some(cores) => Outcome::Reply(Answer::Call(cores)),
                };
            }
            Wants::Recorded(core, from) => {
                let bytes = self.recorded(&call.operands, core, from, cx);
                let bytes = bytes.and_then(|bytes| {
                    bytes.ok_or_else(|| {
                        self.look_there(cx);
                        Errno::EAGAIN
                    })
                });
                return Outcome::Reply(Answer::Call(bytes));
            }
        }
        let Some((number, until)) = call.asked else {
            call.asked = Some((self.ask(cx), cx.now() + self.frequency.cycles(PATIENCE)));
            return Outcome::Continue(At::beginning());
        };
        let result = match self.samples.all(number) {
            Some(parts) => self.answer(&call.operands, &parts, cx),
            None if cx.now() < until => return Outcome::Continue(At::beginning()),
            None => Err(Errno::EAGAIN),
        };
        Outcome::Reply(Answer::Call(result))
    }
}

/// What an order's caller is told, once there is anything.
fn went(done: Option<Result<(), Errno>>) -> Next {
    match done {
        Some(done) => Outcome::Reply(Answer::Call(done.map(|()| 0))),
        None => Outcome::Continue(At::beginning()),
    }
}

impl Monitor {
    /// The monitor of these activities, with the rights that some have; what resources' schedulers
    /// are called where shares are told; and what changes either.
    #[must_use]
    pub fn new(
        (samples, traces): (Arc<Samples>, Arc<Traces>),
        frequency: Frequency,
        names: Vec<(ActivityId, String)>,
        rights: Rights,
        (classes, changes): (Vec<(String, Reach)>, Box<dyn Changes>),
    ) -> Self {
        Self { samples, traces, frequency, names, rights, classes, changes }
    }

    fn ask(&self, cx: &mut Context<'_, Mail>) -> u64 {
        let number = self.samples.ask(cx.activity());
        self.look_there(cx);
        number
    }

    /// Has all cores look what is asked of them; this one does as soon as this run has ended.
    pub(super) fn look_there(&self, cx: &mut Context<'_, Mail>) {
        let own = cx.core();
        for core in self.samples.cores().filter(|core| *core != own) {
            cx.poke(core);
        }
    }

    fn answer(
        &mut self,
        operands: &Operands,
        parts: &[Arc<Core>],
        cx: &Context<'_, Mail>,
    ) -> Result<u64, Errno> {
        let buffer = operands.buffer(0)?;
        // A part's own data are those of all that it is a part of.
        let root = cx.root();
        let whole = self.observes(root);
        let all = cx.activities();
        let living: Vec<ActivityId> = (0..all.capacity()).filter_map(|at| all.at(at)).collect();
        let own: Vec<u32> = living
            .iter()
            .filter(|activity| whole || all.root(**activity) == root)
            .map(|activity| number(*activity))
            .collect();
        let cores = parts.iter().map(|part| if whole { Core::clone(part) } else { of(part, &own) });
        let names = living
            .iter()
            .filter_map(|activity| Some((number(*activity), self.name(*activity, all)?)));
        let is_own = |of: &performance::Memory| own.contains(&of.activity);
        let sample = Sample {
            whole,
            stamp: parts.first().map_or(0, |first| first.stamp),
            megahertz: u32::try_from(self.frequency.as_megahertz()).unwrap_or(u32::MAX),
            names: names.filter(|(number, _)| own.contains(number)).collect(),
            memory: living
                .iter()
                .filter_map(|activity| memory_of(*activity))
                .filter(is_own)
                .collect(),
            entitled: self.entitled(&living, &own, all),
            said: self.changes.said().of(&own, whole),
            cores: cores.collect(),
        };
        let bytes = performance::encode(&sample);
        if bytes.len() > buffer.len() {
            return Err(Errno::ERANGE);
        }
        buffer.write(0, &bytes);
        Ok(bytes.len() as u64)
    }
}

impl Monitor {
    /// Whether an activity may see the data of all.
    pub(super) fn observes(&self, activity: ActivityId) -> bool {
        self.rights.observers.contains(&activity)
    }

    /// Whether an activity may change what others are entitled to.
    pub(super) fn controls(&self, activity: ActivityId) -> bool {
        self.rights.controllers.contains(&activity)
    }

    /// The machine's cores.
    pub(super) fn cores(&self) -> impl Iterator<Item = CoreId> + Clone {
        self.samples.cores()
    }

    /// What an activity is called; a part by its number beside its whole's name.
    pub(super) fn name(&self, activity: ActivityId, all: &Activities) -> Option<String> {
        let named = |wanted| {
            self.names.iter().find(|(activity, _)| *activity == wanted).map(|(_, name)| name)
        };
        match all.part_of(activity) {
            Some((whole, ordinal)) => Some(format!("{}/{ordinal}", named(whole)?)),
            None => named(activity).cloned(),
        }
    }
}

/// What an activity fills of memory, if it has an account there.
fn memory_of(activity: ActivityId) -> Option<performance::Memory> {
    let memory = vortex_machine::multiplexor()?;
    let frames = memory.standing(activity).ok()?.charged.get();
    let objects = memory.objects(activity).ok()?.bytes.get();
    Some(performance::Memory { activity: number(activity), frames, objects })
}

pub(super) fn number(activity: ActivityId) -> u32 {
    u32::try_from(activity.index()).unwrap_or(u32::MAX)
}

/// What of a core's part is these activities' own.
fn of(part: &Core, activities: &[u32]) -> Core {
    let own = |client: &&performance::Client| {
        client.kind != Kind::Resource && activities.contains(&client.activity)
    };
    Core {
        number: part.number,
        stamp: part.stamp,
        elapsed: part.elapsed,
        used: part.used.iter().filter(|(of, _)| activities.contains(of)).copied().collect(),
        clients: part.clients.iter().filter(own).cloned().collect(),
        blame: blame(&part.blame, activities),
        ..Core::default()
    }
}

/// Who made these activities wait; the others that did are not told apart.
fn blame(rows: &[Blame], activities: &[u32]) -> Vec<Blame> {
    let mut own: Vec<Blame> = Vec::new();
    for row in rows.iter().filter(|row| activities.contains(&row.victim)) {
        let causer =
            if activities.contains(&row.causer) { row.causer } else { performance::OTHERS };
        match own.iter_mut().find(|of| (of.victim, of.causer) == (row.victim, causer)) {
            Some(sum) => sum.cycles = sum.cycles.saturating_add(row.cycles),
            None => own.push(Blame { causer, ..*row }),
        }
    }
    own
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    #[test]
    fn without_a_right_there_are_only_the_callers_own_data() {
        let client = |kind, activity| performance::Client {
            kind,
            activity,
            ..performance::Client::default()
        };
        let part = Core {
            number: 1,
            stamp: 5,
            elapsed: 100,
            idle: 50,
            host: 1,
            departed: 9,
            used: vec![(0, 10), (1, 20), (2, 10)],
            clients: vec![
                client(Kind::Threads, 1),
                client(Kind::Threads, 2),
                client(Kind::Resource, 0),
                client(Kind::Holder, 2),
            ],
            unnamed: 5,
            blame: [(1, 2, 7), (2, 0, 1), (2, 1, 2), (2, 2, 4)]
                .map(|(victim, causer, cycles)| Blame { victim, causer, cycles })
                .into(),
        };
        let own = of(&part, &[2]);
        assert_eq!((own.stamp, own.elapsed, own.idle, own.departed), (5, 100, 0, 0));
        assert_eq!(own.used, [(2, 10)]);
        let of_others = Blame { victim: 2, causer: performance::OTHERS, cycles: 3 };
        assert_eq!(own.blame, [of_others, Blame { causer: 2, cycles: 4, ..of_others }]);
        assert_eq!(own.unnamed, 0);
        assert!(own.clients.iter().all(|client| client.activity == 2));
        assert_eq!(own.clients.len(), 2);
        assert!(of(&part, &[0]).clients.is_empty(), "a resource is nobody's own");
    }
}
