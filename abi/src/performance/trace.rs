//! What cores recorded of their runs, as bytes: what the call `recorded` gives, a piece of one
//! core's at a time.
//!
//! As samples, a piece is little-endian, has no padding, and tells its own length. It names what
//! occurs in it, so that pieces can be read in any order.
//!
//! ```text
//! piece    magic u32, version u16, core u16, length u64, megahertz u32, began u64, ended u64,
//!          lost u64, events u64, first u64, list of names, list of resources, list of words,
//!          list of events
//! name     activity u32, string
//! resource instance u32, string
//! word     string
//! event    run u32, how u8, activity u32, instance u32, word u16, began u64, span u64,
//!          waited u64, core u16, caused by run u32 (of no core: nobody's)
//! ```

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use super::read::{Bytes, Unreadable};
use super::write::{count, finish, string};

/// The system call by which a recording begins.
pub const BEGIN: u32 = 0x560e;
/// The one that gives what was recorded.
pub const TAKE: u32 = 0x560f;
/// `VXTR`, little-endian.
pub const MAGIC: u32 = 0x5254_5856;
/// The form described here.
pub const VERSION: u16 = 1;
/// The longest recording, in milliseconds.
pub const LONGEST: u32 = 60_000;
/// As many events as a piece has at most, and the bytes that are room for them and their names.
pub const EVENTS: usize = 64;
/// See [`EVENTS`].
pub const ROOM: usize = 16 << 10;
/// As an event's resource: none.
pub const NOWHERE: u32 = u32::MAX;
const NO_CORE: u16 = u16::MAX;

/// Some of what a core recorded.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Piece {
    /// Which core.
    pub core: u16,
    /// The counter's rate.
    pub megahertz: u32,
    /// The core's counter when it began to record.
    pub began: u64,
    /// Up to when it has recorded everything.
    pub ended: u64,
    /// How many events it had no room for after that.
    pub lost: u64,
    /// How many it has in all.
    pub events_in_all: u64,
    /// Which of them is the first here.
    pub first: u64,
    /// What the activities are called that occur.
    pub names: Vec<(u32, String)>,
    /// What the resources are called that occur.
    pub resources: Vec<(u32, String)>,
    /// What runs were about.
    pub words: Vec<String>,
    /// What was recorded, in order.
    pub events: Vec<Event>,
}

/// What an event tells of.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum How {
    /// A request's first run.
    #[default]
    Began,
    /// A request went on that had more to do.
    WentOn,
    /// A request went on because of a reply.
    Resumed,
    /// A thread was in user mode.
    User,
    /// Something was done for the activity between two runs.
    Aside,
    /// So many cycles of the run of this number as `waited` says, which were the
    /// infrastructure's, are this activity's.
    Billed,
}

const HOWS: [How; 6] = [How::Began, How::WentOn, How::Resumed, How::User, How::Aside, How::Billed];

/// Something that a core recorded.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Event {
    /// The core's run of which it tells.
    pub run: u32,
    /// What it tells of.
    pub how: How,
    /// Who was charged.
    pub activity: u32,
    /// The resource, or [`NOWHERE`].
    pub instance: u32,
    /// What it was about: its place among the words.
    pub word: u16,
    /// When it began.
    pub began: u64,
    /// For how long it went on.
    pub span: u64,
    /// How long the request had waited, where it [`How::Began`].
    pub waited: u64,
    /// The core and the run that has caused it, if that was one.
    pub cause: Option<(u16, u32)>,
}

/// The piece's bytes.
#[must_use]
pub fn encode(piece: &Piece) -> Vec<u8> {
    let mut to = Vec::new();
    to.extend(MAGIC.to_le_bytes());
    to.extend(VERSION.to_le_bytes());
    to.extend(piece.core.to_le_bytes());
    to.extend(0_u64.to_le_bytes());
    to.extend(piece.megahertz.to_le_bytes());
    let Piece { began, ended, lost, events_in_all, first, .. } = *piece;
    for number in [began, ended, lost, events_in_all, first] {
        to.extend(number.to_le_bytes());
    }
    for names in [&piece.names, &piece.resources] {
        count(&mut to, names.len());
        for (number, name) in names {
            to.extend(number.to_le_bytes());
            string(&mut to, name);
        }
    }
    count(&mut to, piece.words.len());
    for word in &piece.words {
        string(&mut to, word);
    }
    count(&mut to, piece.events.len());
    for event in &piece.events {
        to.extend(event.run.to_le_bytes());
        to.push(event.how as u8);
        to.extend(event.activity.to_le_bytes());
        to.extend(event.instance.to_le_bytes());
        to.extend(event.word.to_le_bytes());
        for number in [event.began, event.span, event.waited] {
            to.extend(number.to_le_bytes());
        }
        let (core, run) = event.cause.unwrap_or((NO_CORE, 0));
        to.extend(core.to_le_bytes());
        to.extend(run.to_le_bytes());
    }
    finish(&mut to);
    to
}

/// The piece in these bytes, and what stands behind it.
///
/// # Errors
/// [`Unreadable`].
pub fn decode(bytes: &[u8]) -> Result<(Piece, &[u8]), Unreadable> {
    let mut from = Bytes(bytes);
    from.begin(MAGIC, VERSION)?;
    let core = from.short()?;
    let length = from.long()?;
    let piece = Piece {
        core,
        megahertz: from.word()?,
        began: from.long()?,
        ended: from.long()?,
        lost: from.long()?,
        events_in_all: from.long()?,
        first: from.long()?,
        names: from.list(|from| Ok((from.word()?, from.string()?)))?,
        resources: from.list(|from| Ok((from.word()?, from.string()?)))?,
        words: from.list(Bytes::string)?,
        events: from.list(event)?,
    };
    if (bytes.len() - from.0.len()) as u64 != length {
        return Err(Unreadable::Length);
    }
    Ok((piece, from.0))
}

