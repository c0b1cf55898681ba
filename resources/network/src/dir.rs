//! DIR: takes out of the device's rings what has come in, and what was sent (§3.3.2, §4.4).
//!
//! The interrupt is the infrastructure's, for nobody knows yet whose packets these are. What a
//! run has cost is divided over them: a packet's part goes with it to NDRR, which bills it back
//! when it knows; a sent packet's is billed to its sender. The device does not interrupt while
//! there is something to take.

use alloc::sync::Arc;

use vortex_grid::{At, Context, Labels, Outcome, Resource, Scope};
use vortex_units::{ActivityId, Bytes, Micros};

use crate::address::Flow;
use crate::channel::{Channel, Slot};
use crate::demultiplex::{Found, LOOK, look};
use crate::dropped::Dropped;
use crate::host::Host;
use crate::packet::{Packet, VIRTIO};
use crate::requests::{Arrived, InterruptRequest, Mail, Reply};
use crate::wiring::Wiring;

/// Packets taken in one run, in each direction.
const BATCH: usize = 8;
/// How often it is looked whether an interrupt was missed.
const TICK: Micros = Micros::new(1_000_000);

/// The resource.
pub struct Interrupts<M, H: Host> {
    wiring: Arc<Wiring<M, H>>,
}

impl<M: Mail<H>, H: Host> Interrupts<M, H> {
    /// The instance of a core.
    #[must_use]
    pub fn new(wiring: Arc<Wiring<M, H>>) -> Self {
        Self { wiring }
    }

    /// The label of a packet's flow; what has none is in order with all others of its kind.
    fn labels(&self, packet: &Packet<H::Buffer>) -> Labels {
        let mut head = [0; LOOK];
        let read = packet.read(VIRTIO, &mut head);
        let head = head.get(..read).unwrap_or_default();
        let whole = packet.length().saturating_sub(VIRTIO);
        let flow = match look(head, whole, &self.wiring.addresses, false) {
            Found::Tcp { flow, .. } | Found::Udp(flow) => flow,
            _ => return Labels::flow(1),
        };
        Labels::flow(Flow::label(&flow, self.wiring.secret))
    }

    /// Takes what has come in; true if there may be more.
    fn receive(&self, channel: &Channel<H>, cx: &mut Context<'_, M>) -> bool {
        let Some(ports) = self.wiring.ports.get() else { return false };
        for _ in 0..BATCH {
            let taken = channel.with(|inner| {
                if inner.broken {
                    return Ok(None);
                }
                let taken = inner.receives.take();
                if let Ok(Some((_, bytes))) = taken {
                    inner.counts.packets.0 = inner.counts.packets.0.saturating_add(1);
                    inner.counts.bytes.0 = inner.counts.bytes.0.saturating_add(bytes as u64);
                }
                taken
            });
            let (Slot { mut packet, .. }, bytes) = match taken {
                Ok(Some(taken)) => taken,
                Ok(None) => return false,
                Err(_) => {
                    self.give_up(channel, cx);
                    return false;
                }
            };
            packet.set_length(bytes);
            cx.moved(Bytes::new(bytes.saturating_sub(VIRTIO) as u64));
            let labels = self.labels(&packet);
            let part = cx.unbilled();
            let arrived = Arrived { packet: Some(packet), part, looped: false };
            if let Err(error) = cx.send(ports.demultiplexer, labels, arrived) {
                self.wiring.drops(Dropped::by(error));
            }
        }
        true
    }

    /// Takes what was sent; true if there may be more.
    fn reap(channel: &Channel<H>, cx: &mut Context<'_, M>) -> bool {
        for _ in 0..BATCH {
            let taken =
                channel.with(|inner| if inner.broken { Ok(None) } else { inner.reap(cx.now()) });
            let Ok(Some(Slot { activity, .. })) = taken else { return false };
            if let Some(part) = cx.unbilled() {
                // Room for each is declared.
                let _ = cx.bill(part, activity);
            }
        }
        channel.with(|inner| inner.depth.goes_on());
        true
    }

    /// The device is not used any more.
    #[cold]
    fn give_up(&self, channel: &Channel<H>, cx: &mut Context<'_, M>) {
        channel.with(|inner| {
            inner.broken = true;
            drop(inner.receives.stop());
            drop(inner.sends.stop());
        });
        self.wiring.tell("the network device is cut off: it says what cannot be");
        self.resume(channel, cx);
    }

    /// DWR goes on, if it waits for room and there is some.
    fn resume(&self, channel: &Channel<H>, cx: &mut Context<'_, M>) {
        let goes_on = channel.with(|inner| {
            let room = inner.broken || inner.has_room();
            room && core::mem::replace(&mut inner.starved, false)
        });
        if goes_on
            && let Some(ports) = self.wiring.ports.get()
            && let Some(driver) = ports.driver
        {
            let all = ActivityId::INFRASTRUCTURE;
            // Declared.
            let _ = cx.resume(driver, Scope::Device, all, Labels::NONE, channel.writer());
        }
    }
}

impl<M: Mail<H>, H: Host> Resource<M> for Interrupts<M, H> {
    type Request = InterruptRequest;
    type Reply = Reply;
    /// A packet more for NDRR, and a bill, each; DWR's resumption, twice at most; the next tick.
    const FAN_OUT: u32 = 2 * BATCH as u32 + 3;

    fn handle(
        &mut self,
        request: &mut InterruptRequest,
        cx: &mut Context<'_, M>,
    ) -> Outcome<M, Self> {
        let wiring = self.wiring.clone();
        let Some(channel) = wiring.channel(cx.core()) else { return Outcome::Done };
        if *request == InterruptRequest::Tick {
            if let Some(own) = wiring.ports.get().and_then(|ports| ports.interrupts) {
                let next = InterruptRequest::Tick;
                if cx.after(TICK, own, Labels::NONE, next).is_err() {
                    wiring.tell("the network device is not watched any more");
                }
            }
            // What comes now is served as an interrupt.
            *request = InterruptRequest::Interrupt;
        }
        let more = self.receive(channel, cx);
        let sent = Self::reap(channel, cx);
        self.resume(channel, cx);
        if channel.refill() || more || sent {
            return Outcome::Continue(At::beginning());
        }
        let missed = channel.with(|inner| {
            // What was sent is not worth an interrupt, but where room is wanted.
            let mut missed = !inner.broken && inner.receives.listen();
            if !inner.broken && (inner.starved || inner.fills()) {
                missed |= inner.sends.listen();
            }
            if missed {
                inner.receives.be_quiet();
                inner.sends.be_quiet();
            }
            inner.asked = missed;
            missed
        });
        if missed { Outcome::Continue(At::beginning()) } else { Outcome::Done }
    }
}
