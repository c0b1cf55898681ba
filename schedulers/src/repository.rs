//! Names of policies, and what the configuration has to know of each.

use alloc::string::{String, ToString};
use alloc::sync::Arc;
use core::fmt;

use vortex_grid::policy::{InitError, Params, Scheduler};

use crate::{
    Cbs, Edf, Fifo, Hierarchy, Lottery, MClock, Multilevel, RoundRobin, Scan, Strict, Stride, Wfq,
};

#[cfg(test)]
mod tests;

/// What the configuration has to know of a policy.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Policy {
    /// The name by which [`make`] knows it.
    pub name: &'static str,
    /// What it does, in a line.
    pub summary: &'static str,
    /// What it promises, in a line.
    pub guarantee: &'static str,
    /// Whether it reads `ClientParams::share`.
    pub shares: bool,
    /// Whether it reads `ClientParams::priority`.
    pub priorities: bool,
    /// Whether the metric decides; where not, it is only counted.
    pub metric: bool,
    /// Whether it never waits while a client is ready.
    pub work_conserving: bool,
    /// Whether it reads `ClientParams::reservation`.
    pub reservations: bool,
    /// Whether it reads `ClientParams::limit`.
    pub limits: bool,
    /// Whether it reads `ClientParams::period`.
    pub periods: bool,
    /// Whether it is for requests that have a position.
    pub positions: bool,
    /// Whether it looks at groups of activities.
    pub groups: bool,
    /// The parameters that it takes beyond those of every scheduler.
    pub parameters: &'static [&'static str],
}

/// A policy that asks for nothing and never waits.
const PLAIN: Policy = Policy {
    name: "",
    summary: "",
    guarantee: "",
    shares: false,
    priorities: false,
    metric: false,
    work_conserving: true,
    reservations: false,
    limits: false,
    periods: false,
    positions: false,
    groups: false,
    parameters: &[],
};

/// All policies.
pub const POLICIES: &[Policy] = &[
    Policy {
        name: "propshare.wfq",
        summary: "weighted fair queueing with eligibility, charged afterwards",
        guarantee: "no client is ahead of its share by more than one of its own requests",
        shares: true,
        metric: true,
        ..PLAIN
    },
    Policy {
        name: "propshare.round-robin",
        summary: "clients take turns of a length in proportion to their shares",
        guarantee: "shares hold within one turn and one request of each client",
        shares: true,
        metric: true,
        ..PLAIN
    },
    Policy {
        name: "propshare.stride",
        summary: "who is furthest behind its share, each choice moving it by its stride",
        guarantee: "two clients are apart by one of their own requests each at most",
        shares: true,
        metric: true,
        ..PLAIN
    },
    Policy {
        name: "propshare.lottery",
        summary: "a ticket is drawn: shares are tickets",
        guarantee: "shares hold on average, with the deviation of independent draws",
        shares: true,
        metric: true,
        parameters: &["seed"],
        ..PLAIN
    },
    Policy {
        name: "priority.strict",
        summary: "the lowest priority number first, in order of arrival among equals",
        guarantee: "the lowest number waits for one request at most; others may starve",
        priorities: true,
        ..PLAIN
    },
    Policy {
        name: "priority.multilevel",
        summary: "who has used little goes first, who uses much goes down",
        guarantee: "nobody waits longer than its patience; nothing is promised of shares",
        metric: true,
        parameters: &["levels", "quantum", "patience"],
        ..PLAIN
    },
    Policy {
        name: "deadline.edf",
        summary: "who must be done first is served first",
        guarantee: "deadlines are met where all together use no more than there is",
        periods: true,
        parameters: &["period"],
        ..PLAIN
    },
    Policy {
        name: "deadline.cbs",
        summary: "a reservation a period for each client, and shares of the rest",
        guarantee: "no client has less than its reservation in a period, nor takes more of others",
        shares: true,
        metric: true,
        reservations: true,
        periods: true,
        parameters: &["period"],
        ..PLAIN
    },
    Policy {
        name: "hierarchy",
        summary: "groups of activities in a tree, each with a policy of its own",
        guarantee: "of what a group is given its members have what the group's policy promises",
        shares: true,
        metric: true,
        groups: true,
        parameters: &["root"],
        ..PLAIN
    },
    Policy {
        name: "fifo",
        summary: "clients in the order in which they became ready, a request each",
        guarantee: "a client waits for one request of each other client at most",
        ..PLAIN
    },
    Policy {
        name: "order.scan",
        summary: "the next position upwards, of those who are not too far ahead of their shares",
        guarantee: "shares hold within a window of requests and one request of each client",
        shares: true,
        metric: true,
        positions: true,
        parameters: &["window"],
        ..PLAIN
    },
    Policy {
        name: "reserve.mclock",
        summary: "a reservation, a limit and a share for each client",
        guarantee: "no client has more than its limit, nor less than its reservation where that \
                    can be had",
        shares: true,
        metric: true,
        work_conserving: false,
        reservations: true,
        limits: true,
        parameters: &["burst"],
        ..PLAIN
    },
];

