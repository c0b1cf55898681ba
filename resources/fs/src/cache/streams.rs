//! Read-ahead: who reads a file in order has the next pages fetched before they are asked for.
//!
//! A few streams of each activity in a file are followed at a time, so that several readers of it
//! do not break each other's, and no activity another's. A stream's window doubles with each read
//! that follows on, to 128 KiB.
//!
//! # Invariants
//! - A stream is begun, gone on with and given up for a read of its own activity alone.
//! - What is kept of an activity's is on its bill, and leaves when it is not used for a while.

use alloc::vec::Vec;

use vortex_units::{ActivityId, Cycles};

/// Pages of the largest window: 128 KiB.
const MOST: u32 = 32;
/// Of the first.
const LEAST: u32 = 4;
/// Streams that are followed of an activity in a file.
const STREAMS: usize = 8;

#[derive(Clone, Copy, Default)]
struct Stream {
    /// What its reader reads next, if it goes on.
    next: u32,
    /// What is fetched for it, or asked for, ends here.
    ahead: u32,
    window: u32,
    /// When it was last gone on with.
    turn: u32,
}

impl Stream {
    /// Whether a read from this page on goes on with it.
    fn goes_on(&self, first: u32) -> bool {
        self.window > 0 && (self.next..=self.ahead).contains(&first)
    }
}

/// An activity's.
struct Lane {
    of: ActivityId,
    /// When it read last.
    used: Cycles,
    turn: u32,
    streams: [Stream; STREAMS],
}

/// The streams of a file.
#[derive(Default)]
pub struct Streams {
    lanes: Vec<Lane>,
    /// Whose have come and gone since it was asked last.
    came: Vec<ActivityId>,
    went: Vec<ActivityId>,
}

/// Who reads, and when.
#[derive(Clone, Copy)]
pub struct Reader {
    pub who: ActivityId,
    pub now: Cycles,
}

impl Streams {
    /// What is kept of an activity's is counted as so many bytes.
    pub const PRICE: u64 = (size_of::<Lane>() + size_of::<usize>()) as u64;

    pub const fn new() -> Self {
        Self { lanes: Vec::new(), came: Vec::new(), went: Vec::new() }
    }

    /// These pages are read, of a file with so many. Up to where is to be fetched, and which page's
    /// reader is to ask for more.
    pub fn follow(
        &mut self,
        reader: Reader,
        (first, end): (u32, u32),
        last: u32,
    ) -> (u32, Option<u32>) {
        let Some(at) = self.lane(reader.who, first == 0 && end >= last) else { return (end, None) };
        // Who comes behind another may go on as fast as that.
        let others = self.lanes.iter().flat_map(|lane| &lane.streams);
        let known = others.filter(|stream| stream.goes_on(first)).map(|stream| stream.window).max();
        let Some(lane) = self.lanes.get_mut(at) else { return (end, None) };
        lane.used = reader.now;
        lane.turn = lane.turn.wrapping_add(1);
        let turn = lane.turn;
        let Some(stream) = lane.streams.iter_mut().find(|stream| stream.goes_on(first)) else {
            // A first read at the beginning of a file is likely to be of all of it.
            let window = known.unwrap_or(if first == 0 { LEAST } else { 0 });
            let ahead = end.saturating_add(window);
            let oldest =
                lane.streams.iter_mut().max_by_key(|stream| turn.wrapping_sub(stream.turn));
            if let Some(stream) = oldest {
                *stream = Stream { next: end, ahead, window: window.max(LEAST), turn };
            }
            return (ahead, (window > 0).then_some(end));
        };
        stream.turn = turn;
        stream.window = stream.window.saturating_mul(2).clamp(LEAST, MOST);
        stream.next = end;
        stream.ahead = stream.ahead.max(end).max(end.saturating_add(stream.window));
        // Half a window before its end more is asked for.
        let mark = stream.ahead.saturating_sub(stream.window / 2).max(end);
        (stream.ahead, Some(mark))
    }

