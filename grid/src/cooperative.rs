//! Cooperative threading (§3.5): handlers written as `async` functions.
//!
//! [`Threads`] turns a [`Cooperative`] resource into an ordinary one. A request begins a
//! task; where the task awaits an answer, its request goes into the pending queue; when
//! the answer has come, the request is scheduled, dispatched and measured like any other,
//! and the task goes on.
//!
//! # Invariants
//! - The resource's state is reached only through [`Task::with`], between awaits: no
//!   borrow of it lives across one.
//! - A task lives exactly as long as its request, so its memory, at most
//!   [`Cooperative::TASK_LIMIT`] bytes (checked when it is compiled), is bounded by the
//!   requests that its activity may have outstanding.
//! - A task is never dropped from outside: what ends early does so by an error that its
//!   await returns.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::future::Future;
use core::pin::Pin;
use core::task::{Poll, Waker};

use spin::Mutex;
use vortex_units::{ActivityId, InstanceId};

use crate::context::{Context, SendError};
use crate::labels::Labels;
use crate::message::{Carries, Message, Port, wrap_request};
use crate::request::{ReplyError, Trigger};
use crate::resource::{At, Continuation, Outcome, Resource};

/// A resource whose requests are served by `async` code.
pub trait Cooperative<M: Message>: Send + Sized + 'static
where
    M: Carries<Self::Request> + Carries<Self::Reply>,
{
    /// What it can be asked.
    type Request: Clone + Send + 'static;
    /// What it answers.
    type Reply: Send + 'static;
    /// The most requests that a task sends between two awaits.
    const FAN_OUT: u32;
    /// The most bytes that a task takes.
    const TASK_LIMIT: usize;

    /// Serves one request; `None` ends it without an answer.
    fn serve(
        task: Task<M, Self>,
        request: Self::Request,
    ) -> impl Future<Output = Option<Self::Reply>> + Send + 'static;
}

/// What a task can do: reach its resource's state, send, and wait.
pub struct Task<M: Message, C> {
    exchange: Arc<Mutex<Exchange<M, C>>>,
    activity: ActivityId,
}

/// What passes between a task and the toolkit while it is polled. Only one core ever
/// touches it; the lock is never contended.
struct Exchange<M, C> {
    state: Option<Box<C>>,
    sends: Vec<(InstanceId, Labels, M)>,
    /// How many more it may send in this run.
    room: u32,
    wish: Option<Wish<M>>,
    answer: Option<Result<M, ReplyError>>,
}

enum Wish<M> {
    Ask(InstanceId, Labels, M),
    Again,
}

impl<M: Message, C> Task<M, C> {
    /// The activity that this task works for.
    #[must_use]
    pub fn activity(&self) -> ActivityId {
        self.activity
    }

    /// Reaches the resource's state. `None` only outside of the task's own run.
    pub fn with<T>(&self, reach: impl FnOnce(&mut C) -> T) -> Option<T> {
        self.exchange.lock().state.as_deref_mut().map(reach)
    }

    /// Sends a request that nobody waits for, when the task next awaits or ends.
    ///
    /// # Errors
    /// [`SendError::FanOut`] for more than [`Cooperative::FAN_OUT`] between two awaits.
    pub fn send<R>(&self, to: Port<R>, labels: Labels, request: R::Request) -> Result<(), SendError>
    where
        M: Carries<R::Request> + Carries<R::Reply>,
        R: Resource<M>,
    {
        let message = wrap_request::<M, R>(request);
        let mut exchange = self.exchange.lock();
        exchange.room = exchange.room.checked_sub(1).ok_or(SendError::FanOut)?;
        exchange.sends.push((to.instance(), labels, message));
        Ok(())
    }

    /// Asks a resource and waits for its answer.
    ///
    /// # Errors
    /// [`ReplyError`] if there is none; [`ReplyError::Refused`] also if the request could
    /// not be sent.
    pub async fn ask<R>(
        &self,
        to: Port<R>,
        labels: Labels,
        request: R::Request,
    ) -> Result<R::Reply, ReplyError>
    where
        M: Carries<R::Request> + Carries<R::Reply>,
        R: Resource<M>,
    {
        let wish = Wish::Ask(to.instance(), labels, wrap_request::<M, R>(request));
        self.exchange.lock().wish = Some(wish);
        Turn::<M, C>(&self.exchange, false).await?.unwrap().ok_or(ReplyError::WrongType)
    }

    /// Gives the core back and goes on when the schedulers let it (law 5).
    pub async fn again(&self) {
        self.exchange.lock().wish = Some(Wish::Again);
        let _ = Turn::<M, C>(&self.exchange, false).await;
    }
}

/// Waits for one turn of the toolkit.
struct Turn<'a, M, C>(&'a Mutex<Exchange<M, C>>, bool);

impl<M, C> Future for Turn<'_, M, C> {
    type Output = Result<M, ReplyError>;

    fn poll(mut self: Pin<&mut Self>, _: &mut core::task::Context<'_>) -> Poll<Self::Output> {
        if !self.1 {
            self.1 = true;
            return Poll::Pending;
        }
        match self.0.lock().answer.take() {
            Some(answer) => Poll::Ready(answer),
            None => Poll::Ready(Err(ReplyError::Unanswered)),
        }
    }
}

type Body<T> = Pin<Box<dyn Future<Output = Option<T>> + Send>>;

struct Thread<M: Message, C: Cooperative<M>>
where
    M: Carries<C::Request> + Carries<C::Reply>,
{
    body: Body<C::Reply>,
    exchange: Arc<Mutex<Exchange<M, C>>>,
}

