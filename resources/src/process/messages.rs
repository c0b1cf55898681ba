//! What the calls of sockets work on, beside what their declarations say: messages, whose parts
//! lie where a header says, and addresses, as long as a word beside them says.
//!
//! A call's operands are then the bytes, the address with the control messages behind it, and
//! what is told in the end: the header, or the word.

use vortex_abi::{Errno, Files, In, Iov, IovIn, IovOut, Operand, Out, Span};
use vortex_machine::Access;

use super::operands::{Operands, Unready};
use crate::memory::{AddressSpace, Pinned, pin};

/// `struct msghdr` and `struct mmsghdr`.
const HEADER: u64 = 56;
const HEADER_OF_MANY: u64 = 64;
/// The longest address (`struct sockaddr_storage`), and the longest value of an option.
const ADDRESS_MOST: u64 = 128;
const VALUE_MOST: u64 = 256;
/// Control messages that one call sends, and what it can be told.
const CONTROL_SENT: u64 = 20_480;
const CONTROL_TOLD: u64 = 4096;
/// Bytes of one call: no message is longer.
const MOST: u64 = 448 << 10;
/// Buffers of one message (`UIO_MAXIOV`).
const BUFFERS: u64 = 1024;
/// Messages of one call.
pub const MANY: u32 = 1024;

/// How the operands of such a call are divided.
#[derive(Clone, Copy, Debug, Default)]
pub struct Shape {
    /// Bytes of the address.
    pub name: u32,
    /// Bytes of control messages.
    pub control: u32,
    /// Bytes of the message, or more than it may have.
    pub whole: u64,
}

/// What such a call works on.
#[derive(Default)]
pub(super) struct Wanted {
    /// The bytes.
    pub data: Option<Operand>,
    /// What of them is done already.
    pub skip: u64,
    name: Span0,
    control: Span0,
    told: Span0,
    /// It receives: the address and the control messages are told.
    told_back: bool,
    whole: u64,
}

/// A span, or none.
type Span0 = Option<Span>;

/// Whether a call is one of these.
pub(super) fn is_one(call: &Files) -> bool {
    matches!(
        call,
        Files::Accept { .. }
            | Files::Accept4 { .. }
            | Files::Getsockname { .. }
            | Files::Getpeername { .. }
            | Files::Getsockopt { .. }
            | Files::Sendto { .. }
            | Files::Recvfrom { .. }
            | Files::Sendmsg { .. }
            | Files::Recvmsg { .. }
            | Files::Sendmmsg { .. }
            | Files::Recvmmsg { .. }
    )
}

fn word(bytes: &[u8], at: usize) -> u64 {
    let word = bytes.get(at..at.saturating_add(8)).and_then(|word| word.try_into().ok());
    word.map_or(0, u64::from_le_bytes)
}

/// Reads the length beside an address or a value.
fn length(space: &AddressSpace, at: u64) -> Result<u64, Unready> {
    let mut bytes = [0; 4];
    pin(space, Span::new(at, 4), Access::Read)?.read(0, &mut bytes);
    u64::try_from(i32::from_le_bytes(bytes)).map_err(|_| Unready::Error(Errno::EINVAL))
}

impl Wanted {
    /// Of a call that has done so much already: bytes, or messages where it is of many.
    pub fn of(space: &AddressSpace, call: &Files, done: u64) -> Result<Self, Unready> {
        match *call {
            Files::Accept { address: 0, .. } | Files::Accept4 { address: 0, .. } => {
                Ok(Self::default())
            }
            Files::Accept { address, length, .. }
            | Files::Accept4 { address, length, .. }
            | Files::Getsockname { address, length, .. }
            | Files::Getpeername { address, length, .. } => {
                Self::default().telling(space, address, length, ADDRESS_MOST)
            }
            Files::Getsockopt { value, length, .. } => {
                Self::default().telling(space, value, length, VALUE_MOST)
            }
            Files::Sendto { buffer, count, address, length, .. } => {
                let length = u64::from(length);
                if address != 0 && length > ADDRESS_MOST {
                    return Err(Unready::Error(Errno::EINVAL));
                }
                let name = (address != 0 && length > 0).then_some(Span::new(address, length));
                let span = Span::new(buffer.saturating_add(done), count.saturating_sub(done));
                let data = Some(Operand::In(In(at_most(span))));
                Ok(Self { data, name, whole: count, ..Self::default() })
            }
            Files::Recvfrom { buffer, count, address, length, .. } => {
                let span = Span::new(buffer.saturating_add(done), count.saturating_sub(done));
                let data = Some(Operand::Out(Out(at_most(span))));
                let wanted = Self { data, whole: count, told_back: true, ..Self::default() };
                match address {
                    0 => Ok(wanted),
                    address => wanted.telling(space, address, length, ADDRESS_MOST),
                }
            }
            Files::Sendmsg { message, .. } => Self::message(space, message, HEADER, false, done),
            Files::Recvmsg { message, .. } => Self::message(space, message, HEADER, true, done),
            Files::Sendmmsg { count, .. } | Files::Recvmmsg { count, .. }
                if done >= u64::from(count) =>
            {
                Ok(Self::default())
            }
            Files::Sendmmsg { messages, .. } => {
                let at = messages.saturating_add(done.saturating_mul(HEADER_OF_MANY));
                Self::message(space, at, HEADER_OF_MANY, false, 0)
            }
            Files::Recvmmsg { messages, .. } => {
                let at = messages.saturating_add(done.saturating_mul(HEADER_OF_MANY));
                Self::message(space, at, HEADER_OF_MANY, true, 0)
            }
            _ => Ok(Self::default()),
        }
    }

