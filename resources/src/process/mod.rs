//! Processes and threads: the process resource (PR) and the thread resource (TR, §3.4).

mod begin;
mod cloning;
mod delivery;
mod direct;
mod ending;
mod executing;
pub mod futex;
mod futexes;
mod limits;
mod operands;
mod posting;
mod processes;
mod random;
mod resource;
pub mod signals;
mod stub;
mod thread;
mod threads;
mod waiting;

pub use begin::Start;
pub use limits::{Allowance, Limits};
pub use operands::Operands;
pub use processes::{Pid, Process, ThreadState};
pub use random::Random;
pub use resource::{Child, Extra, ProcessCall, ProcessRequest, Processes};
pub use thread::Thread;
pub use threads::{ThreadDone, ThreadReady, Threads};
