//! Standard output, for a reader that may have gone away.

use std::io::Write as _;

/// Prints a text. Where nobody reads any more (`./vortex … | head`) the command ends
/// quietly, with the code that SIGPIPE gives other programs.
pub fn put(text: &str) {
    let mut out = std::io::stdout().lock();
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(141);
    }
}

/// The text without what a terminal would do something with: control characters are spaces.
pub fn plain(text: &str) -> String {
    text.replace(char::is_control, " ")
}