    /// With an address, or a value, that is told, and its length.
    fn telling(
        self,
        space: &AddressSpace,
        address: u64,
        at: u64,
        most: u64,
    ) -> Result<Self, Unready> {
        let room = length(space, at)?.min(most);
        let (name, told) = (Some(Span::new(address, room)), Some(Span::new(at, 4)));
        Ok(Self { name, told, told_back: true, ..self })
    }

    /// The message that a header describes.
    fn message(
        space: &AddressSpace,
        at: u64,
        size: u64,
        told_back: bool,
        skip: u64,
    ) -> Result<Self, Unready> {
        let mut bytes = [0; HEADER as usize];
        pin(space, Span::new(at, HEADER), Access::Read)?.read(0, &mut bytes);
        let name = (word(&bytes, 0), word(&bytes, 8) as u32);
        let (address, count) = (word(&bytes, 16), word(&bytes, 24));
        let control = (word(&bytes, 32), word(&bytes, 40));
        if name.1 > i32::MAX as u32 {
            return Err(Unready::Error(Errno::EINVAL));
        }
        if count > BUFFERS {
            return Err(Unready::Error(Errno::EMSGSIZE));
        }
        if !told_back && control.1 > CONTROL_SENT {
            return Err(Unready::Error(Errno::ENOBUFS));
        }
        let iov = Iov { address, count, most: MOST as u32 };
        let data =
            if told_back { Operand::IovOut(IovOut(iov)) } else { Operand::IovIn(IovIn(iov)) };
        let some = |(address, length): (u64, u64)| {
            (address != 0 && length > 0).then_some(Span::new(address, length))
        };
        let told = (told_back || size > HEADER).then_some(Span::new(at, size));
        Ok(Self {
            data: Some(data),
            skip,
            name: some((name.0, u64::from(name.1).min(ADDRESS_MOST))),
            control: some((control.0, control.1.min(CONTROL_TOLD.max(CONTROL_SENT)))),
            told,
            told_back,
            whole: 0,
        })
    }

    /// Adds to the bytes what else there is.
    pub fn complete(self, space: &AddressSpace, operands: &mut Operands) -> Result<Shape, Unready> {
        let access = if self.told_back { Access::Write } else { Access::Read };
        let mut beside = Pinned::default();
        let mut lengths = [0; 2];
        for (span, length) in [self.name, self.control].into_iter().zip(&mut lengths) {
            let Some(span) = span else { continue };
            beside.add(space, span, access)?;
            *length = span.length as u32;
        }
        if self.name.is_some() || self.control.is_some() {
            operands.set(1, beside);
        }
        if let Some(told) = self.told {
            operands.set(2, pin(space, told, Access::Write)?);
        }
        let [name, control] = lengths;
        Ok(Shape { name, control, whole: self.whole })
    }
}

fn at_most(span: Span) -> Span {
    Span::new(span.address, span.length.min(MOST))
}

/// Whether a call of many messages waits for no more when it has some.
#[must_use]
pub const fn waits_for_one(flags: u32) -> bool {
    /// `MSG_WAITFORONE`, which `linux-raw-sys` lacks.
    const MSG_WAITFORONE: u32 = 0x1_0000;
    flags & MSG_WAITFORONE != 0
}
