//! TCP Timer: a connection's time has come. Its timers carry its activity and its label; which
//! of them still mean something TCPR knows.

use alloc::sync::Arc;

use vortex_grid::{Context, Labels, Outcome, Resource};

use crate::host::Host;
use crate::requests::{Mail, Reply, TcpRequest, TimerRequest};
use crate::wiring::Wiring;

/// The resource.
pub struct Timers<M, H: Host> {
    wiring: Arc<Wiring<M, H>>,
}

impl<M: Mail<H>, H: Host> Timers<M, H> {
    /// The instance of a core.
    #[must_use]
    pub fn new(wiring: Arc<Wiring<M, H>>) -> Self {
        Self { wiring }
    }
}

impl<M: Mail<H>, H: Host> Resource<M> for Timers<M, H> {
    type Request = TimerRequest;
    type Reply = Reply;
    const FAN_OUT: u32 = 1;

    fn handle(&mut self, request: &mut TimerRequest, cx: &mut Context<'_, M>) -> Outcome<M, Self> {
        let TimerRequest { socket, due } = *request;
        if let Some(socket) = self.wiring.table.get(socket)
            && let Some(ports) = self.wiring.ports.get()
        {
            let labels = Labels::flow(socket.label());
            let _ = cx.send(ports.tcp, labels, TcpRequest::Time(socket, due));
        }
        Outcome::Done
    }
}
