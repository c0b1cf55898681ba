//! The resource: a fine-grained component that handles requests, and nothing else (§2.1).

use ::core::any::Any;
use ::core::marker::PhantomData;
use alloc::boxed::Box;
use alloc::sync::Arc;

use vortex_units::Cycles;

use crate::context::Context;
use crate::message::{Carries, Message};
use crate::request::{Envelope, Trigger};

/// A resource, as its programmer writes it: state, and a handler for its requests.
///
/// Each core that serves the resource has an instance of its own, which is why a handler
/// holds its state mutably; what cores must share, the resource shares itself.
///
/// # Invariants
/// A handler runs to completion: it never waits, and is never preempted (law 5). It must
/// not do more than 50,000 instructions; larger work returns [`Outcome::Continue`].
pub trait Resource<M: Message>: Send + Sized + 'static
where
    M: Carries<Self::Request> + Carries<Self::Reply>,
{
    /// What it can be asked.
    type Request: Send + 'static;
    /// What it answers to requests that came with a trigger.
    type Reply: Send + 'static;

    /// The most requests that one run of a handler sends. Room for them is reserved on
    /// the activity's bill before a request is dispatched.
    const FAN_OUT: u32;

    /// Handles a request from its beginning.
    fn handle(&mut self, request: &mut Self::Request, cx: &mut Context<'_, M>) -> Outcome<M, Self>;
}

/// A routine at which a request goes on after it was blocked (§3.5, explicit
/// continuations).
pub trait Continuation<M: Message, R: Resource<M>>: 'static
where
    M: Carries<R::Request> + Carries<R::Reply>,
{
    /// Goes on with the request.
    fn resume(resource: &mut R, request: &mut R::Request, cx: &mut Context<'_, M>)
    -> Outcome<M, R>;
}

/// How a handler leaves its request.
#[must_use]
pub enum Outcome<M: Message, R: Resource<M>>
where
    M: Carries<R::Request> + Carries<R::Reply>,
{
    /// Finished, with nothing to answer. If the sender waits, it gets
    /// [`crate::ReplyError::Unanswered`].
    Done,
    /// Finished; the answer travels in the request's own node and cannot be refused.
    /// Without a trigger at the other end it is dropped.
    Reply(R::Reply),
    /// Not served: the request returns to the head of its queue, and what the scope names
    /// is suspended until resumed.
    Rejected(Rejection),
    /// Waits in the pending queue for a trigger, then goes on.
    Pending(Trigger, At<M, R>),
    /// Goes back to its queue's head and goes on when the schedulers let it.
    Continue(At<M, R>),
    /// The resource keeps the request ([`Context::keep`]) and answers it later. Its
    /// dependency label does not wait for that: a device is handed requests in order and
    /// works on many. Where the next must wait for the answer, reject or wait instead.
    Kept,
    /// Leaves the kernel for at most this long (TR's thread-ready request, law 5); the
    /// request goes on at the routine when the core returns.
    Enter(Cycles, At<M, R>),
}

/// Where a request goes on.
pub struct At<M: Message, R>(Option<Resume<M>>, PhantomData<fn(R)>);

impl<M: Message, R: Resource<M>> At<M, R>
where
    M: Carries<R::Request> + Carries<R::Reply>,
{
    /// At its beginning (§3.5, per-request blocking).
    #[must_use]
    pub const fn beginning() -> Self {
        Self(None, PhantomData)
    }

    /// At this routine.
    #[must_use]
    pub const fn routine<C: Continuation<M, R>>() -> Self {
        Self(Some(resume_at::<M, R, C>), PhantomData)
    }

    pub(crate) fn into_resume(self) -> Option<Resume<M>> {
        self.0
    }
}

/// What is suspended by a rejection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Scope {
    /// The resource on this core: its device is full (§3.5, per-resource blocking).
    Device,
    /// The request's activity at this resource on this core.
    Client,
    /// The request's dependency label, or only the request if it has none.
    Label,
}

/// A rejection, with the epoch that its resource read before it found that it must reject:
/// a resumption between the two is then not lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Rejection {
    pub(crate) scope: Scope,
    pub(crate) epoch: u64,
}

/// How a request leaves its handler, with the types erased.
pub(crate) enum Left<M> {
    Done,
    Reply(M),
    Rejected(Rejection),
    Pending(Trigger, Option<Resume<M>>),
    Continue(Option<Resume<M>>),
    Kept,
    Enter(Cycles, Option<Resume<M>>),
    /// The message was not one of this resource's.
    NotMine,
}

/// A continuation with its types erased: made only by [`At::routine`].
pub(crate) type Resume<M> =
    fn(&mut dyn ErasedResource<M>, &mut Envelope<M>, &mut Context<'_, M>) -> Left<M>;

/// A resource with its types erased, as a core holds it.
pub(crate) trait ErasedResource<M>: Send {
    fn fan_out(&self) -> u32;
    fn dispatch(&mut self, envelope: &mut Envelope<M>, cx: &mut Context<'_, M>) -> Left<M>;
    fn as_any(&mut self) -> &mut dyn Any;
}

/// Gives a typed resource its erased form.
pub(crate) struct Typed<R>(pub R);

impl<M, R> ErasedResource<M> for Typed<R>
where
    M: Message + Carries<R::Request> + Carries<R::Reply>,
    R: Resource<M>,
{
    fn fan_out(&self) -> u32 {
        R::FAN_OUT
    }

    fn dispatch(&mut self, envelope: &mut Envelope<M>, cx: &mut Context<'_, M>) -> Left<M> {
        match envelope.body.as_mut().and_then(|body| Carries::<R::Request>::get_mut(body)) {
            Some(request) => erase(self.0.handle(request, cx)),
            None => Left::NotMine,
        }
    }

    fn as_any(&mut self) -> &mut dyn Any {
        &mut self.0
    }
}

fn erase<M, R>(outcome: Outcome<M, R>) -> Left<M>
where
    M: Message + Carries<R::Request> + Carries<R::Reply>,
    R: Resource<M>,
{
    match outcome {
        Outcome::Done => Left::Done,
        Outcome::Reply(reply) => Left::Reply(M::wrap(reply)),
        Outcome::Rejected(rejection) => Left::Rejected(rejection),
        Outcome::Pending(trigger, at) => Left::Pending(trigger, at.0),
        Outcome::Continue(at) => Left::Continue(at.0),
        Outcome::Kept => Left::Kept,
        Outcome::Enter(limit, at) => Left::Enter(limit, at.0),
    }
}

fn resume_at<M, R, C>(
    resource: &mut dyn ErasedResource<M>,
    envelope: &mut Envelope<M>,
    cx: &mut Context<'_, M>,
) -> Left<M>
where
    M: Message + Carries<R::Request> + Carries<R::Reply>,
    R: Resource<M>,
    C: Continuation<M, R>,
{
    let resource = resource.as_any().downcast_mut::<R>();
    let request = envelope.body.as_mut().and_then(|body| Carries::<R::Request>::get_mut(body));
    match (resource, request) {
        (Some(resource), Some(request)) => erase(C::resume(resource, request, cx)),
        _ => Left::NotMine,
    }
}

/// Makes the instance of a resource that serves one core.
pub(crate) type Factory<M> =
    Arc<dyn Fn(vortex_units::CoreId) -> Box<dyn ErasedResource<M>> + Send + Sync>;
