//! Which sockets there are, and whose a packet is: leaf locks, each held for one look.
//!
//! Ordered maps, not hashed: an attacker chooses the keys, and can make none of these slow.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddrV4};

use spin::{Mutex, Once};
use vortex_units::{ActivityId, Cycles};

use crate::address::Flow;
use crate::ended::Ended;
use crate::socket::{Socket, SocketId};

/// The first port of those that are given to who does not say one, and how many there are.
const FIRST_PORT: u16 = 32_768;
const PORTS: u16 = 28_232;
/// Ports that are tried where none is said: a run of a handler is not to look through all
/// (law 5). Of as many taken as free it finds one but once in 10^19.
const TRIED: u16 = 64;
/// From one to the next: prime to their number, so that those who sit side by side are not met
/// one after the other.
const APART: u64 = 9_973;

/// Who is bound where, and whether with others.
type Bound = BTreeMap<u16, Vec<(Ipv4Addr, bool, Arc<Socket>)>>;

/// How a socket is to be bound.
pub struct Asks {
    /// Where ports are tried from, where none is said.
    pub from: u64,
    /// Whether others may have the same, who wish so too.
    pub shares: bool,
    /// The machine's addresses.
    pub own: [Ipv4Addr; 2],
    /// The time.
    pub now: Cycles,
}

/// The tables.
#[derive(Default)]
pub struct Table {
    all: Mutex<BTreeMap<SocketId, Arc<Socket>>>,
    flows: Mutex<BTreeMap<Flow, Arc<Socket>>>,
    /// Those that are bound: for streams, and for datagrams.
    streams: Mutex<Bound>,
    datagrams: Mutex<Bound>,
    ended: Mutex<Ended>,
    /// Ports that are an activity's alone: of streams or not.
    reserved: Once<Vec<(bool, u16, ActivityId)>>,
}

/// The port that is tried after so many others, from a place on.
fn nth_port(from: u64, more: u16) -> u16 {
    let place = from.wrapping_add(u64::from(more).wrapping_mul(APART));
    let place = place.checked_rem(u64::from(PORTS));
    FIRST_PORT.saturating_add(place.unwrap_or(0) as u16)
}

/// Who is there for this address: of streams, only who listens.
fn matching(bound: &Bound, to: SocketAddrV4) -> Option<&Arc<Socket>> {
    let all = || bound.get(&to.port()).map_or(&[][..], Vec::as_slice).iter();
    let hears = |is: &Socket| !is.is_stream() || is.is_listening();
    let own = all().find(|(address, _, is)| address == to.ip() && hears(is));
    let any = || all().find(|(address, _, is)| address.is_unspecified() && hears(is));
    own.or_else(any).map(|(.., is)| is)
}

/// A flow of this end's that is before all others of it.
fn first_of(local: SocketAddrV4) -> Flow {
    Flow { local, remote: SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0) }
}

impl Table {
    pub fn add(&self, socket: &Arc<Socket>) {
        self.all.lock().insert(socket.id(), socket.clone());
    }

    /// A socket.
    pub fn get(&self, id: SocketId) -> Option<Arc<Socket>> {
        self.all.lock().get(&id).cloned()
    }

    /// How many there are.
    pub fn count(&self) -> usize {
        self.all.lock().len()
    }

    /// All.
    pub fn all(&self) -> Vec<Arc<Socket>> {
        self.all.lock().values().cloned().collect()
    }

    fn bound(&self, stream: bool) -> &Mutex<Bound> {
        if stream { &self.streams } else { &self.datagrams }
    }

    /// Whose a packet of a connection is, and whether it is who listens.
    pub fn tcp(&self, flow: &Flow, opens: bool) -> Option<(Arc<Socket>, bool)> {
        if let Some(socket) = self.flows.lock().get(flow) {
            return Some((socket.clone(), false));
        }
        if !opens {
            return None;
        }
        let listens = matching(&self.streams.lock(), flow.local)?.clone();
        Some((listens, true))
    }

    /// Whose a datagram is.
    pub fn udp(&self, flow: &Flow) -> Option<Arc<Socket>> {
        if let Some(socket) = self.flows.lock().get(flow).filter(|socket| !socket.is_stream()) {
            return Some(socket.clone());
        }
        matching(&self.datagrams.lock(), flow.local).cloned()
    }

    /// Who is connected so, for datagrams.
    pub fn connected(&self, flow: &Flow) -> Option<Arc<Socket>> {
        self.flows.lock().get(flow).filter(|socket| !socket.is_stream()).cloned()
    }

