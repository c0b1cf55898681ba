//! What these resources are asked for, and what they answer.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use core::net::{Ipv4Addr, SocketAddrV4};

use vortex_grid::{Carries, Message, Unbilled};

use crate::error::NetError;
use crate::host::Host;
use crate::packet::Packet;
use crate::socket::{Shut, Socket, SocketId};

/// To DIR.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InterruptRequest {
    /// The device has interrupted.
    Interrupt,
    /// Time has passed: whether something was missed.
    Tick,
}

/// To NDRR: a packet, and those that go with it.
pub struct Arrived<H: Host> {
    /// It.
    pub packet: Option<Packet<H::Buffer>>,
    /// What DIR has done for it, to be billed back.
    pub part: Option<Unbilled>,
    /// It never left the machine.
    pub looped: bool,
}

/// To TCPR.
pub enum TcpRequest<H: Host> {
    /// A packet of a connection, and those that have come with it, or one for a socket for
    /// datagrams.
    Packet(Arc<Socket>, Packet<H::Buffer>),
    /// Somebody wants to be connected with who listens there.
    Syn(Arc<Socket>, Packet<H::Buffer>),
    /// What nobody waits for: it is answered so.
    Stray(Packet<H::Buffer>),
    /// Nobody is there to whom its datagrams go.
    Refused(Arc<Socket>),
    /// More may be sent now.
    Go(Arc<Socket>),
    /// A connection's time has come.
    Time(Arc<Socket>, u64),
    /// A program asks for something.
    Call(Call<H>),
    /// A connection that nobody has accepted is given up.
    Abandon(Arc<Socket>),
    /// So are these, one after the other.
    Leave(VecDeque<Arc<Socket>>),
}

/// What a program asks for of a socket.
pub struct Call<H: Host> {
    /// Which.
    pub socket: Arc<Socket>,
    /// What.
    pub what: What<H::Data>,
}

/// What.
pub enum What<D> {
    /// To be connected: its addresses are set ([`crate::Wiring::plan`]).
    Connect,
    /// Sent: these, and where to, if that is said.
    Send(D, Option<SocketAddrV4>),
    /// Received into this; looked at alone, if so.
    Receive(D, bool),
    /// Shut, in these directions.
    Shutdown(Shut),
    /// The program has it no more.
    Close,
}

/// What was moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Moved {
    /// Bytes.
    pub bytes: usize,
    /// Bytes of the datagram that they are of.
    pub whole: usize,
    /// Where they come from.
    pub from: Option<SocketAddrV4>,
}

/// What the network answers.
pub struct Reply(pub Result<Moved, NetError>);

/// To TCP Timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimerRequest {
    /// Whose time comes.
    pub socket: SocketId,
    /// When, as a reading of the clock.
    pub due: u64,
}

/// To NDWR: a packet of the network's.
pub struct Outgoing<H: Host> {
    /// It, with room for the link's header.
    pub packet: Option<Packet<H::Buffer>>,
    /// Where it goes.
    pub to: Ipv4Addr,
    /// Whose it is.
    pub socket: Option<Arc<Socket>>,
    /// How often it was looked for who has the address.
    pub tries: u8,
}

/// To DWR: a packet of the link's.
pub struct Transmit<H: Host> {
    /// It.
    pub packet: Option<Packet<H::Buffer>>,
    /// Whose it is.
    pub socket: Option<Arc<Socket>>,
}

impl<H: Host> TcpRequest<H> {
    /// What it asks for, for people.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Packet(..) => "packet",
            Self::Syn(..) => "syn",
            Self::Stray(_) => "stray",
            Self::Refused(_) => "refused",
            Self::Go(_) => "go on",
            Self::Time(..) => "time",
            Self::Abandon(_) => "abandon",
            Self::Leave(_) => "leave",
            Self::Call(call) => match call.what {
                What::Connect => "connect",
                What::Send(..) => "send",
                What::Receive(..) => "receive",
                What::Shutdown(_) => "shutdown",
                What::Close => "close",
            },
        }
    }
}

/// A message type that carries all of it.
pub trait Mail<H: Host>:
    Message
    + Carries<InterruptRequest>
    + Carries<Arrived<H>>
    + Carries<TcpRequest<H>>
    + Carries<TimerRequest>
    + Carries<Outgoing<H>>
    + Carries<Transmit<H>>
    + Carries<Reply>
{
}

impl<H: Host, M> Mail<H> for M where
    M: Message
        + Carries<InterruptRequest>
        + Carries<Arrived<H>>
        + Carries<TcpRequest<H>>
        + Carries<TimerRequest>
        + Carries<Outgoing<H>>
        + Carries<Transmit<H>>
        + Carries<Reply>
{
}
