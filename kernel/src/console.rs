//! What the kernel itself says on the console.

use core::fmt::{self, Write};

struct Console;

impl Write for Console {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for line in text.split_inclusive('\n') {
            vortex_machine::console_write(line.trim_end_matches('\n').as_bytes());
            if line.ends_with('\n') {
                vortex_machine::console_write(b"\r\n");
            }
        }
        Ok(())
    }
}

/// Prints to the console.
pub fn print(what: fmt::Arguments<'_>) {
    // The console's writer has no errors.
    let _ = Console.write_fmt(what);
}