/// Why a scheduler could not be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum MakeError {
    /// No policy has this name.
    UnknownPolicy(String),
    /// The policy refused its parameters.
    Init(InitError),
}

/// Makes the scheduler that the configuration names.
///
/// # Errors
/// [`MakeError`] where no policy has this name, or where it refuses a parameter.
pub fn make(name: &str, params: Params) -> Result<Arc<dyn Scheduler>, MakeError> {
    let made: Arc<dyn Scheduler> = match canonical(name) {
        Some("propshare.wfq") => Arc::new(Wfq::init(params)?),
        Some("propshare.round-robin") => Arc::new(RoundRobin::init(params)?),
        Some("propshare.stride") => Arc::new(Stride::init(params)?),
        Some("propshare.lottery") => Arc::new(Lottery::init(params)?),
        Some("priority.multilevel") => Arc::new(Multilevel::init(params)?),
        Some("priority.strict") => Arc::new(Strict::init(params)?),
        Some("deadline.edf") => Arc::new(Edf::init(params)?),
        Some("deadline.cbs") => Arc::new(Cbs::init(params)?),
        Some("hierarchy") => Arc::new(Hierarchy::init(params)?),
        Some("order.scan") => Arc::new(Scan::init(params)?),
        Some("reserve.mclock") => Arc::new(MClock::init(params)?),
        Some("fifo") => Arc::new(Fifo::init(params)?),
        _ => return Err(MakeError::UnknownPolicy(name.trim().to_string())),
    };
    Ok(made)
}

/// The name of a policy as [`POLICIES`] has it.
///
/// Figure 6 prints `propshare round-robin` and `priority strict`, whose dots typesetting
/// has lost: any run of white space counts as one dot, and none around a dot or the name
/// counts.
#[must_use]
pub fn canonical(name: &str) -> Option<&'static str> {
    let same = |policy: &&Policy| {
        let mut words = name.trim().split('.').flat_map(|part| {
            let mut words = part.split_whitespace().peekable();
            // A dot with nothing beside it is no name, so the nothing is kept.
            let nothing = if words.peek().is_none() { Some("") } else { None };
            words.chain(nothing)
        });
        policy.name.split('.').all(|part| words.next() == Some(part)) && words.next().is_none()
    };
    POLICIES.iter().find(same).map(|policy| policy.name)
}

impl From<InitError> for MakeError {
    fn from(error: InitError) -> Self {
        Self::Init(error)
    }
}

impl fmt::Display for MakeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnknownPolicy(name) => {
                write!(f, "there is no scheduler '{name}'; there are")?;
                for (index, policy) in POLICIES.iter().enumerate() {
                    write!(f, "{} {}", if index == 0 { "" } else { "," }, policy.name)?;
                }
                Ok(())
            }
            Self::Init(error) => error.fmt(f),
        }
    }
}

impl core::error::Error for MakeError {}