    /// Whether connections of this port are there, or are remembered.
    fn has_connections(&self, address: SocketAddrV4, of: &Asks) -> bool {
        /// Those of datagrams that are passed over.
        const OTHERS: usize = 16;
        let (flows, ended) = (self.flows.lock(), self.ended.lock());
        let is_one = |ip: &Ipv4Addr| {
            let local = SocketAddrV4::new(*ip, address.port());
            let mut there = flows.range(first_of(local)..).take(OTHERS);
            there.any(|(flow, is)| flow.local == local && is.is_stream())
                || ended.has_of(&first_of(local), of.now)
        };
        let all = address.ip().is_unspecified();
        of.own.iter().filter(|ip| all || *ip == address.ip()).any(is_one)
    }

    /// A flow is this socket's. False where it is another's.
    pub fn connect(&self, flow: Flow, socket: &Arc<Socket>) -> bool {
        let mut flows = self.flows.lock();
        if flows.contains_key(&flow) {
            return false;
        }
        flows.insert(flow, socket.clone());
        self.ended.lock().remove(&flow);
        true
    }

    /// It is nobody's any more.
    pub fn disconnect(&self, flow: &Flow, socket: &Arc<Socket>) {
        let mut flows = self.flows.lock();
        if flows.get(flow).is_some_and(|is| Arc::ptr_eq(is, socket)) {
            flows.remove(flow);
        }
    }

    /// These ports are these activities' alone from now on: of streams, or of datagrams. Once,
    /// before there are programs.
    pub fn reserve(&self, ports: Vec<(bool, u16, ActivityId)>) {
        self.reserved.call_once(|| ports);
    }

    /// Binds a socket to an address; one without a port gets one. `None` where it is in use.
    pub fn bind(
        &self,
        socket: &Arc<Socket>,
        address: SocketAddrV4,
        asks: &Asks,
    ) -> Option<SocketAddrV4> {
        // What connections of it are left is for who says that it is to be used again.
        let reuses = !socket.is_stream() || socket.options().reuse;
        if address.port() != 0 && !reuses && self.has_connections(address, asks) {
            return None;
        }
        let mut bound = self.bound(socket.is_stream()).lock();
        let (stream, activity) = (socket.is_stream(), socket.activity());
        let reserved = self.reserved.get().map_or(&[][..], Vec::as_slice);
        let is_others = |port: u16| {
            let mut all = reserved.iter().filter(|(of, is, _)| (*of, *is) == (stream, port));
            all.clone().next().is_some() && all.all(|(.., of)| *of != activity)
        };
        let collides = |all: &Bound, port: u16| {
            let others = all.get(&port).map_or(&[][..], Vec::as_slice);
            is_others(port)
                || others.iter().any(|(other, shared, is)| {
                    let same = other == address.ip()
                        || other.is_unspecified()
                        || address.ip().is_unspecified();
                    same && !(asks.shares && *shared && is.activity() == socket.activity())
                })
        };
        let port = match address.port() {
            0 => (0..TRIED).find_map(|more| {
                let port = nth_port(asks.from, more);
                (!collides(&bound, port)).then_some(port)
            })?,
            port if collides(&bound, port) => return None,
            port => port,
        };
        bound.entry(port).or_default().push((*address.ip(), asks.shares, socket.clone()));
        Some(SocketAddrV4::new(*address.ip(), port))
    }

    /// Its address is free again.
    pub fn unbind(&self, socket: &Arc<Socket>, address: SocketAddrV4) {
        let mut bound = self.bound(socket.is_stream()).lock();
        if let Some(all) = bound.get_mut(&address.port()) {
            all.retain(|(.., is)| !Arc::ptr_eq(is, socket));
            if all.is_empty() {
                bound.remove(&address.port());
            }
        }
    }

    /// A port by which this is a new connection, from this place on.
    pub fn port_for(&self, local: Ipv4Addr, remote: SocketAddrV4, from: u64) -> Option<u16> {
        let (flows, ended, bound) = (self.flows.lock(), self.ended.lock(), self.streams.lock());
        (0..TRIED).find_map(|more| {
            let port = nth_port(from, more);
            let flow = Flow { local: SocketAddrV4::new(local, port), remote };
            let free =
                !flows.contains_key(&flow) && !ended.knows(&flow) && !bound.contains_key(&port);
            free.then_some(port)
        })
    }

    pub fn remove(&self, socket: &Arc<Socket>) {
        self.all.lock().remove(&socket.id());
    }

    /// A connection has ended: until then late packets of it are answered.
    pub fn end(&self, flow: Flow, until: Cycles, now: Cycles) {
        self.ended.lock().add(flow, until, now);
    }

    /// Whether it has, a while ago.
    pub fn has_ended(&self, flow: &Flow, now: Cycles) -> bool {
        self.ended.lock().has(flow, now)
    }
}
