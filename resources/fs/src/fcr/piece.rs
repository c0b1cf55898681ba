//! A piece: adjacent blocks of a file that lie together on the volume too, at most 32 KB of
//! them (§4.5), on their way from the disk or to it. Each is a request of FCR's own, on the
//! bill of who has caused it, or who has lent it its place.

use alloc::sync::Arc;

use vortex_abi::Errno;
use vortex_grid::policy::{FieldId, Record, RecordKind};
use vortex_grid::{At, Continuation, Labels, Outcome, Trigger};
use vortex_storage::{MOST_BYTES, Memory, Operation, Reply, StorageError, VolumeRequest};
use vortex_units::{ActivityId, Bytes, Cycles};

use super::queued::Queued;
use super::waiting::Waits;
use super::{Cx, FileCache, Next};
use crate::cache::{CachedFile, Dirtied, PAGE, PageFrame, State};
use crate::requests::{Ask, CacheRequest, Mail};

/// Pieces of an activity that storage has at a time: as many as a disk has room for. What waits
/// beside them waits here, where adjacent ones join.
const BELOW: u32 = 256;

/// The type of the record that a finished piece adds to FCR's (§2.3).
pub const FETCH: RecordKind = RecordKind(RecordKind::FIRST_FREE + 1);
/// In it: bytes that came from the disk.
pub const FETCH_BYTES: FieldId = FieldId(1);
/// And cycles from when storage was asked until they were there.
pub const FETCH_TIME: FieldId = FieldId(2);

/// A piece.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Piece {
    pub number: u64,
    /// It goes to the disk.
    pub writes: bool,
    /// The first block in the file, how many, and where the first is on the volume.
    pub block: u32,
    pub count: u32,
    pub place: u32,
    /// Who has caused it.
    pub by: ActivityId,
    /// Somebody has lent it a place.
    pub lent: bool,
    /// Its request waits until storage has fewer of its activity's.
    pub held: bool,
    /// When it was sent, and then when storage was asked.
    pub since: Cycles,
}

impl Piece {
    pub(super) fn new(writes: bool, block: u32, place: u32, by: ActivityId) -> Self {
        let since = Cycles::ZERO;
        Self { number: 0, writes, block, count: 1, place, by, lent: false, held: false, since }
    }

    /// Takes a block in, if it is the next, of the file and on the volume, and there is room.
    pub(super) fn grow(&mut self, block: u32, place: u32, size: u32) -> bool {
        let next = self.block.checked_add(self.count) == Some(block)
            && self.place.checked_add(self.count) == Some(place);
        let bytes = self.count.saturating_add(1).saturating_mul(size);
        let grows = next && bytes as usize <= MOST_BYTES;
        if grows {
            self.count = self.count.saturating_add(1);
        }
        grows
    }

    fn end(&self) -> u32 {
        self.block.saturating_add(self.count)
    }

    /// Takes another in that lies behind it, in the file and on the volume, or before it: of the
    /// same activity, and no more than may be together (footnote 12).
    fn takes_in(&mut self, other: &Self, size: u32) -> bool {
        let bytes = self.count.saturating_add(other.count).saturating_mul(size);
        let alike = self.writes == other.writes && self.by == other.by;
        if !alike || bytes as usize > MOST_BYTES {
            return false;
        }
        let follows = |one: &Self, next: &Self| {
            one.end() == next.block && one.place.checked_add(one.count) == Some(next.place)
        };
        if follows(other, self) {
            (self.block, self.place) = (other.block, other.place);
        } else if !follows(self, other) {
            return false;
        }
        self.count = self.count.saturating_add(other.count);
        true
    }

    /// The pages that it is of, where so many blocks are a page.
    pub(super) fn pages(&self, each: u32) -> (u32, u32) {
        let first = self.block.checked_div(each).unwrap_or(0);
        (first, self.end().div_ceil(each.max(1)))
    }

    pub(super) fn overlaps(&self, first: u32, end: u32, each: u32) -> bool {
        let (from, to) = self.pages(each);
        !self.writes && from < end && first < to
    }
}

impl<M: Mail<F>, F: PageFrame> FileCache<M, F> {
    /// Takes a piece, if nobody has, and asks storage.
    pub(super) fn begin_piece(
        &mut self,
        file: &Arc<CachedFile<F>>,
        number: u64,
        taken: &mut Option<Piece>,
        cx: &mut Cx<'_, M>,
    ) -> Next<M, F> {
        let who = cx.activity();
        let queued = self.works.get_mut(&file.number()).map(|work| &mut work.queued);
        let found = queued.and_then(|queued| queued.take(number).map(|piece| (queued, piece)));
        let Some((queued, mut piece)) = found else {
            // Who has lent it a place, or has taken it in, was before.
            self.goes_on(who, cx);
            return Outcome::Done;
        };
        let account = self.accounts.entry(who).or_default();
        if account.below >= BELOW
            && account.held.try_reserve(1).is_ok()
            && let Some(kept) = cx.keep()
        {
            account.held.push_back(kept);
            piece.held = true;
            queued.add(piece);
            return Outcome::Kept;
        }
        account.below = account.below.saturating_add(1);
        let joined = join(file, queued, &mut piece);
        (0..joined).for_each(|_| self.one_less(file.number(), cx));
        piece.since = cx.now();
        *taken = Some(piece);
        match self.ask_storage(file, &piece, cx) {
            Ok(trigger) => Outcome::Pending(trigger, At::routine::<Moved>()),
            Err(error) => {
                self.piece_ends(file, &piece, Err(error), cx);
                Outcome::Done
            }
        }
    }

