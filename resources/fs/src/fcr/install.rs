//! What EXT2R says of a file's blocks becomes pages with places, and pieces to be fetched.

use super::{Cx, FileCache};
use crate::cache::{Page, PageFrame, State};
use crate::fcr::Piece;
use crate::requests::{Mail, Run, Task};

/// What is known of a block.
#[derive(Clone, Copy, Default)]
struct Place {
    place: u32,
    fresh: bool,
}

/// Where a block is, by runs in order.
fn find(runs: &[Run], block: u32) -> Place {
    let at = runs.partition_point(|run| run.block <= block).checked_sub(1);
    let Some(run) = at.and_then(|at| runs.get(at)) else { return Place::default() };
    let within = block.saturating_sub(run.block);
    if within >= run.count || run.place == 0 {
        return Place::default();
    }
    Place { place: run.place.saturating_add(within), fresh: run.fresh }
}

impl<M: Mail<F>, F: PageFrame> FileCache<M, F> {
    /// The pages that a task has claimed get their places; pieces are made of what is to be
    /// fetched. Pages within `whole` will be written in whole, and are not fetched.
    pub(super) fn install(
        &mut self,
        task: &mut Task<F>,
        runs: &[Run],
        whole: Option<(u32, u32)>,
        cx: &mut Cx<'_, M>,
    ) {
        let by = cx.activity();
        let claimed = core::mem::take(&mut task.job().claimed);
        let mut pieces = core::mem::take(&mut task.job().pieces);
        for number in claimed {
            let is_whole = whole.is_some_and(|(first, end)| (first..end).contains(&number));
            let waits = task.file.with(|inner| {
                let Some(page) = inner.pages.get_mut(number) else { return false };
                place_page(page, number, runs, task.file.blocks_a_page());
                if is_whole {
                    return false;
                }
                want(page, number, runs, &task.file, &mut pieces, by);
                page.parts == 0
            });
            if waits && !is_whole {
                self.fetched(&task.file, number, cx);
            }
        }
        task.job().pieces = pieces;
        self.wake_all_pages(task, cx);
    }

    /// What waits for pages of a file looks again.
    pub(super) fn wake_all_pages(&mut self, task: &Task<F>, cx: &mut Cx<'_, M>) {
        self.wake(task.file.number(), super::waiting::Waits::ANY, cx);
    }
}

/// A page's blocks get their places.
pub(super) fn place_page<F>(page: &mut Page<F>, number: u32, runs: &[Run], each: u32) {
    let first = number.saturating_mul(each);
    for (block, place) in (first..first.saturating_add(each)).zip(&mut page.places) {
        if *place == 0 {
            *place = find(runs, block).place;
        }
    }
}

/// Makes pieces of what is to be fetched for a page.
fn want<F: PageFrame>(
    page: &mut Page<F>,
    number: u32,
    runs: &[Run],
    file: &crate::cache::CachedFile<F>,
    pieces: &mut alloc::vec::Vec<Piece>,
    by: vortex_units::ActivityId,
) {
    debug_assert!(page.state == State::Fetching);
    let each = file.blocks_a_page();
    let first = number.saturating_mul(each);
    let mut last = None;
    for block in first..first.saturating_add(each) {
        let Place { place, fresh } = find(runs, block);
        if place == 0 || fresh {
            continue;
        }
        let size = file.block_size();
        if !pieces.last_mut().is_some_and(|piece| piece.grow(block, place, size)) {
            pieces.push(Piece::new(false, block, place, by));
        }
        // A piece that this page has a part in counts once.
        if last != Some(pieces.len()) {
            last = Some(pieces.len());
            page.parts = page.parts.saturating_add(1);
        }
    }
}

/// Where blocks that are wanted have no place: the first of them.
pub(super) fn first_without(runs: &[Run], from: u32, end: u32) -> Option<u32> {
    (from..end).find(|block| find(runs, *block).place == 0)
}

/// Whether any of these blocks had a place before.
pub(super) fn any_kept(runs: &[Run], from: u32, end: u32) -> bool {
    (from..end).any(|block| {
        let Place { place, fresh } = find(runs, block);
        place != 0 && !fresh
    })
}
