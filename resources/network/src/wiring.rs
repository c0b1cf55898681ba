//! What these resources share: each other's ports, the device, the sockets; and what whoever
//! makes calls on sockets asks for directly, because it only reads and writes tables.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::net::{Ipv4Addr, SocketAddrV4};
use core::sync::atomic::{AtomicU64, Ordering};

use spin::Once;
use vortex_grid::{Frequency, Port};
use vortex_units::{ActivityId, CoreId, Cycles, Micros};

use crate::address::{Addresses, Flow, label};
use crate::bill::{Bills, Charged};
use crate::channel::Channel;
use crate::dir::Interrupts;
use crate::driver::Driver;
use crate::dropped::{Dropped, Drops};
use crate::error::NetError;
use crate::host::{AnyHooks, Host};
use crate::ndrr::Demultiplexer;
use crate::ndwr::LinkWriter;
use crate::neighbours::Neighbours;
use crate::packet::Pool;
use crate::requests::Mail;
use crate::socket::{Backlog, Role, Socket, SocketId, Speech, ready};
use crate::table::{Asks, Table};
use crate::tcp::Tcp;
use crate::timers::Timers;
use crate::waiting;

/// The ports.
pub struct Ports<M, H: Host> {
    /// DIR, where there is a device.
    pub interrupts: Option<Port<Interrupts<M, H>>>,
    /// DWR, where there is a device.
    pub driver: Option<Port<Driver<M, H>>>,
    /// NDRR.
    pub demultiplexer: Port<Demultiplexer<M, H>>,
    /// NDWR.
    pub link: Port<LinkWriter<M, H>>,
    /// TCPR.
    pub tcp: Port<Tcp<M, H>>,
    /// TCP Timer.
    pub timers: Port<Timers<M, H>>,
}

/// The most connections that wait to be accepted at one socket.
const BACKLOG: usize = 128;
/// So many may wait however few a server wishes for: what does not, begins again after seconds
/// (decision 0117).
const LEAST: usize = 64;
/// What a socket takes that does nothing.
const SOCKET: u64 = 512;
/// Packets for nobody that are answered, a second.
const STRAYS: u64 = 200;

/// What is shared.
pub struct Wiring<M, H: Host> {
    /// Set once, when the grid is built.
    pub ports: Once<Ports<M, H>>,
    /// The machine's addresses.
    pub addresses: Addresses,
    /// Whose packets are for nobody.
    pub stray: ActivityId,
    pub(crate) frequency: Frequency,
    pub(crate) secret: u64,
    pub(crate) hooks: AnyHooks<M>,
    pub(crate) bills: Arc<dyn Bills>,
    pub(crate) pool: Arc<Pool<H::Buffer>>,
    pub(crate) neighbours: Neighbours,
    pub(crate) table: Table,
    channels: Vec<Channel<H>>,
    drops: Drops,
    waiting: waiting::All,
    next: AtomicU64,
    /// The second of the clock, and what was answered in it.
    strays: (AtomicU64, AtomicU64),
    /// Where a line for people goes.
    says: fn(&str),
}

impl<M: Mail<H>, H: Host> Wiring<M, H> {
    /// Of a machine with these addresses, and a device with these rings.
    #[must_use]
    pub fn new(
        (channels, pool): (Vec<Channel<H>>, Arc<Pool<H::Buffer>>),
        addresses: Addresses,
        stray: ActivityId,
        frequency: Frequency,
        (hooks, bills): (AnyHooks<M>, Arc<dyn Bills>),
        says: fn(&str),
    ) -> Arc<Self> {
        let second = frequency.cycles(Micros::new(1_000_000));
        Arc::new(Self {
            ports: Once::new(),
            addresses,
            stray,
            frequency,
            secret: hooks.random(),
            hooks,
            bills,
            pool,
            neighbours: Neighbours::new(second),
            table: Table::default(),
            channels,
            drops: Drops::default(),
            waiting: waiting::All::default(),
            next: AtomicU64::new(1),
            strays: (AtomicU64::new(0), AtomicU64::new(0)),
            says,
        })
    }

