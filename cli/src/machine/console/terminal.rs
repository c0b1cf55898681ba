//! The terminal from which the console is typed to, if it is one.
//!
//! In raw mode every key comes at once and unchanged, Ctrl-C among them. Output keeps its
//! processing, so that the kernel's bare line feeds begin a new line. The mode is put back
//! when [`Raw`] is dropped, and by [`Raw::on_panic`] where a panic drops nothing.

use std::io::{self, Stdin};
use std::sync::Arc;

use rustix::process::getpgrp;
use rustix::termios::{
    InputModes, LocalModes, OptionalActions, SpecialCodeIndex, Termios, isatty, tcgetattr,
    tcgetpgrp, tcsetattr,
};

/// What standard input is to the console.
#[derive(Debug)]
pub enum Input {
    /// A terminal, in raw mode as long as this lives.
    Terminal(Raw),
    /// A file or a pipe: what is in it goes to the machine as it is.
    Stream,
    /// A terminal that somebody else is using: this command is in the background.
    Nobody,
}

/// A terminal in raw mode.
#[derive(Debug)]
pub struct Raw {
    before: Arc<Termios>,
}

/// Finds out what standard input is, and makes a terminal raw.
///
/// # Errors
/// Those of the terminal.
pub fn input() -> io::Result<Input> {
    let stdin = io::stdin();
    if !isatty(&stdin) {
        return Ok(Input::Stream);
    }
    if tcgetpgrp(&stdin)? != getpgrp() {
        return Ok(Input::Nobody);
    }
    Raw::new(&stdin).map(Input::Terminal)
}

impl Raw {
    fn new(stdin: &Stdin) -> io::Result<Self> {
        let before = tcgetattr(stdin)?;
        tcsetattr(stdin, OptionalActions::Now, &raw(&before))?;
        Ok(Self { before: Arc::new(before) })
    }

    /// What puts the mode back, from wherever a panic comes.
    pub fn on_panic(&self) -> impl Fn() + Send + Sync + 'static {
        let before = Arc::clone(&self.before);
        move || restore(&before)
    }
}

impl Drop for Raw {
    fn drop(&mut self) {
        restore(&self.before);
    }
}

fn restore(before: &Termios) {
    let _ = tcsetattr(io::stdin(), OptionalActions::Now, before);
}

/// The mode, from the one before.
fn raw(before: &Termios) -> Termios {
    let mut mode = before.clone();
    mode.input_modes -= InputModes::ICRNL
        | InputModes::INLCR
        | InputModes::IGNCR
        | InputModes::ISTRIP
        | InputModes::IXON;
    mode.local_modes -=
        LocalModes::ICANON | LocalModes::ECHO | LocalModes::ISIG | LocalModes::IEXTEN;
    mode.special_codes[SpecialCodeIndex::VMIN] = 1;
    mode.special_codes[SpecialCodeIndex::VTIME] = 0;
    mode
}
