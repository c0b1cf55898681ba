//! The network (§4.4, Table 1): from a device's rings to the sockets of programs, without
//! hardware.
//!
//! Each of these is a resource of the grid, and they talk by requests alone:
//!
//! - [`Interrupts`] (DIR): takes what has come out of the device's ring, and what was sent.
//! - [`Demultiplexer`] (NDRR): finds whose a packet is, and bills its cost, and DIR's, back.
//! - [`Tcp`] (TCPR): each packet of a connection is one request of its activity.
//! - [`Timers`] (TCP Timer): connections' timers.
//! - [`LinkWriter`] (NDWR): the link's header, and who has which address.
//! - [`Driver`] (DWR): fills the ring, and rejects what has no room there.
//!
//! They are written against any message type that carries their requests ([`Mail`]) and any
//! [`Host`]: memory, device, randomness. So the same code runs in the kernel and, on a simulated
//! wire, in the tests. The protocols are smoltcp's: an `Interface` a core, and for each socket a
//! set of its own, chosen by NDRR (decision 0113).
//!
//! # Invariants
//! - What comes from outside is not trusted: it is dropped, on the bill of whoever it is for.
//! - What is to be sent is never dropped for want of room in the ring.
//! - A socket's state is touched by TCPR alone, on its flow's core; [`Socket::ready`] is what
//!   others see of it, published before the reply of the call that changed it.
#![no_std]
#![cfg_attr(
    not(test),
    deny(
        clippy::indexing_slicing,
        clippy::arithmetic_side_effects,
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::panic
    )
)]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod address;
mod bill;
mod channel;
mod cork;
mod demultiplex;
mod depth;
mod dir;
mod driver;
mod dropped;
mod ended;
mod error;
mod host;
mod ndrr;
mod ndwr;
mod neighbours;
mod options;
mod packet;
mod requests;
mod socket;
mod speech;
mod table;
mod tcp;
mod timers;
mod waiting;
mod wiring;

pub use address::{Addresses, Flow, Mac};
pub use bill::Bills;
pub use channel::{Broken, Channel, Ring, Slot};
pub use demultiplex::{Found, LOOK, look};
pub use dir::Interrupts;
pub use driver::Driver;
pub use dropped::Dropped;
pub use error::NetError;
pub use host::{Buffer, Data, Hooks, Host};
pub use ndrr::Demultiplexer;
pub use ndwr::LinkWriter;
pub use options::Options;
pub use packet::{BUFFER, HEAD, LINK, Packet, Pool, TOGETHER, VIRTIO};
pub use requests::{
    Arrived, Call, InterruptRequest, Mail, Moved, Outgoing, Reply, TcpRequest, TimerRequest,
    Transmit, What,
};
pub use socket::{Shut, Socket, SocketId, ready};
pub use tcp::Tcp;
pub use timers::Timers;
pub use wiring::{Ports, Wiring};

#[cfg(test)]
mod tests;
