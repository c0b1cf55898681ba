//! What the toolkit asks of a scheduler: the paper's Table 3.
//!
//! A scheduler comes in two parts, as §3.1.1 wants it so that cores share nothing on the
//! hot path: [`Scheduler`] is its global state (the `schedstate` of Table 3), made once by
//! its constructor (`init`) and shared by all cores; [`SchedulerCore`] is what it keeps for
//! one core (the `corestate`), touched by that core alone and therefore `&mut`.
//!
//! | Table 3 | here |
//! |---|---|
//! | `init` | [`Scheduler::init`] |
//! | `init_core` | [`Scheduler::init_core`] |
//! | `load_share` | [`Scheduler::load_share`] |
//! | the other eight | [`SchedulerCore`], which has two more for parts of activities, one for threads in user mode, one for debt, and one for policies that are exchanged |
//!
//! A *client* is a share-holder. At a resource it is an activity, the queues of its senders
//! a level beneath; at a CPU multiplexor it is a resource or an activity; at a scheduler of
//! schedulers (a bus) it is a resource. A policy cannot tell, and needs not to: one file
//! serves all three.
//!
//! A policy is not trusted with correctness: the toolkit checks each choice, and refuses a
//! reordering that breaks a dependency label ([`Queues::reorder`]).

mod client;
mod load;
mod params;
mod queues;
mod record;
mod scheduler;

pub use client::{ClientId, ClientParams, ClientStatistics, Readiness};
pub use load::{Binding, CoreLoad, LoadShare, LoadSharing};
pub use params::{Group, InitError, Params};
pub use queues::{Choice, NoQueues, QueueRef, Queues, Reordering, RequestView};
pub use record::{Direction, FieldId, Metric, Record, RecordKind};
pub use scheduler::{Moved, Scheduler, SchedulerCore};