    /// The rings that interrupt a core.
    #[must_use]
    pub fn channel(&self, core: CoreId) -> Option<&Channel<H>> {
        self.channels.iter().find(|channel| channel.core() == core)
    }

    /// The rings that a core writes to.
    pub(crate) fn written_by(&self, core: CoreId) -> Option<&Channel<H>> {
        self.channels.iter().find(|channel| channel.writer() == core)
    }

    /// All rings.
    #[must_use]
    pub fn channels(&self) -> &[Channel<H>] {
        &self.channels
    }

    /// Packets of the machine's own that are on their way.
    #[must_use]
    pub fn in_flight(&self) -> usize {
        self.pool.in_use()
    }

    /// How many sockets there are.
    #[must_use]
    pub fn sockets(&self) -> usize {
        self.table.count()
    }

    /// Says something to people.
    pub(crate) fn tell(&self, what: &str) {
        (self.says)(what);
    }

    /// A packet is dropped. People are told, the less often the more there are.
    pub(crate) fn drops(&self, why: Dropped) {
        let count = self.drops.note(why);
        if count.is_power_of_two() && why != Dropped::Nobodys {
            self.tell(&alloc::format!("{count} packets were dropped, {}", why.name()));
        }
    }

    /// How many were, for this reason.
    #[must_use]
    pub fn dropped(&self, why: Dropped) -> u64 {
        self.drops.of(why)
    }

    /// Whether one more packet for nobody is answered in this second.
    pub(crate) fn may_stray(&self, now: Cycles) -> bool {
        let cycles = self.frequency.as_megahertz().saturating_mul(1_000_000);
        let second = now.get().checked_div(cycles).unwrap_or(0);
        if self.strays.0.swap(second, Ordering::Relaxed) != second {
            self.strays.1.store(0, Ordering::Relaxed);
        }
        self.strays.1.fetch_add(1, Ordering::Relaxed) < STRAYS
    }

    /// A socket more, for an activity.
    ///
    /// # Errors
    /// [`NetError::NoMemory`].
    pub fn socket(&self, stream: bool, activity: ActivityId) -> Result<Arc<Socket>, NetError> {
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        let charged = Charged::new(&self.bills, activity, SOCKET).ok_or(NetError::NoMemory)?;
        let beside = (charged, self.waiting.of(activity));
        let socket = Socket::new(SocketId(id), stream, activity, label(id, self.secret), beside);
        self.table.add(&socket);
        Ok(socket)
    }

    /// A socket, by its name.
    #[must_use]
    pub fn get(&self, id: SocketId) -> Option<Arc<Socket>> {
        self.table.get(id)
    }

    /// bind(2).
    ///
    /// # Errors
    /// [`NetError`].
    pub fn bind(
        &self,
        socket: &Arc<Socket>,
        address: SocketAddrV4,
        now: Cycles,
    ) -> Result<(), NetError> {
        let ours = address.ip().is_unspecified()
            || self.addresses.is_own(*address.ip())
            || !socket.is_stream() && self.addresses.is_broadcast(*address.ip());
        if !ours {
            return Err(NetError::NoAddress);
        }
        // Of datagrams, on Linux either will do.
        let options = socket.options();
        let shares = options.reuse_port || options.reuse && !socket.is_stream();
        if socket.local().is_some() {
            return Err(NetError::Invalid);
        }
        let (from, own) = (self.hooks.random(), [Ipv4Addr::LOCALHOST, self.addresses.address]);
        let bound = self.table.bind(socket, address, &Asks { from, shares, own, now });
        let bound = bound.ok_or(NetError::InUse)?;
        let mut state = socket.state.lock();
        (state.local, state.bound) = (Some(bound), Some(bound));
        if !socket.is_stream() {
            self.open_datagrams(socket, &mut state)?;
        }
        Ok(())
    }

    /// These ports are these activities' alone from now on: of streams, or of datagrams. Nobody
    /// else listens where a service is expected, before it does or while it is begun again. Once,
    /// before there are programs.
    pub fn reserve(&self, ports: Vec<(bool, u16, ActivityId)>) {
        self.table.reserve(ports);
    }