fn event(from: &mut Bytes<'_>) -> Result<Event, Unreadable> {
    Ok(Event {
        run: from.word()?,
        how: {
            let how = from.byte()?;
            HOWS.get(usize::from(how)).copied().ok_or(Unreadable::Kind(how))?
        },
        activity: from.word()?,
        instance: from.word()?,
        word: from.short()?,
        began: from.long()?,
        span: from.long()?,
        waited: from.long()?,
        cause: {
            let cause = (from.short()?, from.word()?);
            (cause.0 != NO_CORE).then_some(cause)
        },
    })
}

impl Piece {
    /// What an event was about.
    #[must_use]
    pub fn word(&self, event: &Event) -> &str {
        self.words.get(usize::from(event.word)).map_or("", String::as_str)
    }

    /// Adds an event with names for all in it that has none yet; `resource` gives its
    /// resource's.
    pub fn add(&mut self, event: Event, word: &str, resource: impl FnOnce() -> String) {
        let place = self.words.iter().position(|own| own == word).unwrap_or_else(|| {
            self.words.push(word.to_string());
            self.words.len() - 1
        });
        let known = self.resources.iter().any(|(instance, _)| *instance == event.instance);
        if event.instance != NOWHERE && !known {
            self.resources.push((event.instance, resource()));
        }
        self.events.push(Event { word: u16::try_from(place).unwrap_or(u16::MAX), ..event });
    }
}

#[cfg(test)]
mod tests {
    use alloc::vec;

    use super::*;

    fn piece() -> Piece {
        let mut piece = Piece {
            core: 3,
            megahertz: 2600,
            began: 1 << 40,
            ended: u64::MAX,
            lost: 5,
            events_in_all: 1000,
            first: 998,
            names: vec![(0, "infrastructure".to_string()), (2, "wéb".to_string())],
            ..Piece::default()
        };
        let event =
            Event { run: 7, how: How::Resumed, span: 3, cause: Some((1, 9)), ..Event::default() };
        piece.add(Event { instance: 4, ..event }, "read", || "resource.file".to_string());
        piece.add(Event { instance: 4, ..event }, "read", || panic!("it is known"));
        let user = Event { how: How::Billed, instance: NOWHERE, cause: None, ..event };
        piece.add(user, "", || panic!("it is nowhere"));
        piece
    }

    #[test]
    fn what_was_written_is_read_piece_by_piece() {
        let (first, second) = (piece(), Piece::default());
        let bytes = [encode(&first), encode(&second)].concat();
        let (read, rest) = decode(&bytes).unwrap();
        assert_eq!(read, first);
        assert_eq!(decode(rest), Ok((second, &[][..])));
        let words: Vec<_> = first.events.iter().map(|event| first.word(event)).collect();
        assert_eq!((words, first.resources.len()), (vec!["read", "read", ""], 1));
        assert_eq!(first.word(&Event { word: 77, ..Event::default() }), "");
    }

    #[test]
    fn a_part_of_a_piece_is_none() {
        let bytes = encode(&piece());
        for length in 0..bytes.len() {
            assert_eq!(decode(&bytes[..length]), Err(Unreadable::Short), "{length}");
        }
    }

    #[test]
    fn a_full_piece_has_room() {
        let mut piece = piece();
        let name = "resource.thread of an activity with a rather long name".to_string();
        for place in 0..EVENTS as u32 {
            let event = Event { instance: place + 10, ..Event::default() };
            piece.add(event, "a word", || name.clone());
            piece.names.push((place, name.clone()));
        }
        assert!(encode(&piece).len() <= ROOM, "{}", encode(&piece).len());
    }

    #[test]
    fn the_numbers_are_the_declared_ones() {
        let number = |name| {
            let call = crate::DECLARED.iter().find(|call| call.name == name);
            call.map(|call| call.number)
        };
        assert_eq!([number("record"), number("recorded")], [Some(BEGIN), Some(TAKE)]);
    }

    #[test]
    fn wrong_bytes_are_errors_or_other_pieces() {
        let good = encode(&piece());
        for place in 0..good.len() {
            for wrong in [0, 1, 5, 0x7f, 0xff] {
                let mut bytes = good.clone();
                bytes[place] = wrong;
                if let Ok((read, rest)) = decode(&bytes) {
                    assert_eq!((encode(&read).len(), rest.len()), (good.len(), 0), "{place}");
                }
                // What claims to be longer than it is, or shorter, is neither.
                bytes.truncate(good.len() - 1);
                assert!(decode(&bytes).is_err(), "{place}");
            }
        }
        let with = |place: usize, value: u8| {
            let mut bytes = good.clone();
            bytes[place] = value;
            decode(&bytes).unwrap_err()
        };
        assert_eq!(with(0, 0), Unreadable::NotOne);
        assert_eq!(with(4, 9), Unreadable::Version(9));
        assert_eq!(with(8, 0), Unreadable::Length);
        assert_eq!(with(good.len() - 41, 6), Unreadable::Kind(6));
    }
}
