//! The scheduler toolkit of Vortex: requests, queues, labels, bindings, records and the
//! ledger, and the loop of the CPU multiplexor that lets requests run.
//!
//! This is the heart of the kernel (§2, §3.1, §3.5 and the Appendix of the paper), and it
//! knows no hardware: time, cores and their waking are parameters. The same source runs on
//! real cores in the kernel, under virtual time in `sim/`, and in the model checker.
//!
//! Read [`policy`] for what a scheduler is asked, and `Core` for what asks it.
#![no_std]

extern crate alloc;

pub mod policy;

mod activity;
mod binding;
mod blame;
mod carried;
mod causers;
mod change;
mod context;
mod cooperative;
mod core;
mod directory;
mod entitlement;
mod held;
mod instance;
mod kept;
mod kind;
mod labels;
mod ledger;
mod level;
mod life;
mod live;
mod machine;
mod message;
#[cfg(all(test, loom))]
mod models;
mod parts;
mod pool;
mod post;
mod request;
mod resource;
mod shards;
mod shared;
mod slot;
mod slots;
mod standing;
mod sync;
mod trace;
mod triggers;

pub use self::core::{ClientReport, Core, CoreReport, CoreSpec, Drawer, DrawerReport, Step};
pub use activity::{Activities, Refused, TableFull};
pub use blame::{Blame, Sampling};
pub use change::Site;
pub use context::{Context, SendError, Unbilled};
pub use cooperative::{Cooperative, Task, Threads};
pub use entitlement::{Class, Entitlement, EntitlementAt, MULTIPLEXOR};
pub use instance::{InstanceSpec, Parent};
pub use kept::Kept;
pub use kind::Family;
pub use labels::{Dependency, Labels};
pub use ledger::{Imbalance, Ledger};
pub use live::{Reach, Terms, Unchanged};
pub use machine::{Frequency, Machine};
pub use message::{Carries, MESSAGE_LIMIT, Message, Port};
pub use parts::{Part, Undivided};
pub use post::CoreState;
pub use request::{ReplyError, Trigger, request_size};
pub use resource::{At, Continuation, Outcome, Rejection, Resource, Scope};
pub use shared::{BusSpec, Grid, GridSpec, Resumer};
pub use slot::Usage;
pub use standing::Standing;
pub use trace::{Cause, Event, How, Recorder};
