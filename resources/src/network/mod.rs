//! The network: the resources of `vortex-network` on the machine's device and memory.

mod device;
mod hooks;
mod memory;

use alloc::sync::Arc;

use vortex_grid::{Context, Labels};
pub use vortex_network::{
    Addresses, Channel, Dropped, InterruptRequest, Mac, Moved, NetError, Pool, Shut, Socket,
    SocketId, What, ready,
};
pub use vortex_network::{Options as NetOptions, Reply as NetReply};

use crate::Mail;
pub use device::{Card, NoCard, find};
pub use hooks::{NetBills, NetHooks};
pub use memory::{Held, Machine, NetBuffer};

/// What they share.
pub type Wiring = vortex_network::Wiring<Mail, Machine>;
/// Their ports.
pub type Ports = vortex_network::Ports<Mail, Machine>;
/// DWR.
pub type Driver = vortex_network::Driver<Mail, Machine>;
/// DIR.
pub type Interrupts = vortex_network::Interrupts<Mail, Machine>;
/// NDRR.
pub type Demultiplexer = vortex_network::Demultiplexer<Mail, Machine>;
/// NDWR.
pub type LinkWriter = vortex_network::LinkWriter<Mail, Machine>;
/// TCPR.
pub type Tcp = vortex_network::Tcp<Mail, Machine>;
/// TCP Timer.
pub type Timers = vortex_network::Timers<Mail, Machine>;
/// To NDRR.
pub type Arrived = vortex_network::Arrived<Machine>;
/// To TCPR.
pub type TcpRequest = vortex_network::TcpRequest<Machine>;
/// To TCP Timer.
pub type TimerRequest = vortex_network::TimerRequest;
/// To NDWR.
pub type Outgoing = vortex_network::Outgoing<Machine>;
/// To DWR.
pub type Transmit = vortex_network::Transmit<Machine>;
/// What a program asks for of a socket.
pub type NetCall = vortex_network::Call<Machine>;

/// The network of the machine.
pub struct Network {
    /// What its resources share.
    pub wiring: Arc<Wiring>,
    /// The card, if there is one; else programs talk with each other alone.
    pub card: Option<Card>,
}

/// Asks TCPR, on the flow's core.
///
/// # Errors
/// [`vortex_grid::SendError`].
pub fn ask(
    wiring: &Wiring,
    call: NetCall,
    cx: &mut Context<'_, Mail>,
) -> Result<vortex_grid::Trigger, vortex_grid::SendError> {
    let labels = Labels::flow(call.socket.label());
    match wiring.ports.get() {
        Some(ports) => cx.request(ports.tcp, labels, TcpRequest::Call(call)),
        None => Err(vortex_grid::SendError::NoRoom),
    }
}
