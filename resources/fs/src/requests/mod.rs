//! What these resources are asked for, and what they answer.

mod cache;
mod ext2;

use vortex_grid::Carries;

pub(crate) use cache::{Ask, Kind, Stage, Task, Walk};
pub(crate) use cache::{BLOCK_PAGES, MOST_PAGES};
pub use cache::{CacheReply, CacheRequest};
pub use ext2::{
    Answer, Caller, Changes, Entries, Entry, Ext2Reply, Ext2Request, New, Object, Operating,
    Operation, Replace, Run, Served, Usage,
};

use crate::cache::PageFrame;

/// A message type that carries all of it, and what storage is asked for.
pub trait Mail<F: PageFrame>:
    vortex_storage::Mail<F::Memory>
    + Carries<CacheRequest<F>>
    + Carries<CacheReply>
    + Carries<Ext2Request>
    + Carries<Ext2Reply>
{
}

impl<F: PageFrame, M> Mail<F> for M where
    M: vortex_storage::Mail<F::Memory>
        + Carries<CacheRequest<F>>
        + Carries<CacheReply>
        + Carries<Ext2Request>
        + Carries<Ext2Reply>
{
}