/// A cooperative resource as the grid takes it.
pub struct Threads<M: Message, C: Cooperative<M>>
where
    M: Carries<C::Request> + Carries<C::Reply>,
{
    state: Option<Box<C>>,
    threads: Vec<Option<Thread<M, C>>>,
    free: Vec<u32>,
}

impl<M: Message, C: Cooperative<M>> Threads<M, C>
where
    M: Carries<C::Request> + Carries<C::Reply>,
{
    /// The resource on one core, from its state.
    #[must_use]
    pub fn new(state: C) -> Self {
        Self { state: Some(Box::new(state)), threads: Vec::new(), free: Vec::new() }
    }

    /// Tasks that are under way.
    #[must_use]
    pub fn running(&self) -> usize {
        self.threads.iter().flatten().count()
    }

    fn start(&mut self, request: C::Request, activity: ActivityId) -> u32 {
        let exchange = Arc::new(Mutex::new(Exchange {
            state: None,
            sends: Vec::new(),
            room: 0,
            wish: None,
            answer: None,
        }));
        let task = Task { exchange: exchange.clone(), activity };
        let thread = Thread { body: limited::<M, C, _>(C::serve(task, request)), exchange };
        let place = match self.free.pop() {
            Some(place) => place,
            None => {
                self.threads.push(None);
                u32::try_from(self.threads.len() - 1).unwrap_or(u32::MAX)
            }
        };
        if let Some(entry) = self.threads.get_mut(place as usize) {
            *entry = Some(thread);
        }
        place
    }

    fn end(&mut self, place: u32) {
        if let Some(entry) = self.threads.get_mut(place as usize)
            && entry.take().is_some()
        {
            self.free.push(place);
        }
    }

    /// Lets a task go on until it awaits or ends.
    fn go_on(
        &mut self,
        place: u32,
        mut answer: Option<Result<M, ReplyError>>,
        cx: &mut Context<'_, M>,
    ) -> Outcome<M, Self> {
        loop {
            let Some(thread) = self.threads.get_mut(place as usize).and_then(Option::as_mut) else {
                return Outcome::Done;
            };
            {
                let mut exchange = thread.exchange.lock();
                exchange.state = self.state.take();
                exchange.room = cx.room;
                exchange.answer = answer.take();
            }
            let mut waker = core::task::Context::from_waker(Waker::noop());
            let polled = thread.body.as_mut().poll(&mut waker);
            let mut exchange = thread.exchange.lock();
            self.state = exchange.state.take();
            for (to, labels, message) in exchange.sends.drain(..) {
                if let Ok(parcel) = cx.write(to, cx.activity, labels, message) {
                    cx.desk.outbox.push_back(parcel);
                }
            }
            let wish = exchange.wish.take();
            drop(exchange);
            match (polled, wish) {
                (Poll::Ready(Some(reply)), _) => {
                    self.end(place);
                    return Outcome::Reply(reply);
                }
                // Awaiting anything but the task's own means cannot be woken: it ends.
                (Poll::Ready(None), _) | (Poll::Pending, None) => {
                    self.end(place);
                    return Outcome::Done;
                }
                (Poll::Pending, Some(Wish::Again)) => {
                    return Outcome::Continue(At::routine::<GoOn>());
                }
                (Poll::Pending, Some(Wish::Ask(to, labels, message))) => {
                    match cx.ask(to, labels, message) {
                        Ok(trigger) => return wait(trigger),
                        // The task learns it at once.
                        Err(_) => {
                            answer = Some(Err(ReplyError::Refused));
                        }
                    }
                }
            }
        }
    }
}

fn wait<M, C>(trigger: Trigger) -> Outcome<M, Threads<M, C>>
where
    M: Message + Carries<C::Request> + Carries<C::Reply>,
    C: Cooperative<M>,
{
    Outcome::Pending(trigger, At::routine::<GoOn>())
}

fn limited<M, C, F>(body: F) -> Body<C::Reply>
where
    M: Message + Carries<C::Request> + Carries<C::Reply>,
    C: Cooperative<M>,
    F: Future<Output = Option<C::Reply>> + Send + 'static,
{
    const { assert!(size_of::<F>() <= C::TASK_LIMIT, "the task is larger than its limit") };
    Box::pin(body)
}

/// Goes on with the task of a request.
pub struct GoOn;

impl<M: Message, C: Cooperative<M>> Continuation<M, Threads<M, C>> for GoOn
where
    M: Carries<C::Request> + Carries<C::Reply>,
{
    fn resume(
        threads: &mut Threads<M, C>,
        _: &mut C::Request,
        cx: &mut Context<'_, M>,
    ) -> Outcome<M, Threads<M, C>> {
        let answer = match cx.raw_reply() {
            Ok(Some(message)) => Some(Ok(message)),
            Ok(None) => None,
            Err(error) => Some(Err(error)),
        };
        threads.go_on(cx.scratch, answer, cx)
    }
}

impl<M: Message, C: Cooperative<M>> Resource<M> for Threads<M, C>
where
    M: Carries<C::Request> + Carries<C::Reply>,
{
    type Request = C::Request;
    type Reply = C::Reply;
    const FAN_OUT: u32 = C::FAN_OUT;

    fn handle(&mut self, request: &mut C::Request, cx: &mut Context<'_, M>) -> Outcome<M, Self> {
        cx.scratch = self.start(request.clone(), cx.activity());
        self.go_on(cx.scratch, None, cx)
    }
}
