//! The closed message type of a grid, and the typed ports through which it is filled.
//!
//! An assembly (the kernel, the simulation) names one message type that can carry every
//! request and every reply of its resources. Resources are written against their own types;
//! [`Carries`] ties the two, so that a wrong message does not compile.

use ::core::marker::PhantomData;

use vortex_units::{Bytes, InstanceId};

use crate::Resource;

/// The one message type of a grid, at most [`MESSAGE_LIMIT`] bytes.
pub trait Message: Send + Sized + 'static {
    /// Where on a device the message is about, for schedulers that order by position.
    fn position(&self) -> u64 {
        0
    }

    /// How much it asks for, where that is known beforehand.
    fn size(&self) -> Bytes {
        Bytes::ZERO
    }

    /// What it asks for, for people: under what its longest run is told.
    fn name(&self) -> &'static str {
        ""
    }

    /// Takes in a later message of the same sender and activity, so that both are served
    /// as one (adjacent disk blocks, §4.5). Gives it back where that cannot be.
    ///
    /// # Errors
    /// The message that could not be taken in.
    fn absorb(&mut self, later: Self) -> Result<(), Self> {
        Err(later)
    }
}

/// The largest message, in bytes: with it a queued request takes at most 256.
pub const MESSAGE_LIMIT: usize = 128;

/// A message type that can carry a `T`.
pub trait Carries<T>: Message {
    /// Puts the payload in.
    fn wrap(payload: T) -> Self;
    /// Takes the payload out; `None` if the message carries something else.
    fn unwrap(self) -> Option<T>;
    /// Reaches the payload in place.
    fn get_mut(&mut self) -> Option<&mut T>;
}

/// Lets the variants of a closed message type carry their payloads:
/// `carries!(Mail: Ask(Ask), Answer(Answer));` for `enum Mail { Ask(Ask), Answer(Answer) }`.
///
/// A macro, because the same three functions are wanted for each of dozens of payloads.
#[macro_export]
macro_rules! carries {
    ($message:ident: $($variant:ident($payload:ty)),+ $(,)?) => {$(
        impl $crate::Carries<$payload> for $message {
            fn wrap(payload: $payload) -> Self {
                Self::$variant(payload)
            }

            fn unwrap(self) -> Option<$payload> {
                match self {
                    Self::$variant(payload) => Some(payload),
                    _ => None,
                }
            }

            fn get_mut(&mut self) -> Option<&mut $payload> {
                match self {
                    Self::$variant(payload) => Some(payload),
                    _ => None,
                }
            }
        }
    )+};
}

/// The address of a resource: what its requests are sent to.
///
/// A port is made by whoever assembles the grid, and given to the resources that may send
/// to it. It names an instance and fixes, by type, what can be sent.
pub struct Port<R> {
    instance: InstanceId,
    resource: PhantomData<fn(R)>,
}

impl<R> Port<R> {
    /// A port of this instance, which must be an instance of `R`: the assembly vouches
    /// for it. A message that arrives at another resource is refused there and answered
    /// with an error.
    #[must_use]
    pub const fn new(instance: InstanceId) -> Self {
        Self { instance, resource: PhantomData }
    }

    /// The instance it names.
    #[must_use]
    pub const fn instance(self) -> InstanceId {
        self.instance
    }
}

impl<R> Clone for Port<R> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<R> Copy for Port<R> {}

impl<R> PartialEq for Port<R> {
    fn eq(&self, other: &Self) -> bool {
        self.instance == other.instance
    }
}

impl<R> Eq for Port<R> {}

impl<R> ::core::fmt::Debug for Port<R> {
    fn fmt(&self, f: &mut ::core::fmt::Formatter<'_>) -> ::core::fmt::Result {
        write!(f, "Port({})", self.instance.get())
    }
}

/// A request for `R`, wrapped in the grid's message type.
pub(crate) fn wrap_request<M, R>(request: R::Request) -> M
where
    M: Carries<R::Request> + Carries<R::Reply>,
    R: Resource<M>,
{
    M::wrap(request)
}
