//! The probe: a resource that does what its requests say, and notes it.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use vortex_grid::{
    At, Carries, Context, Continuation, Kept, Labels, Message, Outcome, Port, ReplyError, Resource,
    Scope, SendError,
};
use vortex_units::{ActivityId, CoreId, Cycles, InstanceId, Micros};

/// What a request tells its resource to do, step by step, from the last to the first.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Ask this probe to do that, and wait for the answer.
    Ask(Port<Probe>, Labels, Vec<Act>),
    /// The same, on the bill of who is found to have caused it.
    AskFor(ActivityId, Port<Probe>, Vec<Act>),
    /// Tell this probe to do that.
    Tell(Port<Probe>, Labels, Vec<Act>),
    /// Tell this probe to do that, so many microseconds later.
    Later(u64, Port<Probe>, Vec<Act>),
    /// Give the core back and go on.
    Again,
    /// Work for so many cycles.
    Spend(u64),
    /// Reject this often with this scope, resuming oneself by another request.
    Reject(Scope),
    /// Be kept, answered by whatever request `Release`s.
    Keep,
    /// Answer all that is kept.
    Release,
    /// Let all that is kept go on.
    Wake,
    /// Drop all that is kept.
    Drop,
    /// Enter user mode.
    Enter,
    /// Resume this port at this scope.
    Resume(Port<Probe>, Scope),
    /// Bill this run to an activity.
    Bill(ActivityId),
    /// Poke this core.
    Poke(CoreId),
    /// Unbind this label there.
    Unbind(Port<Probe>, u64),
    /// Tell this probe to do that, on the bill of another part of the same activity; whether
    /// that is taken.
    Within(ActivityId, Port<Probe>, bool, Vec<Act>),
    /// Tell this probe to do nothing, on the bill of who is found to have caused it, though that
    /// may be in debt, or not then; whether that is taken.
    TellFor(ActivityId, Port<Probe>, bool, bool),
    /// End an activity.
    End(ActivityId),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Job {
    pub id: u64,
    /// What is left to do; the last first.
    pub acts: Vec<Act>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer(pub u64);

pub enum Msg {
    Job(Job),
    Answer(Answer),
}

impl Message for Msg {}

impl Carries<Job> for Msg {
    fn wrap(job: Job) -> Self {
        Self::Job(job)
    }
    fn unwrap(self) -> Option<Job> {
        match self {
            Self::Job(job) => Some(job),
            Self::Answer(_) => None,
        }
    }
    fn get_mut(&mut self) -> Option<&mut Job> {
        match self {
            Self::Job(job) => Some(job),
            Self::Answer(_) => None,
        }
    }
}

impl Carries<Answer> for Msg {
    fn wrap(answer: Answer) -> Self {
        Self::Answer(answer)
    }
    fn unwrap(self) -> Option<Answer> {
        match self {
            Self::Answer(answer) => Some(answer),
            Self::Job(_) => None,
        }
    }
    fn get_mut(&mut self) -> Option<&mut Answer> {
        match self {
            Self::Answer(answer) => Some(answer),
            Self::Job(_) => None,
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Began,
    Finished,
    Answered(Result<u64, ReplyError>),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Event {
    pub id: u64,
    pub what: What,
    pub core: CoreId,
    pub activity: ActivityId,
    pub sender: InstanceId,
    pub instance: InstanceId,
    pub labels: Labels,
}

pub type Log = Arc<Mutex<Vec<Event>>>;

/// Does what its requests say, and logs when each began and finished.
pub struct Probe {
    pub me: Arc<Mutex<Option<Port<Probe>>>>,
    pub log: Log,
    pub next: Arc<AtomicU64>,
    pub kept: Vec<(u64, Kept<Msg>)>,
    /// Shared by all cores: a rejected request may go on elsewhere.
    pub rejected: Arc<Mutex<Vec<u64>>>,
    pub begun: Vec<u64>,
    pub clock: Arc<AtomicU64>,
}

impl Probe {
    fn note(&self, id: u64, what: What, cx: &Context<'_, Msg>) {
        let me = self.me.lock().unwrap().unwrap();
        self.log.lock().unwrap().push(Event {
            id,
            what,
            core: cx.core(),
            activity: cx.activity(),
            sender: cx.sender(),
            instance: me.instance(),
            labels: cx.labels(),
        });
    }

    /// A request that is rejected has not begun: it is noted when it gets further.
    fn act(&mut self, job: &mut Job, cx: &mut Context<'_, Msg>) -> Outcome<Msg, Self> {
        if !self.begun.contains(&job.id) && !job.acts.iter().any(|a| matches!(a, Act::Reject(_))) {
            self.begun.push(job.id);
            self.note(job.id, What::Began, cx);
        }
        let place = self.log.lock().unwrap().len();
        let outcome = self.go_on(job, cx);
        if !matches!(outcome, Outcome::Rejected(_)) && !self.begun.contains(&job.id) {
            self.begun.push(job.id);
            self.note(job.id, What::Began, cx);
            // It began before whatever else this run noted.
            let mut log = self.log.lock().unwrap();
            log[place..].rotate_right(1);
        }
        outcome
    }

    fn go_on(&mut self, job: &mut Job, cx: &mut Context<'_, Msg>) -> Outcome<Msg, Self> {
        while let Some(act) = job.acts.pop() {
            match act {
                Act::Ask(to, labels, acts) => {
                    let id = self.next.fetch_add(1, Ordering::Relaxed);
                    match cx.request(to, labels, Job { id, acts }) {
                        Ok(trigger) => return Outcome::Pending(trigger, At::routine::<GoOn>()),
                        Err(error) => panic!("could not ask: {error:?}"),
                    }
                }
                Act::AskFor(causer, to, acts) => {
                    let id = self.next.fetch_add(1, Ordering::Relaxed);
                    match cx.request_for(causer, to, Labels::NONE, Job { id, acts }) {
                        Ok(trigger) => return Outcome::Pending(trigger, At::routine::<GoOn>()),
                        Err(error) => {
                            assert_eq!(error, SendError::NoSuchActivity, "only who is gone");
                            self.note(job.id, What::Answered(Err(ReplyError::Refused)), cx);
                        }
                    }
                }
                Act::Tell(to, labels, acts) => {
                    let id = self.next.fetch_add(1, Ordering::Relaxed);
                    cx.send(to, labels, Job { id, acts }).expect("within the fan-out");
                }
                Act::Later(span, to, acts) => {
                    let id = self.next.fetch_add(1, Ordering::Relaxed);
                    let job = Job { id, acts };
                    cx.after(Micros::new(span), to, Labels::NONE, job).expect("fan-out");
                }
                Act::Spend(cycles) => {
                    self.clock.fetch_add(cycles, Ordering::Relaxed);
                }
                Act::Again => return Outcome::Continue(At::routine::<GoOn>()),
                Act::Reject(scope) => {
                    // Served only when it comes a second time.
                    let first = !self.rejected.lock().unwrap().contains(&job.id);
                    if first {
                        self.rejected.lock().unwrap().push(job.id);
                        job.acts.push(Act::Reject(scope));
                        return Outcome::Rejected(cx.rejection(scope));
                    }
                }
                Act::Keep => {
                    let kept = cx.keep().expect("memory");
                    self.kept.push((job.id, kept));
                    self.note(job.id, What::Finished, cx);
                    return Outcome::Kept;
                }
                Act::Release => {
                    for (id, kept) in self.kept.drain(..) {
                        assert!(cx.answer(kept, Some(Answer(id))).is_ok(), "kept on this core");
                    }
                }
                Act::Wake => {
                    for (_, kept) in self.kept.drain(..) {
                        assert!(cx.go_on(kept, At::routine::<GoOn>()).is_ok(), "kept here");
                    }
                }
                Act::Drop => self.kept.clear(),
                Act::Enter => return Outcome::Enter(Cycles::new(1000), At::routine::<GoOn>()),
                Act::Resume(at, scope) => {
                    let (activity, core) = (cx.activity(), cx.core());
                    cx.resume(at, scope, activity, Labels::NONE, core).expect("fan-out");
                }
                Act::Bill(causer) => cx.bill_run(causer),
                Act::Poke(core) => cx.poke(core),
                Act::Within(activity, to, taken, acts) => {
                    let id = self.next.fetch_add(1, Ordering::Relaxed);
                    let sent = cx.send_within(activity, to, Labels::NONE, Job { id, acts });
                    assert_eq!(sent.is_ok(), taken, "{sent:?}");
                }
                Act::TellFor(causer, to, debtor, taken) => {
                    let id = self.next.fetch_add(1, Ordering::Relaxed);
                    let job = Job { id, acts: vec![] };
                    let sent = match debtor {
                        true => cx.send_for_debtor(causer, to, Labels::NONE, job),
                        false => cx.send_for(causer, to, Labels::NONE, job),
                    };
                    assert_eq!(sent.is_ok(), taken, "{sent:?}");
                }
                Act::End(activity) => cx.end(activity),
                Act::Unbind(at, affinity) => {
                    let own = cx.activity();
                    cx.unbind(at, own, affinity);
                }
            }
        }
        self.note(job.id, What::Finished, cx);
        Outcome::Reply(Answer(job.id))
    }
}

/// Goes on with the next act.
pub struct GoOn;

impl Continuation<Msg, Probe> for GoOn {
    fn resume(probe: &mut Probe, job: &mut Job, cx: &mut Context<'_, Msg>) -> Outcome<Msg, Probe> {
        match cx.reply::<Answer>() {
            Ok(None) => {}
            Ok(Some(Answer(id))) => probe.note(job.id, What::Answered(Ok(id)), cx),
            Err(error) => probe.note(job.id, What::Answered(Err(error)), cx),
        }
        probe.act(job, cx)
    }
}

impl Resource<Msg> for Probe {
    type Request = Job;
    type Reply = Answer;
    const FAN_OUT: u32 = 16;

    fn handle(&mut self, job: &mut Job, cx: &mut Context<'_, Msg>) -> Outcome<Msg, Self> {
        self.act(job, cx)
    }
}
