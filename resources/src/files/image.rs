//! A file as it was when it was asked for, by pages: what programs are loaded from.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use vortex_files::Page;
use vortex_machine::PAGE;

const PAGE_U64: u64 = PAGE as u64;

/// The pages of a file; those that it has none for are zeros. Pages that the file changes
/// later stay here as they were.
#[derive(Clone, Default)]
pub struct Image {
    /// The path by which it was asked for.
    pub path: Vec<u8>,
    /// Where it is.
    pub found: Vec<u8>,
    /// Its bytes.
    pub size: u64,
    pages: Vec<Option<Page>>,
    /// Of one that is run: nobody may write its file as long as there is this.
    pub running: Option<Arc<()>>,
}

impl Image {
    /// An image with these pages.
    #[must_use]
    pub fn new(path: Vec<u8>, found: Vec<u8>, size: u64, pages: Vec<Option<Page>>) -> Self {
        Self { path, found, size, pages, running: None }
    }

    /// The same, to be run: nobody may write its file as long as anybody has this token.
    #[must_use]
    pub fn run_as(self, running: Arc<()>) -> Self {
        Self { running: Some(running), ..self }
    }

    /// How many of `most` bytes from there lie in one page of the file.
    #[must_use]
    pub fn piece(&self, at: u64, most: usize) -> usize {
        let within = PAGE_U64 - at % PAGE_U64;
        let left = self.size.saturating_sub(at).min(within);
        usize::try_from(left).unwrap_or(0).min(most)
    }

    /// Hands over bytes that lie in one page; zeros are not handed over.
    pub fn with(&self, at: u64, length: usize, take: impl FnOnce(&[u8]) -> usize) {
        let index = usize::try_from(at / PAGE_U64).unwrap_or(usize::MAX);
        let from = (at % PAGE_U64) as usize;
        if let Some(Some(page)) = self.pages.get(index)
            && let Some(bytes) = page.bytes().get(from..from + length)
        {
            let _ = take(bytes);
        }
    }

    /// Copies bytes out; what is beyond the end is left as it is. Returns how many.
    pub fn read(&self, mut at: u64, bytes: &mut [u8]) -> usize {
        let mut done = 0;
        while let Some(rest) = bytes.get_mut(done..)
            && !rest.is_empty()
        {
            let length = self.piece(at, rest.len());
            if length == 0 {
                break;
            }
            let Some(part) = rest.get_mut(..length) else { break };
            part.fill(0);
            self.with(at, length, |piece| {
                part.copy_from_slice(piece);
                length
            });
            done += length;
            at += length as u64;
        }
        done
    }
}

impl fmt::Debug for Image {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Image({} bytes)", self.size)
    }
}
