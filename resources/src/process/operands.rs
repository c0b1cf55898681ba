//! What a call works on, once the stub has taken it out of the process: strings copied,
//! buffers pinned.

use alloc::vec::Vec;

use vortex_abi::{Errno, Iov, Operand, Span};
use vortex_machine::{Access, PAGE};

use crate::memory::{AddressSpace, Pinned, Unpinned, pin, read_string};

/// The longest path, as Linux has it, without the zero.
const PATH_MOST: usize = 4095;
/// The most buffers in one call (`UIO_MAXIOV`).
const IOV_MAX: u64 = 1024;
/// What is pinned at once: no more bytes.
pub(super) const FEW_BYTES: u64 = 16 * PAGE as u64;
/// What is pinned again when a page behind it has been mended: no more bytes.
pub(super) const AGAIN_BYTES: u64 = 4 * PAGE as u64;

/// One operand.
#[derive(Debug)]
pub enum Ready {
    /// A string, without its zero.
    String(Vec<u8>),
    /// A buffer.
    Buffer(Pinned),
}

/// Why operands cannot be had.
pub enum Unready {
    /// A page must be there first.
    Fault(u64, Access),
    /// The call fails.
    Error(Errno),
    /// The buffers of an array are more than what is pinned at once, or again.
    Long,
}

impl From<Unpinned> for Unready {
    fn from(unpinned: Unpinned) -> Self {
        match unpinned {
            Unpinned::Fault(address, access) => Self::Fault(address, access),
            Unpinned::Address => Self::Error(Errno::EFAULT),
            Unpinned::NoMemory => Self::Error(Errno::ENOMEM),
        }
    }
}

/// The operands of a call, in the order of its arguments.
#[derive(Debug, Default)]
pub struct Operands([Option<Ready>; 3]);

impl Operands {
    /// Copies and pins what a call's declaration names.
    ///
    /// # Errors
    /// A page that must be there first, or the call's error; then nothing is pinned.
    #[inline]
    pub fn prepare(space: &AddressSpace, wanted: [Option<Operand>; 3]) -> Result<Self, Unready> {
        // Many calls have none.
        match wanted {
            [None, None, None] => Ok(Self::default()),
            some => Self::prepare_some(space, some),
        }
    }

    fn prepare_some(space: &AddressSpace, wanted: [Option<Operand>; 3]) -> Result<Self, Unready> {
        let mut operands = Self::default();
        for (place, operand) in operands.0.iter_mut().zip(wanted) {
            let Some(operand) = operand else { continue };
            *place = Some(match operand {
                Operand::Path(path) => match read_string(space, path.0, PATH_MOST)? {
                    Some(string) => Ready::String(string),
                    None => return Err(Unready::Error(Errno::ENAMETOOLONG)),
                },
                Operand::In(span) => Ready::Buffer(pin(space, span.0, Access::Read)?),
                Operand::Out(span) => Ready::Buffer(pin(space, span.0, Access::Write)?),
                Operand::InOut(span) => Ready::Buffer(pin(space, span.0, Access::Write)?),
                Operand::IovIn(iov) => Ready::Buffer(pin_all(space, iov.0, Access::Read)?),
                Operand::IovOut(iov) => Ready::Buffer(pin_all(space, iov.0, Access::Write)?),
            });
        }
        Ok(operands)
    }

    /// With one buffer alone, for calls whose operand depends on more than its declaration.
    ///
    /// # Errors
    /// As [`Operands::prepare`].
    pub fn buffer_at(space: &AddressSpace, span: Span, access: Access) -> Result<Self, Unready> {
        Ok(Self([Some(Ready::Buffer(pin(space, span, access)?)), None, None]))
    }

    /// Adds a buffer in this place.
    pub fn set(&mut self, place: usize, buffer: Pinned) {
        if let Some(place) = self.0.get_mut(place) {
            *place = Some(Ready::Buffer(buffer));
        }
    }

    /// Takes in what another has.
    pub fn take_in(&mut self, other: Self) {
        for (place, ready) in self.0.iter_mut().zip(other.0) {
            if ready.is_some() {
                *place = ready;
            }
        }
    }

    /// The string in this place.
    ///
    /// # Errors
    /// `EFAULT` if there is none.
    pub fn string(&self, place: usize) -> Result<&[u8], Errno> {
        match self.0.get(place) {
            Some(Some(Ready::String(string))) => Ok(string),
            _ => Err(Errno::EFAULT),
        }
    }

    /// The buffer in this place.
    ///
    /// # Errors
    /// `EFAULT` if there is none.
    pub fn buffer(&self, place: usize) -> Result<&Pinned, Errno> {
        match self.0.get(place) {
            Some(Some(Ready::Buffer(buffer))) => Ok(buffer),
            _ => Err(Errno::EFAULT),
        }
    }

    /// The buffer in this place, which is not there any more then.
    ///
    /// # Errors
    /// `EFAULT` if there is none.
    pub fn take_buffer(&mut self, place: usize) -> Result<Pinned, Errno> {
        match self.0.get_mut(place).map(Option::take) {
            Some(Some(Ready::Buffer(buffer))) => Ok(buffer),
            _ => Err(Errno::EFAULT),
        }
    }

    /// The bytes of the buffer in this place.
    ///
    /// # Errors
    /// `EFAULT` if there is none, or if it is smaller.
    pub fn bytes_of<const N: usize>(&self, place: usize) -> Result<[u8; N], Errno> {
        let mut bytes = [0; N];
        if self.buffer(place)?.read(0, &mut bytes) < N {
            return Err(Errno::EFAULT);
        }
        Ok(bytes)
    }

    /// Writes an answer to the buffer in this place, as far as it has room.
    ///
    /// # Errors
    /// `EFAULT` if there is none.
    pub fn give(&self, place: usize, bytes: &[u8]) -> Result<(), Errno> {
        self.buffer(place)?.write(0, bytes);
        Ok(())
    }

    /// Bytes of all buffers.
    #[must_use]
    pub fn bytes(&self) -> usize {
        let size = |ready: &Ready| match ready {
            Ready::Buffer(buffer) => buffer.len(),
            Ready::String(_) => 0,
        };
        self.0.iter().flatten().map(size).sum()
    }
}

/// Pins the buffers of an array of `struct iovec`, as one. How large they are is known when they
/// are looked at, and not before: a look of its own would cost every small call.
fn pin_all(space: &AddressSpace, iov: Iov, access: Access) -> Result<Pinned, Unready> {
    if iov.count > IOV_MAX {
        return Err(Unready::Error(Errno::EINVAL));
    }
    let array = pin(space, Span::new(iov.address, iov.count * 16), Access::Read)?;
    let mut all = Pinned::default();
    let mut left = u64::from(iov.most);
    for place in 0..iov.count as usize {
        let mut entry = [0; 16];
        array.read(place * 16, &mut entry);
        let (base, length) = entry.split_at(8);
        let word = |bytes: &[u8]| bytes.try_into().map_or(0, u64::from_le_bytes);
        let (base, length) = (word(base), word(length));
        if length > i64::MAX as u64 {
            return Err(Unready::Error(Errno::EINVAL));
        }
        let length = length.min(left);
        if length > FEW_BYTES.saturating_sub(all.len() as u64) {
            return Err(Unready::Long);
        }
        match all.add(space, Span::new(base, length), access) {
            Err(Unpinned::Fault(..)) if all.len() as u64 > AGAIN_BYTES => {
                return Err(Unready::Long);
            }
            added => added?,
        }
        left -= length;
    }
    Ok(all)
}
