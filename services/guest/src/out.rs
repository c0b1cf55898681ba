//! Output a line at a time, each in one write and none of it kept: a child made by `fork`
//! must not inherit half a line and print it again.

use std::fmt;

use crate::{Res, fd};

/// Prints a line.
#[macro_export]
macro_rules! say {
    ($($text:tt)*) => { $crate::out::line(format_args!($($text)*)) };
}

/// Prints a line to standard output.
pub fn line(text: fmt::Arguments<'_>) {
    put(1, &format!("{text}\n"));
}

/// Prints to a descriptor, as far as it takes it.
pub fn put(to: i32, text: &str) {
    let mut rest = text.as_bytes();
    while let Ok(written @ 1..) = fd::write(to, rest) {
        rest = &rest[written..];
    }
}

/// Prints what was done and the number or the error that it gave.
pub fn seen<T: fmt::Display>(what: &str, answer: Res<T>) {
    match answer {
        Ok(answer) => say!("{what}: {answer}"),
        Err(error) => say!("{what}: {error}"),
    }
}

/// Prints what was done and whether it worked, for answers that differ from run to run.
pub fn worked<T>(what: &str, answer: Res<T>) {
    seen(what, answer.map(|_| "ok"));
}

/// Text with what cannot be printed escaped.
pub fn text(bytes: &[u8]) -> String {
    bytes.escape_ascii().to_string()
}

/// Says what went wrong, and ends the process.
pub fn fail(why: &str) -> ! {
    put(2, &format!("{why}\n"));
    crate::proc::exit(1)
}
