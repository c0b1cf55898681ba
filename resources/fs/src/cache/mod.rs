//! The state of files' pages, without a grid: what file calls and FCR share.

mod file;
mod files;
mod frame;
mod kept;
mod openers;
mod page;
mod streams;
mod table;
mod tray;
mod write;

pub use file::{CachedFile, Reading};
pub(crate) use file::{page_of, pages_for};
pub use files::Files;
pub use frame::{Bills, Frames, PAGE, PAGE_BYTES, PageFrame, PageName};
pub use page::Fetched;
pub(crate) use page::{BLOCKS, Dirtied, Page, State};
pub(crate) use streams::Reader;
pub use tray::Tray;
