//! The console: what programs write appears at the serial port.

use vortex_abi as abi;
use vortex_grid::{At, Context, Outcome, Resource};
use vortex_units::Bytes;

use crate::memory::Pinned;
use crate::{Answer, Mail};

/// Bytes written in one run: the device takes one at a time, and is waited for.
const CHUNK: usize = 256;

/// To the console.
pub struct ConsoleRequest {
    /// The call.
    pub call: abi::Console,
    /// Its buffer.
    pub buffer: Pinned,
    done: usize,
}

impl ConsoleRequest {
    /// A call with its buffer.
    #[must_use]
    pub fn new(call: abi::Console, buffer: Pinned) -> Self {
        Self { call, buffer, done: 0 }
    }

    pub(crate) fn size(&self) -> Bytes {
        Bytes::new(self.buffer.len() as u64)
    }
}

/// The resource.
pub struct Console;

impl Resource<Mail> for Console {
    type Request = ConsoleRequest;
    type Reply = Answer;
    const FAN_OUT: u32 = 0;

    fn handle(
        &mut self,
        request: &mut ConsoleRequest,
        cx: &mut Context<'_, Mail>,
    ) -> Outcome<Mail, Self> {
        let mut bytes = [0; CHUNK];
        let moved = request.buffer.read(request.done, &mut bytes);
        let bytes = bytes.get(..moved).unwrap_or_default();
        vortex_machine::console_write(bytes);
        cx.moved(Bytes::new(moved as u64));
        request.done += moved;
        if request.done < request.buffer.len() && moved > 0 {
            return Outcome::Continue(At::beginning());
        }
        Outcome::Reply(Answer::Call(Ok(request.done as u64)))
    }
}
