//! Read-ahead: who reads a file in order has the next pages fetched before they are asked for.
//!
//! A few streams of a file are followed at a time, so that several readers of it do not break
//! each other's. A stream's window doubles with each read that follows on, to 128 KiB.

/// Pages of the largest window: 128 KiB.
const MOST: u32 = 32;
/// Of the first.
const LEAST: u32 = 4;
/// Streams of a file that are followed.
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

/// The streams of a file.
#[derive(Default)]
pub struct Streams {
    streams: [Stream; STREAMS],
    turn: u32,
}

impl Streams {
    pub const fn new() -> Self {
        let stream = Stream { next: 0, ahead: 0, window: 0, turn: 0 };
        Self { streams: [stream; STREAMS], turn: 0 }
    }

    /// These pages are read. Up to where is to be fetched, and which page's reader is to ask
    /// for more.
    pub fn follow(&mut self, first: u32, end: u32) -> (u32, Option<u32>) {
        self.turn = self.turn.wrapping_add(1);
        let goes_on = |stream: &&mut Stream| {
            stream.window > 0 && (stream.next..=stream.ahead).contains(&first)
        };
        let turn = self.turn;
        let found = self.streams.iter_mut().find(goes_on);
        let Some(stream) = found else {
            // A first read at the beginning of a file is likely to be of all of it.
            let window = if first == 0 { LEAST } else { 0 };
            let ahead = end.saturating_add(window);
            let oldest =
                self.streams.iter_mut().max_by_key(|stream| turn.wrapping_sub(stream.turn));
            if let Some(stream) = oldest {
                *stream = Stream { next: end, ahead, window: LEAST, turn };
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
}
