//! The messages between `./vortex exec` on the host and its runner in the machine, as both have
//! them: the command includes this file.
//!
//! A message is a byte that says what it is, its length in four bytes, little-endian, and that
//! many bytes:
//!
//! ```text
//! from the host   a  the program and its arguments, a zero behind each: first, and once
//!                 i  input; none at all is its end
//! to the host     o  output     r  errors' output
//!                 w  one message of input was taken
//!                 x  it has ended: the exit code, four bytes
//!                 f  it cannot be started: why
//! ```
//!
//! Input that the program does not take is at most [`AHEAD`] messages: so the runner need not
//! keep more, and hears when the connection ends though nobody reads what is typed.

use std::io::{self, ErrorKind, Read, Write};

/// The longest message.
pub const LONGEST: usize = 1 << 20;
/// What is read of a program's output, or of what is typed, at a time.
pub const PIECE: usize = 4 << 10;
/// So many messages of input are on their way at most, those that were taken not counted.
pub const AHEAD: usize = 16;

/// Says something in one message.
///
/// # Errors
/// What the connection has; `InvalidInput` where it is too long for a message.
pub fn say(to: &mut impl Write, kind: u8, bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(|_| ErrorKind::InvalidInput)?;
    if bytes.len() > LONGEST {
        return Err(ErrorKind::InvalidInput.into());
    }
    to.write_all(&[&[kind], &length.to_le_bytes()[..], bytes].concat())
}

/// The next message.
///
/// # Errors
/// What the connection has; `InvalidData` where the message is too long.
pub fn hear(from: &mut impl Read) -> io::Result<(u8, Vec<u8>)> {
    let mut head = [0; 5];
    from.read_exact(&mut head)?;
    let [kind, length @ ..] = head;
    let length = u32::from_le_bytes(length) as usize;
    if length > LONGEST {
        return Err(ErrorKind::InvalidData.into());
    }
    let mut bytes = vec![0; length];
    from.read_exact(&mut bytes)?;
    Ok((kind, bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_these_bytes() {
        let mut said = Vec::new();
        say(&mut said, b'o', b"ab").unwrap();
        say(&mut said, b'w', b"").unwrap();
        assert_eq!(said, b"o\x02\0\0\0abw\0\0\0\0");
        let from = &mut &said[..];
        assert_eq!(hear(from).unwrap(), (b'o', b"ab".to_vec()));
        assert_eq!(hear(from).unwrap(), (b'w', Vec::new()));
        assert!(hear(from).is_err());
    }

    #[test]
    fn the_longest_is_said_and_heard_and_nothing_beyond() {
        let (mut said, bytes) = (Vec::new(), vec![1; LONGEST + 1]);
        say(&mut said, b'a', &bytes[1..]).unwrap();
        assert_eq!(hear(&mut &said[..]).unwrap().1.len(), LONGEST);
        let wrong = say(&mut said, b'a', &bytes).unwrap_err();
        assert_eq!(wrong.kind(), ErrorKind::InvalidInput);
        let head = [&b"o"[..], &(LONGEST as u32 + 1).to_le_bytes()].concat();
        assert_eq!(hear(&mut &head[..]).unwrap_err().kind(), ErrorKind::InvalidData);
    }
}
