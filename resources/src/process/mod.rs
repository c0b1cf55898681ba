//! Processes and threads: the process resource (PR) and the thread resource (TR, §3.4).

mod direct;
pub mod futex;
mod processes;
mod resource;
pub mod signals;
mod stub;
mod thread;
mod threads;

pub use processes::{Pid, Process, ProcessTable};
pub use resource::{ProcessRequest, Processes, Start};
pub use thread::Thread;
pub use threads::{ThreadDone, ThreadReady, Threads};
