//! Arguments as the thread gave them, by kind.

/// A descriptor.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fd(pub i32);

/// Where a string lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Path(pub u64);

/// Bytes of a process: nothing is known of them yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Span {
    /// The first.
    pub address: u64,
    /// How many.
    pub length: u64,
}

/// Bytes that the kernel reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct In(pub Span);

/// Bytes that the kernel writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Out(pub Span);

/// Bytes that the kernel reads and writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct InOut(pub Span);

impl Span {
    /// So many bytes from there.
    #[must_use]
    pub const fn new(address: u64, length: u64) -> Self {
        Self { address, length }
    }
}

/// An array of `struct iovec`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Iov {
    /// Where the array is.
    pub address: u64,
    /// How many elements it has.
    pub count: u64,
    /// The most bytes that one call moves.
    pub most: u32,
}

/// Buffers that the kernel reads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IovIn(pub Iov);

/// Buffers that the kernel writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IovOut(pub Iov);

/// What the stub has to copy or pin for a call.
#[allow(missing_docs, reason = "each is named as the kind of argument")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    Path(Path),
    In(In),
    Out(Out),
    InOut(InOut),
    IovIn(IovIn),
    IovOut(IovOut),
}
