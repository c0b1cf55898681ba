//! The closed message type of the kernel's grid.

use alloc::boxed::Box;
use alloc::sync::Arc;

use vortex_abi::Errno;
use vortex_grid::{Message, carries};
use vortex_memory::WaiterId;
use vortex_storage::Memory;
use vortex_units::{Bytes, Cycles};

use crate::aio::AioRequest;
use crate::cache::{CacheReply, CacheRequest, Ext2Reply, Ext2Request};
use crate::files::{AioOpened, FileRequest, FilesId, Image};
use crate::memory::{AddressSpace, FaultError, Mapping, MemoryRequest, Program, ReclaimRequest};
use crate::monitor::MonitorRequest;
use crate::network::{self, Arrived, NetReply, Outgoing, TcpRequest, TimerRequest, Transmit};
use crate::process::{ProcessRequest, ThreadDone, ThreadReady};
use crate::storage::{
    CommandRequest, DeviceRequest, DiskReply, InterruptRequest, ScsiRequest, VolumeRequest,
};

/// What a resource answers: one type, because a thread waits for whichever of them its
/// system call went to.
pub enum Answer {
    /// What the system call returns.
    Call(Result<u64, Errno>),
    /// The system call has failed, and is not to be made again, whatever for: what it has changed
    /// on a disk is there.
    Failed(Errno),
    /// What was waited for may be so now: make the call again. The deadline is the one
    /// that was set when it was made first; `true` if it is over.
    Again(Option<Cycles>, bool),
    /// So many bytes are done, and more may be possible now: make the call for the rest.
    GoOn(u64),
    /// A signal has ended the wait, which had this deadline.
    Interrupted(Option<Cycles>),
    /// A fault is mended, or is the thread's own.
    Fault(Result<(), FaultError>),
    /// Memory is earmarked for this waiter, or there is none to be had.
    Room(Option<WaiterId>),
    /// Whether a process of an activity that has too much memory ends.
    Shrunk(bool),
    /// A space was copied.
    Space(Result<Arc<AddressSpace>, Errno>),
    /// Descriptors were made or copied.
    Files(Result<FilesId, Errno>),
    /// A file to be run or mapped.
    Image(Result<Box<Image>, Errno>),
    /// What is to be mapped.
    Mapped(Result<Mapping, Errno>),
    /// What an asynchronous operation is about.
    Opened(Result<AioOpened, Errno>),
    /// The program that takes the caller's place.
    Program(Result<Box<Program>, Errno>),
}

/// All that can be sent.
#[allow(missing_docs, reason = "each variant is named as its payload")]
pub enum Mail {
    Thread(ThreadReady),
    ThreadDone(ThreadDone),
    Process(ProcessRequest),
    Memory(MemoryRequest),
    Reclaim(ReclaimRequest),
    File(FileRequest),
    Aio(AioRequest),
    Monitor(MonitorRequest),
    Device(DeviceRequest),
    Interrupt(InterruptRequest),
    Command(CommandRequest),
    Scsi(ScsiRequest),
    Volume(VolumeRequest),
    Disk(DiskReply),
    Cache(CacheRequest),
    CacheDone(CacheReply),
    Ext2(Ext2Request),
    Ext2Done(Ext2Reply),
    NetInterrupt(network::InterruptRequest),
    Arrived(Arrived),
    Tcp(TcpRequest),
    TcpTimer(TimerRequest),
    Outgoing(Outgoing),
    Transmit(Transmit),
    NetDone(NetReply),
    Answer(Answer),
}

impl Message for Mail {
    fn name(&self) -> &'static str {
        match self {
            Self::Thread(ready) => ready.name(),
            Self::Process(request) => request.name(),
            Self::Memory(request) => request.name(),
            Self::File(request) => request.name(),
            Self::Aio(request) => request.name(),
            Self::Monitor(_) => "sample",
            Self::Reclaim(_) => "reclaim",
            Self::Device(_) => "put",
            Self::Interrupt(InterruptRequest::Interrupt) => "interrupt",
            Self::Interrupt(InterruptRequest::Tick) => "tick",
            Self::Command(_) => "command",
            Self::Scsi(request) => request.name(),
            Self::Volume(request) => request.name(),
            Self::Cache(request) => request.name(),
            Self::Ext2(request) => request.name(),
            Self::NetInterrupt(network::InterruptRequest::Interrupt) => "interrupt",
            Self::NetInterrupt(network::InterruptRequest::Tick) => "tick",
            Self::Arrived(_) => "packet",
            Self::Tcp(request) => request.name(),
            Self::TcpTimer(_) => "timer",
            Self::Outgoing(_) => "link",
            Self::Transmit(_) => "send",
            Self::ThreadDone(_)
            | Self::Disk(_)
            | Self::CacheDone(_)
            | Self::Ext2Done(_)
            | Self::NetDone(_)
            | Self::Answer(_) => "",
        }
    }

    fn position(&self) -> u64 {
        match self {
            Self::Device(request) => request.position,
            Self::Command(request) => request.command.span().0,
            Self::Scsi(request) => request.position(),
            Self::Volume(request) => request.position(),
            _ => 0,
        }
    }

    fn size(&self) -> Bytes {
        match self {
            Self::File(request) => request.size(),
            Self::Device(request) => request.bytes,
            Self::Command(request) => request.data.bytes(),
            _ => Bytes::ZERO,
        }
    }
}

carries!(
    Mail: Thread(ThreadReady), ThreadDone(ThreadDone), Process(ProcessRequest),
    Memory(MemoryRequest), Reclaim(ReclaimRequest), File(FileRequest), Aio(AioRequest), Monitor(MonitorRequest),
    Device(DeviceRequest), Interrupt(InterruptRequest), Command(CommandRequest),
    Scsi(ScsiRequest), Volume(VolumeRequest), Disk(DiskReply), Cache(CacheRequest),
    CacheDone(CacheReply), Ext2(Ext2Request), Ext2Done(Ext2Reply),
    NetInterrupt(network::InterruptRequest), Arrived(Arrived), Tcp(TcpRequest),
    TcpTimer(TimerRequest), Outgoing(Outgoing), Transmit(Transmit), NetDone(NetReply),
    Answer(Answer),
);
