//! Files that are run or mapped.

use alloc::sync::{Arc, Weak};
use core::cell::RefCell;

use vortex_abi as abi;
use vortex_abi::Errno;
use vortex_files::{At as PathAt, Caller, Fd, Object, OpenId, Root, Walks};
use vortex_machine::PAGE;

use super::calls::Cx;
use super::image::{Image, NoFrame};
use super::images::Images;
use super::request::FilesId;
use super::resource::FileSystem;
use crate::cache::Contents;
use crate::memory::{Backing, Mapping, Shared, interpreter_place};
use crate::process::Process;

impl FileSystem {
    /// The pages of a file that is to be run; `None` where it has more than are listed in one
    /// run: then it stays open meanwhile.
    pub(super) fn image(
        &mut self,
        id: FilesId,
        process: Option<&Process>,
        path: &[u8],
        (walks, kept): (&RefCell<Walks>, &mut Option<OpenId>),
        cx: &Cx<'_>,
    ) -> Result<Option<Image>, Errno> {
        let mut images = core::mem::take(&mut self.images);
        let asks = process.map(|process| (process, process.pid));
        let image = self.with_files(id, asks, Some(walks), cx, |root, caller, effects| {
            let open = match kept.take() {
                Some(open) => open,
                None => root.open_executable(caller, PathAt::cwd(path), 0)?,
            };
            let image = Self::pages(&mut images, root, caller, open, path)
                .and_then(|image| keep_headers(root, caller, open, image));
            if matches!(image, Ok(None)) || walks.borrow().stops() {
                *kept = Some(open);
                return image.map(|_| None);
            }
            let running = root.node(open).and_then(|node| root.run(&node));
            root.close(open, effects);
            let running = running?;
            Ok(image?.map(|image| image.run_as(running)))
        });
        self.images = images;
        image
    }

    /// What a descriptor is for `mmap`: its file as it is now; `None` where it has more pages
    /// than are listed in one run.
    pub(super) fn mapping(
        &mut self,
        id: FilesId,
        fd: abi::Fd,
        shared: bool,
        write: bool,
        walks: &RefCell<Walks>,
        cx: &Cx<'_>,
    ) -> Result<Option<Mapping>, Errno> {
        let mut known = core::mem::take(&mut self.shared);
        let mut images = core::mem::take(&mut self.images);
        let mapping = self.with_files(id, None, Some(walks), cx, |root, caller, _| {
            let open = caller.table.get(Fd::new(fd.0))?;
            let object = root.object(open)?;
            let (reads, writes) = root.rights(open)?;
            if object == Object::Other && !reads && !writes {
                return Err(Errno::EBADF);
            }
            if !reads || write && !writes {
                return Err(Errno::EACCES);
            }
            if object != Object::File {
                return Err(Errno::ENODEV);
            }
            let node = root.node(open)?;
            if !shared || root.is_on_disk(&node) {
                let may_write = !shared || writes;
                let Some(mut image) = Self::pages(&mut images, root, caller, open, b"")? else {
                    return Ok(None);
                };
                if writes {
                    image.written = Some(root.map_written(&node)?);
                }
                let backing = Backing::Mapped(Arc::new(image), 0);
                return Ok(Some(Mapping { backing, may_write }));
            }
            let number = root.number(&node)?;
            let memory = match known.get(&number).and_then(Weak::upgrade) {
                Some(memory) => memory,
                None => {
                    let Some(pages) = Self::pages(&mut images, root, caller, open, b"")? else {
                        return Ok(None);
                    };
                    let memory = Shared::of(pages);
                    root.overlay(&node, memory.clone())?;
                    known.retain(|_, memory| memory.strong_count() > 0);
                    known.insert(number, Arc::downgrade(&memory));
                    memory
                }
            };
            if writes {
                memory.is_written(root.map_written(&node)?);
            }
            Ok(Some(Mapping { backing: Backing::Shared(memory, 0), may_write: writes }))
        });
        self.shared = known;
        self.images = images;
        mapping
    }

    /// An open file: one in memory as it is now.
    fn pages(
        images: &mut Images,
        root: &mut Root,
        caller: &Caller<'_>,
        open: OpenId,
        path: &[u8],
    ) -> Result<Option<Image>, Errno> {
        let node = root.node(open)?;
        if let Some(file) = root.cached(&node) {
            let Some(contents) = Contents::of(&file) else { return Err(Errno::ENODEV) };
            let held = root.map(&node, caller.owner)?;
            let found = root.path_of_open(open).unwrap_or_else(|_| path.to_vec());
            return Ok(Some(Image::cached(path.to_vec(), found, contents.file.clone(), held)));
        }
        let size = root.attributes(caller, &node)?.size;
        let Some(pages) = images.of(root, caller, &node, size)? else { return Ok(None) };
        let found = root.path_of_open(open).unwrap_or_else(|_| path.to_vec());
        Ok(Some(Image::new(path.to_vec(), found, pages)))
    }
}

/// Bytes that are fetched at once of the beginning of a program.
const FETCHED: u64 = 64 * 1024;

/// What is looked at of a file before it is loaded stays in memory until it is.
fn keep_headers(
    root: &Root,
    caller: &Caller<'_>,
    open: OpenId,
    image: Option<Image>,
) -> Result<Option<Image>, Errno> {
    let Some(image) = image else { return Ok(None) };
    if image.on_disk().is_none() {
        return Ok(Some(image));
    }
    let kept = image.keep(0, PAGE as u64).and_then(|()| match interpreter_place(&image) {
        Some((at, bytes)) => image.keep(at, bytes),
        None => Ok(()),
    });
    match kept {
        Ok(()) => Ok(Some(image)),
        Err(NoFrame::Absent(page)) => {
            let node = root.node(open)?;
            Err(root.fetch(caller, &node, u64::from(page) * PAGE as u64, FETCHED))
        }
        Err(NoFrame::Memory) => Err(Errno::ENOMEM),
        // Whoever looks there finds that it has no such bytes.
        Err(NoFrame::Beyond) => Ok(Some(image)),
    }
}
