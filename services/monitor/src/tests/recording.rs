//! Recordings, of a machine that has one.

use vortex_abi::performance::trace::{Event, LONGEST, Piece, decode, encode};
use vortex_guest::{Errno, Res};

use crate::http::Order;
use crate::orders::{Calls, Orders, Said};

/// A machine of one core: how many events it has recorded, if it is asked, and not over yet.
struct Core {
    events: Option<u32>,
    soon: bool,
}

impl Calls for Core {
    fn change(&mut self, _: &str) -> Result<(), (Errno, String)> {
        Err((Errno(libc::ENOSYS), String::new()))
    }

    fn begin(&mut self, _: &str, _: &[&str], _: &[&str]) -> Res<()> {
        Err(Errno(libc::ENOSYS))
    }

    fn record(&mut self, milliseconds: u32) -> Res<usize> {
        match milliseconds {
            0 | LONGEST.. => Err(Errno(libc::EINVAL)),
            1 => Err(Errno(libc::EPERM)),
            2 => Err(Errno(libc::EBUSY)),
            3 => Err(Errno(libc::ENOMEM)),
            _ => Ok(1),
        }
    }

    fn recorded(&mut self, core: u16, from: u32, buffer: &mut [u8]) -> Res<usize> {
        let all = self.events.ok_or(Errno(libc::ENODATA))?;
        if self.soon {
            return Err(Errno(libc::EAGAIN));
        }
        if core != 0 || from > all {
            return Err(Errno(libc::EINVAL));
        }
        let here = (all - from).min(64);
        let event = |run| Event { run: from + run, ..Event::default() };
        let bytes = encode(&Piece {
            events_in_all: all.into(),
            first: from.into(),
            events: (0..here).map(event).collect(),
            ..Piece::default()
        });
        if here == 0 {
            self.events = None;
        }
        buffer[..bytes.len()].copy_from_slice(&bytes);
        Ok(bytes.len())
    }
}

fn orders(events: Option<u32>, soon: bool) -> Orders {
    Orders::new(Some("secret".into()), Box::new(Core { events, soon }))
}

fn order(body: &str) -> Order {
    Order { secret: None, body: body.into() }
}

#[test]
fn a_recording_is_begun_or_it_is_said_why_not() {
    for (body, status, part) in [
        ("milliseconds=200", "200", "200 ms"),
        ("milliseconds=1", "403", "performance=\"all\""),
        ("milliseconds=2", "409", "Another"),
        ("milliseconds=3", "409", "memory"),
        ("milliseconds=0", "400", "'0' is no time from 1 to 60000"),
        ("milliseconds=-1", "400", "'-1'"),
        ("milliseconds=x", "400", "'x'"),
        ("a=b", "400", "needed"),
        ("a", "400", "form"),
    ] {
        let (own, why) = orders(None, false).record(&order(body)).unwrap_or_else(|said| said);
        assert!(own.starts_with(status) && why.contains(part), "{body}: {own} {why}");
    }
}

/// The runs of all events, as the host takes them, and how many answers that needed.
fn all(orders: &mut Orders) -> Result<(Vec<u32>, usize), Said> {
    let (mut runs, mut answers) = (Vec::new(), 0);
    loop {
        let body = format!("core=0&from={}", runs.len());
        let bytes = orders.recorded(&order(&body))?;
        answers += 1;
        let mut rest = &bytes[..];
        let mut in_all = 0;
        while !rest.is_empty() {
            let (piece, behind) = decode(rest).unwrap();
            assert_eq!(piece.first, runs.len() as u64);
            runs.extend(piece.events.iter().map(|event| event.run));
            (rest, in_all) = (behind, piece.events_in_all);
            if piece.events.is_empty() {
                return Ok((runs, answers));
            }
        }
        assert!(in_all >= runs.len() as u64);
    }
}

#[test]
fn what_was_recorded_comes_in_answers_and_is_freed_behind_the_last() {
    for events in [0, 1, 64, 65, 20_000] {
        let mut orders = orders(Some(events), false);
        let (runs, answers) = all(&mut orders).unwrap();
        assert!(runs.iter().copied().eq(0..events), "{events}");
        assert!(answers <= 2 + events as usize * 50 / (256 << 10), "{events}: {answers}");
        assert_eq!(orders.recorded(&order("core=0&from=0")), Ok(Vec::new()), "it is freed");
    }
}

#[test]
fn what_cannot_be_given_is_said() {
    let mut there = orders(Some(5), false);
    for (body, status) in [
        ("core=1&from=0", "400"),
        ("core=99999&from=0", "400"),
        ("core=0&from=6", "400"),
        ("core=0", "400"),
        ("from=0", "400"),
        ("core", "400"),
    ] {
        let (own, _) = there.recorded(&order(body)).unwrap_err();
        assert!(own.starts_with(status), "{body}: {own}");
    }
    let (own, why) = orders(Some(5), true).recorded(&order("core=0&from=0")).unwrap_err();
    assert!(own.starts_with("503") && why.contains("not over"), "{own} {why}");
}