    /// Gives a socket for datagrams what it needs, once.
    fn open_datagrams(
        &self,
        socket: &Socket,
        state: &mut crate::socket::State,
    ) -> Result<(), NetError> {
        let (Role::Fresh, Some(local)) = (&state.role, state.local) else { return Ok(()) };
        let charged = Charged::new(&self.bills, socket.activity(), Speech::DATAGRAM);
        let mut speech = charged.and_then(Speech::datagrams).ok_or(NetError::NoMemory)?;
        speech.udp().bind(local.port()).map_err(|_| NetError::Invalid)?;
        speech.apply(&state.options, false);
        state.role = Role::Speaks(speech);
        Ok(())
    }

    /// Whoever has no address gets one.
    fn bind_any(&self, socket: &Arc<Socket>) -> Result<(), NetError> {
        if socket.local().is_some() {
            return Ok(());
        }
        // What has been does not matter where no port is said.
        self.bind(socket, SocketAddrV4::new(Ipv4Addr::UNSPECIFIED, 0), Cycles::ZERO)
    }

    /// listen(2).
    ///
    /// # Errors
    /// [`NetError`].
    pub fn listen(&self, socket: &Arc<Socket>, backlog: usize) -> Result<(), NetError> {
        if !socket.is_stream() {
            return Err(NetError::NotSupported);
        }
        let most = backlog.clamp(LEAST, BACKLOG);
        {
            let mut state = socket.state.lock();
            match &mut state.role {
                Role::Listens(waits) => {
                    waits.most = most;
                    return Ok(());
                }
                Role::Fresh => {}
                _ => return Err(NetError::Invalid),
            }
        }
        self.bind_any(socket)?;
        let (half, whole) = Default::default();
        socket.state.lock().role = Role::Listens(Backlog { most, half, whole });
        socket.set_listening(true);
        socket.publish(0);
        Ok(())
    }

    /// accept(2): who has waited longest.
    ///
    /// # Errors
    /// [`NetError`]; [`NetError::WouldBlock`] where nobody waits.
    pub fn accept(&self, socket: &Arc<Socket>) -> Result<Arc<Socket>, NetError> {
        let mut state = socket.state.lock();
        let Role::Listens(waits) = &mut state.role else {
            return Err(if socket.is_stream() {
                NetError::Invalid
            } else {
                NetError::NotSupported
            });
        };
        let first = waits.whole.pop_front();
        if waits.whole.is_empty() {
            socket.publish(0);
        }
        drop(state);
        first.ok_or(NetError::WouldBlock)
    }

    /// connect(2), as far as it is a matter of tables. True where TCPR is to be asked for the
    /// connection; a socket for datagrams has only learned where to.
    ///
    /// # Errors
    /// [`NetError`].
    pub fn plan(&self, socket: &Arc<Socket>, remote: SocketAddrV4) -> Result<bool, NetError> {
        // As on Linux, nobody is this machine.
        let ip = *remote.ip();
        let ip = if ip.is_unspecified() { Ipv4Addr::LOCALHOST } else { ip };
        let remote = SocketAddrV4::new(ip, remote.port());
        let reaches = self.addresses.is_own(ip)
            || self.addresses.is_broadcast(ip) && !socket.is_stream()
            || !self.channels.is_empty() && self.addresses.next_hop(ip).is_some();
        let source = self.addresses.source_for(ip);
        if !socket.is_stream() {
            self.may_broadcast(socket, ip)?;
            self.bind_any(socket)?;
            self.leave_flow(socket);
            let mut state = socket.state.lock();
            state.remote = Some(remote);
            let port = state.local.map_or(0, |local| local.port());
            if state.bound.is_some_and(|bound| bound.ip().is_unspecified()) {
                state.local = Some(SocketAddrV4::new(source, port));
            }
            let flow = Flow { local: SocketAddrV4::new(source, port), remote };
            // Where another is connected so too, that one hears it.
            if self.table.connect(flow, socket) {
                state.flow = Some(flow);
            }
            drop(state);
            return if reaches { Ok(false) } else { Err(NetError::Unreachable) };
        }
        let mut guard = socket.state.lock();
        let state = &mut *guard;
        // What did not come to be may be tried again.
        if matches!(state.role, Role::Over) && state.failed {
            (state.role, state.failed, state.error) = (Role::Fresh, false, None);
            (state.local, state.remote) = (state.bound, None);
        }
        match &mut state.role {
            Role::Fresh if state.remote.is_some() => return Err(NetError::Already),
            Role::Fresh => {}
            Role::Listens(_) => return Err(NetError::Connected),
            Role::Speaks(speech) => {
                use smoltcp::socket::tcp::State;
                let making = matches!(speech.tcp().state(), State::SynSent);
                return Err(if making { NetError::Already } else { NetError::Connected });
            }
            Role::Over => return Err(state.error.take().unwrap_or(NetError::Connected)),
        }
        if remote.port() == 0 {
            return Err(NetError::Refused);
        }
        if !reaches {
            return Err(NetError::Unreachable);
        }
        let local = match state.local {
            Some(local) if !local.ip().is_unspecified() => local,
            Some(local) => SocketAddrV4::new(source, local.port()),
            None => {
                let port = self.table.port_for(source, remote, self.hooks.random());
                SocketAddrV4::new(source, port.ok_or(NetError::NoAddress)?)
            }
        };
        let flow = Flow { local, remote };
        if !self.table.connect(flow, socket) {
            return Err(NetError::NoAddress);
        }
        state.flow = Some(flow);
        socket.set_label(flow.label(self.secret));
        (state.local, state.remote) = (Some(local), Some(remote));
        drop(guard);
        socket.publish(0);
        Ok(true)
    }

