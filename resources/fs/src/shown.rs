//! Programs that have mapped files: what FCR asks of those who show them their pages.

use alloc::sync::Arc;
use alloc::vec::Vec;

use vortex_grid::{Context, Message, Trigger};

use crate::cache::CachedFile;

/// What is to be taken from those who show it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Shown {
    /// These pages: where nobody beside the cache has one any more then,
    /// [`CachedFile::let_go`] says so.
    Pages(Vec<u32>),
    /// All pages from this one on, and what programs have made of them: the file has ended
    /// before. Who touches them is to find that.
    From(u32),
}

/// Who shows files' pages to programs.
pub trait Showing<M: Message, F>: Send + Sync {
    /// Asks that pages be taken from all to whom they are shown. What fires when they are; what
    /// it is answered by says nothing. `None` where it cannot be asked.
    fn take(
        &self,
        file: Arc<CachedFile<F>>,
        what: Shown,
        cx: &mut Context<'_, M>,
    ) -> Option<Trigger>;
}