    /// An activity's place, which is made where there is none; but for who reads all of a small
    /// file at once, or where the heap has no room.
    fn lane(&mut self, who: ActivityId, at_once: bool) -> Option<usize> {
        let found = self.lanes.iter().position(|lane| lane.of == who);
        if found.is_some() || at_once {
            return found;
        }
        self.lanes.try_reserve_exact(1).ok()?;
        self.came.try_reserve(1).ok()?;
        let streams = [Stream::default(); STREAMS];
        self.lanes.push(Lane { of: who, used: Cycles::ZERO, turn: 0, streams });
        self.came.push(who);
        self.lanes.len().checked_sub(1)
    }

    /// Forgets those of activities that have not read since then.
    pub fn forget(&mut self, since: Cycles) {
        let went = &mut self.went;
        self.lanes.retain(|lane| {
            let stays = lane.used >= since || went.try_reserve(1).is_err();
            if !stays {
                went.push(lane.of);
            }
            stays
        });
    }

    /// Whose have come, and gone, since this was asked.
    pub fn changed(&mut self) -> (Vec<ActivityId>, Vec<ActivityId>) {
        (core::mem::take(&mut self.came), core::mem::take(&mut self.went))
    }

    /// Whose are kept.
    pub fn of(&self) -> impl Iterator<Item = ActivityId> + '_ {
        self.lanes.iter().map(|lane| lane.of)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LAST: u32 = 10_000;

    fn reader(who: usize) -> Reader {
        Reader { who: ActivityId::new(who as u32, 0), now: Cycles::new(5) }
    }

    #[test]
    fn who_reads_all_over_takes_nobody_elses() {
        let mut streams = Streams::new();
        // Eight readers in order, of one activity.
        for round in 0..4 {
            for stream in 0..8 {
                let first = 1_000 * stream + 4 * round;
                let (ahead, _) = streams.follow(reader(1), (first, first + 4), LAST);
                assert!(round == 0 || ahead > first + 4, "stream {stream} in round {round}");
            }
            // Another reads here and there, in the midst of them too.
            for at in 0..100 {
                let first = (at * 7_919) % LAST;
                let _ = streams.follow(reader(2), (first, first + 1), LAST);
                let own = 1_000 * (at % 8) + 4 * round + 6;
                let _ = streams.follow(reader(2), (own, own + 1), LAST);
            }
        }
        // Its own it does.
        for at in 0..8 {
            let _ = streams.follow(reader(1), (9_000 + 10 * at, 9_001 + 10 * at), LAST);
        }
        assert_eq!(streams.follow(reader(1), (16, 20), LAST), (20, None));
    }

    #[test]
    fn who_comes_behind_another_goes_on_as_fast() {
        let mut streams = Streams::new();
        for first in [100, 104, 108, 112, 116] {
            let _ = streams.follow(reader(1), (first, first + 4), LAST);
        }
        assert_eq!(streams.follow(reader(2), (120, 124), LAST), (124 + MOST, Some(124)));
    }

    #[test]
    fn what_is_kept_is_of_who_reads_and_goes_with_time() {
        let mut streams = Streams::new();
        assert_eq!(streams.follow(reader(1), (0, 2), 2), (2, None));
        assert_eq!(streams.of().count(), 0, "a small file is read at once");
        let _ = streams.follow(reader(1), (0, 2), LAST);
        let _ = streams.follow(Reader { now: Cycles::new(9), ..reader(2) }, (0, 2), LAST);
        let (one, two) = (reader(1).who, reader(2).who);
        assert_eq!(streams.changed(), (alloc::vec![one, two], Vec::new()));
        streams.forget(Cycles::new(6));
        assert_eq!(streams.changed(), (Vec::new(), alloc::vec![one]));
        assert!(streams.of().eq([two]));
    }
}
