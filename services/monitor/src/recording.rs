//! Recordings of what all cores run, for the host: begun by one order, given by others, so that
//! nobody is waited for.

use vortex_abi::performance::trace::{LONGEST, ROOM, decode};

use crate::form::Form;
use crate::http::Order;
use crate::orders::{BAD, CONFLICT, FORBIDDEN, Orders, Said, wrong};

/// An answer has no further piece when it has this many bytes.
const ANSWER: usize = 256 << 10;
/// What is not over yet, or not there for another reason that passes.
const LATER: &str = "503 Service Unavailable";
const NO_RIGHT: &str = "This monitor records nothing: its activity has no performance=\"all\" in the \
    configuration. Give it that, and begin the machine again.\n";

impl Orders {
    /// Begins a recording on all cores: field `milliseconds`.
    ///
    /// # Errors
    /// What is answered where none is begun.
    pub fn record(&mut self, order: &Order) -> Result<Said, Said> {
        let form = Form::read(&order.body).ok_or_else(|| wrong("This is no form."))?;
        let text = form.get("milliseconds").ok_or_else(|| wrong("Milliseconds are needed."))?;
        let long = || wrong(&format!("'{text}' is no time from 1 to {LONGEST} milliseconds."));
        let milliseconds = text.parse().map_err(|_| long())?;
        match self.calls.record(milliseconds) {
            Ok(cores) => {
                Ok(("200 OK", format!("For {milliseconds} ms all is recorded, cores: {cores}.\n")))
            }
            Err(error) => Err(match error.0 {
                libc::EPERM => (FORBIDDEN, NO_RIGHT.into()),
                libc::EINVAL => long(),
                libc::EBUSY => {
                    (CONFLICT, "Another recording goes on; try again when it is over.\n".into())
                }
                libc::ENOMEM => (
                    CONFLICT,
                    "The monitor's activity has no memory for it: 2 MiB a core. Give it more, or \
                     end something.\n"
                        .into(),
                ),
                _ => ("500 Internal Server Error", format!("Nothing is recorded: {error}.\n")),
            }),
        }
    }

    /// Gives what a core has recorded, a piece after the other: fields `core`, and `from`, which
    /// is the first event that is wanted. What is behind the last event is given apart, for with
    /// that it is freed; nothing where it was.
    ///
    /// # Errors
    /// What is answered where there is nothing.
    pub fn recorded(&mut self, order: &Order) -> Result<Vec<u8>, Said> {
        let form = Form::read(&order.body).ok_or_else(|| wrong("This is no form."))?;
        let number = |name| form.get(name).and_then(|text| text.parse::<u32>().ok());
        let (Some(core), Some(mut from)) = (number("core"), number("from")) else {
            return Err(wrong("A core and the first event are needed."));
        };
        let core = u16::try_from(core).map_err(|_| wrong("There is no such core."))?;
        let (mut answer, mut buffer) = (Vec::new(), vec![0; ROOM]);
        loop {
            let piece = match self.calls.recorded(core, from, &mut buffer) {
                Ok(length) => buffer.get(..length).unwrap_or_default(),
                Err(error) => match error.0 {
                    libc::ENODATA => return Ok(answer),
                    libc::EPERM => return Err((FORBIDDEN, NO_RIGHT.into())),
                    libc::EAGAIN => return Err((LATER, "It is not over yet.\n".into())),
                    libc::EINVAL => {
                        return Err((BAD, "There is no such core, or no such event.\n".into()));
                    }
                    _ => return Err((LATER, format!("There is nothing: {error}.\n"))),
                },
            };
            answer.extend_from_slice(piece);
            let Ok((piece, _)) = decode(piece) else {
                return Err((LATER, "What the kernel gives is no recording.\n".into()));
            };
            from = from.saturating_add(u32::try_from(piece.events.len()).unwrap_or(u32::MAX));
            let last = u64::from(from) >= piece.events_in_all;
            if piece.events.is_empty() || last || answer.len() >= ANSWER {
                return Ok(answer);
            }
        }
    }
}
