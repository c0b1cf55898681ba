//! What the resources say to each other.

use vortex_grid::Message;
use vortex_memory::{FrameId, Order, WaiterId};

/// To ASR: a thread touches a page, or a frame is wanted back.
pub enum AsrRequest {
    Touch(Touch),
    Reclaim(Order),
    /// A device is done with a frame.
    Unpin(FrameId),
}

pub struct Touch {
    pub page: u64,
    pub write: bool,
    /// A device works on it for a while.
    pub pin: bool,
    /// The frame that the page is to get, once there is one.
    pub frame: Option<FrameId>,
    /// For whom a frame is earmarked, as the price of a shared one.
    pub waiter: Option<WaiterId>,
}

/// From ASR.
pub struct Touched;

/// To ER: a page of the program's text.
pub enum ErRequest {
    Page(u64),
    Reclaim(Order),
}

/// From ER: the frame, pinned; `None` where memory has run out.
pub struct ErPage(pub Option<FrameId>);

/// To FCR.
pub enum FcrRequest {
    Block(u64),
    Reclaim(Order),
}

/// From FCR: the frame, pinned.
pub struct FcrBlock(pub Option<FrameId>);

/// To SR.
pub enum SrRequest {
    Write(u64, u64),
    Read(u64),
}

/// From SR: what is there; `None` where the device has failed.
pub struct Swapped(pub Option<u64>);

/// To the resource that reclaims.
pub enum MemoryRequest {
    /// The activity waits for a frame of the resource of this number.
    Wait(u8),
    /// Something has changed.
    Go,
}

/// From it: where the frame is earmarked; `None`: there is none to be had.
pub struct Got(pub Option<WaiterId>);

pub enum Mail {
    Asr(AsrRequest),
    Touched(Touched),
    Er(ErRequest),
    ErPage(ErPage),
    Fcr(FcrRequest),
    FcrBlock(FcrBlock),
    Sr(SrRequest),
    Swapped(Swapped),
    Memory(MemoryRequest),
    Got(Got),
}

impl Message for Mail {}

vortex_grid::carries!(
    Mail: Asr(AsrRequest), Touched(Touched), Er(ErRequest), ErPage(ErPage), Fcr(FcrRequest),
    FcrBlock(FcrBlock), Sr(SrRequest), Swapped(Swapped), Memory(MemoryRequest), Got(Got)
);
