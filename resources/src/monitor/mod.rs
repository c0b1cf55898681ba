//! The monitor: performance data for whoever may have them (§4.1).
//!
//! Every core takes its own part of a sample, between two requests, so that what a thread
//! has just run is booked; the monitor asks for the parts, and hands out those of one
//! asking when all are there. It also changes shares and schedulers,
//! for whoever has the right to.

mod change;
mod entitled;
mod resource;
mod samples;
mod trace;
mod traces;

pub use change::{Changes, Course, Ordered};
pub use resource::{Monitor, MonitorCall, MonitorRequest, Rights, Wants};
pub use samples::Samples;
pub use traces::{Traces, Turn};
