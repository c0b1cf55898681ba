//! A first look at the text, in one pass and no memory: are nesting, tags and size within
//! limits? Only then the XML parser, whose work can grow with their squares, gets it.

use alloc::format;
use alloc::string::{String, ToString};

use crate::limits;

/// Where, what is wrong, what is right.
pub(super) type Finding = (usize, String, String);

/// Checks the limits. Text that is no XML passes: to say so is the parser's part.
pub(super) fn scan(text: &str) -> Result<(), Finding> {
    if text.len() > limits::FILE {
        return Err((
            0,
            format!("the file has {} bytes", text.len()),
            format!("at most {} bytes", limits::FILE),
        ));
    }
    let bytes = text.as_bytes();
    let (mut at, mut depth) = (0, 0_usize);
    while let Some(start) = find(bytes, at, b"<") {
        let rest = bytes.get(start..).unwrap_or_default();
        at = if rest.starts_with(b"<!--") {
            find(bytes, start + 4, b"-->").unwrap_or(bytes.len())
        } else if rest.starts_with(b"<![CDATA[") {
            find(bytes, start + 9, b"]]>").unwrap_or(bytes.len())
        } else if rest.starts_with(b"<?") {
            find(bytes, start + 2, b"?>").unwrap_or(bytes.len())
        } else {
            let end = tag(bytes, start)?;
            let closed = bytes.get(end.saturating_sub(1)) == Some(&b'/');
            if rest.starts_with(b"</") {
                depth = depth.saturating_sub(1);
            } else if !closed {
                depth += 1;
            }
            if depth > limits::DEPTH {
                return Err((
                    start,
                    "elements are nested too deeply".to_string(),
                    format!("at most {} levels", limits::DEPTH),
                ));
            }
            end
        };
    }
    Ok(())
}

/// The end of the tag that starts here, if it has not too many attributes.
fn tag(bytes: &[u8], start: usize) -> Result<usize, Finding> {
    let (mut quote, mut attributes) = (None, 0);
    for (at, &byte) in bytes.iter().enumerate().skip(start) {
        match (quote, byte) {
            (Some(open), _) if byte == open => quote = None,
            (Some(_), _) => {}
            (None, b'"' | b'\'') => quote = Some(byte),
            (None, b'=') => attributes += 1,
            (None, b'>') => return Ok(at),
            (None, _) => {}
        }
        if attributes > limits::ATTRIBUTES {
            return Err((
                start,
                "an element has too many attributes".to_string(),
                format!("at most {}", limits::ATTRIBUTES),
            ));
        }
    }
    Ok(bytes.len())
}

fn find(bytes: &[u8], from: usize, what: &[u8]) -> Option<usize> {
    let rest = bytes.get(from..)?;
    rest.windows(what.len()).position(|window| window == what).map(|offset| from + offset)
}