    /// An activity's piece has come to its end, or there was none: another may go.
    fn goes_on(&mut self, who: ActivityId, cx: &mut Cx<'_, M>) {
        let Some(account) = self.accounts.get_mut(&who).filter(|it| it.below < BELOW) else {
            return;
        };
        if let Some(kept) = account.held.pop_front() {
            // Kept here, by this resource.
            let _ = cx.go_on(kept, At::<M, Self>::beginning());
        }
    }

    fn ask_storage(
        &mut self,
        file: &CachedFile<F>,
        piece: &Piece,
        cx: &mut Cx<'_, M>,
    ) -> Result<Trigger, StorageError> {
        let mounted = self.wiring.mounted(file.id().mount).ok_or(StorageError::NoVolume)?;
        let ports = self.wiring.ports.get().ok_or(StorageError::NoVolume)?;
        let data = memory(file, piece).ok_or(StorageError::NoMemory)?;
        let block = u64::from(piece.place).saturating_mul(u64::from(mounted.sectors));
        let operation = if piece.writes { Operation::Write } else { Operation::Read };
        cx.moved(data.bytes());
        let volume = mounted.volume;
        let request = VolumeRequest::Blocks { volume, operation, block, data };
        // No label: what is ordered here is ordered by completion, and the disk is to have many
        // pieces of a file at a time.
        cx.request(ports.volumes, Labels::NONE, request).map_err(|_| StorageError::NoMemory)
    }

    /// A piece has come to its end.
    fn piece_ends(
        &mut self,
        file: &Arc<CachedFile<F>>,
        piece: &Piece,
        result: Result<(), StorageError>,
        cx: &mut Cx<'_, M>,
    ) {
        let each = file.blocks_a_page();
        let (first, end) = piece.pages(each);
        let error = result.err().map(|error| error.errno());
        for page in first..end {
            let (from, to) = part(piece, page, each);
            let bytes = to.saturating_sub(from).saturating_mul(file.block_size());
            self.part_ends(file, page, Bytes::new(u64::from(bytes)), error, cx);
        }
        self.wake_pages(file.number(), first, end, cx);
        if error.is_none() && !piece.writes {
            let bytes = piece.count.saturating_mul(file.block_size());
            let mut record = Record::new(FETCH);
            // A record has room for two.
            let _ = record.set(FETCH_BYTES, u64::from(bytes));
            let _ = record.set(FETCH_TIME, cx.now().saturating_sub(piece.since).get());
            cx.record(record);
        }
        let number = file.number();
        self.one_less(number, cx);
        self.works_end(number, cx);
        // It was asked for on the bill of who runs.
        let who = cx.activity();
        if let Some(account) = self.accounts.get_mut(&who) {
            account.below = account.below.saturating_sub(1);
        }
        self.goes_on(who, cx);
        self.account_ends(who);
    }

    /// A part of a page has come, or gone, or failed to.
    pub(super) fn part_ends(
        &mut self,
        file: &Arc<CachedFile<F>>,
        number: u32,
        bytes: Bytes,
        error: Option<Errno>,
        cx: &mut Cx<'_, M>,
    ) {
        let state = file.with(|inner| {
            let page = inner.pages.get_mut(number)?;
            page.parts = page.parts.saturating_sub(1);
            page.error = page.error.or(error);
            if page.state == State::Fetching && error.is_none() {
                page.fetched.bytes = page.fetched.bytes.saturating_add(bytes);
            }
            (page.parts == 0).then_some(page.state)
        });
        match state {
            Some(State::Fetching) => self.fetched(file, number, cx),
            Some(State::Writing) => self.written(file, number, cx),
            _ => {}
        }
    }

    /// Who waits for any of these pages looks again.
    pub(super) fn wake_pages(&mut self, number: u32, first: u32, end: u32, cx: &mut Cx<'_, M>) {
        self.wake(number, Waits::Pages(first, end), cx);
    }

    /// All of a page has come.
    pub(super) fn fetched(&mut self, file: &Arc<CachedFile<F>>, number: u32, cx: &mut Cx<'_, M>) {
        let now = cx.now();
        let size = file.size();
        let owner = file.with(|inner| inner.pages.get(number).map(|page| page.owner));
        let gone = file.with(|inner| {
            let page = inner.pages.get_mut(number)?;
            let Some(error) = page.error.take() else {
                page.fetched.time = now.saturating_sub(page.fetched.time);
                clear_behind(page.frame.as_ref(), number, size);
                page.state = State::Clean;
                if let Some(dirtied) = page.dirtied {
                    // Somebody was to write it whole before it was asked for.
                    page.state = State::Dirty;
                    inner.dirty.insert(number);
                    inner.owe(dirtied.round);
                }
                return None;
            };
            let (dirtied, who) = (page.dirtied.take(), page.fetched.by);
            if Self::is_the_disks(error) {
                page.frame = None;
                page.places = [0; crate::cache::BLOCKS];
                page.state = State::Failed(error, who);
            } else {
                inner.pages.remove(number);
            }
            dirtied
        });
        if let Some(Dirtied { by, .. }) = gone {
            self.uncount(file.number(), by, cx);
        }
        if let Some(owner) = owner {
            self.came(owner, cx);
        }
    }
}

