//! A terminal that is drawn anew from time to time, and is as before afterwards.
//!
//! It is the terminal's second page, as editors have it. A panic puts the first one back.

use std::io::{self, IsTerminal as _, Write as _};

use rustix::termios::tcgetwinsize;

use crate::watch::view::{Style, fit};

const ENTER: &str = "\x1b[?1049h\x1b[?25l";
const LEAVE: &str = "\x1b[?25h\x1b[?1049l";
/// To the first place; to the line's end; to the page's end.
const HOME: &str = "\x1b[H";
const LINE: &str = "\x1b[K";
const PAGE: &str = "\x1b[J";

/// It.
#[derive(Debug)]
pub struct Screen {
    colour: bool,
}

/// Whether colour is wanted: as `NO_COLOR` and `TERM` say it.
pub fn colour() -> bool {
    let no_colour = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
    io::stdout().is_terminal() && !no_colour && !dumb
}

impl Screen {
    /// Standard output, if it is a terminal that can be drawn on.
    pub fn open() -> Option<Self> {
        let dumb = std::env::var_os("TERM").is_none_or(|terminal| terminal == "dumb");
        if !io::stdout().is_terminal() || dumb {
            return None;
        }
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |about| {
            write(LEAVE);
            before(about);
        }));
        write(ENTER);
        Some(Self { colour: colour() })
    }

    /// Draws text, as much of it as there is room for.
    pub fn draw(&self, text: &str) {
        let size = tcgetwinsize(io::stdout()).ok();
        let room = |number: u16| (number > 0).then_some(usize::from(number));
        let style = Style {
            colour: self.colour,
            // The last line is left free, or the page would move up.
            lines: size.and_then(|size| room(size.ws_row)).map(|rows| rows.saturating_sub(1)),
            width: size.and_then(|size| room(size.ws_col)),
        };
        let text = fit(text, style).replace('\n', &format!("{LINE}\n"));
        write(&format!("{HOME}{text}{PAGE}"));
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        write(LEAVE);
    }
}

fn write(text: &str) {
    let mut out = io::stdout().lock();
    // Who does not read any more needs no picture.
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
}