    /// A socket for datagrams forgets where they go.
    ///
    /// # Errors
    /// [`NetError`].
    pub fn disconnect(&self, socket: &Arc<Socket>) -> Result<(), NetError> {
        if socket.is_stream() {
            return Err(NetError::NotSupported);
        }
        self.leave_flow(socket);
        let mut state = socket.state.lock();
        (state.local, state.remote) = (state.bound, None);
        Ok(())
    }

    /// A socket's flow is nobody's any more.
    pub(crate) fn leave_flow(&self, socket: &Arc<Socket>) {
        if let Some(flow) = socket.state.lock().flow.take() {
            self.table.disconnect(&flow, socket);
        }
    }

    /// A datagram is to be sent: its socket gets an address, if it has none.
    ///
    /// # Errors
    /// [`NetError`].
    pub fn before_send(
        &self,
        socket: &Arc<Socket>,
        to: Option<SocketAddrV4>,
    ) -> Result<(), NetError> {
        if socket.is_stream() {
            return Ok(());
        }
        let to = to.or_else(|| socket.remote()).ok_or(NetError::NoDestination)?;
        let ip = *to.ip();
        let reaches = self.addresses.is_own(ip)
            || self.addresses.is_broadcast(ip)
            || !self.channels.is_empty() && self.addresses.next_hop(ip).is_some();
        if !reaches {
            return Err(NetError::Unreachable);
        }
        self.may_broadcast(socket, ip)?;
        self.bind_any(socket)
    }

    /// Whether a socket may send there, if that is to all at once.
    fn may_broadcast(&self, socket: &Socket, ip: Ipv4Addr) -> Result<(), NetError> {
        let refused = self.addresses.is_broadcast(ip) && !socket.options().broadcast;
        if refused { Err(NetError::NotAllowed) } else { Ok(()) }
    }

    /// The machine ends: nothing is waited for any more, and what was sent is taken back.
    pub fn end(&self) {
        for channel in &self.channels {
            channel.with(|inner| while let Ok(Some(_)) = inner.sends.take() {});
        }
        for socket in self.table.all() {
            self.forget(&socket);
            let mut state = socket.state.lock();
            state.parent = None;
            let role = core::mem::replace(&mut state.role, Role::Over);
            drop(state);
            drop(role);
        }
    }

    /// Nobody has this socket any more, and nothing comes for it.
    pub(crate) fn forget(&self, socket: &Arc<Socket>) {
        self.leave_flow(socket);
        let local = socket.state.lock().local;
        if let Some(local) = local {
            self.table.unbind(socket, local);
        }
        self.table.remove(socket);
        socket.publish(ready::READ | ready::WRITE | ready::HANG_UP | ready::ARRIVED);
    }
}
