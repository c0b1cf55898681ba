//! The monitor (§4.1): an ordinary process that serves the machine's performance data to
//! whoever asks over TCP, `monitor --port 9100`.
//!
//! ```text
//! /metrics      for Prometheus and its like, in OpenMetrics' form where that is asked for
//! /samples      a raw sample as JSON: cycles, bytes, waits as the schedulers know them
//! /samples.bin  the same in the bytes of the system call (abi/src/performance.rs)
//! ```
//!
//! One thread, which waits for its connections; a sample is taken when somebody asks, so
//! that nothing is spent where nobody looks. What it costs is on its own activity's bill.
//! What it tells is everybody's, so it serves who connects from outside, as the host does, and
//! no activity of its own machine. With `--sample FILE` it serves what is in the file to
//! whoever asks, on a machine without the call.
//!
//! To who has the host's secret (`VORTEX_SECRET` in its environment: the kernel tells it to who
//! has `control="all"`) it also does what its right allows:
//!
//! ```text
//! POST /set     activity=shop&resource=all&share=50
//! POST /exec    activity=shop&host=10.0.2.2:4711&token=0123
//! ```

mod answer;
mod form;
mod http;
mod json;
mod metrics;
mod orders;
mod recording;
mod server;
#[cfg(test)]
mod tests;
mod text;
mod upward;

use std::net::TcpListener;
use std::path::PathBuf;

use vortex_abi::performance::NUMBER;
use vortex_guest::{Errno, Res, args::Args, out, sys};

use orders::Orders;

const USAGE: &str = "usage: monitor [--port N] [--sample FILE]";
/// Where Prometheus looks for what tells of a machine.
const PORT: u64 = 9100;
/// Where the kernel tells whose orders are to be carried out.
const SECRET: &str = "VORTEX_SECRET";
/// As much as one call fills.
const ROOM: usize = 256 << 10;

/// Where samples come from.
enum Source {
    /// The system call, into this buffer.
    Call(Vec<u8>),
    /// A file that holds one.
    File(PathBuf),
}

impl Source {
    /// Takes a sample: its bytes.
    fn take(&mut self) -> Res<Vec<u8>> {
        match self {
            Self::Call(buffer) => {
                // SAFETY: the kernel writes within the slice.
                let length = unsafe { sys!(i64::from(NUMBER), buffer.as_mut_ptr(), buffer.len()) }?;
                Ok(buffer.get(..length).unwrap_or_default().to_vec())
            }
            Self::File(path) => std::fs::read(path)
                .map_err(|error| Errno(error.raw_os_error().unwrap_or(libc::EIO))),
        }
    }
}

fn main() {
    let mut args = Args::new(USAGE);
    let port = args.number("--port").unwrap_or(PORT);
    let Some(port) = u16::try_from(port).ok().filter(|port| *port > 0) else {
        args.wrong("a port is a number from 1 to 65535");
    };
    let mut source = match args.flag("--sample").then(|| args.word()) {
        None => Source::Call(vec![1; ROOM]),
        Some(Some(path)) => Source::File(path.into()),
        Some(None) => args.wrong("--sample wants a file"),
    };
    args.end();
    let listener = match TcpListener::bind(("0.0.0.0", port)) {
        Ok(listener) => listener,
        Err(error) => out::fail(&format!("monitor: port {port}: {error}")),
    };
    let peers = match source {
        Source::Call(_) => server::Peers::Outside,
        Source::File(_) => server::Peers::All,
    };
    let orders = Orders::new(std::env::var(SECRET).ok(), Box::new(orders::Machine));
    let mut answers = answer::Answers::new(move || source.take(), orders);
    if let Err(error) = server::serve(&listener, peers, &mut |head| answers.to(head)) {
        out::fail(&format!("monitor: {error}"));
    }
}