/// Bytes of a page that are behind the file's end are zeros, whatever the disk has there.
pub(super) fn clear_behind<F: PageFrame>(frame: Option<&F>, number: u32, size: u64) {
    let start = u64::from(number).saturating_mul(PAGE as u64);
    let from = size.saturating_sub(start).min(PAGE as u64) as usize;
    if let Some(frame) = frame {
        frame.clear(from, PAGE.saturating_sub(from));
    }
}

/// A piece that is on its way takes in those that still wait and are adjacent to it. How many:
/// what they were asked for by finds them gone.
fn join<F: PageFrame>(file: &CachedFile<F>, waiting: &mut Queued, piece: &mut Piece) -> u32 {
    let (size, each) = (file.block_size(), file.blocks_a_page());
    let mut joined: u32 = 0;
    loop {
        let own = *piece;
        let takes = |other: &&Piece| piece.takes_in(other, size);
        let next = waiting.near(own.block, own.end()).find(takes).map(|other| other.number);
        let Some(other) = next.and_then(|number| waiting.take(number)) else { return joined };
        joined = joined.saturating_add(1);
        // The page in which they meet has one part less to wait for.
        let meet = own.block.max(other.block);
        if meet.checked_rem(each).is_some_and(|within| within > 0) {
            let page = meet.checked_div(each).unwrap_or(0);
            file.with(|inner| {
                if let Some(page) = inner.pages.get_mut(page) {
                    page.parts = page.parts.saturating_sub(1);
                }
            });
        }
    }
}

/// A piece's blocks in a page.
fn part(piece: &Piece, page: u32, each: u32) -> (u32, u32) {
    let start = page.saturating_mul(each);
    (piece.block.max(start), piece.end().min(start.saturating_add(each)))
}

/// The memory of a piece.
fn memory<F: PageFrame>(file: &CachedFile<F>, piece: &Piece) -> Option<F::Memory> {
    let each = file.blocks_a_page();
    let (first, end) = piece.pages(each);
    file.with(|inner| {
        let mut all = F::Memory::none();
        for number in first..end {
            let frame = inner.pages.get(number)?.frame.as_ref()?;
            let (from, to) = part(piece, number, each);
            let within = from.saturating_sub(number.saturating_mul(each));
            let at = within.saturating_mul(file.block_size()) as usize;
            let bytes = to.saturating_sub(from).saturating_mul(file.block_size()) as usize;
            if !all.join(&frame.memory(at, bytes)?) {
                return None;
            }
        }
        Some(all)
    })
}

/// Storage has answered.
struct Moved;

impl<M: Mail<F>, F: PageFrame> Continuation<M, FileCache<M, F>> for Moved {
    fn resume(
        cache: &mut FileCache<M, F>,
        request: &mut CacheRequest<F>,
        cx: &mut Cx<'_, M>,
    ) -> Next<M, F> {
        let result = match cx.reply::<Reply<F::Memory>>() {
            Ok(Some(Reply::Data(_, result))) => result,
            Ok(_) => Err(StorageError::Answer),
            Err(_) => Err(StorageError::NoMemory),
        };
        if let Ask::Piece(file, _, Some(piece)) = &mut request.0 {
            cache.piece_ends(file, piece, result, cx);
        }
        Outcome::Done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn adjacent_pieces_of_an_activity_join() {
        let who = |index| ActivityId::new(index, 0);
        let piece =
            |block, place, count| Piece { count, ..Piece::new(false, block, place, who(1)) };
        let joined = |mut one: Piece, other: Piece| {
            let takes = one.takes_in(&other, 1024);
            (takes, one.block, one.place, one.count)
        };
        assert_eq!(joined(piece(4, 104, 2), piece(6, 106, 3)), (true, 4, 104, 5));
        assert_eq!(joined(piece(6, 106, 3), piece(4, 104, 2)), (true, 4, 104, 5));
        assert!(!joined(piece(4, 104, 2), piece(7, 107, 1)).0, "a gap");
        assert!(!joined(piece(4, 104, 2), piece(6, 107, 1)).0, "not on the volume");
        assert!(!joined(piece(4, 104, 20), piece(24, 124, 13)).0, "more than 32 KB");
        assert!(joined(piece(4, 104, 20), piece(24, 124, 12)).0);
        let others = Piece { by: who(2), ..piece(6, 106, 1) };
        assert!(!joined(piece(4, 104, 2), others).0, "another's");
        let write = Piece { writes: true, ..piece(6, 106, 1) };
        assert!(!joined(piece(4, 104, 2), write).0);
    }
}
